import type { ItemSet } from '../../data/itemSet.ts';
import { normaliseRows } from '../../numeric/normaliseRows.ts';
import { createBatchSource } from '../../training/data/createBatchSource.ts';
import { embedInOrder } from '../../training/data/embedInOrder.ts';
import type { Trainer } from '../../training/trainer.ts';
import type { SessionTask } from './sessionTask.ts';

/** Vectors of the present model, a row an item, L2-normalised. */
export async function embedItems(
  { run, hooks: { progress, signal } }: SessionTask,
  trainer: Trainer,
  items: ItemSet,
): Promise<Float32Array> {
  const { batchSize, seed } = run.settings;
  const inputs = run.start.inputsOf(items, null);
  const source = createBatchSource(items, { inputs, fields: {}, batchSize, seed, itemsPerClass: null });
  try {
    const vectors = await embedInOrder(source, trainer, { signal, breathe: () => progress.breathe() });
    normaliseRows(vectors, trainer.dimension);
    return vectors;
  } finally {
    await source.close();
  }
}
