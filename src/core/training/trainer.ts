import type { TokenPooling } from '../models/trainable/tokenPooling.ts';
import type { BatchField, Objective } from './objectives/objective.ts';

/** Values with their shape, row-major. */
export interface TrainingTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | BigInt64Array;
}

/** One step's items: the model's inputs by their names, and the fields that the objective asked for. */
export interface TrainingBatch {
  readonly count: number;
  readonly inputs: Readonly<Record<string, TrainingTensor>>;
  readonly fields: Readonly<Partial<Record<BatchField, TrainingTensor>>>;
}

/**
 * SGD as PyTorch's: g += decay w; v = momentum v + g; w -= rate (nesterov ? g + momentum v : v).
 * AdamW (Loshchilov and Hutter, ICLR 2019) as PyTorch's: w *= 1 - rate decay; m, s decayed means of g, g^2;
 * w -= rate (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + epsilon).
 * Weight decay leaves out vectors (biases, scales of norms): shapes with fewer than two axes longer than 1.
 */
export type OptimizerSettings =
  | { name: 'sgd'; weightDecay: number; momentum: number; nesterov: boolean }
  | { name: 'adamw'; weightDecay: number; beta1: number; beta2: number; epsilon: number };

export type TrainableChoice = 'all' | 'embedding' | readonly string[];

/** The start: a checkpoint's file, or a built-in network. */
export type TrainingStart =
  | {
      kind: 'file';
      /** Absolute path: ONNX, or `model.json` of a LayersModel. */
      file: string;
      /** Name of the output that is the embedding, or that holds vectors of tokens. */
      output: string;
      /** How vectors of tokens become one; absent or null: the output is one vector an item. */
      pooling?: TokenPooling | null;
    }
  | {
      kind: 'builtin';
      name: 'convnet' | 'resnet18';
      dimension: number;
      /** Of its images. */
      channels: number;
      height: number;
      width: number;
      seed: number;
    };

export interface TrainerSpec {
  start: TrainingStart;
  trainable: TrainableChoice;
  objective: Objective;
  optimizer: OptimizerSettings;
  /** Gradients are scaled down together to this L2 norm; null: never. */
  clipNorm: number | null;
  /** Threads of one operator; null: one a core. */
  threads: number | null;
  /** Half as much memory for about a fifth more time. */
  lowMemory: boolean;
}

export interface StepResult {
  /** The sum of the terms. */
  loss: number;
  /** By the objective's names. */
  terms: Record<string, number>;
  /** L2 norm over all gradients, before clipping. */
  gradientNorm: number;
  /** Name of the first tensor that is not finite (a term, a gradient or a weight); null when all are. */
  notFinite: string | null;
}

/** Everything that changes while training: weights, heads, moments of the optimiser, its step count. */
export interface TrainerState {
  readonly step: number;
  /** By name, in a fixed order. Copies: later steps do not change them. */
  readonly tensors: Readonly<Record<string, { shape: readonly number[]; data: Float32Array }>>;
}

/**
 * A model being trained by one engine. Calls must not overlap. A call blocks the event loop while the engine
 * computes. Two trainers with the same spec, state and batches end with the same weights, bit by bit (same machine and threads).
 */
export interface Trainer {
  readonly engine: 'onnx' | 'tfjs';
  readonly dimension: number;
  /** Of the model's inputs: what a batch must hold; null: free. */
  readonly inputs: readonly { name: string; type: 'float32' | 'int32' | 'int64'; shape: readonly (number | null)[] }[];
  /** What is trained and what is not, for people and `inspect`. */
  readonly parameters: readonly { name: string; shape: readonly number[]; isTrained: boolean; reason: string | null }[];
  /** What was assumed, for people. */
  readonly notes: readonly string[];
  step(batch: TrainingBatch, learningRate: number): Promise<StepResult>;
  /** Loss and gradients of trained weights (model and objective) by name, without a step. */
  gradients(batch: TrainingBatch): Promise<{ loss: number; gradients: Record<string, Float32Array> }>;
  /** Vectors as the model gives them with the present weights, count x dimension. Weights are constants of the session that computes them, made anew after a step. */
  embed(batch: TrainingBatch): Promise<Float32Array>;
  state(): Promise<TrainerState>;
  /** @throws BackcompatError `bad-file` when names or shapes differ */
  restore(state: TrainerState): Promise<void>;
  /** The objective's parameters as they are now, by name. */
  objectiveParameters(): Promise<Record<string, Float32Array>>;
  /**
   * Writes the model with the present weights into `folder`: `model.onnx` (external data beside it where it came so), or
   * `model.json`. Names, metadata, shapes and everything frozen are as in the file that it came from. Atomic.
   * @returns absolute path
   */
  save(folder: string): Promise<string>;
  close(): Promise<void>;
}

/** @throws BackcompatError `bad-model` for what cannot be trained, naming node and remedy */
export type CreateTrainer = (spec: TrainerSpec) => Promise<Trainer>;
