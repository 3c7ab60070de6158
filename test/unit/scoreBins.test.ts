import { describe, expect, it } from 'vitest';
import { BINS, fillBins } from '../../src/core/audit/scoreBins.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

/** The bin of one distance, from the definition. */
function binOf(distance: number, low: number, perUnit: number): number {
  return Math.max(0, Math.min(BINS - 1, Math.floor((distance - low) * perUnit)));
}

function binsOf(keys: Float32Array, axis: { low: number; perUnit: number }, largestKey: number, squared = false) {
  const bins = new Uint16Array(keys.length - 1);
  fillBins(keys, 1, axis, { keyOffset: 1, squared, largestKey }, bins);
  return bins;
}

describe('bins of a row of scores', () => {
  it('by hand: the end bins hold what lies beyond', () => {
    const keys = Float32Array.of(9, -1, -0.75, -0.5, 0, 1, -0.125);
    // Distances 0, .25, .5, 1, 2, .875 on an axis from .25 with 16 bins a unit.
    expect([...binsOf(keys, { low: 0.25, perUnit: 16 }, 1)]).toEqual([0, 0, 4, 12, 28, 10]);
    // And with 65,536 a unit: 1 and 2 lie beyond.
    expect([...binsOf(keys, { low: 0.25, perUnit: 65_536 }, 1)]).toEqual([0, 0, 16_384, 49_152, 65_535, 40_960]);
  });

  it.each([1.01, Number.POSITIVE_INFINITY])('one by one, keys up to %s', (largestKey) => {
    const random = createRandom(1, 'bins');
    const keys = Float32Array.from({ length: 1002 }, () => 2 * random.uniform() - 1);
    for (const axis of [
      { low: 0, perUnit: 32_768 },
      { low: 0.9, perUnit: 655_360 },
      { low: 1, perUnit: 2 ** 33 },
    ]) {
      const distances = Array.from(keys.subarray(1), (key) => key + 1);
      const found = binsOf(keys, axis, largestKey);
      // A distance within rounding of an edge may fall on either side of it.
      distances.forEach((distance, i) => {
        const [from, to] = [distance - 1e-15, distance + 1e-15].map((at) => binOf(at, axis.low, axis.perUnit));
        expect(found[i]).toBeGreaterThanOrEqual(from as number);
        expect(found[i]).toBeLessThanOrEqual(to as number);
      });
    }
  });

  it('of keys far beyond what 32 bits hold', () => {
    const keys = Float32Array.of(0, 1e12, -1e12, 6e4, 2 ** 32 + 512, 3);
    const found = binsOf(keys, { low: 0, perUnit: 1 }, Number.POSITIVE_INFINITY);
    expect([...found]).toEqual([65_535, 0, 60_001, 65_535, 4]);
    expect([...binsOf(keys, { low: 0, perUnit: 1 }, Number.POSITIVE_INFINITY, true)]).toEqual([
      65_535, 0, 244, 65_535, 2,
    ]);
  });
});
