import type { Rule } from '../rule.ts';

/** Rules of elementwise arithmetic; each operand may have been broadcast. */
export const arithmetic: Record<string, Rule> = {
  Add: (n) =>
    n.each(
      () => n.unbroadcast(n.upstream, n.input(0)),
      () => n.unbroadcast(n.upstream, n.input(1)),
    ),
  Sub: (n) =>
    n.each(
      () => n.unbroadcast(n.upstream, n.input(0)),
      () => n.unbroadcast(n.negate(n.upstream), n.input(1)),
    ),
  Mul: (n) => {
    // A square: one product instead of two.
    if (n.input(0) === n.input(1)) {
      const half = n.multiply(n.upstream, n.input(0));
      return [half, half];
    }
    return n.each(
      () => n.unbroadcast(n.multiply(n.upstream, n.input(1)), n.input(0)),
      () => n.unbroadcast(n.multiply(n.upstream, n.input(0)), n.input(1)),
    );
  },
  Div: (n) => {
    const quotient = n.divide(n.upstream, n.input(1));
    return n.each(
      () => n.unbroadcast(quotient, n.input(0)),
      () => n.unbroadcast(n.negate(n.multiply(quotient, n.output())), n.input(1)),
    );
  },
  Neg: (n) => [n.negate(n.upstream)],
  Relu: (n) => [n.keepWhere(n.node('Greater', [n.output(), n.scalar(0)]), n.upstream)],
  Exp: (n) => [n.multiply(n.upstream, n.output())],
  Log: (n) => [n.divide(n.upstream, n.input(0))],
  Sqrt: (n) => [n.divide(n.upstream, n.multiply(n.scalar(2), n.output()))],
  Abs: (n) => [n.multiply(n.upstream, n.node('Sign', [n.input(0)]))],
  Identity: (n) => [n.upstream],
  Cast: (n) => [n.node('CastLike', [n.upstream, n.input(0)])],
  Where: (n) => [
    null,
    n.needs(1) ? n.unbroadcast(n.keepWhere(n.input(0), n.upstream), n.input(1)) : null,
    n.needs(2) ? n.unbroadcast(n.node('Where', [n.input(0), n.scalar(0), n.upstream]), n.input(2)) : null,
  ],
};
