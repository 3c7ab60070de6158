/** The page as it ships, in the two documents it runs in: those that the host and the HTML rendering really make. */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { ensureChromium } from '../../scripts/bootstrap.mjs';
import { buildBundle } from '../../scripts/build.mjs';
import type { ItemPreviews, Report } from '../../src/core/contract/report.ts';
import { pageHtml } from '../../src/host/pageHtml.ts';
import type { PageMessage, PageState, ReportActions, RunProgress } from '../../src/protocol/messages.ts';
import type { ThemeName } from './themes.ts';
import { themes } from './themes.ts';

export interface BuiltPage {
  script: string;
  style: string;
}

let built: Promise<BuiltPage> | null = null;

/** The bundle of scripts/build.mjs, in memory. */
export function builtPage(): Promise<BuiltPage> {
  built ??= (async () => {
    const result = await buildBundle('webview', { write: false, sourcemap: false });
    const text = (ending: string) => result.outputFiles?.find((file) => file.path.endsWith(ending))?.text ?? '';
    return { script: text('.js'), style: text('.css') };
  })();
  return built;
}

async function launchBrowser(): Promise<Browser> {
  const root = process.getuid?.() === 0;
  return chromium.launch({ executablePath: await ensureChromium(), args: root ? ['--no-sandbox'] : [] });
}

/** What must stay empty: errors, warnings, violations of the policy, requests that leave the page. */
export interface Troubles {
  list: string[];
}

export interface OpenPage {
  page: Page;
  context: BrowserContext;
  troubles: Troubles;
}

const ORIGIN = 'http://panel.test';

declare global {
  interface Window {
    sent: PageMessage[];
    violations: string[];
    hacked?: boolean;
  }
}

function watch(page: Page, allowed: (url: string) => boolean): Troubles {
  const troubles: Troubles = { list: [] };
  page.on('console', (message) => {
    if (message.type() !== 'log') troubles.list.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => troubles.list.push(`error: ${error.message}`));
  page.on('request', (request) => {
    if (!allowed(request.url())) troubles.list.push(`request: ${request.url()}`);
  });
  return troubles;
}

/** Theme variables as a style sheet; the workbench sets them on the root. */
export function themeStyle(theme: ThemeName): string {
  const declarations = Object.entries(themes[theme].variables).map(([name, value]) => `--vscode-${name}: ${value};`);
  return `html { ${declarations.join(' ')} }\nbody { padding: 0 20px; font-size: var(--vscode-font-size); }\n`;
}

/** The page in a host like the workbench's: real policy, theme variables, a record of what the page sends. */
async function openHosted(
  browser: Browser,
  theme: ThemeName,
  size = { width: 1150, height: 900 },
  deviceScaleFactor = 1,
): Promise<OpenPage> {
  const { script, style } = await builtPage();
  const context = await browser.newContext({ viewport: size, deviceScaleFactor });
  const page = await context.newPage();
  const troubles = watch(page, (url) => url.startsWith(`${ORIGIN}/`) || url.startsWith('data:'));
  const html = pageHtml({
    script: `${ORIGIN}/report.js`,
    style: `${ORIGIN}/report.css`,
    source: ORIGIN,
    nonce: randomBytes(16).toString('base64'),
    title: 'Report',
  }).replace('<body>', `<body class="${themes[theme].bodyClass}" data-vscode-theme-id="${theme}">`);
  await context.route(`${ORIGIN}/**`, (route) => {
    const { pathname } = new URL(route.request().url());
    if (pathname === '/report.js') return route.fulfill({ contentType: 'text/javascript', body: script });
    if (pathname === '/report.css') return route.fulfill({ contentType: 'text/css', body: themeStyle(theme) + style });
    if (pathname === '/') return route.fulfill({ contentType: 'text/html', body: html });
    return route.fulfill({ status: 204, body: '' });
  });
  await context.addInitScript(() => {
    window.sent = [];
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => {
      window.violations.push(`${event.violatedDirective}: ${event.blockedURI || event.sample}`);
    });
    let state: unknown = JSON.parse(sessionStorage.getItem('state') ?? 'null') ?? undefined;
    Object.assign(window, {
      acquireVsCodeApi: () => ({
        postMessage: (message: PageMessage) => window.sent.push(message),
        getState: () => state,
        setState: (next: unknown) => {
          state = next;
          sessionStorage.setItem('state', JSON.stringify(next));
        },
      }),
    });
  });
  await page.goto(`${ORIGIN}/`);
  return { page, context, troubles };
}

/** A report in a file of its own, opened from the disk. */
async function openFile(
  browser: Browser,
  file: string,
  options: { colorScheme?: 'dark' | 'light' } = {},
): Promise<OpenPage> {
  const context = await browser.newContext({
    viewport: { width: 1150, height: 900 },
    deviceScaleFactor: 2,
    colorScheme: options.colorScheme ?? 'light',
    offline: true,
  });
  const page = await context.newPage();
  const troubles = watch(page, (url) => url.startsWith('file:') || url.startsWith('data:') || url.startsWith('blob:'));
  await context.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => {
      window.violations.push(`${event.violatedDirective}: ${event.blockedURI || event.sample}`);
    });
  });
  await page.goto(file);
  return { page, context, troubles };
}

/** Where pictures of pages go. */
export const pictures = fileURLToPath(new URL('../../test-output/webview/', import.meta.url));

/** Opens pages for the tests of a file; they are closed after each test, the browser after the last. */
export interface TestBrowser {
  hosted: (theme?: ThemeName, size?: { width: number; height: number }, pixelRatio?: number) => Promise<OpenPage>;
  file: (url: string, options?: { colorScheme?: 'dark' | 'light' }) => Promise<OpenPage>;
}

/** To be called once, outside of tests. */
export function useBrowser(): TestBrowser {
  let browser: Browser | null = null;
  let opened: OpenPage[] = [];
  beforeAll(async () => {
    mkdirSync(pictures, { recursive: true });
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());
  afterEach(async () => {
    for (const { context } of opened) await context.close();
    opened = [];
  });
  const keep = async (open: (from: Browser) => Promise<OpenPage>): Promise<OpenPage> => {
    if (browser === null) throw new Error('The browser is launched before the first test, not outside of tests.');
    const result = await open(browser);
    opened.push(result);
    return result;
  };
  return {
    hosted: (theme = 'dark', size, pixelRatio) => keep((from) => openHosted(from, theme, size, pixelRatio)),
    file: (url, options) => keep((from) => openFile(from, url, options)),
  };
}

/** An audit in the middle of its work. */
export const liveAudit: RunProgress = {
  name: 'digits',
  oldName: 'digits-v1',
  newName: 'digits-v2-bct',
  phase: 'Embedding the gallery with digits-v2-bct',
  phaseIndex: 2,
  phaseTotal: 7,
  done: 1200,
  total: 3000,
  unit: 'items',
  started: '2026-03-14T09:26:53.000Z',
  cancelling: false,
};

export const allActions: ReportActions = {
  openRunFolder: true,
  openConfig: true,
  exportHtml: true,
  cliCommand: 'backcompat audit backcompat.json --pair digits',
};

/** Sends a snapshot as the host does. */
export async function showState(page: Page, state: unknown, restore?: Record<string, string>): Promise<void> {
  await page.evaluate(
    ([sentState, sentRestore]) => {
      window.postMessage({ type: 'snapshot', state: sentState, restore: sentRestore }, '*');
    },
    [state, restore] as const,
  );
}

export async function showReport(
  page: Page,
  report: Report,
  actions = allActions,
  previews: ItemPreviews = {},
): Promise<void> {
  await showState(page, { kind: 'report', report, previews, actions } satisfies PageState);
  await page.waitForSelector('[role=tab]');
}

export const tabNames = ['Verdict', 'Retrieval', 'Inequalities', 'Flips', 'Thresholds', 'Data and protocol'] as const;

/** Chooses a tab and waits until its charts are drawn. */
export async function chooseTab(page: Page, name: (typeof tabNames)[number]): Promise<void> {
  await page.getByRole('tab', { name }).click();
  await settled(page);
}

/** Two frames: charts are made in a microtask, drawn in the next frame. */
export async function settled(page: Page): Promise<void> {
  await page.evaluate(
    () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(undefined)))),
  );
}

/** Errors, warnings and policy violations so far. */
export async function troublesOf({ page, troubles }: OpenPage): Promise<string[]> {
  return [...troubles.list, ...(await page.evaluate(() => window.violations))];
}

/** Text as it is rendered: hidden parts left out, cells apart. */
export function innerText(locator: Locator): Promise<string> {
  return locator.innerText();
}

/** Pixels by which something sticks out of the page. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

/** Texts that leave their cell: a column that is too narrow shows them over the next one. */
export function cutTexts(page: Page): Promise<(string | null)[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll('td.number, td.state .state, th .sort')]
      .filter((element) => element instanceof HTMLElement && element.offsetParent !== null)
      .filter((element) => {
        const range = document.createRange();
        range.selectNodeContents(element);
        const content = range.getBoundingClientRect();
        const box = (element.closest('td, th') ?? element).getBoundingClientRect();
        return content.right > box.right + 1.5 || content.left < box.left - 1.5;
      })
      .map((element) => element.textContent),
  );
}
