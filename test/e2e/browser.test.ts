import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import { connectBrowser, makeFolder, repository, Workbench } from './workbench.ts';

/** The digits of the sample and models that were trained on them before, audited on the command line. */
const minute = 60_000;
const digits = (name: string) => path.join(repository, 'dist/sample', name);
const checkpoint = (name: string) => ({
  model: path.join(repository, 'test/fixtures/sample', name),
  preprocess: { size: [28, 28], channels: 1, mean: [0.5], std: [0.5] },
});
const config = {
  datasets: {
    digits: {
      idx: { images: digits('digits-images.idx3-ubyte'), labels: digits('digits-labels.idx1-ubyte') },
      splits: { train: 0.6, gallery: 0.3, query: 0.1 },
      seed: 0,
    },
  },
  checkpoints: { v1: checkpoint('old.onnx'), v2: checkpoint('compatible.onnx') },
  pairs: { 'v1-v2': { old: 'v1', new: 'v2', queries: 'digits/query', gallery: 'digits/gallery' } },
};

let browser: Browser;
let workbench: Workbench;

beforeAll(async () => {
  const folder = makeFolder('browser', { 'backcompat.json': JSON.stringify(config) });
  const args = [path.join(repository, 'dist/cli.js'), 'audit', '--pair', 'v1-v2'];
  await promisify(execFile)(process.execPath, args, { cwd: folder });
  browser = await connectBrowser();
  workbench = await Workbench.open(browser, folder);
}, 5 * minute);

afterAll(async () => {
  await workbench?.close();
  await browser?.close();
});

beforeEach(() => {
  onTestFailed(({ task }) => workbench.keepEvidence(task.name));
});

afterEach(() => {
  expect(workbench.takeErrors()).toEqual([]);
});

describe('single queries of a report', () => {
  const grid = () => workbench.webview.getByRole('grid', { name: /^Nearest gallery items of query/ });
  const nearest = (row: number) => grid().getByRole('row').nth(row).getByRole('gridcell').first();

  it('are shown with what both models find for them, in pictures', async () => {
    await workbench.openSidebar();
    await workbench
      .view('Runs')
      .getByRole('treeitem', { name: /^v1-v2, audit, compatible/ })
      .click();
    const { webview } = workbench;
    await webview.getByRole('tab', { name: 'Retrieval' }).click();
    await webview.locator('.browser').scrollIntoViewIfNeeded();
    await grid().waitFor({ timeout: 2 * minute });
    expect(await grid().getByRole('row').count()).toBe(3);
    const pictures = grid().getByRole('row').nth(1).locator('img');
    await expect.poll(() => pictures.count(), { timeout: minute }).toBe(12);
    const width = () => pictures.first().evaluate((image) => (image as HTMLImageElement).naturalWidth);
    await expect.poll(width, { timeout: minute }).toBe(28);
    await grid().scrollIntoViewIfNeeded();
    await workbench.screenshot('browser-pictures');
  });

  it('are filtered by what became of their first hit', async () => {
    const { webview } = workbench;
    const first = await grid().getAttribute('aria-label');
    await webview.getByRole('radio', { name: /^Gained/ }).click();
    await webview
      .getByRole('option', { name: /gained/ })
      .first()
      .click();
    await expect.poll(() => grid().getAttribute('aria-label'), { timeout: minute }).not.toBe(first);
    // Gained: the nearest item is wrong for the old model and right for the new one.
    expect(await nearest(0).locator('.heard-only').textContent()).toContain(', wrong, ');
    expect(await nearest(1).locator('.heard-only').textContent()).toContain(', right, ');
    const announced = await webview.getByRole('radio', { name: /^Gained/ }).innerText();
    const listed = await webview.locator('.query-list [role=status]').innerText();
    // The count on the filter is the report's, that of the list is the worker's.
    expect(listed.replace(/\D/g, '')).toBe(announced.replace(/\D/g, ''));
    await workbench.screenshot('browser-gained');
  });

  it('are led to from the list of flipped queries', async () => {
    const { webview } = workbench;
    await webview.getByRole('tab', { name: /^Flips/ }).click();
    const link = webview.getByRole('button', { name: /^Neighbours of/ }).first();
    const query = (await link.getAttribute('aria-label'))?.replace('Neighbours of ', '');
    await link.click();
    const name = `Nearest gallery items of query ${query}`;
    await expect.poll(() => grid().getAttribute('aria-label'), { timeout: minute }).toBe(name);
    // Lost: the other way round.
    expect(await nearest(0).locator('.heard-only').textContent()).toContain(', right, ');
    expect(await nearest(1).locator('.heard-only').textContent()).toContain(', wrong, ');
  });
});
