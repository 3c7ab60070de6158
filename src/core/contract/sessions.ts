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
