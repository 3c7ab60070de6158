/**
 * What our own code costs an extension host when it is activated:
 *
 *   npm run bench -- activation [processes] [path of a Node, by default that of the tests' workbench, 24]
 *
 * Fresh processes load `dist/extension.cjs` (build first) and activate it in a window with a config and ten runs. `vscode`
 * is a stand-in that takes no time of its own; modules of Node that every extension host has are loaded before. The exit
 * status is 1 when loading and activating take more than 50 ms together, in the median.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { RUN_FILES, RUN_FORMAT, type RunRequest } from '../src/core/contract/runs.ts';
import { median } from './support/timing.ts';

const BAR_MS = 50;
const RUNS = 10;

interface Cost {
  ms: number;
  cpuMs: number;
}

function writeWorkspace(folder: string): void {
  const config = { pairs: { 'v1-v2': { old: 'v1', new: 'v2', queries: 'items', gallery: 'items' } } };
  const configFile = path.join(folder, 'backcompat.json');
  writeFileSync(configFile, JSON.stringify(config));
  for (let k = 0; k < RUNS; k++) {
    const created = `2026-01-02T03:04:0${k}.000Z`;
    const directory = path.join(folder, '.backcompat/runs', `20260102-03040${k}-000-audit-v1-v2`);
    mkdirSync(directory, { recursive: true });
    const request: RunRequest = {
      format: RUN_FORMAT,
      formatVersion: 1,
      kind: 'audit',
      name: 'v1-v2',
      configFile,
      arguments: ['audit', configFile, '--pair', 'v1-v2'],
      created,
      tool: 'backcompat',
    };
    writeFileSync(path.join(directory, RUN_FILES.request), JSON.stringify(request));
    const event = { type: 'state', time: created, state: 'cancelled', exitStatus: 130 };
    writeFileSync(path.join(directory, RUN_FILES.events), `${JSON.stringify(event)}\n`);
  }
}

const here = process.env.BENCH_FOLDER as string;
const processes = Number(process.argv[2] ?? 20);
const { ensureWorkbench } = await import(path.join(here, '../scripts/bootstrap.mjs'));
const node: string = process.argv[3] ?? (await ensureWorkbench('new')).node;
const script = path.join(here, 'support/activateOnce.cjs');
const extension = path.join(here, '../dist/extension.cjs');
const folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-activation-'));
try {
  writeWorkspace(folder);
  const env = { ...process.env, STAND_IN_WORKSPACE: folder };
  const activateOnce = () => {
    const said = execFileSync(node, [script, extension], { env, encoding: 'utf8' });
    return JSON.parse(said) as { load: Cost; activate: Cost; node: string };
  };
  activateOnce(); // files come into the system's cache
  const found = Array.from({ length: processes }, activateOnce);
  const line = (name: string, of: (one: (typeof found)[number]) => Cost) => {
    const [ms, cpu] = [median(found.map((one) => of(one).ms)), median(found.map((one) => of(one).cpuMs))];
    console.log(
      `${name.padEnd(10)} ${ms.toFixed(1).padStart(6)} ms, ${cpu.toFixed(1).padStart(6)} ms of processor time`,
    );
    return ms;
  };
  console.log(`Node ${found[0]?.node}, medians of ${processes} fresh processes`);
  line('load', ({ load }) => load);
  line('activate', ({ activate }) => activate);
  const both = line('together', ({ load, activate }) => ({
    ms: load.ms + activate.ms,
    cpuMs: load.cpuMs + activate.cpuMs,
  }));
  if (both > BAR_MS) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
