import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { comparedCurves } from '../../src/core/contract/comparison.ts';
import type { Report } from '../../src/core/contract/report.ts';
import { compareReports } from '../../src/core/report/compareReports.ts';
import type { ComparePage } from '../../src/protocol/compare.ts';
import { fullReport, hostileFullReport, unlabelledReport } from '../fixtures/report/fullReport.ts';
import { bareReport, incompatibleReport, sampleReport } from '../fixtures/report/sampleReport.ts';
import {
  cutTexts,
  innerText,
  type OpenPage,
  overflow,
  pictures,
  settled,
  showState,
  troublesOf,
  useBrowser,
} from './buildPage.ts';
import type { ThemeName } from './themes.ts';

const browser = useBrowser();

function pageOf(reports: Report[], labels: (string | null)[] = []): ComparePage {
  return {
    comparison: compareReports(reports, labels),
    curves: reports.map(comparedCurves),
    cliCommand: 'backcompat compare a.compat-report.json b.compat-report.json',
  };
}

/** An audit of another candidate on the same items, with thresholds. */
function candidate(newOld: number, name: string, change: (report: Report) => void = () => {}): Report {
  const report = fullReport();
  report.new.name = name;
  report.pair = `digits-v1-to-${name}`;
  report.provenance.created = '2026-03-15T11:02:07.000Z';
  report.retrieval.newOld.map = { value: newOld, interval: [newOld - 0.015, newOld + 0.015] };
  report.curves.cmc.newOld = (report.curves.cmc.newOld ?? []).map((y) => y * (0.85 + newOld / 6));
  change(report);
  return report;
}

const two = () => pageOf([incompatibleReport(), fullReport()]);
const sweep = () => {
  const values = [0.72, 0.69, 0.64, 0.6, 0.57, 0.55, 0.5];
  return pageOf(
    values.map((value) => candidate(value, 'v2-bct')),
    values.map((_, index) => (index === 0 ? 'the paragon' : `λ ${index / 4}`)),
  );
};
const differing = () =>
  pageOf([
    fullReport(),
    candidate(0.6, 'v2-adapted', ({ protocol }) =>
      Object.assign(protocol, { dimensionRule: 'project', adapter: 'linear', operatingFar: 0.001 }),
    ),
    candidate(0.8, 'v3', ({ protocol, provenance }) => {
      protocol.distance = 'euclidean';
      provenance.dataset = 'another';
    }),
  ]);

async function shown(page: ComparePage, theme: ThemeName = 'dark', width = 1150): Promise<OpenPage> {
  const opened = await browser.hosted(theme, { width, height: 900 });
  await showState(opened.page, { kind: 'compare', ...page });
  await opened.page.waitForSelector('.compare .finding');
  await settled(opened.page);
  return opened;
}

const sent = (page: Page) => page.evaluate(() => window.sent);
const names = (page: Page) =>
  page.locator('canvas').evaluateAll((all) => all.map((each) => each.getAttribute('aria-label')));

describe('the page of a comparison', () => {
  it.each([
    ['two-dark', two(), 'dark', 1150],
    ['two-light', two(), 'light', 1150],
    ['two-contrast', two(), 'contrast', 1150],
    ['two-contrast-light', two(), 'contrast-light', 1150],
    ['two-narrow', two(), 'dark', 640],
    ['sweep-dark', sweep(), 'dark', 1150],
    ['sweep-light', sweep(), 'light', 1150],
    ['sweep-narrow', sweep(), 'light', 640],
    ['differing-dark', differing(), 'dark', 1150],
    ['differing-narrow', differing(), 'light', 640],
    ['bare-dark', pageOf([bareReport(), unlabelledReport()]), 'dark', 1150],
    ['hostile-dark', pageOf([hostileFullReport(), hostileFullReport(), sampleReport()]), 'dark', 1150],
  ] as const)('%s fits, without a trouble or a broken figure', async (name, page, theme, width) => {
    const opened = await shown(page, theme, width);
    await opened.page.screenshot({ path: `${pictures}compare-${name}.png`, fullPage: true });
    const text = await innerText(opened.page.locator('.compare'));
    expect(text).not.toMatch(/\b(NaN|undefined|null|Infinity|\[object)\b/);
    expect(text).not.toContain('could not be drawn');
    for (const other of [width, 480, 799]) {
      await opened.page.setViewportSize({ width: other, height: 900 });
      await settled(opened.page);
      expect(await overflow(opened.page), `${other} px`).toBe(0);
      expect(await cutTexts(opened.page), `${other} px`).toEqual([]);
    }
    expect(await opened.page.evaluate(() => window.hacked)).toBeUndefined();
    expect(await troublesOf(opened)).toEqual([]);
  });

  it('begins with the largest clear difference, in words and on top of the table', async () => {
    const { page } = await shown(two());
    expect(await innerText(page.locator('.finding'))).toBe(
      'CMC@1, new query on old gallery .099 → .919, better in B than in A: [.081, .115] against [.898, .938]. Of nine clear differences seven are for the better, two for the worse.',
    );
    const rows = page.getByRole('table', { name: 'differences' }).getByRole('row');
    expect((await innerText(rows.nth(1))).replace(/\s+/g, ' ').trim()).toBe(
      'CMC@1, new query on old gallery .099 [.081, .115] .919 [.898, .938] +.820 better',
    );
    expect(await page.getByRole('note').count()).toBe(0);
    const reports = page.getByRole('table', { name: 'reports' }).getByRole('row');
    expect((await innerText(reports.nth(1))).replace(/\s+/g, ' ')).toMatch(
      /A digits-v1 → digits-v2-independent digits-v1-to-v2-independent · 2026-03-14 09:26:53 UTC incompatible not measured violated/,
    );
  });

  it('shows figures with their change in each of many reports', async () => {
    const { page } = await shown(sweep());
    const row = page.getByRole('table', { name: 'key figures' }).getByRole('row', { name: /new query on old gallery/ });
    expect((await innerText(row.first())).replace(/\s+/g, ' ')).toMatch(
      /^mAP, new query on old gallery higher is better \.720 \[\.705, \.735\] \.690 \[\.675, \.705\] −\.030 \.640 \[\.625, \.655\] −\.080 worse/,
    );
    const scroller = page.getByRole('region', { name: /^All key figures, scrolls/ });
    expect(await scroller.evaluate((element) => element.scrollWidth > element.clientWidth)).toBe(true);
    const letters = page.getByRole('table', { name: 'reports' }).getByRole('row', { name: /λ 0\.25/ });
    expect(await letters.count()).toBe(1);
  });

  it('says which figures another protocol keeps from being compared', async () => {
    const { page } = await shown(differing());
    const note = await innerText(page.getByRole('note'));
    expect(note).toContain('Not everything here can be compared');
    expect(note).toContain('Dimension rule: equal in A, project by linear in B. It is a part of what is compared.');
    expect(note).toContain('B against A: figures of thresholds cannot be compared.');
    expect(note).toContain('Distance: cosine in A, euclidean in C. C against A: no figure can be compared.');
    const rows = await page.getByRole('table', { name: 'differences' }).getByRole('row').allInnerTexts();
    expect(rows.slice(1).join('\n')).not.toMatch(/\bC\b/);
  });

  it('draws the curves of the chosen cell and reports over each other, each with a line of its own', async () => {
    const { page } = await shown(sweep());
    expect((await names(page))[0]).toMatch(/^First hit of new\/old: \.\d+ \(F\) to \.\d+ \(A\)$/);
    const boxes = page.getByRole('group', { name: 'Reports drawn' }).getByRole('checkbox');
    expect(await boxes.evaluateAll((all) => all.map((box) => (box as HTMLInputElement).checked))).toEqual([
      true,
      true,
      true,
      true,
      true,
      true,
      false,
    ]);
    const lines = await page
      .locator('.overlay-reports .line-key')
      .evaluateAll((keys) =>
        keys.map(
          (key) => `${key.getAttribute('class')} ${key.querySelector('line')?.getAttribute('stroke-dasharray')}`,
        ),
      );
    expect(new Set(lines).size).toBe(7);
    for (const index of [1, 2, 3, 4, 5]) await boxes.nth(index).uncheck();
    await boxes.nth(6).check();
    await page.getByRole('radio', { name: 'new/new' }).click();
    await settled(page);
    expect((await names(page))[0]).toBe('First hit of new/new: .968 in all');
    expect(
      await page.getByRole('heading', { name: /^Accepted at FAR 1 % in new\/new: \.\d+ in all$/ }).isVisible(),
    ).toBe(true);
    for (const box of [boxes.nth(0), boxes.nth(6)]) await box.uncheck();
    expect(await page.getByText('No report that is drawn has this curve.').count()).toBe(4);
  });

  it('saves a plot as a picture and as rows, and copies all of it', async () => {
    const { page } = await shown(two());
    const menu = page.getByRole('button', { name: 'cmc: table and export' });
    await menu.click();
    await page.getByRole('menuitem', { name: /CSV/ }).click();
    await menu.click();
    await page.getByRole('menuitem', { name: /PNG/ }).click();
    const [csv, png] = (await sent(page)).filter((message) => message.type === 'saveFile');
    expect(csv).toMatchObject({ name: 'cmc.csv', text: expect.stringMatching(/^k,A,B\n1,0\.09[89]\d*,0\.919\n/) });
    expect(png).toMatchObject({ name: 'cmc.png', dataBase64: expect.stringMatching(/^iVBOR/) });
    await page.getByRole('button', { name: 'key figures: table and export' }).click();
    await page.getByRole('menuitem', { name: 'Copy Table' }).click();
    await page.getByRole('button', { name: 'Copy as Markdown' }).click();
    await page.getByRole('button', { name: 'Copy CLI Command' }).click();
    const messages = await sent(page);
    const copied = messages.filter((message) => message.type === 'copyText').map((message) => message.text);
    expect(copied[0]).toMatch(/^Figure\tRule\tBetter\tA\tA low\tA high\tB\tB low\tB high\tB − A\n/);
    expect(copied[1]).toBe(two().cliCommand);
    expect(messages).toContainEqual({ type: 'copyMarkdown' });
  });

  it('opens a report', async () => {
    const { page } = await shown(two());
    await page.getByRole('button', { name: /digits-v2-bct/ }).click();
    expect(await sent(page)).toContainEqual({ type: 'openCompared', report: 1 });
  });

  it('shows nothing as the same, and reads by ear what the drawings show', async () => {
    const { page } = await shown(pageOf([sampleReport(), sampleReport()]));
    expect(await innerText(page.locator('.finding'))).toBe('No key figure differs.');
    expect(await innerText(page.locator('.compared-differences'))).toBe('No figure that both reports have differs.');
    const said = await names(page);
    expect(said).toHaveLength(3);
    expect(said[1]).toMatch(/^Same class violated: \.964 in all$/);
  });
});
