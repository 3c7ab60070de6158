/**
 * The report: the one result of an audit. Every view is a rendering of it.
 * Rates are in 0..1, intervals are [low, high], a figure that does not exist is `null`.
 */
export const REPORT_FORMAT = 'backcompat.report';
/** Grows when a field changes its meaning; readers refuse a newer one and open every older one. */
export const REPORT_FORMAT_VERSION = 1;
export const REPORT_FILE_NAME = 'report.compat-report.json';

export type Interval = [low: number, high: number];
export type Distance = 'cosine' | 'euclidean' | 'dot';
export type DimensionRule = 'equal' | 'slice' | 'pad' | 'project';
export type CellName = 'oldOld' | 'newOld' | 'newNew' | 'oldNew';
export const cellNames = ['oldOld', 'newOld', 'newNew', 'oldNew'] as const satisfies readonly CellName[];

/** `cmc@k` for the protocol's ks, then `map`, `map@r`, `rPrecision`. */
export type MetricName = `cmc@${number}` | 'map' | 'map@r' | 'rPrecision';

export type RankingState = 'compatible' | 'within-margin' | 'undecided' | 'incompatible';
export type ThresholdState = 'kept' | 'restorable' | 'broken';
export type InequalityState = 'kept' | 'as-noise' | 'violated';

export interface Verdict {
  state: RankingState;
  metric: MetricName;
  thresholds: ThresholdState | null;
  inequalities: InequalityState;
  summary: string;
}

export interface ModelDescription {
  name: string;
  kind: 'onnx' | 'tfjs-layers' | 'tfjs-graph' | 'table';
  /** As the user gave it; several files joined by ", ". */
  path: string;
  dimension: number;
  /** Whether all vectors had unit length (to 1e-3) before the audit touched them. */
  normalised: boolean;
  /** sha256 (hex) of the vectors of 8 fixed probe items; for a table, of its content. */
  fingerprint: string;
}

export interface Estimate {
  value: number;
  interval: Interval | null;
}

export type Cell = Partial<Record<MetricName, Estimate>>;

export interface CriterionEntry {
  /** M(oldOld) and M(newOld). */
  old: number;
  new: number;
  difference: number;
  interval: Interval | null;
  state: RankingState;
  /** Queries that would decide it with 80 % chance; null unless undecided. */
  queriesToDecide: number | null;
}

export interface ViolationsAtEpsilon {
  epsilon: number;
  violations: number;
  rate: number | null;
  interval: Interval | null;
}

export interface Violations {
  pairs: number;
  byEpsilon: ViolationsAtEpsilon[];
  /** Mean over all pairs of the distance lost or gained the wrong way. */
  severity: number | null;
  severityInterval: Interval | null;
  /** Unweighted mean over query classes of their rates, at the first epsilon. */
  macroRate: number | null;
}

export interface SignedViolations {
  positive: Violations;
  negative: Violations;
}

export interface Flips {
  k: number;
  negativeFlipRate: number | null;
  negativeFlipRateInterval: Interval | null;
  positiveFlipRate: number | null;
  positiveFlipRateInterval: Interval | null;
  relativeNegativeFlipRate: number | null;
  /** Queries flipped from right to wrong, all of them (the list is cut at 1,000). */
  flippedQueries: number;
}

export interface OldNewDifference {
  old: number | null;
  new: number | null;
  difference: number | null;
  interval?: Interval | null;
}

export interface ClassEntry {
  label: string;
  queries: number;
  positiveRate: number | null;
  negativeRate: number | null;
  'cmc@1': OldNewDifference;
  map: OldNewDifference;
}

export interface WorstPair {
  query: string;
  gallery: string;
  queryLabel: string;
  galleryLabel: string;
  oldDistance: number;
  newDistance: number;
}

export interface FlippedQuery {
  query: string;
  label: string;
  /** Nearest gallery item under oldOld (right) and newOld (wrong). */
  before: string;
  after: string;
  afterLabel: string;
  /** Rank of the first match under newOld (1 under oldOld). */
  rankAfter: number;
}

export interface WorstClassPair {
  queryLabel: string;
  galleryLabel: string;
  sign: 'positive' | 'negative';
  pairs: number;
  rate: number;
  severity: number;
}

export interface Worst {
  positivePairs: WorstPair[];
  negativePairs: WorstPair[];
  flippedQueries: FlippedQuery[];
  hubs: { gallery: string; violations: number }[];
  classPairs: WorstClassPair[];
}

/** Shares of pairs per bin; `edges` has one more entry than each list. */
export interface SignedHistogram {
  positive: number[];
  negative: number[];
}

export interface Histograms {
  edges: number[];
  oldOld: SignedHistogram;
  newOld: SignedHistogram;
  newNew: SignedHistogram | null;
}

/** Rates at `tolerances`. */
export interface ToleranceCurve {
  positive: number[];
  negative: number[];
}

export interface Curves {
  /** Share of queries with a match among the k nearest, k = 1 ... length. */
  cmc: Partial<Record<CellName, number[]>>;
  tolerances: number[];
  tolerance: {
    pair: ToleranceCurve;
    jitteredOld: ToleranceCurve;
    procrustes: ToleranceCurve | null;
  };
}

export type GateSeverity = 'error' | 'warn' | 'off';
export type GateState = 'passed' | 'failed' | 'undecided' | 'unmeasured';
/** What an undecided gate counts as: its own exit status, a failure, or a pass. */
export type UndecidedPolicy = 'report' | 'fail' | 'pass';

export interface GateLimit {
  state?: RankingState | ThresholdState | InequalityState;
  min?: number;
  max?: number;
  bound?: 'value' | 'lower' | 'upper';
  minQueries?: number;
}

export interface GateResult {
  /** As written in the config, or with `*` replaced by what it stands for. */
  rule: string;
  severity: 'error' | 'warn';
  limit: GateLimit;
  actual: number | string | null;
  interval: Interval | null;
  state: GateState;
  /** One sentence for people: what was measured against which limit. */
  message: string;
}

export interface Protocol {
  distance: Distance;
  dimensionRule: DimensionRule;
  epsilons: number[];
  margin: number;
  criterionMetric: MetricName;
  operatingFar: number;
  ks: number[];
  seed: number;
  exact: boolean;
  sampledQueries: number | null;
  referenceQueries: number;
  triplets: number;
  bootstrap: { unit: 'query' | 'class'; resamples: number; confidence: number };
}

export interface Report {
  format: typeof REPORT_FORMAT;
  formatVersion: number;
  verdict: Verdict;
  pair: string;
  old: ModelDescription;
  new: ModelDescription;
  paragon: ModelDescription | null;
  data: {
    queries: number;
    gallery: number;
    classes: number;
    sharedItems: number;
    queriesWithoutMatch: number;
    positivePairs: number;
    negativePairs: number;
  };
  protocol: Protocol;
  retrieval: { oldOld: Cell; newOld: Cell; newNew: Cell | null; oldNew: Cell | null };
  criterion: Partial<Record<MetricName, CriterionEntry>>;
  updateGain: Partial<Record<MetricName, { value: number | null; against: 'paragon' | 'own-backfill' }>>;
  tax: Partial<Record<MetricName, number>> | null;
  paragonCells: { newOld: Cell | null; newNew: Cell } | null;
  advbct: Partial<Record<MetricName, { comp: number | null; up: number | null; one: number | null }>> | null;
  inequalities: SignedViolations & {
    references: {
      jitteredOld: SignedViolations;
      permutedNew: SignedViolations;
      procrustes: SignedViolations | null;
    };
  };
  triplets: { sampled: number; inverted: number | null; interval: Interval | null; repaired: number | null };
  flips: Flips;
  /** Thresholds at each FAR and their transfer; null until the audit measures them. */
  verification: null;
  classes: ClassEntry[];
  worst: Worst;
  histograms: Histograms;
  curves: Curves;
  backfill: null;
  matrix: null;
  slices: Record<string, never>;
  diagnosis: { code: string; found: boolean; message: string; evidence: Record<string, unknown> }[];
  remedies: never[];
  gates: GateResult[];
  /** The config's `undecided`; absent counts as `report`. */
  undecided?: UndecidedPolicy;
  provenance: {
    tool: string;
    /** ISO 8601, UTC. */
    created: string;
    /** sha256 of the resolved config block; null for an audit of tables without a config. */
    config: string | null;
    dataset: string;
    seconds: number;
  };
}
