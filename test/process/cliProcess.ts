import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildBundle } from '../../scripts/build.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Bundles the command line with the pretended audit, beside assets that are as small as can be. */
export async function buildFakeCli(): Promise<string> {
  const folder = path.join(root, 'test-output', 'fakeCli');
  await buildBundle('cli', {
    entryPoints: [{ in: 'test/process/fakeCli.ts', out: 'cli' }],
    outdir: folder,
  });
  mkdirSync(path.join(folder, 'webview'), { recursive: true });
  writeFileSync(path.join(folder, 'webview/report.js'), 'document.title;\n//# sourceMappingURL=report.js.map\n');
  writeFileSync(path.join(folder, 'webview/report.css'), 'body { margin: 0 }\n');
  mkdirSync(path.join(folder, 'sample'), { recursive: true });
  const files = ['digits-images.idx3-ubyte', 'digits-labels.idx1-ubyte'];
  for (const file of files) writeFileSync(path.join(folder, 'sample', file), file);
  return path.join(folder, 'cli.js');
}

/** An empty folder; with a config of two pairs when asked for. */
export function temporaryFolder(withConfig = false): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-cli-'));
  if (withConfig) {
    const table = { vectors: 'v.npy', labels: 'l.csv' };
    const pair = { old: 'v1', new: 'v2', queries: 'items', gallery: 'items' };
    const config = {
      datasets: { items: { items: 'l.csv' } },
      checkpoints: { v1: table, v2: table },
      pairs: { one: pair, two: pair },
      gates: { 'flips.negativeFlipRate': ['error', { max: 0.02, bound: 'upper' }] },
    };
    writeFileSync(path.join(folder, 'backcompat.json'), JSON.stringify(config, null, 2));
  }
  return folder;
}

export interface CliResult {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunningCli {
  child: ChildProcess;
  ended: Promise<CliResult>;
  /** Resolves when stdout and stderr together fit `pattern`; rejects when the process ends before. */
  printed(pattern: RegExp): Promise<void>;
}

export function startCli(
  script: string,
  args: readonly string[],
  { cwd, env = {} }: { cwd: string; env?: Record<string, string> },
): RunningCli {
  const child = spawn(process.execPath, [script, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  const watchers = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      for (const watch of watchers) watch();
    });
  }
  const ended = new Promise<CliResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => resolve({ status, signal, ...output }));
  });
  const printed = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const watch = () => {
        if (!pattern.test(output.stdout + output.stderr)) return;
        watchers.delete(watch);
        resolve();
      };
      watchers.add(watch);
      watch();
      void ended.then((result) => reject(new Error(`ended before it printed ${pattern}: ${JSON.stringify(result)}`)));
    });
  return { child, ended, printed };
}

export function runCliProcess(
  script: string,
  args: readonly string[],
  options: { cwd: string; env?: Record<string, string> },
): Promise<CliResult> {
  return startCli(script, args, options).ended;
}

/** Waits until `probe` gives something. */
export async function eventually<T>(
  probe: () => Promise<T | null | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > until) throw new Error('it did not happen in time');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
