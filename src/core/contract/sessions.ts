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
