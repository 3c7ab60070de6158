import type { Interval } from '../contract/report.ts';
import type { Progress } from '../contract/runs.ts';
import { type BootstrapPlan, bootstrap, percentileInterval } from './bootstrap.ts';
import { wilsonInterval } from './wilson.ts';

/**
 * Figures of one set of queries that are ratios of sums over them, and their intervals from one
 * common bootstrap: because all share the resamples, differences between any two are paired.
 * Register everything with `ratio` and `mean`, call `resample` once, then ask.
 */
export class QueryStatistics {
  readonly #plan: BootstrapPlan;
  readonly #terms: Ratio[] = [];
  #replicates: Float64Array[] = [];

  constructor(plan: BootstrapPlan) {
    this.#plan = plan;
  }

  /** Sum of numerators over sum of denominators, one of each per query. */
  ratio(numerator: Float64Array, denominator: Float64Array): Statistic {
    this.#terms.push({ numerator, denominator });
    return (this.#terms.length - 1) as Statistic;
  }

  /** Mean of `values` over the queries whose `included` is 1; values elsewhere are not looked at. */
  mean(values: ArrayLike<number>, included: Float64Array): Statistic {
    return this.ratio(
      Float64Array.from(included, (inside, i) => (inside === 1 ? (values[i] as number) : 0)),
      included,
    );
  }

  async resample(hooks: { progress?: Progress; signal?: AbortSignal } = {}): Promise<void> {
    this.#replicates = await bootstrap(this.#plan, this.#terms, hooks);
  }

  /** The figure on all queries; null when its denominator is 0. */
  value(statistic: Statistic): number | null {
    const { numerator, denominator } = this.#terms[statistic] as Ratio;
    const below = sum(denominator);
    return below === 0 ? null : sum(numerator) / below;
  }

  interval(statistic: Statistic): Interval | null {
    return percentileInterval(this.#replicates[statistic] as Float64Array, this.#plan.confidence);
  }

  /**
   * Interval of a share of queries: Wilson's (metrics.md section 6). Where whole classes are drawn it is widened to
   * theirs, because Wilson's takes queries to be independent, and resamples alone know no width at 0 and 1.
   * @param hits out of `queries`: what the statistic's sums are
   */
  shareInterval(statistic: Statistic, hits: number, queries: number): Interval | null {
    const wilson = wilsonInterval(hits, queries, this.#plan.confidence);
    const drawn = this.#plan.unit === 'class' ? this.interval(statistic) : null;
    if (wilson === null || drawn === null) return wilson;
    return [Math.min(wilson[0], drawn[0]), Math.max(wilson[1], drawn[1])];
  }

  /** Interval of `minuend - subtrahend`, paired. */
  differenceInterval(minuend: Statistic, subtrahend: Statistic): Interval | null {
    const a = this.#replicates[minuend] as Float64Array;
    const b = this.#replicates[subtrahend] as Float64Array;
    return percentileInterval(
      a.map((value, i) => value - (b[i] as number)),
      this.#plan.confidence,
    );
  }
}

interface Ratio {
  numerator: Float64Array;
  denominator: Float64Array;
}

/** Handle of a registered figure. */
export type Statistic = number & { readonly __statistic: unique symbol };

export function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
