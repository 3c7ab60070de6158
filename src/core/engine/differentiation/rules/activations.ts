import type { Value } from '../../graph.ts';
import type { NodeView, Rule } from '../rule.ts';
import { unbroadcast } from '../sums.ts';

/** A rule from the slope at each element. */
function slope(make: (n: NodeView, x: Value) => Value): Rule {
  return (n) => [n.multiply(n.upstream, make(n, n.input(0)))];
}

/** One slope above 0, another from 0 down. */
function halves(above: (n: NodeView) => Value, below: (n: NodeView) => Value): Rule {
  return (n) => [n.where(n.greater(n.input(0), n.scalar(0)), above(n), below(n))];
}

function geluSlope(n: NodeView, x: Value): Value {
  if (n.text('approximate', 'none') === 'tanh') {
    // With t = tanh(c (x + a x^3)): (1 + t) / 2 + x (1 - t^2) c (1 + 3 a x^2) / 2.
    const [a, c] = [0.044715, Math.sqrt(2 / Math.PI)];
    const square = n.multiply(x, x);
    const cubic = n.multiply(x, n.add(n.scale(square, c * a), n.scalar(c)));
    const t = n.node('Tanh', [cubic]);
    const inner = n.multiply(x, n.add(n.scale(square, 1.5 * c * a), n.scalar(c / 2)));
    const rest = n.subtract(n.scalar(1), n.multiply(t, t));
    return n.add(n.add(n.scale(t, 0.5), n.scalar(0.5)), n.multiply(inner, rest));
  }
  // The normal distribution's function and x times its density.
  const half = n.scale(n.node('Erf', [n.scale(x, Math.SQRT1_2)]), 0.5);
  const density = n.scale(n.node('Exp', [n.scale(n.multiply(x, x), -0.5)]), 1 / Math.sqrt(2 * Math.PI));
  return n.add(n.add(half, n.scalar(0.5)), n.multiply(x, density));
}

/** Rules of activations. */
export const activations: Record<string, Rule> = {
  Relu: (n) => [n.where(n.greater(n.output(), n.scalar(0)), n.upstream)],
  LeakyRelu: halves(
    (n) => n.upstream,
    (n) => n.scale(n.upstream, n.float('alpha', 0.01)),
  ),
  PRelu: (n) => {
    const isAbove = n.greater(n.input(0), n.scalar(0));
    return n.each(
      () => n.where(isAbove, n.upstream, n.multiply(n.upstream, n.input(1))),
      () => unbroadcast(n, n.where(isAbove, n.scalar(0), n.multiply(n.upstream, n.input(0))), n.input(1)),
    );
  },
  ThresholdedRelu: (n) => [n.where(n.greater(n.input(0), n.scalar(n.float('alpha', 1))), n.upstream)],
  Elu: halves(
    (n) => n.upstream,
    (n) => n.multiply(n.upstream, n.add(n.output(), n.scalar(n.float('alpha', 1)))),
  ),
  Selu: halves(
    (n) => n.scale(n.upstream, n.float('gamma', SELU_GAMMA)),
    (n) => {
      const steepest = n.float('gamma', SELU_GAMMA) * n.float('alpha', SELU_ALPHA);
      return n.multiply(n.upstream, n.add(n.output(), n.scalar(steepest)));
    },
  ),
  Celu: halves(
    (n) => n.upstream,
    (n) => n.multiply(n.upstream, n.add(n.scale(n.output(), 1 / n.float('alpha', 1)), n.scalar(1))),
  ),
  Sigmoid: (n) => [n.multiply(n.upstream, sigmoidSlope(n, n.output()))],
  Tanh: slope((n) => n.subtract(n.scalar(1), n.multiply(n.output(), n.output()))),
  Erf: slope((n, x) => n.scale(n.node('Exp', [n.negate(n.multiply(x, x))]), 2 / Math.sqrt(Math.PI))),
  Gelu: slope(geluSlope),
  HardSigmoid: (n) => {
    const isInside = n.node('And', [n.greater(n.output(), n.scalar(0)), n.node('Less', [n.output(), n.scalar(1)])]);
    return [n.where(isInside, n.scale(n.upstream, n.float('alpha', 0.2)))];
  },
  HardSwish: (n) => {
    const x = n.input(0);
    const between = n.where(
      n.greater(x, n.scalar(-3)),
      n.multiply(n.upstream, n.add(n.scale(x, 1 / 3), n.scalar(0.5))),
    );
    return [n.where(n.node('Less', [x, n.scalar(3)]), between, n.upstream)];
  },
  Softplus: slope((n, x) => n.node('Sigmoid', [x])),
  Softsign: (n) => {
    const denominator = n.add(n.node('Abs', [n.input(0)]), n.scalar(1));
    return [n.divide(n.upstream, n.multiply(denominator, denominator))];
  },
  Mish: slope((n, x) => {
    const t = n.node('Tanh', [n.node('Softplus', [x])]);
    const rest = n.subtract(n.scalar(1), n.multiply(t, t));
    return n.add(t, n.multiply(n.multiply(x, rest), n.node('Sigmoid', [x])));
  }),
  Swish: slope((n, x) => {
    const alpha = n.float('alpha', 1);
    const s = n.node('Sigmoid', [n.scale(x, alpha)]);
    return n.add(s, n.multiply(n.scale(x, alpha), sigmoidSlope(n, s)));
  }),
};

const SELU_ALPHA = 1.6732631921768188;
const SELU_GAMMA = 1.0507010221481323;

function sigmoidSlope(n: NodeView, s: Value): Value {
  return n.multiply(s, n.subtract(n.scalar(1), s));
}
