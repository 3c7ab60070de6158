import { describe, expect, it } from 'vitest';
import { auditFigures } from '../../src/core/audit/auditFigures.ts';
import type { AuditInput } from '../../src/core/audit/auditInput.ts';
import { makePairSetup } from '../../src/core/audit/pairSetup.ts';
import { BlockReader, formFor, loadMatrix } from '../../src/core/audit/vectors.ts';
import { measurableFars, measureWithThresholds, planVerification } from '../../src/core/audit/verificationPlan.ts';
import { type AuditProtocol, defaultProtocol } from '../../src/core/contract/protocol.ts';
import type { Distance, Verification } from '../../src/core/contract/report.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { silentProgress } from './silentProgress.ts';
import { type NaiveSide, naiveConsequences, naivePairs, naiveRates, naiveThreshold } from './verificationReference.ts';

interface Case {
  distance: Distance;
  queries: NaiveSide;
  gallery: NaiveSide;
  columns: number;
}

function inputOf({ distance, queries, gallery, columns }: Case, protocol: Partial<AuditProtocol> = {}): AuditInput {
  const classNames = [...new Set([...gallery.labels, ...queries.labels])];
  const items = (side: NaiveSide, name: string) => ({
    name,
    count: side.ids.length,
    ids: side.ids,
    labelOf: Int32Array.from(side.labels, (label) => classNames.indexOf(label)),
    classNames,
  });
  const source = (name: string, values: Float32Array) => vectorsInMemory(name, values, columns);
  return {
    queries: items(queries, 'queries'),
    gallery: items(gallery, 'gallery'),
    vectors: {
      oldQuery: source('old queries', queries.vectors),
      newQuery: source('new queries', queries.current),
      oldGallery: source('old gallery', gallery.vectors),
      newGallery: source('new gallery', gallery.current),
      paragonQuery: null,
      paragonGallery: null,
    },
    protocol: { ...defaultProtocol, distance, triplets: 100, referenceQueries: 20, ...protocol },
  };
}

async function verify(
  data: Case,
  protocol: Partial<AuditProtocol> = {},
  options: { threads: number | null; scoreBytes?: number } = { threads: null },
) {
  return auditFigures(inputOf(data, protocol), options, { progress: silentProgress });
}

const distances: Distance[] = ['cosine', 'euclidean', 'dot'];

/** Classes as clouds; whole numbers where distances should tie. Some queries are gallery items. */
function randomCase(distance: Distance, seed: number, whole: boolean): Case {
  const random = createRandom(seed, 'verification test');
  const columns = 6;
  const classes = 7;
  const centres = Array.from({ length: classes * columns }, () => 2 * random.normal());
  const side = (count: number, prefix: string): NaiveSide => {
    const labels = Array.from({ length: count }, () => random.integer(classes));
    const vectors = (noise: number) =>
      Float32Array.from(
        labels.flatMap((label) =>
          Array.from({ length: columns }, (_, k) => {
            const value = (centres[label * columns + k] as number) + noise * random.normal();
            return whole ? 1 + Math.abs(Math.round(value)) : value;
          }),
        ),
      );
    return {
      ids: labels.map((_, i) => `${prefix}${i}`),
      labels: labels.map((label) => `class${label}`),
      vectors: vectors(2),
      current: vectors(1.5),
    };
  };
  const queries = side(80, 'q');
  const gallery = side(260, 'g');
  for (let q = 0; q < 15; q++) {
    const j = 11 * q;
    queries.ids[q] = gallery.ids[j] as string;
    queries.labels[q] = gallery.labels[j] as string;
    for (const name of ['vectors', 'current'] as const) {
      queries[name].set(gallery[name].subarray(j * columns, (j + 1) * columns), q * columns);
    }
  }
  queries.labels[40] = 'alone';
  return { distance, queries, gallery, columns };
}

describe('by hand', () => {
  // On a line. One query of class a at 0; the gallery holds a at 1, 3, 5 and b at 2, 2, 4, 6, 7, 8, 9, 10, 11, 12 (both
  // models see it alike); the new model puts the query at 3.
  const places = [1, 3, 5, 2, 2, 4, 6, 7, 8, 9, 10, 11, 12];
  const copies = 10;
  const data: Case = {
    distance: 'euclidean',
    columns: 1,
    queries: {
      ids: Array.from({ length: copies }, (_, i) => `q${i}`),
      labels: Array.from({ length: copies }, () => 'a'),
      vectors: new Float32Array(copies),
      current: new Float32Array(copies).fill(3),
    },
    gallery: {
      ids: places.map((_, j) => `g${j}`),
      labels: places.map((_, j) => (j < 3 ? 'a' : 'b')),
      vectors: Float32Array.from(places),
      current: Float32Array.from(places),
    },
  };

  it('thresholds, transfer and consequences', async () => {
    // 100 different-class pairs: ten a query. FAR .1 would take one of the two at 2, which are equal: none.
    // FAR .3: the two at 2 and the one at 4.
    const { verification, verdict } = await verify(data, { operatingFar: 0.3 });
    expect(verification?.far).toEqual([0.3, 0.1]);
    expect(verification?.cells.oldOld).toEqual([
      { far: 0.3, threshold: 4, tar: 2 / 3 },
      { far: 0.1, threshold: null, tar: null },
    ]);
    // New distances: a 2, 0, 2; b 1, 1, 1, 3, 4, 5, 6, 7, 8, 9.
    const [at30, at10] = verification?.transfer.newOld ?? [];
    expect(at30).toEqual({
      far: 0.3,
      oldThreshold: 4,
      farAtOldThreshold: 0.5,
      tarAtOldThreshold: 1,
      restoringThreshold: 1,
      tarAtRestoringThreshold: 1 / 3,
      tarInterval: [1, 1],
    });
    expect(at10).toMatchObject({
      oldThreshold: null,
      farAtOldThreshold: null,
      restoringThreshold: null,
      tarInterval: null,
    });
    // At 4: b at 6 and 7 are newly accepted; a at 5 is mended.
    expect(verification?.consequential[0]).toEqual({
      far: 0.3,
      newFalseAccepts: 0.2,
      mendedFalseAccepts: 0,
      newFalseRejects: 0,
      mendedFalseRejects: 1 / 3,
    });
    expect(verification?.consequential[1]?.newFalseAccepts).toBeNull();
    // FAR .5 is more than 1.5 times .3, and the restoring threshold accepts fewer than the old one did.
    expect(verdict.thresholds).toBe('broken');
  });

  it('rates need ten different-class pairs above them', () => {
    expect(measurableFars(0.01, 99)).toEqual([]);
    expect(measurableFars(0.01, 100)).toEqual([0.1]);
    expect(measurableFars(0.01, 1000)).toEqual([0.1, 0.01]);
    expect(measurableFars(0.003, 100_000)).toEqual([0.1, 0.01, 0.003, 0.001, 1e-4]);
  });
});

/** A pair may lie within rounding of a limit. */
function expectClose(found: number | null | undefined, expected: number | null, unit: number, what: string): void {
  if (expected === null) expect(found, what).toBeNull();
  else expect(Math.abs((found as number) - expected), `${what}: ${found} for ${expected}`).toBeLessThanOrEqual(unit);
}

describe.each(distances)('against all pairs in double: %s', (distance) => {
  // Cosine distances of whole numbers are rounded, and so are their ties.
  it.each(distance === 'cosine' ? [false] : [false, true])('clouds, on whole numbers: %s', async (whole) => {
    const data = randomCase(distance, 4, whole);
    const onOld = naivePairs(distance, data.queries, data.gallery, data.columns, 'old');
    const onNew = naivePairs(distance, data.queries, data.gallery, data.columns, 'new');
    const negatives = (pairs: typeof onOld, which: 'old' | 'current') =>
      pairs.filter(({ same }) => !same).map((pair) => pair[which]);
    const pairs = { far: negatives(onOld, 'old').length, tar: onOld.length - negatives(onOld, 'old').length };
    const unit = whole ? 0 : 1;
    const figures = await verify(data, { operatingFar: 0.02 }, { threads: 1, scoreBytes: 40_000 });
    const verification = figures.verification as Verification;
    expect(verification.far).toEqual([0.1, 0.02, 0.01, 0.001]);
    verification.far.forEach((far, f) => {
      const threshold = naiveThreshold(negatives(onOld, 'old'), far);
      const old = verification.cells.oldOld?.[f];
      expectClose(old?.threshold, threshold, 1e-5, `old threshold at ${far}`);
      if (threshold === null) return;
      expectClose(old?.tar, naiveRates(onOld, 'old', threshold).tar, unit / pairs.tar, `old TAR at ${far}`);
      for (const [cell, list] of [
        ['newOld', onOld],
        ['newNew', onNew],
      ] as const) {
        const found = verification.transfer[cell]?.[f];
        const rates = naiveRates(list, 'current', threshold);
        expectClose(found?.farAtOldThreshold, rates.far, unit / pairs.far, `${cell} FAR at ${far}`);
        expectClose(found?.tarAtOldThreshold, rates.tar, unit / pairs.tar, `${cell} TAR at ${far}`);
        const restoring = naiveThreshold(negatives(list, 'current'), far);
        expectClose(found?.restoringThreshold, restoring, 1e-5, `${cell} restoring threshold at ${far}`);
        const restored = restoring === null ? null : naiveRates(list, 'current', restoring).tar;
        expectClose(found?.tarAtRestoringThreshold, restored, unit / pairs.tar, `${cell} restored TAR at ${far}`);
        const [low, high] = found?.tarInterval ?? [1, 0];
        expect(low).toBeLessThanOrEqual(rates.tar as number);
        expect(high).toBeGreaterThanOrEqual(rates.tar as number);
      }
      const consequences = naiveConsequences(onOld, threshold);
      for (const name of Object.keys(consequences) as (keyof typeof consequences)[]) {
        const of = name.endsWith('Accepts') ? pairs.far : pairs.tar;
        expectClose(verification.consequential[f]?.[name], consequences[name], unit / of, `${name} at ${far}`);
      }
    });
  });

  it('does not depend on blocks and threads', async () => {
    const data = randomCase(distance, 5, false);
    const [one, other] = [
      await verify(data, {}, { threads: 1, scoreBytes: 1 }),
      await verify(data, {}, { threads: 2 }),
    ];
    const flat = (value: unknown) =>
      JSON.stringify(value, (_, leaf) => (typeof leaf === 'number' ? leaf.toFixed(4) : leaf));
    expect(flat(one.verification)).toBe(flat(other.verification));
    expect(flat(one.curves.roc)).toBe(flat(other.curves.roc));
  });

  it('draws curves whose points are exact', async () => {
    const data = randomCase(distance, 6, false);
    const { curves, verification } = await verify(data);
    const pairs = naivePairs(distance, data.queries, data.gallery, data.columns, 'old');
    for (const [name, which] of [
      ['oldOld', 'old'],
      ['newOld', 'current'],
    ] as const) {
      const { far, tar } = curves.roc?.[name] ?? { far: [], tar: [] };
      expect(far.length).toBeGreaterThan(80);
      expect([far.at(-1), tar.at(-1)]).toEqual([1, 1]);
      const negatives = pairs
        .filter(({ same }) => !same)
        .map((pair) => pair[which])
        .sort((a, b) => a - b);
      const positives = pairs.filter(({ same }) => same).map((pair) => pair[which]);
      far.forEach((rate, point) => {
        const count = Math.round(rate * negatives.length);
        expect(rate * negatives.length).toBeCloseTo(count, 6);
        // Any threshold from this many accepted pairs up to the next one is on the curve.
        const least = (negatives[count - 1] as number) - 1e-5;
        const most = (negatives[count] ?? Number.POSITIVE_INFINITY) + 1e-5;
        const accepted = Math.round((tar[point] as number) * positives.length);
        expect(accepted).toBeGreaterThanOrEqual(positives.filter((d) => d <= least).length);
        expect(accepted).toBeLessThanOrEqual(positives.filter((d) => d < most).length);
      });
      const smallest = verification?.far.at(-1) as number;
      expect(far[0]).toBeLessThan(2 * smallest);
    }
  });
});

describe('the ways of counting', () => {
  const data = randomCase('cosine', 7, false);

  async function count(change: { positive?: number; negative?: number; misled?: boolean }) {
    const input = inputOf(data);
    const form = formFor('cosine', data.columns);
    const setup = makePairSetup(input.queries, input.gallery);
    const { oldQuery, newQuery, oldGallery } = input.vectors;
    const cells = [
      { name: 'oldOld' as const, query: await loadMatrix(oldQuery, form) },
      { name: 'newOld' as const, query: await loadMatrix(newQuery, form) },
    ];
    const planned = cells.map((cell) => ({ ...cell, gallery: oldGallery, form }));
    const plan = await planVerification(planned, setup, { operatingFar: 0.01, seed: 0 });
    if (plan === null) throw new Error('no plan');
    plan.pairs = { positive: change.positive ?? plan.pairs.positive, negative: change.negative ?? plan.pairs.negative };
    // A sample that shows equal vectors only: axes end at distance 0.
    if (change.misled) for (const sample of plan.samples.values()) sample.query.values.fill(1);
    if (change.misled) for (const sample of plan.samples.values()) sample.gallery.values.fill(1 / data.columns);
    let updates = 0;
    const figures = await measureWithThresholds(
      {
        distance: 'cosine',
        cells,
        gallery: new BlockReader(oldGallery, form, 100),
        setup,
        threads: 1,
      },
      plan,
      null,
      { progress: { ...silentProgress, update: () => updates++ } },
    );
    return { counts: figures.verification, updates };
  }

  it('give the same: in one pass, with the thresholds in a pass before, again where a sample misled', async () => {
    const once = await count({});
    const close = (values: readonly (number | null)[] | undefined) =>
      values?.map((value) => (value === null ? null : expect.closeTo(value, 6)));
    for (const change of [{ positive: 1e9 }, { negative: 1e9 }, { negative: 1e9, misled: true }]) {
      const other = await count(change);
      expect(other.updates > once.updates, JSON.stringify(change)).toBe('positive' in change || 'misled' in change);
      expect(other.counts?.missed).toBe(false);
      expect(other.counts?.oldThresholds).toEqual(close(once.counts?.oldThresholds));
      expect(other.counts?.accepted.get('newOld')).toEqual(once.counts?.accepted.get('newOld'));
      for (const threshold of once.counts?.oldThresholds ?? []) {
        for (const sign of ['positive', 'negative'] as const) {
          const both = ({ counts }: typeof once) => counts?.both?.[sign].atMost((threshold ?? 0) + 1e-7);
          expect(both(other)).toBe(both(once));
        }
      }
    }
  });
});
