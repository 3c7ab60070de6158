import type { GraphFacts } from '../../engine/differentiation/differentiate.ts';
import type { GraphBuilder, Value } from '../../engine/graph.ts';

/** A weight of a model: an input of its training graph. */
export interface GraphParameter {
  /** Of the graph's input, and of the state: the name in the file, `name#2` for the second use of a tensor that was untied. */
  readonly name: string;
  readonly value: Value;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A float tensor of the file that is not trained, and why ("a mask", "statistics of a BatchNormalization", "left out by `trainable`"). */
export interface FrozenTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly reason: string;
}

/**
 * A model made ready for training: its nodes (operators of opset 21 or later, BatchNormalization in inference form,
 * Attention taken apart, equal tensors untied, metadata stripped) in a builder that loss, reverse pass and optimiser are
 * appended to. Trained weights are graph inputs, everything else constants.
 */
export interface TrainableGraph {
  readonly graph: GraphBuilder;
  readonly facts: GraphFacts;
  /** What a batch must hold. */
  readonly inputs: readonly {
    name: string;
    type: 'float32' | 'int32' | 'int64';
    shape: readonly (number | null)[];
  }[];
  /** [n, dimension]. */
  readonly embedding: Value;
  readonly dimension: number;
  /** Name of the embedding in what `inferenceModel` gives, where axes of 1 may follow it. */
  readonly output: string;
  readonly parameters: readonly GraphParameter[];
  readonly frozen: readonly FrozenTensor[];
  /** What was assumed, for people. */
  readonly notes: readonly string[];
  /** The deployed model with these weights (by parameter name), for a session: its bytes, or a path where they are too many. */
  inferenceModel(weights: Readonly<Record<string, Float32Array>>): Promise<Uint8Array | string>;
  /** Writes it into `folder` as `model.onnx` (with `model.onnx.data` where the start had external data). Atomic. @returns absolute path */
  write(folder: string, weights: Readonly<Record<string, Float32Array>>): Promise<string>;
  /** Removes what `inferenceModel` left in temporary files. */
  close(): Promise<void>;
}
