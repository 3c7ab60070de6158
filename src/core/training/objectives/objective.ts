import type { Operations } from '../../engine/operations.ts';

/** What a batch may bring beside the model's inputs, by name; n items. All rows are float32 unless said. */
export interface BatchFields {
  /** int32 [n]: class of the new head, -1 where it has none (distillation of unlabelled items). */
  labels: 'int32';
  /** int32 [n]: row of the old head, -1 where the old head does not know the class. */
  oldLabels: 'int32';
  /** [n, oldDimension]: the old model's vector of the same item, L2-normalised. */
  oldVectors: 'float32';
  /** [n]: length of that vector before it was normalised. */
  oldLengths: 'float32';
  /** int32 [n]: 1 for an item of the replay buffer, 0 for one of the current session. */
  replayed: 'int32';
  /** [n]: uniform numbers in [0, 1), one an item and step, from the run's seed: for random choices inside a loss. */
  chance: 'float32';
}
export type BatchField = keyof BatchFields;

/** A weight of the objective itself (a head's rows, a teacher): saved and trained, or frozen, like the model's own. */
export interface ObjectiveParameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** Start value, row-major. */
  readonly data: Float32Array;
  readonly isTrained: boolean;
}

/** What `loss` sees of one step. */
export interface ObjectiveStep<T> {
  /** The model's output of the batch, [n, dimension], as the model gives it (not normalised unless the model does). */
  readonly embedding: T;
  readonly fields: Readonly<Record<BatchField, T>>;
  /** By the names of `parameters`. */
  readonly parameters: Readonly<Record<string, T>>;
  /** Trained weights of the model by name, for penalties on them (EWC). */
  readonly modelParameters: Readonly<Record<string, T>>;
}

/**
 * A loss, written once for both engines. Objectives are plain values: whatever a step needs beside the batch is a
 * parameter or a constant of it. The total is the sum of the terms; a weight (lambda) is inside its term.
 */
export interface Objective {
  readonly name: string;
  /** Fields that a batch must bring. */
  readonly fields: readonly BatchField[];
  readonly parameters: readonly ObjectiveParameter[];
  /** Scalars by name ("classification", "influence", ...), in the order to show. */
  terms<T>(ops: Operations<T>, step: ObjectiveStep<T>): Record<string, T>;
}
