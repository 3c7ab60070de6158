/** The parts that a full audit adds: thresholds, flips with pictures, remedies, causes, backfill, slices, versions, protocol. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { explain } from '../../src/core/contract/explanation.ts';
import type { GateLimit, ItemPreviews, Report } from '../../src/core/contract/report.ts';
import { checkGateRule } from '../../src/core/report/gateRules.ts';
import { renderHtml } from '../../src/core/report/renderHtml.ts';
import { fullReport, hostileFullReport, unlabelledReport } from '../fixtures/report/fullReport.ts';
import { bareReport, hostileNames, largeReport, sampleReport } from '../fixtures/report/sampleReport.ts';
import {
  allActions,
  builtPage,
  chooseTab,
  cutTexts,
  innerText,
  type OpenPage,
  overflow,
  pictures,
  showReport,
  tabNames,
  troublesOf,
  useBrowser,
} from './buildPage.ts';
import { picturesOf, textsOf } from './previews.ts';
import type { ThemeName } from './themes.ts';

const browser = useBrowser();
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'report-parts-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function shown(report: Report, previews: ItemPreviews = {}, theme: ThemeName = 'dark', ratio = 1) {
  const result = await browser.hosted(theme, { width: 1150, height: 900 }, ratio);
  await showReport(result.page, report, allActions, previews);
  return result;
}

async function fileOf(report: Report, previews: ItemPreviews): Promise<OpenPage> {
  const name = path.join(folder, 'report.html');
  writeFileSync(name, renderHtml(report, await builtPage(), previews));
  const result = await browser.file(pathToFileURL(name).href, { colorScheme: 'dark' });
  return result;
}

function shot(page: Page, tab: string, name: string) {
  const file = `full-${tab.toLowerCase().replaceAll(' ', '-')}-${name}.png`;
  return page.screenshot({ path: path.join(pictures, file), fullPage: true });
}

const title = (id: string) =>
  `${id}: a title as shops write them, longer than any column is wide, with a size and a colour`;

describe('a full audit', () => {
  it.each(['dark', 'light', 'contrast', 'contrast-light'] as const)('is drawn in %s, with pictures', async (theme) => {
    const report = fullReport();
    const panel = await shown(report, await picturesOf(report), theme, 2);
    for (const tab of tabNames) {
      await chooseTab(panel.page, tab);
      await shot(panel.page, tab, theme);
    }
    expect(await troublesOf(panel)).toEqual([]);
  });

  it.each([
    ['pictures', fullReport, picturesOf],
    ['texts', fullReport, async (report: Report) => textsOf(report, title)],
    ['hostile', hostileFullReport, async (report: Report) => textsOf(report, () => hostileNames.join(' '))],
  ] as const)('fits every width with %s, in a wide font too', async (name, make, previewsOf) => {
    const report = make();
    const panel = await shown(report, await previewsOf(report));
    const { page } = panel;
    for (const width of [480, 640, 799, 800, 1081, 1150, 1600]) {
      await page.setViewportSize({ width, height: 900 });
      for (const tab of tabNames) {
        await chooseTab(page, tab);
        for (const font of ['"DejaVu Sans", Verdana', '']) {
          await page.evaluate((family) => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(family === '' ? '' : `body { --vscode-font-family: ${family}; }`);
            document.adoptedStyleSheets = [sheet];
          }, font);
          const place = `${tab} at ${width} px ${font}`;
          expect.soft(await overflow(page), place).toBe(0);
          expect.soft(await cutTexts(page), place).toEqual([]);
        }
        if ([640, 1150].includes(width)) await shot(page, tab, `${name}-${width}`);
      }
    }
    expect(await page.evaluate(() => window.hacked)).toBeUndefined();
    expect(await troublesOf(panel)).toEqual([]);
  });

  it.each([
    ['full', fullReport],
    ['unlabelled', unlabelledReport],
    ['hostile', hostileFullReport],
  ] as const)('says no broken figure: %s', async (name, make) => {
    const panel = await shown(make());
    for (const tab of tabNames) {
      await chooseTab(panel.page, tab);
      const text = await innerText(panel.page.locator('.report'));
      expect(text).not.toMatch(/\b(NaN|undefined|null|Infinity|\[object)\b/);
      expect(text).not.toContain('could not be drawn');
      if (name === 'unlabelled') await shot(panel.page, tab, name);
    }
    expect(await troublesOf(panel)).toEqual([]);
  });

  it('of before, without the parts that were added, opens', async () => {
    const report = sampleReport() as unknown as Record<string, unknown>;
    for (const field of ['verification', 'backfill', 'matrix', 'slices', 'remedies', 'notes', 'agreement', 'baseline'])
      delete report[field];
    const panel = await shown(report as unknown as Report);
    for (const tab of tabNames) {
      await chooseTab(panel.page, tab);
      expect(await innerText(panel.page.locator('.report'))).not.toContain('could not be drawn');
    }
    await chooseTab(panel.page, 'Thresholds');
    expect(await innerText(panel.page.locator('main'))).toContain('audit the pair again to measure them');
    expect(await troublesOf(panel)).toEqual([]);
  });

  it('is reached by the keyboard, all of it', async () => {
    const report = fullReport();
    const { page } = await shown(report, await picturesOf(report));
    for (const tab of tabNames) {
      await chooseTab(page, tab);
      const wanted = await page.evaluate(() => {
        const all = [...document.querySelectorAll('button, input, summary, a[href], [tabindex="0"]')] as HTMLElement[];
        const stops = all.filter((element) => element.offsetParent !== null && element.tabIndex >= 0);
        for (const [index, element] of stops.entries()) element.setAttribute('data-stop', String(index));
        (document.activeElement as HTMLElement | null)?.blur();
        return stops.length;
      });
      expect(wanted).toBeGreaterThan(6);
      const reached = new Set<string>();
      for (let step = 0; step < wanted + 3; step++) {
        await page.keyboard.press('Tab');
        const stop = await page.evaluate(() => document.activeElement?.getAttribute('data-stop') ?? '');
        if (stop !== '') reached.add(stop);
      }
      expect(reached.size, tab).toBe(wanted);
      await page.evaluate(() => {
        for (const element of document.querySelectorAll('[data-stop]')) element.removeAttribute('data-stop');
      });
    }
  });

  it('gives every chart a name with figures and a table', async () => {
    const { page } = await shown(fullReport());
    for (const tab of tabNames) {
      await chooseTab(page, tab);
      const charts = page.locator('[role=tabpanel]:visible section', { has: page.locator('canvas') });
      // By their titles: a figure that shows its table has no canvas.
      const ids = await charts.evaluateAll((all) => all.map((figure) => figure.getAttribute('aria-labelledby')));
      for (const id of ids) {
        const figure = page.locator(`section[aria-labelledby="${id}"]`);
        expect(await figure.locator('canvas').first().getAttribute('aria-label')).toMatch(/\.\d/);
        await figure.getByRole('button', { name: /table and export/ }).click();
        await figure.getByRole('menuitem', { name: 'Show as Table' }).click();
        expect(await figure.getByRole('row').count()).toBeGreaterThan(2);
      }
    }
  });
});

describe('the verdict', () => {
  it('explains itself, says how the audit differs, and leads to the tab of each part', async () => {
    const report = fullReport();
    const { page } = await shown(report);
    expect(await innerText(page.locator('.explanation'))).toBe(report.verdict.explanation);
    expect(await page.locator('.notes li').allInnerTexts()).toEqual(report.notes);
    // The words of this version: a paragraph a question, and nothing else.
    report.verdict.explanation = explain(report);
    await showReport(page, report);
    const paragraphs = page.locator('.explanation p');
    await expect.poll(() => paragraphs.count()).toBe(4);
    const said = (await paragraphs.allInnerTexts()).map((text) =>
      text.replace(/^(Ranking|Distances|Thresholds|What to do)\. /, ''),
    );
    expect(said.join(' ')).toBe(report.verdict.explanation);
    for (const tab of ['Retrieval', 'Thresholds', 'Inequalities'] as const) {
      await page
        .getByRole('button', { name: `${tab} ›` })
        .first()
        .click();
      expect(await innerText(page.locator('[role=tab][aria-selected=true]'))).toBe(tab);
      await chooseTab(page, 'Verdict');
    }
  });

  it('opens a cause by key, with the figures that decided it', async () => {
    const { page } = await shown(fullReport());
    const causes = page.getByRole('region', { name: 'Causes' });
    const evidence = causes.getByText('Mean cosine old');
    expect(await evidence.isVisible()).toBe(false);
    await causes.locator('summary').first().focus();
    await page.keyboard.press('Enter');
    expect(await evidence.isVisible()).toBe(true);
    await causes.locator('summary').last().click();
    expect(await innerText(causes)).toContain('No rotation maps new vectors onto old ones');
  });

  it('puts all remedies on one axis with the old model', async () => {
    const report = fullReport();
    const { page } = await shown(report);
    const table = page.getByRole('table', { name: 'remedies' });
    const rows = table.getByRole('row');
    // The pair as it is, five remedies, a full backfill.
    expect(await rows.count()).toBe(1 + 7);
    expect(await innerText(rows.nth(4))).toMatch(
      /Linear adapter.*\.801\s+\[\.785, \.817\].*\.936\s+\.548\s+\.334.*yes/s,
    );
    const left = (selector: string) =>
      table
        .locator(selector)
        .evaluateAll((elements) => elements.map((element) => element.getBoundingClientRect().left));
    const uprights = await left('rect.upright');
    const old = await left('.vertical-floor');
    expect(new Set(old.map(Math.round)).size).toBe(1);
    const values = [0.74, 0.787, 0.801, 0.812, 0.822, 0.922];
    expect(uprights).toHaveLength(values.length);
    const [first = 0, last = 0] = [uprights[0], uprights.at(-1)];
    const scale = (last - first) / (0.922 - 0.74);
    values.forEach((value, index) => {
      expect(Math.abs((uprights[index] ?? 0) - (first + (value - 0.74) * scale))).toBeLessThan(1);
    });
    // The upright is 2 px wide, the line lies in its middle.
    expect(Math.abs((old[0] ?? 0) - (first + 1 + (0.556 - 0.74) * scale))).toBeLessThan(1.5);
  });

  it.each([
    ['labelled', sampleReport],
    ['unlabelled', unlabelledReport],
  ] as const)('offers gates that a config may hold: %s', async (_, make) => {
    const report = make();
    report.gates = [];
    const { page } = await shown(report);
    await page.getByRole('button', { name: 'Copy these gates' }).click();
    const sent = await page.evaluate(() => window.sent);
    const copied = sent.flatMap((message) => (message.type === 'copyText' ? [message.text] : []));
    const { gates } = JSON.parse(`{${copied[0]}}`) as { gates: Record<string, [string, GateLimit]> };
    expect(Object.keys(gates).length).toBeGreaterThan(0);
    for (const [rule, [, limit]] of Object.entries(gates)) checkGateRule(rule, limit);
  });

  it('shows what changed since the baseline', async () => {
    const { page } = await shown(fullReport());
    const rows = page.getByRole('table', { name: 'key figures' }).getByRole('row');
    expect(await innerText(rows.filter({ hasText: 'mAP, all new' }))).toMatch(/\.917\s+\.922\s+\+\.005/);
    const gate = page.getByRole('table', { name: 'gates' }).getByRole('row').filter({ hasText: 'newNew' });
    expect(await innerText(gate)).toContain('was .917, +.005');
  });
});

describe('thresholds', () => {
  it('show what the old ones do and where they would have to lie', async () => {
    const { page } = await shown(fullReport());
    await chooseTab(page, 'Thresholds');
    expect(await innerText(page.locator('[role=tabpanel]:visible .finding'))).toContain(
      'The threshold must move from .071 to .523',
    );
    const rows = page.getByRole('table', { name: 'thresholds', exact: true }).getByRole('row');
    expect(await innerText(rows.nth(1))).toMatch(
      /10 %\s+\.188\s+\.0002\s+\.746\s+\.012\s+\[\.011, \.013\]\s+\.862\s+\.652\s+restorable/,
    );
    expect(await innerText(rows.nth(2))).toMatch(/^1 %\s+decides/);
    const decisions = page.getByRole('table', { name: 'decisions' }).getByRole('row');
    expect(await innerText(decisions.nth(1))).toMatch(/New false rejects.*735\s+287\s+94\s+21/s);
  });

  it('say why there are none', async () => {
    const few = fullReport();
    few.verification = null;
    few.verdict.thresholds = null;
    few.data.negativePairs = 40;
    const { page } = await shown(few);
    await chooseTab(page, 'Thresholds');
    expect(await innerText(page.locator('[role=tabpanel]:visible'))).toMatch(
      /Thresholds were not measured\.\s+.*needs 100 different-class pairs; this audit has 40/,
    );
  });
});

describe('pictures', () => {
  it('stand beside ids, with a name, and few pixels stay sharp', async () => {
    const report = fullReport();
    const panel = await shown(report, await picturesOf(report));
    const { page } = panel;
    await chooseTab(page, 'Flips');
    const first = page.getByRole('table', { name: 'flipped queries' }).getByRole('row').nth(1);
    const images = first.getByRole('img');
    expect(await images.count()).toBe(3);
    const flip = report.worst.flippedQueries[0];
    expect(await images.evaluateAll((all) => all.map((image) => image.getAttribute('alt')))).toEqual([
      `${flip?.query}, class 4`,
      `${flip?.before}, class 4`,
      `${flip?.after}, class 9`,
    ]);
    await expect
      .poll(() => images.first().evaluate((image) => getComputedStyle(image).imageRendering))
      .toBe('pixelated');
    await chooseTab(page, 'Inequalities');
    const pair = page.getByRole('table', { name: 'same-class pairs' }).getByRole('row').nth(1);
    expect(await pair.getByRole('img').count()).toBe(2);
    const hub = page.getByRole('table', { name: 'gallery items' }).getByRole('row').nth(1);
    expect(await hub.getByRole('img').count()).toBe(1);
    expect(await troublesOf(panel)).toEqual([]);
  });

  it('are ids where there are none, where one is broken, and where an id is no plain name', async () => {
    const report = fullReport();
    const [a, b] = report.worst.flippedQueries;
    if (!a || !b) throw new Error('no flips');
    a.query = 'constructor';
    b.query = '__proto__';
    const pictures: ItemPreviews = Object.fromEntries([
      ['__proto__', { text: 'the text of an odd id' }],
      [a.before, { image: 'data:image/png;base64,AAAA' }],
    ]);
    const panel = await fileOf(report, pictures);
    await chooseTab(panel.page, 'Flips');
    const rows = panel.page.getByRole('table', { name: 'flipped queries' }).getByRole('row');
    expect(await innerText(rows.nth(1))).toContain('constructor');
    expect(await innerText(rows.nth(2))).toContain('the text of an odd id');
    await expect.poll(() => panel.page.locator('.page img').count()).toBe(0);
    expect(await innerText(rows.nth(1))).toContain(a.before);
    expect(await troublesOf(panel)).toEqual([]);
  });

  it('do not slow down long lists', async () => {
    const report = largeReport(200);
    const panel = await shown(report, await picturesOf(report));
    const { page } = panel;
    await chooseTab(page, 'Flips');
    const table = page.getByRole('table', { name: 'flipped queries' });
    await page.locator('.table-frame', { has: table }).getByRole('button', { name: 'Show all 1,000' }).click();
    expect(await table.getByRole('row').count()).toBeLessThan(60);
    const scroller = page.locator('.table-scroller', { has: table });
    await scroller.evaluate((element) => {
      element.scrollTop = element.scrollHeight;
    });
    await expect.poll(() => table.locator('tr[aria-rowindex="1001"]').count()).toBe(1);
    // Rows without a picture are as high as the spacers assume.
    const heights = await table
      .locator('tbody tr:not(.spacer)')
      .evaluateAll((rows) => rows.map((row) => row.getBoundingClientRect().height));
    expect(Math.max(...heights) - Math.min(...heights)).toBeLessThan(1);
    await shot(page, 'Flips', 'long');
    expect(await troublesOf(panel)).toEqual([]);
  });

  it('lie in a file of its own, offline', async () => {
    const report = fullReport();
    const own = await fileOf(report, await picturesOf(report));
    for (const tab of tabNames) {
      await chooseTab(own.page, tab);
      await shot(own.page, tab, 'file');
    }
    await chooseTab(own.page, 'Flips');
    const widths = await own.page
      .locator('.picture')
      .evaluateAll((images) => images.map((image) => (image as HTMLImageElement).naturalWidth));
    expect(widths.length).toBeGreaterThan(30);
    expect(new Set(widths)).toEqual(new Set([28]));
    expect(await troublesOf(own)).toEqual([]);
  });
});

describe('data and protocol', () => {
  it('names everything that a repetition needs, and the command', async () => {
    const report = fullReport();
    const { page } = await shown(report);
    await chooseTab(page, 'Data and protocol');
    const panel = page.locator('[role=tabpanel]:visible');
    const text = await innerText(panel);
    for (const needed of [
      report.old.fingerprint,
      report.new.fingerprint,
      report.provenance.dataset,
      report.provenance.config ?? 'no config',
      'cosine',
      '1e-6, .01, .05',
      '1,000 by query',
      '2.7 million',
      allActions.cliCommand,
      ...(report.notes ?? []),
    ])
      expect(text).toContain(needed);
    await panel.getByRole('button', { name: 'Copy the command' }).click();
    const sent = await page.evaluate(() => window.sent);
    expect(sent).toContainEqual({ type: 'copyText', text: allActions.cliCommand });
  });

  it('is there for the smallest report', async () => {
    const panel = await shown(bareReport());
    await chooseTab(panel.page, 'Data and protocol');
    expect(await innerText(panel.page.locator('[role=tabpanel]:visible'))).toContain('tables on the command line');
    expect(await troublesOf(panel)).toEqual([]);
  });
});
