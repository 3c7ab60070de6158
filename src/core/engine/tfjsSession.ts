import type { GraphModel } from '@tensorflow/tfjs-converter';
import type * as core from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Session, Signature, Tensor } from './session.ts';
import { type TfjsRuntime, tfjsRuntime } from './tfjsRuntime.ts';

/** A model's parts, already checked. */
export interface TfjsModel {
  kind: 'tfjs-layers' | 'tfjs-graph';
  topology: object;
  weightSpecs: readonly core.io.WeightsManifestEntry[];
  weightData: ArrayBuffer;
  /** Names of inputs and outputs of a GraphModel. */
  signature: TfjsSignature | null;
}

export interface TfjsSignature {
  inputs: Record<string, SignatureEntry>;
  outputs: Record<string, SignatureEntry>;
}

export interface SignatureEntry {
  name: string;
  dtype?: string;
  tensorShape?: { dim?: { size?: string | number }[]; unknownRank?: boolean };
}

export interface TfjsSession extends Session {
  /** The backend that has run it last: `tensorflow`, `wasm` or `cpu`. */
  readonly backend: string;
  readonly complaint: string | null;
}

/** A layer that makes more numbers of one item belongs to no model that embeds: 1 GiB. */
const MAX_LAYER_VALUES = 2 ** 28;

/**
 * The first run of a model that takes no longer is held against plain JavaScript, some 20 times slower: WebAssembly's
 * kernels give other numbers for some shapes (a stride beyond the image) without a word.
 */
const MAX_HELD_MS = 100;

const typeOfSignature: Record<string, string> = { DT_FLOAT: 'float32', DT_INT32: 'int32', DT_BOOL: 'bool' };

/**
 * Loads a TensorFlow.js model. Errors of TensorFlow.js pass through as they are: the caller knows which file to name.
 * Tensors of a run are freed before it returns; `release` frees the weights.
 */
export async function createTfjsSession(model: TfjsModel, threads: number | null): Promise<TfjsSession> {
  const runtime = await tfjsRuntime(threads);
  const { core } = runtime;
  let position = 0;
  let isHeld = false;
  // Weights are made as zeros first, which plain JavaScript does without touching memory that is not there.
  await core.setBackend(runtime.backends.at(-1) as string);
  const loaded = await load(runtime, model);
  const { generation } = runtime;
  const { inputs, outputs } = loaded;
  return {
    inputs,
    outputs,
    get backend() {
      return runtime.backends[position] as string;
    },
    complaint: runtime.complaint,
    async run(feeds, fetches = outputs.map(({ name }) => name)) {
      if (runtime.generation !== generation) throw new Error('its weights went when another model failed');
      for (;;) {
        await core.setBackend(runtime.backends[position] as string);
        try {
          runtime.takeWarnings();
          const start = performance.now();
          const results = await runOnce(core, loaded, feeds, fetches);
          const [warning] = runtime.takeWarnings();
          if (warning !== undefined) throw new UnfitError(warning);
          const isSlow = performance.now() - start > MAX_HELD_MS;
          if (isHeld || isSlow || position + 1 >= runtime.backends.length) return results;
          isHeld = true;
          await core.setBackend(runtime.backends.at(-1) as string);
          const held = await runOnce(core, loaded, feeds, fetches);
          await core.setBackend(runtime.backends[position] as string);
          if (areClose(results, held)) return results;
          position = runtime.backends.length - 1;
          return held;
        } catch (error) {
          await runtime.restartAfter(error);
          if (!lacksOperator(error) || position + 1 >= runtime.backends.length) throw error;
          position++;
        }
      }
    },
    async release() {
      if (runtime.generation !== generation) return;
      try {
        loaded.dispose();
      } catch (error) {
        // Nothing is lost with it.
        await runtime.restartAfter(error);
      }
    },
  };
}

/** The difference that rounding makes, of the largest number. */
const MAX_DIFFERENCE = 1e-3;

function areClose(results: Record<string, Tensor>, held: Record<string, Tensor>): boolean {
  return Object.entries(held).every(([name, { data }]) => {
    const other = results[name]?.data;
    let largest = 0;
    let difference = 0;
    for (let i = 0; i < data.length; i++) {
      largest = Math.max(largest, Math.abs(Number(data[i])));
      difference = Math.max(difference, Math.abs(Number(data[i]) - Number(other?.[i])));
    }
    // Not "above": NaN is no agreement.
    return difference <= MAX_DIFFERENCE * largest;
  });
}

/** A backend computed something that it cannot compute. */
class UnfitError extends Error {}

function lacksOperator(error: unknown): boolean {
  if (error instanceof UnfitError) return true;
  return error instanceof Error && /not registered for (the )?backend|not yet supported in the/i.test(error.message);
}

interface Loaded {
  inputs: Signature[];
  outputs: Signature[];
  /** The tensors of the named outputs; the caller disposes of them. */
  predict(feeds: Record<string, core.Tensor>, fetches: readonly string[]): Promise<core.Tensor[]>;
  dispose(): void;
}

async function load(runtime: TfjsRuntime, model: TfjsModel): Promise<Loaded> {
  return model.kind === 'tfjs-layers'
    ? layersModel(runtime.core, await runtime.loadLayersModel(tfjsHandler(model)))
    : graphModel(runtime.core, await runtime.loadGraphModel(tfjsHandler(model)), model.signature);
}

/** A model's parts as TensorFlow.js loads them. */
export function tfjsHandler({ topology, weightSpecs, weightData, signature }: TfjsModel): core.io.IOHandler {
  return {
    load: async () => ({
      modelTopology: topology,
      weightSpecs: [...weightSpecs],
      weightData,
      ...(signature === null ? {} : { signature: signature as object }),
    }),
  };
}

/** @throws RangeError for a layer that belongs to no model that embeds */
export function checkLayerSizes(model: LayersModel): void {
  for (const layer of model.layers) {
    const shapes = [layer.outputShape].flat(2).length === 0 ? [] : [layer.outputShape];
    const list = (Array.isArray(shapes[0]?.[0]) ? shapes[0] : shapes) as (number | null)[][];
    for (const shape of list) {
      const values = shape.reduce<number>((product, size) => product * (size ?? 1), 1);
      if (values > MAX_LAYER_VALUES) {
        throw new RangeError(`the layer ${JSON.stringify(layer.name)} makes ${values} numbers of one item`);
      }
    }
  }
}

/** Inputs and outputs of a LayersModel, in its order. */
export function layersSignatures(model: LayersModel): { inputs: Signature[]; outputs: Signature[] } {
  // A Sequential has no lists of names.
  const signatures = (tensors: LayersModel['inputs'], names: readonly string[] | undefined): Signature[] =>
    tensors.map(({ originalName, dtype, shape }, index) => ({
      // Not "name", which gets a number when a process loads such a model again.
      name: names?.[index] ?? ((originalName ?? '').split('/')[0] as string),
      type: dtype,
      shape,
    }));
  return {
    inputs: signatures(model.inputs, model.inputNames),
    outputs: signatures(model.outputs, model.outputNames),
  };
}

function layersModel(tf: typeof core, model: LayersModel): Loaded {
  checkLayerSizes(model);
  const { inputs, outputs } = layersSignatures(model);
  return {
    inputs,
    outputs,
    async predict(feeds, fetches) {
      const fed = inputs.map(({ name }) => feeds[name] as core.Tensor);
      const batchSize = fed[0]?.shape[0] as number;
      const results = [model.predict(fed, { batchSize })].flat();
      const picked = fetches.map((name) => results[outputs.findIndex((output) => output.name === name)]);
      tf.dispose(results.filter((tensor) => !picked.includes(tensor)));
      return picked as core.Tensor[];
    },
    dispose: () => void model.dispose(),
  };
}

function graphModel(tf: typeof core, model: GraphModel, signature: TfjsSignature | null): Loaded {
  const known = new Map([...model.inputs, ...model.outputs].map((info) => [info.name, info]));
  const signatures = (entries: Record<string, SignatureEntry> | undefined, nodes: readonly string[]): Signature[] =>
    entries === undefined
      ? nodes.map((name) => {
          const info = known.get(name);
          return { name, type: info?.dtype ?? 'float32', shape: shapeOf(info?.shape) };
        })
      : Object.entries(entries).map(([name, { dtype, tensorShape }]) => ({
          name,
          type: typeOfSignature[dtype ?? 'DT_FLOAT'] ?? 'other',
          shape: shapeOf(tensorShape?.dim?.map(({ size }) => Number(size))),
        }));
  return {
    inputs: signatures(signature?.inputs, model.inputNodes),
    outputs: signatures(signature?.outputs, model.outputNodes),
    async predict(feeds, fetches) {
      try {
        return [tf.tidy(() => model.execute(feeds, [...fetches]))].flat();
      } catch (error) {
        if (!(error instanceof Error && error.message.includes('executeAsync'))) throw error;
        return [await model.executeAsync(feeds, [...fetches])].flat();
      }
    },
    dispose: () => model.dispose(),
  };
}

/** -1 and what is no size stand for a size that is not declared. */
function shapeOf(sizes: readonly number[] | undefined): (number | null)[] {
  return (sizes ?? []).map((size) => (Number.isSafeInteger(size) && size >= 0 ? size : null));
}

async function runOnce(
  tf: typeof core,
  { predict }: Loaded,
  feeds: Record<string, Tensor>,
  fetches: readonly string[],
): Promise<Record<string, Tensor>> {
  const fed: Record<string, core.Tensor> = {};
  for (const [name, { data, shape }] of Object.entries(feeds)) {
    fed[name] = tf.tensor(data as Float32Array, [...shape], data instanceof Float32Array ? 'float32' : 'int32');
  }
  try {
    const results = await predict(fed, fetches);
    const named: Record<string, Tensor> = {};
    for (const [index, name] of fetches.entries()) {
      const result = results[index] as core.Tensor;
      named[name] = { shape: result.shape, data: (await result.data()) as Float32Array };
    }
    tf.dispose(results);
    return named;
  } finally {
    tf.dispose(fed);
  }
}
