import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ItemSet } from '../../src/core/data/itemSet.ts';
import { createBatchSource } from '../../src/core/training/data/createBatchSource.ts';
import { type FrozenTrunk, frozenFeatures } from '../../src/core/training/data/frozenFeatures.ts';
import type { TrainingBatch } from '../../src/core/training/trainer.ts';
import { errorOf, recordProgress, temporaryFolder } from '../fixtures/data/make.ts';

const words = ['zero', 'one', 'two', 'three', 'four', 'five', 'six'];

const items: ItemSet = {
  name: 'words',
  count: words.length,
  ids: words,
  labelOf: new Int32Array(words.length),
  classNames: ['word'],
  slices: new Map(),
  images: null,
  texts: { text: (item) => words[item] as string },
};

function source() {
  return createBatchSource(items, {
    inputs: {
      kind: 'texts',
      texts: { text: (item) => words[item] as string },
      tokenise: (text) => Int32Array.of(words.indexOf(text)),
      feeds: (texts) => ({ ids: { shape: [texts.length, 1], data: Int32Array.from(texts, ([id]) => id as number) } }),
    },
    fields: {},
    batchSize: 3,
    seed: 0,
    itemsPerClass: null,
  });
}

/** Item k: (k, 2 k) as a column and a plane of k. Item 0 has zeros only. */
function trunk(changes: Partial<FrozenTrunk> = {}): FrozenTrunk & { runs: number } {
  return {
    outputs: [
      { name: 'column', shape: [2] },
      { name: 'plane', shape: [1, 2, 2] },
    ],
    identity: 'weights 1',
    runs: 0,
    async run({ inputs }: TrainingBatch) {
      this.runs++;
      const ids = Array.from(inputs.ids?.data ?? [], Number);
      return {
        column: Float32Array.from(ids.flatMap((id) => [id, 2 * id])),
        plane: Float32Array.from(ids.flatMap((id) => [id, id, id, id])),
      };
    },
    ...changes,
  };
}

describe('features of a frozen trunk', () => {
  it('are computed once, kept by content, and come in batches as the trained part takes them', async () => {
    const cacheFolder = temporaryFolder();
    const progress = recordProgress();
    const first = trunk();
    const inputs = await frozenFeatures(items, source(), first, { cacheFolder, progress });
    expect(first.runs).toBe(3);
    expect(progress.updates.at(-1)).toEqual([7, 7]);
    const batches = createBatchSource(items, { inputs, fields: {}, batchSize: 7, seed: 0, itemsPerClass: null });
    for await (const batch of batches.inOrder()) {
      expect(batch.inputs).toEqual({
        column: { shape: [7, 2], data: Float32Array.of(0, 0, 1, 2, 2, 4, 3, 6, 4, 8, 5, 10, 6, 12) },
        plane: { shape: [7, 1, 2, 2], data: Float32Array.from({ length: 28 }, (_, i) => i >> 2) },
      });
    }
    await batches.close();
    await inputs.vectors.close();

    const again = trunk();
    const cached = await frozenFeatures(items, source(), again, { cacheFolder, progress });
    expect(again.runs).toBe(0);
    await cached.vectors.close();
    const other = trunk({ identity: 'weights 2' });
    const made = await frozenFeatures(items, source(), other, { cacheFolder, progress });
    expect(other.runs).toBe(3);
    await made.vectors.close();
    expect(readdirSync(cacheFolder)).toHaveLength(2);
  });

  it('are refused when they are not finite, naming the item, and leave nothing in the cache', async () => {
    const cacheFolder = temporaryFolder();
    const broken = trunk({
      async run({ count, inputs }) {
        const column = Float32Array.from({ length: 2 * count }, (_, i) => Number(inputs.ids?.data[i >> 1]));
        return {
          column: column.map((value) => (value === 4 ? Number.NaN : value)),
          plane: new Float32Array(4 * count),
        };
      },
    });
    const error = await errorOf(frozenFeatures(items, source(), broken, { cacheFolder, progress: recordProgress() }));
    expect([error.code, error.message]).toEqual([
      'bad-data',
      'The frozen part of the model gives NaN or infinite values for "four".',
    ]);
    expect(readdirSync(cacheFolder)).toEqual([]);
  });
});
