import type { SignedViolations, ToleranceCurve, Violations } from '../contract/report.ts';
import type { InequalityFigures, SignedSums } from './inequalities.ts';
import { type QueryStatistics, type Statistic, sum } from './statistics.ts';

/** Figures of one sign whose intervals come from the common bootstrap of their queries. */
interface RegisteredSign {
  sums: SignedSums;
  rates: Statistic[];
  severity: Statistic;
}

export interface RegisteredViolations {
  positive: RegisteredSign;
  negative: RegisteredSign;
}

/** Registers all rates and severities of a measurement; read them with `violationsOf` after resampling. */
export function registerViolations(statistics: QueryStatistics, figures: InequalityFigures): RegisteredViolations {
  const register = (sums: SignedSums): RegisteredSign => ({
    sums,
    rates: sums.violations.map((counts) => statistics.ratio(counts, sums.pairs)),
    severity: statistics.ratio(sums.severity, sums.pairs),
  });
  return { positive: register(figures.positive), negative: register(figures.negative) };
}

/** Rates, severities and intervals (metrics.md section 1). */
export function violationsOf(
  statistics: QueryStatistics,
  registered: RegisteredViolations,
  epsilons: readonly number[],
  queryLabel: Int32Array,
  classes: number,
): SignedViolations {
  const sign = ({ sums, rates, severity }: RegisteredSign): Violations => ({
    pairs: sum(sums.pairs),
    byEpsilon: epsilons.map((epsilon, e) => ({
      epsilon,
      violations: sum(sums.violations[e] as Float64Array),
      rate: statistics.value(rates[e] as Statistic),
      interval: statistics.interval(rates[e] as Statistic),
    })),
    severity: statistics.value(severity),
    severityInterval: statistics.interval(severity),
    macroRate: macroRate(sums, queryLabel, classes),
  });
  return { positive: sign(registered.positive), negative: sign(registered.negative) };
}

/** Per query class, violations over pairs at the first tolerance; null for a class without pairs. */
export function classRates(sums: SignedSums, queryLabel: Int32Array, classes: number): (number | null)[] {
  const pairs = new Float64Array(classes);
  const violations = new Float64Array(classes);
  const strict = sums.violations[0] as Float64Array;
  queryLabel.forEach((label, query) => {
    pairs[label] = (pairs[label] as number) + (sums.pairs[query] as number);
    violations[label] = (violations[label] as number) + (strict[query] as number);
  });
  return Array.from(pairs, (count, label) => (count === 0 ? null : (violations[label] as number) / count));
}

/** Unweighted mean of the class rates over classes that have such pairs. */
function macroRate(sums: SignedSums, queryLabel: Int32Array, classes: number): number | null {
  const rates = classRates(sums, queryLabel, classes).filter((rate) => rate !== null);
  return rates.length === 0 ? null : rates.reduce((total, rate) => total + rate, 0) / rates.length;
}

export function toleranceCurveOf(figures: InequalityFigures): ToleranceCurve {
  return figures.toleranceRates ?? { positive: [], negative: [] };
}
