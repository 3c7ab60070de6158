import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RUN_FILES, type RunSummary } from '../../src/core/contract/runs.ts';
import { createRun, type RunWriter } from '../../src/core/runs/createRun.ts';
import { followRun, readRun } from '../../src/core/runs/readRun.ts';
import { requestCancel, requestPause } from '../../src/core/runs/runDirectory.ts';
import { RunReader } from '../../src/core/runs/runReader.ts';

let base: string;
beforeEach(() => {
  base = mkdtempSync(path.join(os.tmpdir(), 'backcompat-resume-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function train(directory: string | null): Promise<RunWriter> {
  return createRun({
    place: directory === null ? { baseFolder: base, out: null } : { directory },
    kind: 'train',
    name: 'v2-bct',
    configFile: null,
    configText: null,
    arguments: [],
    tool: 'backcompat test',
    resume: directory !== null,
  });
}

describe('a run that is resumed', () => {
  it('pauses by a file, and goes on in its directory with what it wrote', async () => {
    const first = await train(null);
    first.event({ type: 'metric', name: 'loss', value: 1 });
    await first.writeFile('training.json', '{}');
    expect(first.pause.aborted).toBe(false);
    await requestPause(first.directory);
    await new Promise((resolve) => setTimeout(resolve, 120));
    await first.progress.breathe();
    expect(first.pause.aborted).toBe(true);
    expect(first.signal.aborted).toBe(false);
    const figures = { loss: 1, terms: {}, learningRate: 0.1, millisecondsPerStep: 1 };
    first.event({ type: 'step', part: '', epoch: 2, step: 7, ...figures });
    first.finish('paused', { exitStatus: 0, message: 'Paused.' });
    expect(await readRun(first.directory)).toMatchObject({
      state: 'paused',
      exitStatus: 0,
      message: 'Paused.',
      training: { epoch: 2, step: 7, figures: null },
    });

    // Killed within a line: the next one must not become its end.
    appendFileSync(path.join(first.directory, RUN_FILES.events), '{"type":"met');
    const half = path.join(first.directory, 'states', '.step-0000000007.state.123-0123abcd.tmp');
    mkdirSync(path.dirname(half));
    writeFileSync(half, 'half');
    const second = await train(first.directory);
    expect(existsSync(half)).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 120));
    await second.progress.breathe();
    expect(second.pause.aborted).toBe(false);
    const metrics: number[] = [];
    const reader = new RunReader(first.directory);
    second.event({ type: 'metric', name: 'loss', value: 2 });
    const summary = await reader.read((event) => {
      if (event.type === 'metric') metrics.push(event.value);
    });
    expect(summary).toMatchObject({ state: 'running', name: 'v2-bct', exitStatus: null, message: null });
    expect(metrics).toEqual([1, 2]);
    second.finish('done', { exitStatus: 0 });
  });

  it('is followed from its new start on, not to the end before', async () => {
    const first = await train(null);
    await requestCancel(first.directory);
    first.finish('cancelled', { exitStatus: 130 });
    const past = new RunReader(first.directory);
    await past.read();
    const seen: RunSummary[] = [];
    const followed = followRun(first.directory, (summary) => seen.push(summary), { past, intervalMs: 5 });
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(seen).toEqual([]);
    const second = await train(first.directory);
    await new Promise((resolve) => setTimeout(resolve, 40));
    second.finish('done', { exitStatus: 0 });
    expect(await followed).toMatchObject({ state: 'done' });
    expect(seen[0]).toMatchObject({ state: 'running' });
  });

  it('is let in by nobody while it runs', async () => {
    const first = await train(null);
    await expect(train(first.directory)).rejects.toMatchObject({ code: 'in-use' });
    first.finish('done', { exitStatus: 0 });
  });
});
