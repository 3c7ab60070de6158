import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { build } from '../../scripts/build.mjs';
import type { SessionsRecord } from '../../src/core/contract/sessions.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { tinyTraining, writeConfig } from '../fixtures/training/tinyTraining.ts';

/** Kills at seeded moments; states are written after every step, so that many fall inside a session. */
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const KILLS = 5;
const MOST_DELAY_MS = 60;

let folder: string;
beforeAll(async () => {
  await build();
  folder = await tinyTraining();
  const block = { from: 'builtin:convnet', dimension: 6, data: 'tiny/train', queries: 'tiny/query' };
  const methods = ['fine-tuning', { name: 'cvs', ewc: 10 }];
  const plan = { setup: 'disjoint', sessions: 2 };
  await writeConfig(folder, {}, { sessions: { s: { ...block, methods, plan, buffer: 8, epochs: 2, batchSize: 16 } } });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(args: string[]): { child: ChildProcess; ended: Promise<{ status: number | null; out: string }> } {
  const child = spawn(process.execPath, [cli, 'sessions', ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data) => {
      out += data;
    });
  }
  return { child, ended: new Promise((resolve) => child.once('close', (status) => resolve({ status, out }))) };
}

/** The process that computes, writing a state after every step. */
function compute(run: string, goOn: boolean) {
  mkdirSync(run, { recursive: true });
  const args = ['--threads', '1', '--save-every', '0', ...(goOn ? ['--go-on'] : []), '--run-directory', run];
  return start(args);
}

/** Models, heads, vectors and what is kept for the sessions after: everything but times. */
function resultsOf(run: string): Map<string, Buffer> {
  const names = readdirSync(run, { recursive: true }).map(String).sort();
  const kept = names.filter((name) =>
    /\.(onnx|safetensors|npy)$|weights\.state$|(exemplars|gallery|plan)\.json$/.test(name),
  );
  return new Map(kept.map((name) => [name, readFileSync(path.join(run, name))]));
}

/** Names of the states that lie there, inside any session. */
function statesOf(run: string): string {
  try {
    return readdirSync(run, { recursive: true })
      .map(String)
      .filter((name) => /step-\d+\.state$/.test(name))
      .sort()
      .join();
  } catch {
    // Not there yet, or a folder of states went while it was read.
    return '';
  }
}

const runs = () => path.join(folder, '.backcompat/runs');

it('runs a block, prints what each method came to, and gives its record', async () => {
  const { status, out } = await start(['--json', 'record.json']).ended;
  expect(out).toMatch(/AR@1 +AR@4 +mAP[^\n]*\n(.*\n)*.*fine-tuning.*\n.*cvs/);
  expect(status).toBe(0);
  const record = JSON.parse(readFileSync(path.join(folder, 'record.json'), 'utf8')) as SessionsRecord;
  expect(record.methods.map(({ state, sessions, audits }) => [state, sessions.length, audits.length])).toEqual([
    ['done', 2, 1],
    ['done', 2, 1],
  ]);
  const [directory] = readdirSync(runs());
  const again = await start(['--resume', directory as string]).ended;
  expect(again).toMatchObject({ status: 2, out: expect.stringContaining('is finished') });
});

it('ends with the same files after kills at any moment, resumed by its directory at the last', async () => {
  const undisturbed = path.join(folder, 'undisturbed');
  const first = await compute(undisturbed, false).ended;
  expect(first.status, first.out).toBe(0);
  const expected = resultsOf(undisturbed);
  expect(expected.size).toBeGreaterThan(10);

  const random = createRandom(7, 'kills of sessions');
  const run = path.join(runs(), '20260101-000000-000-sessions-s');
  let killed = 0;
  let isDone = false;
  while (killed < KILLS && !isDone) {
    const before = statesOf(run);
    const { child, ended } = compute(run, existsSync(path.join(run, 'run.json')));
    let isOver = false;
    void ended.then(() => {
      isOver = true;
    });
    // A few steps further, or a session, at each attempt.
    while (!isOver && statesOf(run) === before) await delay(5);
    await delay(random.uniform() * MOST_DELAY_MS);
    child.kill('SIGKILL');
    // A quick machine may be through before the last kill.
    isDone = (await ended).status === 0;
    if (!isDone) killed += 1;
  }
  console.log(`${killed} kills`);
  expect(killed).toBeGreaterThan(0);
  if (!isDone) {
    const last = await start(['--resume', run]).ended;
    expect(last.status, last.out).toBe(0);
  }
  const results = resultsOf(run);
  expect([...results.keys()]).toEqual([...expected.keys()]);
  for (const [name, bytes] of expected) expect(results.get(name)?.equals(bytes), name).toBe(true);
});
