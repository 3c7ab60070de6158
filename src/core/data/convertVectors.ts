import { createHash } from 'node:crypto';
import path from 'node:path';
import { BackcompatError, isCancellation, throwIfCancelled } from '../contract/errors.ts';
import type { Progress } from '../contract/runs.ts';
import { fileSize, hashFile } from './files.ts';
import { createNpyWriter, type NpyWriter, openNpy } from './npy.ts';
import type { VectorStream } from './vectorArray.ts';
import type { VectorSource } from './vectorSource.ts';

/** Up to this a table may come out of a file of any size. */
const ALWAYS_BYTES = 2 ** 26;

/**
 * Vectors that are learnt hardly pack at all, sparse ones perhaps 50 times; deflate packs zeros 1,000 times. A file that
 * unpacks to more than this times its size would fill the disk, not be audited.
 */
const MAX_EXPANSION = 250;

export interface ConvertOptions {
  /** Where converted tables are kept, by content; made when missing. */
  cacheFolder: string;
  progress?: Progress;
  signal?: AbortSignal;
}

/**
 * A table that cannot be read in place, as an npy file in the cache: written once, block by block, under the hash
 * of the file's content and of what is read from it; there only when complete.
 * @param array what is read from the file
 * @param label for messages
 * @throws BackcompatError `bad-file` for a file that unpacks to more than its limit; errors of the stream; `cancelled`
 */
export async function convertVectors(
  file: string,
  array: string,
  label: string,
  stream: VectorStream,
  { cacheFolder, progress, signal }: ConvertOptions,
): Promise<VectorSource> {
  const hash = createHash('sha256').update(`backcompat.table 1\n${JSON.stringify(array)}\n`);
  await hashFile(hash, file, 'The vector file');
  const converted = path.join(cacheFolder, `${hash.digest('hex')}.npy`);
  const cached = await openConverted(converted, { label, source: file });
  if (cached !== null) return cached;

  const limit = Math.max(ALWAYS_BYTES, MAX_EXPANSION * (await fileSize(file, 'The vector file')));
  const refuseBeyond = (rows: number, dimension: number): void => {
    if (4 * rows * dimension <= limit) return;
    throw new BackcompatError(
      'bad-file',
      `${label} unpacks to more than ${limit.toLocaleString('en')} bytes of vectors (${MAX_EXPANSION} times its size), so it is not unpacked.`,
      { place: { file }, remedy: 'If its vectors are really so alike, save them as npy.' },
    );
  };
  if (stream.dimension !== null) refuseBeyond(stream.count ?? 0, stream.dimension);
  let writer: NpyWriter | null = null;
  let rows = 0;
  try {
    for await (const { values, dimension } of stream.blocks()) {
      throwIfCancelled(signal);
      if (writer === null) {
        refuseBeyond(stream.count ?? 0, dimension);
        progress?.log('info', `${label}: converted to float32 rows in the cache, once.`);
        writer = await createNpyWriter(converted, stream.count, dimension);
      }
      rows += values.length / dimension;
      refuseBeyond(rows, dimension);
      await writer.write(values);
      progress?.update(rows, stream.count ?? rows, 'rows');
      await progress?.breathe();
    }
    if (writer === null) {
      throw new BackcompatError('bad-data', `${label} holds no vectors.`, {
        place: { file },
        remedy: 'Export it again, one vector a row.',
      });
    }
    await writer.finish();
  } finally {
    await writer?.abort();
  }
  return openNpy(converted, { label, source: file });
}

/** A damaged file of the cache is written again. */
async function openConverted(file: string, named: { label: string; source: string }): Promise<VectorSource | null> {
  try {
    return await openNpy(file, named);
  } catch (error) {
    if (isCancellation(error) || !(error instanceof BackcompatError)) throw error;
    return null;
  }
}
