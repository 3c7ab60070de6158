import type * as core from '@tensorflow/tfjs-core';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Operations } from './operations.ts';

/**
 * The vocabulary of losses computed by TensorFlow.js. Call it inside `tidy`: what it makes is freed there. Masks are
 * tensors of type bool, indices of type int32. Where the gradients of TensorFlow.js differ from the vocabulary's (equal
 * largest share theirs, masks are multiplied, `abs` slopes down at 0) they are written here.
 */
export function tfjsOperations(tf: typeof core): Operations<Tensor> {
  /** Not on the tape: TensorFlow.js has no gradient for comparisons, and fails where one lies on the way. */
  const untaped = (compute: () => Tensor): Tensor => tf.customGrad(() => ({ value: compute(), gradFunc: () => [] }))();
  const compare =
    (operator: (a: Tensor, b: Tensor) => Tensor) =>
    (a: Tensor, b: Tensor): Tensor =>
      untaped(() => operator(a, b));

  const shapeOf = (...tensors: Tensor[]): number[] =>
    tensors.reduce<number[]>((shape, tensor) => tf.broadcast_util.assertAndGetBroadcastShape(shape, tensor.shape), []);
  /** Not `broadcastTo`, whose gradient is a slice and a sum for every repetition. */
  const spread = (a: Tensor, shape: number[]): Tensor =>
    a.shape.length === shape.length && a.shape.every((size, axis) => size === shape[axis])
      ? a
      : tf.add(a, tf.zeros(shape));

  const where = (mask: Tensor, a: Tensor, b: Tensor): Tensor => {
    const shape = shapeOf(mask, a, b);
    const choose = tf.customGrad((...given: (Tensor | core.GradSaveFunc)[]) => {
      const [taken, other, save] = given as [Tensor, Tensor, core.GradSaveFunc];
      save([mask]);
      const gradFunc = (slope: Tensor, [saved]: Tensor[]): Tensor[] => {
        const nothing = tf.zerosLike(slope);
        return [tf.where(saved as Tensor, slope, nothing), tf.where(saved as Tensor, nothing, slope)];
      };
      return { value: tf.where(mask, taken, other), gradFunc: gradFunc as (slope: Tensor) => Tensor[] };
    });
    return choose(spread(a, shape), spread(b, shape));
  };

  /** A function of one tensor with a gradient of our own, which sees what was saved. */
  const withGradient = (
    a: Tensor,
    forward: (a: Tensor) => { value: Tensor; saved: Tensor[] },
    backward: (slope: Tensor, saved: Tensor[]) => Tensor,
  ): Tensor =>
    tf.customGrad((...given: (Tensor | core.GradSaveFunc)[]) => {
      const [input, save] = given as [Tensor, core.GradSaveFunc];
      const { value, saved } = forward(input);
      save(saved);
      return {
        value,
        gradFunc: ((slope: Tensor, kept: Tensor[]) => backward(slope, kept)) as (slope: Tensor) => Tensor,
      };
    })(a);

  const axisOf = (a: Tensor, axis: number): number => (axis < 0 ? axis + a.rank : axis);
  /** Axes of `a` with one of them last, and back. */
  const lastAxis = (a: Tensor, axis: number): { isLast: boolean; there: number[]; back: number[] } => {
    const position = axisOf(a, axis);
    const axes = a.shape.map((_, index) => index);
    return {
      isLast: position === a.rank - 1,
      there: [...axes.filter((index) => index !== position), position],
      back: axes.map((index) => (index < position ? index : index === position ? a.rank - 1 : index - 1)),
    };
  };

  return {
    constant: ({ data, shape }) => tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32'),
    scalar: (value) => tf.scalar(value, 'float32'),

    add: (a, b) => tf.add(a, b),
    subtract: (a, b) => tf.sub(a, b),
    multiply: (a, b) => tf.mul(a, b),
    divide: (a, b) => tf.div(a, b),
    negate: (a) => tf.neg(a),
    maximum: (a, b) =>
      where(
        untaped(() => tf.less(a, b)),
        b,
        a,
      ),
    minimum: (a, b) =>
      where(
        untaped(() => tf.greater(a, b)),
        b,
        a,
      ),
    relu: (a) => tf.relu(a),
    exp: (a) => tf.exp(a),
    log: (a) => tf.log(a),
    sqrt: (a) => tf.sqrt(a),
    square: (a) => tf.square(a),
    abs: (a) =>
      withGradient(
        a,
        (input) => ({ value: tf.abs(input), saved: [tf.sign(input)] }),
        (slope, [sign]) => tf.mul(slope, sign as Tensor),
      ),

    matmul: (a, b, { transposeA = false, transposeB = false } = {}) => tf.matMul(a, b, transposeA, transposeB),
    sum: (a, axis, keep = false) => tf.sum(a, axis ?? undefined, keep),
    mean: (a, axis, keep = false) => tf.mean(a, axis ?? undefined, keep),
    max(a, axis, keep = false) {
      const { back } = lastAxis(a, axis);
      const depth = a.shape[axisOf(a, axis)] as number;
      return withGradient(
        a,
        (input) => {
          const first = tf.oneHot(tf.argMax(input, axis), depth, 1, 0, 'bool');
          return { value: tf.max(input, axis, keep), saved: [tf.transpose(first, back)] };
        },
        (slope, [first]) => {
          const spreadSlope = keep ? slope : tf.expandDims(slope, axisOf(a, axis));
          return tf.where(first as Tensor, tf.add(spreadSlope, tf.zeros(a.shape)), tf.zeros(a.shape));
        },
      );
    },
    logSoftmax(a, axis) {
      const { isLast, there, back } = lastAxis(a, axis);
      return isLast ? tf.logSoftmax(a) : tf.transpose(tf.logSoftmax(tf.transpose(a, there)), back);
    },

    greater: compare((a, b) => tf.greater(a, b)),
    greaterEqual: compare((a, b) => tf.greaterEqual(a, b)),
    equal: compare((a, b) => tf.equal(a, b)),
    and: compare((a, b) => tf.logicalAnd(a, b)),
    or: compare((a, b) => tf.logicalOr(a, b)),
    not: (a) => untaped(() => tf.logicalNot(a)),
    toFloat: (mask) => untaped(() => tf.cast(mask, 'float32')),
    where,

    gatherRows: (a, indices) => tf.gather(a, indices as core.Tensor1D),
    oneHot: (indices, depth) => untaped(() => tf.oneHot(indices, depth, 1, 0, 'float32')),
    argMax: (a, axis) => untaped(() => tf.argMax(a, axis)),
    argMin: (a, axis) => untaped(() => tf.argMin(a, axis)),
    topK: (a, k) =>
      withGradient(
        a,
        (input) => {
          const { values, indices } = tf.topk(input, k, true);
          return { value: values, saved: [indices] };
        },
        (slope, [indices]) => {
          const size = a.shape.at(-1) as number;
          const rows = a.size / size;
          // Places in the flat tensor: each is written once.
          const starts = tf.mul(tf.range(0, rows, 1, 'int32'), tf.scalar(size, 'int32'));
          const places = tf.add(tf.reshape(starts, [rows, 1]), tf.reshape(indices as Tensor, [rows, k]));
          const flat = tf.scatterND(tf.reshape(places, [rows * k, 1]), tf.reshape(slope, [rows * k]), [a.size]);
          return tf.reshape(flat, a.shape);
        },
      ),
    concat: (parts, axis) => tf.concat([...parts], axis),
    reshape: (a, shape) => tf.reshape(a, [...shape]),
    slice(a, axis, from, to) {
      const position = axisOf(a, axis);
      const begin = a.shape.map((_, index) => (index === position ? from : 0));
      return tf.slice(
        a,
        begin,
        a.shape.map((size, index) => (index === position ? to - from : size)),
      );
    },
    stopGradient: (a) => untaped(() => tf.clone(a)),
  };
}
