import { createHash } from 'node:crypto';
import path from 'node:path';
import type { ModelCheckpointDefinition } from '../config/schema.ts';
import { type Preprocessing, preprocessPixels } from '../data/decodeImage.ts';
import { createRandom } from '../numeric/random.ts';
import { fingerprintOf, PROBE_ITEMS } from './fingerprint.ts';
import { resolveImageModel } from './imageModel.ts';
import { type LoadedModel, loadModel } from './loadedModel.ts';
import { findBeside, type ImageSettings, PREPROCESSOR_FILE, readPreprocessorConfig } from './preprocessorConfig.ts';
import { badRun, imageRunner } from './runModel.ts';

/** A loaded model, of ONNX Runtime or TensorFlow.js. */
export interface ModelCheckpoint {
  readonly kind: 'onnx' | 'tfjs-layers' | 'tfjs-graph';
  readonly name: string;
  /** As the user gave it. */
  readonly path: string;
  readonly dimension: number;
  /** What was assumed, for people. */
  readonly notes: readonly string[];
  readonly encoder: ImageEncoder;
  /** See `fingerprintOf`. */
  fingerprint(): Promise<string>;
  /** sha256 (hex) of the model's bytes, its weights elsewhere, output and preprocessing: equal means equal vectors. */
  contentHash(): Promise<string>;
  close(): Promise<void>;
}

/** The way from decoded images to vectors. */
export interface ImageEncoder {
  readonly takes: 'images';
  readonly preprocessing: Preprocessing;
  /** Items a run: what the model is fixed at, or what its runtime bears; null: any number. */
  readonly fixedBatch: number | null;
  readonly largestBatch: number | null;
  /**
   * Runs the model on `count` inputs ([count, ...] row-major, as the decoder makes them).
   * @returns count x dimension
   */
  run(inputs: Float32Array, count: number): Promise<Float32Array>;
}

/** See `openCheckpoint`. */
export async function openModelCheckpoint(
  name: string,
  definition: ModelCheckpointDefinition,
  baseFolder: string,
  options: { threads?: number | null },
): Promise<ModelCheckpoint> {
  const model = await loadModel(path.resolve(baseFolder, definition.model), options.threads ?? null);
  try {
    return await imageCheckpoint(name, definition, baseFolder, model);
  } catch (error) {
    await model.session.release();
    throw error;
  }
}

async function imageCheckpoint(
  name: string,
  definition: ModelCheckpointDefinition,
  baseFolder: string,
  loaded: LoadedModel,
): Promise<ModelCheckpoint> {
  const { session, file } = loaded;
  const model = resolveImageModel(session.inputs, session.outputs, {
    file,
    output: definition.output,
    ...(await imageSettings(definition, baseFolder, file)),
  });
  const run = imageRunner(session, model, file);
  const probes = await run(probeInputs(model.preprocessing), PROBE_ITEMS);
  const dimension = probes.length / PROBE_ITEMS;
  let hashed: Promise<string> | null = null;
  return {
    kind: loaded.kind,
    name,
    path: definition.model,
    dimension,
    notes: [...loaded.notes, ...model.notes],
    encoder: {
      takes: 'images',
      preprocessing: model.preprocessing,
      fixedBatch: model.fixedBatch,
      largestBatch: loaded.largestBatch,
      run: async (inputs, count) => {
        const vectors = await run(inputs, count);
        if (vectors.length !== count * dimension) {
          const remedy = 'Export the model with one vector of a fixed length for each item.';
          throw badRun(file, `gave ${vectors.length} numbers for ${count} items, ${dimension} an item before`, remedy);
        }
        return vectors;
      },
    },
    fingerprint: async () => fingerprintOf(probes, dimension),
    contentHash() {
      hashed ??= hashModel(loaded, [model.input, model.output, model.preprocessing]);
      return hashed;
    },
    close: () => session.release(),
  };
}

/** What the config says, or the file that it names, or the file beside the model. */
export async function imageSettings(
  { preprocess }: Pick<ModelCheckpointDefinition, 'preprocess'>,
  baseFolder: string,
  model: string,
): Promise<{ preprocess?: ImageSettings; preprocessFile?: string }> {
  if (typeof preprocess === 'object') return { preprocess };
  const file =
    preprocess === undefined ? await findBeside(model, PREPROCESSOR_FILE) : path.resolve(baseFolder, preprocess);
  if (file === null) return {};
  return { preprocess: await readPreprocessorConfig(file), preprocessFile: file };
}

async function hashModel(loaded: LoadedModel, settings: unknown): Promise<string> {
  const hash = createHash('sha256');
  hash.update(`backcompat.model 2\n${JSON.stringify(settings)}\n`);
  await loaded.hash(hash);
  return hash.digest('hex');
}

/** Pixels of the probe items: noise, the same for every model of that input size. */
function probeInputs(preprocessing: Preprocessing): Float32Array {
  const { height, width, channels } = preprocessing;
  const random = createRandom(0, 'fingerprint');
  const pixels = Uint8Array.from({ length: PROBE_ITEMS * height * width * channels }, () => random.integer(256));
  return preprocessPixels(pixels, PROBE_ITEMS, preprocessing);
}
