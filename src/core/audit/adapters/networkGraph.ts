import type { Distance } from '../../contract/report.ts';
import { GraphBuilder, type Value } from '../../engine/graph.ts';
import type { MapShape } from '../procrustes.ts';

/** Decay of Adam's first and second moments, and its guard against division by zero (Kingma and Ba 2015). */
export const ADAM = { first: 0.9, second: 0.999, epsilon: 1e-8 } as const;

/**
 * One step of Adam on the residual network f = z + relu(X W1) W2, z the frozen linear start, Y the old vectors.
 * Loss over the rows of a batch: mean of 1 - cos(f, y), or of ‖f - y‖². Gradients by hand:
 * ```
 * G  = dL/df = -(y/|f| - (f.y) f/|f|^3) / (n |y|)  or  2 (f - y) / n
 * dW2 = H' G,  H = relu(X W1)
 * dW1 = X' ((G W2') where H > 0)
 * ```
 * Inputs: x, z, y, first, second (weights), their Adam moments `firstMean`, `firstSquare`, `secondMean`,
 * `secondSquare`, rates `firstRate`, `secondRate` (the corrections for the moments' start in them).
 * Outputs: the same six under `next...`, `loss`, and the gradients `firstGradient`, `secondGradient`.
 */
export function stepGraph(distance: Distance, { newColumns, oldColumns }: MapShape, hidden: number): Uint8Array {
  const graph = new GraphBuilder('residual network step');
  const add = (a: Value, b: Value) => graph.node('Add', [a, b]);
  const multiply = (a: Value, b: Value) => graph.node('Mul', [a, b]);
  const rowSum = (a: Value) => graph.node('ReduceSum', [a, graph.int64s([1])], { keepdims: 1 });
  const turn = (a: Value) => graph.node('Transpose', [a], { perm: [1, 0] });

  const x = graph.input('x', 'float32', ['n', newColumns]);
  const y = graph.input('y', 'float32', ['n', oldColumns]);
  const first = graph.input('first', 'float32', [newColumns, hidden]);
  const second = graph.input('second', 'float32', [hidden, oldColumns]);
  const units = graph.node('Relu', [graph.node('MatMul', [x, first])]);
  const mapped = add(graph.input('z', 'float32', ['n', oldColumns]), graph.node('MatMul', [units, second]));

  let rowLoss: Value;
  let rowGradient: Value;
  if (distance === 'cosine') {
    // 1e-12: a row of zeros has no direction, and shall not make a NaN.
    const inverse = (a: Value) =>
      graph.node('Reciprocal', [graph.node('Sqrt', [add(rowSum(multiply(a, a)), graph.scalar(1e-12))])]);
    const scale = inverse(mapped);
    const unit = multiply(mapped, scale);
    const target = multiply(y, inverse(y));
    const cosine = rowSum(multiply(unit, target));
    rowLoss = graph.node('Sub', [graph.scalar(1), cosine]);
    rowGradient = multiply(graph.node('Sub', [multiply(unit, cosine), target]), scale);
  } else {
    const difference = graph.node('Sub', [mapped, y]);
    rowLoss = rowSum(multiply(difference, difference));
    rowGradient = multiply(difference, graph.scalar(2));
  }
  const count = graph.node('Cast', [graph.node('Shape', [x], { start: 0, end: 1 })], { to: 1 });
  const gradient = graph.node('Div', [rowGradient, count]);
  const secondGradient = graph.node('MatMul', [turn(units), gradient]);
  const back = graph.node('MatMul', [gradient, turn(second)]);
  const active = graph.node('Cast', [graph.node('Greater', [units, graph.scalar(0)])], { to: 1 });
  const firstGradient = graph.node('MatMul', [turn(x), multiply(back, active)]);

  graph.output('loss', graph.node('ReduceMean', [rowLoss], { keepdims: 0 }), 'float32', []);
  const weights = [
    { name: 'first', value: first, slope: firstGradient, shape: [newColumns, hidden] },
    { name: 'second', value: second, slope: secondGradient, shape: [hidden, oldColumns] },
  ];
  for (const { name, value, slope, shape } of weights) {
    const decayed = (moment: string, sample: Value, decay: number) =>
      add(
        multiply(graph.input(`${name}${moment}`, 'float32', shape), graph.scalar(decay)),
        multiply(sample, graph.scalar(1 - decay)),
      );
    const mean = decayed('Mean', slope, ADAM.first);
    const square = decayed('Square', multiply(slope, slope), ADAM.second);
    const step = graph.node('Div', [mean, add(graph.node('Sqrt', [square]), graph.scalar(ADAM.epsilon))]);
    const next = graph.node('Sub', [value, multiply(step, graph.input(`${name}Rate`, 'float32', []))]);
    const title = `${name[0]?.toUpperCase()}${name.slice(1)}`;
    graph.output(`next${title}`, next, 'float32', shape);
    graph.output(`next${title}Mean`, mean, 'float32', shape);
    graph.output(`next${title}Square`, square, 'float32', shape);
    graph.output(`${name}Gradient`, slope, 'float32', shape);
  }
  return graph.build();
}

/** f = z + relu(x first) second. */
export function networkGraph({ newColumns, oldColumns }: MapShape, hidden: number): Uint8Array {
  const graph = new GraphBuilder('residual network');
  const first = graph.input('first', 'float32', [newColumns, hidden]);
  const second = graph.input('second', 'float32', [hidden, oldColumns]);
  const units = graph.node('Relu', [graph.node('MatMul', [graph.input('x', 'float32', ['n', newColumns]), first])]);
  const added = graph.node('MatMul', [units, second]);
  const mapped = graph.node('Add', [graph.input('z', 'float32', ['n', oldColumns]), added]);
  graph.output('mapped', mapped, 'float32', ['n', oldColumns]);
  return graph.build();
}
