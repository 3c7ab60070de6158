import { describe, expect, it } from 'vitest';
import { distanceBetween } from '../../src/core/audit/distance.ts';
import { nearestNeighbours } from '../../src/core/audit/nearest.ts';
import { BlockReader, formFor, loadMatrix } from '../../src/core/audit/vectors.ts';
import type { Distance } from '../../src/core/contract/report.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

const columns = 7;

function table(rows: number, seed: number, far = 0): Float32Array {
  const random = createRandom(seed, 'nearest test');
  return Float32Array.from({ length: rows * columns }, () => far + random.normal());
}

async function find(
  distance: Distance,
  query: Float32Array,
  gallery: Float32Array,
  k: number,
  options: { blockRows?: number; exclude?: Int32Array } = {},
) {
  const form = formFor(distance, columns);
  const source = vectorsInMemory('gallery', gallery, columns);
  const queries = await loadMatrix(vectorsInMemory('query', query, columns), form);
  const reader = new BlockReader(source, form, options.blockRows ?? 1000);
  const exclude = options.exclude === undefined ? {} : { exclude: options.exclude };
  const found = await nearestNeighbours({ query: queries, gallery: reader, k, distance, threads: 1, ...exclude });
  return { ...found, queries, loaded: await loadMatrix(source, form) };
}

describe('nearestNeighbours', () => {
  it('finds the nearest by hand', async () => {
    // On a line: 3 is nearest to 2 and 4 (equally near: the earlier), then 6.
    const line = (values: number[]) => Float32Array.from(values.flatMap((value) => [value, 0, 0, 0, 0, 0, 0]));
    const { rows, distances } = await find('euclidean', line([3]), line([9, 4, 2, 6]), 3);
    expect([...rows]).toEqual([1, 2, 3]);
    expect([...distances]).toEqual([1, 1, 3]);
  });

  it.each(['cosine', 'euclidean', 'dot'] as const)(
    'sorts as a full sort does, in any blocks (%s)',
    async (distance) => {
      const query = table(30, 1);
      const gallery = table(200, 2);
      for (const blockRows of [3, 64, 1000]) {
        const exclude = Int32Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? i : -1));
        const { rows, distances, queries, loaded } = await find(distance, query, gallery, 12, { blockRows, exclude });
        for (let i = 0; i < 30; i++) {
          const order = Array.from({ length: 200 }, (_, j) => ({
            j,
            d: distanceBetween(distance, queries, i, loaded, j),
          }))
            .filter(({ j }) => j !== exclude[i])
            .sort((a, b) => a.d - b.d || a.j - b.j)
            .slice(0, 12);
          expect([...rows.subarray(12 * i, 12 * i + 12)]).toEqual(order.map(({ j }) => j));
          order.forEach(({ d }, place) => {
            expect(Math.abs((distances[12 * i + place] as number) - d)).toBeLessThan(2e-6);
          });
        }
      }
    },
  );

  it('breaks ties by position across blocks', async () => {
    const same = table(1, 3);
    const gallery = Float32Array.from({ length: 20 * columns }, (_, i) => same[i % columns] as number);
    const { rows } = await find('dot', same, gallery, 5, { blockRows: 4 });
    expect([...rows]).toEqual([0, 1, 2, 3, 4]);
  });

  it('keeps its digits far from the origin, and fills up a small gallery', async () => {
    const { rows, queries, loaded, distances } = await find('euclidean', table(5, 4, 1e3), table(4, 5, 1e3), 9);
    expect(rows).toHaveLength(20);
    for (let i = 0; i < 5; i++) {
      const d = distanceBetween('euclidean', queries, i, loaded, rows[4 * i] as number);
      expect(Math.abs((distances[4 * i] as number) - d)).toBeLessThan(1e-3);
    }
    const alone = await find('cosine', table(1, 6), table(1, 6), 2, { exclude: Int32Array.of(0) });
    expect([...alone.rows]).toEqual([-1]);
    expect([...alone.distances]).toEqual([Number.POSITIVE_INFINITY]);
  });
});
