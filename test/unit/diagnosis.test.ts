import { describe, expect, it } from 'vitest';
import type { AuditInput, AuditItems } from '../../src/core/audit/auditInput.ts';
import { classEvidence } from '../../src/core/audit/diagnosis/classMeans.ts';
import { causesOf } from '../../src/core/audit/diagnosis/diagnose.ts';
import type { CauseEvidence } from '../../src/core/audit/diagnosis/evidence.ts';
import { alignment, medianLength, spreadEvidence } from '../../src/core/audit/diagnosis/spread.ts';
import { loadPairSample } from '../../src/core/audit/pairSample.ts';
import type { Matrix } from '../../src/core/audit/vectors.ts';
import { defaultProtocol } from '../../src/core/contract/protocol.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

const matrix = (columns: number, values: number[]): Matrix => ({
  rows: values.length / columns,
  columns,
  values: Float32Array.from(values),
});

describe('where vectors lie', () => {
  it('is measured by hand on a cross of four points', async () => {
    // Old: (±2, 0), (0, ±1). New: the same, moved by (3, 4) and doubled: (7, 4), (-1, 4), (3, 6), (3, 2).
    const old = matrix(2, [2, 0, -2, 0, 0, 1, 0, -1]);
    const cross = matrix(2, [7, 4, -1, 4, 3, 6, 3, 2]);
    const raw = { old: medianLength(old), new: medianLength(cross) };
    expect(raw.old).toBeCloseTo(Math.sqrt(2.5), 6);
    const found = await spreadEvidence({ old, cross, rotated: null }, cross, raw, 'euclidean', 1);
    expect(alignment(old, cross)).toBeCloseTo(1, 12);
    expect(found.old.spread).toBeCloseTo(Math.sqrt(10 / 4), 6);
    expect(found.new.spread).toBeCloseTo(2 * found.old.spread, 6);
    // Variances 2 and .5: (2.5)² / (4 + .25).
    expect(found.old.effectiveDimensions).toBeCloseTo(6.25 / 4.25, 6);
    expect(found.new.effectiveDimensions).toBeCloseTo(6.25 / 4.25, 5);
    // At half the scale the new mean is (1.5, 2), 2.5 long.
    expect(found.meanShift).toBeCloseTo(2.5 / Math.sqrt(2.5), 6);
    expect(found.cosineOfMeans).toBeNull();
  });

  it('counts the directions as the eigenvalues do, and components that stand still', async () => {
    const random = createRandom(1, 'diagnosis test');
    const deviations = [3, 2, 1, 0.5, 0];
    const values = Array.from({ length: 400 * 5 }, (_, i) => (deviations[i % 5] as number) * random.normal() + 7);
    const found = await spreadEvidence(
      { old: matrix(5, values), cross: matrix(5, values), rotated: null },
      matrix(5, values),
      { old: 1, new: 1 },
      'cosine',
      1,
    );
    // Covariance entry by entry, in double.
    const mean = deviations.map((_, k) => values.filter((__, i) => i % 5 === k).reduce((a, b) => a + b, 0) / 400);
    let [trace, squares] = [0, 0];
    for (let a = 0; a < 5; a++) {
      for (let b = 0; b < 5; b++) {
        let sum = 0;
        for (let row = 0; row < 400; row++) {
          const [x, y] = [values[row * 5 + a] as number, values[row * 5 + b] as number];
          sum += ((x - (mean[a] as number)) * (y - (mean[b] as number))) / 400;
        }
        squares += sum * sum;
        if (a === b) trace += sum;
      }
    }
    expect(found.new.effectiveDimensions).toBeCloseTo(trace ** 2 / squares, 4);
    expect(found.new.constantComponents).toBe(1);
    expect(found.cosineOfMeans).toBeCloseTo(1, 9);
  });
});

describe('class means', () => {
  const items = (name: string, labels: number[]): AuditItems => ({
    name,
    count: labels.length,
    ids: labels.map((_, i) => `${name}${i}`),
    labelOf: Int32Array.from(labels),
    classNames: ['a', 'b', 'c', 'd'],
  });
  /** Four classes on the corners of a square, three items each a little apart. */
  const corners = (order: number[]) =>
    order.flatMap((corner) =>
      [0, 0.1, 0.2].flatMap(
        (step) =>
          [
            [1, 1],
            [-1, 1],
            [-1, -1],
            [1, -1],
          ][corner]?.map((x) => x + step) ?? [],
      ),
    );
  const labels = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3];

  async function evidence(newOrder: number[], queryOrder = [0, 1, 2, 3]) {
    const [queries, gallery] = [items('q', labels), items('g', labels)];
    const source = (order: number[]) => vectorsInMemory('square', Float32Array.from(corners(order)), 2);
    const input: AuditInput = {
      queries,
      gallery,
      vectors: {
        oldQuery: source(queryOrder),
        newQuery: source(newOrder),
        oldGallery: source([0, 1, 2, 3]),
        newGallery: source([0, 1, 2, 3]),
        paragonQuery: null,
        paragonGallery: null,
      },
      protocol: { ...defaultProtocol, distance: 'euclidean' },
    };
    const rows = Int32Array.from(labels.keys());
    const sample = await loadPairSample(input, rows, null);
    return classEvidence(input, sample, sample.cross, 1);
  }

  it('are all nearest to themselves where nothing is exchanged', async () => {
    const found = await evidence([0, 1, 2, 3]);
    expect(found).toMatchObject({
      classes: 4,
      hits: { oldOld: 1, newOld: 1, newNew: 1, centred: 1, rotated: null },
      ownMean: { old: 1, new: 1 },
      exchanged: { old: [], new: [] },
    });
  });

  it('tell exchanged rows of the new table from exchanged labels', async () => {
    // Corners 1 and 3 are opposite: their difference turns round, cosine -1; half of the queries are lost.
    const rows = await evidence([0, 3, 2, 1]);
    expect(rows.hits).toMatchObject({ oldOld: 1, newOld: 0.5 });
    expect(rows.ownMean).toEqual({ old: 1, new: 0.5 });
    expect(rows.exchanged.old).toEqual([]);
    expect(rows.exchanged.new).toHaveLength(1);
    expect(rows.exchanged.new[0]?.labels).toEqual(['b', 'd']);
    expect(rows.exchanged.new[0]?.cosine).toBeCloseTo(-1, 5);
    const both = await evidence([0, 3, 2, 1], [0, 3, 2, 1]);
    expect(both.exchanged.old).toHaveLength(1);
    expect(both.exchanged.new).toEqual([]);
  });

  it('say nothing is exchanged where all is lost', async () => {
    const turned = await evidence([1, 2, 3, 0]);
    expect(turned.ownMean?.new).toBe(0);
    expect(turned.exchanged.new).toEqual([]);
  });
});

describe('the decisions', () => {
  const spread = {
    medianLength: 1,
    meanLength: 0.5,
    spread: 0.8,
    components: 32,
    effectiveDimensions: 8,
    constantComponents: 0,
  };
  const clean: CauseEvidence = {
    distance: 'cosine',
    rule: 'equal',
    queries: 500,
    spread: {
      old: spread,
      new: spread,
      cosineOfMeans: 0.9,
      meanShift: 0.1,
      distanceShift: 0.02,
      alignment: { direct: 0.6, rotated: 0.55 },
    },
    rotationItems: 1000,
    classes: {
      classes: 10,
      hits: { oldOld: 0.9, newOld: 0.92, newNew: 0.95, centred: 0.92, rotated: 0.9 },
      ownMean: { old: 1, new: 1 },
      exchanged: { old: [], new: [] },
    },
    duplicates: { queries: 500, duplicated: 0, examples: [] },
    ranking: { matchedQueries: 500, state: 'compatible', halfWidth: 0.02 },
  };
  const found = (evidence: CauseEvidence) =>
    causesOf(evidence)
      .filter((cause) => cause.found)
      .map(({ code }) => code);

  it('list all eight causes, found ones first, and write no dash for a figure', () => {
    const all = causesOf({ ...clean, duplicates: { ...clean.duplicates, duplicated: 25 } });
    expect(all).toHaveLength(8);
    expect(all[0]).toMatchObject({ code: 'duplicates', found: true });
    for (const { message } of all) expect(message).not.toMatch(/NaN|undefined|null|\u2013/);
    expect(found(clean)).toEqual([]);
  });

  it('stand on their limits', () => {
    const turned = (direct: number): CauseEvidence => ({
      ...clean,
      spread: { ...clean.spread, alignment: { direct, rotated: 0.6 } },
    });
    expect(found(turned(0.19))).toEqual(['rotation']);
    expect(found(turned(0.21))).toEqual([]);
    // Both means are long here: one that kept its direction speaks against a turned space.
    const kept = { ...turned(0.19).spread, cosineOfMeans: 0.96 };
    expect(found({ ...clean, spread: kept })).toEqual([]);
    const few = (matchedQueries: number, halfWidth: number): CauseEvidence => ({
      ...clean,
      ranking: { matchedQueries, state: 'undecided', halfWidth },
    });
    expect(found(few(29, 0.01))).toEqual(['few-queries']);
    expect(found(few(30, 0.049))).toEqual([]);
    expect(found(few(30, 0.051))).toEqual(['few-queries']);
    const lost = (rotationItems: number | null): CauseEvidence => ({
      ...clean,
      rotationItems,
      classes: clean.classes && {
        ...clean.classes,
        hits: { oldOld: 0.9, newOld: 0.3, newNew: 0.95, centred: 0.3, rotated: 0.4 },
      },
    });
    expect(found(lost(160))).toEqual(['preprocessing']);
    // With fewer items a failed rotation proves nothing.
    expect(found(lost(159))).toEqual([]);
  });
});
