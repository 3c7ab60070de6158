import { describe, expect, it } from 'vitest';
import { BlockReader, formFor, heldSource, loadMatrix, searchReader } from '../../src/core/audit/vectors.ts';
import { type VectorSource, vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

const columns = 7;
const random = createRandom(0, 'block reader');
const values = Float32Array.from({ length: 50 * columns }, () => random.normal());

/** The vectors, and how often they are read. */
function countedSource(): { source: VectorSource; reads: () => number } {
  const source = vectorsInMemory('vectors', values, columns);
  let reads = 0;
  const read: VectorSource['read'] = (...given) => {
    reads++;
    return source.read(...given);
  };
  return { source: { ...source, read }, reads: () => reads };
}

describe('blocks of vectors', () => {
  it('have unit length for cosine, as a plain sum in double tells', async () => {
    const { source } = countedSource();
    const block = await searchReader(source, formFor('cosine', columns)).read(0);
    for (let row = 0; row < 50; row++) {
      const own = values.subarray(row * columns, (row + 1) * columns);
      const length = Math.sqrt(own.reduce((sum, value) => sum + value * value, 0));
      // Half a unit in the last place of a float32 below 1.
      own.forEach((value, k) => {
        expect(Math.abs((block.values[row * columns + k] as number) - value / length)).toBeLessThan(2 ** -24);
      });
    }
  });

  it('are read once where one block is all, and each time otherwise', async () => {
    for (const [blockRows, expected] of [
      [50, 1],
      [25, 4],
    ] as const) {
      const { source, reads } = countedSource();
      const reader = new BlockReader(source, formFor('cosine', columns), blockRows);
      for (let pass = 0; pass < 2; pass++) {
        for (let start = 0; start < 50; start += blockRows) {
          const { values: found } = await reader.read(start);
          const rows = Int32Array.from({ length: blockRows }, (_, row) => start + row);
          expect(found).toEqual((await loadMatrix(source, reader.form, rows)).values);
        }
      }
      // Of those, loadMatrix made one a block.
      expect(reads() - (2 * 50) / blockRows).toBe(expected);
    }
  });

  it('are the same from a held source, which is read once', async () => {
    const { source, reads } = countedSource();
    const form = formFor('cosine', columns);
    const held = await heldSource(source, form);
    const seen = reads();
    const reader = new BlockReader(held.source, held.form, 20);
    const direct = new BlockReader(vectorsInMemory('vectors', values, columns), form, 20);
    for (const start of [0, 20, 40]) {
      const expected = (await direct.read(start)).values.slice();
      expect((await reader.read(start)).values).toEqual(expected);
    }
    expect(reads()).toBe(seen);
  });
});
