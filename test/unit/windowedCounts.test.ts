import { describe, expect, it } from 'vitest';
import { DistanceCounts, type FineAxis } from '../../src/core/audit/distanceCounts.ts';
import { joinWindows, WHOLE, type Window, WindowedCounts } from '../../src/core/audit/windowedCounts.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

const axis: FineAxis = { low: 0, perUnit: 1000, bins: 1000, open: true };

/** Counts distances one by one within the windows, the rest by the window that they lie before. */
function count(distances: readonly number[], windows: readonly Window[]): WindowedCounts {
  const fine = new DistanceCounts(axis, distances.length);
  const between = new Float64Array(windows.length);
  for (const distance of distances) {
    if (windows.some(({ low, high }) => distance >= low && distance <= high)) fine.add(Float64Array.of(distance), 1);
    else {
      const k = windows.findIndex(({ low }) => distance < low);
      if (k >= 0) between[k] = (between[k] as number) + 1;
    }
  }
  return new WindowedCounts(windows, fine, between);
}

describe('windows', () => {
  it('that touch become one', () => {
    expect(
      joinWindows([
        { low: 5, high: 6 },
        { low: 1, high: 3 },
        { low: 3, high: 4 },
        { low: 2, high: 2.5 },
      ]),
    ).toEqual([
      { low: 1, high: 4 },
      { low: 5, high: 6 },
    ]);
  });
});

describe('counts by hand', () => {
  // Ten distances; windows hold .3, .4, .7 and .8.
  const distances = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];
  const counts = count(distances, [
    { low: 0.25, high: 0.45 },
    { low: 0.65, high: 0.85 },
  ]);

  it('at or below a distance in a window', () => {
    expect([...counts.between]).toEqual([2, 2]);
    expect(counts.atMost(0.3)).toBe(3);
    expect(counts.atMost(0.45)).toBe(4);
    expect(counts.atMost(0.66)).toBe(6);
    expect(counts.atMost(0.7)).toBe(7);
    expect([counts.covers(0.3), counts.covers(0.5), counts.complete]).toEqual([true, false, false]);
  });

  it('the largest distance with so many', () => {
    expect(counts.largestWithin(3)).toBe(0.3);
    expect(counts.largestWithin(7)).toBe(0.7);
    // Two pairs: .2, which lies before the windows; five: .5, between them; ten: behind them.
    expect([1, 2, 5, 10].map((limit) => counts.largestWithin(limit))).toEqual(Array(4).fill(undefined));
    // Four and eight fill their windows: what comes behind might fit as well.
    expect([4, 8].map((limit) => counts.largestWithin(limit))).toEqual([undefined, undefined]);
  });

  it('nothing fits where the smallest are too many', () => {
    const tied = count([0.1, 0.1, 0.3], [{ low: WHOLE.low, high: 0.2 }]);
    expect(tied.largestWithin(1)).toBeNull();
    expect(tied.largestWithin(2)).toBeUndefined();
  });
});

it('agrees with sorted distances wherever it answers, and answers within the windows', () => {
  const random = createRandom(1, 'windows test');
  // In hundredths: many ties.
  const distances = Array.from({ length: 5000 }, () => Math.round(100 * random.uniform()) / 100);
  const sorted = distances.toSorted((a, b) => a - b);
  const windows = [
    { low: WHOLE.low, high: 0.055 },
    { low: 0.195, high: 0.305 },
    { low: 0.695, high: 0.755 },
  ];
  const counts = count(distances, windows);
  const whole = count(distances, [WHOLE]);
  let answered = 0;
  for (let limit = 0; limit <= 5000; limit += 7) {
    const fits = sorted.filter((d, i) => i + 1 <= limit && sorted[i + 1] !== d);
    const expected = fits.at(-1) ?? null;
    expect(whole.largestWithin(limit)).toBe(expected);
    const found = counts.largestWithin(limit);
    if (found === undefined) continue;
    answered++;
    expect(found).toBe(expected);
    if (found !== null) expect(counts.atMost(found)).toBe(sorted.filter((d) => d <= found).length);
  }
  expect(answered).toBeGreaterThan(80);
});
