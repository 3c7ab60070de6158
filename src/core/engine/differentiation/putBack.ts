import type { Value } from '../graph.ts';
import type { NodeView, Size } from './rule.ts';
import { around, product, reshape, reshapeLike, sizeOf, sizes } from './shapes.ts';

/**
 * The gradient of what was picked along an axis by positions (int32 or int64, of any shape, negative ones from the end), in the shape of `x`;
 * repeated positions add up.
 */
export function putBack(n: NodeView, picked: Value, x: Value, axis: number, positions: Value): Value {
  const [before, along, behind] = around(n, x, axis);
  const list = reshape(n, positions, [1, -1, 1]);
  const zeros = n.node('Expand', [n.scalar(0), sizes(n, [before, along, behind])]);
  const updates = reshape(n, picked, freeMiddle(n, before, positions, behind));
  const indices = n.node('Expand', [list, n.node('Shape', [updates])]);
  // Adds repeats exactly and in order, whatever the threads.
  const sum = n.node('ScatterElements', [zeros, indices, updates], { axis: 1, reduction: 'add' });
  return reshapeLike(n, sum, x);
}

function freeMiddle(n: NodeView, before: Size, positions: Value, behind: Size): Size[] {
  const count = n.sizesOf(positions);
  return [before, count === null ? -1 : product(n, count), behind];
}

/** The same for one position, known beforehand, whose axis is still there with size 1. */
export function putBackOne(n: NodeView, picked: Value, x: Value, axis: number, position: number): Value {
  const [along, rank] = [sizeOf(n, x, axis), n.rankOf(x)];
  if (typeof along === 'number') {
    const at = position < 0 ? position + along : position;
    return padAlong(n, picked, rank, [axis], [at, along - 1 - at]);
  }
  const one = n.int64s([position < 0 ? -position - 1 : position]);
  const rest = n.node('Sub', [along, n.int64s([position < 0 ? -position : position + 1])]);
  return padAlong(n, picked, rank, [axis], position < 0 ? [rest, one] : [one, rest]);
}

/**
 * Zeros around: amounts before the first value of each axis, then behind the last; negative ones cut off.
 * Not by the axes that Pad can be given: ONNX Runtime 1.30 moves a Transpose across it and leaves them as they were.
 * @param rank of `a`, null where it is not known
 */
export function padAlong(
  n: NodeView,
  a: Value,
  rank: number | null,
  axes: readonly number[],
  amounts: readonly Size[],
): Value {
  if (amounts.every((amount) => amount === 0)) return a;
  if (rank === null) return n.node('Pad', [a, amountsOfUnknown(n, a, axes, amounts)]);
  const all = Array<Size>(2 * rank).fill(0);
  for (const [i, axis] of axes.entries()) {
    const at = axis < 0 ? axis + rank : axis;
    all[at] = amounts[i] as Size;
    all[at + rank] = amounts[i + axes.length] as Size;
  }
  return n.node('Pad', [a, sizes(n, all)]);
}

function amountsOfUnknown(n: NodeView, a: Value, axes: readonly number[], amounts: readonly Size[]): Value {
  const rank = n.node('Shape', [n.node('Shape', [a])]);
  const none = n.node('Expand', [n.int64s([0]), n.node('Mul', [rank, n.int64s([2])])]);
  const before = axes.map((axis) => (axis < 0 ? n.node('Add', [rank, n.int64s([axis])]) : axis));
  const behind = axes.map((axis) => (axis < 0 ? axis : n.node('Add', [rank, n.int64s([axis])])));
  return n.node('ScatterElements', [none, sizes(n, [...before, ...behind]), sizes(n, amounts)], { axis: 0 });
}
