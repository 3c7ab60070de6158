import { createHash } from 'node:crypto';
import path from 'node:path';
import type { ModelCheckpointDefinition } from '../config/schema.ts';
import { BackcompatError } from '../contract/errors.ts';
import { preprocessPixels } from '../data/decodeImage.ts';
import { hashFile } from '../data/files.ts';
import { fromFloat16, toFloat16 } from '../data/float16.ts';
import { createSession, type Session, type Tensor } from '../engine/session.ts';
import { createRandom } from '../numeric/random.ts';
import { type ImageModel, resolveImageModel } from './imageModel.ts';
import { type OnnxFile, readOnnxFile } from './onnxFile.ts';

/** A loaded ONNX image model. */
export interface OnnxCheckpoint {
  readonly kind: 'onnx';
  readonly name: string;
  /** As the user gave it. */
  readonly path: string;
  readonly dimension: number;
  /** What was assumed, for people. */
  readonly notes: readonly string[];
  readonly model: ImageModel;
  /** See `fingerprintOf`. */
  fingerprint(): Promise<string>;
  /** sha256 (hex) of the model's bytes, its external data, output and preprocessing: equal means equal vectors. */
  contentHash(): Promise<string>;
  /**
   * Runs the model on `count` inputs ([count, ...] row-major, as the decoder makes them).
   * @returns count x dimension
   */
  run(inputs: Float32Array, count: number): Promise<Float32Array>;
  close(): Promise<void>;
}

const PROBE_ITEMS = 8;

/** See `openCheckpoint`. */
export async function openOnnxCheckpoint(
  name: string,
  definition: ModelCheckpointDefinition,
  baseFolder: string,
  options: { threads?: number | null },
): Promise<OnnxCheckpoint> {
  const file = path.resolve(baseFolder, definition.model);
  if (/\.json$/i.test(file)) {
    throw new BackcompatError('bad-model', `${file}: TensorFlow.js models are not supported yet.`, {
      place: { file },
      remedy: 'Export the model to ONNX, or give its vectors as a table.',
    });
  }
  const declared = await readOnnxFile(file);
  const session = await loadSession(file, options.threads ?? null);
  try {
    const model = resolveImageModel(session.inputs, session.outputs, {
      file,
      output: definition.output,
      preprocess: typeof definition.preprocess === 'object' ? definition.preprocess : undefined,
    });
    const run = runner(session, model, file);
    const probes = await run(probeInputs(model), PROBE_ITEMS);
    const dimension = probes.length / PROBE_ITEMS;
    let hashed: Promise<string> | null = null;
    return {
      kind: 'onnx',
      name,
      path: definition.model,
      dimension,
      notes: model.notes,
      model,
      fingerprint: async () => fingerprintOf(probes, dimension),
      contentHash() {
        hashed ??= hashModel(file, declared, model);
        return hashed;
      },
      run: async (inputs, count) => {
        const vectors = await run(inputs, count);
        if (vectors.length !== count * dimension) {
          throw badRun(file, `gave ${vectors.length} numbers for ${count} items, ${dimension} an item before`);
        }
        return vectors;
      },
      close: () => session.release(),
    };
  } catch (error) {
    await session.release();
    throw error;
  }
}

async function loadSession(file: string, threads: number | null): Promise<Session> {
  try {
    return await createSession(file, { threads });
  } catch (cause) {
    throw new BackcompatError('bad-model', `${file} cannot be loaded by ONNX Runtime: ${firstLine(cause)}`, {
      place: { file },
      remedy: 'Check the file with onnx.checker, or export it again with a current exporter.',
      cause,
    });
  }
}

function firstLine(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return (message.split('\n')[0] as string).slice(0, 400);
}

function badRun(file: string, what: string, cause?: unknown): BackcompatError {
  return new BackcompatError('bad-model', `${file}: the model ${what}.`, {
    place: { file },
    remedy: 'Check "preprocess" and "output", or export the model again with a dynamic batch.',
    cause,
  });
}

function runner(session: Session, model: ImageModel, file: string) {
  const { height, width, channels, layout } = model.preprocessing;
  const shape = layout === 'nchw' ? [channels, height, width] : [height, width, channels];
  const imageValues = height * width * channels;

  async function runOnce(inputs: Float32Array, count: number): Promise<Float32Array> {
    const data = model.inputType === 'float16' ? Uint16Array.from(inputs, toFloat16) : inputs;
    let result: Tensor | undefined;
    try {
      const results = await session.run({ [model.input]: { shape: [count, ...shape], data } }, [model.output]);
      result = results[model.output];
    } catch (cause) {
      throw badRun(
        file,
        `fails on ${count} image${count > 1 ? 's' : ''} of [${shape.join(', ')}]: ${firstLine(cause)}`,
        cause,
      );
    }
    if (result === undefined) throw badRun(file, `gave no output ${JSON.stringify(model.output)}`);
    const [batch, ...rest] = result.shape;
    if (batch !== count || rest.filter((size) => size !== 1).length > 1 || result.data.length === 0) {
      throw badRun(
        file,
        `gave ${JSON.stringify(model.output)} of shape [${result.shape.join(', ')}] for ${count} items, not one vector an item`,
      );
    }
    return asFloat32(result.data);
  }

  return async (inputs: Float32Array, count: number): Promise<Float32Array> => {
    const fixed = model.fixedBatch;
    if (fixed === null) return runOnce(inputs, count);
    let vectors: Float32Array | null = null;
    for (let start = 0; start < count; start += fixed) {
      const size = Math.min(fixed, count - start);
      const part = inputs.subarray(start * imageValues, (start + size) * imageValues);
      let padded = part;
      if (size < fixed) {
        // Repeats of a real image: some models give NaN for zeros, and normalise over the batch by no means.
        padded = new Float32Array(fixed * imageValues);
        for (let i = 0; i < fixed; i++) {
          padded.set(part.subarray((i % size) * imageValues, ((i % size) + 1) * imageValues), i * imageValues);
        }
      }
      const result = await runOnce(padded, fixed);
      const dimension = result.length / fixed;
      vectors ??= new Float32Array(count * dimension);
      vectors.set(result.subarray(0, size * dimension), start * dimension);
    }
    return vectors ?? new Float32Array(0);
  };
}

function asFloat32(data: Tensor['data']): Float32Array {
  if (data instanceof Float32Array) return data;
  // Half precision comes as bits on Node 20 and as Float16Array on newer versions.
  if (data instanceof Uint16Array) return Float32Array.from(data, fromFloat16);
  return Float32Array.from(data as Float64Array);
}

/** Pixels of the probe items: noise, the same for every model of that input size. */
function probeInputs({ preprocessing }: ImageModel): Float32Array {
  const { height, width, channels } = preprocessing;
  const random = createRandom(0, 'fingerprint');
  const pixels = Uint8Array.from({ length: PROBE_ITEMS * height * width * channels }, () => random.integer(256));
  return preprocessPixels(pixels, PROBE_ITEMS, preprocessing);
}

/**
 * sha256 of the vectors of 8 fixed probe items (noise pixels through the preprocessing), made to be the
 * same on machines whose rounding differs: each vector is folded into 8 sums of its components with seeded
 * signs, the 64 sums are rounded to a hundredth of their root mean square, and that to two digits. With
 * relative differences of 1e-6 about one model in a hundred gets another fingerprint elsewhere; hashing
 * every component to three digits would change for most.
 * @param vectors 8 x dimension
 */
export function fingerprintOf(vectors: Float32Array, dimension: number): string {
  const random = createRandom(0, 'fingerprint signs');
  const signs = Int8Array.from({ length: dimension }, () => (random.integer(2) === 0 ? -1 : 1));
  const sums = new Float64Array(PROBE_ITEMS * 8);
  for (let item = 0; item < PROBE_ITEMS; item++) {
    for (let i = 0; i < dimension; i++) {
      const at = item * 8 + (i % 8);
      sums[at] = (sums[at] as number) + (vectors[item * dimension + i] as number) * (signs[i] as number);
    }
  }
  const scale = Math.sqrt(sums.reduce((sum, value) => sum + value * value, 0) / sums.length);
  const rounded = Array.from(sums, (value) => Math.round((100 * value) / (scale || 1)));
  return createHash('sha256')
    .update(`${dimension} ${scale.toPrecision(2)} ${rounded.join(' ')}`)
    .digest('hex');
}

async function hashModel(file: string, declared: OnnxFile, model: ImageModel): Promise<string> {
  const hash = createHash('sha256');
  hash.update(`backcompat.model 1\n${JSON.stringify([model.input, model.output, model.preprocessing])}\n`);
  await hashFile(hash, file, 'The model');
  for (const external of declared.externalData) {
    hash.update(`\n${external.bytes}\n`);
    await hashFile(hash, external.path, 'The file');
  }
  return hash.digest('hex');
}
