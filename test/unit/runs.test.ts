import { spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RUN_FILES, type RunEvent, type RunSummary } from '../../src/core/contract/runs.ts';
import { createRun, type RunWriter } from '../../src/core/runs/createRun.ts';
import { findReport, listRuns, resolveRun } from '../../src/core/runs/listRuns.ts';
import { isProcessAlive, thisProcess } from '../../src/core/runs/processIdentity.ts';
import { followRun, readRun } from '../../src/core/runs/readRun.ts';
import {
  discardRun,
  fileSafeName,
  makeRunDirectory,
  requestCancel,
  runsFolder,
  timeStamp,
} from '../../src/core/runs/runDirectory.ts';
import { RunReader } from '../../src/core/runs/runReader.ts';

let base: string;
const open: RunWriter[] = [];

beforeEach(() => {
  base = mkdtempSync(path.join(os.tmpdir(), 'backcompat-runs-'));
});

afterEach(() => {
  for (const writer of open.splice(0)) writer.finish('failed', { exitStatus: 1 });
  rmSync(base, { recursive: true, force: true });
});

async function start(name = 'v1-v2', out: string | null = null): Promise<RunWriter> {
  const writer = await createRun({
    place: { baseFolder: base, out },
    kind: 'audit',
    name,
    configFile: path.join(base, 'backcompat.json'),
    configText: '{}',
    arguments: ['audit'],
    tool: 'backcompat test',
  });
  open.push(writer);
  return writer;
}

const eventsOf = (directory: string) => path.join(directory, RUN_FILES.events);

describe('names of run directories', () => {
  it('has the time in UTC first', () => {
    expect(timeStamp(new Date('2026-11-24T03:15:00.123Z'))).toBe('20261124-031500-123');
  });

  it('keeps plain names and never leaves the folder', async () => {
    expect(fileSafeName('v1-v2_b.3')).toBe('v1-v2_b.3');
    const hostile = [
      '../../etc',
      '/absolute',
      'a/b',
      'a\\b',
      '..',
      '.',
      '',
      'x\0y',
      '\u001b[31m',
      'con',
      'é'.repeat(300),
      'a:b',
    ];
    for (const name of hostile) {
      const safe = fileSafeName(name);
      expect(safe).toMatch(/^[\p{L}\p{N}_][\p{L}\p{N}._-]*$/u);
      expect(safe.length).toBeLessThanOrEqual(40);
      const { directory } = await makeRunDirectory({ baseFolder: base, out: null, kind: 'audit', name });
      expect(path.dirname(directory)).toBe(runsFolder(base));
    }
    expect(new Set(hostile.map(fileSafeName)).size).toBe(hostile.length);
  });

  it('gives runs of one moment different directories, and tells git to ignore them', async () => {
    const places = await Promise.all(
      Array.from({ length: 20 }, () => makeRunDirectory({ baseFolder: base, out: null, kind: 'audit', name: 'p' })),
    );
    expect(new Set(places.map(({ directory }) => directory)).size).toBe(20);
    expect(readFileSync(path.join(base, '.backcompat', '.gitignore'), 'utf8')).toBe('*\n');
  });
});

describe('a run from start to end', () => {
  it('tells its phases, progress, verdict and end', async () => {
    const writer = await start();
    writer.progress.phase('Embedding', 1, 3);
    writer.progress.update(3, 10, 'items');
    expect(await readRun(writer.directory)).toMatchObject({
      kind: 'audit',
      name: 'v1-v2',
      state: 'running',
      phase: 'Embedding',
      phaseIndex: 1,
      phaseTotal: 3,
      progress: { done: 3, total: 10, unit: 'items' },
      exitStatus: null,
      report: null,
    });
    writer.event({ type: 'verdict', state: 'compatible', summary: 'Ranks better.' });
    writer.finish('done', { exitStatus: 0, message: 'Ranks better.' });
    writer.finish('failed', { exitStatus: 1 });
    const summary = await readRun(writer.directory);
    expect(summary).toMatchObject({ state: 'done', verdict: 'compatible', message: 'Ranks better.', exitStatus: 0 });
    expect(readdirSync(writer.directory)).not.toContain(RUN_FILES.lock);
    expect(readFileSync(path.join(writer.directory, RUN_FILES.config), 'utf8')).toBe('{}');
  });

  it('does not write every step of progress, but always the last', async () => {
    const writer = await start();
    writer.progress.phase('p');
    for (let done = 1; done <= 1000; done++) writer.progress.update(done, 1000, 'items');
    const lines = readFileSync(eventsOf(writer.directory), 'utf8').trim().split('\n');
    expect(lines.length).toBeLessThan(20);
    expect(JSON.parse(lines[lines.length - 1] ?? '')).toMatchObject({ done: 1000 });
  });

  it('is cancelled by a file', async () => {
    const writer = await start();
    await requestCancel(writer.directory);
    const started = Date.now();
    while (!writer.signal.aborted && Date.now() - started < 5000) await writer.progress.breathe();
    expect(writer.signal.aborted).toBe(true);
  });

  it('is not cancelled by the file of an earlier run', async () => {
    const out = path.join(base, 'out');
    const first = await start('p', out);
    await requestCancel(out);
    first.finish('cancelled', { exitStatus: 130 });
    const second = await start('p', out);
    const until = Date.now() + 300;
    while (Date.now() < until) await second.progress.breathe();
    expect(second.signal.aborted).toBe(false);
    expect(await readRun(out)).toMatchObject({ state: 'running' });
  });
});

describe('locks', () => {
  it('lets one process alone into a directory', async () => {
    const out = path.join(base, 'out');
    await start('p', out);
    await expect(start('p', out)).rejects.toMatchObject({ code: 'in-use' });
  });

  it('takes over from a dead process, also one whose number lives on', async () => {
    const out = path.join(base, 'out');
    const first = await start('p', out);
    const lock = path.join(out, RUN_FILES.lock);
    const held = JSON.parse(readFileSync(lock, 'utf8'));
    // The same process number, started at another time: the number was given out again.
    writeFileSync(lock, JSON.stringify({ ...held, startTime: '1' }));
    expect(await readRun(out)).toMatchObject({ state: 'stopped' });
    const second = await start('p', out);
    expect(await readRun(out)).toMatchObject({ state: 'running' });
    // The first must not take the second's lock away.
    first.finish('failed', { exitStatus: 1 });
    expect(readdirSync(out)).toContain(RUN_FILES.lock);
    second.finish('done', { exitStatus: 0 });
  });

  it('tells this process, a dead one and one that was killed and not yet collected', async () => {
    const self = thisProcess();
    expect(isProcessAlive(self)).toBe(true);
    expect(isProcessAlive({ ...self, space: 'another machine' })).toBe(null);
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const identity = { pid: child.pid as number, startTime: null, space: self.space };
    expect(isProcessAlive(identity)).toBe(true);
    child.kill('SIGKILL');
    await ended;
    expect(isProcessAlive(identity)).toBe(false);
  });

  it('leaves a folder with other files alone', async () => {
    const out = path.join(base, 'mine');
    await mkdir(out);
    await writeFile(path.join(out, 'config.json'), 'precious');
    await expect(start('p', out)).rejects.toMatchObject({ code: 'in-use' });
    expect(readdirSync(out)).toEqual(['config.json']);
    await expect(start('p', path.join(out, 'config.json'))).rejects.toMatchObject({ code: 'in-use' });
  });
});

describe('reading', () => {
  it('does not read a half-written last line, and does once it is whole', async () => {
    const writer = await start();
    const reader = new RunReader(writer.directory);
    writer.progress.phase('whole');
    const line = `${JSON.stringify({ type: 'phase', time: '2026-01-01T00:00:00Z', phase: 'halb-ü' })}\n`;
    const bytes = Buffer.from(line);
    // In the middle of the two bytes of ü.
    const cut = bytes.indexOf(0xc3) + 1;
    appendFileSync(eventsOf(writer.directory), bytes.subarray(0, cut));
    expect(await reader.read()).toMatchObject({ phase: 'whole' });
    expect(await readRun(writer.directory)).toMatchObject({ phase: 'whole' });
    appendFileSync(eventsOf(writer.directory), bytes.subarray(cut));
    expect(await reader.read()).toMatchObject({ phase: 'halb-ü' });
  });

  it('skips damaged and unknown lines', async () => {
    const writer = await start();
    const junk = [
      '{"type":"phase"',
      'null',
      '[]',
      '{"type":"constructor","time":"x"}',
      '{"type":"phase","time":"x","phase":7}',
      '\u0000\u0001',
    ];
    appendFileSync(eventsOf(writer.directory), `${junk.join('\n')}\n${'x'.repeat(3 * 2 ** 20)}\n`);
    writer.progress.phase('after');
    expect(await readRun(writer.directory)).toMatchObject({ state: 'running', phase: 'after' });
  });

  it('tells every event once, and begins anew when the run does', async () => {
    const out = path.join(base, 'out');
    const first = await start('p', out);
    const reader = new RunReader(out);
    const seen: RunEvent[] = [];
    await reader.read((event) => seen.push(event));
    first.progress.phase('one');
    await reader.read((event) => seen.push(event));
    await reader.read((event) => seen.push(event));
    expect(seen.map(({ type }) => type)).toEqual(['state', 'phase']);
    first.finish('done', { exitStatus: 0 });
    await start('p', out);
    expect(await reader.read()).toMatchObject({ state: 'running', phase: null });
  });

  it('follows to the end', async () => {
    const writer = await start();
    const seen: RunSummary[] = [];
    const followed = followRun(writer.directory, (summary) => seen.push(summary), { intervalMs: 10 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    writer.finish('done', { exitStatus: 3, message: 'm' });
    expect(await followed).toMatchObject({ state: 'done', exitStatus: 3 });
    expect(seen.map(({ state }) => state)).toEqual(['running', 'done']);
  });

  it('says what is no run', async () => {
    await expect(readRun(path.join(base, 'gone'))).rejects.toMatchObject({ code: 'not-found' });
    await expect(readRun(base)).rejects.toMatchObject({ code: 'bad-file' });
  });
});

describe('lists and names', () => {
  it('lists newest first, follows links, ignores dead ones and everything else', async () => {
    expect(await listRuns(base)).toEqual([]);
    const first = await start('a');
    first.finish('done', { exitStatus: 0 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    const out = path.join(base, 'elsewhere');
    const second = await start('b', out);
    second.finish('done', { exitStatus: 0 });
    const folder = runsFolder(base);
    writeFileSync(path.join(folder, 'dead.link'), '/no/such/place\n');
    writeFileSync(path.join(folder, 'empty.link'), '');
    writeFileSync(path.join(folder, 'notes.txt'), 'x');
    await mkdir(path.join(folder, 'no-run'));
    const runs = await listRuns(base);
    expect(runs.map(({ name }) => name)).toEqual(['b', 'a']);
    expect(runs[0]).toMatchObject({ directory: out });
    expect(runs[0]?.id).toMatch(/^\d{8}-\d{6}-\d{3}-audit-b$/);
    expect(await resolveRun('b', base)).toMatchObject({ directory: out });
    expect(await resolveRun(runs[1]?.id.slice(0, -1) ?? '', base)).toMatchObject({ name: 'a' });
    expect(await resolveRun(out, base)).toMatchObject({ name: 'b' });
    await expect(resolveRun('c', base)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('takes the latest finished run of a name', async () => {
    const first = await start('p');
    first.finish('done', { exitStatus: 0 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    const second = await start('p');
    second.finish('failed', { exitStatus: 2, message: 'no such file' });
    expect(await resolveRun('p', base)).toMatchObject({ directory: first.directory });
    await expect(findReport(second.directory, base)).rejects.toThrow(/no such file/);
  });
});

describe('discarding', () => {
  it('removes its own files and empty folders, nothing else', async () => {
    const writer = await start();
    const place = { directory: writer.directory, link: null };
    await discardRun(place);
    expect(readdirSync(writer.directory)).toContain(RUN_FILES.request);
    writer.finish('failed', { exitStatus: 2 });
    await discardRun(place);
    expect(readdirSync(base)).toEqual([]);

    const out = path.join(base, 'out');
    const { directory, link } = await makeRunDirectory({ baseFolder: base, out, kind: 'audit', name: 'p' });
    writeFileSync(path.join(out, 'mine.txt'), 'x');
    await mkdir(path.join(base, '.backcompat', 'cache'));
    await discardRun({ directory, link });
    expect(readdirSync(out)).toEqual(['mine.txt']);
    expect(readdirSync(path.join(base, '.backcompat')).sort()).toEqual(['.gitignore', 'cache']);
  });
});
