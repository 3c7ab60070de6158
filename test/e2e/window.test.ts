import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import { sampleReport } from '../fixtures/report/sampleReport.ts';
import { connectBrowser, makeFolder, repository, Workbench } from './workbench.ts';

const config = `{
  // the models of the shop
  "datasets": { "items": { "images": "images" } },
  "checkpoints": {
    "v1": { "model": "v1.onnx", "head": { "temperature": 0.05, "scale": 20 } },
    "v2": { "model": "v2.onxn" }
  },
  "pairs": { "v1-v2": { "old": "v1", "new": "v2", "queries": "items", "gallery": "itmes" } }
}
`;

let browser: Browser;
let workbench: Workbench;
let folder: string;

beforeAll(async () => {
  folder = makeFolder('window', {
    'backcompat.json': config,
    'images/.keep': '',
    'notes.npy': 'no array',
    'old.compat-report.json': JSON.stringify(sampleReport()),
  });
  for (const name of ['v1.onnx', 'v2.onnx']) {
    copyFileSync(path.join(repository, 'test/fixtures/sample/old.onnx'), path.join(folder, name));
  }
  const request = {
    format: 'backcompat.run',
    formatVersion: 1,
    kind: 'audit',
    name: 'v1-v2',
    configFile: path.join(folder, 'backcompat.json'),
    arguments: ['audit', 'backcompat.json', '--pair', 'v1-v2'],
    created: '2026-01-02T03:04:05.000Z',
    tool: 'backcompat 0.1.0',
  };
  // A process that was killed: no last word, no lock. The half line at the end is no event.
  const events = '{"type":"state","time":"2026-01-02T03:04:05.000Z","state":"running"}\n{"type":"pha';
  makeFolder('window/.backcompat/runs/20260102-030405-audit-v1-v2', {
    'run.json': JSON.stringify(request),
    'events.jsonl': events,
  });
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

describe('a window on a folder with a config', () => {
  it('lists its pairs and runs, and calls a dead run stopped', async () => {
    await workbench.openSidebar();
    await workbench.view('Pairs').getByRole('treeitem', { name: 'v1-v2, not audited yet' }).waitFor();
    await workbench
      .view('Runs')
      .getByRole('treeitem', { name: /^v1-v2, audit, stopped,/ })
      .waitFor();
    await workbench.screenshot('window-sidebar');
  });

  it('underlines what is wrong with the config and mends it', async () => {
    await workbench.command('Backcompat: Validate Config');
    const { page } = workbench;
    const problem = page.locator('.markers-panel .monaco-list-row', { hasText: '"itmes"' });
    await problem.waitFor();
    await problem.click();
    await workbench.screenshot('window-problem');
    await page.locator('.monaco-editor .squiggly-error').first().waitFor();
    const fix = async (title: string) => {
      await workbench.command('Quick Fix...');
      await page.locator('.action-widget .monaco-list-row', { hasText: title }).click();
    };
    await fix('Replace by "items"');
    await problem.waitFor({ state: 'detached' });

    // Two keys that exclude each other: one goes.
    const both = page.locator('.markers-panel .monaco-list-row', { hasText: '"temperature" and "scale"' });
    await both.click();
    await fix('Remove "scale"');
    await both.waitFor({ state: 'detached' });

    // A file that is not there: another is chosen.
    await page.locator('.markers-panel .monaco-list-row', { hasText: 'v2.onxn does not exist' }).click();
    await fix('Choose the file…');
    const input = page.locator('.quick-input-widget input[type="text"]');
    await expect.poll(() => input.inputValue(), { timeout: 30_000 }).toMatch(/\/window\/$/);
    await input.fill(path.join(folder, 'v2.onnx'));
    await page.keyboard.press('Enter');
    await page.locator('.markers-panel', { hasText: 'No problems have been detected' }).waitFor();
    await workbench.command('File: Save');
    const text = () => readFileSync(path.join(folder, 'backcompat.json'), 'utf8');
    await expect.poll(text).toContain('"gallery": "items"');
    expect(text()).toContain('// the models of the shop');
    expect(text()).toContain('"temperature": 0.05');
    expect(text()).not.toContain('scale');
    expect(text()).toContain('"model": "v2.onnx"');
    // What can be done stands above each pair.
    await page.locator('.codelens-decoration', { hasText: 'Audit' }).getByText('Train…').waitFor();
    await workbench.screenshot('window-mended');
  });

  it('lists checkpoints with what was recognised, and says what a file is', async () => {
    const { page } = workbench;
    await workbench.view('Checkpoints').locator('.pane-header').click();
    const row = (name: RegExp) => workbench.view('Checkpoints').getByRole('treeitem', { name });
    await row(/^v1\.onnx, ONNX model, 32-d, opset 20 · trainable/).waitFor();
    // A damaged array that no config names is no checkpoint.
    expect(await row(/notes\.npy/).count()).toBe(0);
    await row(/^v2\.onnx/).click();
    await page.locator('.monaco-editor .view-line', { hasText: /v2\.onnx:\s.*ONNX\smodel/ }).waitFor();
    await workbench.screenshot('window-checkpoints');
  });

  it('opens a report, in dark and light, and its text on demand', async () => {
    const { page } = workbench;
    await workbench.command('View: Hide Panel');
    await workbench.openFile('old.compat-report.json');
    await workbench.webview.getByRole('tab', { name: 'Verdict' }).waitFor();
    for (const theme of ['dark', 'light'] as const) {
      await workbench.useTheme(theme);
      for (const tab of ['Retrieval', 'Inequalities', 'Verdict']) {
        await workbench.webview.getByRole('tab', { name: tab }).click();
        await workbench.screenshot(`report-${tab.toLowerCase()}-${theme}`);
      }
    }
    await workbench.webview.getByRole('button', { name: 'Export HTML' }).click();
    // The dialog fills in its proposal step by step.
    const proposal = page.locator('.quick-input-widget input[type="text"]');
    await expect.poll(() => proposal.inputValue(), { timeout: 30_000 }).toMatch(/\/window\/[\w-]+\.html$/);
    const exported = await proposal.inputValue();
    await page.keyboard.press('Enter');
    await expect.poll(() => existsSync(exported), { timeout: 30_000 }).toBe(true);
    expect(readFileSync(exported, 'utf8')).toMatch(/^<!DOCTYPE html>[\s\S]*<\/html>\s*$/);
    await workbench.command('View: Reopen Editor With...');
    await workbench.choice('Text Editor').click();
    await page.locator('.monaco-editor .view-line', { hasText: '"backcompat.report"' }).first().waitFor();
  });
});
