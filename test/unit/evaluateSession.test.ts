import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import type { GallerySession } from '../../src/core/continual/classCentres.ts';
import { evaluateSession, type SessionQueries } from '../../src/core/continual/evaluateSession.ts';
import { extendMemory, fisherDiagonal } from '../../src/core/continual/fisher.ts';
import { measureSaturation } from '../../src/core/continual/saturation.ts';
import { summariseSessions } from '../../src/core/continual/summarise.ts';
import type { SessionFigures } from '../../src/core/contract/sessions.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { linearTrainer, pointBatches } from './linearTrainer.ts';
import { gaussians, rowsOf, unit } from './objectiveData.ts';
import { silentProgress } from './silentProgress.ts';

const hooks = { progress: silentProgress };

function galleryOf(labels: readonly number[], rows: readonly (readonly number[])[]): GallerySession {
  return {
    items: new Int32Array(labels.length),
    labelOf: Int32Array.from(labels),
    vectors: Float32Array.from(rows.flat()),
    dimension: (rows[0] as number[]).length,
  };
}
const queriesOf = (labels: readonly number[], rows: readonly (readonly number[])[]): SessionQueries =>
  galleryOf(labels, rows);

const degrees = (angle: number) => [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];

describe('a mixed gallery', () => {
  it('by hand: recall over all galleries, on each alone, and on new classes', async () => {
    // Class 0 at 0 degrees, class 1 at 60 in the first session; class 2 at 30 in the second, with an item of class 0 at 100.
    const sessions = [galleryOf([0, 1], [degrees(0), degrees(60)]), galleryOf([2, 0], [degrees(30), degrees(100)])];
    // 10: 0, 30, 60, 100 -> found at once. 20 of class 1: 30, 0, 60 -> third. 95 of class 2: 100, 60, 30 -> third. Class 3: nowhere.
    const queries = queriesOf([0, 1, 2, 3], [degrees(10), degrees(20), degrees(95), degrees(0)]);
    const figures = await evaluateSession(queries, sessions, 4, 1, hooks);
    expect(figures).toMatchObject({ queries: 3, gallery: 4, newClasses: { queries: 1, recall: 0 } });
    expect(figures.recall[1]).toBeCloseTo(1 / 3, 12);
    expect(figures.recall[2]).toBeCloseTo(1 / 3, 12);
    expect(figures.recall[4]).toBe(1);
    // Ranks of the matches: 1 and 4, 3, 3.
    expect(figures.map).toBeCloseTo(((1 + 2 / 4) / 2 + 1 / 3 + 1 / 3) / 3, 12);
    // The first alone: 10 finds 0, 20 finds 0. The second: 10 finds 30 (class 2), 95 finds 100 (class 0).
    expect(figures.alone).toEqual([0.5, 0]);
  });

  it.each([
    [3, [5, 5, 5]],
    // The space grew twice: old galleries are compared on their own components.
    [4, [3, 3, 5]],
    [5, [2, 4, 6]],
  ])('agrees with a search of every pair (seed %i, lengths %j)', async (seed, lengths) => {
    const random = createRandom(seed, 'sessions');
    const labels = (count: number, classes: number) => Array.from({ length: count }, () => random.integer(classes));
    const sessions = lengths.map((length, k) =>
      galleryOf(labels(20, 2 + k), rowsOf(unit(gaussians(20, length, 10 * seed + k)))),
    );
    const last = lengths.at(-1) as number;
    const queryLabels = labels(40, 6);
    const rows = rowsOf(unit(gaussians(40, last, seed)));
    const figures = await evaluateSession(queriesOf(queryLabels, rows), sessions, 6, 1, hooks);

    /** Ranks of the matches of every query that has one, from the definition. */
    const ranksIn = (galleries: readonly GallerySession[]) =>
      queryLabels.flatMap((label, query) => {
        const scored = galleries.flatMap(({ labelOf, vectors, dimension }) =>
          Array.from(labelOf, (own, row) => {
            const cut = (rows[query] as number[]).slice(0, dimension);
            const norm = Math.sqrt(cut.reduce((sum, value) => sum + value * value, 0));
            const product = cut.reduce((sum, value, k) => sum + value * (vectors[row * dimension + k] as number), 0);
            return { own, score: product / norm };
          }),
        );
        const ranks = scored
          .sort((a, b) => b.score - a.score)
          .flatMap(({ own }, place) => (own === label ? [place + 1] : []));
        return ranks.length > 0 ? [{ label, ranks }] : [];
      });
    const recall = (found: { ranks: number[] }[], k: number) =>
      found.filter(({ ranks }) => (ranks[0] as number) <= k).length / found.length;
    const all = ranksIn(sessions);
    expect(figures.queries).toBe(all.length);
    for (const k of [1, 2, 4]) expect(figures.recall[k]).toBeCloseTo(recall(all, k), 12);
    const precision = ({ ranks }: { ranks: number[] }) =>
      ranks.reduce((sum, rank, place) => sum + (place + 1) / rank, 0) / ranks.length;
    expect(figures.map).toBeCloseTo(all.reduce((sum, found) => sum + precision(found), 0) / all.length, 6);
    sessions.forEach((session, k) => void expect(figures.alone[k]).toBeCloseTo(recall(ranksIn([session]), 1), 12));
    const known = new Set(sessions.slice(0, -1).flatMap(({ labelOf }) => [...labelOf]));
    const fresh = all.filter(({ label }) => !known.has(label));
    expect(figures.newClasses.queries).toBe(fresh.length);
    expect(figures.newClasses.recall).toBeCloseTo(recall(fresh, 1), 12);
  });

  it('says nothing where no query is of a class that is held', async () => {
    const figures = await evaluateSession(queriesOf([1], [[0, 1]]), [galleryOf([0], [[1, 0]])], 2, 1, hooks);
    expect(figures).toMatchObject({ queries: 0, recall: { 1: null }, map: null, alone: [null] });
    expect(figures.newClasses).toEqual({ queries: 0, recall: null });
  });
});

describe('the summary', () => {
  const figures = (recall: number, alone: (number | null)[]): SessionFigures => ({
    queries: 1,
    gallery: 1,
    recall: { 1: recall, 2: recall, 4: 1 },
    map: recall / 2,
    alone,
    newClasses: { queries: 1, recall: 1 },
    saturation: { effectiveRank: 1, nearestCentreAngle: null, usedDimensions: 1 },
  });

  it('by hand: averages, decay against the first day, and what the matrix says', () => {
    const summary = summariseSessions([figures(0.9, [0.9]), figures(0.6, [0.7, 0.8]), figures(0.3, [0.95, 0.4, 0.7])]);
    expect(summary.averageRecall[1]).toBeCloseTo(0.6, 12);
    expect(summary.averageRecall[4]).toBe(1);
    expect(summary.averageMap).toBeCloseTo(0.3, 12);
    const decay = [[0, -0.2, 0.05], [0, -0.4], [0]];
    summary.decay.forEach(
      (row, k) => void row.forEach((v, t) => void expect(v).toBeCloseTo(decay[k]?.[t] as number, 12)),
    );
    // Of the three pairs only the last model on the first gallery is better than its first day.
    expect(summary.ac).toBeCloseTo(1 / 3, 12);
    expect(summary.am).toBeCloseTo((0.9 + 0.7 + 0.8 + 0.95 + 0.4 + 0.7) / 6, 12);
    expect(summary.bc).toBeCloseTo((0.05 - 0.4) / 2, 12);
    expect(summary.fc).toBeNull();
  });

  it('has no mean over gaps', () => {
    const summary = summariseSessions([figures(0.9, [null]), figures(0.6, [0.7, 0.8])]);
    expect(summary).toMatchObject({ ac: null, am: null, bc: null, decay: [[null, null], [0]] });
  });
});

describe('saturation', () => {
  it('by hand: two directions in use of four, centres at right angles', () => {
    const vectors = Float32Array.of(1, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, -1, 0, 0);
    const { effectiveRank, usedDimensions } = measureSaturation(vectors, 4, Int32Array.of(0, 1, 2, 3));
    expect(effectiveRank).toBeCloseTo(2, 12);
    expect(usedDimensions).toBe(0.5);
    // Centres at 0, 90 and 210 degrees: the nearest are 90, 90 and 120 away.
    const spread = Float32Array.from([degrees(0), degrees(90), degrees(210)].flat());
    expect(measureSaturation(spread, 2, Int32Array.of(0, 1, 2)).nearestCentreAngle).toBeCloseTo(100, 4);
    expect(measureSaturation(Float32Array.of(1, 0, 1, 0), 2, Int32Array.of(5, 5))).toEqual({
      effectiveRank: 0,
      nearestCentreAngle: null,
      usedDimensions: 0,
    });
  });

  it('is the participation ratio of the eigenvalues of the covariance', () => {
    const rows = rowsOf(unit(gaussians(50, 6, 8)));
    const matrix = new Matrix(rows);
    const centred = Matrix.sub(matrix, Matrix.ones(50, 1).mmul(Matrix.rowVector(matrix.mean('column'))));
    const values = new EigenvalueDecomposition(centred.transpose().mmul(centred).div(50)).realEigenvalues;
    const total = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0);
    const expected = total(values) ** 2 / total(values.map((value) => value ** 2));
    const { effectiveRank } = measureSaturation(Float32Array.from(rows.flat()), 6, new Int32Array(50));
    // Vectors are float32.
    expect(effectiveRank).toBeCloseTo(expected, 5);
  });
});

describe('Fisher information', () => {
  it('is the mean of the squared gradient item by item', async () => {
    const trainer = linearTrainer();
    const { value: batch } = await pointBatches(1).batches(1, 0).next();
    const x = batch?.inputs.x?.data as Float32Array;
    const labels = batch?.fields.labels?.data as Int32Array;
    const single = Array.from(labels, (label, i) => ({
      count: 1,
      inputs: { x: { shape: [1, 4], data: x.slice(4 * i, 4 * i + 4) } },
      fields: { labels: { shape: [1], data: Int32Array.of(label) } },
    }));
    const fisher = await fisherDiagonal(trainer, single, ['weights', 'none']);
    expect(Object.keys(fisher)).toEqual(['weights']);
    // Weights of zeros give each of three classes a third: the gradient is (1/3 - [c = label]) x.
    for (let k = 0; k < 4; k++) {
      for (let c = 0; c < 3; c++) {
        const squares = Array.from(
          labels,
          (label, i) => ((1 / 3 - (label === c ? 1 : 0)) * (x[4 * i + k] as number)) ** 2,
        );
        const expected = squares.reduce((sum, value) => sum + value, 0) / labels.length;
        expect(fisher.weights?.[k * 3 + c]).toBeCloseTo(expected, 5);
      }
    }
  });

  it('is summed over sessions, with the weights of the last', () => {
    const weights = (value: number) => ({
      w: { shape: [1], data: Float32Array.of(value) },
      other: { shape: [1], data: Float32Array.of(0) },
    });
    const first = extendMemory({}, weights(1), { w: Float32Array.of(0.5) });
    const second = extendMemory(first, weights(2), { w: Float32Array.of(0.25) });
    expect(second).toEqual({ w: { shape: [1], weights: Float32Array.of(2), fisher: Float32Array.of(0.75) } });
    expect(first.w?.fisher[0]).toBe(0.5);
  });
});
