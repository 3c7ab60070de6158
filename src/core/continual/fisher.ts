import { throwIfCancelled } from '../contract/errors.ts';
import type { WeightMemory } from '../training/objectives/weightPenalty.ts';
import type { Trainer, TrainingBatch } from '../training/trainer.ts';

/**
 * The diagonal of the empirical Fisher information of the model's weights: the mean over items of the squared gradient of the
 * log-likelihood of their label, item by item (Kirkpatrick et al., PNAS 2017, with the data's labels).
 * @param trainer with the classification loss alone as its objective
 * @param batches of one item each; at most 1,000 are asked for by the sessions
 * @param names of the model's weights: rows of a head are no part of what is kept
 * @returns one array a weight that a gradient reached; values at least 0
 */
export async function fisherDiagonal(
  trainer: Pick<Trainer, 'gradients'>,
  batches: AsyncIterable<TrainingBatch> | Iterable<TrainingBatch>,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<Record<string, Float32Array>> {
  const sums = new Map<string, Float64Array>();
  let items = 0;
  for await (const batch of batches) {
    throwIfCancelled(signal);
    const { gradients } = await trainer.gradients(batch);
    for (const name of names) {
      const gradient = gradients[name];
      if (gradient === undefined) continue;
      const total = sums.get(name) ?? new Float64Array(gradient.length);
      gradient.forEach((value, k) => {
        total[k] = (total[k] as number) + value * value;
      });
      sums.set(name, total);
    }
    items++;
  }
  return Object.fromEntries([...sums].map(([name, total]) => [name, Float32Array.from(total, (sum) => sum / items)]));
}

/** What is kept after one more session: its weights, and its Fisher information beside that of the sessions before, summed. */
export function extendMemory(
  before: WeightMemory,
  weights: Readonly<Record<string, { shape: readonly number[]; data: Float32Array }>>,
  fisher: Readonly<Record<string, Float32Array>>,
): WeightMemory {
  return Object.fromEntries(
    Object.entries(fisher).flatMap(([name, own]) => {
      const now = weights[name];
      const known = before[name]?.fisher;
      if (now === undefined) return [];
      return [
        [name, { shape: now.shape, weights: now.data, fisher: own.map((value, k) => value + (known?.[k] ?? 0)) }],
      ];
    }),
  );
}
