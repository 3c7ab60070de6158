import { describe, expect, it } from 'vitest';
import { auditFigures } from '../../src/core/audit/auditFigures.ts';
import type { AuditInput } from '../../src/core/audit/auditInput.ts';
import { distanceBetween } from '../../src/core/audit/distance.ts';
import { makePairSetup } from '../../src/core/audit/pairSetup.ts';
import { fitRotations } from '../../src/core/audit/references.ts';
import { backfillRemedy } from '../../src/core/audit/remedies/backfillRemedy.ts';
import { matchDistances, weighted } from '../../src/core/audit/remedies/sameClassPairs.ts';
import { formFor, loadMatrix, type Matrix } from '../../src/core/audit/vectors.ts';
import { defaultProtocol } from '../../src/core/contract/protocol.ts';
import type { Remedy, Report } from '../../src/core/contract/report.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { silentProgress } from './silentProgress.ts';
import { makeSyntheticPair, randomRotation, rotate } from './syntheticPair.ts';

const hooks = { progress: silentProgress };
const columns = 64;

/** The first items of the synthetic pair, leave-one-out. */
function synthetic(change: (better: Float32Array) => Float32Array, count = 600): AuditInput {
  const pair = makeSyntheticPair(7);
  const items = {
    ...pair.items,
    count,
    ids: pair.items.ids.slice(0, count),
    labelOf: pair.items.labelOf.slice(0, count),
  };
  const old = vectorsInMemory('old', pair.old.slice(0, count * columns), columns);
  const next = vectorsInMemory('new', change(pair.better.slice(0, count * columns)), columns);
  const vectors = { oldQuery: old, newQuery: next, oldGallery: old, newGallery: next };
  return {
    queries: items,
    gallery: items,
    vectors: { ...vectors, paragonQuery: null, paragonGallery: null },
    protocol: { ...defaultProtocol, triplets: 100, bootstrap: { ...defaultProtocol.bootstrap, resamples: 200 } },
  };
}

const audit = (input: AuditInput) => auditFigures(input, { threads: 1 }, hooks);
const methodOf = (remedies: Remedy[], method: Remedy['method']) => remedies.find((remedy) => remedy.method === method);
const rotation = randomRotation(columns, createRandom(3, 'remedies test'));

/** Mean average precision by sorting, leave-one-out. */
function sortedMap(query: Matrix, gallery: Matrix, labels: Int32Array): number {
  let total = 0;
  for (let i = 0; i < query.rows; i++) {
    const order = Array.from(labels.keys())
      .filter((j) => j !== i)
      .map((j) => ({ j, d: distanceBetween('cosine', query, i, gallery, j) }))
      .sort((a, b) => a.d - b.d);
    let [hits, precision] = [0, 0];
    order.forEach(({ j }, place) => {
      if (labels[j] !== labels[i]) return;
      hits++;
      precision += hits / (place + 1);
    });
    total += precision / hits;
  }
  return total / query.rows;
}

describe('remedies of a rotated model', () => {
  it('are judged by maps that did not see the query, cheapest first', { timeout: 60_000 }, async () => {
    const input = synthetic((better) => rotate(better, rotation, columns));
    const { remedies, verdict, verification } = await audit(input);
    expect(verdict.state).toBe('incompatible');
    expect(remedies.map(({ method }) => method)).toEqual(['threshold', 'procrustes', 'linear', 'backfill']);

    // All 600 queries are judged, so an independent ranking of the same rotated queries gives the same figures.
    const rows = Int32Array.from({ length: 600 }, (_, row) => row);
    const rotated = (await (await fitRotations(input, 1, hooks))?.queriesAt(rows)) as Matrix;
    const old = await loadMatrix(input.vectors.oldGallery, formFor('cosine', columns));
    const procrustes = methodOf(remedies, 'procrustes') as Remedy;
    expect(procrustes.estimated.map?.value).toBeCloseTo(sortedMap(rotated, old, input.gallery.labelOf), 5);
    expect(procrustes.estimated.map?.value).toBeGreaterThan(sortedMap(old, old, input.gallery.labelOf));
    expect(procrustes.reachesCriterion).toBe(true);
    expect(procrustes.basis).toMatch(/^fitted on 300 held-out items, judged on 600 other queries/);

    // Same-class pairs and the threshold, pair by pair: 39 matches each, so none is left out.
    let [pairs, grew] = [0, 0];
    const [same, different]: [number[], number[]] = [[], []];
    for (let i = 0; i < 600; i++) {
      for (let j = 0; j < 600; j++) {
        if (i === j) continue;
        const distance = distanceBetween('cosine', rotated, i, old, j);
        if (input.gallery.labelOf[i] !== input.gallery.labelOf[j]) {
          different.push(distance);
          continue;
        }
        pairs++;
        same.push(distance);
        if (distance > distanceBetween('cosine', old, i, old, j) + 1e-6) grew++;
      }
    }
    expect(procrustes.estimated.positiveRate?.value).toBeCloseTo(grew / pairs, 4);
    different.sort((a, b) => a - b);
    const threshold = different[Math.floor(0.01 * different.length) - 1] as number;
    const tar = same.filter((distance) => distance <= threshold).length / pairs;
    expect(procrustes.estimated.tar?.value).toBeCloseTo(tar, 3);
    for (const { value, interval } of [procrustes.estimated.tar, procrustes.estimated.map] as Required<
      Remedy['estimated']
    >['map'][]) {
      expect(interval?.[0]).toBeLessThan(value);
      expect(interval?.[1]).toBeGreaterThan(value);
    }

    // A threshold cannot mend what has no order: on held-out halves TAR stays that of the cell's own threshold.
    const moved = methodOf(remedies, 'threshold') as Remedy;
    const own = verification?.transfer.newOld.find(({ far }) => far === 0.01);
    expect(moved.estimated.tar?.value).toBeCloseTo(own?.tarAtRestoringThreshold as number, 1);
    expect(moved.reachesCriterion).toBeNull();
    expect(moved.estimated.map).toBeUndefined();
  });

  it('tries the network only where nothing cheaper reaches the criterion', { timeout: 60_000 }, async () => {
    // Queries that belong to other items: no map can mend them.
    const { remedies } = await audit(
      synthetic((better) => {
        const order = createRandom(4, 'order').shuffle(Int32Array.from({ length: 600 }, (_, row) => row));
        const shuffled = new Float32Array(better.length);
        order.forEach((from, to) => {
          shuffled.set(better.subarray(from * columns, (from + 1) * columns), to * columns);
        });
        return shuffled;
      }),
    );
    expect(methodOf(remedies, 'mlp')?.reachesCriterion).toBe(false);
    expect(methodOf(remedies, 'procrustes')?.reachesCriterion).toBe(false);
    const unmended = methodOf(remedies, 'backfill') as Remedy;
    expect(unmended.reachesCriterion).toBe(false);
    expect(unmended.cost).toMatch(/^100 % of the gallery/);
  });

  it('are none where none is needed', async () => {
    const { remedies, notes, verdict } = await audit(synthetic((better) => better));
    expect(verdict).toMatchObject({ state: 'compatible', thresholds: 'kept' });
    expect(remedies).toEqual([]);
    expect(notes).toContain('No remedy was estimated: ranking and threshold hold without one.');
  });

  it('says which could not be estimated for want of items', async () => {
    const { remedies, notes } = await audit(synthetic((better) => rotate(better, rotation, columns), 80));
    expect(methodOf(remedies, 'procrustes')).toBeUndefined();
    expect(methodOf(remedies, 'linear')).toBeDefined();
    expect(notes?.join()).toContain('a rotation was not estimated');
  });
});

describe('same-class pairs', () => {
  it('are all looked at where they are few, and weigh by their number', async () => {
    const items = (labels: number[], name: string) => ({
      name,
      count: labels.length,
      ids: labels.map((_, i) => `${name}${i}`),
      labelOf: Int32Array.from(labels),
      classNames: ['a', 'b'],
    });
    const [queries, gallery] = [items([0, 1], 'q'), items([0, 1, 0, 0], 'g')];
    const source = (values: number[]) => vectorsInMemory('points', Float32Array.from(values), 1);
    const old = source([0, 10]);
    const input: AuditInput = {
      queries,
      gallery,
      vectors: {
        oldQuery: old,
        newQuery: old,
        oldGallery: source([1, 12, 3, 5]),
        newGallery: null,
        paragonQuery: null,
        paragonGallery: null,
      },
      protocol: { ...defaultProtocol, distance: 'euclidean' },
    };
    const setup = makePairSetup(queries, gallery);
    const version = { rows: 2, columns: 1, values: Float32Array.of(0, 10) };
    const [distances] = await matchDistances(input, setup, [version]);
    expect(distances?.map((list) => [...list])).toEqual([[1, 3, 5], [2]]);
    expect([...weighted(setup, distances ?? [], (distance) => distance <= 3)]).toEqual([2, 1]);
  });
});

describe('partial backfill as a remedy', () => {
  const figures = (reached: (number | null)[]): Pick<Report, 'backfill' | 'backfillSummary'> => {
    const points = [0, 0.5, 1].map((share) => ({ share, map: 0.4 + 0.2 * share }));
    const orders = ['random', 'displacement', 'outliers'] as const;
    return {
      backfill: Object.fromEntries(orders.map((order) => [order, points])),
      backfillSummary: Object.fromEntries(
        orders.map((order, i) => [
          order,
          { map: { area: 0.5, worst: { share: 0, value: 0.4 }, reachesOldOld: reached[i] ?? null, reachesNewNew: 1 } },
        ]),
      ),
    };
  };

  it('takes the smallest share of all orders', () => {
    expect(backfillRemedy(figures([1, 0.5, null]), 'map', 1001)).toMatchObject({
      estimated: { map: { value: 0.5, interval: null } },
      cost: '50 % of the gallery (501 items) embedded again, those first whose vectors move most',
      reachesCriterion: true,
    });
  });

  it('is none where nothing has to be embedded again, or nothing was measured', () => {
    expect(backfillRemedy(figures([0.5, 0, 0]), 'map', 10)).toBeNull();
    expect(backfillRemedy({ backfill: null, backfillSummary: null }, 'map', 10)).toBeNull();
    expect(backfillRemedy(figures([1, 1, 1]), 'rPrecision', 10)).toBeNull();
  });
});
