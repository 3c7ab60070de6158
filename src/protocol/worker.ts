/**
 * What the extension host asks the worker (a process of its own) over JSON-RPC, and what it is answered.
 * Types only, and the one table of methods: a missing handler or time limit does not compile.
 */
import type { BrowsedPair, QueryNeighbours, QueryPage, QueryQuestion } from '../core/contract/browsing.ts';
import type { ErrorCode, Place } from '../core/contract/errors.ts';
import type { ItemPreviews } from '../core/contract/report.ts';

/** The pair of a report, or one of a config. Paths are absolute. */
export type WorkerSubject =
  /** `config`: where to look for the pair when the report lies in no run; null: nowhere. */
  { report: string; config: string | null } | { config: string; pair: string };

/** What a file is, in words: `Inspection` of the core, as it is sent. */
export interface InspectedFile {
  path: string;
  kind: string;
  format: string;
  bytes: number | null;
  facts: { name: string; value: string }[];
  dimension: number | null;
  count: number | null;
  classNames: string[] | null;
  audit: { possible: boolean; as: string | null; reason: string | null; remedy: string | null };
  training: { possible: boolean; reason: string | null; remedy: string | null } | null;
  notes: string[];
}

export interface WorkerRequests {
  /** Finds out what a file or folder is. */
  inspect: { params: { file: string }; result: InspectedFile };
  /**
   * Opens a pair, or gives the handle of the same one that is open. The worker keeps few open and closes the one that
   * was used longest ago; a question about a closed one fails with `UNKNOWN_PAIR`.
   */
  openPair: {
    params: { subject: WorkerSubject; threads: number | null };
    result: { handle: string; pair: BrowsedPair };
  };
  neighbours: { params: { handle: string; query: string; k: number }; result: QueryNeighbours };
  queries: { params: { handle: string } & QueryQuestion; result: QueryPage };
  /** Pictures and texts of items, by id; those without any are left out. */
  thumbnails: { params: { handle: string; ids: string[] }; result: ItemPreviews };
  close: { params: { handle: string }; result: null };
}

export type WorkerMethod = keyof WorkerRequests;
export type WorkerParams<M extends WorkerMethod> = WorkerRequests[M]['params'];
export type WorkerResult<M extends WorkerMethod> = WorkerRequests[M]['result'];

/**
 * After so long without an answer or progress a request has failed. Opening may embed a gallery, judging reads it
 * whole: both tell their progress, which starts the time anew.
 */
export const methodTimeoutMs = {
  inspect: 60_000,
  openPair: 120_000,
  neighbours: 120_000,
  queries: 120_000,
  thumbnails: 60_000,
  close: 10_000,
} as const satisfies Record<WorkerMethod, number>;

/** worker -> host, once: it is ready for requests. */
export const READY = 'backcompat/ready';
/** worker -> host, while a request is worked on. */
export const PROGRESS = 'backcompat/progress';

export interface WorkerProgress {
  /** What the host gave the request as its number. */
  request: number;
  phase: string;
  done: number | null;
  total: number | null;
  unit: string | null;
}

/** What goes over the channel: the host's number of the request, for its progress, beside the parameters. */
export interface NumberedParams<M extends WorkerMethod> {
  request: number;
  params: WorkerParams<M>;
}

/** JSON-RPC error codes of ours, outside the range that JSON-RPC reserves. */
export const FAILED = 1;
export const UNKNOWN_PAIR = 2;

/** `data` of an error: a `BackcompatError` as it is sent. */
export interface WorkerErrorData {
  code: ErrorCode;
  place: Place;
  remedy: string | null;
}
