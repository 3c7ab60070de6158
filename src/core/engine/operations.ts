/** A constant that an objective brings along: row-major values. */
export interface ConstantValues {
  readonly data: Float32Array | Int32Array;
  readonly shape: readonly number[];
}

/**
 * The vocabulary in which losses are written once for every engine. `T` is a tensor of the engine: a value of an
 * ONNX graph, or a tensor of TensorFlow.js. Shapes are those of NumPy broadcasting; numbers are float32, indices int32,
 * masks of their own kind (made by comparisons, used by `where`, `and`, `or`, `not`, `toFloat`). A gradient flows
 * through everything but comparisons, indices and `stopGradient`. Axes may be negative.
 */
export interface Operations<T> {
  constant(values: ConstantValues): T;
  scalar(value: number): T;

  add(a: T, b: T): T;
  subtract(a: T, b: T): T;
  multiply(a: T, b: T): T;
  divide(a: T, b: T): T;
  negate(a: T): T;
  /** The gradient goes to the larger; of equals to `a`. */
  maximum(a: T, b: T): T;
  minimum(a: T, b: T): T;
  relu(a: T): T;
  exp(a: T): T;
  log(a: T): T;
  sqrt(a: T): T;
  square(a: T): T;
  abs(a: T): T;

  /** [n, k] x [k, m]; `transposeB`: [n, k] x [m, k]. */
  matmul(a: T, b: T, options?: { transposeA?: boolean; transposeB?: boolean }): T;
  /** Over one axis, or over everything (null); a reduced axis stays as 1 where `keep`. */
  sum(a: T, axis: number | null, keep?: boolean): T;
  mean(a: T, axis: number | null, keep?: boolean): T;
  /** The gradient goes to the first of equal largest. */
  max(a: T, axis: number, keep?: boolean): T;
  logSoftmax(a: T, axis: number): T;

  greater(a: T, b: T): T;
  greaterEqual(a: T, b: T): T;
  equal(a: T, b: T): T;
  and(a: T, b: T): T;
  or(a: T, b: T): T;
  not(a: T): T;
  /** 1 where true. */
  toFloat(mask: T): T;
  /** Gradients flow into the branch that was taken only: a NaN of the other one never comes through. */
  where(mask: T, a: T, b: T): T;

  /** Rows of `a` ([r, ...]) at int32 `indices` ([n]): [n, ...]. */
  gatherRows(a: T, indices: T): T;
  /** int32 [n] as float32 [n, depth]; an index outside 0..depth-1 gives a row of zeros. */
  oneHot(indices: T, depth: number): T;
  /** Position of the largest (smallest with `argMin`), int32; the first of equals. */
  argMax(a: T, axis: number): T;
  argMin(a: T, axis: number): T;
  /** The k largest along the last axis, largest first, ties by position: [..., k]. */
  topK(a: T, k: number): T;
  concat(parts: readonly T[], axis: number): T;
  /** One size may be -1: what is left. */
  reshape(a: T, shape: readonly number[]): T;
  /** Components `from` to `to` (exclusive) along an axis. */
  slice(a: T, axis: number, from: number, to: number): T;
  stopGradient(a: T): T;
}

/**
 * Rows scaled to unit length (L2); a row shorter than `floor` is divided by `floor` instead, so that zeros stay zeros
 * with a finite gradient. `floor` is 1e-12 as in PyTorch's `normalize`.
 */
export function unitRows<T>(ops: Operations<T>, a: T, floor = 1e-12): T {
  const square = ops.sum(ops.square(a), -1, true);
  // Guarded before the root, whose slope is infinite at zero.
  const length = ops.sqrt(ops.maximum(square, ops.scalar(floor * floor)));
  return ops.divide(a, length);
}
