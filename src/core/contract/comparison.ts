/** Two or more reports side by side: what `compareReports` finds and every view shows. */
import type { ComparabilityProblem } from './comparability.ts';
import type {
  CellName,
  InequalityState,
  Interval,
  MetricName,
  RankingState,
  Report,
  ThresholdState,
} from './report.ts';

export interface ComparedReport {
  /** A letter: A is what the others are compared with. */
  key: string;
  /** What tells it from others of its pair: a value of a sweep; null: nothing but the time. */
  label: string | null;
  pair: string;
  old: string;
  new: string;
  /** ISO 8601, UTC. */
  created: string;
  metric: MetricName;
  states: { ranking: RankingState; thresholds: ThresholdState | null; inequalities: InequalityState | null };
  summary: string;
  /** Queries that became wrong; null where flips were not measured. */
  flipped: number | null;
  /** How many of them became wrong in A, too; null for A itself, and where it is not known of all. */
  flippedInA: number | null;
  /** What differs between its question and that of A, and what cannot be compared therefore; empty for A itself. */
  problems: ComparabilityProblem[];
}

export interface ComparedFigure {
  /** The gate rule that names it. */
  rule: string;
  title: string;
  better: 'higher' | 'lower';
  /** One a report, in their order; null where a report does not have it. */
  values: { value: number | null; interval: Interval | null }[];
}

/**
 * `clear`: the two intervals do not overlap; `open`: they do; `unknown`: there are none. Intervals of two
 * reports are not paired: with the same queries in both a difference may be real though it is open.
 */
export type Clarity = 'clear' | 'open' | 'unknown';

export interface ComparedDifference {
  rule: string;
  title: string;
  /** Position of the report that is compared with the first. */
  report: number;
  from: number;
  fromInterval: Interval | null;
  to: number;
  toInterval: Interval | null;
  change: number;
  better: boolean;
  clarity: Clarity;
}

export interface Comparison {
  reports: ComparedReport[];
  /** Clear ones first, largest first; none of figures that must not be held against those of A. */
  differences: ComparedDifference[];
  /** In the order of the three questions. */
  figures: ComparedFigure[];
}

/** What is drawn of a report over the others. */
export interface ComparedCurves {
  cmc: Report['curves']['cmc'];
  roc: Partial<Record<CellName, { far: number[]; tar: number[] }>>;
  tolerances: number[];
  /** Violation rates of the pair at the tolerances. */
  positive: number[];
  negative: number[];
}

export function comparedCurves({ curves }: Report): ComparedCurves {
  const { cmc, roc = {}, tolerances, tolerance } = curves;
  return { cmc, roc, tolerances, positive: tolerance.pair.positive, negative: tolerance.pair.negative };
}
