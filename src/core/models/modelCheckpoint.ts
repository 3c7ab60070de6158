import { createHash } from 'node:crypto';
import path from 'node:path';
import type { ModelCheckpointDefinition } from '../config/schema.ts';
import type { Preprocessing } from '../data/decodeImage.ts';
import { hashFile } from '../data/files.ts';
import { preprocessPixels } from '../data/imageInput.ts';
import type { Session } from '../engine/session.ts';
import { createRandom } from '../numeric/random.ts';
import { fingerprintOf, PROBE_ITEMS } from './fingerprint.ts';
import { resolveImageModel } from './imageModel.ts';
import { type LoadedModel, loadModel } from './loadedModel.ts';
import { findBeside, type ImageSettings, PREPROCESSOR_FILE, readPreprocessorConfig } from './preprocessorConfig.ts';
import { badRun, imageRunner } from './runModel.ts';
import { type TextFeeds, textFeeds, textRunner } from './runTexts.ts';
import { readSentenceModules } from './sentenceModules.ts';
import { resolveTextModel, type TextModel, takesTexts } from './textModel.ts';
import { openTokenizer, type TextTokenizer } from './tokenizer.ts';
import type { TokenPooling } from './trainable/tokenPooling.ts';

/** A loaded model, of ONNX Runtime or TensorFlow.js. */
export interface ModelCheckpoint {
  readonly kind: 'onnx' | 'tfjs-layers' | 'tfjs-graph';
  readonly name: string;
  /** As the user gave it. */
  readonly path: string;
  readonly dimension: number;
  /** Name of the output that is the embedding, or that it is pooled from. */
  readonly output: string;
  /** What was assumed, for people. */
  readonly notes: readonly string[];
  readonly encoder: ImageEncoder | TextEncoder;
  /** See `fingerprintOf`. */
  fingerprint(): Promise<string>;
  /** sha256 (hex) of the model's bytes, its weights elsewhere, output and preprocessing: equal means equal vectors. */
  contentHash(): Promise<string>;
  close(): Promise<void>;
}

/** The way from texts to vectors. */
export interface TextEncoder {
  readonly takes: 'texts';
  readonly fixedBatch: number | null;
  readonly largestBatch: number | null;
  /** How vectors of tokens become one; null: the model gives one vector a text. */
  readonly pooling: TokenPooling | null;
  /** Ids of a text's tokens, special ones included. */
  tokenise(text: string): Int32Array;
  /** The model's inputs of texts given by their tokens, padded to the longest. */
  readonly feeds: TextFeeds;
  /** @returns vectors of texts given by their tokens, texts.length x dimension */
  run(texts: readonly Int32Array[]): Promise<Float32Array>;
}

/** The way from decoded images to vectors. */
export interface ImageEncoder {
  readonly takes: 'images';
  /** Name of the model's input. */
  readonly input: string;
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
    const open = takesTexts(model.session.inputs) ? textCheckpoint : imageCheckpoint;
    return await open(name, definition, baseFolder, model);
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
  return checkpointOf(name, definition, loaded, {
    output: model.output,
    notes: model.notes,
    probes,
    settings: [model.input, model.output, model.preprocessing],
    files: [],
    encoder: (checked) => ({
      takes: 'images',
      input: model.input,
      preprocessing: model.preprocessing,
      fixedBatch: model.fixedBatch,
      largestBatch: loaded.largestBatch,
      run: async (inputs, count) => checked(await run(inputs, count), count),
    }),
  });
}

async function textCheckpoint(
  name: string,
  definition: ModelCheckpointDefinition,
  baseFolder: string,
  loaded: LoadedModel,
): Promise<ModelCheckpoint> {
  const { session, file } = loaded;
  const { model, tokenizer, normalises, notes } = await openTextModel(session, definition, baseFolder, file);
  const run = textRunner(session, model, { padId: tokenizer.padId, normalises }, file);
  const probes = await run(PROBE_TEXTS.map((text) => tokenizer.encode(text)));
  return checkpointOf(name, definition, loaded, {
    output: model.output,
    notes,
    probes,
    settings: [model.output, model.pooling, tokenizer.maxTokens, normalises],
    files: tokenizer.files,
    encoder: (checked) => ({
      takes: 'texts',
      pooling: model.pooling === null ? null : { kind: model.pooling, mask: model.mask },
      fixedBatch: model.fixedBatch,
      largestBatch: loaded.largestBatch,
      tokenise: tokenizer.encode,
      feeds: textFeeds(model, tokenizer.padId),
      run: async (texts) => checked(await run(texts), texts.length),
    }),
  });
}

interface CheckpointParts {
  output: string;
  notes: readonly string[];
  /** Vectors of the probe items. */
  probes: Float32Array;
  /** What else decides about vectors. */
  settings: unknown;
  files: readonly string[];
  /** @param checked passes vectors on that have the length of the probes' */
  encoder: (checked: (vectors: Float32Array, count: number) => Float32Array) => ModelCheckpoint['encoder'];
}

function checkpointOf(
  name: string,
  definition: ModelCheckpointDefinition,
  loaded: LoadedModel,
  { output, notes, probes, settings, files, encoder }: CheckpointParts,
): ModelCheckpoint {
  const dimension = probes.length / PROBE_ITEMS;
  const checked = (vectors: Float32Array, count: number): Float32Array => {
    if (vectors.length === count * dimension) return vectors;
    const remedy = 'Export the model with one vector of a fixed length for each item.';
    const what = `gave ${vectors.length} numbers for ${count} items, ${dimension} an item before`;
    throw badRun(loaded.file, what, remedy);
  };
  let hashed: Promise<string> | null = null;
  return {
    kind: loaded.kind,
    name,
    path: definition.model,
    dimension,
    output,
    notes: [...loaded.notes, ...notes],
    encoder: encoder(checked),
    fingerprint: async () => fingerprintOf(probes, dimension),
    contentHash() {
      hashed ??= hashModel(loaded, settings, files);
      return hashed;
    },
    close: () => loaded.session.release(),
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

/** How texts go into a model: its inputs and outputs, its tokenizer, what lies beside it. */
export async function openTextModel(
  { inputs, outputs }: Pick<Session, 'inputs' | 'outputs'>,
  definition: Pick<ModelCheckpointDefinition, 'output' | 'pooling' | 'tokenizer' | 'maxTokens'>,
  baseFolder: string,
  file: string,
): Promise<{ model: TextModel; tokenizer: TextTokenizer; normalises: boolean; notes: string[] }> {
  const { output, pooling, tokenizer: named, maxTokens } = definition;
  const modules = pooling === undefined ? await readSentenceModules(file) : null;
  const model = resolveTextModel(inputs, outputs, { file, output, pooling: pooling ?? modules?.pooling ?? null });
  if (model.pooling !== null && modules?.problem) throw modules.problem;
  const tokenizer = await openTokenizer({
    model: file,
    tokenizer: named === undefined ? undefined : path.resolve(baseFolder, named),
    maxTokens,
    fixedTokens: model.fixedTokens,
  });
  // A finished vector went through these steps already.
  const applied = model.pooling === null ? null : modules;
  const notes = [...model.notes, ...tokenizer.notes, ...(applied?.notes ?? [])];
  return { model, tokenizer, normalises: applied?.normalises ?? false, notes };
}

async function hashModel(loaded: LoadedModel, settings: unknown, files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  hash.update(`backcompat.model 2\n${JSON.stringify(settings)}\n`);
  await loaded.hash(hash);
  for (const file of files) {
    hash.update('\nfile\n');
    await hashFile(hash, file, 'The file');
  }
  return hash.digest('hex');
}

/** Short and long, in several scripts, the same for every text model. */
const PROBE_TEXTS = [
  'a',
  'The old map and the new one are compared.',
  'red shoes, size 42',
  '3.14159',
  'Ein Stra\u00dfencaf\u00e9 in Z\u00fcrich',
  '\u56fe\u4e66\u9986',
  'one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen',
  'UPPER lower MiXeD?!',
];

/** Pixels of the probe items: noise, the same for every model of that input size. */
function probeInputs(preprocessing: Preprocessing): Float32Array {
  const { height, width, channels } = preprocessing;
  const random = createRandom(0, 'fingerprint');
  const pixels = Uint8Array.from({ length: PROBE_ITEMS * height * width * channels }, () => random.integer(256));
  return preprocessPixels(pixels, PROBE_ITEMS, preprocessing);
}
