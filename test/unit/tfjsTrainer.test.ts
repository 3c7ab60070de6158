import { readdirSync } from 'node:fs';
import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Operations } from '../../src/core/engine/operations.ts';
import { tfjsRuntime } from '../../src/core/engine/tfjsRuntime.ts';
import { openCheckpoint } from '../../src/core/models/checkpoint.ts';
import type { ModelCheckpoint } from '../../src/core/models/modelCheckpoint.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import type { Objective, ObjectiveStep } from '../../src/core/training/objectives/objective.ts';
import { createTfjsTrainer } from '../../src/core/training/tfjsTrainer.ts';
import type { OptimizerSettings, Trainer, TrainerSpec, TrainingBatch } from '../../src/core/training/trainer.ts';
import { errorOf, temporaryFolder } from '../fixtures/data/make.ts';
import { largestDifference } from './modelFixtures.ts';
import { tfjsFixtures } from './tfjsFixtures.ts';
import { CLASSES, DIMENSION, twinBatch, writeReader, writeTwin } from './twinNetworks.ts';

const sgd: OptimizerSettings = { name: 'sgd', weightDecay: 0.01, momentum: 0.9, nesterov: true };
const adamw: OptimizerSettings = { name: 'adamw', weightDecay: 0.05, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/** Cross-entropy of a linear head, and the mean square of the embedding. */
const objectiveOf = (dimension: number): Objective => ({
  name: 'test',
  fields: ['labels'],
  parameters: [
    {
      name: 'head/rows',
      shape: [CLASSES, dimension],
      data: Float32Array.from({ length: CLASSES * dimension }, (_, i) => Math.sin(i)),
      isTrained: true,
    },
    { name: 'scale', shape: [1], data: Float32Array.of(0.1), isTrained: false },
  ],
  terms<T>(ops: Operations<T>, { embedding, fields, parameters }: ObjectiveStep<T>) {
    const logits = ops.matmul(embedding, parameters['head/rows'] as T, { transposeB: true });
    const own = ops.sum(ops.multiply(ops.oneHot(fields.labels, CLASSES), ops.logSoftmax(logits, -1)), -1);
    const square = ops.mean(ops.square(embedding), null);
    return {
      classification: ops.negate(ops.mean(own, null)),
      square: ops.sum(ops.multiply(parameters.scale as T, square), null),
    };
  },
});

const opened: Trainer[] = [];
afterEach(async () => {
  for (const trainer of opened.splice(0)) await trainer.close();
});

async function start(file: string, changes: Partial<TrainerSpec> = {}, output = 'embedding'): Promise<Trainer> {
  const trainer = await createTfjsTrainer({
    start: { kind: 'file', file, output },
    trainable: 'all',
    objective: objectiveOf(DIMENSION),
    optimizer: sgd,
    clipNorm: null,
    threads: 2,
    lowMemory: false,
    ...changes,
  });
  opened.push(trainer);
  return trainer;
}

const twin = async (changes: Partial<TrainerSpec> = {}) => start(await writeTwin(temporaryFolder()), changes);

async function train(trainer: Trainer, from: number, to: number): Promise<number[]> {
  const losses: number[] = [];
  for (let step = from; step < to; step++) losses.push((await trainer.step(twinBatch(step % 3), 0.05)).loss);
  return losses;
}

/** Items for a model of the converter: 12 x 12 images of 3 colours. */
function photos(seed: number, count = 6): TrainingBatch {
  const random = createRandom(seed, 'photos');
  return {
    count,
    inputs: {
      conv2d_input: {
        shape: [count, 12, 12, 3],
        data: Float32Array.from({ length: count * 432 }, () => random.uniform()),
      },
    },
    fields: { labels: { shape: [count], data: Int32Array.from({ length: count }, (_, i) => i % CLASSES) } },
  };
}

/** Some places of every gradient against central differences. */
async function holdGradients(trainer: Trainer, batch: TrainingBatch, tolerance: number, places = 4): Promise<void> {
  const { gradients } = await trainer.gradients(batch);
  const state = await trainer.state();
  // Rounding of a float32 loss of about 2, 1e-7, over twice that; a smaller step meets few kinks of ReLU.
  const h = 2e-3;
  for (const [name, gradient] of Object.entries(gradients)) {
    const { shape, data } = state.tensors[name] as (typeof state.tensors)[string];
    for (let i = 0; i < gradient.length; i += Math.ceil(gradient.length / places)) {
      const lossAt = async (offset: number) => {
        const moved = data.slice();
        moved[i] = (moved[i] as number) + offset;
        await trainer.restore({ ...state, tensors: { ...state.tensors, [name]: { shape, data: moved } } });
        return (await trainer.gradients(batch)).loss;
      };
      const slope = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
      expect(Math.abs(slope - (gradient[i] as number)), `${name}[${i}]`).toBeLessThan(
        tolerance * (1 + Math.abs(slope)),
      );
    }
  }
  await trainer.restore(state);
}

describe('the TensorFlow.js trainer', () => {
  it('says what is trained and what is not', async () => {
    const trainer = await twin();
    expect(trainer).toMatchObject({
      engine: 'tfjs',
      dimension: DIMENSION,
      inputs: [{ name: 'image', type: 'float32', shape: [null, 8, 8, 3] }],
      notes: [expect.stringContaining('keeps its statistics'), 'Dropout is off.'],
    });
    expect(trainer.parameters.filter(({ isTrained }) => isTrained).map(({ name }) => name)).toEqual([
      'first/kernel',
      'first/bias',
      'norm/gamma',
      'norm/beta',
      'second/kernel',
      'second/bias',
      'embedding/kernel',
      'embedding/bias',
      'head/rows',
    ]);
    expect(trainer.parameters.filter(({ isTrained }) => !isTrained).map(({ name, reason }) => [name, reason])).toEqual([
      ['classes/kernel', 'the embedding does not depend on it'],
      ['classes/bias', 'the embedding does not depend on it'],
      ['norm/moving_mean', 'statistics of a normalisation'],
      ['norm/moving_variance', 'statistics of a normalisation'],
    ]);
  });

  it('gives the slope of the loss, held against differences', async () => {
    await holdGradients(await twin(), twinBatch(0), 2e-3);
    const fixture = path.join(tfjsFixtures, 'layers/model.json');
    // Depthwise, ReLU6, pooling, swish.
    await holdGradients(await start(fixture, { objective: objectiveOf(16) }), photos(0), 2e-3);
  });

  it.each([
    ['sgd', sgd],
    ['adamw', adamw],
  ] as const)('falls, and repeats itself bit by bit, also from a state in the middle (%s)', async (_, optimizer) => {
    const one = await twin({ optimizer, clipNorm: 0.5 });
    const losses = await train(one, 0, 30);
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) - 0.1);

    const two = await twin({ optimizer, clipNorm: 0.5 });
    await train(two, 0, 11);
    const middle = await two.state();
    expect(middle.step).toBe(11);
    await train(two, 11, 30);
    const three = await twin({ optimizer, clipNorm: 0.5 });
    await train(three, 20, 24);
    await three.restore(middle);
    expect(await train(three, 11, 30)).toEqual(losses.slice(11));
    const end = await one.state();
    expect(await two.state()).toEqual(end);
    expect(await three.state()).toEqual(end);
    expect(await three.embed(twinBatch(77))).toEqual(await one.embed(twinBatch(77)));
  });

  it('does not change a state that was given out, and refuses one of another training', async () => {
    const trainer = await twin();
    const state = await trainer.state();
    const copy = structuredClone(state);
    await train(trainer, 0, 2);
    expect(state).toEqual(copy);
    const { 'norm/beta': beta, ...rest } = state.tensors;
    const error = await errorOf(trainer.restore({ step: 0, tensors: rest }));
    expect(error).toMatchObject({ code: 'bad-file' });
    expect(error.message).toContain('norm/beta');
    expect(beta).toBeDefined();
  });

  it('holds no more tensors after 200 steps, and none when it is closed', async () => {
    const { core } = await tfjsRuntime();
    const file = await writeTwin(temporaryFolder());
    const before = core.memory().numTensors;
    const trainer = await start(file, { optimizer: adamw });
    await train(trainer, 0, 2);
    const { numTensors } = core.memory();
    await train(trainer, 2, 200);
    await trainer.embed(twinBatch(0));
    await trainer.gradients(twinBatch(0));
    await trainer.restore(await trainer.state());
    expect(core.memory().numTensors).toBe(numTensors);
    await opened.pop()?.close();
    expect(core.memory().numTensors).toBe(before);
  });

  it('trains the embedding alone, or what patterns say', async () => {
    const names = (trainer: Trainer) => trainer.parameters.filter(({ isTrained }) => isTrained).map(({ name }) => name);
    const last = await twin({ trainable: 'embedding' });
    expect(names(last)).toEqual(['embedding/kernel', 'embedding/bias', 'head/rows']);
    const before = (await last.state()).tensors;
    await train(last, 0, 3);
    expect((await last.state()).tensors['embedding/bias']?.data).not.toEqual(before['embedding/bias']?.data);
    expect(last.parameters.find(({ name }) => name === 'first/kernel')?.reason).toBe('left out by "trainable"');
    expect(names(await twin({ trainable: ['second', 'norm/*a'] }))).toEqual([
      'norm/gamma',
      'norm/beta',
      'second/kernel',
      'second/bias',
      'head/rows',
    ]);
    const file = await writeTwin(temporaryFolder());
    const error = await errorOf(start(file, { trainable: ['secnd'] }));
    expect(error).toMatchObject({ code: 'bad-config', place: { field: 'trainable' } });
    expect(error.remedy).toContain('Did you mean "second"?');
  });

  it('writes a LayersModel that gives the same vectors when it is audited', async () => {
    const trainer = await twin({ optimizer: adamw });
    await train(trainer, 0, 5);
    const folder = temporaryFolder();
    const file = await trainer.save(folder);
    expect(file).toBe(path.join(folder, 'model.json'));
    const first = readdirSync(folder);
    const vectors = await trainer.embed(twinBatch(50));
    const checkpoint = (await openCheckpoint('new', { model: 'model.json', output: 'embedding' }, folder, {
      threads: 1,
    })) as ModelCheckpoint;
    if (checkpoint.encoder.takes !== 'images') throw new Error('It takes no images.');
    const pixels = twinBatch(50).inputs.image?.data as Float32Array;
    const again = await checkpoint.encoder.run(pixels, 12);
    const rows = Array.from({ length: 12 }, (_, i) => [...vectors.subarray(i * DIMENSION, (i + 1) * DIMENSION)]);
    expect(largestDifference(Array.from(again), rows)).toBeLessThan(1e-5);
    await checkpoint.close();
    // Trained on from there.
    const next = await start(file);
    expect(largestDifference(Array.from(await next.embed(twinBatch(50))), rows)).toBeLessThan(1e-6);
    // Over itself: one model.json, the shards of now.
    await train(trainer, 5, 6);
    await trainer.save(folder);
    const second = readdirSync(folder);
    expect(second).toHaveLength(first.length);
    expect(second).not.toEqual(first);
  });

  it('keeps everything else of the file, and takes quantised weights', async () => {
    const folder = temporaryFolder();
    await cp(path.join(tfjsFixtures, 'layersQuantised'), folder, { recursive: true });
    const file = path.join(folder, 'model.json');
    const json = JSON.parse(await readFile(file, 'utf8'));
    json.userDefinedMetadata = { made: 'by hand' };
    await writeFile(file, JSON.stringify(json));
    const trainer = await start(file, { objective: objectiveOf(16), trainable: 'embedding' });
    expect(trainer.notes.join()).toContain('quantised');
    await trainer.step(photos(1), 0.1);
    const saved = JSON.parse(await readFile(await trainer.save(temporaryFolder()), 'utf8'));
    expect({ ...saved, weightsManifest: null }).toEqual({ ...json, weightsManifest: null });
    const weights = (from: typeof json) =>
      from.weightsManifest.flatMap((group: { weights: object[] }) => group.weights);
    const isQuantised = new Map(
      weights(saved).map((entry: { name: string; quantization?: object }) => [entry.name, 'quantization' in entry]),
    );
    expect(isQuantised.get('conv2d/kernel')).toBe(true);
    expect(isQuantised.get('embedding/kernel')).toBe(false);
    expect(weights(saved).map(({ name }: { name: string }) => name)).toEqual(
      weights(json).map(({ name }: { name: string }) => name),
    );
    const again = await start(await trainer.save(temporaryFolder()), {
      objective: objectiveOf(16),
    });
    const expected = await trainer.embed(photos(2));
    const rows = Array.from({ length: 6 }, (_, i) => [...expected.subarray(i * 16, (i + 1) * 16)]);
    expect(largestDifference(Array.from(await again.embed(photos(2))), rows)).toBeLessThan(1e-5);
  });

  it('trains models inside models, wrapped layers, and texts', async () => {
    const file = await writeReader(temporaryFolder());
    const batch: TrainingBatch = {
      count: 6,
      inputs: { tokens: { shape: [6, 7], data: BigInt64Array.from({ length: 42 }, (_, i) => BigInt((i * 5) % 19)) } },
      fields: { labels: { shape: [6], data: Int32Array.from({ length: 6 }, (_, i) => i % CLASSES) } },
    };
    const trainer = await start(file, {}, 'end');
    expect(trainer.inputs).toEqual([{ name: 'tokens', type: 'int32', shape: [null, 7] }]);
    expect(trainer.parameters.every(({ isTrained, name }) => isTrained || name === 'scale')).toBe(true);
    await holdGradients(trainer, batch, 2e-3, 1);
    const before = await trainer.step(batch, 0.1);
    for (let step = 0; step < 5; step++) await trainer.step(batch, 0.1);
    expect((await trainer.step(batch, 0.1)).loss).toBeLessThan(before.loss);
    const again = await start(await trainer.save(temporaryFolder()), { trainable: 'embedding' }, 'end');
    expect(await again.embed(batch)).toEqual(await trainer.embed(batch));
    expect(again.parameters.filter(({ isTrained }) => isTrained).map(({ name }) => name)).toEqual([
      'embedding/kernel',
      'embedding/bias',
      'head/rows',
    ]);
  });

  it('names what is not finite, and changes nothing', async () => {
    const trainer = await twin();
    const state = await trainer.state();
    const broken = twinBatch(0);
    (broken.inputs.image?.data as Float32Array)[3] = Number.NaN;
    const result = await trainer.step(broken, 0.1);
    expect(result.notFinite).toBe('classification');
    expect(await trainer.state()).toEqual(state);
    const { shape, data } = state.tensors['second/bias'] as (typeof state.tensors)[string];
    await trainer.restore({
      ...state,
      tensors: { ...state.tensors, 'second/bias': { shape, data: data.map(() => Number.POSITIVE_INFINITY) } },
    });
    expect((await trainer.step(twinBatch(0), 0.1)).notFinite).toBe('second/bias');
  });

  it('refuses what cannot be trained, and says what can', async () => {
    const graph = await errorOf(start(path.join(tfjsFixtures, 'graph/model.json')));
    expect(graph).toMatchObject({ code: 'bad-model' });
    expect(graph.message).toContain('is a GraphModel, which is frozen');
    const builtin = {
      kind: 'builtin',
      name: 'convnet',
      dimension: 8,
      channels: 1,
      height: 8,
      width: 8,
      seed: 0,
    } as const;
    expect((await errorOf(start('', { start: builtin }))).message).toContain('convnet');
    const file = await writeTwin(temporaryFolder());
    const output = await errorOf(start(file, {}, 'embeding'));
    expect(output.message).toContain('has no output "embeding"; it has "embedding" and "classes"');
    expect(output.remedy).toBe('Did you mean "embedding"?');
  });

  it('names the layer that has no gradient, behind which training goes on', async () => {
    const folder = temporaryFolder();
    const file = await writeTwin(folder);
    const json = JSON.parse(await readFile(file, 'utf8'));
    // TensorFlow.js has no gradient of dilated convolutions.
    const { layers } = json.modelTopology.config;
    const second = layers.find(({ config }: { config: { name: string } }) => config.name === 'second');
    Object.assign(second.config, { strides: [1, 1], dilation_rate: [2, 2] });
    await writeFile(file, JSON.stringify(json));
    const error = await errorOf((await start(file)).step(twinBatch(0), 0.1));
    expect(error).toMatchObject({ code: 'bad-model', place: { file } });
    expect(error.message).toContain('through its layer "second"');
    expect(error.remedy).toContain('"trainable": "embedding"');
    const rest = await start(file, { trainable: 'embedding' });
    expect((await rest.step(twinBatch(0), 0.1)).notFinite).toBeNull();
  });
});
