import type { Value } from '../graph.ts';
import type { NodeView, Size } from './rule.ts';
import { around, product, reshape, reshapeLike, sizes } from './shapes.ts';

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
export function putBackOne(n: NodeView, picked: Value, axis: number, position: number, along: Size): Value {
  if (typeof along === 'number') {
    const at = position < 0 ? position + along : position;
    return padAlong(n, picked, [axis], [at, along - 1 - at]);
  }
  const one = n.int64s([position < 0 ? -position - 1 : position]);
  const rest = n.node('Sub', [along, n.int64s([position < 0 ? -position : position + 1])]);
  return padAlong(n, picked, [axis], position < 0 ? [rest, one] : [one, rest]);
}

/** Zeros around: amounts before the first value of each axis, then behind the last; negative ones cut off. */
export function padAlong(n: NodeView, a: Value, axes: readonly number[], amounts: readonly Size[]): Value {
  if (amounts.every((amount) => amount === 0)) return a;
  return n.node('Pad', [a, sizes(n, amounts), null, n.int64s(axes)]);
}
