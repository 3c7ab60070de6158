import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SessionsRecord } from '../../src/core/contract/sessions.ts';
import { runSessions } from '../../src/core/pipeline/sessions/runSessions.ts';
import type {
  SessionsHooks,
  SessionsOutcome,
  SessionsRequest,
} from '../../src/core/pipeline/sessions/sessionsRequest.ts';
import { tinyTraining, writeConfig } from '../fixtures/training/tinyTraining.ts';
import { silentProgress } from './silentProgress.ts';

let folder: string;
beforeAll(async () => {
  folder = await tinyTraining();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let runs = 0;
async function newRun(methods: unknown[], more: Record<string, unknown> = {}) {
  const block = { from: 'builtin:convnet', dimension: 6, data: 'tiny/train', queries: 'tiny/query', methods };
  const plan = { setup: 'disjoint', sessions: 2 };
  const sessions = { s: { ...block, plan, buffer: 8, epochs: 2, batchSize: 16, ...more } };
  await writeConfig(folder, {}, { sessions });
  const directory = path.join(folder, `run-${++runs}`);
  mkdirSync(directory);
  const never = new AbortController().signal;
  const run = (options: Partial<SessionsRequest> = {}, hooks: Partial<SessionsHooks> = {}) =>
    runSessions(
      {
        configFile: path.join(folder, 'backcompat.json'),
        name: 's',
        overrides: {},
        threads: 1,
        cacheFolder: path.join(folder, 'cache'),
        directory,
        resume: false,
        ...options,
      },
      { progress: silentProgress, signal: never, pause: never, event() {}, ...hooks },
    );
  return { directory, run };
}

function recordOf(outcome: SessionsOutcome): SessionsRecord {
  if (outcome.state !== 'done') throw new Error(outcome.state);
  return outcome.record;
}

/** Everything but times. */
function filesOf(directory: string): Map<string, Buffer> {
  const names = readdirSync(directory, { recursive: true }).map(String).sort();
  const kept = names.filter((name) => /\.(onnx|safetensors|npy|state)$|exemplars\.json$|gallery\.json$/.test(name));
  return new Map(kept.map((name) => [name, readFileSync(path.join(directory, name))]));
}

it('runs every method session by session, and tells what each came to', async () => {
  const features = { name: 'cvs', label: 'features', replay: 'features', ewc: 10, lwf: 1 };
  const methods = ['fine-tuning', 'bct', 'lwf', 'ewc', 'cvs', features, { name: 'expansion', growth: 2 }, 'joint'];
  const { directory, run } = await newRun(methods);
  const record = recordOf(await run());
  expect(record.methods.map(({ state, sessions }) => [state, sessions.length])).toEqual(methods.map(() => ['done', 2]));
  const named = (label: string) => record.methods.find((method) => method.label === label);
  // 25 items a class, two classes a session.
  expect(named('cvs')?.sessions[1]).toMatchObject({
    storage: { replayedItems: 8, replayedVectors: 0, galleryVectors: 100, bytes: 4 * 6 * 100 + 144 * 8 },
    reembedding: { items: 50 },
    dimension: 6,
  });
  expect(named('features')?.sessions[1]?.storage).toMatchObject({ replayedItems: 0, replayedVectors: 8 });
  expect(named('expansion')?.sessions.map(({ dimension }) => dimension)).toEqual([6, 8]);
  expect(named('joint')?.sessions[1]).toMatchObject({ storage: { replayedItems: 50 }, reembedding: { items: 0 } });
  expect(named('cvs')?.audits.map(({ from, to }) => [from, to])).toEqual([[1, 2]]);
  expect(JSON.parse(readFileSync(path.join(directory, 'sessions.json'), 'utf8'))).toEqual(record);
  expect(existsSync(path.join(directory, 'cvs/session-2/states'))).toBe(false);
});

it('ends with the same files after a pause at any step, and refuses changed inputs', async () => {
  const methods = ['cvs', { name: 'ewc', lwf: 1 }];
  const whole = await newRun(methods, { stopEarly: { patience: 2 } });
  await whole.run();
  const expected = filesOf(whole.directory);
  expect(expected.size).toBeGreaterThan(20);
  const paused = await newRun(methods, { stopEarly: { patience: 2 } });
  for (const stopAt of [2, 3, 4]) {
    const pause = new AbortController();
    let steps = 0;
    const progress = { ...silentProgress, update: () => void (++steps === stopAt && pause.abort()) };
    expect(await paused.run({ resume: true }, { pause: pause.signal, progress })).toEqual({ state: 'paused' });
  }
  await expect(paused.run({ resume: true, overrides: { seed: 5 } })).rejects.toThrow(/the seed was 0 and is 5/);
  recordOf(await paused.run({ resume: true }));
  const found = filesOf(paused.directory);
  expect([...found.keys()]).toEqual([...expected.keys()]);
  for (const [name, bytes] of found) expect(bytes.equals(expected.get(name) as Buffer), name).toBe(true);
});
