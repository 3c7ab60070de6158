import { describe, expect, it } from 'vitest';
import { type BootstrapPlan, bootstrap, classIntervals, percentileInterval } from '../../src/core/audit/bootstrap.ts';
import { normalQuantile, wilsonInterval } from '../../src/core/audit/wilson.ts';
import { quantileOfSorted } from '../../src/core/numeric/quantile.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

function plan(queries: number, changes: Partial<BootstrapPlan> = {}): BootstrapPlan {
  return {
    unit: 'query',
    queries,
    classOf: new Int32Array(queries),
    resamples: 1000,
    confidence: 0.95,
    seed: 3,
    threads: null,
    ...changes,
  };
}

const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0) / values.length;
const deviation = (values: ArrayLike<number>) => {
  const centre = mean(values);
  return Math.sqrt(Array.from(values).reduce((sum, v) => sum + (v - centre) ** 2, 0) / (values.length - 1));
};

describe('quantileOfSorted', () => {
  it('interpolates linearly, as NumPy does', () => {
    const sorted = Float64Array.of(1, 2, 4, 8);
    expect(quantileOfSorted(sorted, 0)).toBe(1);
    expect(quantileOfSorted(sorted, 0.5)).toBe(3);
    // Place 0.9 * 3 = 2.7: 4 + 0.7 * 4.
    expect(quantileOfSorted(sorted, 0.9)).toBeCloseTo(6.8, 14);
    expect(quantileOfSorted(sorted, 1)).toBe(8);
    expect(quantileOfSorted(Float64Array.of(5), 0.3)).toBe(5);
    expect(quantileOfSorted(new Float64Array(0), 0.5)).toBeNaN();
  });
});

describe('percentileInterval', () => {
  it('takes the tails of the replicates that exist', () => {
    const replicates = Float64Array.from({ length: 101 }, (_, i) => 100 - i);
    expect(percentileInterval(replicates, 0.95)?.map((end) => Number(end.toFixed(9)))).toEqual([2.5, 97.5]);
    expect(percentileInterval(replicates, 0.9)?.map((end) => Number(end.toFixed(9)))).toEqual([5, 95]);
    expect(percentileInterval(Float64Array.of(Number.NaN, 2, Number.NaN), 0.95)).toEqual([2, 2]);
    expect(percentileInterval(Float64Array.of(Number.NaN), 0.95)).toBeNull();
  });
});

describe('bootstrap', () => {
  const random = createRandom(1, 'bootstrap test');
  const queries = 400;
  const values = Float64Array.from({ length: queries }, () => random.normal());
  const weights = Float64Array.from({ length: queries }, () => 1 + random.integer(5));
  const weighted = values.map((value, q) => value * (weights[q] as number));

  it('is decided by its seed', async () => {
    const statistics = [{ numerator: values, denominator: null }];
    const [first] = await bootstrap(plan(queries), statistics);
    const [again] = await bootstrap(plan(queries, { threads: 1 }), statistics);
    const [other] = await bootstrap(plan(queries, { seed: 4 }), statistics);
    expect(Array.from(again as Float64Array)).toEqual(Array.from(first as Float64Array));
    expect(other).not.toEqual(first);
  });

  it('resamples like an independent plain loop over the definition', async () => {
    const [means, ratios] = await bootstrap(plan(queries, { resamples: 2000 }), [
      { numerator: values, denominator: null },
      { numerator: weighted, denominator: weights },
    ]);
    const draw = createRandom(9, 'plain loop');
    const plainMeans: number[] = [];
    const plainRatios: number[] = [];
    for (let r = 0; r < 2000; r++) {
      let top = 0;
      let ratioTop = 0;
      let below = 0;
      for (let k = 0; k < queries; k++) {
        const q = draw.integer(queries);
        top += values[q] as number;
        ratioTop += weighted[q] as number;
        below += weights[q] as number;
      }
      plainMeans.push(top / queries);
      plainRatios.push(ratioTop / below);
    }
    // Deviations of 2,000 replicates are known to 1.6 %, means to a 45th of a deviation.
    for (const [found, plain] of [
      [means, plainMeans],
      [ratios, plainRatios],
    ] as [Float64Array, number[]][]) {
      expect(deviation(found) / deviation(plain)).toBeGreaterThan(0.9);
      expect(deviation(found) / deviation(plain)).toBeLessThan(1.1);
      expect(Math.abs(mean(found) - mean(plain)) / deviation(plain)).toBeLessThan(0.15);
    }
  });

  it('gives every statistic the same resamples, in one call or several', async () => {
    const shifted = values.map((value) => value + 2);
    const [a, b] = await bootstrap(plan(queries), [
      { numerator: values, denominator: null },
      { numerator: shifted, denominator: null },
    ]);
    const [alone] = await bootstrap(plan(queries), [{ numerator: shifted, denominator: null }]);
    (a as Float64Array).forEach((value, r) => {
      expect((b as Float64Array)[r]).toBeCloseTo(value + 2, 12);
      expect((alone as Float64Array)[r]).toBeCloseTo(value + 2, 12);
    });
  });

  it('does not depend on how resamples are split into blocks', async () => {
    // 4,000 queries take several blocks of 524 resamples; the first must equal a run of few.
    const many = Float64Array.from({ length: 4000 }, (_, q) => q % 7);
    const statistics = [{ numerator: many, denominator: null }];
    const [long] = await bootstrap(plan(4000), statistics);
    const [short] = await bootstrap(plan(4000, { resamples: 3 }), statistics);
    expect(Array.from((long as Float64Array).subarray(0, 3))).toEqual(Array.from(short as Float64Array));
    expect(new Set(long as Float64Array).size).toBeGreaterThan(300);
  });

  it('leaves out resamples without a denominator', async () => {
    const numerator = Float64Array.of(0, 0, 0, 1);
    const denominator = Float64Array.of(0, 0, 0, 2);
    const [found] = await bootstrap(plan(4), [{ numerator, denominator }]);
    const missing = Array.from(found as Float64Array).filter(Number.isNaN).length;
    // The one query is missing from a share (3/4)^4 = .316 of the resamples.
    expect(missing / 1000).toBeGreaterThan(0.25);
    expect(missing / 1000).toBeLessThan(0.38);
    expect(percentileInterval(found as Float64Array, 0.95)).toEqual([0.5, 0.5]);
    const [never] = await bootstrap(plan(4), [{ numerator, denominator: new Float64Array(4) }]);
    expect(percentileInterval(never as Float64Array, 0.95)).toBeNull();
  });

  it('draws whole classes for unit "class"', async () => {
    // Classes of 1, 2 and 3 queries, all values of a class alike: only class combinations can appear.
    const classOf = Int32Array.of(7, 4, 4, 2, 2, 2);
    const [found] = await bootstrap(plan(6, { unit: 'class', classOf }), [
      { numerator: Float64Array.of(1, 0, 0, 0, 0, 0), denominator: null },
    ]);
    // With a, b, c draws of the classes (a + b + c = 3) the mean is a / (a + 2 b + 3 c).
    const possible = new Set<string>();
    for (let a = 0; a <= 3; a++) {
      for (let b = 0; a + b <= 3; b++) possible.add((a / (a + 2 * b + 3 * (3 - a - b))).toFixed(9));
    }
    const seen = new Set(Array.from(found as Float64Array, (value) => value.toFixed(9)));
    for (const value of seen) expect(possible).toContain(value);
    expect(seen).toEqual(possible);
  });

  it('knows no interval of a single class, which varies in nothing', async () => {
    const [one] = await bootstrap(plan(3, { unit: 'class', classOf: Int32Array.of(5, 5, 5) }), [
      { numerator: Float64Array.of(1, 0, 0), denominator: null },
    ]);
    expect(percentileInterval(one as Float64Array, 0.95)).toBeNull();
  });
});

describe('classIntervals', () => {
  it('resamples within each class, over included queries only', () => {
    const random = createRandom(2, 'class intervals');
    const classOf = Int32Array.from({ length: 300 }, (_, q) => q % 3);
    const values = Float64Array.from({ length: 300 }, (_, q) => (q % 3) * 10 + random.normal());
    const included = Float64Array.from({ length: 300 }, (_, q) => (q % 3 === 2 && q > 12 ? 0 : 1));
    values.fill(Number.NaN, 290);
    included.fill(0, 290);
    const [zero, one, two] = classIntervals(
      { classOf, resamples: 1000, confidence: 0.95, seed: 1 },
      3,
      values,
      included,
    );
    // Half width of a mean of 97 standard normals: 1.96 / sqrt(97) = .199.
    expect(((zero?.[1] ?? 0) - (zero?.[0] ?? 0)) / 2).toBeCloseTo(0.199, 1);
    expect(one?.[0]).toBeGreaterThan(9.5);
    expect(one?.[1]).toBeLessThan(10.5);
    // Four queries (2, 5, 8, 11) are too few.
    expect(two).toBeNull();
  });
});

describe('wilsonInterval', () => {
  it('equals published values', () => {
    // Newcombe 1998, table I: 81/263, 15/148, 0/20, 1/29.
    const rounded = (hits: number, total: number) =>
      wilsonInterval(hits, total, 0.95)?.map((end) => Number(end.toFixed(4)));
    expect(rounded(81, 263)).toEqual([0.2553, 0.3662]);
    expect(rounded(15, 148)).toEqual([0.0624, 0.1605]);
    expect(rounded(0, 20)).toEqual([0, 0.1611]);
    expect(rounded(1, 29)).toEqual([0.0061, 0.1718]);
  });

  it('is never a point, and mirrors', () => {
    const none = wilsonInterval(0, 1e6, 0.95) as [number, number];
    expect(none[0]).toBe(0);
    expect(none[1]).toBeGreaterThan(3e-6);
    const all = wilsonInterval(1e6, 1e6, 0.95) as [number, number];
    expect(all[1]).toBe(1);
    expect(all[0]).toBeCloseTo(1 - none[1], 12);
    expect(wilsonInterval(0, 0, 0.95)).toBeNull();
  });

  it('takes any confidence', () => {
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 12);
    expect(normalQuantile(0.5)).toBeCloseTo(0, 14);
    expect(normalQuantile(0.995)).toBeCloseTo(2.5758293035489004, 12);
    expect(normalQuantile(0.01)).toBeCloseTo(-2.3263478740408408, 12);
  });
});
