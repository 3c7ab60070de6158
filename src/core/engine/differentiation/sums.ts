import type { Value } from '../graph.ts';
import type { NodeView } from './rule.ts';
import { reshape, reshapeLike, shapeValue } from './shapes.ts';

/**
 * Sums of the columns of a matrix, [1, columns]: a product with a row of ones, which takes all threads where ReduceSum over a long first
 * axis does not.
 */
export function columnSums(n: NodeView, matrix: Value): Value {
  const rows = n.node('Shape', [matrix], { start: 0, end: 1 });
  const ones = n.node('Expand', [n.scalar(1), n.node('Concat', [n.int64s([1]), rows], { axis: 0 })]);
  return n.node('Gemm', [ones, matrix]);
}

/**
 * A gradient of a broadcast result, summed down to the shape of the input that was broadcast.
 * @param from the gradient's own shape where it is not that of the first output
 */
export function unbroadcast(n: NodeView, gradient: Value, like: Value, from = n.shapeOf(n.output())): Value {
  const to = n.shapeOf(like);
  if (!from || !to) return unbroadcastUnknown(n, gradient, like);
  const offset = from.length - to.length;
  const axes = from.flatMap((size, axis) => (axis < offset || (to[axis - offset] === 1 && size !== 1) ? [axis] : []));
  if (axes.length === 0) return gradient;
  const leading = axes.filter((axis, index) => axis === index);
  const inner = axes.slice(leading.length);
  const rest = from.slice(leading.length);
  const width = rest.reduce<number>((product, size) => product * (size ?? Number.NaN), 1);
  if (inner.length === 0 && width > 1) {
    return reshapeLike(n, columnSums(n, reshape(n, gradient, [-1, width])), like);
  }
  // Inner axes first: they lie together, and little is left for the outer ones.
  let sum = inner.length > 0 ? n.sum(gradient, inner) : gradient;
  if (leading.length > 0) sum = n.sum(sum, leading);
  return offset === 0 ? sum : reshapeLike(n, sum, like);
}

function unbroadcastUnknown(n: NodeView, gradient: Value, like: Value): Value {
  // Axes of 1, of a shape filled up with ones in front, are those to sum over; summing over a true 1 does no harm.
  const shape = shapeValue(n, like);
  const rank = n.node('Size', [shape]);
  const ahead = n.node('Sub', [n.node('Size', [n.node('Shape', [gradient])]), rank]);
  const one = n.int64s([1]);
  const ones = n.node('Expand', [one, n.node('Unsqueeze', [ahead, n.int64s([0])])]);
  const padded = n.node('Concat', [ones, shape], { axis: 0 });
  const axes = n.node('Reshape', [n.node('NonZero', [n.node('Equal', [padded, one])]), n.int64s([-1])]);
  const sum = n.node('ReduceSum', [gradient, axes], { keepdims: 1, noop_with_empty_axes: 1 });
  return n.node('Reshape', [sum, shape], { allowzero: 1 });
}
