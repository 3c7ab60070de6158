import type { AdapterKind, DimensionRule, Distance, MetricName } from './report.ts';

/** The `audit` block of the config with all defaults filled in, and the pair's dimension rule. */
export interface AuditProtocol {
  distance: Distance;
  /** null: not chosen; an error when dimensions differ. */
  dimensionRule: Exclude<DimensionRule, 'equal'> | null;
  /** For the rule `project`. */
  adapter: AdapterKind;
  /** An adapter that was fitted before, in its place: the file, as it was named. */
  adapterFile?: string;
  epsilons: number[];
  ks: number[];
  criterionMetric: MetricName;
  margin: number;
  operatingFar: number;
  seed: number;
  /** Pairs a cell up to which everything is exact. */
  pairBudget: number;
  referenceQueries: number;
  triplets: number;
  bootstrap: { unit: 'query' | 'class'; resamples: number; confidence: number };
}

export const defaultProtocol: AuditProtocol = {
  distance: 'cosine',
  dimensionRule: null,
  adapter: 'procrustes',
  epsilons: [1e-6, 0.01, 0.05],
  ks: [1, 5, 10],
  criterionMetric: 'map',
  margin: 0,
  operatingFar: 0.01,
  seed: 0,
  pairBudget: 4e9,
  referenceQueries: 2000,
  triplets: 200_000,
  bootstrap: { unit: 'query', resamples: 1000, confidence: 0.95 },
};

/** False accept rates that every audit tabulates, where it has pairs enough, beside the operating one (metrics.md section 3). */
export const tabulatedFars: readonly number[] = [0.1, 0.01, 0.001, 0.0001];
