import { describe, expect, it } from 'vitest';
import { flipFigures } from '../../src/core/audit/flips.ts';
import type { PairSetup } from '../../src/core/audit/pairSetup.ts';
import type { PerQuery } from '../../src/core/audit/retrieval.ts';
import type { CellName } from '../../src/core/contract/report.ts';

function perQuery(ranks: number[], nearest: number[]): PerQuery {
  const none = new Float64Array(ranks.length);
  return {
    firstMatchRank: Int32Array.from(ranks),
    nearest: Int32Array.from(nearest),
    averagePrecision: none,
    mapAtR: none,
    rPrecision: none,
  };
}

function figures(oldRanks: number[], newRanks: number[], matchCount: number[], rows?: number[]) {
  const count = oldRanks.length;
  const setup = { queries: count, matchCount: Int32Array.from(matchCount) } as PairSetup;
  const classNames = ['cat', 'dog'];
  const most = Math.max(count, ...(rows ?? [0])) + 1;
  const queries = {
    name: 'queries',
    count: most,
    ids: Array.from({ length: most }, (_, i) => `q${i}`),
    labelOf: Int32Array.from({ length: most }, (_, i) => i % 2),
    classNames,
  };
  const gallery = { name: 'gallery', count: 3, ids: ['g0', 'g1', 'g2'], labelOf: Int32Array.of(0, 1, 1), classNames };
  const cells = new Map<CellName, PerQuery>([
    [
      'oldOld',
      perQuery(
        oldRanks,
        oldRanks.map(() => 0),
      ),
    ],
    [
      'newOld',
      perQuery(
        newRanks,
        newRanks.map((rank) => (rank === 1 ? 0 : 2)),
      ),
    ],
  ]);
  return flipFigures(
    { queries, gallery },
    Int32Array.from(rows ?? oldRanks.keys()),
    { setup, cells },
    {
      bootstrap: { unit: 'query', resamples: 1000, confidence: 0.95 },
    },
  );
}

describe('flipFigures', () => {
  it('counts both kinds over queries with a match', () => {
    // Right, right, wrong, wrong, right before; right, wrong, right, wrong, wrong after; the last has no match.
    const { figures: found } = figures([1, 1, 3, 2, 1, 0], [1, 4, 1, 2, 9, 0], [2, 2, 2, 2, 2, 0]);
    expect(found.negativeFlipRate).toBe(2 / 5);
    expect(found.positiveFlipRate).toBe(1 / 5);
    expect(found.flippedQueries).toBe(2);
    // Old accuracy 3/5, new error 3/5.
    expect(found.relativeNegativeFlipRate).toBeCloseTo(2 / 5 / (9 / 25), 12);
    // Wilson, 2 of 5.
    expect(found.negativeFlipRateInterval?.map((end) => Number(end.toFixed(4)))).toEqual([0.1176, 0.7693]);
  });

  it('lists the largest loss of rank first', () => {
    const { list } = figures([1, 1, 1, 1], [5, 1, 9, 5], [1, 1, 1, 1], [0, 2, 3, 7]);
    expect(list.map(({ query, rankAfter }) => [query, rankAfter])).toEqual([
      ['q3', 9],
      ['q0', 5],
      ['q7', 5],
    ]);
    expect(list[0]).toEqual({ query: 'q3', label: 'dog', before: 'g0', after: 'g2', afterLabel: 'dog', rankAfter: 9 });
  });

  it('cuts the list at 1,000 and tells the total', () => {
    const many = 1500;
    const { figures: found, list } = figures(
      new Array<number>(many).fill(1),
      Array.from({ length: many }, (_, q) => 2 + q),
      new Array<number>(many).fill(1),
    );
    expect(list).toHaveLength(1000);
    expect(list[0]?.rankAfter).toBe(many + 1);
    expect(found.flippedQueries).toBe(many);
    expect(found.negativeFlipRate).toBe(1);
  });

  it('has no relative rate when nothing was right or nothing is wrong', () => {
    expect(figures([2, 3], [2, 2], [1, 1]).figures.relativeNegativeFlipRate).toBeNull();
    expect(figures([1, 3], [1, 1], [1, 1]).figures.relativeNegativeFlipRate).toBeNull();
    const none = figures([0, 0], [0, 0], [0, 0]).figures;
    expect(none.negativeFlipRate).toBeNull();
    expect(none.negativeFlipRateInterval).toBeNull();
  });
});
