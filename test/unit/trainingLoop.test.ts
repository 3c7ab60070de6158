import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cancelledError } from '../../src/core/contract/errors.ts';
import type { EpochFigures } from '../../src/core/contract/training.ts';
import type { HeldOutFigures } from '../../src/core/training/evaluator.ts';
import { openStates } from '../../src/core/training/loop/states/openStates.ts';
import {
  type LoopHooks,
  type LoopSettings,
  type LoopState,
  type StepEvent,
  trainModel,
} from '../../src/core/training/loop/trainModel.ts';
import type { Trainer } from '../../src/core/training/trainer.ts';
import { linearTrainer, pointBatches } from './linearTrainer.ts';
import { silentProgress } from './silentProgress.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-loop-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const STEPS = 6;
const settings: LoopSettings = {
  epochs: 4,
  schedule: { kind: 'cosine', learningRate: 0.1, totalSteps: 4 * STEPS, warmupSteps: 3, stepSteps: 1 },
  stopEarly: { tax: null, patience: null, metric: 'map', paragon: null },
  saveEverySeconds: 0,
};

interface Told {
  steps: StepEvent[];
  epochs: EpochFigures[];
}

function hooksOf(told: Told, options: Partial<LoopHooks> = {}): LoopHooks {
  const never = new AbortController().signal;
  return {
    progress: silentProgress,
    signal: never,
    pause: never,
    onStep: (step) => void told.steps.push(step),
    onEpoch: async (figures) => void told.epochs.push(figures),
    ...options,
  };
}

const states = (name = 'states') => openStates<LoopState>(path.join(folder, name), 'this training');

/** Figures that the test plans, one entry an epoch from 0. */
function planned(...values: { newOld: number; newNew: number; isMet?: boolean }[]): () => Promise<HeldOutFigures> {
  let at = 0;
  return async () => {
    const { newOld, newNew, isMet = false } = values[Math.min(at++, values.length - 1)] as (typeof values)[number];
    return {
      oldOld: { map: 0.5 },
      newOld: { map: newOld },
      newNew: { map: newNew },
      positiveRate: 0.1,
      inverted: 0.1,
      negativeFlipRate: 0.1,
      criterion: { difference: newOld - 0.5, interval: [0, 0], state: isMet ? 'compatible' : 'incompatible' },
    };
  };
}

async function weightsAfter(trainer: Trainer): Promise<number[]> {
  const { tensors } = await trainer.state();
  return Object.values(tensors).flatMap(({ data }) => [...data]);
}

async function undisturbed(): Promise<{ weights: number[]; told: Told }> {
  const trainer = linearTrainer();
  const told: Told = { steps: [], epochs: [] };
  await trainModel(trainer, pointBatches(STEPS), null, settings, states('undisturbed'), hooksOf(told));
  return { weights: await weightsAfter(trainer), told };
}

describe('the loop', () => {
  it('makes every step of every epoch and tells means over an epoch', async () => {
    const losses: number[] = [];
    const rates: number[] = [];
    const trainer = linearTrainer();
    const { step } = trainer;
    trainer.step = async (batch, rate) => {
      const result = await step(batch, rate);
      losses.push(result.loss);
      rates.push(rate);
      return result;
    };
    const told: Told = { steps: [], epochs: [] };
    const result = await trainModel(trainer, pointBatches(STEPS), null, settings, states(), hooksOf(told));
    expect(result).toMatchObject({ outcome: 'done', epoch: 4 });
    expect(losses).toHaveLength(24);
    expect(rates[0]).toBeCloseTo(0.1 / 3, 12);
    expect(told.epochs.map(({ epoch, step }) => [epoch, step])).toEqual([
      [0, 0],
      [1, 6],
      [2, 12],
      [3, 18],
      [4, 24],
    ]);
    const second = losses.slice(6, 12).reduce((sum, loss) => sum + loss, 0) / 6;
    expect(told.epochs[2]?.loss).toBeCloseTo(second, 12);
    expect(told.epochs[2]?.terms.classification).toBeCloseTo(second, 12);
    expect(told.epochs[0]?.loss).toBeNull();
    expect(told.epochs.at(-1)?.loss).toBeLessThan(told.epochs[1]?.loss as number);
    expect(told.steps[0]).toMatchObject({ epoch: 1, step: 1, loss: losses[0] });
    expect(told.steps.at(-1)).toMatchObject({ epoch: 4, step: 24, loss: losses[23] });
  });

  it('ends with the same weights, bit by bit, whichever step it is stopped after', async () => {
    const { weights, told: whole } = await undisturbed();
    for (let stopAfter = 1; stopAfter <= 24; stopAfter++) {
      const cancel = new AbortController();
      const first = linearTrainer();
      const { step } = first;
      let steps = 0;
      first.step = async (batch, rate) => {
        steps++;
        if (steps === stopAfter) cancel.abort();
        return step(batch, rate);
      };
      const told: Told = { steps: [], epochs: [] };
      const source = pointBatches(STEPS);
      const kept = () => states(`stopped-${stopAfter}`);
      await expect(
        trainModel(first, source, null, settings, kept(), hooksOf(told, { signal: cancel.signal })),
      ).rejects.toMatchObject({ code: 'cancelled' });
      const second = linearTrainer();
      const result = await trainModel(second, source, null, settings, kept(), hooksOf(told));
      expect(await weightsAfter(second)).toEqual(weights);
      const losses = (figures: readonly EpochFigures[]) => figures.map(({ loss }) => loss);
      expect(losses(result.figures)).toEqual(losses(whole.epochs));
    }
  });

  it('keeps what it has trained when it is cancelled while it measures or waits for a batch', async () => {
    const { weights } = await undisturbed();
    const rarely = { ...settings, saveEverySeconds: 1000 };
    const told: Told = { steps: [], epochs: [] };
    let measured = 0;
    const evaluate = async () => {
      if (++measured === 3) throw cancelledError();
      return planned({ newOld: 0, newNew: 0 })();
    };
    const run = (source = pointBatches(STEPS)) =>
      trainModel(linearTrainer(), source, evaluate, rarely, states(), hooksOf(told));
    await expect(run()).rejects.toMatchObject({ code: 'cancelled' });
    expect((await states().latest(() => undefined))?.trainer.step).toBe(2 * STEPS);
    const whole = pointBatches(STEPS);
    const slow = {
      ...whole,
      async *batches(epoch: number, position: number) {
        for await (const batch of whole.batches(epoch, position)) {
          if (epoch === 3 && position++ === 4) throw cancelledError();
          yield batch;
        }
      },
    };
    await expect(run(slow)).rejects.toMatchObject({ code: 'cancelled' });
    expect((await states().latest(() => undefined))?.trainer.step).toBe(2 * STEPS + 4);
    const last = linearTrainer();
    await trainModel(last, whole, evaluate, rarely, states(), hooksOf(told));
    expect(await weightsAfter(last)).toEqual(weights);
  });

  it('is not harmed by a process that dies between a step and its state', async () => {
    const { weights } = await undisturbed();
    const first = linearTrainer();
    const { step } = first;
    let steps = 0;
    first.step = async (batch, rate) => {
      if (++steps === 15) throw new Error('killed');
      return step(batch, rate);
    };
    // States after epochs only: steps 13 and 14 are lost and made again.
    const rarely = { ...settings, saveEverySeconds: 1000 };
    const told: Told = { steps: [], epochs: [] };
    await expect(trainModel(first, pointBatches(STEPS), null, rarely, states(), hooksOf(told))).rejects.toThrow(
      'killed',
    );
    const second = linearTrainer();
    await trainModel(second, pointBatches(STEPS), null, rarely, states(), hooksOf(told));
    expect(await weightsAfter(second)).toEqual(weights);
  });

  it('pauses with a state and says so', async () => {
    const pause = new AbortController();
    const told: Told = { steps: [], epochs: [] };
    const hooks = hooksOf(told, { pause: pause.signal, onStep: () => pause.abort() });
    const result = await trainModel(linearTrainer(), pointBatches(STEPS), null, settings, states(), hooks);
    expect(result.outcome).toBe('paused');
    expect(readdirSync(path.join(folder, 'states'))).toContain('step-0000000001.state');
  });

  it('stops at a value that is not finite, naming step and tensor, and keeps the last good state', async () => {
    const told: Told = { steps: [], epochs: [] };
    const trainer = linearTrainer({ poisonAt: 9 });
    await expect(trainModel(trainer, pointBatches(STEPS), null, settings, states(), hooksOf(told))).rejects.toThrow(
      /step 9 \(epoch 2\); the first is in "conv1\.weight"\. The last good state is that of step 8\./,
    );
    const kept = await states().latest(() => undefined);
    expect(kept?.trainer.step).toBe(8);
    expect(kept?.extra.position).toBe(2);
  });

  it('stops once the criterion is met and the tax is small enough', async () => {
    const evaluate = planned(
      { newOld: 0.1, newNew: 0.1 },
      // Met, but the tax is .9 - .7 = .2; then small enough, but not met; then both.
      { newOld: 0.6, newNew: 0.7, isMet: true },
      { newOld: 0.6, newNew: 0.88 },
      { newOld: 0.7, newNew: 0.86, isMet: true },
    );
    const stopEarly = { tax: 0.05, patience: null, metric: 'map', paragon: 0.9 };
    const told: Told = { steps: [], epochs: [] };
    const spec = { ...settings, stopEarly };
    const result = await trainModel(linearTrainer(), pointBatches(STEPS), evaluate, spec, states(), hooksOf(told));
    expect(result).toMatchObject({ outcome: 'stopped-early', epoch: 3 });
    // Asked again, it is over.
    const again = await trainModel(linearTrainer(), pointBatches(STEPS), evaluate, spec, states(), hooksOf(told));
    expect(again).toMatchObject({ outcome: 'stopped-early', epoch: 3, secondsPerStep: null });
  });

  it('runs out of patience and gives the weights of the best epoch', async () => {
    const evaluate = planned(
      { newOld: 0.9, newNew: 0.1 },
      { newOld: 0.6, newNew: 0.7 },
      { newOld: 0.5, newNew: 0.8 },
      { newOld: 0.6, newNew: 0.9 },
      { newOld: 0.9, newNew: 0.9 },
    );
    const stopEarly = { tax: null, patience: 2, metric: 'map', paragon: null };
    const told: Told = { steps: [], epochs: [] };
    const trainer = linearTrainer();
    const spec = { ...settings, stopEarly };
    const result = await trainModel(trainer, pointBatches(STEPS), evaluate, spec, states(), hooksOf(told));
    // The start does not count; epoch 1 is the best of 1, 2 and 3, ties included.
    expect(result).toMatchObject({ outcome: 'stopped-early', epoch: 1 });
    expect((await trainer.state()).step).toBe(STEPS);
    expect(result.figures).toHaveLength(4);
  });
});
