import type { Place } from './errors.ts';
import type { SessionResult } from './sessions.ts';
import type { EpochFigures } from './training.ts';

/** A run is a directory; these are the words in it and what a reader makes of it. */
export type RunKind = 'audit' | 'train' | 'sessions' | 'embed';
export const RUN_FILES = {
  /** Written once at the start: what was asked. */
  request: 'run.json',
  events: 'events.jsonl',
  /** Rewritten about every second while the run lives. */
  heartbeat: 'heartbeat.json',
  lock: 'lock.json',
  /** Created by anyone to ask for cancellation. */
  cancel: 'cancel',
  config: 'config.json',
  log: 'log.txt',
  /** The report as a page that opens offline. */
  html: 'report.html',
  /** What a person can see of the items that the report lists, by id. */
  previews: 'previews.json',
} as const;

export const RUN_FORMAT = 'backcompat.run';
/** Beside the config: runs, links to runs elsewhere, and the cache. */
export const STATE_FOLDER = '.backcompat';
/** Of a file in the folder of runs that holds the path of a run elsewhere. */
export const LINK_EXTENSION = '.link';

export interface RunRequest {
  format: typeof RUN_FORMAT;
  formatVersion: 1;
  kind: RunKind;
  /** Pair, training block or plan. */
  name: string;
  /** Absolute path of the config, null for tables without one. */
  configFile: string | null;
  /** Arguments of the command line that made it, to repeat it. */
  arguments: string[];
  /** ISO 8601, UTC. */
  created: string;
  tool: string;
}

/** What `events.jsonl` may hold, one a line; `time` is ISO 8601. */
export type RunEvent =
  | {
      type: 'state';
      time: string;
      state: 'running' | 'done' | 'failed' | 'cancelled' | 'paused';
      exitStatus?: number;
      message?: string;
      remedy?: string | null;
      /** Where in the user's input the error lies. */
      place?: Place;
    }
  | {
      type: 'phase';
      time: string;
      phase: string;
      /** Position of the phase among all, from 0. */
      index?: number;
      total?: number;
    }
  | { type: 'progress'; time: string; phase: string; done: number; total: number; unit: string }
  | { type: 'metric'; time: string; name: string; value: number; step?: number }
  /** A step of training, throttled: losses by term. */
  | {
      type: 'step';
      time: string;
      /** Folder of the part that is trained: '' or `paragon`, `lambda-0.5`; of sessions the session's, `cvs/session-2`. */
      part: string;
      /** Of sessions: folder of the method, and number from 1. */
      method?: string;
      session?: number;
      epoch: number;
      step: number;
      loss: number;
      terms: Record<string, number>;
      learningRate: number;
      millisecondsPerStep: number;
    }
  /** The figures of an epoch are in the training record, too. */
  | { type: 'epoch'; time: string; part: string; method?: string; session?: number; figures: EpochFigures }
  /** A session that is done; it is in the record of sessions, too. `method`: its folder. */
  | { type: 'session'; time: string; method: string; result: SessionResult }
  | { type: 'verdict'; time: string; state: string; summary: string }
  | { type: 'log'; time: string; level: 'info' | 'warning' | 'error'; message: string };

/** `stopped`: the process died without saying so. A paused, cancelled or stopped training can be resumed. */
export type RunState = 'running' | 'done' | 'failed' | 'cancelled' | 'paused' | 'stopped';

/** What a list of runs shows about one. */
export interface RunSummary {
  /** Absolute directory. */
  directory: string;
  /** Name of the directory or of the link that leads to it. */
  id: string;
  kind: RunKind;
  name: string;
  configFile: string | null;
  created: string;
  state: RunState;
  phase: string | null;
  /** Position of the phase among all, from 0; null where unknown. */
  phaseIndex: number | null;
  phaseTotal: number | null;
  progress: { done: number; total: number; unit: string } | null;
  /** Verdict sentence, or the error's message. */
  message: string | null;
  remedy: string | null;
  place: Place | null;
  verdict: string | null;
  exitStatus: number | null;
  /** Absolute path of the report once there is one. */
  report: string | null;
  /** What a training told last; null for other runs, and before its first step. */
  training: TrainingProgress | null;
  updated: string;
}

/** How far a training is. */
export interface TrainingProgress {
  /** The one that is going on, from 1. */
  epoch: number;
  /** Steps of the part that is trained. */
  step: number;
  /** Figures of the latest epoch that has ended; null before. */
  figures: EpochFigures | null;
}

/** How work tells its progress; every layer passes it on. */
export interface Progress {
  phase(name: string, index?: number, total?: number): void;
  update(done: number, total: number, unit: string): void;
  log(level: 'info' | 'warning', message: string): void;
  /** Called often, between blocks: lets the heartbeat, signals and cancel files through. */
  breathe(): Promise<void>;
}
