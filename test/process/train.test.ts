import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { RunReader } from '../../src/core/runs/runReader.ts';
import { tinyTraining, writeConfig } from '../fixtures/training/tinyTraining.ts';
import { eventually, runCliProcess, startCli } from './cliProcess.ts';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
/** Long enough to be stopped in the middle. */
const long = { epochs: 400, paragon: false };

let folder: string;
beforeAll(async () => {
  await build();
});
beforeEach(async () => {
  folder = await tinyTraining({ epochs: 1 });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (...args: string[]) => runCliProcess(cli, args, { cwd: folder });
const runsFolder = () => path.join(folder, '.backcompat/runs');
const runDirectories = () =>
  (existsSync(runsFolder()) ? readdirSync(runsFolder()) : []).map((name) => path.join(runsFolder(), name));

/** Waits for a run that has made steps. */
const stepping = () =>
  eventually(async () => {
    const [directory] = runDirectories();
    const summary = directory === undefined ? null : await new RunReader(directory).read();
    return summary?.phase?.startsWith('Training') && (summary.progress?.done ?? 0) > 3 ? summary : null;
  }, 60_000);

describe('backcompat train', () => {
  it('trains, says the verdict, and its result is a checkpoint', async () => {
    const trained = await run('train', '--json', 'result.json');
    expect(trained).toMatchObject({ status: 0 });
    expect(trained.stdout).toMatch(/mAP\s+old gallery\s+own gallery\s+tax/);
    expect(trained.stdout).toMatch(/^On held-out items .+ the old model.*\.$/m);
    expect(trained.stdout).toMatch(/paragon\s/);
    expect(trained.stdout).toMatch(/"new": "v2" of a pair/);
    expect(trained.stderr).toMatch(/epoch 1: loss [\d.]+ \(classification [\d.]+, influence [\d.]+\); mAP new\/old/);
    const { pair } = JSON.parse(readFileSync(path.join(folder, 'result.json'), 'utf8'));
    expect(pair).toBe('v2');
    const [directory] = runDirectories() as [string];
    // Reports, comparisons and gates take a training's run as they take an audit's.
    expect((await run('report', 'v2')).stdout).toMatch(/v2/);
    const compared = await run('compare', 'v2', path.join(directory, 'paragon'));
    expect(compared).toMatchObject({ status: 0, stderr: '' });
    await writeConfig(folder, { epochs: 1 }, { gates: { 'flips.negativeFlipRate': ['error', { max: 1 }] } });
    expect(await run('gate', 'v2')).toMatchObject({ status: 0 });
    expect(await run('gate', path.join(directory, 'paragon'))).toMatchObject({ status: 0 });
    await writeConfig(folder, { epochs: 1, lambda: 3 }, { gates: { 'flips.negativeFlipRate': ['error', { max: 1 }] } });
    expect(await run('gate', 'v2')).toMatchObject({ status: 3, stdout: expect.stringMatching(/The report is stale/) });
    const embedded = await run('embed', 'v2', 'tiny/query', '-o', 'query.npy');
    expect(embedded).toMatchObject({ status: 0 });
    expect(await run('train', '--resume', 'v2')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/is finished/),
    });
  });

  it('compares the values of a sweep', async () => {
    await writeConfig(folder, { epochs: 1, lambda: [0.5, 2], paragon: false });
    const swept = await run('train');
    expect(swept).toMatchObject({ status: 0, stdout: expect.stringMatching(/lambda \S+ .*\(the result\)/) });
    const compared = await run('compare', 'v2');
    expect(compared.stdout).toMatch(/^Backcompat comparison: 2 reports/);
    expect(compared.stdout).toContain('v2/lambda-0.5');
  });

  it('pauses and goes on', async () => {
    await writeConfig(folder, long);
    const first = startCli(cli, ['train', '--name', 'v2'], { cwd: folder });
    const { id } = await stepping();
    expect(await run('train', '--pause', 'v2')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/Asked .* to pause/),
    });
    expect(await first.ended).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/Paused\. Go on with: backcompat train --resume/),
    });
    expect(await run('train', '--pause', 'v2')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/is not running, it is paused/),
    });
    const second = startCli(cli, ['train', '--resume', 'v2'], { cwd: folder });
    await eventually(async () => (await stepping()).state === 'running');
    // Nobody else may use its directory meanwhile.
    const other = await run('train', '--resume', id);
    expect(other).toMatchObject({ status: 2, stderr: expect.stringMatching(/is in use by process/) });
    second.child.kill('SIGINT');
    expect(await second.ended).toMatchObject({
      status: 130,
      stderr: expect.stringMatching(/Go on with: backcompat train --resume/),
    });
    const [directory] = runDirectories() as [string];
    expect(readFileSync(path.join(directory, 'events.jsonl'), 'utf8')).toMatch(/Resumed after step \d+ of 2400/);
    expect(await new RunReader(directory).read()).toMatchObject({ state: 'cancelled' });
    await writeConfig(folder, { ...long, epochs: 2 });
    expect(await run('train', '--resume', 'v2')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/training\.v2\.epochs was 400 and is 2 since it began/),
    });
    // What was refused is still there to go on with.
    await writeConfig(folder, long);
    const third = startCli(cli, ['train', '--resume', 'v2', '--detach'], { cwd: folder });
    expect((await third.ended).status).toBe(0);
    await eventually(async () => (await stepping()).state === 'running');
    expect(await run('train', '--pause', 'v2')).toMatchObject({ status: 0 });
  });

  it('leaves nothing behind of a block that cannot be trained', async () => {
    await writeConfig(folder, { classes: ['seven'] });
    const failed = await run('train');
    expect(failed).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/backcompat\.json:\d+:\d+: error: tiny\/train has no items of "seven"/),
    });
    expect(runDirectories()).toEqual([]);
  });

  it('says where it diverged', async () => {
    await writeConfig(folder, { optimizer: { name: 'sgd', learningRate: 1e30 }, paragon: false });
    const failed = await run('train');
    expect(failed).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/NaN or infinite values in step \d+ .*\n.*Lower "learningRate"/s),
    });
  });
});
