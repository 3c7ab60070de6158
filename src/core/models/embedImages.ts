import { createHash } from 'node:crypto';
import { access } from 'node:fs/promises';
import path from 'node:path';
import { BackcompatError, isCancellation, throwIfCancelled } from '../contract/errors.ts';
import type { Progress } from '../contract/runs.ts';
import { badRowsOf } from '../data/badRows.ts';
import { hashContent } from '../data/contentHash.ts';
import { createImageDecoder } from '../data/decodeImage.ts';
import type { ImageContent, ItemSet } from '../data/itemSet.ts';
import { createNpyWriter, openNpy } from '../data/npy.ts';
import type { VectorSource } from '../data/vectorSource.ts';
import type { ModelCheckpoint } from './modelCheckpoint.ts';

const DEFAULT_BATCH = 64;
/** Of a batch in memory, 256 MiB: large images go in smaller batches. */
const MAX_BATCH_VALUES = 2 ** 26;

export interface EmbedOptions {
  /** Where vectors of models are kept, by content; made when missing. */
  cacheFolder: string;
  /** Items a run of the model. Default 64; a model with a fixed batch ignores it. */
  batchSize?: number;
  progress: Progress;
  signal?: AbortSignal;
}

/**
 * Embeds images in batches, the next batch decoding in other threads while the model runs; the result
 * lies in the cache under the hash of model and content, and appears there only when complete.
 */
export async function embedImages(
  checkpoint: ModelCheckpoint,
  items: ItemSet,
  images: ImageContent,
  options: EmbedOptions,
): Promise<VectorSource> {
  const { progress, signal } = options;
  const name = `${checkpoint.name} on ${items.name}`;
  const hash = createHash('sha256').update(`backcompat.vectors 1\n${await checkpoint.contentHash()}\n`);
  await hashContent(hash, items, { signal, breathe: () => progress.breathe() });
  const file = path.join(options.cacheFolder, `${hash.digest('hex')}.npy`);

  const cached = await openCached(file, items.count, checkpoint.dimension, progress, signal);
  if (cached) {
    progress.log('info', `${name}: vectors taken from the cache.`);
    progress.update(items.count, items.count, 'items');
    return named(cached, name);
  }

  const { preprocessing, fixedBatch, largestBatch, run } = checkpoint.encoder;
  const { height, width, channels } = preprocessing;
  const imageValues = height * width * channels;
  const fitting = Math.max(1, Math.floor(MAX_BATCH_VALUES / imageValues));
  const wanted = fixedBatch ?? options.batchSize ?? Math.min(largestBatch ?? DEFAULT_BATCH, fitting);
  const batchSize = Math.min(wanted, items.count);
  const decoder = createImageDecoder(images, preprocessing);
  // Two buffers: one is being decoded into while the model reads the other.
  const buffers = [new Float32Array(batchSize * imageValues), new Float32Array(batchSize * imageValues)] as const;
  const decode = (start: number): Promise<Batch> => {
    const count = Math.min(batchSize, items.count - start);
    const inputs = buffers[(start / batchSize) % 2] as Float32Array;
    const indices = Array.from({ length: count }, (_, index) => start + index);
    const work = decoder
      .decode(indices, inputs)
      .then(() => ({ inputs: inputs.subarray(0, count * imageValues), count }));
    // Awaited later, after the model ran: a failure until then is not an unhandled one.
    work.catch(() => {});
    return work;
  };

  const writer = await createNpyWriter(file, items.count, checkpoint.dimension);
  let pending: Promise<Batch> = decode(0);
  try {
    for (let start = 0; start < items.count; start += batchSize) {
      throwIfCancelled(signal);
      const { inputs, count } = await pending;
      if (start + batchSize < items.count) pending = decode(start + batchSize);
      const vectors = await run(inputs, count);
      refuseBadVectors(vectors, checkpoint, items, start, count);
      await writer.write(vectors);
      progress.update(start + count, items.count, 'items');
      await progress.breathe();
    }
    await writer.finish();
  } finally {
    await writer.abort();
    // Files stay open until the last decoding is through with them.
    await pending.catch(() => {});
    await decoder.close();
  }
  return named(await openNpy(file), name);
}

interface Batch {
  inputs: Float32Array;
  count: number;
}

function named(source: VectorSource, name: string): VectorSource {
  return { ...source, name };
}

/** Opens a cached file and reads it once; anything wrong with it means that it is computed again. */
async function openCached(
  file: string,
  count: number,
  dimension: number,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<VectorSource | null> {
  try {
    await access(file);
  } catch {
    return null;
  }
  let source: VectorSource | null = null;
  try {
    source = await openNpy(file);
    if (source.count !== count || source.dimension !== dimension) {
      throw new BackcompatError('bad-file', `${file} has another shape than expected.`);
    }
    const rowsPerBlock = Math.max(1, Math.floor(2 ** 20 / dimension));
    const block = new Float32Array(rowsPerBlock * dimension);
    for (let start = 0; start < count; start += rowsPerBlock) {
      throwIfCancelled(signal);
      await source.read(start, Math.min(rowsPerBlock, count - start), block);
      await progress.breathe();
    }
    return source;
  } catch (error) {
    await source?.close();
    if (isCancellation(error)) throw error;
    progress.log('warning', `A cached file is damaged and is computed again: ${(error as Error).message}`);
    return null;
  }
}

function refuseBadVectors(
  vectors: Float32Array,
  checkpoint: ModelCheckpoint,
  items: ItemSet,
  start: number,
  count: number,
): void {
  const bad = badRowsOf(vectors, checkpoint.dimension, start, count);
  const item = bad.notFinite[0] ?? bad.zero[0];
  if (item === undefined) return;
  const what = bad.notFinite.length > 0 ? 'NaN or infinite values' : 'zeros only';
  const more = bad.total > 1 ? ` (and ${bad.total - 1} more of its batch)` : '';
  throw new BackcompatError(
    'bad-data',
    `Model ${JSON.stringify(checkpoint.name)} gives ${what} for item ${JSON.stringify(items.ids[item])}${more}.`,
    {
      place: { file: checkpoint.path, row: item + 1 },
      remedy: 'Look at the image and at "preprocess"; a half-precision model may overflow.',
    },
  );
}
