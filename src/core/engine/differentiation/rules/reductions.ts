import type { Value } from '../../graph.ts';
import type { NodeView, Rule } from '../rule.ts';

/** The upstream gradient with the reduced axes back as axes of 1. */
export function unreduced(n: NodeView): Value {
  if (n.int('keepdims', 1) === 1) return n.upstream;
  const axes = n.optional(1);
  // Everything was reduced: a scalar broadcasts by itself.
  return axes === null ? n.upstream : n.node('Unsqueeze', [n.upstream, axes]);
}

/** How many values each result was made of, as a float. */
function reducedCount(n: NodeView): Value {
  const all = n.node('Size', [n.input(0)]);
  const left = n.node('Size', [n.output()]);
  return n.node('CastLike', [n.node('Div', [all, left]), n.upstream]);
}

const softmax: Rule = (n) => {
  const product = n.multiply(n.upstream, n.output());
  const axes = n.int64s([n.int('axis', -1)]);
  const sum = n.node('ReduceSum', [product, axes], { keepdims: 1 });
  return [n.subtract(product, n.multiply(n.output(), sum))];
};

/** Rules of sums, means and what is normalised by them. */
export const reductions: Record<string, Rule> = {
  ReduceSum: (n) => [n.node('Expand', [unreduced(n), n.shape(n.input(0))])],
  ReduceMean: (n) => [n.node('Expand', [n.divide(unreduced(n), reducedCount(n)), n.shape(n.input(0))])],
  Softmax: softmax,
  LogSoftmax: (n) => {
    const axes = n.int64s([n.int('axis', -1)]);
    const sum = n.node('ReduceSum', [n.upstream, axes], { keepdims: 1 });
    return [n.subtract(n.upstream, n.multiply(n.node('Exp', [n.output()]), sum))];
  },
};
