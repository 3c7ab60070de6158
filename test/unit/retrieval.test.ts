import { describe, expect, it } from 'vitest';
import type { PerQuery } from '../../src/core/audit/retrieval.ts';
import type { CellName, Distance } from '../../src/core/contract/report.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import {
  measureCase,
  type NaiveQuery,
  naiveDistance,
  naiveRetrieval,
  type RandomCase,
  randomCase,
  row,
  type Side,
  setupOf,
} from './retrievalReference.ts';

const distances: Distance[] = ['cosine', 'euclidean', 'dot'];

/**
 * A query's figures must be the very same unless a match and another item are nearer to each other
 * than float32 can tell; of those queries there may be few, and they may differ by a swap.
 */
function expectEqual(found: PerQuery, naive: NaiveQuery[], rounding: number): void {
  let clear = 0;
  naive.forEach((expected, q) => {
    if (expected.gap < rounding) {
      expect(Math.abs((found.averagePrecision[q] as number) - expected.averagePrecision)).toBeLessThan(0.05);
      return;
    }
    clear++;
    expect(found.firstMatchRank[q]).toBe(expected.firstMatchRank);
    expect(found.nearest[q]).toBe(expected.nearest);
    for (const name of ['averagePrecision', 'mapAtR', 'rPrecision'] as const) {
      if (Number.isNaN(expected[name])) expect(found[name][q]).toBeNaN();
      else expect(found[name][q]).toBeCloseTo(expected[name], 12);
    }
  });
  expect(clear).toBeGreaterThan(0.6 * naive.length);
}

function cell(figures: { perQuery: Map<CellName, PerQuery> }, name: CellName): PerQuery {
  return figures.perQuery.get(name) as PerQuery;
}

describe('measureRetrieval by hand', () => {
  // On a line: query a at 0; gallery a at 1, b at 2, a at -3, b at 10, a at 20.
  const queries: Side = { ids: ['q0', 'q1', 'q2'], labels: ['a', 'b', 'c'], vectors: Float32Array.of(0, 9, 0) };
  const gallery: Side = {
    ids: ['g0', 'g1', 'g2', 'g3', 'g4'],
    labels: ['a', 'b', 'a', 'b', 'a'],
    vectors: Float32Array.of(1, 2, -3, 10, 20),
  };

  it('ranks, precisions and the nearest item', async () => {
    const found = cell(await measureCase('euclidean', queries, gallery, 1), 'oldOld');
    // q0: order g0 a, g1 b, g2 a, g3 b, g4 a: ranks 1, 3, 5. q1 at 9: g3 b (1), g1 b (7), g0 a, g4 a, g2 a: ranks 1, 2.
    expect([...found.firstMatchRank]).toEqual([1, 1, 0]);
    expect([...found.nearest]).toEqual([0, 3, -1]);
    expect(found.averagePrecision[0]).toBeCloseTo((1 + 2 / 3 + 3 / 5) / 3, 14);
    expect(found.mapAtR[0]).toBeCloseTo((1 + 2 / 3) / 3, 14);
    expect(found.rPrecision[0]).toBeCloseTo(2 / 3, 14);
    expect(found.averagePrecision[1]).toBe(1);
    expect(found.averagePrecision[2]).toBeNaN();
  });

  it('drops the self pair', async () => {
    const shared = { ...queries, ids: ['g0', 'q1', 'q2'] };
    const found = cell(await measureCase('euclidean', shared, gallery, 1), 'oldOld');
    // Without g0 the order of the first query is g1 b, g2 a, g3 b, g4 a: ranks 2, 4.
    expect(found.firstMatchRank[0]).toBe(2);
    expect(found.nearest[0]).toBe(1);
    expect(found.averagePrecision[0]).toBeCloseTo((1 / 2 + 2 / 4) / 2, 14);
    expect(found.mapAtR[0]).toBeCloseTo(1 / 2 / 2, 14);
  });

  it('breaks ties by gallery position', async () => {
    // All at distance 1 from the query.
    const tied: Side = {
      ids: ['x', 'y', 'z', 'w'],
      labels: ['b', 'a', 'b', 'a'],
      vectors: Float32Array.of(1, -1, -1, 1),
    };
    const one: Side = { ids: ['q'], labels: ['a'], vectors: Float32Array.of(0) };
    const found = cell(await measureCase('euclidean', one, tied, 1), 'oldOld');
    expect(found.firstMatchRank[0]).toBe(2);
    expect(found.nearest[0]).toBe(0);
    expect(found.averagePrecision[0]).toBeCloseTo((1 / 2 + 2 / 4) / 2, 14);
  });
});

/** Rounding of a float32 product of these tests' vectors, in the distance's unit. */
const rounding = { cosine: 5e-7, euclidean: 3e-6, dot: 3e-5 };

describe.each(distances)('measureRetrieval against a full sort in double: %s', (distance) => {
  const shape = { queries: 60, gallery: 400, classes: 8, columns: 12 };

  it('separate sets, with queries without a match', async () => {
    const { queries, gallery } = randomCase(1, shape);
    queries.labels[3] = 'alone';
    queries.labels[11] = 'alone too';
    const found = await measureCase(distance, queries, gallery, 12, { blockRows: 90 });
    expectEqual(cell(found, 'oldOld'), naiveRetrieval(distance, queries, gallery, 12), rounding[distance]);
    expect(cell(found, 'oldOld').firstMatchRank[3]).toBe(0);
  });

  it('leave-one-out', async () => {
    const { gallery } = randomCase(2, { ...shape, gallery: 250 });
    const found = await measureCase(distance, gallery, gallery, 12, { blockRows: 64 });
    expectEqual(cell(found, 'oldOld'), naiveRetrieval(distance, gallery, gallery, 12), rounding[distance]);
  });

  it('partly shared ids', async () => {
    const { queries, gallery } = randomCase(3, shape);
    for (let q = 0; q < 20; q++) {
      const j = 7 * q;
      queries.ids[q] = gallery.ids[j] as string;
      queries.labels[q] = gallery.labels[j] as string;
      queries.vectors.set(row(gallery.vectors, 12, j), q * 12);
    }
    const found = await measureCase(distance, queries, gallery, 12, { blockRows: 128 });
    expectEqual(cell(found, 'oldOld'), naiveRetrieval(distance, queries, gallery, 12), rounding[distance]);
  });

  it('few classes and one class name a query never has', async () => {
    const { queries, gallery } = randomCase(4, { queries: 30, gallery: 1200, classes: 2, columns: 12 });
    gallery.labels[5] = 'rare';
    const found = await measureCase(distance, queries, gallery, 12, { blockRows: 700 });
    expectEqual(cell(found, 'oldOld'), naiveRetrieval(distance, queries, gallery, 12), rounding[distance]);
  });

  it('equal gallery rows in different blocks tie exactly', async () => {
    // Long rows, and blocks that end in a single one: other kernels, which round otherwise.
    const columns = 301;
    const { queries, gallery } = randomCase(5, { queries: 40, gallery: 301, classes: 4, columns });
    for (let j = 0; j <= 90; j++) gallery.vectors.set(row(gallery.vectors, columns, j), (210 + j) * columns);
    gallery.vectors.set(row(gallery.vectors, columns, 0), 150 * columns);
    const naive = naiveRetrieval(distance, queries, gallery, columns);
    for (const blockRows of [301, 100, 43, 1]) {
      const found = await measureCase(distance, queries, gallery, columns, { blockRows });
      expectEqual(cell(found, 'oldOld'), naive, 20 * rounding[distance]);
    }
  });

  it('does not depend on blocks, threads and memory', async () => {
    const { queries, gallery, newQuery } = randomCase(6, { queries: 90, gallery: 700, classes: 9, columns: 33 });
    const edges = Array.from({ length: 61 }, (_, e) => (distance === 'cosine' ? e / 30 : e - 30));
    const triplets = { count: 5000, seed: 4 };
    const base = await measureCase(distance, queries, gallery, 33, { edges, triplets }, newQuery);
    for (const options of [
      { blockRows: 100, threads: 1, scoreBytes: 1 },
      { blockRows: 333, threads: 2, scoreBytes: 2 * 700 * 6 * 31 },
      { blockRows: 7, threads: 2 },
      // Products of complete rows, in two sets.
      { threads: 2, scoreBytes: 700 * 6 * 130 },
    ]) {
      const other = await measureCase(distance, queries, gallery, 33, { ...options, edges, triplets }, newQuery);
      for (const name of ['oldOld', 'newOld'] as const) {
        expect(cell(other, name).firstMatchRank).toEqual(cell(base, name).firstMatchRank);
        const mean = (figures: typeof base) => cell(figures, name).averagePrecision.reduce((a, b) => a + b, 0) / 90;
        expect(mean(other)).toBeCloseTo(mean(base), 6);
        const histogram = (figures: typeof base) => [...(figures.histograms.get(name)?.negative ?? [])];
        const moved = histogram(base).reduce((sum, n, bin) => sum + Math.abs(n - (histogram(other)[bin] as number)), 0);
        expect(moved).toBeLessThanOrEqual(4);
      }
      expect(other.triplets?.sampled).toEqual(base.triplets?.sampled);
      const inverted = (figures: typeof base) => figures.triplets?.inverted.reduce((a, b) => a + b, 0) as number;
      expect(Math.abs(inverted(other) - inverted(base))).toBeLessThanOrEqual(1);
    }
  });
});

describe('measureRetrieval in hard places', () => {
  it.each(['euclidean', 'dot'] as const)('whole numbers with many ties: %s', async (distance) => {
    const random = createRandom(7, 'whole numbers');
    const side = (count: number, prefix: string): Side => ({
      ids: Array.from({ length: count }, (_, i) => `${prefix}${i}`),
      labels: Array.from({ length: count }, () => `class${random.integer(5)}`),
      vectors: Float32Array.from({ length: count * 6 }, () => 1 + random.integer(3)),
    });
    const queries = side(50, 'q');
    const gallery = side(600, 'g');
    const found = await measureCase(distance, queries, gallery, 6, { blockRows: 123 });
    expectEqual(cell(found, 'oldOld'), naiveRetrieval(distance, queries, gallery, 6), 0);
  });

  it('euclidean far from the origin', async () => {
    const { queries, gallery } = randomCase(8, { queries: 40, gallery: 300, classes: 6, columns: 16, offset: 300 });
    const found = await measureCase('euclidean', queries, gallery, 16, { blockRows: 77 });
    expectEqual(cell(found, 'oldOld'), naiveRetrieval('euclidean', queries, gallery, 16), 2e-5);
  });

  it('the same vectors as new model change nothing', async () => {
    const { queries, gallery } = randomCase(14, { queries: 101, gallery: 777, classes: 6, columns: 65 });
    for (const scoreBytes of [1, 2 * 777 * 6 * 37, 1e8]) {
      const options = { scoreBytes, blockRows: 200, triplets: { count: 20_000, seed: 1 } };
      const found = await measureCase('cosine', queries, gallery, 65, options, queries.vectors);
      expect(cell(found, 'newOld')).toEqual(cell(found, 'oldOld'));
      expect(found.triplets?.inverted.some((count) => count > 0)).toBe(false);
      expect(found.triplets?.repaired.some((count) => count > 0)).toBe(false);
    }
  });

  it('identical vectors everywhere: order is position', async () => {
    const same = (count: number, prefix: string): Side => ({
      ids: Array.from({ length: count }, (_, i) => `${prefix}${i}`),
      labels: Array.from({ length: count }, (_, i) => (i % 3 === 2 ? 'a' : 'b')),
      vectors: new Float32Array(count * 4).fill(0.5),
    });
    const queries = same(3, 'q');
    const gallery = same(30, 'g');
    for (const distance of distances) {
      const found = cell(await measureCase(distance, queries, gallery, 4, { blockRows: 11 }), 'oldOld');
      expect([...found.firstMatchRank]).toEqual([1, 1, 3]);
      expect([...found.nearest]).toEqual([0, 0, 0]);
    }
  });

  it('a gallery with one far outlier, whose axis is too wide for the rest', async () => {
    const { queries, gallery } = randomCase(9, { queries: 30, gallery: 300, classes: 5, columns: 8 });
    gallery.vectors.fill(4000, 0, 8);
    for (const distance of ['euclidean', 'dot'] as const) {
      const edges = Array.from({ length: 61 }, (_, e) => 1e6 * (e - 30));
      const found = await measureCase(distance, queries, gallery, 8, { edges });
      expectEqual(cell(found, 'oldOld'), naiveRetrieval(distance, queries, gallery, 8), 5e-5);
    }
  });

  it('stops when cancelled', async () => {
    const { queries, gallery } = randomCase(10, { queries: 5, gallery: 50, classes: 2, columns: 4 });
    const { measureRetrieval } = await import('../../src/core/audit/retrieval.ts');
    const { BlockReader, formFor, loadMatrix } = await import('../../src/core/audit/vectors.ts');
    const { vectorsInMemory } = await import('../../src/core/data/vectorSource.ts');
    const form = formFor('cosine', 4);
    const controller = new AbortController();
    let breaths = 0;
    const progress = {
      phase() {},
      update() {},
      log() {},
      async breathe() {
        breaths++;
        controller.abort();
      },
    };
    const running = measureRetrieval(
      {
        distance: 'cosine',
        cells: [{ name: 'oldOld', query: await loadMatrix(vectorsInMemory('q', queries.vectors, 4), form) }],
        gallery: new BlockReader(vectorsInMemory('g', gallery.vectors, 4), form, 10),
        setup: setupOf(queries, gallery),
        threads: 1,
      },
      { progress, signal: controller.signal },
    );
    await expect(running).rejects.toMatchObject({ code: 'cancelled' });
    expect(breaths).toBe(1);
  });
});

describe('histograms', () => {
  const naive = (distance: Distance, { queries, gallery }: RandomCase, columns: number, edges: number[]) => {
    const positive = new Array<number>(edges.length - 1).fill(0);
    const negative = new Array<number>(edges.length - 1).fill(0);
    queries.ids.forEach((id, q) => {
      gallery.ids.forEach((other, j) => {
        if (id === other) return;
        const d = naiveDistance(distance, row(queries.vectors, columns, q), row(gallery.vectors, columns, j));
        let bin = 0;
        while (bin < edges.length - 2 && d >= (edges[bin + 1] as number)) bin++;
        const counts = queries.labels[q] === gallery.labels[j] ? positive : negative;
        counts[bin] = (counts[bin] as number) + 1;
      });
    });
    return { positive, negative };
  };
  /** Pairs within float32 rounding of an edge may fall on either side. */
  const expectClose = (found: ArrayLike<number>, expected: number[]) => {
    const moved = expected.reduce((sum, n, bin) => sum + Math.abs(n - (found[bin] as number)), 0);
    expect(moved).toBeLessThanOrEqual(2);
  };

  const own = {
    cosine: Array.from({ length: 21 }, (_, e) => 0.23 + 0.071 * e),
    euclidean: Array.from({ length: 61 }, (_, e) => 3.3 + 0.137 * e),
    dot: Array.from({ length: 31 }, (_, e) => -31.7 + 2.1 * e),
  };

  it.each(distances)('count what a plain loop counts, ends collect the rest: %s', async (distance) => {
    const data = randomCase(11, { queries: 50, gallery: 300, classes: 6, columns: 10 });
    data.queries.ids[4] = data.gallery.ids[9] as string;
    data.queries.labels[4] = data.gallery.labels[9] as string;
    data.queries.labels[5] = 'alone';
    const found = await measureCase(distance, data.queries, data.gallery, 10, { edges: own[distance], scoreBytes: 1 });
    const expected = naive(distance, data, 10, own[distance]);
    expectClose(found.histograms.get('oldOld')?.positive ?? [], expected.positive);
    expectClose(found.histograms.get('oldOld')?.negative ?? [], expected.negative);
    expect(expected.negative[0]).toBeGreaterThan(0);
    expect(expected.negative.at(-1)).toBeGreaterThan(0);
  });

  it.each(distances)('on an axis much wider than the cell: %s', async (distance) => {
    const data = randomCase(12, { queries: 20, gallery: 200, classes: 6, columns: 10 });
    data.queries.ids[4] = data.gallery.ids[9] as string;
    data.queries.labels[4] = data.gallery.labels[9] as string;
    const edges = Array.from({ length: 61 }, (_, e) => -500 + 17.3 * e);
    const found = await measureCase(distance, data.queries, data.gallery, 10, { edges });
    const expected = naive(distance, data, 10, edges);
    expectClose(found.histograms.get('oldOld')?.positive ?? [], expected.positive);
    expectClose(found.histograms.get('oldOld')?.negative ?? [], expected.negative);
  });

  it('are left out without edges', async () => {
    const { queries, gallery } = randomCase(13, { queries: 5, gallery: 50, classes: 2, columns: 4 });
    expect((await measureCase('cosine', queries, gallery, 4)).histograms.size).toBe(0);
  });
});
