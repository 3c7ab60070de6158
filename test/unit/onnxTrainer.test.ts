import { afterEach, describe, expect, it } from 'vitest';
import type { BackcompatError } from '../../src/core/contract/errors.ts';
import { trainGraph } from '../../src/core/training/onnxTrainer.ts';
import type { OptimizerSettings, Trainer, TrainerSpec } from '../../src/core/training/trainer.ts';
import { tinyBatch, tinyObjective, tinyTrainable } from './tinyTrainable.ts';

const sgd: OptimizerSettings = { name: 'sgd', weightDecay: 0.01, momentum: 0.9, nesterov: true };
const adamw: OptimizerSettings = { name: 'adamw', weightDecay: 0.05, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

const open: Trainer[] = [];
afterEach(() => Promise.all(open.splice(0).map((trainer) => trainer.close())));

async function start(changes: Partial<TrainerSpec> = {}): Promise<Trainer> {
  const trainer = await trainGraph(tinyTrainable(), {
    objective: tinyObjective,
    optimizer: sgd,
    clipNorm: null,
    threads: 2,
    lowMemory: false,
    ...changes,
  });
  open.push(trainer);
  return trainer;
}

async function train(trainer: Trainer, from: number, to: number): Promise<number[]> {
  const losses: number[] = [];
  for (let step = from; step < to; step++) losses.push((await trainer.step(tinyBatch(step % 3), 0.05)).loss);
  return losses;
}

const embed = (trainer: Trainer) => trainer.embed(tinyBatch(77, 5));

describe('the ONNX trainer', () => {
  it('says what is trained and what is not', async () => {
    const trainer = await start();
    expect(trainer.engine).toBe('onnx');
    expect(trainer.dimension).toBe(3);
    expect(trainer.parameters.map(({ name, isTrained, reason }) => [name, isTrained, reason])).toEqual([
      ['w1', true, null],
      ['b1', true, null],
      ['w2', true, null],
      // The model has a w1 too.
      ['objective/w1', true, null],
      ['spare', false, 'the loss does not depend on it'],
      ['mask', false, 'a mask'],
    ]);
    expect(Object.keys(await trainer.objectiveParameters())).toEqual(['w1', 'frozen']);
  });

  it('gives the slope of the loss, held against differences', async () => {
    const trainer = await start();
    const batch = tinyBatch(0);
    const { gradients } = await trainer.gradients(batch);
    const state = await trainer.state();
    const h = 1e-3;
    for (const [name, gradient] of Object.entries(gradients)) {
      for (let i = 0; i < gradient.length; i += 3) {
        const lossAt = async (offset: number) => {
          const { shape, data } = state.tensors[name] as (typeof state.tensors)[string];
          const moved = data.slice();
          moved[i] = (moved[i] as number) + offset;
          await trainer.restore({ ...state, tensors: { ...state.tensors, [name]: { shape, data: moved } } });
          return (await trainer.gradients(batch)).loss;
        };
        const slope = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
        // float32 losses around 2, differences over 2e-3.
        expect(Math.abs(slope - (gradient[i] as number)), `${name}[${i}]`).toBeLessThan(1e-3);
      }
    }
  });

  it.each([
    ['sgd', sgd],
    ['adamw', adamw],
  ] as const)('falls, and repeats itself bit by bit, also from a state in the middle (%s)', async (_, optimizer) => {
    const one = await start({ optimizer, clipNorm: 0.5 });
    const losses = await train(one, 0, 30);
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) - 0.1);

    const two = await start({ optimizer, clipNorm: 0.5 });
    await train(two, 0, 11);
    const middle = await two.state();
    expect(middle.step).toBe(11);
    await train(two, 11, 30);
    const three = await start({ optimizer, clipNorm: 0.5 });
    await train(three, 20, 24);
    await three.restore(middle);
    expect(await train(three, 11, 30)).toEqual(losses.slice(11));

    const end = await one.state();
    expect(await two.state()).toEqual(end);
    expect(await three.state()).toEqual(end);
    expect(await embed(three)).toEqual(await embed(one));
  });

  it('with less memory comes to the same', async () => {
    const [one, two] = [await start(), await start({ lowMemory: true })];
    expect(await train(one, 0, 5)).toEqual(await train(two, 0, 5));
  });

  it('scales gradients down to the norm they are clipped to, and says the norm before', async () => {
    const still: OptimizerSettings = { name: 'sgd', weightDecay: 0, momentum: 0, nesterov: false };
    const trainer = await start({ optimizer: still, clipNorm: 0.01 });
    const before = await trainer.state();
    const { gradients } = await trainer.gradients(tinyBatch(0));
    const { gradientNorm } = await trainer.step(tinyBatch(0), 1);
    const norm = (values: Iterable<Float32Array>) =>
      Math.sqrt([...values].flatMap((v) => [...v]).reduce((s, x) => s + x * x, 0));
    expect(gradientNorm).toBeCloseTo(norm(Object.values(gradients)), 6);
    const after = await trainer.state();
    const moved = Object.entries(before.tensors).map(([name, { data }]) =>
      data.map((value, i) => value - (after.tensors[name]?.data[i] as number)),
    );
    expect(norm(moved)).toBeCloseTo(0.01, 5);
  });

  it('embeds with the weights of now', async () => {
    const trainer = await start();
    const first = await embed(trainer);
    expect(first).toHaveLength(15);
    expect(await embed(trainer)).toEqual(first);
    await train(trainer, 0, 1);
    const second = await embed(trainer);
    expect(second).not.toEqual(first);
  });

  it('keeps copies as states, and gives memory of none of its own', async () => {
    const trainer = await start();
    const state = await trainer.state();
    const { gradients } = await trainer.gradients(tinyBatch(0));
    const kept = structuredClone({ state, gradients });
    await train(trainer, 0, 3);
    expect({ state, gradients }).toEqual(kept);
  });

  it('refuses the state of another training', async () => {
    const trainer = await start();
    const { step, tensors } = await trainer.state();
    const problem = (changed: typeof tensors) =>
      trainer.restore({ step, tensors: changed }).then(
        () => 'none',
        (error: BackcompatError) => `${error.code}: ${error.message}`,
      );
    const { w2, ...rest } = tensors;
    expect(await problem(rest)).toBe('bad-file: The state is of another training: it has no w2.');
    expect(await problem({ ...rest, w2: { shape: [3, 6], data: new Float32Array(18) } })).toBe(
      'bad-file: The state is of another training: w2 is 3 x 6 there, 6 x 3 here.',
    );
    expect(await problem({ ...tensors, w9: { shape: [1], data: new Float32Array(1) } })).toBe(
      'bad-file: The state is of another training: it has w9, which is not trained here.',
    );
    expect(await trainer.state()).toEqual({ step, tensors });
  });

  it('names what is not finite, and takes no step with it', async () => {
    const trainer = await start();
    const batch = tinyBatch(0);
    (batch.inputs.x?.data as Float32Array)[3] = Number.NaN;
    const before = await trainer.state();
    const broken = await trainer.step(batch, 0.1);
    expect(broken.notFinite).toBe('classification');
    expect(await trainer.state()).toEqual(before);

    const w2 = { shape: [6, 3], data: new Float32Array(18).fill(Number.POSITIVE_INFINITY) };
    await trainer.restore({ ...before, tensors: { ...before.tensors, w2 } });
    expect((await trainer.step(tinyBatch(0), 0.1)).notFinite).toBe('w2');

    await trainer.restore(before);
    expect((await trainer.step(tinyBatch(0), 1e39)).notFinite).not.toBeNull();
    await trainer.restore(before);
    expect((await trainer.step(tinyBatch(0), 0.1)).notFinite).toBeNull();
  });

  it('says what to do where more is frozen than a graph can hold', async () => {
    const model = tinyTrainable();
    // One buffer nine times: nothing is written to it, so that it takes no memory.
    const large = new Float32Array(2 ** 26);
    for (let i = 0; i < 9; i++) model.graph.constant(large, [large.length]);
    const spec = { objective: tinyObjective, optimizer: sgd, clipNorm: null, threads: 1, lowMemory: false };
    await expect(trainGraph(model, spec)).rejects.toThrow('a graph holds at most 2 GiB');
    expect(model.isClosed()).toBe(true);
  });

  it('closes the model with itself, and when it cannot start', async () => {
    const model = tinyTrainable();
    const spec = { objective: tinyObjective, optimizer: sgd, clipNorm: null, threads: 1, lowMemory: false };
    await (await trainGraph(model, spec)).close();
    expect(model.isClosed()).toBe(true);

    const other = tinyTrainable();
    const failing = {
      ...tinyObjective,
      terms: () => {
        throw new Error('no terms');
      },
    };
    await expect(trainGraph(other, { ...spec, objective: failing })).rejects.toThrow('no terms');
    expect(other.isClosed()).toBe(true);
  });
});
