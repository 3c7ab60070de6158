import path from 'node:path';
import { configError, type LoadedConfig } from '../../config/loadConfig.ts';
import type { ModelCheckpointDefinition, PreprocessDefinition, TrainingDefinition } from '../../config/schema.ts';
import { BackcompatError } from '../../contract/errors.ts';
import { MAX_IMAGE_PIXELS, type Preprocessing, sharp } from '../../data/decodeImage.ts';
import type { ItemSet } from '../../data/itemSet.ts';
import { openCheckpoint } from '../../models/checkpoint.ts';
import type { ModelCheckpoint } from '../../models/modelCheckpoint.ts';
import type { Augmentation, BatchInputs } from '../../training/data/batchSource.ts';
import { checkpointInputs } from '../../training/data/checkpointInputs.ts';
import type { TrainingStart } from '../../training/trainer.ts';
import { namedCheckpoint } from '../namedCheckpoint.ts';

/** Larger images are shrunk to it where nobody says a size: what most networks take. */
const LARGEST_SIDE = 224;

/** Where a training starts, and how items go into it. */
export interface OpenStart {
  start: TrainingStart;
  engine: 'onnx' | 'tfjs';
  /** Of the embedding. */
  dimension: number;
  /** @throws BackcompatError `bad-data` for items of another kind than the model takes */
  inputsOf(items: ItemSet, augmentation: Augmentation | null): BatchInputs;
  /** What a checkpoint of the result says beside its file, paths absolute. */
  definition: Omit<ModelCheckpointDefinition, 'model' | 'head'>;
  /** Changes when the start does. */
  identity: string;
  notes: readonly string[];
}

/** What a training block, or a block of sessions, says of its start. */
export interface StartSettings {
  name: string;
  block: Pick<TrainingDefinition, 'from' | 'dimension' | 'preprocess' | 'engine' | 'old'>;
  seed: number;
  /** Of the config; default `training`. */
  key?: 'training' | 'sessions';
}

/**
 * @param items of the training: what images they are, where nobody says
 * @param old the old model, whose preprocessing a built-in network takes over; null: none, or a table
 * @throws BackcompatError of the checkpoint that it starts from, or `bad-config` for what a built-in network cannot know
 */
export async function openStart(
  loaded: LoadedConfig,
  { name, block, seed, key = 'training' }: StartSettings,
  items: ItemSet,
  old: ModelCheckpoint | null,
  threads: number | null,
): Promise<OpenStart> {
  if (!block.from.startsWith('builtin:')) {
    const opened = await startOfCheckpoint(loaded, block.from, threads);
    return fittingEngine(loaded, [key, name], block.engine, opened);
  }
  const preprocess = await preprocessOfBuiltin(block.preprocess, old, items);
  const preprocessing = preprocessingOf(preprocess);
  const { height, width, channels } = preprocessing;
  const network = block.from.slice('builtin:'.length) as 'convnet' | 'resnet18';
  const { dimension } = block;
  if (dimension === undefined) {
    throw new BackcompatError('bad-config', `The block ${JSON.stringify(name)} gives no dimension.`);
  }
  return fittingEngine(loaded, [key, name], block.engine, {
    start: { kind: 'builtin', name: network, dimension, channels, height, width, seed },
    engine: 'onnx',
    dimension,
    inputsOf({ name, images }, augmentation) {
      if (images === null) throw noImages(name);
      return { kind: 'images', input: 'images', images, preprocessing, augmentation };
    },
    definition: { preprocess },
    identity: JSON.stringify([block.from, dimension, preprocess]),
    notes: sharedStart(loaded, block, seed),
  });
}

/** Two models that were initialised alike stay nearer to each other than models that meet in practice. */
function sharedStart({ config }: LoadedConfig, block: StartSettings['block'], seed: number): string[] {
  const old = config.training?.[block.old ?? ''];
  const isShared = old?.from === block.from && old.dimension === block.dimension && (old.seed ?? 0) === seed;
  if (!isShared) return [];
  return [
    `${JSON.stringify(block.old)} was initialised with the same weights (seed ${seed}), which favours compatibility: another "seed" here makes the comparison fair.`,
  ];
}

/** Each engine trains files of its own kind. @throws BackcompatError `bad-config` */
function fittingEngine(
  loaded: LoadedConfig,
  block: [key: string, name: string],
  wanted: 'onnx' | 'tfjs' | undefined,
  opened: OpenStart,
): OpenStart {
  if (wanted === undefined || wanted === opened.engine) return opened;
  const what = opened.start.kind === 'builtin' ? 'A built-in network' : opened.start.file;
  throw configError(
    loaded,
    [...block, 'engine'],
    `${what} is trained by "${opened.engine}", not by "${wanted}".`,
    'Remove "engine", or start from a model of the other kind.',
  );
}

async function startOfCheckpoint(loaded: LoadedConfig, name: string, threads: number | null): Promise<OpenStart> {
  const { definition, folder } = await namedCheckpoint(loaded, name);
  if ('vectors' in definition) {
    throw new BackcompatError(
      'bad-config',
      `${JSON.stringify(name)} is a table of vectors: there is nothing to train.`,
      {
        remedy: 'Start from a model file or a built-in network; a table can be the old model, or be adapted.',
      },
    );
  }
  const checkpoint = await openCheckpoint(name, definition, folder, { threads });
  if (checkpoint.kind === 'table') throw new BackcompatError('internal', 'A model was opened as a table.');
  const { model: _model, head: _head, ...rest } = definition;
  const absolute = (file: string | undefined) => (file === undefined ? undefined : path.resolve(folder, file));
  const { preprocess, tokenizer } = rest;
  try {
    return {
      start: {
        kind: 'file',
        file: path.resolve(folder, definition.model),
        output: checkpoint.output,
        pooling: checkpoint.encoder.takes === 'texts' ? checkpoint.encoder.pooling : null,
      },
      engine: checkpoint.kind === 'onnx' ? 'onnx' : 'tfjs',
      dimension: checkpoint.dimension,
      inputsOf: (items, augmentation) => checkpointInputs(checkpoint, items, augmentation),
      definition: {
        ...rest,
        ...(typeof preprocess === 'string' ? { preprocess: absolute(preprocess) } : {}),
        ...(tokenizer === undefined ? {} : { tokenizer: absolute(tokenizer) }),
      },
      identity: await checkpoint.contentHash(),
      notes: checkpoint.notes,
    };
  } finally {
    await checkpoint.close();
  }
}

/** Everything that the config leaves open filled in: what the result's checkpoint says. */
async function preprocessOfBuiltin(
  given: PreprocessDefinition | undefined,
  old: ModelCheckpoint | null,
  items: ItemSet,
): Promise<Required<PreprocessDefinition>> {
  if (old?.encoder.takes === 'images') {
    const { height, width, channels, mean, std, resize } = old.encoder.preprocessing;
    const fromOld = { size: [height, width] as [number, number], channels, mean: [...mean], std: [...std] };
    return { ...fromOld, resize: resize === 'fill' ? 'fill' : 'crop', ...withoutUndefined(given ?? {}) };
  }
  const { size, channels } = given?.size && given.channels ? given : await sizeOfFirst(items);
  const found = { size: size as [number, number], channels: channels as 1 | 3 };
  return { mean: [0.5], std: [0.5], resize: 'crop', ...found, ...withoutUndefined(given ?? {}) };
}

function noImages(name: string): BackcompatError {
  return new BackcompatError('bad-data', `${name} has no images, which built-in networks take.`, {
    remedy: 'Use a dataset of "images", "idx" or "manifest", or start from a checkpoint.',
  });
}

async function sizeOfFirst(items: ItemSet): Promise<{ size: [number, number]; channels: 1 | 3 }> {
  const source = items.images?.source(0);
  if (source === undefined) throw noImages(items.name);
  if (source.kind === 'raw') return { size: [source.height, source.width], channels: 1 };
  try {
    const { height, width, channels } = await sharp()(source.path, { limitInputPixels: MAX_IMAGE_PIXELS }).metadata();
    const shrink = Math.min(1, LARGEST_SIDE / Math.max(height, width));
    return { size: [Math.round(height * shrink), Math.round(width * shrink)], channels: channels >= 3 ? 3 : 1 };
  } catch (cause) {
    throw new BackcompatError('bad-file', `The image ${source.path} cannot be read.`, {
      place: { file: source.path },
      remedy: 'Repair or remove it, or say "preprocess" with "size" and "channels" in the training block.',
      cause,
    });
  }
}

function preprocessingOf({ size, channels, mean, std, resize }: Required<PreprocessDefinition>): Preprocessing {
  const [height, width] = size;
  const each = (values: readonly number[]) =>
    Array.from({ length: channels }, (_, channel) => (values[channel] ?? values[0]) as number);
  return { height, width, channels, mean: each(mean), std: each(std), resize, layout: 'nchw' };
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as never;
}
