import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest';
import { sampleReport } from '../fixtures/report/sampleReport.ts';
import { type Server, startServer } from './server.ts';
import { connectBrowser, makeFolder, Workbench } from './workbench.ts';

let server: Server;
let browser: Browser;
let workbench: Workbench;

beforeAll(async () => {
  server = await startServer('old', { trustEverything: false });
  const config = JSON.stringify({ pairs: { 'v1-v2': { old: 'v1', new: 'v2', queries: 'items', gallery: 'items' } } });
  const files = { 'backcompat.json': config, 'audit.compat-report.json': JSON.stringify(sampleReport()) };
  browser = await connectBrowser();
  workbench = await Workbench.open(browser, makeFolder('untrusted', files, server), server);
});

afterAll(async () => {
  await workbench?.close();
  await browser?.close();
  await server?.stop();
});

describe('the oldest VS Code that package.json promises, in a folder that is not trusted', () => {
  it('shows a report and runs nothing', async () => {
    onTestFailed(({ task }) => workbench.keepEvidence(task.name));
    await workbench.openSidebar();
    await workbench.view('Pairs').getByRole('treeitem', { name: 'v1-v2, not audited yet' }).waitFor();
    await workbench.view('Runs').getByText('New ones need a trusted folder').waitFor();
    await workbench.openFile('audit.compat-report.json');
    await workbench.webview.getByRole('tab', { name: 'Verdict' }).waitFor();
    await workbench.screenshot('oldest-untrusted');
    await workbench.page.keyboard.press('F1');
    await workbench.page.locator('.quick-input-widget input[type="text"]').fill('>Backcompat');
    await workbench.choice('Backcompat: Open Report…').waitFor();
    expect(await workbench.choice('Backcompat: Run Audit').count()).toBe(0);
    expect(await workbench.choice('Backcompat: Try the Sample').count()).toBe(0);
    expect(workbench.takeErrors()).toEqual([]);
  });
});
