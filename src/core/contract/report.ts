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
/** Maps from the new space to the old one, fitted on paired vectors. */
export type AdapterKind = 'procrustes' | 'linear' | 'mlp';
export const adapterKinds = ['procrustes', 'linear', 'mlp'] as const satisfies readonly AdapterKind[];
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
  /** null without labels: there are no same-class pairs to speak of. */
  inequalities: InequalityState | null;
  summary: string;
  /** One paragraph for a reader who knows none of this: what the three questions answer for this pair, and what to do next. */
  explanation?: string;
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

/** A threshold t accepts pairs with d <= t. */
export interface ThresholdAtFar {
  /** The false accept rate asked for. */
  far: number;
  /** Largest different-class distance t with share(d <= t) <= far; null where there is none. */
  threshold: number | null;
  /** Share of same-class pairs with d <= threshold. */
  tar: number | null;
}

/** What the old system's threshold at `far` would decide otherwise (metrics.md section 1); shares of the pairs of a sign. */
export interface ConsequentialViolations {
  far: number;
  newFalseAccepts: number | null;
  mendedFalseAccepts: number | null;
  newFalseRejects: number | null;
  mendedFalseRejects: number | null;
}

export interface ThresholdTransfer {
  far: number;
  /** Of oldOld. */
  oldThreshold: number | null;
  farAtOldThreshold: number | null;
  tarAtOldThreshold: number | null;
  /** The same rule in this cell. */
  restoringThreshold: number | null;
  tarAtRestoringThreshold: number | null;
  /** Of `tarAtOldThreshold`, over queries. */
  tarInterval: Interval | null;
}

export interface Verification {
  /** Those of 1e-1 ... 1e-4 and `protocol.operatingFar`, descending, that have at least 10 different-class pairs above them. */
  far: number[];
  cells: Partial<Record<CellName, ThresholdAtFar[]>>;
  consequential: ConsequentialViolations[];
  transfer: { newOld: ThresholdTransfer[]; newNew: ThresholdTransfer[] | null };
}

export type BackfillOrder = 'random' | 'displacement' | 'outliers';
export const backfillOrders = ['random', 'displacement', 'outliers'] as const satisfies readonly BackfillOrder[];

/** New queries against a gallery of which `share` is re-embedded. */
export type BackfillPoint = { share: number } & Partial<Record<MetricName, number>>;

export interface BackfillSummary {
  /** Trapezoid over share 0 ... 1. */
  area: number;
  worst: { share: number; value: number };
  /** First share on the curve's grid that reaches M(oldOld), and M(newNew); null: none does. */
  reachesOldOld: number | null;
  reachesNewNew: number | null;
}

/** Models 1 ... T; entry [t][k], k <= t, is M(queries of t, gallery of k) (metrics.md section 8). */
export type VersionMatrix = {
  versions: string[];
  /** Of the criterion's metric; null where undefined. */
  ac: number | null;
  am: number | null;
  bc: number | null;
  fc: number | null;
} & Partial<Record<MetricName, number[][]>>;

/** The figures of the queries that have one value of a metadata column, against the whole gallery. */
export interface SliceEntry {
  value: string;
  queries: number;
  criterion: Partial<Record<MetricName, CriterionEntry>>;
  /** Full backfill. */
  newNew: Partial<Record<MetricName, number>> | null;
  positiveRate: number | null;
  negativeRate: number | null;
  negativeFlipRate: number | null;
}

/** What is known without labels: how far the new model's neighbours and vectors agree with the old one's. */
export interface Agreement {
  /** Queries it was measured on. */
  queries: number;
  /** Mean share of the k nearest gallery items that newOld, and newNew, have in common with oldOld. */
  neighbourOverlap: { k: number; newOld: Estimate | null; newNew: Estimate | null }[];
  /** d(old, new) of the same item after the dimension rule; null where the models' lengths have no rule. */
  displacement: { mean: number; median: number; p95: number } | null;
  /** ‖new R - old‖² / ‖old‖² on held-out items, R the orthogonal Procrustes map; 0 is a mere rotation, null where it cannot be fitted. */
  procrustesResidual: number | null;
}

export type DiagnosisCode =
  | 'rotation'
  | 'scale'
  | 'offset'
  | 'preprocessing'
  | 'label-map'
  | 'duplicates'
  | 'few-queries'
  | 'collapsed-dimensions';

export interface Diagnosis {
  code: DiagnosisCode;
  found: boolean;
  /** What was found and what to do, or what was looked for; one or two sentences. */
  message: string;
  /** The figures that decided it, and the limits they were held against. */
  evidence: Record<string, unknown>;
}

export type RemedyMethod = 'procrustes' | 'linear' | 'mlp' | 'threshold' | 'bct' | 'backfill';

export interface Remedy {
  method: RemedyMethod;
  /** Estimated on items that the remedy was not fitted on; what a remedy cannot change or was not measured is absent. */
  estimated: { [figure in MetricName | 'positiveRate' | 'tar']?: Estimate };
  /** "fitted on 500 held-out items". */
  basis: string;
  /** What it costs to put in place, one sentence: "one 32 x 32 product a query; gallery untouched". */
  cost: string;
  /** Whether the estimate reaches the criterion (its lower end, where it has an interval). */
  reachesCriterion: boolean | null;
}

/** What a person can see of an item, by id: kept beside the report, never in it. */
export interface ItemPreview {
  /** `data:image/...` of at most 96 x 96 pixels. */
  image?: string;
  /** The first characters of a text. */
  text?: string;
}
export type ItemPreviews = Record<string, ItemPreview>;

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
  /** Points of the receiver operating characteristic, FAR ascending; both lists have one length. */
  roc?: Partial<Record<CellName, { far: number[]; tar: number[] }>>;
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
  /** Least and largest change against the baseline report; for example minChange -0.01: at most .01 lost. */
  minChange?: number;
  maxChange?: number;
}

export interface GateResult {
  /** As written in the config, or with `*` replaced by what it stands for. */
  rule: string;
  severity: 'error' | 'warn';
  limit: GateLimit;
  actual: number | string | null;
  interval: Interval | null;
  /** The figure in the baseline report; absent without one. */
  baseline?: number | string | null;
  state: GateState;
  /** One sentence for people: what was measured against which limit. */
  message: string;
}

/** The committed report that gates and key figures are compared with. */
export interface Baseline {
  /** As the user gave it. */
  path: string;
  created: string;
  tool: string;
  /** Whether protocol and data agree; otherwise nothing is compared. */
  comparable: boolean;
  /** What differs, a sentence each; empty when comparable. */
  differences?: string[];
  /** Its key figures (keyFigures.ts), by rule; empty when not comparable. */
  figures?: Record<string, number | null>;
}

export interface Protocol {
  distance: Distance;
  dimensionRule: DimensionRule;
  /** How `project` maps new vectors into the old space; absent under other rules. */
  adapter?: AdapterKind;
  /** Or the file of an adapter that was fitted before, as it was named. */
  adapterFile?: string;
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
    /** false: no labels were given, and all that needs classes is null or empty. Absent counts as true. */
    labelled?: boolean;
    /** The queries are the gallery itself, each without its self pair. Absent: unknown. */
    leaveOneOut?: boolean;
  };
  /** How this audit differs from a full one, plain sentences: no labels, no old model, sampled queries, no new gallery. */
  notes?: string[];
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
  /** Thresholds at each FAR and their transfer; null where no FAR has enough pairs. */
  verification: Verification | null;
  classes: ClassEntry[];
  worst: Worst;
  histograms: Histograms;
  curves: Curves;
  /** null without new gallery vectors. */
  backfill: Partial<Record<BackfillOrder, BackfillPoint[]>> | null;
  /** Queries that partial backfill was measured on: a stratified sample of those with a match, or all. */
  backfillQueries?: number | null;
  backfillSummary?: Partial<Record<BackfillOrder, Partial<Record<MetricName, BackfillSummary>>>> | null;
  /** null unless the pair names versions. */
  matrix: VersionMatrix | null;
  slices: Record<string, SliceEntry[]>;
  agreement?: Agreement | null;
  /** Also what was looked for and not found. */
  diagnosis: Diagnosis[];
  /** Cheapest first. */
  remedies: Remedy[];
  gates: GateResult[];
  /** The committed report that gates were compared with; null without one. */
  baseline?: Baseline | null;
  /** The config's `undecided`; absent counts as `report`. */
  undecided?: UndecidedPolicy;
  provenance: {
    tool: string;
    /** ISO 8601, UTC. */
    created: string;
    /** sha256 of the resolved config block; null for an audit of tables without a config. */
    config: string | null;
    dataset: string;
    /** Fingerprints of all versions by name, of a pair that compares many. */
    versions?: Record<string, string>;
    seconds: number;
  };
}
