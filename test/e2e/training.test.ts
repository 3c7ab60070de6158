import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Browser, Locator } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import { connectBrowser, makeFolder, repository, Workbench } from './workbench.ts';

const minute = 60_000;
const preprocess = '{ "size": [28, 28], "channels": 1, "mean": [0.5], "std": [0.5] }';
const config = `{
  "datasets": {
    "digits": {
      "idx": { "images": "data/digits-images.idx3-ubyte", "labels": "data/digits-labels.idx1-ubyte" },
      "splits": { "train": 0.6, "gallery": 0.1, "query": 0.03 }
    }
  },
  "checkpoints": {
    "v1": { "model": "old.onnx", "preprocess": ${preprocess} } // in service
  },
  "audit": { "bootstrap": { "resamples": 100 }, "triplets": 200, "referenceQueries": 20 }
}
`;

let browser: Browser;
let workbench: Workbench;
let folder: string;

beforeAll(async () => {
  folder = makeFolder('models', { 'backcompat.json': config, 'data/.keep': '' });
  for (const name of ['digits-images.idx3-ubyte', 'digits-labels.idx1-ubyte']) {
    copyFileSync(path.join(repository, 'dist/sample', name), path.join(folder, 'data', name));
  }
  mkdirSync(path.join(folder, 'new'));
  copyFileSync(path.join(repository, 'test/fixtures/sample/old.onnx'), path.join(folder, 'old.onnx'));
  copyFileSync(path.join(repository, 'test/fixtures/sample/compatible.onnx'), path.join(folder, 'new/v2.onnx'));
  browser = await connectBrowser();
  workbench = await Workbench.open(browser, folder);
});

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

const text = () => readFileSync(path.join(folder, 'backcompat.json'), 'utf8');
const step = (place: string) =>
  workbench.page.locator('.quick-input-widget .quick-input-title', { hasText: place }).waitFor();
/** Of the quick input: a page that is just being shown may have taken the focus from it. */
const field = () => workbench.page.locator('.quick-input-widget input[type="text"]');
const row = (view: 'Pairs' | 'Runs', name: RegExp): Locator => workbench.view(view).getByRole('treeitem', { name });

function trainingDirectory(): string {
  const runs = path.join(folder, '.backcompat/runs');
  const [name] = existsSync(runs) ? readdirSync(runs).filter((entry) => entry.includes('-train-')) : [];
  return path.join(runs, name ?? 'none');
}

describe('one model after the other', () => {
  it('asks for old, new and data, goes back a step, writes the pair and shows its verdict', async () => {
    await workbench.openSidebar();
    await workbench.command('Backcompat: New Audit…');
    await step('New Audit (1/');
    await workbench.choice('v1').click();
    await step('New Audit (2/');
    const file = workbench.choice(/new\/v2\.onnx/);
    await file.getByText('ONNX model, 32-d, opset 20').waitFor();
    await workbench.screenshot('audit-step');
    await workbench.page.locator('.quick-input-widget').getByRole('button', { name: 'Back' }).click();
    await step('New Audit (1/');
    await workbench.choice('v1').click();
    await step('New Audit (2/');
    await file.click();
    await step('New Audit (3/');
    await workbench.choice('digits/gallery').click();
    await step('New Audit (4/');
    await workbench.choice('digits/query').click();
    await step('New Audit (5/');
    await field().press('Enter');
    await workbench.webview.getByRole('tab', { name: 'Verdict' }).waitFor({ timeout: 2 * minute });
    expect(text()).toContain('// in service');
    expect(text()).toContain('"v2": { "model": "new/v2.onnx" }');
    expect(text()).toMatch(
      /"v1-v2": \{ "old": "v1", "new": "v2", "queries": "digits\/query", "gallery": "digits\/gallery" \}/,
    );
    await row('Pairs', /^v1-v2, (in)?compatible|^v1-v2, undecided|^v1-v2, within/).waitFor();
    await workbench.screenshot('audit-verdict');
  });

  it('holds two reports against each other, and exports one', async () => {
    const { page } = workbench;
    await workbench.command('Backcompat: Run Audit');
    const reported = row('Runs', /^v1-v2, audit, (incompatible|compatible|undecided|within)/);
    await expect.poll(() => reported.count(), { timeout: 2 * minute }).toBe(2);
    await workbench.command('Backcompat: Compare Reports…');
    const choices = page.locator('.quick-input-list .monaco-list-row');
    for (const index of [0, 1]) await choices.nth(index).click();
    await page.locator('.quick-input-widget').getByRole('button', { name: 'OK' }).click();
    await page.getByRole('tab', { name: /Comparison: v1-v2/ }).waitFor();
    await workbench.webview.getByRole('heading', { name: 'Verdicts side by side' }).waitFor({ timeout: minute });
    expect(await workbench.webview.getByRole('table', { name: 'reports' }).getByRole('row').count()).toBe(3);
    // The same pair twice, with the same seed.
    await workbench.webview.getByText('No key figure differs.', { exact: true }).waitFor();
    await workbench.screenshot('compared');
    await workbench.command('Backcompat: Export Report…');
    await workbench.choice(/v1-v2/).click();
    await workbench.choice('Markdown').click();
    await expect.poll(() => field().inputValue(), { timeout: 30_000 }).toMatch(/\/models\/v1-v2\.md$/);
    await field().press('Enter');
    const exported = path.join(folder, 'v1-v2.md');
    await expect.poll(() => existsSync(exported), { timeout: 30_000 }).toBe(true);
    expect(readFileSync(exported, 'utf8')).toMatch(/^<!-- backcompat report -->/);
  });

  it(
    'trains a model for the pair, follows it through a reload, cancels it, and goes on after a kill',
    async () => {
      const { page } = workbench;
      await workbench.command('Backcompat: Train Compatible Model…');
      await step('Train Compatible Model (1/');
      await workbench.choice('builtin:convnet').click();
      await step('Train Compatible Model (2/');
      // Proposed: the length of the old vectors.
      expect(await field().inputValue()).toBe('32');
      await field().press('Enter');
      await step('Train Compatible Model (3/');
      await workbench.choice('digits/train').click();
      await step('Train Compatible Model (4/');
      await workbench.choice('bct').click();
      await step('Train Compatible Model (5/');
      await field().press('Enter');
      await row('Pairs', /^v2-bct, training/).waitFor();
      await row('Runs', /^v2-bct, train, epoch \d+/).waitFor({ timeout: 2 * minute });
      await page.locator('.statusbar-item', { hasText: 'train v2-bct' }).waitFor();
      await workbench.screenshot('training-running');
      const directory = trainingDirectory();
      const pid = () => JSON.parse(readFileSync(path.join(directory, 'lock.json'), 'utf8')).pid as number;

      // Held, so that the reload falls into the middle on every machine.
      process.kill(pid(), 'SIGSTOP');
      await workbench.reload();
      await workbench.openSidebar();
      await row('Runs', /^v2-bct, train, epoch \d+/).waitFor();
      process.kill(pid(), 'SIGCONT');

      await workbench.command('Backcompat: Cancel Run');
      await row('Runs', /^v2-bct, train, cancelled/).waitFor();
      await workbench.command('Backcompat: Resume Run…');
      await row('Runs', /^v2-bct, train, epoch \d+/).waitFor({ timeout: 2 * minute });
      process.kill(pid(), 'SIGKILL');
      await row('Runs', /^v2-bct, train, stopped at step \d+, resume/).waitFor();
      await workbench.screenshot('training-stopped');
      await workbench.command('Backcompat: Resume Run…');
      await row('Runs', /^v2-bct, train, epoch \d+/).waitFor({ timeout: 2 * minute });
      await workbench.command('Backcompat: Pause Run');
      await row('Runs', /^v2-bct, train, paused/).waitFor({ timeout: 2 * minute });
      await workbench.screenshot('training-paused');
    },
    10 * minute,
  );
});
