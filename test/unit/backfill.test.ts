import { describe, expect, it } from 'vitest';
import { auditFigures } from '../../src/core/audit/auditFigures.ts';
import type { AuditInput, AuditItems } from '../../src/core/audit/auditInput.ts';
import {
  displacements,
  ORDERS,
  orderNames,
  outliers,
  STEPS,
  switchSteps,
} from '../../src/core/audit/backfill/backfillOrders.ts';
import { BackfillRow } from '../../src/core/audit/backfill/backfillRow.ts';
import { measureBackfill, summaryOf } from '../../src/core/audit/backfill/measureBackfill.ts';
import { measurePair } from '../../src/core/audit/measurePair.ts';
import { makePairSetup } from '../../src/core/audit/pairSetup.ts';
import { BlockReader, formFor } from '../../src/core/audit/vectors.ts';
import { type AuditProtocol, defaultProtocol } from '../../src/core/contract/protocol.ts';
import type { BackfillPoint, DimensionRule, Distance } from '../../src/core/contract/report.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { silentProgress } from './silentProgress.ts';

const hooks = { progress: silentProgress };
const CLASSES = 6;

interface Options {
  oldColumns?: number;
  newColumns?: number;
  queries?: number;
  gallery?: number;
  /** The first so many gallery items are the last queries. */
  shared?: number;
  /** Whole numbers of few values, so that many keys are equal. */
  coarse?: boolean;
  protocol?: Partial<AuditProtocol>;
  identical?: boolean;
}

function pair(options: Options = {}): AuditInput {
  const { oldColumns = 6, newColumns = 6, queries = 40, gallery = 70, shared = 15, coarse = false } = options;
  const random = createRandom(11, 'backfill test');
  const items = queries + gallery - shared;
  const centres = Float64Array.from({ length: CLASSES * 16 }, () => random.normal());
  const table = (columns: number, noise: number) =>
    Float32Array.from({ length: items * columns }, (_, i) => {
      const item = Math.floor(i / columns);
      const value = (centres[(item % CLASSES) * 16 + (i % columns)] as number) + noise * random.normal();
      return coarse ? Math.round(value) + (i % columns === 0 ? 5 : 0) : value;
    });
  const old = table(oldColumns, 1.2);
  const fresh = options.identical ? old : table(newColumns, 0.7);
  const first = queries - shared;
  const set = (name: string, start: number, count: number): AuditItems => ({
    name,
    count,
    ids: Array.from({ length: count }, (_, i) => `item ${start + i}`),
    labelOf: Int32Array.from({ length: count }, (_, i) => (start + i) % CLASSES),
    classNames: Array.from({ length: CLASSES }, (_, c) => `class ${c}`),
  });
  const source = (name: string, values: Float32Array, columns: number, start: number, count: number) =>
    vectorsInMemory(name, values.subarray(start * columns, (start + count) * columns), columns);
  return {
    queries: set('queries', 0, queries),
    gallery: set('gallery', first, gallery),
    vectors: {
      oldQuery: source('old query', old, oldColumns, 0, queries),
      newQuery: source('new query', fresh, newColumns, 0, queries),
      oldGallery: source('old gallery', old, oldColumns, first, gallery),
      newGallery: source('new gallery', fresh, newColumns, first, gallery),
      paragonQuery: null,
      paragonGallery: null,
    },
    protocol: { ...defaultProtocol, ks: [1, 3], triplets: 100, ...options.protocol },
  };
}

async function vectorsOf(source: {
  count: number;
  dimension: number;
  read(a: number, b: number, c: Float32Array): Promise<void>;
}) {
  const values = new Float32Array(source.count * source.dimension);
  await source.read(0, source.count, values);
  return Array.from({ length: source.count }, (_, row) => [
    ...values.subarray(row * source.dimension, (row + 1) * source.dimension),
  ]);
}

/** Cut or filled up to `columns`, as the rules say. */
const shaped = (vector: number[], columns: number) => Array.from({ length: columns }, (_, k) => vector[k] ?? 0);

function distanceOf(distance: Distance, a: number[], b: number[]): number {
  const dot = (x: number[], y: number[]) => x.reduce((sum, value, k) => sum + value * (y[k] as number), 0);
  if (distance === 'dot') return -dot(a, b);
  if (distance === 'cosine') return 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  return Math.hypot(...a.map((value, k) => value - (b[k] as number)));
}

/** Every share of every order by sorting the whole gallery anew. */
async function bruteForce(input: AuditInput, orders: number[][]): Promise<BackfillPoint[][]> {
  const { vectors, queries, gallery, protocol } = input;
  const columns = vectors.oldQuery.dimension;
  const fresh = await vectorsOf(vectors.newQuery);
  const oldGallery = await vectorsOf(vectors.oldGallery);
  const newGallery = await vectorsOf(vectors.newGallery as typeof vectors.oldGallery);
  // Distances that are equal on paper differ in their last digits.
  const rounded = (a: number[], b: number[]) => Math.round(distanceOf(protocol.distance, a, b) * 1e9);
  const old = fresh.map((vector) => oldGallery.map((other) => rounded(shaped(vector, columns), other)));
  const own = fresh.map((vector) => newGallery.map((other) => rounded(vector, other)));
  return orders.map((order) =>
    Array.from({ length: STEPS + 1 }, (_, step) => {
      const moved = new Set(order.slice(0, Math.round((step * gallery.count) / STEPS)));
      let precision = 0;
      const hits = new Map(protocol.ks.map((k) => [k, 0]));
      let counted = 0;
      queries.ids.forEach((id, query) => {
        const ranking = [...gallery.ids.keys()]
          .filter((item) => gallery.ids[item] !== id)
          .map((item) => ({ item, d: (moved.has(item) ? own : old)[query]?.[item] as number }))
          .sort((a, b) => a.d - b.d || a.item - b.item);
        const ranks = ranking.flatMap(({ item }, place) =>
          gallery.labelOf[item] === queries.labelOf[query] ? [place + 1] : [],
        );
        if (ranks.length === 0) return;
        counted++;
        precision += ranks.reduce((sum, rank, index) => sum + (index + 1) / rank, 0) / ranks.length;
        for (const k of protocol.ks) if ((ranks[0] as number) <= k) hits.set(k, (hits.get(k) as number) + 1);
      });
      return {
        share: step / STEPS,
        map: precision / counted,
        ...Object.fromEntries(protocol.ks.map((k) => [`cmc@${k}`, (hits.get(k) as number) / counted])),
      };
    }),
  );
}

async function measured(input: AuditInput, rule: DimensionRule = 'equal', scoreBytes?: number) {
  const rows = Int32Array.from(input.queries.ids.keys());
  const setup = makePairSetup(input.queries, input.gallery);
  const options = { threads: 1, ...(scoreBytes === undefined ? {} : { scoreBytes }) };
  const figures = await measurePair(input, rows, setup, rule, options, hooks);
  return { figures, backfill: await measureBackfill(input, rows, figures, options, hooks) };
}

function readers(input: AuditInput) {
  const { vectors, gallery, protocol } = input;
  const form = formFor(protocol.distance, vectors.oldGallery.dimension);
  return {
    distance: protocol.distance,
    seed: protocol.seed,
    labelOf: gallery.labelOf,
    classes: CLASSES,
    old: new BlockReader(vectors.oldGallery, form, 16),
    cross: new BlockReader(vectors.newGallery as typeof vectors.oldGallery, form, 16),
  };
}

/** Each order as the list of its gallery rows, from the steps and, within a step, whatever. */
async function ordersOf(input: AuditInput): Promise<number[][]> {
  const steps = await switchSteps(readers(input), hooks);
  return orderNames.map((_, order) =>
    [...input.gallery.ids.keys()].sort(
      (a, b) => (steps[a * ORDERS + order] as number) - (steps[b * ORDERS + order] as number),
    ),
  );
}

function expectCurves(found: BackfillPoint[] | undefined, wanted: BackfillPoint[][]): void {
  for (let step = 0; step <= STEPS; step++) {
    for (const name of ['map', 'cmc@1', 'cmc@3'] as const) {
      const mean = wanted.reduce((sum, curve) => sum + (curve[step]?.[name] as number), 0) / wanted.length;
      expect(found?.[step]?.[name], `${name} at step ${step}`).toBeCloseTo(mean, 6);
    }
  }
}

describe('one query by hand', () => {
  it('moves through a gallery of four', () => {
    // Items 0 and 2 match. Old keys 1 2 3 4, new keys 5 2 0 1; all orders re-embed item 2 at step 5, 0 at 10, 1 at 15, 3 at 20.
    const steps = new Uint8Array(4 * ORDERS);
    [10, 15, 5, 20].forEach((step, item) => {
      steps.fill(step, item * ORDERS, (item + 1) * ORDERS);
    });
    const row = new BackfillRow(steps, 2, [1]);
    row.add(Float32Array.of(9, 1, 2, 3, 4), Float32Array.of(9, 5, 2, 0, 1), 1, Int32Array.of(0, 2), -1);
    const at = (step: number) => row.precision[step];
    // 0 1 2 3: ranks 1, 3. Step 5: 2 0 1 3: ranks 1, 2. Step 10: 2 1 3 0: ranks 1, 4. Step 20: 2 3 1 0: the same.
    expect(at(0)).toBeCloseTo((1 + 2 / 3) / 2, 12);
    expect(at(4)).toBeCloseTo((1 + 2 / 3) / 2, 12);
    expect(at(5)).toBeCloseTo(1, 12);
    expect(at(9)).toBeCloseTo(1, 12);
    expect(at(10)).toBeCloseTo((1 + 2 / 4) / 2, 12);
    expect(at(20)).toBeCloseTo((1 + 2 / 4) / 2, 12);
    expect([...(row.hits[0] as Float64Array)]).toEqual(Array(ORDERS * 21).fill(1));
    // Without item 1, the query itself.
    const alone = new BackfillRow(steps, 2, [1]);
    alone.add(Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 2, 0, 1), 0, Int32Array.of(0, 2), 1);
    expect(alone.precision[0]).toBeCloseTo(1, 12);
    expect(alone.precision[20]).toBeCloseTo((1 + 2 / 3) / 2, 12);
  });
});

describe('the curve', () => {
  const cases: [string, Options, DimensionRule][] = [
    ['cosine, items shared', {}, 'equal'],
    ['euclidean', { protocol: { distance: 'euclidean' } }, 'equal'],
    ['dot', { protocol: { distance: 'dot' } }, 'equal'],
    ['longer new vectors, cut', { newColumns: 9 }, 'slice'],
    ['shorter new vectors, filled up', { newColumns: 4, protocol: { distance: 'euclidean' } }, 'pad'],
    ['many equal distances', { coarse: true, protocol: { distance: 'euclidean' } }, 'equal'],
    ['many equal products', { coarse: true, oldColumns: 3, newColumns: 3, protocol: { distance: 'dot' } }, 'equal'],
    ['the gallery as its own queries', { queries: 60, gallery: 60, shared: 60 }, 'equal'],
  ];
  it.each(cases)('is what sorting anew at every share gives: %s', async (_, options, rule) => {
    const input = pair(options);
    const { backfill } = await measured(input, rule);
    const wanted = await bruteForce(input, await ordersOf(input));
    expectCurves(backfill?.backfill.random, wanted.slice(0, 5));
    expectCurves(backfill?.backfill.displacement, wanted.slice(5, 6));
    expectCurves(backfill?.backfill.outliers, wanted.slice(6, 7));
  });

  it('begins at newOld and ends at newNew', async () => {
    for (const options of [{}, { newColumns: 9 }, { protocol: { distance: 'euclidean' as const } }]) {
      const { figures, backfill } = await measured(pair(options), 'newColumns' in options ? 'slice' : 'equal');
      const mean = (values: ArrayLike<number>) =>
        Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
      for (const curve of Object.values(backfill?.backfill ?? {})) {
        expect(curve).toHaveLength(21);
        expect(curve[0]?.map).toBeCloseTo(mean(figures.cells.get('newOld')?.averagePrecision ?? []), 6);
        expect(curve[20]?.map).toBeCloseTo(mean(figures.cells.get('newNew')?.averagePrecision ?? []), 6);
        const first = figures.cells.get('newNew')?.firstMatchRank ?? new Int32Array(0);
        expect(curve[20]?.['cmc@3']).toBeCloseTo(mean(first.map((rank) => (rank <= 3 ? 1 : 0))), 12);
      }
    }
  });

  it('does not depend on how many queries fit at once', async () => {
    const input = pair();
    const { backfill } = await measured(input);
    const { backfill: again } = await measured(input, 'equal', 8 * 70 * 7);
    for (const [order, curve] of Object.entries(backfill?.backfill ?? {})) {
      curve.forEach((point, step) => {
        expect(again?.backfill[order as 'random']?.[step]?.map).toBeCloseTo(point.map as number, 9);
      });
    }
  });

  it('is flat for identical models', async () => {
    const { backfill } = await measured(pair({ identical: true }));
    for (const curve of Object.values(backfill?.backfill ?? {})) {
      for (const point of curve) expect(point.map).toBeCloseTo(curve[0]?.map as number, 12);
    }
    expect(backfill?.summary.random?.map).toMatchObject({ reachesOldOld: 0, reachesNewNew: 0 });
  });

  it('takes a sample of the queries, and says so', async () => {
    const input = pair({ queries: 640, gallery: 60, shared: 10 });
    const { backfill } = await measured(input);
    expect(backfill?.queries).toBe(500);
    const whole = await bruteForce(input, [(await ordersOf(input))[6] as number[]]);
    // 500 of 640 queries of one kind.
    expect(backfill?.backfill.outliers?.[10]?.map).toBeCloseTo(whole[0]?.[10]?.map as number, 1);
    const { backfill: other } = await measured(pair({ queries: 640, gallery: 60, shared: 10, protocol: { seed: 5 } }));
    expect(other?.backfill.outliers).not.toEqual(backfill?.backfill.outliers);
  });
});

describe('the orders', () => {
  it('begin with the largest displacement, and with the farthest from the class mean', async () => {
    for (const distance of ['cosine', 'euclidean', 'dot'] as const) {
      const input = pair({ newColumns: 9, protocol: { distance } });
      const old = await vectorsOf(input.vectors.oldGallery);
      const fresh = await vectorsOf(input.vectors.newGallery as typeof input.vectors.oldGallery);
      const unit = (vector: number[]) =>
        distance === 'cosine' ? vector.map((value) => value / Math.hypot(...vector)) : vector;
      const moved = await displacements(readers(input), hooks);
      old.forEach((vector, item) => {
        expect(moved[item]).toBeCloseTo(distanceOf(distance, shaped(fresh[item] as number[], 6), vector), 5);
      });
      const far = await outliers(readers(input), hooks);
      old.forEach((vector, item) => {
        const own = old.filter((_, other) => input.gallery.labelOf[other] === input.gallery.labelOf[item]).map(unit);
        const mean = vector.map((_, k) => own.reduce((sum, other) => sum + (other[k] as number), 0) / own.length);
        expect(far[item]).toBeCloseTo(distanceOf(distance, vector, mean), 5);
      });
      const steps = await switchSteps(readers(input), hooks);
      for (const [order, values] of [
        [5, moved],
        [6, far],
      ] as const) {
        const ranked = [...values.keys()].sort((a, b) => (values[b] as number) - (values[a] as number));
        // 70 items: the first share of .05 has round(3.5) = 4 of them.
        expect(ranked.slice(0, 4).map((item) => steps[item * ORDERS + order])).toEqual([1, 1, 1, 1]);
        expect(ranked.slice(4, 7).map((item) => steps[item * ORDERS + order])).toEqual([2, 2, 2]);
        expect(steps[(ranked[69] as number) * ORDERS + order]).toBe(20);
      }
    }
  });

  it('are five different random ones, the same for the same seed', async () => {
    const steps = await switchSteps(readers(pair()), hooks);
    expect(await switchSteps(readers(pair()), hooks)).toEqual(steps);
    const other = await switchSteps(readers(pair({ protocol: { seed: 1 } })), hooks);
    const column = (from: Uint8Array, order: number) => from.filter((_, at) => at % ORDERS === order);
    for (let order = 0; order < 5; order++) {
      expect(column(other, order)).not.toEqual(column(steps, order));
      expect(column(steps, (order + 1) % 5)).not.toEqual(column(steps, order));
      for (let step = 1; step <= 20; step++) {
        const entered = column(steps, order).filter((own) => own <= step).length;
        expect(entered).toBe(Math.round((step * 70) / 20));
      }
    }
  });
});

describe('the summary', () => {
  it('by hand', () => {
    const points = [0.4, 0.2, 0.5, 0.7].map((map, k) => ({ share: [0, 0.25, 0.5, 1][k] as number, map }));
    // .25 x .3 + .25 x .35 + .5 x .6
    const summary = summaryOf(points, 'map', 0.45);
    expect(summary.area).toBeCloseTo(0.4625, 12);
    expect(summary).toMatchObject({ worst: { share: 0.25, value: 0.2 }, reachesOldOld: 0.5, reachesNewNew: 1 });
    expect(summaryOf(points, 'map', 0.9).reachesOldOld).toBeNull();
  });
});

describe('in an audit', () => {
  it('is in the report, and null without new gallery vectors', async () => {
    const input = pair();
    const figures = await auditFigures(input, { threads: 1 }, hooks);
    expect(figures.backfill?.random).toHaveLength(21);
    expect(figures.backfill?.displacement?.[0]?.map).toBeCloseTo(figures.retrieval.newOld.map?.value ?? 0, 6);
    expect(figures.backfillSummary?.outliers?.map?.reachesNewNew).toBeLessThanOrEqual(1);
    const without = await auditFigures(
      { ...input, vectors: { ...input.vectors, newGallery: null } },
      { threads: 1 },
      hooks,
    );
    expect(without.backfill).toBeNull();
    expect(without.backfillSummary).toBeNull();
  });
});
