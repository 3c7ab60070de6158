import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { createRandom } from '../../src/core/numeric/random.ts';
import { readRun } from '../../src/core/runs/readRun.ts';
import { tinyTraining } from '../fixtures/training/tinyTraining.ts';
import { modelFixture } from '../unit/modelFixtures.ts';
import { temporaryFolder } from './cliProcess.ts';

/**
 * A training is killed at seeded moments, gone on with, killed again; at the end its files are those of a training that was
 * left alone, byte by byte. States are written after every step, so many kills fall into the writing of one.
 */
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const KILLS_A_RUN = 5;

let folder: string;
beforeAll(async () => {
  await build();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function start(run: string, goOn: boolean): { child: ChildProcess; ended: Promise<number | null> } {
  mkdirSync(run, { recursive: true });
  const args = ['train', path.join(folder, 'backcompat.json'), '--threads', '1', '--save-every', '0'];
  const child = spawn(process.execPath, [cli, ...args, ...(goOn ? ['--go-on'] : []), '--run-directory', run], {
    cwd: folder,
    stdio: 'ignore',
  });
  return { child, ended: new Promise((resolve) => child.once('exit', (status) => resolve(status))) };
}

/** Weights and heads below a run's directory. */
function resultsOf(run: string): Map<string, Buffer> {
  const names = readdirSync(run, { recursive: true }).map(String);
  const weights = names.filter((name) => /\.(onnx|safetensors|bin)$/.test(name)).sort();
  return new Map(weights.map((name) => [name, readFileSync(path.join(run, name))]));
}

/** Whether a state is half written; after a kill: was cut short. */
function isWritingState(run: string): boolean {
  return ['states', 'paragon/states'].some((states) => {
    try {
      return readdirSync(path.join(run, states)).some((name) => name.endsWith('.tmp'));
    } catch {
      return false;
    }
  });
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** @returns how many of the kills cut a state short */
async function killAgainAndAgain(kills: number, seed: number): Promise<number> {
  const undisturbed = path.join(folder, 'runs', 'undisturbed');
  const begun = performance.now();
  expect(await start(undisturbed, false).ended).toBe(0);
  const undisturbedMs = performance.now() - begun;
  const expected = resultsOf(undisturbed);
  expect(expected.size).toBeGreaterThan(1);

  const random = createRandom(seed, 'kills');
  let killed = 0;
  let within = 0;
  for (let number = 0; killed < kills; number++) {
    const run = path.join(folder, 'runs', `killed-${number}`);
    let isOver = false;
    for (let kill = 0; kill < KILLS_A_RUN && killed < kills && !isOver; kill++) {
      const { child, ended } = start(run, existsSync(path.join(run, 'run.json')));
      void ended.then(() => {
        isOver = true;
      });
      // Half of them wait for a state that is half written, the others for a moment.
      const waitsForState = random.uniform() < 0.5;
      const moment = performance.now() + undisturbedMs * (0.15 + 0.5 * random.uniform());
      const wanted = 1 + random.integer(4);
      let seen = 0;
      while (!isOver && (waitsForState || performance.now() < moment)) {
        if (waitsForState && isWritingState(run) && ++seen >= wanted) break;
        await pause(waitsForState ? 1 : 5);
      }
      if (isOver) break;
      child.kill('SIGKILL');
      await ended;
      isOver = false;
      killed++;
      if (isWritingState(run)) within++;
      expect((await readRun(run)).state).toBe('stopped');
    }
    if (!isOver) expect(await start(run, true).ended).toBe(0);
    expect((await readRun(run)).state).toBe('done');
    const found = resultsOf(run);
    expect([...found.keys()]).toEqual([...expected.keys()]);
    for (const [name, bytes] of found) {
      expect(bytes.equals(expected.get(name) as Buffer), `${path.basename(run)}: ${name}`).toBe(true);
    }
    expect(existsSync(path.join(run, 'states'))).toBe(false);
  }
  console.log(`${killed} kills, ${within} of them within a state; undisturbed ${Math.round(undisturbedMs)} ms`);
  return within;
}

describe('a training that is killed', () => {
  it('ends with the same weights after 20 kills at any moment, also within a state', async () => {
    folder = await tinyTraining();
    expect(await killAgainAndAgain(20, 7)).toBeGreaterThan(0);
  }, 300_000);

  it('ends with the same weights in TensorFlow.js, too', async () => {
    folder = temporaryFolder();
    const config = {
      datasets: { pictures: { images: modelFixture('images') } },
      checkpoints: { v1: { model: modelFixture('tfjs/layers/model.json') } },
      training: { v2: { from: 'v1', data: 'pictures', method: 'independent', epochs: 20, batchSize: 2 } },
    };
    writeFileSync(path.join(folder, 'backcompat.json'), JSON.stringify(config));
    await killAgainAndAgain(4, 8);
  });
});
