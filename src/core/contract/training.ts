import type { Interval, RankingState } from './report.ts';

/** What a run of training leaves in its directory beside `head.safetensors` and the report. */
export const TRAINING_FILES = {
  /** {@link TrainingRecord}, rewritten after every epoch. */
  record: 'training.json',
  /** Folder of states to resume from. */
  states: 'states',
  head: 'head.safetensors',
  /** Folder of the model that was trained without compatibility, with files of the same names. */
  paragon: 'paragon',
  /** The result as a checkpoint of a config, paths relative to its folder. */
  checkpoint: 'checkpoint.json',
  /** What the training depends on: a run is resumed only where it is still so. */
  inputs: 'inputs.json',
  /** Created by anyone to ask for a pause: the run writes its state and ends as `paused`. */
  pause: 'pause',
} as const;

/** Folder of a value of a sweep. */
export function partFolder(lambda: number): string {
  return `lambda-${lambda}`;
}

export function isPartFolder(name: string): boolean {
  return /^lambda-[\d.e+-]+$/.test(name);
}

/** Figures of the held-out items after an epoch; null: not measured (no old vectors, no such cell). */
export interface EpochFigures {
  /** From 1; 0 is the start. */
  epoch: number;
  /** Steps so far. */
  step: number;
  seconds: number;
  learningRate: number;
  /** Means over the epoch's steps. */
  loss: number | null;
  terms: Record<string, number>;
  /** By metric name: `map`, `cmc@1`. */
  oldOld: Record<string, number> | null;
  newOld: Record<string, number> | null;
  newNew: Record<string, number> | null;
  /** Strict rate of same-class violations. */
  positiveRate: number | null;
  inverted: number | null;
  negativeFlipRate: number | null;
  /** `criterion.metric`'s. */
  criterion: { difference: number; interval: Interval; state: RankingState } | null;
}

/** One model that a run trains: the only one, a value of a sweep, or the paragon. */
export interface TrainingPart {
  /** Folder below the run's: '' for the run itself, `paragon`, `lambda-0.5`. */
  folder: string;
  title: string;
  lambda: number | null;
  method: string;
  state: 'waiting' | 'running' | 'done' | 'stopped-early';
  epochs: EpochFigures[];
  /** Whose weights the model has, once it is there. */
  resultEpoch: number | null;
  /** Relative to the run's folder, once it is there. */
  model: string | null;
  report: string | null;
}

export interface TrainingRecord {
  format: 'backcompat.training';
  formatVersion: 1;
  name: string;
  engine: 'onnx' | 'tfjs';
  epochsPlanned: number;
  stepsPerEpoch: number;
  criterionMetric: string;
  seed: number;
  parameters: { trained: number; frozen: number };
  parts: TrainingPart[];
  /** Folder of the part that became the run's result. */
  chosen: string | null;
  /** Of the old head: how it was made, and the overlap of class names. */
  oldHead: { kind: string; classes: number; known: number } | null;
  secondsPerStep: number | null;
}
