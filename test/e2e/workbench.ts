import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Browser,
  type BrowserContext,
  chromium,
  type FrameLocator,
  type Locator,
  type Page,
} from 'playwright-core';
import { inject } from 'vitest';

export const repository = fileURLToPath(new URL('../../', import.meta.url));
const output = path.join(repository, 'test-output/e2e');

export const themes = { dark: 'Dark Modern', light: 'Light Modern' } as const;

/**
 * Messages of the workbench itself under code-server and headless Chromium, each seen without our extension.
 * Narrow on purpose: anything of ours, and any violation of a content security policy, must come through.
 */
const workbenchNoise: readonly RegExp[] = [
  // Microsoft's signing module is not part of code-server.
  /^error: Failed to load resource: .* 404 .*\/node_modules\/vsda\/rust\/web\/vsda(_bg\.wasm|\.js)\)$/,
  // code-server has no such extension; the workbench says so when the extension host is slow.
  /^error: +ERR +Error: Timed out waiting for authentication provider 'github' to register\./,
  // A busy machine: the extension host is given little time to take part in a save.
  /^error: +ERR +Error: Aborted onWillSaveTextDocument-event after \d+ms\n +at \S+\/workbench\.js/,
  // A page that is left cannot wait for these parts of the workbench.
  /^error: +ERR +\[lifecycle\] Long running operations during shutdown are unsupported in the web \(id: [\w.]+\) /,
  /^error: +ERR +\w+: Unable to write file 'vscode-log:[^']+' \(Error: IndexedDB database 'vscode-web-db' is closed\.\)/,
  // Work of the workbench that is called off because its page is left: every frame of the stack is the workbench's own.
  /^error: +ERR +Canceled: Canceled\n(?: +at .*\/out\/vs\/code\/browser\/workbench\/workbench\.js:.*\n)+ +at \S+\.onUnload /,
  /^error: +ERR +\w+: Unable to read file 'vscode-remote:[^']+\/User\/\w+\.json' \(Canceled: Canceled\)/,
];

/** A workbench window, as a person uses it: palette, keys, and what is on the screen. */
export class Workbench {
  readonly page: Page;
  readonly #context: BrowserContext;
  readonly #messages: { type: string; text: string; source: string }[] = [];
  #taken = 0;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    // An extension host starts in 5 s on an idle machine, and in a minute on a busy one.
    page.setDefaultTimeout(60_000);
    page.on('console', (message) => {
      const text = message.text().replace(/%c|color: \S*/g, '');
      this.#messages.push({ type: message.type(), text, source: message.location().url });
    });
    page.on('pageerror', (error) => {
      this.#messages.push({ type: 'error', text: `uncaught: ${error.stack ?? error.message}`, source: '' });
    });
  }

  /** Opens a window on a folder, or an empty one. */
  static async open(browser: Browser, folder: string | null, server = inject('server')): Promise<Workbench> {
    const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
    const workbench = new Workbench(context, await context.newPage());
    const address = new URL(server.base);
    if (folder === null) address.searchParams.set('ew', 'true');
    else address.searchParams.set('folder', folder);
    await workbench.page.goto(address.toString(), { waitUntil: 'domcontentloaded' });
    await workbench.ready();
    return workbench;
  }

  async ready(): Promise<void> {
    await this.page.locator('.monaco-workbench .activitybar .action-item a[aria-label="Backcompat"]').waitFor();
  }

  async reload(): Promise<void> {
    await this.page.reload({ waitUntil: 'domcontentloaded' });
    await this.ready();
  }

  /** Since the last call: errors of the page and all about its content security policy, without the workbench's own. */
  takeErrors(): string[] {
    const messages = this.#messages.slice(this.#taken);
    this.#taken = this.#messages.length;
    return messages
      .filter(({ type, text }) => type === 'error' || /content security policy/i.test(text))
      .map(({ type, text, source }) => `${type}: ${text} (${source})`)
      .filter((line) => !workbenchNoise.some((pattern) => pattern.test(line)));
  }

  /** Opens the command palette, types, and takes the entry with that very name. */
  command(title: string): Promise<void> {
    return this.#pick('F1', `>${title}`, title);
  }

  /** Opens a file of the workspace by its name. */
  openFile(name: string): Promise<void> {
    return this.#pick('ControlOrMeta+P', name, name);
  }

  /**
   * Opens the quick input by its key, fills it and takes an entry. Tried again, as a person would: a webview that is
   * just being loaded does not pass keys on yet, and an open list does not learn of commands that are enabled later.
   */
  async #pick(key: string, text: string, label: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget input[type="text"]');
    for (let attempt = 1; ; attempt++) {
      await this.page.keyboard.press(key);
      try {
        await input.fill(text, { timeout: 5000 });
        await this.choice(label).click({ timeout: 5000 });
        return;
      } catch (error) {
        if (attempt === 8) throw error;
        await this.page.keyboard.press('Escape');
      }
    }
  }

  /** An entry of the open quick pick. */
  choice(label: string | RegExp): Locator {
    const rows = this.page.locator('.quick-input-list .monaco-list-row');
    if (label instanceof RegExp) return rows.filter({ hasText: label }).first();
    return rows
      .filter({ has: this.page.locator('.label-name', { hasText: new RegExp(`^\\s*${escaped(label)}\\s*$`) }) })
      .first();
  }

  /** Opens our side bar, unless it is open already. */
  async openSidebar(): Promise<void> {
    const icon = this.page.locator('.activitybar .action-item', {
      has: this.page.locator('a[aria-label="Backcompat"]'),
    });
    if (!(await icon.getAttribute('class'))?.includes('checked')) await icon.locator('a').click();
    await this.view('Pairs').waitFor();
  }

  /** The pane of a view in our side bar. */
  view(name: 'Pairs' | 'Runs' | 'Checkpoints'): Locator {
    return this.page.locator('.sidebar .pane', { has: this.page.locator('.pane-header', { hasText: name }) });
  }

  /** The content of the webview in front. */
  get webview(): FrameLocator {
    return this.page.frameLocator('iframe.webview.ready').frameLocator('#active-frame');
  }

  toast(text: string | RegExp): Locator {
    return this.page.locator('.notifications-toasts .notification-list-item-message', { hasText: text });
  }

  async useTheme(theme: keyof typeof themes): Promise<void> {
    await this.command('Preferences: Color Theme');
    await this.page.locator('.quick-input-widget input[type="text"]').fill(themes[theme]);
    await this.choice(themes[theme]).click();
    await this.page.locator(`.monaco-workbench.${theme === 'dark' ? 'vs-dark' : 'vs'}`).waitFor();
  }

  /** Writes what is on the screen to `test-output/e2e/NAME.png`. */
  async screenshot(name: string): Promise<void> {
    mkdirSync(output, { recursive: true });
    await this.page.screenshot({ path: path.join(output, `${name}.png`) });
  }

  /** After a failure: picture and console. */
  async keepEvidence(name: string): Promise<void> {
    const file = `failed-${name.replace(/\W+/g, '-').toLowerCase()}`;
    await this.screenshot(file);
    const lines = this.#messages.map(({ type, text, source }) => `${type}: ${text} (${source})`);
    writeFileSync(path.join(output, `${file}.log`), `${lines.join('\n')}\n`);
  }

  close(): Promise<void> {
    return this.#context.close();
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** The browser of the tier. */
export function connectBrowser(): Promise<Browser> {
  return chromium.connect(inject('browser'));
}

/** Makes a folder below the server's home with these files. */
export function makeFolder(name: string, files: Record<string, string>, server = inject('server')): string {
  const folder = path.join(server.home, name);
  for (const [file, content] of Object.entries(files)) {
    const absolute = path.join(folder, file);
    mkdirSync(path.dirname(absolute), { recursive: true });
    writeFileSync(absolute, content);
  }
  return folder;
}
