import { describe, expect, it } from 'vitest';
import { fitAdapter } from '../../src/core/audit/adapters/adapter.ts';
import { comparable } from '../../src/core/audit/adapters/unitRows.ts';
import { auditFigures } from '../../src/core/audit/auditFigures.ts';
import type { AuditInput, AuditItems } from '../../src/core/audit/auditInput.ts';
import { crossFit } from '../../src/core/audit/crossFit.ts';
import { splitInHalves } from '../../src/core/audit/sampling.ts';
import type { Matrix } from '../../src/core/audit/vectors.ts';
import { type AuditProtocol, defaultProtocol } from '../../src/core/contract/protocol.ts';
import { adapterKinds } from '../../src/core/contract/report.ts';
import { type VectorSource, vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { silentProgress } from './silentProgress.ts';
import { randomRotation } from './syntheticPair.ts';

const hooks = { progress: silentProgress };
const CLASSES = 10;

interface Options {
  oldColumns: number;
  newColumns: number;
  newGallery?: boolean;
  queries?: number;
  protocol?: Partial<AuditProtocol>;
}

/**
 * New vectors are class centres plus noise in 24 components, turned; old ones the same items with noise of their own,
 * cut to `oldColumns`. The last 40 queries are the first 40 of the gallery.
 */
function pair({ oldColumns, newColumns, newGallery = true, queries = 160, protocol }: Options): AuditInput {
  const random = createRandom(3, 'cross fit');
  const gallery = 240;
  const centres = Float64Array.from({ length: CLASSES * 24 }, () => random.normal());
  const items = queries + gallery - 40;
  const label = (item: number) => item % CLASSES;
  const table = (columns: number, noise: number, turn: Float64Array | null) => {
    const values = new Float32Array(items * columns);
    for (let item = 0; item < items; item++) {
      const plain = Float64Array.from(
        { length: 24 },
        (_, k) => (centres[label(item) * 24 + k] as number) + noise * random.normal(),
      );
      for (let k = 0; k < columns; k++) {
        values[item * columns + k] =
          turn === null
            ? (plain[k] as number)
            : plain.reduce((sum, value, from) => sum + value * (turn[from * 24 + k] as number), 0);
      }
    }
    return values;
  };
  const old = table(oldColumns, 0.6, null);
  const fresh = table(newColumns, 0.5, randomRotation(24, random));
  const set = (name: string, start: number, count: number): AuditItems => ({
    name,
    count,
    ids: Array.from({ length: count }, (_, i) => `item ${start + i}`),
    labelOf: Int32Array.from({ length: count }, (_, i) => label(start + i)),
    classNames: Array.from({ length: CLASSES }, (_, c) => `class ${c}`),
  });
  const source = (name: string, values: Float32Array, columns: number, start: number, count: number) =>
    vectorsInMemory(name, values.subarray(start * columns, (start + count) * columns), columns);
  const first = queries - 40;
  return {
    queries: set('queries', 0, queries),
    gallery: set('gallery', first, gallery),
    vectors: {
      oldQuery: source('old query', old, oldColumns, 0, queries),
      newQuery: source('new query', fresh, newColumns, 0, queries),
      oldGallery: source('old gallery', old, oldColumns, first, gallery),
      newGallery: newGallery ? source('new gallery', fresh, newColumns, first, gallery) : null,
      paragonQuery: null,
      paragonGallery: null,
    },
    protocol: { ...defaultProtocol, triplets: 2000, ...protocol },
  };
}

async function rowsOf(source: VectorSource): Promise<Matrix> {
  const values = new Float32Array(source.count * source.dimension);
  await source.read(0, source.count, values);
  return { rows: source.count, columns: source.dimension, values };
}

const picked = ({ columns, values }: Matrix, rows: readonly number[]): Matrix => ({
  rows: rows.length,
  columns,
  values: Float32Array.from(rows.flatMap((row) => [...values.subarray(row * columns, (row + 1) * columns)])),
});

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((largest, value, k) => Math.max(largest, Math.abs(value - (b[k] as number))), 0);

describe('crossFit', () => {
  it('maps every item by the adapter fitted on the half that it is not in', async () => {
    const input = pair({ oldColumns: 16, newColumns: 24, protocol: { seed: 7 } });
    const found = await crossFit(input, 'linear', 1, hooks);
    // By hand: items are the 160 queries, then the 200 gallery rows that are no queries.
    const { queries, gallery, vectors } = input;
    const labels = Int32Array.of(...queries.labelOf, ...gallery.labelOf.subarray(40));
    const halves = splitInHalves(labels, CLASSES, 7);
    const [oldQuery, newQuery, oldGallery, newGallery] = await Promise.all(
      [vectors.oldQuery, vectors.newQuery, vectors.oldGallery, vectors.newGallery as VectorSource].map(rowsOf),
    );
    const members = (half: number) => [...halves.keys()].filter((item) => halves[item] === half);
    const shape = { newColumns: 24, oldColumns: 16 };
    for (const half of [0, 1]) {
      const own = members(half);
      const ownQueries = own.filter((item) => item < 160);
      const ownGallery = own.filter((item) => item >= 160).map((item) => item - 160 + 40);
      const blocks = async function* () {
        yield { from: picked(newQuery as Matrix, ownQueries), to: picked(oldQuery as Matrix, ownQueries) };
        yield { from: picked(newGallery as Matrix, ownGallery), to: picked(oldGallery as Matrix, ownGallery) };
      };
      const adapter = await fitAdapter('linear', blocks, shape, { seed: 7, threads: 1, distance: 'cosine' }, hooks);
      expect(found?.fits[half]).toEqual({ description: adapter.description, items: own.length });
      const others = members(1 - half);
      const queryRows = others.filter((item) => item < 160);
      const mapped = await adapter.apply(picked(newQuery as Matrix, queryRows));
      const query = await rowsOf(found?.query as VectorSource);
      expect(largestDifference(mapped.values, picked(query, queryRows).values)).toBeLessThan(1e-5);
      // Gallery rows 0 ... 39 are the queries 120 ... 159: one item, one map.
      const galleryRows = others.filter((item) => item >= 120).map((item) => item - 120);
      const mappedGallery = await adapter.apply(picked(newGallery as Matrix, galleryRows));
      const inOldSpace = await rowsOf(found?.gallery as VectorSource);
      expect(largestDifference(mappedGallery.values, picked(inOldSpace, galleryRows).values)).toBeLessThan(1e-5);
    }
  });

  it('reads the same rows whichever block they are in', async () => {
    const found = await crossFit(pair({ oldColumns: 16, newColumns: 24 }), 'mlp', 1, hooks);
    const whole = await rowsOf(found?.gallery as VectorSource);
    const some = new Float32Array(3 * 16);
    await found?.gallery?.read(50, 3, some);
    expect(largestDifference(some, whole.values.subarray(50 * 16, 53 * 16))).toBeLessThan(1e-6);
  });

  it('needs the shorter length in each half for a rotation, less for a ridge', async () => {
    const few = pair({ oldColumns: 24, newColumns: 24, queries: 40, newGallery: false });
    expect(await crossFit(few, 'procrustes', 1, hooks)).toBeNull();
    expect((await crossFit(few, 'linear', 1, hooks))?.fits.map(({ items }) => items)).toEqual([20, 20]);
    expect((await crossFit(few, 'linear', 1, hooks))?.gallery).toBeNull();
  });
});

describe('the dimension rule "project"', () => {
  const audit = (options: Options) => auditFigures(pair(options), { threads: 1 }, hooks);
  const map = (cell: { map?: { value: number } } | null) => cell?.map?.value ?? Number.NaN;

  it('makes a rotated and longer new model serve, and says how', async () => {
    const sliced = await audit({ oldColumns: 16, newColumns: 24, protocol: { dimensionRule: 'slice' } });
    expect(sliced.protocol).not.toHaveProperty('adapter');
    for (const adapter of adapterKinds) {
      const figures = await audit({ oldColumns: 16, newColumns: 24, protocol: { dimensionRule: 'project', adapter } });
      expect(figures.protocol).toMatchObject({ dimensionRule: 'project', adapter });
      expect(figures.notes?.[0]).toMatch(/two adapters.*on 1[78]\d items/);
      expect(map(figures.retrieval.newOld)).toBeGreaterThan(map(sliced.retrieval.newOld) + 0.3);
      expect(map(figures.retrieval.oldNew)).toBeGreaterThan(map(sliced.retrieval.oldNew) + 0.3);
      // Full vectors where the models do not meet.
      expect(figures.retrieval.newNew).toEqual(sliced.retrieval.newNew);
      expect(figures.retrieval.oldOld).toEqual(sliced.retrieval.oldOld);
    }
  });

  it('also maps vectors of equal and of shorter length', async () => {
    const turned = await audit({ oldColumns: 24, newColumns: 24 });
    const mapped = await audit({ oldColumns: 24, newColumns: 24, protocol: { dimensionRule: 'project' } });
    expect(mapped.protocol.dimensionRule).toBe('project');
    expect(map(mapped.retrieval.newOld)).toBeGreaterThan(map(turned.retrieval.newOld) + 0.3);
    // The adapter is what the Procrustes reference uses.
    expect(mapped.inequalities.positive.byEpsilon[0]?.rate).toBeCloseTo(
      turned.inequalities.references.procrustes?.positive.byEpsilon[0]?.rate ?? Number.NaN,
      9,
    );
    const shorter = await audit({ oldColumns: 24, newColumns: 20, protocol: { dimensionRule: 'project' } });
    expect(map(shorter.retrieval.newOld)).toBeGreaterThan(map(turned.retrieval.newOld) + 0.3);
  });

  it('measures the same as an audit of vectors mapped beforehand', async () => {
    const input = pair({ oldColumns: 16, newColumns: 24, protocol: { dimensionRule: 'project', adapter: 'linear' } });
    const fitted = await crossFit(input, 'linear', 1, hooks);
    const unit = async (source: VectorSource) =>
      vectorsInMemory(source.name, comparable(await rowsOf(source), 'cosine').values, 16);
    const beforehand = await auditFigures(
      {
        ...input,
        vectors: {
          ...input.vectors,
          newQuery: await unit(fitted?.query as VectorSource),
          newGallery: await unit(fitted?.gallery as VectorSource),
        },
        protocol: { ...input.protocol, dimensionRule: null },
      },
      { threads: 1 },
      hooks,
    );
    const figures = await auditFigures(input, { threads: 1 }, hooks);
    expect(map(figures.retrieval.newOld)).toBeCloseTo(map(beforehand.retrieval.newOld), 9);
    expect(map(figures.retrieval.oldNew)).toBeCloseTo(map(beforehand.retrieval.oldNew), 9);
    expect(figures.inequalities.negative.severity).toBeCloseTo(beforehand.inequalities.negative.severity ?? 0, 6);
    expect(figures.triplets.inverted).toBeCloseTo(beforehand.triplets.inverted ?? Number.NaN, 9);
  });

  it('names what is missing when there are too few items', async () => {
    const few = audit({
      oldColumns: 24,
      newColumns: 24,
      queries: 40,
      newGallery: false,
      protocol: { dimensionRule: 'project' },
    });
    await expect(few).rejects.toMatchObject({
      code: 'dimension-mismatch',
      message: expect.stringContaining('"procrustes" from 24 to 24'),
      remedy: expect.stringContaining('"linear"'),
    });
  });
});
