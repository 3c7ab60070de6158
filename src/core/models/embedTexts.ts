import { throwIfCancelled } from '../contract/errors.ts';
import type { TextContent } from '../data/itemSet.ts';
import type { BatchOptions } from './embedItems.ts';
import type { TextEncoder } from './modelCheckpoint.ts';

/** Texts that are sorted by their length together: enough that little is padded, few enough to stay small. */
const WINDOW = 4096;
const DEFAULT_BATCH = 64;
/** Tokens a run, padding counted, unless the batch is said: attention over 16 texts of 512 tokens takes some 200 MB. */
const BATCH_TOKENS = 8192;

/**
 * Vectors of all texts, in order, a window at a time: the texts of a window go through the model longest first, so that
 * those of a batch are about as long as one another.
 */
export async function* textVectors(
  encoder: TextEncoder,
  count: number,
  texts: TextContent,
  { batchSize, progress, signal }: BatchOptions,
): AsyncGenerator<Float32Array> {
  for (let start = 0; start < count; start += WINDOW) {
    const size = Math.min(WINDOW, count - start);
    const tokens: Int32Array[] = [];
    for (let item = 0; item < size; item++) {
      tokens.push(encoder.tokenise(texts.text(start + item)));
      if (item % 256 === 0) {
        throwIfCancelled(signal);
        await progress.breathe();
      }
    }
    const order = Array.from(tokens.keys()).sort(
      (a, b) => (tokens[b] as Int32Array).length - (tokens[a] as Int32Array).length || a - b,
    );
    let vectors: Float32Array | null = null;
    for (let done = 0; done < size; ) {
      throwIfCancelled(signal);
      const longest = (tokens[order[done] as number] as Int32Array).length;
      const fitting = Math.max(1, Math.floor(BATCH_TOKENS / longest));
      const rows = batchSize ?? encoder.fixedBatch ?? Math.min(encoder.largestBatch ?? DEFAULT_BATCH, fitting);
      const batch = order.slice(done, done + rows);
      const result = await encoder.run(batch.map((item) => tokens[item] as Int32Array));
      const dimension = result.length / batch.length;
      vectors ??= new Float32Array(size * dimension);
      for (const [row, item] of batch.entries()) {
        vectors.set(result.subarray(row * dimension, (row + 1) * dimension), item * dimension);
      }
      done += batch.length;
      progress.update(start + done, count, 'items');
      await progress.breathe();
    }
    if (vectors !== null) yield vectors;
  }
}
