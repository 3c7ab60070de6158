/** Two or more reports side by side: what `compareReports` finds and every view shows. */
import type { InequalityState, Interval, MetricName, RankingState, ThresholdState } from './report.ts';

export interface ComparedReport {
  /** A letter: A is what the others are compared with. */
  key: string;
  pair: string;
  old: string;
  new: string;
  created: string;
  metric: MetricName;
  states: { ranking: RankingState; thresholds: ThresholdState | null; inequalities: InequalityState | null };
  summary: string;
  /** Why its figures must not be held against those of A, a sentence each; empty for A itself and when they may. */
  problems: string[];
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
  to: number;
  change: number;
  better: boolean;
  clarity: Clarity;
}

export interface Comparison {
  reports: ComparedReport[];
  /** Clear ones first, largest first; of reports that may not be compared, none. */
  differences: ComparedDifference[];
  /** In the order of the three questions. */
  figures: ComparedFigure[];
}
