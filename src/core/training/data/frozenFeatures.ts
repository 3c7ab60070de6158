import { createHash } from 'node:crypto';
import path from 'node:path';
import { BackcompatError } from '../../contract/errors.ts';
import { hashContent } from '../../data/contentHash.ts';
import type { ItemSet } from '../../data/itemSet.ts';
import { cachedVectors } from '../../models/cachedVectors.ts';
import type { EmbedOptions } from '../../models/embedItems.ts';
import type { TrainingBatch } from '../trainer.ts';
import type { BatchInputs, BatchSource } from './batchSource.ts';

/** The part of a model below its first trained weight. */
export interface FrozenTrunk {
  /** What it hands to the trained part, and the shape that one item has in it. */
  readonly outputs: readonly { name: string; shape: readonly number[] }[];
  /** Changes with everything that decides about its values but the items: weights, preprocessing. */
  readonly identity: string;
  /** @returns by name, [count, ...shape] row-major */
  run(batch: TrainingBatch): Promise<Readonly<Record<string, Float32Array>>>;
}

/**
 * Runs the frozen trunk over all items once; with the same items and trunk the values come from the cache. Only where images are
 * not varied: each variation has features of its own.
 * @param source of these items with the trunk's inputs
 * @returns inputs for the trained part alone. Close their `vectors` when done
 * @throws BackcompatError `bad-data` for features that are not finite; of the source
 */
export async function frozenFeatures(
  items: ItemSet,
  source: Pick<BatchSource, 'inOrder'>,
  trunk: FrozenTrunk,
  { cacheFolder, progress, signal }: EmbedOptions,
): Promise<Extract<BatchInputs, { kind: 'vectors' }>> {
  const sizes = trunk.outputs.map(({ shape }) => shape.reduce((product, axis) => product * axis, 1));
  // A row begins with 1: tables of vectors have no rows of zeros, and features behind a Relu may be that.
  const dimension = 1 + sizes.reduce((sum, size) => sum + size, 0);
  const shapes = JSON.stringify(trunk.outputs);
  const hash = createHash('sha256').update(`backcompat.features 1\n${trunk.identity}\n${shapes}\n`);
  await hashContent(hash, items, { signal, breathe: () => progress.breathe() });
  const file = path.join(cacheFolder, `${hash.digest('hex')}.npy`);

  async function* rows(): AsyncGenerator<Float32Array> {
    let done = 0;
    for await (const batch of source.inOrder(signal)) {
      const features = await trunk.run(batch);
      const made = new Float32Array(batch.count * dimension);
      for (let row = 0; row < batch.count; row++) {
        let at = row * dimension;
        made[at++] = 1;
        for (const [k, { name }] of trunk.outputs.entries()) {
          const size = sizes[k] as number;
          made.set((features[name] as Float32Array).subarray(row * size, (row + 1) * size), at);
          at += size;
        }
      }
      refuseNotFinite(made, dimension, items, done);
      yield made;
      done += batch.count;
      progress.update(done, items.count, 'items');
      await progress.breathe();
    }
  }

  const table = { file, name: `Features of ${items.name}`, count: items.count, dimension, progress, signal };
  return {
    kind: 'vectors',
    vectors: await cachedVectors(table, rows),
    start: 1,
    parts: trunk.outputs.map(({ name, shape }) => ({ input: name, shape })),
  };
}

function refuseNotFinite(rows: Float32Array, dimension: number, items: ItemSet, first: number): void {
  const at = rows.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const id = items.ids[first + Math.floor(at / dimension)];
  throw new BackcompatError(
    'bad-data',
    `The frozen part of the model gives NaN or infinite values for ${JSON.stringify(id)}.`,
    {
      remedy: 'Look at the item and at "preprocess".',
    },
  );
}
