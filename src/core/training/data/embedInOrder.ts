import type { Trainer } from '../trainer.ts';
import type { BatchSource } from './batchSource.ts';

/**
 * The present model's vectors of all items of a source, in their order.
 * @param between called after each batch: lets heartbeat and cancellation through
 * @returns items x dimension
 */
export async function embedInOrder(
  source: Pick<BatchSource, 'items' | 'inOrder'>,
  trainer: Pick<Trainer, 'embed'>,
  between: { signal?: AbortSignal; breathe(): Promise<void> },
): Promise<Float32Array> {
  let vectors: Float32Array | null = null;
  let done = 0;
  for await (const batch of source.inOrder(between.signal)) {
    const part = await trainer.embed(batch);
    const dimension = part.length / batch.count;
    vectors ??= new Float32Array(source.items * dimension);
    vectors.set(part, done * dimension);
    done += batch.count;
    await between.breathe();
  }
  return vectors ?? new Float32Array(0);
}
