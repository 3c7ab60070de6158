import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStates } from '../../src/core/training/loop/states/openStates.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-states-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const stateOf = (step: number) => ({
  trainer: {
    step,
    tensors: {
      'conv.weight': { shape: [2, 3], data: Float32Array.from([step, 1e-45, -0, 3.4e38, Math.PI, 7]) },
      bias: { shape: [], data: Float32Array.of(step / 3) },
      none: { shape: [0, 4], data: new Float32Array(0) },
    },
  },
  extra: { epoch: step, note: 'with "quotes" and \u00fc' },
});
const files = () => readdirSync(folder).sort();
const fileOf = (step: number) => path.join(folder, `step-${String(step).padStart(10, '0')}.state`);
const noDamage = (message: string) => {
  throw new Error(message);
};

describe('states', () => {
  it('come back bit by bit, the newest first', async () => {
    const states = openStates(folder, 'me');
    expect(await states.latest(noDamage)).toBeNull();
    await states.save(stateOf(1));
    await states.save(stateOf(20));
    expect(await states.latest(noDamage)).toEqual(stateOf(20));
    const weight = (await states.latest(noDamage))?.trainer.tensors['conv.weight']?.data;
    expect(Object.is(weight?.[2], -0)).toBe(true);
  });

  it('are two, and the best beside them', async () => {
    const states = openStates(folder, 'me');
    await states.saveBest(stateOf(1));
    for (const step of [1, 2, 3, 4]) await states.save(stateOf(step));
    expect(files()).toEqual(['best.state', path.basename(fileOf(3)), path.basename(fileOf(4))]);
    expect(await states.best()).toEqual(stateOf(1));
    await states.clear();
    expect(await openStates(folder, 'me').latest(noDamage)).toBeNull();
    expect(await openStates(folder, 'me').best()).toBeNull();
  });

  it('that were cut short or changed are never read', async () => {
    const states = openStates(folder, 'me');
    await states.save(stateOf(1));
    await states.save(stateOf(2));
    const whole = readFileSync(fileOf(2));
    // Every length short of the whole, and every bit of every eighth byte.
    for (let length = 0; length < whole.length; length += 7) {
      writeFileSync(fileOf(2), whole.subarray(0, length));
      const damage: string[] = [];
      expect((await states.latest((message) => damage.push(message)))?.trainer.step).toBe(1);
      expect(damage).toHaveLength(1);
      expect(damage[0]).toContain(fileOf(2));
    }
    for (let at = 0; at < whole.length; at += 8) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ (1 << ((at / 8) % 8));
      writeFileSync(fileOf(2), changed);
      const damage: string[] = [];
      expect((await states.latest((message) => damage.push(message)))?.trainer.step).toBe(1);
      expect(damage).toHaveLength(1);
    }
    writeFileSync(fileOf(1), 'x');
    await expect(states.latest(() => undefined)).rejects.toMatchObject({ code: 'bad-file' });
  });

  it('of another training are refused', async () => {
    await openStates(folder, 'another').save(stateOf(1));
    await expect(openStates(folder, 'me').latest(noDamage)).rejects.toThrow(/is of another training/);
  });

  it('takes no half-written file for a state, and removes those from beyond a resumed one', async () => {
    const states = openStates(folder, 'me');
    await states.save(stateOf(5));
    await states.save(stateOf(6));
    const half = '.step-0000000007.state.123-0123abcd.tmp';
    writeFileSync(path.join(folder, half), 'half');
    writeFileSync(fileOf(6), 'damaged');
    expect((await states.latest(() => undefined))?.trainer.step).toBe(5);
    expect(files()).toEqual([half, path.basename(fileOf(5)), path.basename(fileOf(6))]);
    await states.save(stateOf(5));
    expect(files()).toEqual([half, path.basename(fileOf(5))]);
  });

  it('that cannot be written say so, and the ones before stay', async () => {
    const states = openStates(folder, 'me');
    await states.save(stateOf(1));
    const blocked = stateOf(2);
    // A tensor whose bytes cannot be had stands for a disk that is full in the middle of a file.
    const tensor = blocked.trainer.tensors['conv.weight'];
    Object.defineProperty(tensor, 'data', {
      get: () => {
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      },
    });
    await expect(states.save(blocked)).rejects.toMatchObject({
      code: 'write-failed',
      message: expect.stringMatching(/The state of step 2 could not be written\. The disk is full/),
    });
    expect((await states.latest(noDamage))?.trainer.step).toBe(1);
    expect(files()).toEqual([path.basename(fileOf(1))]);
  });
});
