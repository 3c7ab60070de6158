import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Browser, Locator } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, onTestFailed } from 'vitest';
import { connectBrowser, repository, Workbench } from './workbench.ts';

const minute = 60_000;
const folder = path.join(inject('server').home, 'backcompat-sample');
const config = path.join(folder, 'backcompat.json');

let browser: Browser;
let workbench: Workbench;

beforeAll(async () => {
  browser = await connectBrowser();
  workbench = await Workbench.open(browser, null);
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

/** Directories of the runs of a pair, oldest first. */
function runDirectories(pair: string): string[] {
  const runs = path.join(folder, '.backcompat/runs');
  if (!existsSync(runs)) return [];
  const names = readdirSync(runs).filter((name) => name.endsWith(`-audit-${pair}`));
  return names.sort().map((name) => path.join(runs, name));
}

function eventsOf(directory: string): { type: string; state?: string }[] {
  // What follows the last line break is being written.
  const lines = readFileSync(path.join(directory, 'events.jsonl'), 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line));
}

function hasEnded(directory: string): boolean {
  return eventsOf(directory).some(({ type, state }) => type === 'state' && state !== 'running');
}

/** Waits until a run of the pair has begun, and is going on. @returns its directory */
async function liveRun(pair: string): Promise<string> {
  const isLive = (directory: string) => {
    const files = ['run.json', 'lock.json', 'events.jsonl'].map((name) => path.join(directory, name));
    return files.every((file) => existsSync(file)) && eventsOf(directory).length > 0 && !hasEnded(directory);
  };
  let live: string | undefined;
  const look = () => {
    live = runDirectories(pair).find(isLive);
    return live;
  };
  await expect.poll(look, { timeout: minute, interval: 20 }).toBeDefined();
  return live as string;
}

/** Holds a live run still meanwhile, so that things fall into the middle of it on every machine. */
async function whileHeld(directory: string, act: () => Promise<void>): Promise<void> {
  const { pid } = JSON.parse(readFileSync(path.join(directory, 'lock.json'), 'utf8'));
  process.kill(pid, 'SIGSTOP');
  try {
    expect(hasEnded(directory)).toBe(false);
    await act();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

/** The row of a pair or run, whatever it says after its name. */
function row(view: 'Pairs' | 'Runs', name: string, state: RegExp | string): Locator {
  return workbench.view(view).getByRole('treeitem', { name: new RegExp(`^${name}, ${new RegExp(state).source}`) });
}

describe('from nothing to a verdict', () => {
  it(
    'makes the sample workspace and opens it',
    async () => {
      const { page } = workbench;
      await workbench.openSidebar();
      await workbench.screenshot('sample-welcome');
      await workbench.command('Backcompat: Try the Sample');
      await workbench.choice(folder).click();
      // Three models are trained first.
      await page.waitForURL(/backcompat-sample/, { timeout: 15 * minute });
      await workbench.ready();
      await workbench.openSidebar();
      await row('Pairs', 'v1-v2-independent', 'not audited yet').waitFor();
      await row('Pairs', 'v1-v2-compatible', 'not audited yet').waitFor();
    },
    17 * minute,
  );

  it('audits a pair from the palette; a reload in the middle of the run loses nothing', async () => {
    const { page } = workbench;
    await workbench.useTheme('dark');
    await workbench.command('Backcompat: Run Audit');
    await workbench.choice('v1-v2-independent').click();
    const directory = await liveRun('v1-v2-independent');
    await whileHeld(directory, async () => {
      await workbench.webview.getByRole('progressbar').waitFor();
      await page.locator('.statusbar-item', { hasText: 'audit v1-v2-independent' }).waitFor();
      await row('Runs', 'v1-v2-independent', 'audit, (?!stopped)').waitFor();
      await workbench.screenshot('sample-running');
      // In a browser the workbench writes down which editors are open every five seconds, and not when it is left.
      await page.waitForTimeout(8000);
      await workbench.reload();
      await workbench.webview.getByRole('progressbar').waitFor();
      await row('Runs', 'v1-v2-independent', 'audit, (?!stopped)').waitFor();
    });

    await workbench.webview.getByRole('tab', { name: 'Verdict' }).waitFor({ timeout: 2 * minute });
    await workbench.webview.getByText('Incompatible', { exact: true }).first().waitFor();
    expect(runDirectories('v1-v2-independent')).toEqual([directory]);
    expect(eventsOf(directory).filter(({ type }) => type === 'state')).toMatchObject([
      { state: 'running' },
      { state: 'done' },
    ]);
    await row('Pairs', 'v1-v2-independent', 'incompatible, mAP').waitFor();
    await row('Runs', 'v1-v2-independent', 'audit, incompatible').waitFor();
    await workbench.screenshot('sample-verdict-dark');
    await workbench.useTheme('light');
    await workbench.screenshot('sample-verdict-light');
  });

  it('shows a run that a terminal started', async () => {
    const args = [path.join(repository, 'dist/cli.js'), 'audit', '--pair', 'v1-v2-compatible'];
    const terminal = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore' });
    const exitStatus = new Promise((resolve) => terminal.once('exit', resolve));
    const directory = await liveRun('v1-v2-compatible');
    await whileHeld(directory, () => row('Runs', 'v1-v2-compatible', 'audit, (?!stopped)').waitFor());
    expect(await exitStatus).toBe(0);
    const done = row('Runs', 'v1-v2-compatible', 'audit, compatible');
    await done.waitFor();
    await done.click();
    await workbench.webview.getByRole('tab', { name: 'Verdict' }).waitFor();
    for (const theme of ['dark', 'light'] as const) {
      await workbench.useTheme(theme);
      for (const tab of ['Retrieval', 'Inequalities', 'Verdict']) {
        await workbench.webview.getByRole('tab', { name: tab }).click();
        await workbench.screenshot(`sample-compatible-${tab.toLowerCase()}-${theme}`);
      }
    }
  });

  it('cancels a run', async () => {
    await workbench.command('Backcompat: Run Audit');
    await workbench.choice('v1-v2-compatible').click();
    const directory = await liveRun('v1-v2-compatible');
    await whileHeld(directory, () => workbench.webview.getByRole('button', { name: 'Cancel' }).click());
    await row('Runs', 'v1-v2-compatible', 'audit, cancelled').waitFor();
    await workbench.webview.getByText('The audit was cancelled').waitFor();
    await workbench.screenshot('sample-cancelled');
  });

  it('ends a task with exit status 3 when a gate fails, and lists the gate in Problems', async () => {
    const { page } = workbench;
    const commented = '// "criterion.map": ["error", { "state": "within-margin" }],';
    const text = readFileSync(config, 'utf8');
    expect(text).toContain(commented);
    writeFileSync(config, text.replace(commented, commented.slice(3)));
    await workbench.command('Tasks: Run Task');
    await workbench.choice('backcompat').click();
    await workbench.choice('backcompat: audit v1-v2-independent').click();
    await page.locator('.xterm-rows', { hasText: /exit code: 3/ }).waitFor({ timeout: 2 * minute });
    await workbench.screenshot('sample-task');
    await page.getByRole('tab', { name: /^Problems/ }).click();
    const problem = page.locator('.markers-panel .monaco-list-row', { hasText: 'mAP' });
    await problem.click();
    const line = text.split('\n').findIndex((candidate) => candidate.includes(commented)) + 1;
    await page.locator('.statusbar-item', { hasText: new RegExp(`Ln ${line}, Col`) }).waitFor();
    await workbench.screenshot('sample-problems');
  });
});
