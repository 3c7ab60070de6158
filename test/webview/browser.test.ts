import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { renderHtml } from '../../src/core/report/renderHtml.ts';
import type { ReportActions } from '../../src/protocol/messages.ts';
import { hostileNames, sampleReport } from '../fixtures/report/sampleReport.ts';
import { answerQuestions, type FakeHost, type MadeUp, madeUpAnswers } from './browserHost.ts';
import {
  allActions,
  builtPage,
  chooseTab,
  type OpenPage,
  overflow,
  pictures,
  settled,
  showReport,
  troublesOf,
  useBrowser,
} from './buildPage.ts';
import type { ThemeName } from './themes.ts';

const browsing: ReportActions = { ...allActions, browse: { possible: true, why: null } };

const browser = useBrowser();

interface OpenBrowser extends OpenPage {
  host: FakeHost;
}

async function open(
  made: MadeUp = { content: 'pictures' },
  theme: ThemeName = 'dark',
  size = { width: 1150, height: 900 },
  actions = browsing,
): Promise<OpenBrowser> {
  const own = await browser.hosted(theme, size);
  const host = await answerQuestions(own.page, madeUpAnswers(made));
  await showReport(own.page, sampleReport(), actions);
  await chooseTab(own.page, 'Retrieval');
  return { ...own, host };
}

/** The section scrolled to, and its first rankings. */
async function started(page: Page): Promise<void> {
  await page.locator('.browser').scrollIntoViewIfNeeded();
  await grid(page).waitFor();
}
const grid = (page: Page) => page.getByRole('grid', { name: /^Nearest gallery items of query/ });
const queries = (page: Page) => page.getByRole('listbox', { name: 'Queries' });
const picture = (page: Page, name: string) =>
  page.locator('.browser').screenshot({ path: path.join(pictures, `${name}.png`) });

async function withPictures(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelectorAll('.ranked img.pixels').length >= 30);
  await settled(page);
}

describe('the retrieval browser', () => {
  it.each(['dark', 'light', 'contrast'] as const)('shows what both models find for a query, in %s', async (theme) => {
    const own = await open({ content: 'pictures' }, theme);
    const { page, host } = own;
    // Nothing is asked before somebody gets here.
    expect(host.asked).toEqual([]);
    await started(page);
    await withPictures(page);
    const first = sampleReport().worst.flippedQueries[0]?.query;
    expect(host.asked.filter(({ type }) => type === 'browseNeighbours')).toMatchObject([{ query: first, k: 12 }]);
    const rows = grid(page).getByRole('row');
    expect(await rows.count()).toBe(3);
    expect(await rows.nth(1).getByRole('rowheader').innerText()).toMatch(/new\/old\s+no backfill\s+\d+ of 12 right/);
    expect(await rows.nth(1).getByRole('gridcell').count()).toBe(12);
    await expect
      .poll(() => page.locator('.browser h2').innerText())
      .toMatch(/^Query digits-\d+, class \d: \d+ of 12 found by the new model are right/);
    const wrong = grid(page)
      .getByRole('gridcell', { name: /, wrong, / })
      .first();
    expect(await wrong.innerText()).toMatch(/is \d/);
    expect(await wrong.locator('.ranked-face').evaluate((face) => getComputedStyle(face).borderBottomStyle)).toBe(
      'dashed',
    );
    const right = grid(page)
      .getByRole('gridcell', { name: /, right, / })
      .first();
    expect(await right.locator('.ranked-face').evaluate((face) => getComputedStyle(face).borderBottomStyle)).toBe(
      'solid',
    );
    expect(await right.innerText()).toContain('right');
    await picture(page, `browser-${theme}`);
    expect(await overflow(page)).toBe(0);
    expect(await troublesOf(own)).toEqual([]);
  });

  it('fits a narrow page', async () => {
    const own = await open({ content: 'pictures' }, 'dark', { width: 460, height: 900 });
    await started(own.page);
    await withPictures(own.page);
    await picture(own.page, 'browser-narrow');
    expect(await overflow(own.page)).toBe(0);
  });

  it('tells each item, its rank and its movement to people who hear the page', async () => {
    const { page } = await open();
    await started(page);
    const cells = grid(page).getByRole('row').nth(1).getByRole('gridcell');
    const names = await cells.evaluateAll((all) => all.map((cell) => cell.querySelector('.heard-only')?.textContent));
    expect(names[2]).toMatch(/^Rank 3, digits-\d+, class \d, (right|wrong), distance \.140, same rank under old\/old$/);
    expect(names[9]).toMatch(/up from rank beyond 1,000 under old\/old$/);
    expect(names[1]).toMatch(/(up|down) from rank \d+ under old\/old$/);
    expect(await cells.nth(9).innerText()).toContain('\u2191>1k');
    expect(await page.getByRole('status').allInnerTexts()).toContainEqual(expect.stringMatching(/^Query digits-/));
  });

  it('is walked with the keys alone', async () => {
    const { page, host } = await open();
    await started(page);
    await withPictures(page);
    const name = () => page.evaluate(() => document.activeElement?.querySelector('.heard-only')?.textContent ?? '');
    const row = () =>
      page.evaluate(() => document.activeElement?.closest('[role=row]')?.querySelector('strong')?.textContent);
    await grid(page).getByRole('gridcell').first().focus();
    expect(await grid(page).locator('[tabindex="0"]').count()).toBe(1);
    await page.keyboard.press('ArrowRight');
    expect(await name()).toMatch(/^Rank 2,/);
    await page.keyboard.press('ArrowDown');
    expect([await name(), await row()]).toEqual([expect.stringMatching(/^Rank 2,/), 'new/old']);
    await page.keyboard.press('End');
    expect(await name()).toMatch(/^Rank 12,/);
    await page.keyboard.press('ArrowUp');
    expect(await row()).toBe('old/old');
    await page.keyboard.press('Home');
    expect(await name()).toMatch(/^Rank 1,/);
    expect(await grid(page).locator('[tabindex="0"]').count()).toBe(1);

    await queries(page).focus();
    host.asked.length = 0;
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowDown');
    const last = () => host.asked.filter(({ type }) => type === 'browseNeighbours').at(-1);
    await expect.poll(last).toMatchObject({ query: 'digits-1' });
    await page.locator('.browser h2', { hasText: 'Query digits-1,' }).waitFor();
    expect(await queries(page).locator('[aria-selected=true]').innerText()).toContain('digits-1');
    const active = await queries(page).getAttribute('aria-activedescendant');
    expect(await page.locator(`#${active}`).innerText()).toContain('digits-1');

    const all = page.getByRole('radio', { name: /^All/ });
    await all.focus();
    await page.keyboard.press('ArrowRight');
    await expect
      .poll(() => host.asked.at(-1))
      .toMatchObject({ type: expect.stringMatching(/browse(Queries|Thumbnails)/) });
    await page.locator('.query-list [role=status]', { hasText: '125 queries' }).waitFor();
    expect(await page.getByRole('radio', { name: /^Flipped/ }).getAttribute('aria-checked')).toBe('true');
  });

  it('searches and filters, a part of the list at a time', async () => {
    const { page, host } = await open();
    await started(page);
    await page.locator('.query-list [role=status]', { hasText: '250 queries' }).waitFor();
    expect(await queries(page).getByRole('option').count()).toBe(100);
    await page.getByRole('button', { name: 'Show more' }).click();
    await expect.poll(() => queries(page).getByRole('option').count()).toBe(200);
    await page.getByRole('radio', { name: /^Lost/ }).click();
    await page.locator('.query-list [role=status]', { hasText: '63 queries' }).waitFor();
    expect(await queries(page).getByRole('option').first().innerText()).toMatch(/digits-1\s+class\s+1\s+lost/);
    await page.getByRole('searchbox').fill('digits-24');
    await page.locator('.query-list [role=status]', { hasText: '3 queries' }).waitFor();
    await page.getByRole('searchbox').fill('nothing');
    await page.locator('.query-list [role=status]', { hasText: 'No query passes.' }).waitFor();
    const question = { search: 'nothing', filter: 'lost', offset: 0, limit: 100 };
    expect(host.asked.filter(({ type }) => type === 'browseQueries').at(-1)).toMatchObject({ question });
  });

  it('lists more of the nearest, and ids in the place of pictures', async () => {
    const { page } = await open();
    await started(page);
    await withPictures(page);
    await page.getByRole('radio', { name: '24' }).click();
    await expect.poll(() => grid(page).getByRole('row').first().getByRole('gridcell').count()).toBe(24);
    await page.getByRole('radio', { name: 'Ids' }).click();
    expect(await grid(page).locator('img').count()).toBe(0);
    expect(await grid(page).getByRole('gridcell').first().innerText()).toMatch(/digits-\d+/);
    await picture(page, 'browser-ids');
  });

  it('shows texts where items are texts, and ids alone where there is nothing to see', async () => {
    const texts = await open({ content: 'texts' });
    await started(texts.page);
    await texts.page.locator('.ranked .own-text').first().waitFor();
    await picture(texts.page, 'browser-texts');
    expect(await overflow(texts.page)).toBe(0);
    const bare = await open({ content: 'none', labelled: false, withNew: false }, 'light');
    await started(bare.page);
    expect(await grid(bare.page).getByRole('row').count()).toBe(2);
    expect(await bare.page.getByRole('radio', { name: /^Lost/ }).count()).toBe(0);
    expect(await bare.page.getByRole('radio', { name: 'Ids' }).count()).toBe(0);
    const name = await grid(bare.page).getByRole('gridcell').first().locator('.heard-only').textContent();
    expect(name).toMatch(/^Rank 1, digits-\d+, distance \.100$/);
    expect(await bare.page.locator('.browser').innerText()).toContain('new/new is missing');
    await picture(bare.page, 'browser-bare');
  });

  it('is led to from a flipped query and from a worst pair', async () => {
    const { page, host } = await open();
    await chooseTab(page, 'Flips');
    const link = page.getByRole('button', { name: /^Neighbours of/ }).nth(2);
    const query = (await link.getAttribute('aria-label'))?.replace('Neighbours of ', '');
    await link.click();
    await page.locator('.browser h2', { hasText: `Query ${query},` }).waitFor();
    expect(await page.getByRole('tab', { name: 'Retrieval' }).getAttribute('aria-selected')).toBe('true');
    await chooseTab(page, 'Inequalities');
    const pair = page.getByRole('button', { name: /^Neighbours of/ }).first();
    const other = (await pair.getAttribute('aria-label'))?.replace('Neighbours of ', '');
    await pair.click();
    await page.locator('.browser h2', { hasText: `Query ${other},` }).waitFor();
    expect(host.asked.filter(({ type }) => type === 'browseNeighbours').at(-1)).toMatchObject({ query: other });
  });

  it('finds the query again that was looked at before the page was hidden', async () => {
    const { page, host } = await open();
    await started(page);
    await queries(page).getByRole('option').nth(5).click();
    await page.locator('.browser h2', { hasText: 'Query digits-5,' }).waitFor();
    host.asked.length = 0;
    await showReport(page, sampleReport(), browsing);
    await page.locator('.browser h2', { hasText: 'Query digits-5,' }).waitFor();
    expect(host.asked.find(({ type }) => type === 'browseNeighbours')).toMatchObject({ query: 'digits-5' });
  });

  it('keeps names what they are', async () => {
    const own = await open({
      content: 'none',
      idOf: (index) => `${hostileNames[index % hostileNames.length]}-${index}`,
    });
    await started(own.page);
    await settled(own.page);
    await picture(own.page, 'browser-hostile');
    expect(await own.page.evaluate(() => window.hacked)).toBeUndefined();
    expect(await overflow(own.page)).toBe(0);
    expect(await troublesOf(own)).toEqual([]);
  });
});

describe('states of the retrieval browser', () => {
  it('shows progress, and stops', async () => {
    const { page, host } = await open();
    host.answer = () => null;
    await page.locator('.browser').scrollIntoViewIfNeeded();
    await expect.poll(() => host.asked.length).toBe(1);
    const { request } = host.asked[0] as { request: number };
    await host.say({ type: 'browseProgress', request, phase: 'Embedding with the old model v1', done: 40, total: 100 });
    await page.getByText('Embedding with the old model v1\u2026 40 %').waitFor();
    await picture(page, 'browser-loading');
    await page.getByRole('button', { name: 'Stop' }).click();
    await expect.poll(() => host.asked.at(-1)).toEqual({ type: 'browseStop', request });
    host.answer = madeUpAnswers({ content: 'pictures' });
    await page.getByRole('button', { name: 'Try Again' }).click();
    await grid(page).waitFor();
  });

  it('says that the worker died or that vectors are gone, and tries again', async () => {
    const { page, host } = await open();
    host.answer = ({ request }) => ({
      type: 'browseFailure',
      request,
      message: 'There is no file old.npy.',
      remedy: 'Check its path.',
    });
    await page.locator('.browser').scrollIntoViewIfNeeded();
    const alert = page.locator('.browser').getByRole('alert');
    await alert.waitFor();
    expect(await alert.innerText()).toMatch(/There is no file old\.npy\.\s+Check its path\.\s+Try Again/);
    await picture(page, 'browser-failed');
    host.answer = madeUpAnswers({ content: 'pictures' });
    await alert.getByRole('button', { name: 'Try Again' }).click();
    await grid(page).waitFor();
    // In the middle: the list stays.
    host.answer = ({ request }) => ({
      type: 'browseFailure',
      request,
      message: 'The background process ended (SIGKILL).',
      remedy: 'Try again; the log has all that it printed.',
    });
    await queries(page).getByRole('option').nth(3).click();
    await alert.waitFor();
    expect(await alert.innerText()).toContain('SIGKILL');
    expect(await queries(page).getByRole('option').count()).toBe(100);
    host.answer = madeUpAnswers({ content: 'pictures' });
    await alert.getByRole('button', { name: 'Try Again' }).click();
    await page.locator('.browser h2', { hasText: 'Query digits-3,' }).waitFor();
  });

  it('warns that things have changed since the audit', async () => {
    const { page } = await open({
      content: 'pictures',
      changes: ['The new model gives other vectors than when it was audited.'],
    });
    await started(page);
    expect(await page.locator('.browser-changes').innerText()).toContain('Rankings may differ');
  });

  it('says why it cannot be in an untrusted folder, without asking anything', async () => {
    const why = 'Nothing is run in a folder that is not trusted.';
    const { page, host } = await open(
      { content: 'none' },
      'dark',
      { width: 1150, height: 900 },
      {
        ...allActions,
        browse: { possible: false, why },
      },
    );
    await page.getByText(why).scrollIntoViewIfNeeded();
    await settled(page);
    expect(host.asked).toEqual([]);
    await chooseTab(page, 'Flips');
    expect(await page.getByRole('button', { name: /^Neighbours of/ }).count()).toBe(0);
  });

  it('says in a page of its own that it needs the editor', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'browser-page-'));
    const name = path.join(folder, 'report.html');
    writeFileSync(name, renderHtml(sampleReport(), await builtPage()));
    const own = await browser.file(`${pathToFileURL(name).href}#retrieval`);
    expect(await own.page.getByText('open this report in VS Code').count()).toBe(1);
    rmSync(folder, { recursive: true });
  });
});
