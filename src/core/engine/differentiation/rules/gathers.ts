import type { Value } from '../../graph.ts';
import type { NodeView, Rule } from '../rule.ts';

function zerosLike(n: NodeView, value: Value): Value {
  return n.node('Expand', [n.scalar(0), n.shape(value)]);
}

/** ScatterElements, which adds repeats exactly and in order; ScatterND with add is wrong with two threads. */
function scatterAdd(n: NodeView, indices: Value, axis: number): Value {
  return n.node('ScatterElements', [zerosLike(n, n.input(0)), indices, n.upstream], { axis, reduction: 'add' });
}

/** Rules of operators that pick values by their positions. */
export const gathers: Record<string, Rule> = {
  Gather: (n) => {
    const axis = n.int('axis', 0);
    const rank = n.rankOf(n.input(0));
    const ranks = n.rankOf(n.input(1));
    if (axis !== 0) throw new TypeError('Gather along an axis other than 0');
    // Rows: positions as one list, what came of them as rows.
    const count = n.node('Reshape', [n.input(1), n.int64s([-1])]);
    const tail = n.node('Shape', [n.input(0)], { start: 1 });
    const rows =
      ranks === 1 || rank === null
        ? n.upstream
        : n.node('Reshape', [n.upstream, n.node('Concat', [n.int64s([-1]), tail], { axis: 0 })]);
    const wide = n.node('Reshape', [
      count,
      n.node('Concat', [n.int64s([-1]), n.node('Expand', [n.int64s([1]), n.shape(tail)])], { axis: 0 }),
    ]);
    const indices = n.node('Expand', [wide, n.shape(rows)]);
    return [n.node('ScatterElements', [zerosLike(n, n.input(0)), indices, rows], { axis: 0, reduction: 'add' }), null];
  },
  GatherElements: (n) => [scatterAdd(n, n.input(1), n.int('axis', 0)), null],
  TopK: (n) => [scatterAdd(n, n.output(1), n.int('axis', -1)), null],
};
