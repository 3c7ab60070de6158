/** A classifier that lies in a model file behind the embedding: its last MatMul or Gemm. */
export interface FoundClassifier {
  /** Of the node, for messages. */
  readonly name: string;
  readonly classes: number;
  readonly dimension: number;
  /** classes x dimension, row-major, whichever way the file stores them. */
  readonly rows: Float32Array;
  /** One a class, added last: logits = scale (x . row) + bias, in whatever order the graph does it. */
  readonly bias: Float32Array | null;
  /** Whether the graph brings vectors to unit length before it. */
  readonly unitVectors: boolean;
  /** Factor on the products where the graph shows one, 1 where it shows none. */
  readonly scale: number;
}

/**
 * @param file absolute path of an ONNX model
 * @param output its output that is the embedding
 * @returns null where no classifier follows the embedding
 */
export type FindClassifier = (file: string, output: string) => Promise<FoundClassifier | null>;
