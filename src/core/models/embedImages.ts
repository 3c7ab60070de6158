import { throwIfCancelled } from '../contract/errors.ts';
import { createImageDecoder } from '../data/decodeImage.ts';
import type { ImageContent } from '../data/itemSet.ts';
import type { BatchOptions } from './embedItems.ts';
import type { ImageEncoder } from './modelCheckpoint.ts';

const DEFAULT_BATCH = 64;
/** Of a batch in memory, 256 MiB: large images go in smaller batches. */
const MAX_BATCH_VALUES = 2 ** 26;

interface Batch {
  inputs: Float32Array;
  count: number;
}

/** Vectors of all images, in order, a batch at a time; the next batch decodes in other threads while the model runs. */
export async function* imageVectors(
  { preprocessing, fixedBatch, largestBatch, run }: ImageEncoder,
  total: number,
  images: ImageContent,
  options: BatchOptions,
): AsyncGenerator<Float32Array> {
  const { progress, signal } = options;
  const { height, width, channels } = preprocessing;
  const imageValues = height * width * channels;
  const fitting = Math.max(1, Math.floor(MAX_BATCH_VALUES / imageValues));
  const wanted = fixedBatch ?? options.batchSize ?? Math.min(largestBatch ?? DEFAULT_BATCH, fitting);
  const batchSize = Math.min(wanted, total);
  const decoder = createImageDecoder(images, preprocessing);
  // Two buffers: one is being decoded into while the model reads the other.
  const buffers = [new Float32Array(batchSize * imageValues), new Float32Array(batchSize * imageValues)] as const;
  const decode = (start: number): Promise<Batch> => {
    const count = Math.min(batchSize, total - start);
    const inputs = buffers[(start / batchSize) % 2] as Float32Array;
    const indices = Array.from({ length: count }, (_, index) => start + index);
    const work = decoder
      .decode(indices, inputs)
      .then(() => ({ inputs: inputs.subarray(0, count * imageValues), count }));
    // Awaited later, after the model ran: a failure until then is not an unhandled one.
    work.catch(() => {});
    return work;
  };

  let pending: Promise<Batch> = decode(0);
  try {
    for (let start = 0; start < total; start += batchSize) {
      throwIfCancelled(signal);
      const { inputs, count } = await pending;
      if (start + batchSize < total) pending = decode(start + batchSize);
      yield await run(inputs, count);
      progress.update(start + count, total, 'items');
      await progress.breathe();
    }
  } finally {
    // Files stay open until the last decoding is through with them.
    await pending.catch(() => {});
    await decoder.close();
  }
}
