import { describe, expect, it } from 'vitest';
import { DistanceCounts, type FineAxis, MOST_KEPT } from '../../src/core/audit/distanceCounts.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

const axis: FineAxis = { low: 0, perUnit: 100, bins: 100, open: true };

function counted(distances: readonly number[] | Float64Array, on: FineAxis = axis): DistanceCounts {
  const counts = new DistanceCounts(on, distances.length);
  // In two helpings, as rows come.
  const half = Math.floor(distances.length / 2);
  counts.add(Float64Array.from(distances.slice(0, half)), half);
  counts.add(Float64Array.from(distances.slice(half)), distances.length - half);
  return counts;
}

describe('counts of few distances', () => {
  // Three of them in one bin, two of those equal.
  const distances = [0.5, 0.123, 0.121, 0.9, 0.123, 0.121 + 1e-9, 0.3];

  it('are exact within a bin', () => {
    const counts = counted(distances);
    expect([0.12, 0.121, 0.122, 0.123, 0.3, 2].map((d) => counts.atMost(d))).toEqual([0, 1, 2, 4, 5, 7]);
  });

  it('take equal distances together', () => {
    const counts = counted(distances);
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((limit) => counts.largestWithin(limit))).toEqual([
      null,
      0.121,
      0.121 + 1e-9,
      0.121 + 1e-9,
      0.123,
      0.3,
      0.5,
      0.9,
    ]);
  });

  it('leave out what lies beyond a closed axis, and keep it on an open one', () => {
    const closed = counted([0.1, 0.2, 3], { ...axis, open: false });
    expect(closed.total).toBe(2);
    expect(closed.largestWithin(3)).toBe(0.2);
    const open = counted([-1, 0.1, 0.2, 3]);
    expect(open.total).toBe(4);
    expect([-1, 0.1, 2.9, 3].map((d) => open.atMost(d))).toEqual([1, 2, 3, 4]);
    expect(open.largestWithin(4)).toBe(3);
  });
});

it('counts of many distances are exact to a bin', () => {
  const random = createRandom(3, 'distances');
  const fine: FineAxis = { low: 0, perUnit: 2 ** 18, bins: 2 ** 19, open: true };
  const distances = Float64Array.from({ length: MOST_KEPT + 200_000 }, () => 0.4 + 0.3 * random.uniform());
  const counts = counted(distances, fine);
  const sorted = distances.sort();
  for (const share of [0.1, 0.01, 0.001]) {
    const limit = Math.floor(share * sorted.length);
    const exact = sorted[limit - 1] as number;
    const found = counts.largestWithin(limit) as number;
    expect(Math.abs(found - exact)).toBeLessThan(2 / fine.perUnit);
    expect(counts.atMost(found)).toBeLessThanOrEqual(limit);
    expect(limit - counts.atMost(found)).toBeLessThan(20);
    // The upper end of a bin, so that all of it, and nothing else, is at or below.
    expect(counts.atMost(found)).toBe(sorted.filter((d) => d <= found).length);
  }
});
