import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { REPORT_FILE_NAME, type Report } from '../../src/core/contract/report.ts';
import { writeNpy } from '../../src/core/data/npy.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { UnknownPairError, WorkerClient, type WorkerClientOptions } from '../../src/host/workerClient.ts';
import { methodTimeoutMs, type WorkerProgress } from '../../src/protocol/worker.ts';
import { tinyTraining } from '../fixtures/training/tinyTraining.ts';

/** The worker as it ships, and stand-ins that misbehave, behind the host's own supervisor. */
const worker = fileURLToPath(new URL('../../dist/worker.js', import.meta.url));
const ITEMS = 400;
const DIMENSION = 16;

let folder: string;
const at = (name: string) => path.join(folder, name);
let clients: WorkerClient[] = [];
let lines: string[] = [];

function client(script = worker, options: Partial<WorkerClientOptions> = {}): WorkerClient {
  const made = new WorkerClient({
    runtime: () => ({ command: process.execPath, script, env: {} }),
    log: (line) => lines.push(line),
    backOffMs: { first: 10, last: 40 },
    ...options,
  });
  clients.push(made);
  return made;
}

/** A stand-in that speaks the channel's messages by hand. */
function standIn(name: string, body: string): string {
  const file = at(`${name}.mjs`);
  const ready = "const ready = () => process.send({ jsonrpc: '2.0', method: 'backcompat/ready' });";
  const answer = "const answer = (id, result) => process.send({ jsonrpc: '2.0', id, result });";
  writeFileSync(file, `${ready}\n${answer}\n${body}\n`);
  return file;
}

const everyMethod = (timeoutMs: number) =>
  Object.fromEntries(Object.keys(methodTimeoutMs).map((method) => [method, timeoutMs])) as typeof methodTimeoutMs;
const subject = () => ({ config: at('backcompat.json'), pair: 'all' });
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

beforeAll(async () => {
  await build();
  folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-worker-'));
  for (const [name, spread] of [
    ['old.npy', 0.7],
    ['new.npy', 0.5],
  ] as const) {
    const random = createRandom(1, name);
    const values = Float32Array.from({ length: ITEMS * DIMENSION }, (_, index) => {
      const item = Math.floor(index / DIMENSION);
      return (index % DIMENSION === item % 10 ? 1 : 0) + spread * random.normal();
    });
    await writeNpy(at(name), vectorsInMemory(name, values, DIMENSION));
  }
  const rows = Array.from({ length: ITEMS }, (_, item) => `item${item},${item % 10}`);
  writeFileSync(at('items.csv'), `id,label\n${rows.join('\n')}\n`);
  const checkpoint = (vectors: string) => ({ vectors, labels: 'items.csv' });
  const pair = { old: 'a', new: 'b', queries: 'items', gallery: 'items' };
  const config = {
    datasets: { items: { items: 'items.csv' } },
    checkpoints: { a: checkpoint('old.npy'), b: checkpoint('new.npy') },
    pairs: { all: pair, again: pair, third: pair, fourth: pair },
  };
  writeFileSync(at('backcompat.json'), JSON.stringify(config));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  for (const made of clients) made.dispose();
  clients = [];
  lines = [];
});

describe('the worker', () => {
  it('inspects a file, and says what is wrong in the words of the core', async () => {
    const asked = client();
    expect(await asked.ask('inspect', { file: at('old.npy') })).toMatchObject({
      kind: 'npy',
      dimension: DIMENSION,
      count: ITEMS,
    });
    await expect(asked.ask('inspect', { file: at('nothing.npy') })).rejects.toMatchObject({
      name: 'BackcompatError',
      code: 'not-found',
      message: expect.stringContaining('nothing.npy'),
    });
  });

  it('opens a pair and answers about it: rankings, lists, filters', async () => {
    const asked = client();
    const phases: string[] = [];
    const onProgress = ({ phase }: WorkerProgress) => phases.push(phase);
    const { handle, pair } = await asked.ask('openPair', { subject: subject(), threads: 1 }, { onProgress });
    expect(pair).toEqual({ name: 'all', queries: ITEMS, gallery: ITEMS, labelled: true, changes: [] });
    expect(phases).toContain('Reading the datasets');
    const found = await asked.ask('neighbours', { handle, query: 'item7', k: 8 });
    expect(found.query).toMatchObject({ id: 'item7', label: '7' });
    expect(found.rankings.map(({ cell, items }) => [cell, items.length])).toEqual([
      ['oldOld', 8],
      ['newOld', 8],
      ['newNew', 8],
    ]);
    const all = { handle, search: '', filter: 'all', offset: 0, limit: 5 } as const;
    expect(await asked.ask('queries', all)).toMatchObject({ total: ITEMS, entries: { length: 5 } });
    const wrong = await asked.ask('queries', { ...all, filter: 'wrong' });
    expect(wrong.total).toBeGreaterThan(0);
    expect(wrong.total).toBeLessThan(ITEMS);
    // The same pair again is the same that is open.
    expect(await asked.ask('openPair', { subject: subject(), threads: 1 })).toMatchObject({ handle });
    expect(await asked.ask('close', { handle })).toBeNull();
    await expect(asked.ask('neighbours', { handle, query: 'item7', k: 8 })).rejects.toBeInstanceOf(UnknownPairError);
  });

  it('keeps few pairs open, those used last', async () => {
    const asked = client();
    const open = async (pair: string) =>
      (await asked.ask('openPair', { subject: { ...subject(), pair }, threads: 1 })).handle;
    const ask = (handle: string) => asked.ask('neighbours', { handle, query: 'item1', k: 1 });
    const [first, second, third] = [await open('all'), await open('again'), await open('third')];
    await ask(first as string);
    const fourth = await open('fourth');
    await expect(ask(second as string)).rejects.toBeInstanceOf(UnknownPairError);
    for (const handle of [first, third, fourth]) await ask(handle as string);
  });

  it('can be called off in the middle, and goes on to answer others', async () => {
    const asked = client();
    const { handle } = await asked.ask('openPair', { subject: subject(), threads: 1 });
    const controller = new AbortController();
    const filter = { handle, search: '', filter: 'lost', offset: 0, limit: 5 } as const;
    const lost = asked.ask('queries', filter, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(lost).rejects.toMatchObject({ code: 'cancelled' });
    expect((await asked.ask('neighbours', { handle, query: 'item0', k: 3 })).rankings).toHaveLength(3);
  });

  it('dies in the middle: every question settles, and the next one starts another', async () => {
    const asked = client();
    const { handle } = await asked.ask('openPair', { subject: subject(), threads: 1 });
    const pid = (await asked.pid) as number;
    process.kill(pid, 'SIGSTOP');
    const open = Array.from({ length: 5 }, () => asked.ask('neighbours', { handle, query: 'item0', k: 3 }));
    const settled = Promise.allSettled(open);
    process.kill(pid, 'SIGKILL');
    for (const result of await settled) {
      expect(result).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining('SIGKILL') } });
    }
    await expect(asked.ask('neighbours', { handle, query: 'item0', k: 3 })).rejects.toBeInstanceOf(UnknownPairError);
    expect(await asked.pid).not.toBe(pid);
    const again = await asked.ask('openPair', { subject: subject(), threads: 1 });
    expect((await asked.ask('neighbours', { handle: again.handle, query: 'item0', k: 3 })).rankings).toHaveLength(3);
  });

  it('is let go when nobody asks, and goes when its parent lets it go', async () => {
    const asked = client(worker, { idleMs: 200 });
    await asked.ask('inspect', { file: at('old.npy') });
    const pid = (await asked.pid) as number;
    await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
    expect(asked.pid).toBeNull();
    await asked.ask('inspect', { file: at('old.npy') });
    const next = (await asked.pid) as number;
    asked.dispose();
    await expect.poll(() => isAlive(next), { timeout: 20_000 }).toBe(false);
  });

  it('goes when the process that forked it is killed', async () => {
    const parent = at('parent.mjs');
    writeFileSync(
      parent,
      `import { fork } from 'node:child_process';
       const child = fork(${JSON.stringify(worker)}, [], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
       child.once('message', () => console.log(child.pid));`,
    );
    const started = spawn(process.execPath, [parent], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = await new Promise<number>((resolve) => started.stdout.once('data', (text) => resolve(Number(text))));
    expect(isAlive(pid)).toBe(true);
    started.kill('SIGKILL');
    await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
  });
});

describe('a report of a training', () => {
  let trained: string;
  beforeAll(async () => {
    trained = await tinyTraining();
    const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
    await promisify(execFile)(process.execPath, [cli, 'train', '--out', 'run'], { cwd: trained }).catch((error) => {
      // 3: a gate, or a verdict that is not good; the run is complete.
      if (error.code !== 3) throw error;
    });
  });
  afterAll(() => rmSync(trained, { recursive: true, force: true }));

  it('is browsed with the model that the run left, its pictures, and the flips that the report counted', async () => {
    const asked = client();
    const file = path.join(trained, 'run', REPORT_FILE_NAME);
    const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
    const subject = { report: file, config: null };
    const { handle, pair } = await asked.ask('openPair', { subject, threads: 1 });
    expect(pair).toMatchObject({ queries: report.data.queries, gallery: report.data.gallery, changes: [] });
    const lost = await asked.ask('queries', { handle, search: '', filter: 'lost', offset: 0, limit: 200 });
    expect(lost.total).toBe(report.flips.flippedQueries);
    const all = await asked.ask('queries', { handle, search: '', filter: 'all', offset: 0, limit: 1 });
    const query = all.entries[0]?.id as string;
    const { rankings } = await asked.ask('neighbours', { handle, query, k: 5 });
    expect(rankings).toHaveLength(3);
    const ids = [query, ...(rankings[1]?.items ?? []).map(({ id }) => id), 'nobody'];
    const thumbnails = await asked.ask('thumbnails', { handle, ids });
    expect(Object.keys(thumbnails).sort()).toEqual(ids.slice(0, -1).sort());
    for (const preview of Object.values(thumbnails)) expect(preview.image).toMatch(/^data:image\/png;base64,/);
    const many = Array.from({ length: 300 }, (_, item) => `tiny/${item % 200}`);
    expect(Object.keys(await asked.ask('thumbnails', { handle, ids: many })).length).toBeLessThanOrEqual(200);
  });

  it('is browsed for a part of the training, too', async () => {
    const file = path.join(trained, 'run/paragon', REPORT_FILE_NAME);
    const asked = client();
    const { handle, pair } = await asked.ask('openPair', { subject: { report: file, config: null }, threads: 1 });
    expect(pair.changes).toEqual([]);
    const { entries } = await asked.ask('queries', { handle, search: '', filter: 'all', offset: 0, limit: 1 });
    expect((await asked.ask('neighbours', { handle, query: entries[0]?.id as string, k: 5 })).rankings).toHaveLength(3);
  });
});

describe('the supervisor', () => {
  it('tells the real error when the worker cannot start', async () => {
    const missing = client(at('no-such-worker.mjs'));
    await expect(missing.ask('inspect', { file: 'x' })).rejects.toMatchObject({
      message: expect.stringMatching(/ended \(exit status 1\): Error.*Cannot find module/),
    });
    const broken = client(standIn('broken', "throw new TypeError('onnxruntime is of another platform');"));
    await expect(broken.ask('inspect', { file: 'x' })).rejects.toMatchObject({
      message: expect.stringContaining('TypeError: onnxruntime is of another platform'),
    });
    const noNode = client(worker, { runtime: () => ({ command: at('no-node'), script: worker, env: {} }) });
    await expect(noNode.ask('inspect', { file: 'x' })).rejects.toMatchObject({
      message: expect.stringContaining('ENOENT'),
      remedy: expect.stringContaining('backcompat.nodePath'),
    });
    const mute = client(standIn('mute', 'setInterval(() => undefined, 1000);'), { bootTimeoutMs: 500 });
    await expect(mute.ask('inspect', { file: 'x' })).rejects.toMatchObject({
      message: expect.stringContaining('did not answer within 0.5 s'),
    });
  });

  it('waits longer before each start that fails, and not at all after an answer', async () => {
    const counter = at('starts');
    writeFileSync(counter, '');
    // Dies at its first three starts; then answers everything.
    const script = standIn(
      'fourth',
      `import { appendFileSync, readFileSync } from 'node:fs';
       appendFileSync(${JSON.stringify(counter)}, 'x');
       if (readFileSync(${JSON.stringify(counter)}).length < 4) process.exit(9);
       process.on('message', ({ id }) => answer(id, null));
       ready();`,
    );
    const asked = client(script, { backOffMs: { first: 100, last: 200 } });
    const begun = performance.now();
    for (let start = 1; start <= 3; start++) {
      await expect(asked.ask('close', { handle: 'x' })).rejects.toMatchObject({
        message: expect.stringContaining('exit status 9'),
      });
    }
    expect(await asked.ask('close', { handle: 'x' })).toBeNull();
    // 100, then 200, then 200 at most: timers may be a millisecond early.
    expect(performance.now() - begun).toBeGreaterThan(495);
    const pid = (await asked.pid) as number;
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => asked.pid, { timeout: 5000 }).toBeNull();
    expect(await asked.ask('close', { handle: 'x' })).toBeNull();
  });

  it('ends a worker that keeps silent, and not one that tells its progress', async () => {
    const silent = client(standIn('silent', "process.on('message', () => undefined); ready();"), {
      timeoutMs: everyMethod(300),
    });
    const asked = silent.ask('inspect', { file: 'x' });
    await expect(asked).rejects.toMatchObject({ message: expect.stringContaining('within 0.3 s') });
    await expect.poll(() => silent.pid, { timeout: 5000 }).toBeNull();

    const slow = standIn(
      'slow',
      `process.on('message', ({ id, params }) => {
         if (id === undefined) return;
         let left = 10;
         const timer = setInterval(() => {
           if (left-- === 0) { clearInterval(timer); return answer(id, null); }
           const progress = { request: params.request, phase: 'slow', done: 10 - left, total: 10, unit: null };
           process.send({ jsonrpc: '2.0', method: 'backcompat/progress', params: progress });
         }, 100);
       });
       ready();`,
    );
    const heard: (number | null)[] = [];
    // Ten pauses of 100 ms are more than the time, each is far less.
    const patient = client(slow, { timeoutMs: everyMethod(700) });
    await patient.ask('close', { handle: 'x' }, { onProgress: ({ done }) => heard.push(done) });
    expect(heard).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('takes banners on stdout for what they are', async () => {
    const script = standIn(
      'chatty',
      `process.on('message', ({ id }) => { console.log('{"jsonrpc":"2.0","id":' + id + ',"result":7}'); answer(id, null); });
       console.log('a banner of a native library'); console.error('and a warning'); ready();`,
    );
    const asked = client(script);
    expect(await asked.ask('close', { handle: 'x' })).toBeNull();
    await expect.poll(() => lines).toEqual(expect.arrayContaining(['a banner of a native library', 'and a warning']));
  });

  it('settles what is asked while it starts when it is given up', async () => {
    const controller = new AbortController();
    const asked = client(standIn('never', 'setInterval(() => undefined, 1000);'), { bootTimeoutMs: 1000 });
    const answer = asked.ask('inspect', { file: 'x' }, { signal: controller.signal });
    controller.abort();
    await expect(answer).rejects.toMatchObject({ code: 'cancelled' });
  });
});
