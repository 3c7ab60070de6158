import { describe, expect, it } from 'vitest';
import {
  type ClassMeans,
  dataCoherenceTerm,
  modelCoherenceTerm,
  type StoredVectors,
} from '../../src/core/training/objectives/coherence.ts';
import type { OldSpace } from '../../src/core/training/objectives/oldSpace.ts';
import { composeObjective, type ObjectiveTerm } from '../../src/core/training/objectives/term.ts';
import { weightPenaltyTerm } from '../../src/core/training/objectives/weightPenalty.ts';
import { gaussians, plainLoss, rowsOf, type StepData, unit } from './objectiveData.ts';
import { plain } from './plainOperations.ts';

const matrix = (rows: readonly (readonly number[])[]) => plain(rows.flat(), [rows.length, (rows[0] as []).length]);
const list = (...values: number[]) => plain(values, [values.length]);
const termOf = (term: ObjectiveTerm, data: StepData) => plainLoss(composeObjective('test', [term]), data);
const flat: OldSpace = { rule: 'equal', oldDimension: 2, newDimension: 2 };
const distance = (a: readonly number[], b: readonly number[]) =>
  Math.hypot(...a.map((value, k) => value - (b[k] as number)));

describe('model coherence', () => {
  const oldVectors = matrix([
    [1, 0],
    [0, 1],
    [-1, 0],
  ]);

  it('by hand: the own old vector against the nearest of another class', () => {
    // f(a) = (.6, .8): sqrt(.8) from its old vector (1, 0), sqrt(.4) from (0, 1), farther from (-1, 0).
    const data = {
      embedding: matrix([
        [3, 4],
        [0, 2],
        [-7, 0],
      ]),
      fields: { labels: list(0, 1, 1), oldVectors },
    };
    // The second is sqrt(2) from (1, 0), the third 2: their hinges are 0, and count.
    const expected = (Math.sqrt(0.8) - Math.sqrt(0.4) + 0.1) / 3;
    expect(termOf(modelCoherenceTerm(flat, 10), data)).toBeCloseTo(10 * expected, 12);
    expect(termOf(modelCoherenceTerm(flat, 1, null, 0), data)).toBeCloseTo(expected - 0.1 / 3, 12);
  });

  it('skips anchors without a negative, and items without a label', () => {
    const embedding = matrix([
      [3, 4],
      [0, 2],
      [-7, 0],
    ]);
    const of = (...labels: number[]) =>
      termOf(modelCoherenceTerm(flat, 1), { embedding, fields: { labels: list(...labels), oldVectors } });
    expect(of(0, 0, 0)).toBe(0);
    expect(of(0, -1, -1)).toBe(0);
    expect(of(0, 1, -1)).toBeCloseTo((Math.sqrt(0.8) - Math.sqrt(0.4) + 0.1) / 2, 12);
  });

  it('finds negatives among stored vectors, too', () => {
    const data = { embedding: matrix([[3, 4]]), fields: { labels: list(0), oldVectors: matrix([[1, 0]]) } };
    const stored = (label: number): StoredVectors => ({ vectors: Float32Array.of(0, 1), labels: Int32Array.of(label) });
    expect(termOf(modelCoherenceTerm(flat, 1, stored(1)), data)).toBeCloseTo(Math.sqrt(0.8) - Math.sqrt(0.4) + 0.1, 12);
    expect(termOf(modelCoherenceTerm(flat, 1, stored(0)), data)).toBe(0);
  });

  it('agrees with the formula on random batches, longer new vectors by their first components', () => {
    const space: OldSpace = { rule: 'slice', oldDimension: 4, newDimension: 6 };
    for (const seed of [1, 2, 3]) {
      const embedding = gaussians(9, 6, seed);
      const old = unit(gaussians(9, 4, seed + 10));
      const labels = [0, 1, 2, 0, 1, 2, 0, -1, 1];
      const f = rowsOf(unit(matrix(rowsOf(embedding).map((row) => row.slice(0, 4)))));
      const g = rowsOf(old);
      const hinges = labels.flatMap((label, a) => {
        if (label < 0) return [];
        const negatives = g.filter((_, n) => (labels[n] as number) >= 0 && labels[n] !== label);
        const nearest = Math.min(...negatives.map((vector) => distance(f[a] as number[], vector)));
        return [Math.max(0, distance(f[a] as number[], g[a] as number[]) - nearest + 0.1)];
      });
      const mean = hinges.reduce((sum, value) => sum + value, 0) / hinges.length;
      expect(mean).toBeGreaterThan(0);
      const data = { embedding, fields: { labels: list(...labels), oldVectors: old } };
      // Vectors are rounded to float32 on the way.
      expect(termOf(modelCoherenceTerm(space, 2), data)).toBeCloseTo(2 * mean, 5);
    }
  });
});

describe('data coherence', () => {
  const means: ClassMeans = {
    classes: 2,
    dimension: 2,
    means: Float32Array.of(0.5, 0, 0, 0),
    isKnown: Int32Array.of(1, 0),
  };
  const data = {
    embedding: matrix([
      [3, 4],
      [0, 2],
      [9, 0],
      [1, 0],
    ]),
    fields: { labels: list(0, 1, -1, 0) },
  };

  it('by hand: distances to the centre of classes seen before, over the size of the batch', () => {
    // (.6, .8) - (.5, 0) has length sqrt(.65), (1, 0) - (.5, 0) length .5; the other two add nothing.
    expect(termOf(dataCoherenceTerm(flat, means, 1, 'paper'), data)).toBeCloseTo((Math.sqrt(0.65) + 0.5) / 4, 12);
    expect(termOf(dataCoherenceTerm(flat, means, 3, 'code'), data)).toBeCloseTo((3 * (0.65 + 0.25)) / 4, 12);
  });

  it('agrees with the formula on random batches', () => {
    const space: OldSpace = { rule: 'equal', oldDimension: 5, newDimension: 5 };
    const embedding = gaussians(12, 5, 4);
    const centres = gaussians(3, 5, 5, 0.4);
    const random = {
      classes: 3,
      dimension: 5,
      means: Float32Array.from(centres.values),
      isKnown: Int32Array.of(1, 1, 0),
    };
    const labels = [0, 1, 2, 0, 1, 2, 2, -1, 1, 0, 0, 1];
    const distances = labels.map((label, item) =>
      label === 0 || label === 1
        ? distance(rowsOf(unit(embedding))[item] as number[], rowsOf(centres)[label] as number[])
        : 0,
    );
    const of = (form: 'paper' | 'code') =>
      termOf(dataCoherenceTerm(space, random, 1, form), { embedding, fields: { labels: list(...labels) } });
    expect(of('paper')).toBeCloseTo(distances.reduce((sum, value) => sum + value, 0) / 12, 5);
    expect(of('code')).toBeCloseTo(distances.reduce((sum, value) => sum + value ** 2, 0) / 12, 5);
  });
});

describe('elastic weight consolidation', () => {
  it('by hand: half the strength times F (w - w_old)^2; other weights are free', () => {
    const memory = {
      weights: { shape: [1, 2], weights: Float32Array.of(1, 2), fisher: Float32Array.of(3, 0.5) },
      gone: { shape: [1], weights: Float32Array.of(9), fisher: Float32Array.of(9) },
    };
    // 3 x 2^2 + .5 x 4^2 = 20. The batch's embedding stands for the weights.
    expect(termOf(weightPenaltyTerm(memory, 100), { embedding: matrix([[3, -2]]), fields: {} })).toBeCloseTo(1000, 9);
    expect(termOf(weightPenaltyTerm({}, 100), { embedding: matrix([[3, -2]]), fields: {} })).toBe(0);
  });
});
