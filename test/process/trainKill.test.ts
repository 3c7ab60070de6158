import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { createRandom } from '../../src/core/numeric/random.ts';
import { readRun } from '../../src/core/runs/readRun.ts';
import { tinyTraining } from '../fixtures/training/tinyTraining.ts';

/**
 * A training is killed at seeded moments, gone on with, killed again; at the end its files are those of a training that was
 * left alone, byte by byte. States are written after every step, so many kills fall into the writing of one.
 */
const KILLS = 20;
const KILLS_A_RUN = 5;
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
/** What must be the same. */
const results = ['model.onnx', 'head.safetensors', 'paragon/model.onnx', 'paragon/head.safetensors'];

let folder: string;
let whole: Map<string, Buffer>;
let undisturbedMs: number;

const runAt = (name: string) => path.join(folder, 'runs', name);

function start(run: string, goOn: boolean): { child: ChildProcess; ended: Promise<number | null> } {
  mkdirSync(run, { recursive: true });
  const args = ['train', path.join(folder, 'backcompat.json'), '--threads', '1', '--save-every', '0'];
  const child = spawn(process.execPath, [cli, ...args, ...(goOn ? ['--go-on'] : []), '--run-directory', run], {
    cwd: folder,
    stdio: 'ignore',
  });
  return { child, ended: new Promise((resolve) => child.once('exit', (status) => resolve(status))) };
}

const filesOf = (run: string) => new Map(results.map((name) => [name, readFileSync(path.join(run, name))]));

/** A temporary file that is there after a kill is a state that was cut short. */
const isWritingState = (run: string) =>
  ['states', 'paragon/states'].some((states) => {
    try {
      return readdirSync(path.join(run, states)).some((name) => name.endsWith('.tmp'));
    } catch {
      return false;
    }
  });

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

beforeAll(async () => {
  await build();
  folder = await tinyTraining();
  const begun = performance.now();
  const { ended } = start(runAt('undisturbed'), false);
  expect(await ended).toBe(0);
  undisturbedMs = performance.now() - begun;
  whole = filesOf(runAt('undisturbed'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a training that is killed', () => {
  it(`ends with the same weights after ${KILLS} kills at any moment, also within a state`, async () => {
    const random = createRandom(7, 'kills');
    let kills = 0;
    let within = 0;
    for (let number = 0; kills < KILLS; number++) {
      const run = runAt(`killed-${number}`);
      let isOver = false;
      for (let kill = 0; kill < KILLS_A_RUN && !isOver; kill++) {
        const { child, ended } = start(run, existsSync(path.join(run, 'run.json')));
        void ended.then(() => {
          isOver = true;
        });
        // Half of them wait for a state that is half written, the others for a moment.
        const waitsForState = random.uniform() < 0.5;
        const moment = performance.now() + undisturbedMs * (0.15 + 0.5 * random.uniform());
        let seen = 0;
        const wanted = 1 + random.integer(8);
        while (!isOver && (waitsForState || performance.now() < moment)) {
          if (waitsForState && isWritingState(run) && ++seen >= wanted) break;
          await pause(waitsForState ? 1 : 5);
        }
        if (isOver) break;
        child.kill('SIGKILL');
        await ended;
        isOver = false;
        kills++;
        if (isWritingState(run)) within++;
        expect((await readRun(run)).state).toBe('stopped');
      }
      if (!isOver) expect(await start(run, true).ended).toBe(0);
      expect((await readRun(run)).state).toBe('done');
      for (const [name, bytes] of filesOf(run))
        expect(bytes.equals(whole.get(name) as Buffer), `${run} ${name}`).toBe(true);
      expect(existsSync(path.join(run, 'states'))).toBe(false);
    }
    expect(within).toBeGreaterThan(0);
    console.log(`${kills} kills, ${within} of them within a state; undisturbed ${Math.round(undisturbedMs)} ms`);
  });
});
