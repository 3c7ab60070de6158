import type { Value } from '../../graph.ts';
import type { NodeView, Rule } from '../rule.ts';
import { expandLike, ratio } from '../shapes.ts';

/** A value of the result's shape with the reduced axes back as axes of 1. */
function unreduced(n: NodeView, value: Value): Value {
  if (n.int('keepdims', 1) === 1) return value;
  const axes = n.optional(1);
  // Everything was reduced: a scalar broadcasts by itself.
  return axes === null ? value : n.node('Unsqueeze', [value, axes]);
}

/** `value`, of the result's shape, repeated along what was reduced. */
function spread(n: NodeView, value: Value): Value {
  return expandLike(n, unreduced(n, value), n.input(0));
}

/** Equals share the gradient, as PyTorch's amax does. */
const extremum: Rule = (n) => {
  const mask = n.node('Equal', [n.input(0), unreduced(n, n.output())]);
  const axes = n.optional(1);
  const counts = n.node('ReduceSum', [n.node('CastLike', [mask, n.upstream]), axes], {
    keepdims: 1,
    ...n.attributes(['noop_with_empty_axes']),
  });
  return [n.where(mask, n.divide(unreduced(n, n.upstream), counts))];
};

/** Rules of reductions. */
export const reductions: Record<string, Rule> = {
  ReduceSum: (n) => [spread(n, n.upstream)],
  ReduceMean: (n) => [spread(n, n.divide(n.upstream, ratio(n, n.input(0), n.output())))],
  ReduceSumSquare: (n) => [n.multiply(n.input(0), unreduced(n, n.scale(n.upstream, 2)))],
  ReduceL1: (n) => [n.multiply(n.node('Sign', [n.input(0)]), unreduced(n, n.upstream))],
  ReduceL2: (n) => {
    // A length of 0 has no direction to grow in.
    const share = n.where(n.greater(n.output(), n.scalar(0)), n.divide(n.upstream, n.output()));
    return [n.multiply(n.input(0), unreduced(n, share))];
  },
  ReduceLogSum: (n) => [spread(n, n.divide(n.upstream, n.node('Exp', [n.output()])))],
  ReduceLogSumExp: (n) => {
    const share = n.node('Exp', [n.subtract(n.input(0), unreduced(n, n.output()))]);
    return [n.multiply(share, unreduced(n, n.upstream))];
  },
  ReduceMax: extremum,
  ReduceMin: extremum,
  CumSum: (n) => [
    n.node('CumSum', [n.upstream, n.input(1)], {
      ...n.attributes(['exclusive']),
      reverse: 1 - n.int('reverse', 0),
    }),
  ],
};
