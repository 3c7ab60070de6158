import type { Value } from '../../graph.ts';
import type { NodeView, Rule } from '../rule.ts';
import { unbroadcast } from '../sums.ts';

/** The gradient of equals is shared, as PyTorch's amax does. */
const extremum: Rule = (n) => {
  const inputs = n.proto.input as Value[];
  if (inputs.length === 1) return [n.upstream];
  const masks = inputs.map((input) => n.node('Equal', [input, n.output()]));
  const counts = masks.map((mask) => n.node('CastLike', [mask, n.upstream]));
  const share = n.divide(
    n.upstream,
    counts.reduce((a, b) => n.add(a, b)),
  );
  return inputs.map((input, index) =>
    n.needs(index) ? unbroadcast(n, n.where(masks[index] as Value, share), input) : null,
  );
};

function power(n: NodeView): (Value | null)[] {
  const [base, exponent] = [n.input(0), n.input(1)];
  const constant = n.numbers(exponent);
  const known = constant?.length === 1 && (n.rankOf(exponent) ?? 1) <= (n.rankOf(base) ?? 0) ? constant[0] : undefined;
  return n.each(
    () => {
      if (known === 0) return n.multiply(n.upstream, n.scalar(0));
      if (known === 1) return n.upstream;
      if (known === 2) return n.multiply(n.upstream, n.scale(base, 2));
      if (known === 0.5) return n.divide(n.upstream, n.scale(n.output(), 2));
      if (known !== undefined) {
        const slope = known === 3 ? n.multiply(base, base) : n.node('Pow', [base, n.scalar(known - 1)]);
        return n.multiply(n.upstream, n.scale(slope, known));
      }
      const power = n.node('CastLike', [exponent, base]);
      const slope = n.multiply(power, n.node('Pow', [base, n.subtract(power, n.scalar(1))]));
      // x^0 is flat, at 0 too, where the formula has 0 x infinity.
      const isFlat = n.node('Equal', [power, n.scalar(0)]);
      return unbroadcast(n, n.multiply(n.upstream, n.where(isFlat, n.scalar(0), slope)), base);
    },
    () => {
      const slope = n.multiply(n.output(), n.node('Log', [base]));
      // 0^y is 0 for every y above 0.
      const isZero = n.node('Equal', [base, n.scalar(0)]);
      return unbroadcast(n, n.multiply(n.upstream, n.where(isZero, n.scalar(0), slope)), exponent);
    },
  );
}

/** At the ends the result stands still, as PyTorch's clamp since 2.15. */
function clip(n: NodeView): (Value | null)[] {
  const x = n.input(0);
  const [low, high] = [n.optional(1), n.optional(2)];
  return n.each(
    () => {
      const isAbove = low && n.greater(x, low);
      const isBelow = high && n.node('Less', [x, high]);
      const isInside = isAbove && isBelow ? n.node('And', [isAbove, isBelow]) : (isAbove ?? isBelow);
      return isInside ? n.where(isInside, n.upstream) : n.upstream;
    },
    () => unbroadcast(n, n.where(n.node('Less', [x, low as Value]), n.upstream), low as Value),
    () => unbroadcast(n, n.where(n.greater(x, high as Value), n.upstream), high as Value),
  );
}

/** Rules of elementwise arithmetic; each operand may have been broadcast. */
export const arithmetic: Record<string, Rule> = {
  Add: (n) =>
    n.each(
      () => unbroadcast(n, n.upstream, n.input(0)),
      () => unbroadcast(n, n.upstream, n.input(1)),
    ),
  Sub: (n) =>
    n.each(
      () => unbroadcast(n, n.upstream, n.input(0)),
      () => n.negate(unbroadcast(n, n.upstream, n.input(1))),
    ),
  Mul: (n) => {
    // A square: one product instead of two.
    if (n.input(0) === n.input(1)) {
      const half = n.multiply(n.upstream, n.input(0));
      return [half, half];
    }
    return n.each(
      () => unbroadcast(n, n.multiply(n.upstream, n.input(1)), n.input(0)),
      () => unbroadcast(n, n.multiply(n.upstream, n.input(0)), n.input(1)),
    );
  },
  Div: (n) => {
    const quotient = n.divide(n.upstream, n.input(1));
    return n.each(
      () => unbroadcast(n, quotient, n.input(0)),
      () => n.negate(unbroadcast(n, n.multiply(quotient, n.output()), n.input(1))),
    );
  },
  Sum: (n) =>
    (n.proto.input as Value[]).map((input, index) => (n.needs(index) ? unbroadcast(n, n.upstream, input) : null)),
  Mean: (n) => {
    const inputs = n.proto.input as Value[];
    const share = n.scale(n.upstream, 1 / inputs.length);
    return inputs.map((input, index) => (n.needs(index) ? unbroadcast(n, share, input) : null));
  },
  Max: extremum,
  Min: extremum,
  Pow: power,
  Clip: clip,
  Neg: (n) => [n.negate(n.upstream)],
  Exp: (n) => [n.multiply(n.upstream, n.output())],
  Log: (n) => [n.divide(n.upstream, n.input(0))],
  Sqrt: (n) => [n.divide(n.upstream, n.scale(n.output(), 2))],
  Reciprocal: (n) => [n.negate(n.multiply(n.upstream, n.multiply(n.output(), n.output())))],
  Abs: (n) => [n.multiply(n.upstream, n.node('Sign', [n.input(0)]))],
  Sin: (n) => [n.multiply(n.upstream, n.node('Cos', [n.input(0)]))],
  Cos: (n) => [n.negate(n.multiply(n.upstream, n.node('Sin', [n.input(0)])))],
  Identity: (n) => [n.upstream],
  // It drops nothing: it stands behind `limits`.
  Dropout: (n) => [n.upstream],
  Cast: (n) => [n.node('CastLike', [n.upstream, n.input(0)])],
  CastLike: (n) => [n.node('CastLike', [n.upstream, n.input(0)])],
  Where: (n) =>
    n.each(
      () => null,
      () => unbroadcast(n, n.where(n.input(0), n.upstream), n.input(1)),
      () => unbroadcast(n, n.where(n.input(0), n.scalar(0), n.upstream), n.input(2)),
    ),
};
