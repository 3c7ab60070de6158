import { access } from 'node:fs/promises';
import { BackcompatError, isCancellation, throwIfCancelled } from '../contract/errors.ts';
import type { Progress } from '../contract/runs.ts';
import { createNpyWriter, openNpy } from '../data/npy.ts';
import type { VectorSource } from '../data/vectorSource.ts';

export interface CachedTable {
  /** Absolute; its name is the hash of all that decides about the values. */
  file: string;
  /** For people. */
  name: string;
  count: number;
  dimension: number;
  progress: Progress;
  signal?: AbortSignal;
}

/**
 * A table of the cache, or one that is made now and appears there only when complete.
 * @param produce gives all rows in order, any number at a time
 */
export async function cachedVectors(
  { file, name, count, dimension, progress, signal }: CachedTable,
  produce: () => AsyncGenerator<Float32Array>,
): Promise<VectorSource> {
  const cached = await openCached(file, count, dimension, progress, signal);
  if (cached) {
    progress.log('info', `${name}: vectors taken from the cache.`);
    progress.update(count, count, 'items');
    return cached;
  }
  const writer = await createNpyWriter(file, count, dimension);
  try {
    for await (const rows of produce()) await writer.write(rows);
    await writer.finish();
  } finally {
    await writer.abort();
  }
  return openNpy(file);
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
