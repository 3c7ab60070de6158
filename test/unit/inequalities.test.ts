import { describe, expect, it } from 'vitest';
import type { AuditItems } from '../../src/core/audit/auditInput.ts';
import { distanceBetween } from '../../src/core/audit/distance.ts';
import {
  countNegativeViolations,
  type InequalityFigures,
  type InequalityInput,
  measureInequalities,
} from '../../src/core/audit/inequalities.ts';
import { makePairSetup, type PairSetup } from '../../src/core/audit/pairSetup.ts';
import { BlockReader, formFor, loadMatrix, type Matrix } from '../../src/core/audit/vectors.ts';
import type { Distance } from '../../src/core/contract/report.ts';
import type { Progress } from '../../src/core/contract/runs.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

const silent: Progress = { phase() {}, update() {}, log() {}, async breathe() {} };

function items(name: string, ids: readonly string[], labels: readonly number[], classes: number): AuditItems {
  return {
    name,
    count: ids.length,
    ids,
    labelOf: Int32Array.from(labels),
    classNames: Array.from({ length: classes }, (_, c) => `c${c}`),
  };
}

interface Case {
  distance: Distance;
  columns: number;
  queries: AuditItems;
  gallery: AuditItems;
  oldQuery: Float32Array;
  newQuery: Float32Array;
  oldGallery: Float32Array;
}

type Options = Partial<Pick<InequalityInput, 'epsilons' | 'worstPairs' | 'classPairs' | 'tolerances' | 'threads'>> & {
  blockRows?: number;
};

async function prepare(data: Case): Promise<{ setup: PairSetup; oldQuery: Matrix; newQuery: Matrix; gallery: Matrix }> {
  const form = formFor(data.distance, data.columns);
  return {
    setup: makePairSetup(data.queries, data.gallery),
    oldQuery: await loadMatrix(vectorsInMemory('old', data.oldQuery, data.columns), form),
    newQuery: await loadMatrix(vectorsInMemory('new', data.newQuery, data.columns), form),
    gallery: await loadMatrix(vectorsInMemory('gallery', data.oldGallery, data.columns), form),
  };
}

async function measure(data: Case, options: Options = {}): Promise<InequalityFigures> {
  const { setup, oldQuery, newQuery } = await prepare(data);
  const { blockRows = 1000, ...rest } = options;
  return measureInequalities(
    {
      distance: data.distance,
      oldQuery,
      newQuery,
      setup,
      gallery: new BlockReader(
        vectorsInMemory('gallery', data.oldGallery, data.columns),
        formFor(data.distance, data.columns),
        blockRows,
      ),
      epsilons: [1e-6, 0.01, 0.05],
      worstPairs: 0,
      classPairs: false,
      byItem: true,
      threads: 2,
      ...rest,
    },
    { progress: silent },
  );
}

/** Every pair one by one, in double. */
async function everyPair(
  data: Case,
): Promise<{ query: number; gallery: number; sign: 'positive' | 'negative'; old: number; new: number }[]> {
  const { setup, oldQuery, newQuery, gallery } = await prepare(data);
  const pairs = [];
  for (let i = 0; i < setup.queries; i++) {
    for (let j = 0; j < setup.gallery; j++) {
      if (setup.selfOf[i] === j) continue;
      pairs.push({
        query: i,
        gallery: j,
        sign: setup.queryLabel[i] === setup.galleryLabel[j] ? ('positive' as const) : ('negative' as const),
        old: distanceBetween(data.distance, oldQuery, i, gallery, j),
        new: distanceBetween(data.distance, newQuery, i, gallery, j),
      });
    }
  }
  return pairs;
}

/** Compares all figures with those of the plain loops. */
async function expectAsByLoops(data: Case, figures: InequalityFigures, epsilons = [1e-6, 0.01, 0.05]): Promise<void> {
  const pairs = await everyPair(data);
  const strict = epsilons[0] as number;
  const byItem = new Float64Array(data.gallery.count);
  const openByItem = new Float64Array(data.gallery.count);
  for (const pair of pairs) {
    const loss = pair.sign === 'negative' ? pair.old - pair.new : pair.new - pair.old;
    if (loss > strict) byItem[pair.gallery] = (byItem[pair.gallery] as number) + 1;
    if (Math.abs(loss - strict) < 1e-6) openByItem[pair.gallery] = (openByItem[pair.gallery] as number) + 1;
  }
  byItem.forEach((expected, row) => {
    const off = Math.abs((figures.byItem?.[row] as number) - expected);
    expect(off).toBeLessThanOrEqual(openByItem[row] as number);
  });
  for (const sign of ['positive', 'negative'] as const) {
    const sums = figures[sign];
    const pairCount = new Float64Array(data.queries.count);
    const severity = new Float64Array(data.queries.count);
    const violations = epsilons.map(() => new Float64Array(data.queries.count));
    const uncertain = epsilons.map(() => new Float64Array(data.queries.count));
    for (const pair of pairs) {
      if (pair.sign !== sign) continue;
      const loss = sign === 'negative' ? pair.old - pair.new : pair.new - pair.old;
      pairCount[pair.query] = (pairCount[pair.query] as number) + 1;
      severity[pair.query] = (severity[pair.query] as number) + Math.max(0, loss);
      epsilons.forEach((epsilon, e) => {
        const counted = violations[e] as Float64Array;
        const open = uncertain[e] as Float64Array;
        if (loss > epsilon) counted[pair.query] = (counted[pair.query] as number) + 1;
        if (Math.abs(loss - epsilon) < 1e-6) open[pair.query] = (open[pair.query] as number) + 1;
      });
    }
    expect(sums.pairs).toEqual(pairCount);
    for (let query = 0; query < data.queries.count; query++) {
      const mean = Math.max(1, pairCount[query] as number);
      expect((sums.severity[query] as number) / mean).toBeCloseTo((severity[query] as number) / mean, 6);
      epsilons.forEach((_, e) => {
        const measured = sums.violations[e]?.[query] as number;
        expect(Number.isInteger(measured) && measured >= 0).toBe(true);
        const off = Math.abs(measured - (violations[e]?.[query] as number));
        expect(off).toBeLessThanOrEqual(uncertain[e]?.[query] as number);
      });
    }
  }
}

function randomCase(options: {
  distance: Distance;
  queries: number;
  gallery: number;
  classes: number;
  columns?: number;
  seed?: number;
  /** Share of the queries that are gallery items too. */
  shared?: number;
}): Case {
  const { distance, classes, columns = 12, shared = 0 } = options;
  const random = createRandom(options.seed ?? 1, 'inequalities test');
  const vectors = (count: number) => Float32Array.from({ length: count * columns }, () => random.normal());
  const galleryLabels = Array.from({ length: options.gallery }, () => random.integer(classes));
  const oldGallery = vectors(options.gallery);
  const oldQuery = vectors(options.queries);
  const sharedRows = random
    .shuffle(Array.from({ length: options.gallery }, (_, row) => row))
    .slice(0, Math.round(shared * options.queries));
  const queryIds: string[] = [];
  const queryLabels: number[] = [];
  for (let query = 0; query < options.queries; query++) {
    const row = sharedRows[query];
    queryIds.push(row === undefined ? `q${query}` : `g${row}`);
    queryLabels.push(row === undefined ? random.integer(classes) : (galleryLabels[row] as number));
    if (row !== undefined) oldQuery.set(oldGallery.subarray(row * columns, (row + 1) * columns), query * columns);
  }
  return {
    distance,
    columns,
    queries: items('queries', queryIds, queryLabels, classes),
    gallery: items(
      'gallery',
      galleryLabels.map((_, row) => `g${row}`),
      galleryLabels,
      classes,
    ),
    oldQuery,
    newQuery: oldQuery.map((value) => value + 0.5 * random.normal()),
    oldGallery,
  };
}

const sum = (values: Float64Array | undefined) => values?.reduce((a, b) => a + b, 0) ?? 0;

describe('measureInequalities, by hand', () => {
  // Two queries in the plane, classes 0 and 1; gallery: class 0 on the x axis, class 1 on the y axis.
  const planar = (distance: Distance): Case => ({
    distance,
    columns: 2,
    queries: items('queries', ['a', 'b'], [0, 1], 2),
    gallery: items('gallery', ['x', 'y'], [0, 1], 2),
    oldQuery: Float32Array.of(1, 0, 0, 1),
    // Query a turns to (0.6, 0.8); b stays.
    newQuery: Float32Array.of(0.6, 0.8, 0, 1),
    oldGallery: Float32Array.of(1, 0, 0, 1),
  });

  it.each([
    // a-x: 0 -> 0.4; a-y: 1 -> 0.2.
    { distance: 'cosine' as const, positive: 0.4, negative: 0.8, old: [0, 1], new: [0.4, 0.2] },
    // a-x: -1 -> -0.6; a-y: 0 -> -0.8.
    { distance: 'dot' as const, positive: 0.4, negative: 0.8, old: [-1, 0], new: [-0.6, -0.8] },
    // a-x: 0 -> sqrt(0.16 + 0.64); a-y: sqrt(2) -> sqrt(0.36 + 0.04).
    {
      distance: 'euclidean' as const,
      positive: Math.sqrt(0.8),
      negative: Math.SQRT2 - Math.sqrt(0.4),
      old: [0, Math.SQRT2],
      new: [Math.sqrt(0.8), Math.sqrt(0.4)],
    },
  ])('$distance', async ({ distance, positive, negative, old, new: moved }) => {
    const figures = await measure(planar(distance), { epsilons: [1e-6, 0.5], worstPairs: 100 });
    expect([...figures.positive.pairs]).toEqual([1, 1]);
    expect([...figures.negative.pairs]).toEqual([1, 1]);
    expect([...(figures.positive.violations[0] ?? [])]).toEqual([1, 0]);
    expect([...(figures.positive.violations[1] ?? [])]).toEqual([positive > 0.5 ? 1 : 0, 0]);
    expect([...(figures.negative.violations[0] ?? [])]).toEqual([1, 0]);
    expect([...(figures.negative.violations[1] ?? [])]).toEqual([1, 0]);
    expect(figures.positive.severity[0]).toBeCloseTo(positive, 6);
    expect(figures.negative.severity[0]).toBeCloseTo(negative, 6);
    expect(figures.positive.severity[1]).toBe(0);
    expect(figures.worst.positive).toHaveLength(1);
    expect(figures.worst.positive[0]).toMatchObject({ query: 0, gallery: 0 });
    expect(figures.worst.positive[0]?.oldDistance).toBeCloseTo(old[0] as number, 6);
    expect(figures.worst.positive[0]?.newDistance).toBeCloseTo(moved[0] as number, 6);
    expect(figures.worst.negative).toHaveLength(1);
    expect(figures.worst.negative[0]).toMatchObject({ query: 0, gallery: 1 });
    expect(figures.worst.negative[0]?.oldDistance).toBeCloseTo(old[1] as number, 6);
    expect(figures.worst.negative[0]?.newDistance).toBeCloseTo(moved[1] as number, 6);
  });
});

describe('measureInequalities, against plain loops', () => {
  for (const distance of ['cosine', 'euclidean', 'dot'] as const) {
    it.each([
      { name: 'separate sets', queries: 150, gallery: 310, classes: 7 },
      { name: 'leave-one-out', queries: 200, gallery: 200, classes: 5, shared: 1 },
      { name: 'partly shared ids', queries: 170, gallery: 260, classes: 6, shared: 0.4 },
      { name: 'more classes than items: queries without a match', queries: 140, gallery: 90, classes: 400 },
      { name: 'two large classes', queries: 300, gallery: 280, classes: 2 },
      { name: 'one class', queries: 30, gallery: 40, classes: 1, shared: 0.5 },
      { name: 'one gallery item', queries: 20, gallery: 1, classes: 3 },
      { name: 'one query', queries: 1, gallery: 50, classes: 3, shared: 1 },
      // Several tiles of queries and of gallery items.
      { name: 'several tiles', queries: 700, gallery: 4500, classes: 30, shared: 0.2, columns: 5 },
    ])(`${distance}: $name`, async (shape) => {
      const data = randomCase({ distance, ...shape });
      await expectAsByLoops(data, await measure(data));
    });
  }

  it('finds near duplicates exactly under euclidean distance', async () => {
    const data = randomCase({ distance: 'euclidean', queries: 60, gallery: 60, classes: 4, shared: 0.5 });
    // Long vectors that nearly coincide with a gallery item: their squared distances cancel.
    for (let k = 0; k < data.oldGallery.length; k++) {
      data.oldGallery[k] = (data.oldGallery[k] as number) + 10;
      data.oldQuery[k] = (data.oldGallery[k] as number) + (k % 3) * 1e-4;
      data.newQuery[k] = (data.oldGallery[k] as number) + (k % 5) * 1e-3;
    }
    await expectAsByLoops(data, await measure(data));
  });

  it('counts nothing between identical models, ties included', async () => {
    for (const distance of ['cosine', 'euclidean', 'dot'] as const) {
      const data = randomCase({ distance, queries: 90, gallery: 120, classes: 4, shared: 0.3 });
      data.newQuery.set(data.oldQuery);
      const figures = await measure(data, { epsilons: [0], worstPairs: 5, classPairs: true, tolerances: [0, 0.1] });
      for (const sign of ['positive', 'negative'] as const) {
        expect(sum(figures[sign].violations[0])).toBe(0);
        expect(sum(figures[sign].severity)).toBe(0);
        expect(figures.worst[sign]).toEqual([]);
        expect(figures.toleranceRates?.[sign]).toEqual([0, 0]);
      }
      expect(figures.classPairs).toEqual([]);
    }
  });

  it('gives the same figures for every block size and thread count', async () => {
    const data = randomCase({ distance: 'cosine', queries: 333, gallery: 2111, classes: 11, shared: 0.3 });
    const options = { worstPairs: 20, classPairs: true, tolerances: [0, 0.02, 0.04] };
    const first = await measure(data, { ...options, blockRows: 2111, threads: 1 });
    for (const [blockRows, threads] of [
      [1, 2],
      [37, 1],
      [1000, 2],
      [5000, null],
    ] as const) {
      const other = await measure(data, { ...options, blockRows, threads });
      for (const sign of ['positive', 'negative'] as const) {
        expect(other[sign].pairs).toEqual(first[sign].pairs);
        expect(Math.abs(sum(other[sign].violations[0]) - sum(first[sign].violations[0]))).toBeLessThanOrEqual(2);
        expect(sum(other[sign].severity)).toBeCloseTo(sum(first[sign].severity), 2);
      }
      expect(other.worst).toEqual(first.worst);
      expect(other.classPairs.map(({ queryClass, galleryClass }) => [queryClass, galleryClass])).toEqual(
        first.classPairs.map(({ queryClass, galleryClass }) => [queryClass, galleryClass]),
      );
    }
  });
});

describe('countNegativeViolations', () => {
  it.each(['cosine', 'euclidean', 'dot'] as const)('counts what measureInequalities counts (%s)', async (distance) => {
    const data = randomCase({ distance, queries: 250, gallery: 400, classes: 6, shared: 0.5 });
    const epsilons = [1e-6, 0.05];
    const figures = await measure(data, { epsilons });
    const { setup, oldQuery, newQuery } = await prepare(data);
    const source = vectorsInMemory('gallery', data.oldGallery, data.columns);
    const gallery = new BlockReader(source, formFor(distance, data.columns), 90);
    const input = { distance, oldQuery, newQuery, setup, gallery, epsilons, threads: 2 };
    const counts = await countNegativeViolations(input, { progress: silent });
    expect(counts).toHaveLength(2);
    counts.forEach((count, e) => {
      count.forEach((violations, query) => {
        expect(Math.abs(violations - (figures.negative.violations[e]?.[query] as number))).toBeLessThanOrEqual(1);
      });
      expect(Math.abs(sum(count) - sum(figures.negative.violations[e]))).toBeLessThanOrEqual(3);
    });
    expect(sum(counts[0])).toBeGreaterThan(1000);
  });
});

describe('worst pairs', () => {
  it.each(['cosine', 'euclidean', 'dot'] as const)('are those of the plain loops (%s)', async (distance) => {
    const data = randomCase({ distance, queries: 400, gallery: 3000, classes: 8, shared: 0.5, columns: 6 });
    const figures = await measure(data, { worstPairs: 100, blockRows: 700 });
    const pairs = await everyPair(data);
    for (const sign of ['positive', 'negative'] as const) {
      const severityOf = (pair: { old: number; new: number }) =>
        sign === 'negative' ? pair.old - pair.new : pair.new - pair.old;
      const expected = pairs
        .filter((pair) => pair.sign === sign && severityOf(pair) > 1e-6)
        .sort((a, b) => severityOf(b) - severityOf(a) || a.query - b.query || a.gallery - b.gallery)
        .slice(0, 100)
        .map((pair) => ({
          query: pair.query,
          gallery: pair.gallery,
          oldDistance: pair.old,
          newDistance: pair.new,
        }));
      expect(figures.worst[sign]).toEqual(expected);
    }
  });

  it('puts equal pairs in the order of query, then gallery row', async () => {
    // Every query and every gallery item of a class is the same vector: thousands of equal pairs.
    const queries = 60;
    const gallery = 90;
    const data: Case = {
      distance: 'dot',
      columns: 2,
      queries: items(
        'q',
        Array.from({ length: queries }, (_, i) => `q${i}`),
        Array.from({ length: queries }, (_, i) => i % 2),
        2,
      ),
      gallery: items(
        'g',
        Array.from({ length: gallery }, (_, i) => `g${i}`),
        Array.from({ length: gallery }, (_, i) => i % 2),
        2,
      ),
      oldQuery: new Float32Array(2 * queries).fill(1),
      newQuery: new Float32Array(2 * queries).fill(0.5),
      oldGallery: new Float32Array(2 * gallery).fill(1),
    };
    const { worst } = await measure(data, { worstPairs: 50 });
    expect(worst.negative).toEqual([]);
    expect(worst.positive.map(({ query, gallery: row }) => [query, row])).toEqual([
      ...Array.from({ length: 45 }, (_, k) => [0, 2 * k]),
      ...Array.from({ length: 5 }, (_, k) => [1, 2 * k + 1]),
    ]);
  });
});

describe('tolerance rates', () => {
  it('are the shares of all pairs above each tolerance', async () => {
    const data = randomCase({ distance: 'cosine', queries: 120, gallery: 500, classes: 5, shared: 0.5 });
    const tolerances = Array.from({ length: 61 }, (_, k) => k / 100);
    const figures = await measure(data, { tolerances });
    const pairs = await everyPair(data);
    for (const sign of ['positive', 'negative'] as const) {
      const losses = pairs
        .filter((pair) => pair.sign === sign)
        .map((pair) => (sign === 'negative' ? pair.old - pair.new : pair.new - pair.old));
      tolerances.forEach((tolerance, k) => {
        const near = losses.filter((loss) => Math.abs(loss - tolerance) < 1e-6).length;
        const above = losses.filter((loss) => loss > tolerance).length;
        const measured = Math.round((figures.toleranceRates?.[sign][k] as number) * losses.length);
        expect(Math.abs(measured - above)).toBeLessThanOrEqual(near);
      });
    }
  });
});

it('refuses tolerances that are not evenly spaced from 0', async () => {
  const data = randomCase({ distance: 'cosine', queries: 3, gallery: 3, classes: 2 });
  for (const tolerances of [[0], [0, 0.1, 0.3], [0.1, 0.2], []]) {
    await expect(measure(data, { tolerances })).rejects.toMatchObject({ code: 'internal' });
  }
});

describe('class pairs', () => {
  it.each([
    // Few classes of queries a tile, then few classes of gallery items a tile.
    { name: 'many gallery classes', queries: 300, gallery: 4000, classes: 20 },
    { name: 'few gallery items', queries: 900, gallery: 150, classes: 9 },
    { name: 'shared items', queries: 200, gallery: 200, classes: 4, shared: 1 },
  ])('add up to the sums of the plain loops: $name', async (shape) => {
    const data = randomCase({ distance: 'cosine', ...shape });
    const { classPairs } = await measure(data, { classPairs: true });
    const table = new Map<string, { pairs: number; violations: number; severity: number }>();
    for (const pair of await everyPair(data)) {
      const key = `${data.queries.labelOf[pair.query]} ${data.gallery.labelOf[pair.gallery]}`;
      const cell = table.get(key) ?? { pairs: 0, violations: 0, severity: 0 };
      const loss = pair.sign === 'negative' ? pair.old - pair.new : pair.new - pair.old;
      cell.pairs++;
      if (loss > 1e-6) cell.violations++;
      cell.severity += Math.max(0, loss);
      table.set(key, cell);
    }
    const score = (cell: { pairs: number; severity: number }) => cell.severity / (cell.pairs + 100);
    for (const entry of classPairs) {
      const cell = table.get(`${entry.queryClass} ${entry.galleryClass}`);
      expect(entry.pairs).toBe(cell?.pairs);
      expect(Math.abs(entry.violations - (cell?.violations as number))).toBeLessThanOrEqual(1);
      expect(entry.severity).toBeCloseTo((cell?.severity as number) / (cell?.pairs as number), 5);
      expect(entry.sign).toBe(entry.queryClass === entry.galleryClass ? 'positive' : 'negative');
    }
    expect(classPairs).toHaveLength(Math.min(100, table.size));
    // The worst negative one leads the negative ones.
    const negatives = [...table].filter(([key]) => new Set(key.split(' ')).size === 2);
    const [worst] = negatives.sort((a, b) => score(b[1]) - score(a[1]));
    const listed = classPairs.find((entry) => entry.sign === 'negative');
    expect(`${listed?.queryClass} ${listed?.galleryClass}`).toBe(worst?.[0]);
  });

  it('point at two classes whose labels are swapped in the new model', async () => {
    const classes = 12;
    const random = createRandom(4, 'swap');
    const centres = Float32Array.from({ length: classes * 16 }, () => random.normal());
    const centre = (c: number) => centres.subarray(c * 16, (c + 1) * 16);
    const labels = Array.from({ length: 240 }, (_, i) => i % classes);
    const around = (c: number) => centre(c).map((value) => value + 0.1 * random.normal());
    const swapped = (c: number) => (c === 3 ? 7 : c === 7 ? 3 : c);
    const flat = (rows: Float32Array[]) => Float32Array.from(rows.flatMap((row) => [...row]));
    const data: Case = {
      distance: 'cosine',
      columns: 16,
      queries: items(
        'q',
        labels.map((_, i) => `q${i}`),
        labels,
        classes,
      ),
      gallery: items(
        'g',
        labels.map((_, i) => `g${i}`),
        labels,
        classes,
      ),
      oldQuery: flat(labels.map(around)),
      newQuery: flat(labels.map((c) => around(swapped(c)))),
      oldGallery: flat(labels.map(around)),
    };
    const { classPairs } = await measure(data, { classPairs: true });
    const leading = (sign: string) =>
      classPairs
        .filter((entry) => entry.sign === sign)
        .slice(0, 2)
        .map(({ queryClass, galleryClass }) => `${queryClass}-${galleryClass}`)
        .sort();
    expect(leading('negative')).toEqual(['3-7', '7-3']);
    expect(leading('positive')).toEqual(['3-3', '7-7']);
  });
});

describe('hooks', () => {
  it('stops at once when cancelled', async () => {
    const data = randomCase({ distance: 'cosine', queries: 10, gallery: 10, classes: 2 });
    const { setup, oldQuery, newQuery } = await prepare(data);
    const form = formFor('cosine', data.columns);
    const gallery = new BlockReader(vectorsInMemory('gallery', data.oldGallery, data.columns), form, 5);
    const input = {
      distance: 'cosine' as const,
      oldQuery,
      newQuery,
      setup,
      gallery,
      epsilons: [0],
      worstPairs: 0,
      classPairs: false,
      threads: 1,
    };
    await expect(measureInequalities(input, { progress: silent, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'cancelled',
    });
  });
});
