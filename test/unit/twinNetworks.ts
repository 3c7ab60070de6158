/** One small convolutional network in both forms: a LayersModel in a folder, and an ONNX graph over the same weights. */
import { createRequire } from 'node:module';
import path from 'node:path';
import type { RNN } from '@tensorflow/tfjs-layers';
import { BackcompatError } from '../../src/core/contract/errors.ts';
import type { ValueFacts } from '../../src/core/engine/differentiation/differentiate.ts';
import { GraphBuilder, type Value } from '../../src/core/engine/graph.ts';
import { tfjsFolder, tfjsRuntime } from '../../src/core/engine/tfjsRuntime.ts';
import type { TrainableGraph } from '../../src/core/models/trainable/trainableGraph.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import type { TrainingBatch } from '../../src/core/training/trainer.ts';

export const SIDE = 8;
export const DIMENSION = 5;
export const CLASSES = 4;

/** In the order of the layers; the last two are those of a classifier behind the embedding. */
const shapes: Record<string, readonly number[]> = {
  'first/kernel': [3, 3, 3, 4],
  'first/bias': [4],
  'norm/gamma': [4],
  'norm/beta': [4],
  'norm/moving_mean': [4],
  'norm/moving_variance': [4],
  'second/kernel': [3, 3, 4, 6],
  'second/bias': [6],
  'embedding/kernel': [6, DIMENSION],
  'embedding/bias': [DIMENSION],
  'classes/kernel': [DIMENSION, CLASSES],
  'classes/bias': [CLASSES],
};

const start = new Map(
  Object.entries(shapes).map(([name, shape]) => {
    const random = createRandom(4, `twin ${name}`);
    const length = shape.reduce((product, size) => product * size, 1);
    const isPositive = name.endsWith('variance') || name.endsWith('gamma');
    const values = Array.from({ length }, () => (isPositive ? 0.5 + random.uniform() : random.normal() / 2));
    return [name, Float32Array.from(values)] as const;
  }),
);
const EPSILON = 1e-3;

async function native(): Promise<typeof import('@tensorflow/tfjs-layers')> {
  // Sets what it reads while it is loaded.
  await tfjsRuntime();
  return createRequire(path.join(tfjsFolder(), 'package.json'))('@tensorflow/tfjs-node');
}

/** A reader of seven tokens: embeddings, a recurrent layer both ways, dense layers one a token, and a model inside the model, whose output `end` is the embedding. */
export async function writeReader(folder: string): Promise<string> {
  const { core } = await tfjsRuntime();
  const { input, model, layers, sequential } = await native();
  const tokens = input({ shape: [7], name: 'tokens', dtype: 'int32' });
  let x = layers.embedding({ inputDim: 20, outputDim: 6, name: 'table' }).apply(tokens) as typeof tokens;
  const recurrent = layers.simpleRNN({ units: 4, returnSequences: true, name: 'recurrent' }) as unknown as RNN;
  x = layers.bidirectional({ layer: recurrent, mergeMode: 'concat', name: 'ways' }).apply(x) as typeof tokens;
  x = layers.timeDistributed({ layer: layers.dense({ units: 6 }), name: 'each' }).apply(x) as typeof tokens;
  const end = sequential({
    name: 'end',
    layers: [
      layers.layerNormalization({ inputShape: [7, 6], name: 'norm' }),
      layers.globalAveragePooling1d({ name: 'pool' }),
      layers.dense({ units: DIMENSION, name: 'embedding' }),
    ],
  });
  const built = model({ inputs: tokens, outputs: end.apply(x) as typeof tokens });
  // Its own initial weights come from no seed.
  for (const layer of built.layers) {
    const values = layer.weights.map(({ originalName, shape }) => {
      const random = createRandom(5, originalName);
      const count = shape.reduce<number>((product, size) => product * (size ?? 1), 1);
      const middle = originalName.endsWith('gamma') ? 1 : 0;
      return core.tensor(
        Float32Array.from({ length: count }, () => middle + 0.3 * random.normal()),
        shape as number[],
      );
    });
    layer.setWeights(values);
    core.dispose(values);
  }
  await built.save(`file://${folder}`);
  built.dispose();
  return path.join(folder, 'model.json');
}

/** @returns path of its `model.json` */
export async function writeTwin(folder: string): Promise<string> {
  const { core } = await tfjsRuntime();
  const { input, model, layers } = await native();
  const image = input({ shape: [SIDE, SIDE, 3], name: 'image' });
  let x = layers
    .conv2d({ filters: 4, kernelSize: 3, padding: 'same', activation: 'relu', name: 'first' })
    .apply(image) as typeof image;
  x = layers.batchNormalization({ name: 'norm', epsilon: EPSILON }).apply(x) as typeof image;
  x = layers.dropout({ rate: 0.5, name: 'dropout' }).apply(x) as typeof image;
  x = layers
    .conv2d({ filters: 6, kernelSize: 3, strides: 2, padding: 'same', name: 'second' })
    .apply(x) as typeof image;
  x = layers.globalAveragePooling2d({ name: 'pool', dataFormat: 'channelsLast' }).apply(x) as typeof image;
  const embedding = layers.dense({ units: DIMENSION, name: 'embedding' }).apply(x) as typeof image;
  const scores = layers.dense({ units: CLASSES, name: 'classes' }).apply(embedding) as typeof image;
  const built = model({ inputs: image, outputs: [embedding, scores] });
  for (const layer of built.layers) {
    const values = layer.weights.map(({ originalName }) => {
      return core.tensor(start.get(originalName) as Float32Array, [...(shapes[originalName] as number[])]);
    });
    layer.setWeights(values);
    core.dispose(values);
  }
  await built.save(`file://${folder}`);
  built.dispose();
  return path.join(folder, 'model.json');
}

/** Weights lie as TensorFlow keeps them, and are transposed in the graph, so that gradients can be held together. */
export function twinGraph(): TrainableGraph {
  const names = Object.keys(shapes).filter((name) => !/moving|classes/.test(name));
  const graph = new GraphBuilder('twin');
  const weights = new Map(names.map((name) => [name, graph.input(name, 'float32', shapes[name] as number[])]));
  const weight = (name: string) => weights.get(name) as Value;
  const image = graph.input('image', 'float32', ['n', SIDE, SIDE, 3]);
  const facts = new Map<string, ValueFacts>(
    names.map((name) => [name, { shape: shapes[name] as number[], type: 'float32' }]),
  );
  const convolve = (x: Value, name: string, attributes: Record<string, readonly number[]>) => {
    const channels = shapes[`${name}/kernel`]?.[2] as number;
    facts.set(x, { shape: [null, channels, SIDE, SIDE], type: 'float32' });
    const kernel = graph.node('Transpose', [weight(`${name}/kernel`)], { perm: [3, 2, 0, 1] });
    return graph.node('Conv', [x, kernel, weight(`${name}/bias`)], { kernel_shape: [3, 3], ...attributes });
  };
  const channels = (values: Float32Array) => graph.constant(values, [4, 1, 1]);
  const asChannels = (value: Value) => graph.node('Reshape', [value, graph.int64s([4, 1, 1])]);
  let x = graph.node('Transpose', [image], { perm: [0, 3, 1, 2] });
  x = graph.node('Relu', [convolve(x, 'first', { pads: [1, 1, 1, 1] })]);
  const variance = start.get('norm/moving_variance') as Float32Array;
  x = graph.node('Sub', [x, channels(start.get('norm/moving_mean') as Float32Array)]);
  x = graph.node('Mul', [x, channels(variance.map((value) => 1 / Math.sqrt(value + EPSILON)))]);
  x = graph.node('Add', [graph.node('Mul', [x, asChannels(weight('norm/gamma'))]), asChannels(weight('norm/beta'))]);
  x = convolve(x, 'second', { strides: [2, 2], pads: [0, 0, 1, 1] });
  x = graph.node('Flatten', [graph.node('GlobalAveragePool', [x])], { axis: 1 });
  const embedding = graph.node('Add', [
    graph.node('MatMul', [x, weight('embedding/kernel')]),
    weight('embedding/bias'),
  ]);
  const absent = () => Promise.reject(new BackcompatError('internal', 'A twin is only trained.'));
  return {
    graph,
    facts,
    inputs: [{ name: 'image', type: 'float32', shape: [null, SIDE, SIDE, 3] }],
    embedding,
    output: 'embedding',
    dimension: DIMENSION,
    parameters: names.map((name) => ({
      name,
      value: weight(name),
      shape: shapes[name] as number[],
      data: start.get(name) as Float32Array,
    })),
    frozen: [],
    notes: [],
    inferenceModel: absent,
    write: absent,
    close: async () => undefined,
  };
}

/** Images, labels (one of seven without), old unit vectors and chances. */
export function twinBatch(step: number, count = 12): TrainingBatch {
  const random = createRandom(step, 'twin batch');
  const normals = (shape: number[]) => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () => random.normal()),
  });
  const oldVectors = normals([count, DIMENSION]);
  for (let i = 0; i < count; i++) {
    const row = oldVectors.data.subarray(i * DIMENSION, (i + 1) * DIMENSION);
    const length = Math.hypot(...row);
    row.forEach((value, k) => {
      row[k] = value / length;
    });
  }
  const labels = Int32Array.from({ length: count }, (_, i) => (i % 7 === 6 ? -1 : random.integer(CLASSES)));
  return {
    count,
    inputs: { image: normals([count, SIDE, SIDE, 3]) },
    fields: {
      labels: { shape: [count], data: labels },
      oldLabels: { shape: [count], data: labels.map((label) => (label === 0 ? -1 : label)) },
      oldVectors,
      oldLengths: { shape: [count], data: Float32Array.from({ length: count }, () => 0.5 + random.uniform()) },
      chance: { shape: [count], data: Float32Array.from({ length: count }, () => random.uniform()) },
    },
  };
}
