import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../src/core/contract/report.ts';
import { renderHtml } from '../../src/core/report/renderHtml.ts';
import {
  bareReport,
  hostileNames,
  hostileReport,
  incompatibleReport,
  largeReport,
  sampleReport,
} from '../fixtures/report/sampleReport.ts';
import {
  allActions,
  builtPage,
  chooseTab,
  cutTexts,
  innerText,
  liveAudit,
  type OpenPage,
  overflow,
  pictures,
  settled,
  showReport,
  showState,
  tabNames,
  themeStyle,
  troublesOf,
  useBrowser,
} from './buildPage.ts';
import type { ThemeName } from './themes.ts';

const tabs = tabNames;
/** For names of pictures. */
const fileOf = (tab: string) => tab.toLowerCase().replaceAll(' ', '-');

const browser = useBrowser();

async function hosted(theme: ThemeName = 'dark', pixelRatio = 1): Promise<OpenPage> {
  const result = await browser.hosted(theme, { width: 1150, height: 900 }, pixelRatio);
  return result;
}

async function withReport(report: Report, theme: ThemeName = 'dark', pixelRatio = 1): Promise<OpenPage> {
  const result = await hosted(theme, pixelRatio);
  await showReport(result.page, report);
  return result;
}

function picture(page: Page, name: string) {
  return page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
}

function sent(page: Page) {
  return page.evaluate(() => window.sent);
}

describe('the report in a panel', () => {
  it.each(['dark', 'light', 'contrast', 'contrast-light'] as const)(
    'draws all tabs in %s without a word on the console',
    async (theme) => {
      const panel = await withReport(sampleReport(), theme, 2);
      for (const tab of tabs) {
        await chooseTab(panel.page, tab);
        await picture(panel.page, `report-${fileOf(tab)}-${theme}`);
      }
      expect(await troublesOf(panel)).toEqual([]);
    },
  );

  it.each([
    ['incompatible', incompatibleReport],
    ['bare', bareReport],
    ['hostile', hostileReport],
    ['large', largeReport],
  ] as const)('draws the %s report: no broken figure, nothing wider than the page', async (name, make) => {
    const panel = await withReport(make());
    for (const tab of tabs) {
      await chooseTab(panel.page, tab);
      const text = await innerText(panel.page.locator('.report'));
      expect(text).not.toMatch(/\b(NaN|undefined|null|Infinity|\[object)\b/);
      expect(text).not.toContain('could not be drawn');
      expect(await overflow(panel.page)).toBe(0);
      await picture(panel.page, `report-${fileOf(tab)}-${name}`);
    }
    expect(await troublesOf(panel)).toEqual([]);
  });

  it.each([
    ['sample', sampleReport],
    ['incompatible', incompatibleReport],
    ['hostile', hostileReport],
  ] as const)('fits every width with the %s report, in a wide font too', async (name, make) => {
    const panel = await withReport(make());
    const { page } = panel;
    for (const width of [480, 640, 799, 800, 1081, 1600]) {
      await page.setViewportSize({ width, height: 900 });
      for (const tab of tabs) {
        await chooseTab(page, tab);
        for (const font of ['"DejaVu Sans", Verdana', '']) {
          await page.evaluate((family) => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(family === '' ? '' : `body { --vscode-font-family: ${family}; }`);
            document.adoptedStyleSheets = [sheet];
          }, font);
          const place = `${tab} at ${width} px ${font}`;
          expect(await overflow(page), place).toBe(0);
          expect(await cutTexts(page), place).toEqual([]);
        }
        if (name === 'sample' && [480, 640, 1600].includes(width))
          await picture(page, `report-${fileOf(tab)}-${width}`);
      }
    }
    expect(await troublesOf(panel)).toEqual([]);
  });

  it('says the verdict in words, with figures from the report', async () => {
    const { page } = await withReport(sampleReport());
    await expect
      .poll(() => innerText(page.locator('.finding').first()))
      .toContain('Ranks better on the old gallery (mAP .740 against .556)');
    const parts = page.getByRole('list', { name: 'Verdict' }).getByRole('listitem');
    expect(await parts.allInnerTexts()).toEqual([
      expect.stringMatching(
        /Ranking\s+Compatible\s+New queries may search the old gallery: mAP \+\.184 \[\+\.171, \+\.197\]/,
      ),
      expect.stringMatching(/Thresholds\s+Not measured/),
      expect.stringMatching(/Inequalities\s+Violated\s+Same class \.964 violated \[\.958, \.970\], floor \.504/),
    ]);
    const rows = page.getByRole('table', { name: 'metrics' }).getByRole('row');
    expect(await innerText(rows.nth(1))).toMatch(
      /mAP decides\s+\.556\s+\.740\s+\+\.184\s+\[\+\.171, \+\.197\]\s+compatible/,
    );
    expect(await innerText(rows.filter({ hasText: 'CMC@10' }))).toMatch(/−\.003.*\s+undecided/);
    const gates = page.getByRole('table', { name: 'gates' }).getByRole('row');
    expect(await innerText(gates.nth(1))).toMatch(
      /inequalities\.positive\.\s*rate@0\.01\s+≤ \.200\s+\.961\s+\[\.955, \.967\]\s+failed/,
    );
  });

  it('places the bars of the criterion on one axis', async () => {
    const report = sampleReport();
    const { page } = await withReport(report);
    const bars = await page
      .getByRole('table', { name: 'metrics' })
      .locator('.interval')
      .evaluateAll((elements) =>
        elements.map((element) => {
          const box = element.getBoundingClientRect();
          return [box.left, box.right];
        }),
      );
    const order = ['map', 'cmc@1', 'cmc@5', 'cmc@10', 'map@r', 'rPrecision'] as const;
    const ends = order.map((name) => report.criterion[name]?.interval ?? [0, 0]);
    const [first, second] = [bars[0] ?? [], bars[1] ?? []];
    // Two bars fix the axis; all others must lie where it puts them.
    const scale = ((first[0] ?? 0) - (second[0] ?? 0)) / ((ends[0]?.[0] ?? 0) - (ends[1]?.[0] ?? 0));
    expect(bars).toHaveLength(6);
    bars.forEach((bar, row) => {
      bar.forEach((pixel, end) => {
        const expected = (first[0] ?? 0) + ((ends[row]?.[end] ?? 0) - (ends[0]?.[0] ?? 0)) * scale;
        expect(Math.abs(pixel - expected)).toBeLessThan(0.6);
      });
    });
  });

  it('says what to write where the config has no gates, and leaves causes out where none were looked for', async () => {
    const { page } = await withReport(incompatibleReport());
    expect(await page.getByRole('heading', { name: 'No gates in the config' }).isVisible()).toBe(true);
    await page.getByRole('button', { name: 'Copy these gates' }).click();
    const [copied] = (await sent(page)).filter((message) => message.type === 'copyText');
    expect(JSON.parse(`{${copied?.text}}`)).toHaveProperty('gates');
    expect(await page.getByRole('heading', { name: /^Why/ }).count()).toBe(0);
  });

  it('names every drawing with its figures, and every button', async () => {
    const { page } = await withReport(sampleReport());
    for (const tab of tabs) await chooseTab(page, tab);
    const names = await page
      .locator('[role=img]')
      .evaluateAll((elements) => elements.map((element) => element.getAttribute('aria-label') ?? ''));
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) expect(name).toMatch(/\.\d/);
    const buttons = await page
      .locator('button')
      .evaluateAll((elements) =>
        elements.map((element) => element.getAttribute('aria-label') ?? element.textContent ?? ''),
      );
    expect(buttons.filter((name) => name.trim() === '')).toEqual([]);
  });

  it('marks cells that were not given', async () => {
    const { page } = await withReport(bareReport());
    await chooseTab(page, 'Retrieval');
    expect(await innerText(page.getByRole('group', { name: /new\/new/ }))).toContain('not given');
    expect(await innerText(page.getByRole('group', { name: /new\/old/ }))).toContain('.520');
  });
});

describe('tabs', () => {
  it('are moved by arrows, Home and End, and remembered', async () => {
    const panel = await withReport(sampleReport());
    const { page } = panel;
    await page.getByRole('tab', { name: 'Verdict' }).focus();
    const selected = () => innerText(page.locator('[role=tab][aria-selected=true]'));
    const shown = () => page.locator('[role=tabpanel]:visible').getAttribute('id');
    await page.keyboard.press('ArrowRight');
    expect([await selected(), await shown()]).toEqual(['Retrieval', 'panel-retrieval']);
    await page.keyboard.press('End');
    expect([await selected(), await shown()]).toEqual(['Data and protocol', 'panel-data']);
    await page.keyboard.press('ArrowRight');
    expect(await selected()).toBe('Verdict');
    await page.keyboard.press('ArrowLeft');
    expect(await selected()).toBe('Data and protocol');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('tab-data');
    // One stop for the whole list.
    expect(await page.locator('[role=tab][tabindex="0"]').count()).toBe(1);
    await page.reload();
    await showReport(page, sampleReport());
    expect(await selected()).toBe('Data and protocol');
    expect(await troublesOf(panel)).toEqual([]);
  });

  it('are reached from the rows of the verdict', async () => {
    const { page } = await withReport(sampleReport());
    await page.getByRole('button', { name: 'Inequalities ›' }).click();
    expect(await innerText(page.locator('[role=tab][aria-selected=true]'))).toBe('Inequalities');
  });

  it('keep what the host wants to find again', async () => {
    const { page } = await hosted();
    await showState(page, { kind: 'loading', phase: null }, { report: '/runs/1/report.compat-report.json' });
    await showReport(page, sampleReport());
    await chooseTab(page, 'Retrieval');
    const kept = await page.evaluate(() => JSON.parse(sessionStorage.getItem('state') ?? '{}'));
    expect(kept).toEqual({ report: '/runs/1/report.compat-report.json', tab: 'retrieval' });
  });
});

describe('tables', () => {
  it('sort, filter and copy what they show', async () => {
    const report = largeReport(300);
    const { page } = await withReport(report);
    await chooseTab(page, 'Inequalities');
    const figure = page.getByRole('table', { name: 'class pairs', exact: true });
    const section = page.locator('section', { has: figure });
    await section.getByRole('button', { name: 'Violated' }).click();
    await section.getByRole('button', { name: 'Violated' }).click();
    expect(await figure.getByRole('columnheader', { name: 'Violated' }).getAttribute('aria-sort')).toBe('ascending');
    expect(await innerText(figure.getByRole('row').nth(1))).toMatch(/\.014/);
    await section.getByRole('searchbox').fill('same');
    const same = report.worst.classPairs.filter((pair) => pair.sign === 'positive').length;
    expect(await innerText(section.getByRole('status'))).toBe(`${same} of 100`);
    await section.getByRole('button', { name: /table and export/ }).click();
    await section.getByRole('menuitem', { name: 'Copy Table' }).click();
    const [copied] = (await sent(page)).filter((message) => message.type === 'copyText');
    const lines = copied?.text.split('\n') ?? [];
    expect(lines[0]).toBe('Query class\tGallery class\tRelation\tPairs\tViolated\tSeverity');
    expect(lines).toHaveLength(same + 1);
    const rates = lines.slice(1).map((line) => Number(line.split('\t')[4]));
    expect(rates).toEqual([...rates].sort((a, b) => a - b));
  });

  it('draw only the rows in view: ten thousand classes', async () => {
    const panel = await hosted();
    const { page } = panel;
    const report = largeReport();
    const toVerdict = await page.evaluate(
      async (state) => {
        const start = performance.now();
        window.postMessage({ type: 'snapshot', state }, '*');
        await new Promise((resolve) => {
          const look = () =>
            document.querySelector('.criterion-table tbody tr') ? resolve(undefined) : requestAnimationFrame(look);
          look();
        });
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
        return performance.now() - start;
      },
      { kind: 'report', report, actions: allActions },
    );
    const toTab = async (name: 'Retrieval' | 'Inequalities') => {
      const start = Date.now();
      await chooseTab(page, name);
      return Date.now() - start;
    };
    const times = { toVerdict, toRetrieval: await toTab('Retrieval'), toInequalities: await toTab('Inequalities') };
    console.log('10,000 classes, ms:', times);
    expect(times.toVerdict).toBeLessThan(1000);
    expect(times.toRetrieval).toBeLessThan(2000);
    expect(times.toInequalities).toBeLessThan(2000);
    expect(await page.evaluate(() => document.querySelectorAll('*').length)).toBeLessThan(8000);

    await chooseTab(page, 'Retrieval');
    const table = page.getByRole('table', { name: 'classes' });
    expect(await table.getAttribute('aria-rowcount')).toBe('10001');
    const scroller = page.locator('.table-scroller', { has: table });
    await scroller.evaluate((element) => {
      element.scrollTop = element.scrollHeight;
    });
    await settled(page);
    const worst = [...report.classes].sort((a, b) => (b.map.difference ?? 0) - (a.map.difference ?? 0)).at(-1);
    const last = table.locator('tr[aria-rowindex="10001"]');
    expect(await innerText(last)).toContain(worst?.label ?? 'none');
    const boxes = await Promise.all([last.boundingBox(), scroller.boundingBox()]);
    // The last row really is at the end: heights of rows are what the spacers assume.
    expect(
      Math.abs((boxes[0]?.y ?? 0) + (boxes[0]?.height ?? 0) - ((boxes[1]?.y ?? 0) + (boxes[1]?.height ?? 0))),
    ).toBeLessThan(24);
    await page
      .locator('.table-frame', { has: table })
      .getByRole('searchbox')
      .fill(worst?.label ?? '');
    expect(await table.getByRole('row').count()).toBe(2);
    expect(await troublesOf(panel)).toEqual([]);
  });

  it('show the classes that a click in the scatter chooses', async () => {
    const report = largeReport(100);
    const { page } = await withReport(report);
    await chooseTab(page, 'Retrieval');
    const [entry] = report.classes;
    const canvas = page.locator('canvas[aria-label^="100 classes"]');
    const box = await canvas.boundingBox();
    if (!box || !entry) throw new Error('no scatter');
    // The plot's frame is where its axes are; a scan finds the pixel of any class.
    const counts = page.getByRole('status').filter({ hasText: /\d classes|chosen/ });
    let status = '';
    for (let y = 40; y < box.height - 60 && !status.includes('chosen'); y += 6) {
      for (let x = 60; x < box.width - 20 && !status.includes('chosen'); x += 24) {
        await canvas.click({ position: { x, y } });
        status = await innerText(counts.first());
      }
    }
    expect(status).toMatch(/^\d+ of 100: \d+ class(es)? chosen in the plot$/);
    await page.getByRole('button', { name: 'Show all', exact: true }).click();
    expect(await page.getByRole('status').filter({ hasText: '100 classes' }).count()).toBe(1);
  });
});

describe('charts', () => {
  it('have a table as twin, CSV and PNG', async () => {
    const { page } = await withReport(sampleReport());
    await chooseTab(page, 'Retrieval');
    const menu = page.getByRole('button', { name: 'cmc: table and export' });
    await menu.click();
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Show as Table');
    await page.keyboard.press('Escape');
    expect(await menu.getAttribute('aria-expanded')).toBe('false');
    await menu.press('Enter');
    await page.keyboard.press('Enter');
    const twin = page.getByRole('region', { name: 'The same figures as a table' });
    expect(await innerText(twin.getByRole('row').nth(1))).toMatch(/1\s+\.858\s+\.919\s+\.968\s+\.871/);
    for (const item of ['Save as PNG…', 'Save as CSV…']) {
      await menu.click();
      await page.getByRole('menuitem', { name: item }).click();
    }
    const saved = (await sent(page)).filter((message) => message.type === 'saveFile');
    const [png, csv] = saved;
    expect(png?.name).toBe('cmc.png');
    const bytes = Buffer.from(png && 'dataBase64' in png ? png.dataBase64 : '', 'base64');
    expect(bytes.subarray(1, 4).toString('latin1')).toBe('PNG');
    expect(bytes.length).toBeGreaterThan(4000);
    expect(csv && 'text' in csv ? csv.text.split('\n').slice(0, 2) : []).toEqual([
      'k,old/old,new/old,new/new,old/new',
      '1,0.858,0.919,0.968,0.871',
    ]);
    await menu.click();
    await page.getByRole('menuitem', { name: 'Show as Plot' }).click();
    expect(await page.locator('canvas[aria-label^="CMC"]').isVisible()).toBe(true);
  });

  it('are drawn anew in the colours of a changed theme', async () => {
    const panel = await withReport(sampleReport(), 'dark');
    const { page } = panel;
    await chooseTab(page, 'Retrieval');
    /** Pixels of exactly that colour. */
    const pixels = (red: number, green: number, blue: number) =>
      page.locator('canvas[aria-label^="CMC"]').evaluate(
        (element, [r, g, b]) => {
          const canvas = document.createElement('canvas');
          const { width, height } = element as HTMLCanvasElement;
          Object.assign(canvas, { width, height });
          const context = canvas.getContext('2d', { willReadFrequently: true });
          context?.drawImage(element as HTMLCanvasElement, 0, 0);
          const data = context?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
          let found = 0;
          for (let at = 0; at < data.length; at += 4) {
            if (data[at] === r && data[at + 1] === g && data[at + 2] === b && data[at + 3] === 255) found++;
          }
          return found;
        },
        [red, green, blue] as const,
      );
    const accents = async () => ({ dark: await pixels(0x4d, 0xaa, 0xfc), light: await pixels(0x00, 0x5f, 0xb8) });
    const before = await accents();
    expect(before.dark).toBeGreaterThan(500);
    expect(before.light).toBe(0);
    await page.evaluate((css) => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
      document.adoptedStyleSheets = [sheet];
      document.body.className = 'vscode-light';
      document.body.dataset.vscodeThemeId = 'light';
    }, themeStyle('light'));
    await settled(page);
    const after = await accents();
    expect(after.light).toBeGreaterThan(500);
    expect(after.dark).toBe(0);
    expect(await troublesOf(panel)).toEqual([]);
  });
});

describe('contrast of text', () => {
  it.each(['dark', 'light', 'contrast', 'contrast-light'] as const)('is 4.5 or more in %s', async (theme) => {
    const { page } = await withReport(sampleReport(), theme);
    const ratios = await page.evaluate(() => {
      const canvas = document.createElement('canvas');
      const context = canvas.getContext('2d', { willReadFrequently: true });
      const probe = document.body.appendChild(document.createElement('span'));
      const luminance = (variable: string) => {
        probe.style.color = `var(--${variable})`;
        if (!context) return 0;
        context.fillStyle = getComputedStyle(probe).color;
        context.fillRect(0, 0, 1, 1);
        const linear = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => {
          const share = value / 255;
          return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * (linear[0] ?? 0) + 0.7152 * (linear[1] ?? 0) + 0.0722 * (linear[2] ?? 0);
      };
      const background = luminance('background');
      const ratio = (variable: string) => {
        const [low, high] = [luminance(variable), background].sort((a, b) => a - b);
        return ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05);
      };
      return {
        text: ['foreground', 'secondary', 'accent'].map(ratio),
        marks: ['bar', 'upright', 'plain-bar', 'good', 'bad', 'warning'].map(ratio),
      };
    });
    expect(Math.min(...ratios.text)).toBeGreaterThanOrEqual(4.5);
    expect(Math.min(...ratios.marks)).toBeGreaterThanOrEqual(3);
  });
});

describe('names that are not names', () => {
  it('stay text', async () => {
    const panel = await withReport(hostileReport());
    const { page } = panel;
    for (const tab of tabs) await chooseTab(page, tab);
    expect(await page.evaluate(() => window.hacked)).toBeUndefined();
    expect(await page.locator('.page img, .page script, .page iframe').count()).toBe(0);
    await chooseTab(page, 'Retrieval');
    const classes = page.getByRole('table', { name: 'classes' });
    const text = await innerText(classes);
    expect(text).toContain(hostileNames[0]);
    expect(text).toContain('two\\nlines\\tand a tab');
    expect(text).toContain('\\u202eright to left');
    expect(text).toContain('(empty)');
    // What is copied is the name itself, but no formula for a spreadsheet.
    const section = page.locator('section', { has: classes });
    await section.getByRole('button', { name: /table and export/ }).click();
    await section.getByRole('menuitem', { name: 'Save as CSV…' }).click();
    const [csv] = (await sent(page)).filter((message) => message.type === 'saveFile');
    expect(csv && 'text' in csv ? csv.text : '').toContain(`"<img src=x onerror=""window.hacked = true"">"`);
    expect(await troublesOf(panel)).toEqual([]);
  });
});

describe('before there is a report', () => {
  it('asks the host, shows loading, a live run, its failure, then the report', async () => {
    const panel = await hosted();
    const { page } = panel;
    expect(await sent(page)).toEqual([{ type: 'ready' }]);
    expect(await innerText(page.getByRole('status').first())).toBe('Loading the report…');
    await picture(page, 'state-loading');

    await showState(page, { kind: 'running', run: liveAudit });
    const bar = page.getByRole('progressbar');
    await expect.poll(() => bar.getAttribute('aria-valuenow')).toBe('40');
    expect(await innerText(page.locator('main'))).toMatch(
      /Embedding the gallery with digits-v2-bct….*Step 3 of 7.*1,200 of 3,000 items/s,
    );
    await picture(page, 'state-running');
    await page.getByRole('button', { name: 'Cancel' }).focus();
    await showState(page, { kind: 'running', run: { ...liveAudit, done: 1500 } });
    await expect.poll(() => bar.getAttribute('aria-valuenow')).toBe('50');
    // Newer progress does not take the focus away.
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Cancel');
    await page.keyboard.press('Enter');
    expect(await sent(page)).toContainEqual({ type: 'cancelRun' });
    await showState(page, { kind: 'running', run: { ...liveAudit, done: null, total: null, cancelling: true } });
    await expect.poll(() => page.getByRole('button', { name: 'Cancelling' }).isDisabled()).toBe(true);
    expect(await bar.getAttribute('aria-valuenow')).toBeNull();

    const failure = {
      title: 'The audit failed',
      message: 'labels.csv, row 812: the label is empty.',
      remedy: 'Give every item a label.',
      again: 'Run Again',
      openRunFolder: true,
      openConfig: true,
    };
    await showState(page, { kind: 'failed', failure });
    await expect
      .poll(() => innerText(page.getByRole('alert')))
      .toMatch(/The audit failed\s+labels\.csv, row 812.*Give every item a label\./s);
    await picture(page, 'state-failed');
    await page.getByRole('button', { name: 'Run Again' }).click();
    await page.getByRole('button', { name: 'Open Config' }).click();
    expect((await sent(page)).slice(-2)).toEqual([{ type: 'resumeOrRestart' }, { type: 'openConfig' }]);

    await showReport(page, sampleReport());
    expect(await page.getByRole('alert').count()).toBe(0);
    await page.getByRole('button', { name: 'Copy CLI Command' }).click();
    await page.getByRole('button', { name: 'Export HTML…' }).click();
    await page.getByRole('button', { name: 'retrieval.newOld.map' }).click();
    expect((await sent(page)).slice(-3)).toEqual([
      { type: 'copyText', text: allActions.cliCommand },
      { type: 'exportHtml' },
      { type: 'openConfig', rule: 'retrieval.newOld.map' },
    ]);
    expect(await troublesOf(panel)).toEqual([]);
  });

  it('ignores what is no snapshot, and says why a report cannot be shown', async () => {
    const panel = await hosted();
    const { page } = panel;
    await showReport(page, sampleReport());
    await showState(page, { kind: 'running', run: { name: 7 } });
    await page.evaluate(() => window.postMessage('reload', '*'));
    await settled(page);
    expect(await page.getByRole('tab').count()).toBe(tabs.length);
    await showState(page, { kind: 'report', report: { ...sampleReport(), formatVersion: 2 }, actions: allActions });
    await expect
      .poll(() => innerText(page.getByRole('alert')))
      .toContain('format version 2; this page reads versions up to 1');
    expect(await troublesOf(panel)).toEqual([]);
  });

  it('hides what the host cannot do', async () => {
    const { page } = await hosted();
    await showReport(page, sampleReport(), {
      openRunFolder: false,
      openConfig: false,
      exportHtml: false,
      cliCommand: null as unknown as string,
    });
    expect(await page.getByRole('button', { name: /Export HTML|Copy CLI|More actions/ }).count()).toBe(0);
    expect(await page.getByRole('button', { name: 'retrieval.newOld.map' }).count()).toBe(0);
  });
});

describe('the report in a file of its own', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'report-page-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function file(report: Report, colorScheme: 'dark' | 'light' = 'light'): Promise<OpenPage> {
    const name = path.join(folder, `${colorScheme}.html`);
    writeFileSync(name, renderHtml(report, await builtPage()));
    const result = await browser.file(pathToFileURL(name).href, { colorScheme });
    return result;
  }

  it.each(['dark', 'light'] as const)('opens from the disk, offline, in %s', async (colorScheme) => {
    const own = await file(sampleReport(), colorScheme);
    const { page } = own;
    for (const tab of tabs) {
      await chooseTab(page, tab);
      await picture(page, `file-${fileOf(tab)}-${colorScheme}`);
    }
    expect(await page.evaluate(() => location.hash)).toBe('#data');
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(background).toBe(colorScheme === 'dark' ? 'rgb(31, 31, 31)' : 'rgb(255, 255, 255)');
    expect(await page.getByRole('button', { name: /Export HTML|Copy CLI|More actions/ }).count()).toBe(0);
    expect(await troublesOf(own)).toEqual([]);
  });

  it('opens the tab in its address and saves by download', async () => {
    const own = await file(hostileReport());
    const { page } = own;
    await page.goto(`${page.url().split('#')[0]}#retrieval`);
    await page.reload();
    expect(await innerText(page.locator('[role=tab][aria-selected=true]'))).toBe('Retrieval');
    for (const [item, name] of [
      ['Save as CSV…', 'cmc.csv'],
      ['Save as PNG…', 'cmc.png'],
    ] as const) {
      await page.getByRole('button', { name: 'cmc: table and export' }).click();
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('menuitem', { name: item }).click(),
      ]);
      expect(download.suggestedFilename()).toBe(name);
    }
    expect(await page.evaluate(() => window.hacked)).toBeUndefined();
    expect(await troublesOf(own)).toEqual([]);
  });

  it('says so when its report is damaged', async () => {
    const name = path.join(folder, 'damaged.html');
    writeFileSync(
      name,
      renderHtml(sampleReport(), await builtPage()).replace('{"format":"backcompat.report"', '{"format":'),
    );
    const own = await browser.file(pathToFileURL(name).href);
    expect(await innerText(own.page.getByRole('alert'))).toContain('This report cannot be shown');
  });

  it('prints on white without its controls', async () => {
    const own = await file(sampleReport(), 'dark');
    await own.page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    expect(await own.page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(255, 255, 255)');
    expect(await own.page.getByRole('tablist').isVisible()).toBe(false);
    expect(await own.page.locator('.finding').first().isVisible()).toBe(true);
  });
});
