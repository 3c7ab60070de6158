import { throwIfCancelled } from '../contract/errors.ts';
import type { Interval } from '../contract/report.ts';
import type { Progress } from '../contract/runs.ts';
import { GraphBuilder } from '../engine/graph.ts';
import { createSession } from '../engine/session.ts';
import { quantileOfSorted } from '../numeric/quantile.ts';
import { createRandom, type Random } from '../numeric/random.ts';

/** What is drawn again and again, and how often (metrics.md section 6). */
export interface BootstrapPlan {
  /** `query`: single queries; `class`: all queries of a class together (one class alone varies in nothing: no replicates). */
  unit: 'query' | 'class';
  queries: number;
  /** Class of each query; used by `class` only. */
  classOf: Int32Array;
  resamples: number;
  confidence: number;
  seed: number;
  threads: number | null;
}

/** A ratio of sums over queries; `denominator` null counts queries, so that the ratio is a mean. Finite values only. */
export interface RatioOfSums {
  numerator: Float64Array;
  denominator: Float64Array | null;
}

/** Numbers in one block of resamples (16 MB), and in one block of statistics (64 MB). */
const COUNT_VALUES = 2_097_152;
const SUM_VALUES = 8_388_608;

/**
 * Bootstrap replicates of ratios of sums (Efron 1979). Every statistic sees the same resamples, also
 * across calls with the same plan: differences of replicates are paired.
 * Cost: resamples x units draws, and one product (resamples x units) by (units x distinct sums).
 * @returns one array of `resamples` replicates a statistic; NaN where a resample's denominator is 0
 */
export async function bootstrap(
  plan: BootstrapPlan,
  statistics: readonly RatioOfSums[],
  hooks: { progress?: Progress; signal?: AbortSignal } = {},
): Promise<Float64Array[]> {
  const units = resamplingUnits(plan);
  const columns = new Map<Float64Array, number>();
  const columnOf = (values: Float64Array): number => {
    const known = columns.get(values);
    if (known !== undefined) return known;
    columns.set(values, columns.size);
    return columns.size - 1;
  };
  const ones = new Float64Array(plan.queries).fill(1);
  const terms = statistics.map(({ numerator, denominator }) => ({
    numerator: columnOf(numerator),
    denominator: columnOf(denominator ?? ones),
  }));
  const replicates = statistics.map(() => new Float64Array(plan.resamples).fill(Number.NaN));
  const fewest = plan.unit === 'class' ? 2 : 1;
  if (units.count < fewest || statistics.length === 0) return replicates;

  const distinct = [...columns.keys()];
  const width = Math.max(1, Math.min(distinct.length, Math.floor(SUM_VALUES / units.count)));
  const height = Math.max(1, Math.min(plan.resamples, Math.floor(COUNT_VALUES / units.count)));
  const random = createRandom(plan.seed, 'bootstrap');
  const session = await createSession(productGraph(), { threads: plan.threads });
  try {
    const counts = new Float64Array(height * units.count);
    const sums = new Float64Array(height * distinct.length);
    const block = new Float64Array(units.count * width);
    for (let start = 0; start < plan.resamples; start += height) {
      throwIfCancelled(hooks.signal);
      const rows = Math.min(height, plan.resamples - start);
      drawCounts(random, counts, rows, units.count);
      for (let first = 0; first < distinct.length; first += width) {
        const size = Math.min(width, distinct.length - first);
        if (start === 0 || width < distinct.length) {
          for (let k = 0; k < size; k++) units.sum(distinct[first + k] as Float64Array, block, k, size);
        }
        const { product } = await session.run({
          counts: { shape: [rows, units.count], data: counts.subarray(0, rows * units.count) },
          sums: { shape: [units.count, size], data: block.subarray(0, units.count * size) },
        });
        const values = product?.data as Float64Array;
        for (let r = 0; r < rows; r++) {
          for (let k = 0; k < size; k++) sums[r * distinct.length + first + k] = values[r * size + k] as number;
        }
      }
      terms.forEach(({ numerator, denominator }, s) => {
        const into = replicates[s] as Float64Array;
        for (let r = 0; r < rows; r++) {
          const below = sums[r * distinct.length + denominator] as number;
          if (below !== 0) into[start + r] = (sums[r * distinct.length + numerator] as number) / below;
        }
      });
      await hooks.progress?.breathe();
    }
  } finally {
    await session.release();
  }
  return replicates;
}

/**
 * Percentile interval: linear quantiles of the replicates that exist (not NaN).
 * @returns null when none exists
 */
export function percentileInterval(replicates: Float64Array, confidence: number): Interval | null {
  const sorted = replicates.filter((value) => !Number.isNaN(value)).sort();
  if (sorted.length === 0) return null;
  const tail = (1 - confidence) / 2;
  return [quantileOfSorted(sorted, tail), quantileOfSorted(sorted, 1 - tail)];
}

/** Queries a class must have before its own interval says anything: below, resamples hardly vary. */
const SMALLEST_CLASS = 5;

/**
 * Intervals of means within each class: only the queries of the class are resampled.
 * @param values one a query
 * @param included 1 for queries that count, 0 for the others
 * @returns one a class; null for classes with fewer than 5 such queries
 */
export function classIntervals(
  plan: Pick<BootstrapPlan, 'classOf' | 'resamples' | 'confidence' | 'seed'>,
  classes: number,
  values: ArrayLike<number>,
  included: ArrayLike<number>,
): (Interval | null)[] {
  const members: number[][] = Array.from({ length: classes }, () => []);
  plan.classOf.forEach((label, query) => {
    if (included[query] !== 0) members[label]?.push(values[query] as number);
  });
  const replicates = new Float64Array(plan.resamples);
  return members.map((own, label) => {
    if (own.length < SMALLEST_CLASS) return null;
    const random = createRandom(plan.seed, `bootstrap/class/${label}`);
    for (let r = 0; r < plan.resamples; r++) {
      let sum = 0;
      for (let k = 0; k < own.length; k++) sum += own[pick(random, own.length)] as number;
      replicates[r] = sum / own.length;
    }
    return percentileInterval(replicates, plan.confidence);
  });
}

interface ResamplingUnits {
  count: number;
  /** Writes the sum of a per-query array per unit into column `k` of a matrix of `width` columns. */
  sum(values: Float64Array, into: Float64Array, k: number, width: number): void;
}

function resamplingUnits(plan: BootstrapPlan): ResamplingUnits {
  if (plan.unit === 'query') {
    return {
      count: plan.queries,
      sum(values, into, k, width) {
        for (let i = 0; i < values.length; i++) into[i * width + k] = values[i] as number;
      },
    };
  }
  const unitOfClass = new Map<number, number>();
  const unitOf = plan.classOf.map((label) => {
    const known = unitOfClass.get(label) ?? unitOfClass.size;
    unitOfClass.set(label, known);
    return known;
  });
  return {
    count: unitOfClass.size,
    sum(values, into, k, width) {
      for (let unit = 0; unit < unitOfClass.size; unit++) into[unit * width + k] = 0;
      for (let i = 0; i < values.length; i++) {
        const at = (unitOf[i] as number) * width + k;
        into[at] = (into[at] as number) + (values[i] as number);
      }
    },
  };
}

/**
 * Nearly uniform in [0, bound): chances differ by at most 2^-32, far below what resamples can show, and
 * there are millions of draws, for which the unbiased way takes three times as long.
 */
function pick(random: Random, bound: number): number {
  return Math.floor((random.uint32() * bound) / 4294967296);
}

/** How often each unit is in each resample: `units` draws with replacement. */
function drawCounts(random: Random, counts: Float64Array, rows: number, units: number): void {
  counts.fill(0);
  for (let r = 0; r < rows; r++) {
    const row = r * units;
    for (let draw = 0; draw < units; draw++) {
      const at = row + pick(random, units);
      counts[at] = (counts[at] as number) + 1;
    }
  }
}

function productGraph(): Uint8Array {
  const graph = new GraphBuilder('bootstrap');
  const counts = graph.input('counts', 'float64', ['resamples', 'units']);
  const sums = graph.input('sums', 'float64', ['units', 'statistics']);
  graph.output('product', graph.node('MatMul', [counts, sums]), 'float64', ['resamples', 'statistics']);
  return graph.build();
}
