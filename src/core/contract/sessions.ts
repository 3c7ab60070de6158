export type SessionSetup = 'disjoint' | 'blurry' | 'general' | 'column';

/** What each session of a continual run brings: exported, looked at, and imported again. */
export interface SessionPlan {
  format: 'backcompat.session-plan';
  formatVersion: 1;
  /** Of the items, for people: "digits/train". */
  data: string;
  setup: SessionSetup;
  /** The M of blurry-M and general-M. */
  percent: number | null;
  /** Share of each class that waits for later sessions, of `general`. */
  heldBack: number | null;
  /** Of `column`. */
  column: string | null;
  seed: number;
  sessions: PlannedSession[];
}

export interface PlannedSession {
  title: string;
  /** Classes of its own block; of `column` the classes that come up in it first. */
  classes: string[];
  /** Ids; no item is in two sessions. */
  items: string[];
}

/** What a run of sessions leaves in its directory. */
export const SESSIONS_FILES = {
  /** {@link SessionsRecord}, rewritten after every session. */
  record: 'sessions.json',
  /** {@link SessionPlan}: which items each session brought. */
  plan: 'plan.json',
  /** What the run depends on: it is resumed only where it is still so. */
  inputs: 'inputs.json',
  /** In the folder of a session, written last: {@link SessionResult}. Where it is, everything of the session is. */
  result: 'session.json',
  head: 'head.safetensors',
  /** The session's model as a checkpoint of a config. */
  checkpoint: 'checkpoint.json',
  /** Vectors of the session's gallery by its own model, L2-normalised, a row for each id of `gallery.json`. */
  gallery: 'gallery.npy',
  galleryItems: 'gallery.json',
  /** Vectors of all held-out queries by the session's model, L2-normalised. */
  queries: 'queries.npy',
  /** Ids of the items that are kept for replay. */
  exemplars: 'exemplars.json',
  /** Weights that the next session starts from. */
  weights: 'weights.state',
  /** Fisher information of the sessions so far. */
  memory: 'memory.state',
  /** Folder of states to resume from, while the session is trained. */
  states: 'states',
} as const;

/** Folder of a session below the run's. @param session from 1 */
export function sessionFolder(method: string, session: number): string {
  return `${method}/session-${session}`;
}

/** The ks of recall@k. */
export const SESSION_KS = [1, 2, 4] as const;

/** What one model finds after its session. Shares in [0, 1]; null: nothing to measure. */
export interface SessionFigures {
  /** Of classes that the galleries so far hold. */
  queries: number;
  /** Items of all galleries so far. */
  gallery: number;
  /** recall@k on the mixed gallery, by k. */
  recall: Record<string, number | null>;
  map: number | null;
  /** recall@1 of this model on the gallery of each session so far alone, over queries of classes that it holds. */
  alone: (number | null)[];
  /** recall@1 on the mixed gallery, over queries of classes that came up in this session. */
  newClasses: { queries: number; recall: number | null };
  saturation: Saturation;
}

/** How much of its space a model uses for the queries of classes seen so far. */
export interface Saturation {
  /** (trace C)^2 / |C|^2 of the covariance C: how many directions are in use; 0 when all vectors are alike. */
  effectiveRank: number;
  /** Mean over classes of the angle between a class's centre and the nearest other one, degrees; null with one class. */
  nearestCentreAngle: number | null;
  /** Share of components whose deviation is at least 1e-3 of the root mean square deviation. */
  usedDimensions: number;
}

/** What the sessions of one method come to. */
export interface SessionsSummary {
  /** AR@k: mean of recall@k over the sessions, the first included; by k. */
  averageRecall: Record<string, number | null>;
  averageMap: number | null;
  /** C[t][k]: recall@1 of model t on the gallery of session k alone, k <= t. */
  matrix: (number | null)[][];
  /** [k][t - k]: C[t][k] - C[k][k] of gallery k as sessions pass. */
  decay: (number | null)[][];
  /** metrics.md, section 8; null where the matrix has gaps. */
  ac: number | null;
  am: number | null;
  bc: number | null;
  /** Always null: galleries of sessions hold different items. */
  fc: null;
}

export type SessionMethodName = 'fine-tuning' | 'bct' | 'cvs' | 'lwf' | 'ewc' | 'expansion' | 'joint';

/** What is kept of earlier sessions for training: items, their stored vectors alone, or nothing. */
export type ReplayKind = 'images' | 'features' | 'none';

/** A method's settings, defaults filled in; null: it has no such term. */
export interface SessionMethodOptions {
  /** Weight of the model coherence L_m. */
  alpha: number | null;
  /** Weight of the data coherence L_d. */
  beta: number | null;
  form: 'paper' | 'code' | null;
  /** Strength of elastic weight consolidation. */
  ewc: number | null;
  /** Weight of learning without forgetting. */
  lwf: number | null;
  replay: ReplayKind;
  /** Items (or vectors) that are kept, 0 without replay. */
  buffer: number;
  /** Components that the embedding gains at each session after the first. */
  growth: number | null;
}

/** What one session of one method came to. */
export interface SessionResult {
  /** From 1. */
  session: number;
  figures: SessionFigures;
  /** Of training and measuring, over all attempts of a run that was interrupted as far as they counted. */
  seconds: number;
  /** Of the optimiser. */
  steps: number;
  /** Of the model, without its head. */
  parameters: number;
  dimension: number;
  storage: SessionStorage;
  /** What a full re-index after this session would have embedded again: items of earlier galleries, and about how long. Nothing for `joint`. */
  reembedding: { items: number; seconds: number };
}

/** What is kept after a session. */
export interface SessionStorage {
  /** Items whose content is kept for training. */
  replayedItems: number;
  /** Vectors that training uses again; they are those of galleries. */
  replayedVectors: number;
  galleryVectors: number;
  /** Gallery vectors in float32, and the content of replayed items: pixels as the model takes them, a byte each, or text. */
  bytes: number;
}

/**
 * One session's model against a later one's, over held-out queries of classes that the older one had seen, each searching the
 * others. Figures are those of an audit (metrics.md); null: not measured.
 */
export interface SessionAudit {
  /** Sessions, from 1. */
  from: number;
  to: number;
  /** Rates of violations at the audit's first tolerance. */
  positiveRate: number | null;
  negativeRate: number | null;
  negativeFlipRate: number | null;
  newOldMap: number | null;
  oldOldMap: number | null;
  /** Of the audit's report, relative to the run's folder. */
  report: string;
}

export interface SessionsMethod {
  /** Below the run's folder, unique in it. */
  folder: string;
  /** For people, unique in a run. */
  label: string;
  method: SessionMethodName;
  options: SessionMethodOptions;
  state: 'waiting' | 'running' | 'done';
  /** Those that are done, in their order. */
  sessions: SessionResult[];
  /** Of the sessions so far once there is one; final when `state` is `done`. */
  summary: SessionsSummary | null;
  /** Between consecutive models, and of the last against the first. */
  audits: SessionAudit[];
}

/** What the plan of a run brings, without its items. */
export interface SessionsPlanSummary {
  setup: SessionSetup;
  percent: number | null;
  heldBack: number | null;
  column: string | null;
  seed: number;
  sessions: {
    title: string;
    /** Classes that it holds items of, and those of them that no session before held. */
    classes: number;
    newClasses: number;
    items: number;
  }[];
}

/** A run of sessions: the plan, and what each method came to so far. */
export interface SessionsRecord {
  format: 'backcompat.sessions';
  formatVersion: 1;
  name: string;
  engine: 'onnx' | 'tfjs';
  seed: number;
  /** As the config names them. */
  from: string;
  data: string;
  queries: string;
  /** Of the first session's embedding. */
  dimension: number;
  buffer: number;
  epochs: number;
  plan: SessionsPlanSummary;
  methods: SessionsMethod[];
}
