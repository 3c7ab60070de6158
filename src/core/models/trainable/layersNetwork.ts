import { readFile } from 'node:fs/promises';
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import type { LayersModel, layers } from '@tensorflow/tfjs-layers';
import { closest, quotedList } from '../../config/closest.ts';
import { BackcompatError } from '../../contract/errors.ts';
import type { Signature } from '../../engine/session.ts';
import { plainNormalisations } from '../../engine/tfjsNormalisation.ts';
import { INSTALL_COMMAND, type TfjsRuntime, tfjsRuntime } from '../../engine/tfjsRuntime.ts';
import { checkLayerSizes, layersSignatures, tfjsHandler } from '../../engine/tfjsSession.ts';
import { isEmbedding } from '../imageModel.ts';
import { signatureText } from '../onnxFile.ts';
import { readShards, readTfjsFile } from '../tfjsFile.ts';
import { writeTfjsFile } from '../writeTfjsFile.ts';
import type { TrainableChoice } from './chooseWeights.ts';
import { matchPatterns } from './matchPatterns.ts';

type Layer = layers.Layer;

/** A float weight of the file. */
export interface LayerWeight {
  /** As the manifest calls it: `conv2d/kernel`. */
  readonly name: string;
  readonly variable: Variable;
  /** Why it is not trained; null: it is. */
  readonly frozen: string | null;
}

/** A LayersModel made ready for training: normalisations keep their statistics, dropout is off. */
export interface LayersNetwork {
  readonly runtime: TfjsRuntime;
  readonly file: string;
  readonly inputs: readonly { name: string; type: 'float32' | 'int32'; shape: readonly (number | null)[] }[];
  readonly dimension: number;
  readonly weights: readonly LayerWeight[];
  /** What was assumed, for people. */
  readonly notes: readonly string[];
  /** From tensors by the inputs' names to the embedding, [n, dimension]. */
  forward(feeds: Readonly<Record<string, Tensor>>): Tensor;
  /** The first layer, from the inputs on, whose gradient TensorFlow.js cannot compute; null when each can by itself. */
  layerWithoutGradient(): string | null;
  /** Writes the model with other values of weights, by name. Atomic. @returns absolute path of its `model.json` */
  write(folder: string, values: ReadonlyMap<string, Float32Array>): Promise<string>;
  /** Frees its weights. */
  close(): void;
}

/**
 * Opens a LayersModel of TensorFlow.js for training.
 * @param output name of the output that is the embedding
 * @param threads of one operator; counts for the first model of the process only
 * @throws BackcompatError `bad-model` (a GraphModel, no native runtime, no such output), `bad-config` (a pattern that
 *   fits nothing), and what `readTfjsFile` throws
 */
export async function openLayersNetwork(
  file: string,
  output: string,
  trainable: TrainableChoice,
  threads: number | null,
): Promise<LayersNetwork> {
  const declared = await readTfjsFile(file);
  if (declared.kind === 'tfjs-graph') {
    throw bad(
      file,
      'is a GraphModel, which is frozen: it can be audited, and its embedding can be adapted, but it cannot be trained.',
      'Train the LayersModel or the ONNX model that it was made from, or fit an adapter.',
    );
  }
  const runtime = await tfjsRuntime(threads);
  if (runtime.native === null) {
    throw bad(
      file,
      `is a model of TensorFlow.js, and its native runtime, the only one that trains, is not installed.${runtime.complaint === null ? '' : ` ${runtime.complaint}`}`,
      `Run: ${INSTALL_COMMAND}`,
    );
  }
  const json = await readFile(file, 'utf8');
  const weightData = await readShards(declared);
  let model: LayersModel;
  try {
    model = await runtime.loadLayersModel(tfjsHandler({ ...declared, weightData }));
    checkLayerSizes(model);
  } catch (cause) {
    throw bad(
      file,
      `cannot be loaded by TensorFlow.js: ${(cause as Error).message.split('\n')[0]}.`,
      'Convert the model again with tensorflowjs_converter, or export it to ONNX.',
      cause,
    );
  }
  try {
    const { inputs, outputs } = layersSignatures(model);
    const position = outputPosition(file, outputs, output);
    const leaves = leavesOf(model.layers);
    const notes: string[] = [];
    if (plainNormalisations(runtime.core, leaves)) {
      notes.push('BatchNormalization keeps its statistics: its scale and shift are trained.');
    }
    if (leaves.some((layer) => /Dropout|GaussianNoise/.test(layer.getClassName()))) notes.push('Dropout is off.');
    // What the file says of it is about another training.
    for (const layer of leaves) layer.trainable = true;
    const part = runtime.layersModel({ inputs: model.inputs, outputs: model.outputs[position] as never });
    const weights = weightsOf(file, model, part, declared.weightSpecs, trainable);
    const quantised = declared.weightSpecs.filter(({ quantization }) => quantization !== undefined).length;
    if (quantised > 0)
      notes.push('The weights were quantised in the file; those that are trained are written as float32.');
    const dimension = outputs[position]?.shape[1] as number;
    return {
      runtime,
      file,
      inputs: inputs.map(({ name, type, shape }) => ({
        name,
        type: type === 'int32' ? 'int32' : 'float32',
        shape: shape.map((size) => (typeof size === 'number' ? size : null)),
      })),
      dimension,
      weights,
      notes,
      forward(feeds) {
        const given = inputs.map(({ name }) => feeds[name] as Tensor);
        const result = part.apply(given.length === 1 ? (given[0] as Tensor) : given, { training: false }) as Tensor;
        return result.rank === 2 ? result : runtime.core.reshape(result, [-1, dimension]);
      },
      layerWithoutGradient: () => leavesOf(part.layers).find((layer) => !hasGradient(runtime, layer))?.name ?? null,
      write: (folder, values) => writeTfjsFile(folder, json, weightData, values),
      close: () => void model.dispose(),
    };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

function outputPosition(file: string, outputs: readonly Signature[], output: string): number {
  const position = outputs.findIndex(({ name }) => name === output);
  const found = outputs[position];
  if (found === undefined) {
    const like = closest(
      output,
      outputs.map(({ name }) => name),
    );
    throw bad(
      file,
      `has no output ${JSON.stringify(output)}; it has ${quotedList(outputs.map(({ name }) => name))}.`,
      like === null ? 'Name one of them as "output".' : `Did you mean ${JSON.stringify(like)}?`,
    );
  }
  if (isEmbedding(found) && typeof found.shape[1] === 'number') return position;
  throw bad(
    file,
    `gives ${signatureText(found)}; one vector an item, [batch, dimension], is needed.`,
    'Choose another output, or save the model with the pooling inside.',
  );
}

/** Layers that hold no others, in the order of computation; those inside models and wrappers too. */
function leavesOf(all: readonly Layer[]): Layer[] {
  return all.flatMap((layer) => {
    const { layers: inner, layer: wrapped, forwardLayer, backwardLayer } = layer as Layer & Record<string, unknown>;
    const held = Array.isArray(inner) ? (inner as Layer[]) : [wrapped, forwardLayer, backwardLayer].filter(isLayer);
    return held.length === 0 ? [layer] : leavesOf(held);
  });
}

function isLayer(value: unknown): value is Layer {
  return typeof value === 'object' && value !== null && 'getClassName' in value;
}

/** What `LayerVariable` holds; its `read` gives the variable itself. */
interface HeldWeight {
  readonly originalName: string;
  readonly dtype: string;
  read(): Tensor;
}

function weightsOf(
  file: string,
  model: LayersModel,
  part: LayersModel,
  specs: readonly { name: string; dtype: string }[],
  trainable: TrainableChoice,
): LayerWeight[] {
  const held = new Map(
    model.layers.flatMap((layer) => layer.weights as HeldWeight[]).map((weight) => [weight.originalName, weight]),
  );
  const used = new Set<unknown>(part.layers.flatMap((layer) => layer.weights));
  const trained = new Set<unknown>(model.layers.flatMap((layer) => layer.trainableWeights));
  const leaves = leavesOf(part.layers);
  const ownersOf = (weight: unknown): string[] =>
    [...leaves, ...part.layers]
      .filter((layer) => (layer.weights as unknown[]).includes(weight))
      .map((layer) => layer.name);
  const found = specs
    .filter(({ dtype }) => dtype === 'float32')
    .map(({ name }) => {
      // A cell's name is left out by newer converters and put in by others: TensorFlow.js reads both.
      const parts = name.split('/');
      const weight = held.get(name) ?? held.get([...parts.slice(0, -2), parts.at(-1)].join('/'));
      if (weight !== undefined) return { name, weight };
      throw bad(file, `names the weight ${JSON.stringify(name)} as none of its layers does.`, 'Save it from tf.keras.');
    });
  const candidates = found.filter(({ weight }) => used.has(weight) && trained.has(weight));
  const chosen =
    trainable === 'all'
      ? used
      : trainable === 'embedding'
        ? lastWeights(leaves)
        : new Set<unknown>(
            [...matchPatterns(file, trainable, candidates, ({ name, weight }) => [name, ...ownersOf(weight)])].map(
              ({ weight }) => weight,
            ),
          );
  return found.map(({ name, weight }) => {
    const frozen = !trained.has(weight)
      ? 'statistics of a normalisation'
      : !used.has(weight)
        ? 'the embedding does not depend on it'
        : !chosen.has(weight)
          ? 'left out by "trainable"'
          : null;
    return { name, variable: weight.read() as Variable, frozen };
  });
}

/** Of the last layer with a matrix, and of what is behind it: a norm. */
function lastWeights(leaves: readonly Layer[]): Set<unknown> {
  const chosen = new Set<unknown>();
  for (const layer of leaves.toReversed()) {
    for (const weight of layer.weights) chosen.add(weight);
    if (layer.weights.some(({ shape }) => shape.length >= 2)) break;
  }
  return chosen;
}

/** Sizes that the model leaves open, while a layer is tried. */
const OPEN_SIZE = 8;

function hasGradient({ core }: TfjsRuntime, layer: Layer): boolean {
  if (layer.getClassName() === 'InputLayer') return true;
  try {
    return core.tidy(() => {
      const symbolic = [layer.input].flat() as { shape: (number | null)[]; dtype: string }[];
      // Indices have no gradient, and need none.
      if (symbolic.some(({ dtype }) => dtype !== 'float32')) return true;
      const inputs = symbolic.map(({ shape }) =>
        core.zeros(shape.map((size, axis) => size ?? (axis === 0 ? 1 : OPEN_SIZE))),
      );
      core.grads((...given: Tensor[]) =>
        core.sum(layer.apply(given.length === 1 ? (given[0] as Tensor) : given, { training: false }) as Tensor),
      )(inputs);
      return true;
    });
  } catch {
    return false;
  }
}

function bad(file: string, what: string, remedy: string, cause?: unknown): BackcompatError {
  return new BackcompatError('bad-model', `${file} ${what}`, { place: { file }, remedy, cause });
}
