import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { io } from '@tensorflow/tfjs-core';
import { BackcompatError } from '../contract/errors.ts';
import { fileSize, openFile, readFully } from '../data/files.ts';
import { insideFolder } from '../data/insideFolder.ts';
import type { SignatureEntry, TfjsSignature } from '../engine/tfjsSession.ts';
import type { ExternalFile } from './onnxFile.ts';

/** What the `model.json` of a TensorFlow.js model says; nothing was run. */
export interface TfjsFile {
  kind: 'tfjs-layers' | 'tfjs-graph';
  bytes: number;
  /** "TensorFlow.js Converter v4.22.0"; empty when it does not say. */
  producer: string;
  topology: object;
  signature: TfjsSignature | null;
  weightSpecs: io.WeightsManifestEntry[];
  /** In the order of their bytes. */
  shards: ExternalFile[];
  weightBytes: number;
  /** Numbers held as floating-point weights. */
  parameters: number;
}

/** The largest known topologies have a few megabytes; weights lie elsewhere. */
const MAX_JSON_BYTES = 2 ** 28;
/** All weights are one buffer, and WebAssembly has no more memory. */
const MAX_WEIGHT_BYTES = 2 ** 31;

const bytesOfType: Record<string, number> = { float32: 4, int32: 4, bool: 1, complex64: 8 };
const bytesOfQuantised: Record<string, number> = { uint8: 1, uint16: 2, float16: 2 };

type Json = Record<string, unknown>;

/**
 * Reads a `model.json` and checks its weights against its manifest before anything is loaded.
 * @throws BackcompatError `not-found`, `bad-file` (no TensorFlow.js model, weights outside the model's folder, missing
 *   or of another size than the manifest says)
 */
export async function readTfjsFile(file: string): Promise<TfjsFile> {
  const bytes = await fileSize(file, 'The model');
  if (bytes > MAX_JSON_BYTES) throw bad(file, `has ${bytes} bytes, more than any model.json.`);
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw bad(file, `is not JSON: ${(cause as Error).message}.`, cause);
  }
  if (!isObject(json) || !isObject(json.modelTopology)) throw bad(file, 'has no "modelTopology".');
  const topology = json.modelTopology;
  const kind = Array.isArray(topology.node) ? 'tfjs-graph' : 'tfjs-layers';
  if (kind === 'tfjs-layers' && !isObject(topology.model_config) && topology.class_name === undefined) {
    throw bad(file, 'has neither layers nor a graph in "modelTopology".');
  }
  checkWindows(file, topology);
  if (!Array.isArray(json.weightsManifest)) throw bad(file, 'has no "weightsManifest".');

  const weightSpecs: io.WeightsManifestEntry[] = [];
  const shards: ExternalFile[] = [];
  let weightBytes = 0;
  let parameters = 0;
  for (const group of json.weightsManifest as unknown[]) {
    if (!isObject(group) || !Array.isArray(group.paths) || !Array.isArray(group.weights)) {
      throw bad(file, 'has a group of weights without "paths" or "weights".');
    }
    const files: ExternalFile[] = [];
    for (const location of group.paths as unknown[]) files.push(await shardOf(file, location));
    let expected = 0;
    let isExact = true;
    for (const entry of group.weights as unknown[]) {
      const spec = checkedSpec(file, entry);
      // Texts say their length in the data; TensorFlow.js checks them there.
      if (spec.dtype === 'string') isExact = false;
      else expected += bytesOfWeight(spec);
      if (spec.dtype === 'float32') parameters += valuesOf(spec);
      weightSpecs.push(spec);
    }
    const found = files.reduce((sum, shard) => sum + shard.bytes, 0);
    if (isExact ? found !== expected : found < expected) {
      throw bad(
        file,
        `declares weights of ${expected} bytes, but ${files.map(({ location }) => location).join(', ') || 'no file'} has ${found}.`,
        undefined,
        'Copy the weights again, from the same conversion as the model.json.',
      );
    }
    weightBytes += found;
    shards.push(...files);
  }
  if (weightBytes > MAX_WEIGHT_BYTES) throw bad(file, `has weights of ${weightBytes} bytes; 2 GiB can be loaded.`);
  return {
    kind,
    bytes,
    producer: [json.convertedBy, json.generatedBy].find((name) => typeof name === 'string') ?? '',
    topology,
    signature: signatureOf(json.signature),
    weightSpecs,
    shards,
    weightBytes,
    parameters,
  };
}

function valuesOf({ shape }: io.WeightsManifestEntry): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** What a weight takes in its shards; texts say it only there. */
export function bytesOfWeight(spec: io.WeightsManifestEntry): number {
  const { dtype, quantization } = spec;
  return valuesOf(spec) * (bytesOfQuantised[quantization?.dtype ?? ''] ?? (bytesOfType[dtype] as number));
}

/** The bytes of all weights, one behind another. @throws BackcompatError `bad-file` when one became shorter */
export async function readShards({ shards, weightBytes }: TfjsFile): Promise<ArrayBuffer> {
  const all = new Uint8Array(weightBytes);
  let start = 0;
  for (const { path: file, bytes } of shards) {
    const { handle } = await openFile(file, 'The file of weights');
    try {
      if (!(await readFully(handle, all.subarray(start, start + bytes), 0))) {
        throw bad(file, 'became shorter while it was read.');
      }
    } finally {
      await handle.close();
    }
    start += bytes;
  }
  return all.buffer;
}

/** Keys of layers and of nodes that hold sides of windows, steps and paddings. */
const windowKeys = new Set([
  'kernel_size',
  'pool_size',
  'ksize',
  'strides',
  'dilation_rate',
  'dilations',
  'padding',
  'explicit_paddings',
  'cropping',
  'size',
]);
/** No image is that large; WebAssembly's kernels compute with 32 bits and do not look. */
const MAX_WINDOW = 2 ** 15;

function checkWindows(file: string, value: unknown, key = ''): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, entry] of Object.entries(value)) {
    // Sizes of shapes are called so too, below "dim".
    const isWindow = windowKeys.has(name) && key !== 'dim';
    if (isWindow && numbersIn(entry).some((number) => !(Math.abs(number) <= MAX_WINDOW))) {
      throw bad(file, `has ${JSON.stringify(name)} of ${JSON.stringify(entry).slice(0, 80)}.`);
    }
    checkWindows(file, entry, /^\d+$/.test(name) ? key : name);
  }
}

/** All numbers in it; a graph writes them as texts. */
function numbersIn(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  if (typeof value === 'string') return /^-?\d+$/.test(value) ? [Number(value)] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbersIn) : [];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bad(file: string, what: string, cause?: unknown, remedy?: string): BackcompatError {
  return new BackcompatError('bad-file', `${file} ${what}`, {
    place: { file },
    remedy:
      remedy ?? 'Give the model.json that tensorflowjs_converter or model.save wrote, with its weights beside it.',
    cause,
  });
}

async function shardOf(file: string, location: unknown): Promise<ExternalFile> {
  const name = typeof location === 'string' ? location : JSON.stringify(location);
  const inside = typeof location === 'string' ? await insideFolder(path.dirname(path.resolve(file)), location) : null;
  if (inside === null) throw bad(file, `keeps weights in ${JSON.stringify(name)}, which leaves the model's folder.`);
  try {
    return { location: name, path: inside, bytes: await fileSize(inside, 'The file') };
  } catch (cause) {
    throw new BackcompatError('not-found', `${file} keeps weights in ${name}, which does not exist.`, {
      place: { file: inside },
      remedy: `Copy ${name} beside the model; it was written by the same conversion.`,
      cause,
    });
  }
}

function checkedSpec(file: string, entry: unknown): io.WeightsManifestEntry {
  if (!isObject(entry) || typeof entry.name !== 'string') throw bad(file, 'has a weight without a name.');
  const { name, shape, dtype, quantization } = entry;
  const sizes = Array.isArray(shape) ? (shape as unknown[]) : null;
  const values = sizes?.reduce<number>((product, size) => product * (size as number), 1) ?? Number.NaN;
  if (sizes === null || !sizes.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)) {
    throw bad(file, `has the weight ${JSON.stringify(name)} of shape ${JSON.stringify(shape)}.`);
  }
  if (values > MAX_WEIGHT_BYTES) {
    throw bad(file, `has the weight ${JSON.stringify(name)} with ${values} numbers; 2 GiB can be loaded.`);
  }
  if (dtype !== 'string' && bytesOfType[String(dtype)] === undefined) {
    throw bad(file, `has the weight ${JSON.stringify(name)} of type ${JSON.stringify(dtype)}.`);
  }
  if (quantization !== undefined && !isQuantisation(quantization)) {
    throw bad(file, `has the weight ${JSON.stringify(name)} with an unknown quantisation.`);
  }
  return entry as unknown as io.WeightsManifestEntry;
}

function isQuantisation(value: unknown): boolean {
  if (!isObject(value) || bytesOfQuantised[String(value.dtype)] === undefined) return false;
  return value.dtype === 'float16' || (Number.isFinite(value.scale) && Number.isFinite(value.min));
}

/** A signature that can be used by its names; anything else counts as none. */
function signatureOf(value: unknown): TfjsSignature | null {
  if (!isObject(value)) return null;
  const entries = (side: unknown): Record<string, SignatureEntry> | null =>
    isObject(side) &&
    Object.keys(side).length > 0 &&
    Object.values(side).every((entry) => isObject(entry) && typeof entry.name === 'string' && hasShape(entry))
      ? (side as Record<string, SignatureEntry & Json>)
      : null;
  const inputs = entries(value.inputs);
  const outputs = entries(value.outputs);
  return inputs === null || outputs === null ? null : { inputs, outputs };
}

function hasShape({ tensorShape }: Json): boolean {
  if (tensorShape === undefined) return true;
  return (
    isObject(tensorShape) &&
    (tensorShape.dim === undefined || (Array.isArray(tensorShape.dim) && tensorShape.dim.every(isObject)))
  );
}
