import { describe, expect, it } from 'vitest';
import type { AuditInput, AuditItems } from '../../src/core/audit/auditInput.ts';
import type { InequalityFigures } from '../../src/core/audit/inequalities.ts';
import { applyRotation, fitRotation } from '../../src/core/audit/procrustes.ts';
import {
  derangement,
  jitteredOld,
  measureReferences,
  permutedNew,
  procrustesNew,
} from '../../src/core/audit/references.ts';
import { sampleRows, splitInHalves } from '../../src/core/audit/sampling.ts';
import type { Matrix } from '../../src/core/audit/vectors.ts';
import { defaultProtocol } from '../../src/core/contract/protocol.ts';
import type { Progress } from '../../src/core/contract/runs.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { makeSyntheticPair, randomRotation, rotate } from './syntheticPair.ts';

const silent: Progress = { phase() {}, update() {}, log() {}, async breathe() {} };
const hooks = { progress: silent };

function gaussian(rows: number, columns: number, seed: number): Matrix {
  const random = createRandom(seed, 'references test');
  return { rows, columns, values: Float32Array.from({ length: rows * columns }, () => random.normal()) };
}

async function fitted(from: Matrix, to: Matrix): Promise<Float64Array> {
  async function* blocks() {
    const half = Math.ceil(from.rows / 2);
    for (const [start, end] of [
      [0, half],
      [half, from.rows],
    ] as const) {
      const part = (matrix: Matrix): Matrix => ({
        rows: end - start,
        columns: matrix.columns,
        values: matrix.values.subarray(start * matrix.columns, end * matrix.columns),
      });
      yield { from: part(from), to: part(to) };
    }
  }
  return fitRotation(blocks(), from.columns, { seed: 1, threads: 1 }, hooks);
}

/** Largest entry of |R'R - I|. */
function deviation(rotation: Float64Array, columns: number): number {
  let largest = 0;
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j < columns; j++) {
      let dot = i === j ? -1 : 0;
      for (let k = 0; k < columns; k++) {
        dot += (rotation[k * columns + i] as number) * (rotation[k * columns + j] as number);
      }
      largest = Math.max(largest, Math.abs(dot));
    }
  }
  return largest;
}

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((largest, value, k) => Math.max(largest, Math.abs(value - (b[k] as number))), 0);

/** Mean squared distance between the rows of `from` R and `to`. */
async function misfit(from: Matrix, rotation: Float64Array, to: Matrix): Promise<number> {
  const turned = await applyRotation(from, rotation, { threads: 1 });
  return turned.values.reduce((sum, value, k) => sum + (value - (to.values[k] as number)) ** 2, 0) / from.rows;
}

describe('fitRotation', () => {
  it('turns a quarter by hand', async () => {
    // (1, 0) -> (0, 1) and (0, 1) -> (-1, 0): R = [[0, 1], [-1, 0]].
    const from = { rows: 2, columns: 2, values: Float32Array.of(1, 0, 0, 1) };
    const to = { rows: 2, columns: 2, values: Float32Array.of(0, 1, -1, 0) };
    expect(largestDifference(await fitted(from, to), [0, 1, -1, 0])).toBeLessThan(1e-8);
  });

  it('recovers a planted rotation, reflections included', async () => {
    for (const seed of [1, 2, 3]) {
      const from = gaussian(300, 24, seed);
      const planted = randomRotation(24, createRandom(seed, 'planted'));
      const to = { ...from, values: rotate(from.values, planted, 24) };
      expect(largestDifference(await fitted(from, to), planted)).toBeLessThan(1e-6);
    }
  });

  it('fits better than every small turn away from it', async () => {
    const columns = 8;
    const from = gaussian(50, columns, 5);
    const to = gaussian(50, columns, 6);
    const best = await fitted(from, to);
    expect(deviation(best, columns)).toBeLessThan(1e-12);
    const least = await misfit(from, best, to);
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < i; j++) {
        for (const angle of [-0.1, 0.1]) {
          const turned = best.slice();
          for (let k = 0; k < columns; k++) {
            const a = best[k * columns + i] as number;
            const b = best[k * columns + j] as number;
            turned[k * columns + i] = Math.cos(angle) * a - Math.sin(angle) * b;
            turned[k * columns + j] = Math.sin(angle) * a + Math.cos(angle) * b;
          }
          expect(await misfit(from, turned, to)).toBeGreaterThan(least);
        }
      }
    }
  });

  it('stays orthogonal, and exact where the data decide, when XtY is singular', async () => {
    const columns = 16;
    // The last six components are always zero, as dead units are; two rows more are linear copies.
    const from = gaussian(100, columns, 7);
    for (let row = 0; row < from.rows; row++) from.values.fill(0, row * columns + 10, (row + 1) * columns);
    const planted = randomRotation(columns, createRandom(7, 'planted'));
    const to = { ...from, values: rotate(from.values, planted, columns) };
    const rotation = await fitted(from, to);
    expect(deviation(rotation, columns)).toBeLessThan(1e-11);
    expect(await misfit(from, rotation, to)).toBeLessThan(1e-10);
    const nothing = { rows: 3, columns: 4, values: new Float32Array(12) };
    expect(deviation(await fitted(nothing, nothing), 4)).toBeLessThan(1e-12);
  });

  it('copes with singular values ten orders apart', async () => {
    const columns = 20;
    const from = gaussian(200, columns, 8);
    for (let k = 0; k < from.values.length; k++) {
      from.values[k] = (from.values[k] as number) * 10 ** (-(k % columns) / 4);
    }
    const planted = randomRotation(columns, createRandom(8, 'planted'));
    const to = { ...from, values: rotate(from.values, planted, columns) };
    const rotation = await fitted(from, to);
    expect(deviation(rotation, columns)).toBeLessThan(1e-11);
    expect(await misfit(from, rotation, to)).toBeLessThan(1e-10);
  });
});

describe('jitteredOld', () => {
  it('moves each row by about 1 % of its length', () => {
    const old = gaussian(400, 32, 9);
    const jittered = jitteredOld(old, 'dot', 1);
    let mean = 0;
    for (let row = 0; row < old.rows; row++) {
      let moved = 0;
      let length = 0;
      for (let k = row * 32; k < (row + 1) * 32; k++) {
        moved += ((jittered.values[k] as number) - (old.values[k] as number)) ** 2;
        length += (old.values[k] as number) ** 2;
      }
      mean += Math.sqrt(moved / length) / old.rows;
    }
    // E of the length of N(0, I) / sqrt(32) is 0.992.
    expect(mean).toBeCloseTo(0.00992, 3);
    expect(jitteredOld(old, 'dot', 1)).toEqual(jittered);
    expect(jitteredOld(old, 'dot', 2).values).not.toEqual(jittered.values);
  });

  it('keeps unit length under cosine', () => {
    const old = makeSyntheticPair(0);
    const matrix = { rows: 2000, columns: 64, values: old.old };
    const { values } = jitteredOld(matrix, 'cosine', 3);
    for (let row = 0; row < 2000; row++) {
      const length = Math.hypot(...values.subarray(row * 64, (row + 1) * 64));
      expect(Math.abs(length - 1)).toBeLessThan(1e-6);
    }
  });
});

describe('derangement', () => {
  it('is a permutation without fixed points', () => {
    for (let count = 2; count < 60; count++) {
      for (const seed of [0, 1, 2]) {
        const order = derangement(count, seed);
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, k) => k));
        expect(order.some((from, to) => from === to)).toBe(false);
      }
    }
    expect([...derangement(1, 0)]).toEqual([0]);
    expect(derangement(50, 0)).not.toEqual(derangement(50, 1));
  });

  it('permutes whole rows', () => {
    const matrix = { rows: 3, columns: 2, values: Float32Array.of(1, 2, 3, 4, 5, 6) };
    const order = derangement(3, 4);
    const expected = [...order].flatMap((row) => [2 * row + 1, 2 * row + 2]);
    expect([...permutedNew(matrix, 4).values]).toEqual(expected);
  });
});

describe('sampleRows', () => {
  it('takes from each class its share', () => {
    const labels = Int32Array.from({ length: 1000 }, (_, row) => (row % 10 === 0 ? 1 : 0));
    const rows = sampleRows(labels, 200, 5);
    expect(rows).toHaveLength(200);
    expect(new Set(rows).size).toBe(200);
    expect([...rows]).toEqual([...rows].sort((a, b) => a - b));
    expect(rows.filter((row) => labels[row] === 1)).toHaveLength(20);
    expect(sampleRows(labels, 200, 5)).toEqual(rows);
    expect(sampleRows(labels, 200, 6)).not.toEqual(rows);
    expect([...sampleRows(labels, 5000, 5)]).toEqual(Array.from(labels.keys()));
  });

  it('gives small classes the same chance, wherever they stand', () => {
    // 500 classes of 2: a tenth of the items must not be the first fifty classes.
    const labels = Int32Array.from({ length: 1000 }, (_, row) => row >> 1);
    const early = Array.from({ length: 20 }, (_, seed) => sampleRows(labels, 100, seed))
      .flatMap((rows) => [...rows])
      .filter((row) => row < 500).length;
    expect(early).toBeGreaterThan(950);
    expect(early).toBeLessThan(1050);
  });
});

describe('splitInHalves', () => {
  it('halves every class, and odd items by chance', () => {
    const labels = Int32Array.from({ length: 700 }, (_, row) => Math.floor(row / 7));
    const halves = splitInHalves(labels, 100, 3);
    for (let c = 0; c < 100; c++) {
      const first = halves.subarray(7 * c, 7 * c + 7).reduce((count, half) => count + half, 0);
      expect([3, 4]).toContain(first);
    }
    const total = halves.reduce((count, half) => count + half, 0);
    expect(Math.abs(total - 350)).toBeLessThan(25);
  });
});

function auditInput(options: {
  queries: AuditItems;
  gallery: AuditItems;
  oldQuery: Float32Array;
  newQuery: Float32Array;
  oldGallery: Float32Array;
  newGallery: Float32Array | null;
  oldColumns: number;
  newColumns: number;
  referenceQueries?: number;
}): AuditInput {
  const { oldColumns, newColumns } = options;
  return {
    queries: options.queries,
    gallery: options.gallery,
    vectors: {
      oldQuery: vectorsInMemory('old query', options.oldQuery, oldColumns),
      newQuery: vectorsInMemory('new query', options.newQuery, newColumns),
      oldGallery: vectorsInMemory('old gallery', options.oldGallery, oldColumns),
      newGallery: options.newGallery && vectorsInMemory('new gallery', options.newGallery, newColumns),
      paragonQuery: null,
      paragonGallery: null,
    },
    protocol: { ...defaultProtocol, referenceQueries: options.referenceQueries ?? 2000 },
  };
}

function someItems(name: string, prefix: string, count: number, classes: number): AuditItems {
  return {
    name,
    count,
    ids: Array.from({ length: count }, (_, i) => `${prefix}${i}`),
    labelOf: Int32Array.from({ length: count }, (_, i) => i % classes),
    classNames: Array.from({ length: classes }, (_, c) => `c${c}`),
  };
}

describe('procrustesNew', () => {
  const columns = 8;
  const planted = randomRotation(columns, createRandom(1, 'planted'));
  const oldQuery = gaussian(12, columns, 20).values;
  const oldGallery = gaussian(60, columns, 21).values;
  const input = (changes: Partial<Parameters<typeof auditInput>[0]>) => {
    const audit = auditInput({
      queries: someItems('q', 'q', 12, 3),
      gallery: someItems('g', 'g', 60, 3),
      oldQuery,
      newQuery: rotate(oldQuery, planted, columns),
      oldGallery,
      newGallery: rotate(oldGallery, planted, columns),
      oldColumns: columns,
      newColumns: columns,
      ...changes,
    });
    return { ...audit, protocol: { ...audit.protocol, distance: 'dot' as const } };
  };

  it('turns new queries back onto the old ones, with the help of the gallery', async () => {
    const rows = Int32Array.of(1, 4, 11);
    const turned = await procrustesNew(input({}), rows, 1, hooks);
    const expected = [...rows].flatMap((row) => [...oldQuery.subarray(row * columns, (row + 1) * columns)]);
    expect(turned?.rows).toBe(3);
    expect(largestDifference(turned?.values as Float32Array, expected)).toBeLessThan(1e-5);
  });

  it('is null with too few items to fit on, or other dimensions', async () => {
    expect(await procrustesNew(input({ newGallery: null }), Int32Array.of(0), 1, hooks)).toBeNull();
    expect(
      await procrustesNew(input({ newQuery: oldQuery, newGallery: null, newColumns: 4 }), Int32Array.of(0), 1, hooks),
    ).toBeNull();
  });

  it('never fits on the query itself', async () => {
    // Gallery and queries are the same items. One query's old vector is spoilt; its own new vector must not learn from it.
    const count = 40;
    const shared = someItems('s', 's', count, 4);
    const old = gaussian(count, columns, 22).values;
    const fresh = rotate(old, planted, columns);
    const everyRow = Int32Array.from({ length: count }, (_, row) => row);
    const run = (oldVectors: Float32Array) =>
      procrustesNew(
        input({
          queries: shared,
          gallery: shared,
          oldQuery: oldVectors,
          newQuery: fresh,
          oldGallery: oldVectors,
          newGallery: fresh,
        }),
        everyRow,
        1,
        hooks,
      );
    const clean = (await run(old))?.values as Float32Array;
    const spoilt = old.slice();
    for (let k = 0; k < columns; k++) spoilt[5 * columns + k] = 1000 * (k + 1);
    const after = (await run(spoilt))?.values as Float32Array;
    const rowOf = (values: Float32Array, row: number) => values.subarray(row * columns, (row + 1) * columns);
    expect(largestDifference(rowOf(after, 5), rowOf(clean, 5))).toBeLessThan(1e-6);
    // Half of the others are turned by a rotation that did see it.
    const changed = [...everyRow].filter((row) => largestDifference(rowOf(after, row), rowOf(clean, row)) > 1e-3);
    expect(changed.length).toBe(count / 2);
  });
});

describe('measureReferences', () => {
  const rateOf = ({ positive }: InequalityFigures) => positive.violations[0]?.reduce((a, b) => a + b, 0) as number;

  it('measures pair and references on one sample', async () => {
    const { items, old, betterRotated } = makeSyntheticPair(1);
    const input = auditInput({
      queries: items,
      gallery: items,
      oldQuery: old,
      newQuery: betterRotated,
      oldGallery: old,
      newGallery: null,
      oldColumns: 64,
      newColumns: 64,
      referenceQueries: 300,
    });
    const rows = Int32Array.from({ length: 1000 }, (_, row) => 2 * row);
    const request = { input, rows, rule: 'equal' as const, tolerances: [0, 0.1, 0.2], threads: 2 };
    const references = await measureReferences(request, hooks);
    expect(references.rows).toHaveLength(300);
    expect([...references.rows].every((row) => row % 2 === 0)).toBe(true);
    expect(references.procrustesQuery?.rows).toBe(300);
    const { pair, jitteredOld: floor, permutedNew: chance, procrustes } = references;
    for (const figures of [pair, floor, chance, procrustes as InequalityFigures]) {
      expect(figures.positive.pairs.reduce((a, b) => a + b, 0)).toBe(300 * 39);
      expect(figures.negative.pairs.reduce((a, b) => a + b, 0)).toBe(300 * 49 * 40);
      const { positive, negative } = figures.toleranceRates ?? { positive: [], negative: [] };
      expect(positive).toHaveLength(3);
      expect((positive[0] as number) >= (positive[1] as number)).toBe(true);
      expect((negative[1] as number) >= (negative[2] as number)).toBe(true);
    }
    // Rotated: nearly all; after Procrustes far fewer.
    expect(rateOf(pair)).toBeGreaterThan(0.9 * 300 * 39);
    expect(rateOf(procrustes as InequalityFigures)).toBeLessThan(0.45 * 300 * 39);
    // Fitted maps are functions: what they give is in the figures.
    const again = await measureReferences(request, hooks);
    expect({ ...again, rotation: null }).toEqual({ ...references, rotation: null });
  });

  it('has no Procrustes row under another rule than "equal", and works with two queries', async () => {
    const input = auditInput({
      queries: someItems('q', 'q', 2, 2),
      gallery: someItems('g', 'g', 10, 2),
      oldQuery: gaussian(2, 3, 30).values,
      newQuery: gaussian(2, 5, 31).values,
      oldGallery: gaussian(10, 3, 32).values,
      newGallery: null,
      oldColumns: 3,
      newColumns: 5,
    });
    const references = await measureReferences({ input, rows: Int32Array.of(0, 1), threads: 1 }, hooks);
    expect(references.procrustes).toBeNull();
    expect(references.pair.toleranceRates).toBeNull();
    expect([...references.permutedNew.positive.pairs]).toEqual([5, 5]);
  });
});
