import type { Value } from '../../graph.ts';
import type { NodeView, Rule } from '../rule.ts';

const back: Rule = (n) => [n.reshapeLike(n.upstream, n.input(0))];

/** The gradient of one of several parts along an axis, zeros where nothing flows. */
function partOf(n: NodeView, index: number): Value {
  return n.gradient(index) ?? n.node('Sub', [n.output(index), n.output(index)]);
}

/** Rules of operators that move values around. */
export const shapes: Record<string, Rule> = {
  Reshape: back,
  Flatten: back,
  Squeeze: back,
  Unsqueeze: back,
  Transpose: (n) => {
    const perm = n.ints('perm');
    if (perm === null) return [n.node('Transpose', [n.upstream])];
    const inverse = perm.map((_, axis) => perm.indexOf(axis));
    return [n.node('Transpose', [n.upstream], { perm: inverse })];
  },
  Concat: (n) => {
    const axis = n.int('axis', 0);
    const inputs = n.proto.input as Value[];
    if (inputs.length === 1) return [n.upstream];
    const sizes = inputs.map((input) => {
      const shape = n.node('Shape', [input]);
      return n.node('Gather', [shape, n.int64s([axis])], { axis: 0 });
    });
    const parts = n.graph.nodes('Split', [n.upstream, n.node('Concat', sizes, { axis: 0 })], { axis }, inputs.length);
    return parts.map((part, index) => (n.needs(index) ? part : null));
  },
  Split: (n) => [
    n.node(
      'Concat',
      n.proto.output.map((_, index) => partOf(n, index)),
      { axis: n.int('axis', 0) },
    ),
  ],
};
