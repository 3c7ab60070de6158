import { describe, expect, test } from 'vitest';
import { differentiate } from '../../src/core/engine/differentiation/differentiate.ts';
import { rules } from '../../src/core/engine/differentiation/rules/rules.ts';
import { findUnsupported } from '../../src/core/engine/differentiation/unsupported.ts';
import { GraphBuilder, type Value } from '../../src/core/engine/graph.ts';
import { graphOperations } from '../../src/core/engine/graphOperations.ts';
import { createSession, type Tensor } from '../../src/core/engine/session.ts';
import { readCases } from './gradientCases.ts';

const none = new Map();

/** Gradients of the loss at the given values. */
async function gradientsAt(
  inputs: Record<string, Tensor>,
  net: (graph: GraphBuilder) => Value,
  wrt = Object.keys(inputs),
): Promise<(number[] | null)[]> {
  const graph = new GraphBuilder('test');
  for (const [name, { shape }] of Object.entries(inputs)) graph.input(name, 'float32', shape);
  const gradients = differentiate(graph, net(graph), wrt as Value[], none);
  for (const [i, gradient] of gradients.entries()) {
    if (gradient !== null) graph.output(`g${i}`, gradient, 'float32', []);
  }
  const session = await createSession(graph.build(), { threads: 1 });
  const results = await session.run(inputs);
  await session.release();
  return gradients.map((gradient, i) =>
    gradient === null ? null : Array.from((results[`g${i}`] as Tensor).data as Float32Array),
  );
}

const vector = (...values: number[]): Tensor => ({ shape: [values.length], data: Float32Array.from(values) });
const number = (value: number): Tensor => ({ shape: [], data: Float32Array.of(value) });
const [a, b] = ['a' as Value, 'b' as Value];

describe('the walk', () => {
  test('by hand: of sum((a b + a)^2) it is 2 (a b + a) (b + 1) and 2 (a b + a) a', async () => {
    // a = (1, 2), b = (3, -4): a b + a = (4, -6).
    const gradients = await gradientsAt({ a: vector(1, 2), b: vector(3, -4) }, (graph) => {
      const ops = graphOperations(graph);
      return ops.sum(ops.square(ops.add(ops.multiply(a, b), a)), null);
    });
    expect(gradients).toEqual([
      [32, 36],
      [8, -24],
    ]);
  });

  test('a loss that is one of the weights itself', async () => {
    expect(await gradientsAt({ a: number(5) }, () => a)).toEqual([[1]]);
  });

  test('null for what the loss does not depend on, or by steps only', async () => {
    const gradients = await gradientsAt({ a: vector(1, 3, 2), b: vector(1, 2, 3) }, (graph) => {
      const ops = graphOperations(graph);
      return ops.sum(ops.gatherRows(b, ops.argMax(a, 0)), null);
    });
    expect(gradients).toEqual([null, [0, 1, 0]]);
  });

  test('nothing flows where it is stopped', async () => {
    const gradients = await gradientsAt({ a: vector(2, 3), b: vector(5, 7) }, (graph) => {
      const ops = graphOperations(graph);
      return ops.sum(ops.multiply(a, ops.stopGradient(ops.multiply(a, b))), null);
    });
    expect(gradients).toEqual([[10, 21], null]);
  });

  test('of a value between weights and loss', async () => {
    const graph = new GraphBuilder('test');
    const x = graph.input('x', 'float32', [2]);
    const ops = graphOperations(graph);
    const between = ops.multiply(x, ops.scalar(3));
    const [inner, outer] = differentiate(graph, ops.sum(ops.square(between), null), [between, x], none);
    graph.output('inner', inner as Value, 'float32', [2]);
    graph.output('outer', outer as Value, 'float32', [2]);
    const session = await createSession(graph.build(), { threads: 1 });
    const results = await session.run({ x: vector(1, -2) });
    await session.release();
    expect(Array.from(results.inner?.data as Float32Array)).toEqual([6, -12]);
    expect(Array.from(results.outer?.data as Float32Array)).toEqual([18, -36]);
  });

  test('a NaN of the branch that was not taken stays there', async () => {
    const gradients = await gradientsAt({ a: vector(-1, 4) }, (graph) => {
      const ops = graphOperations(graph);
      const root = ops.where(ops.greater(a, ops.scalar(0)), ops.sqrt(a), a);
      return ops.sum(root, null);
    });
    expect(gradients[0]?.[1]).toBe(0.25);
    expect(gradients[0]?.[0]).toBeNaN();
    const guarded = await gradientsAt({ a: vector(-1, 4) }, (graph) => {
      const ops = graphOperations(graph);
      const isPositive = ops.greater(a, ops.scalar(0));
      const safe = ops.where(isPositive, a, ops.scalar(1));
      return ops.sum(ops.where(isPositive, ops.sqrt(safe), a), null);
    });
    expect(guarded).toEqual([[1, 0.25]]);
  });

  test('writes no node that no gradient asked for depends on', () => {
    const graph = new GraphBuilder('test');
    const [x, w, bias] = ['x', 'w', 'bias'].map((name) => graph.input(name, 'float32', name === 'x' ? ['n', 4] : [4]));
    const normal = graph.node('LayerNormalization', [x as Value, w as Value, bias as Value]);
    const quotient = graph.node('Div', [normal, graph.node('Exp', [normal])]);
    const loss = graph.node('ReduceSum', [quotient], { keepdims: 0 });
    const first = graph.program.length;
    const gradients = differentiate(graph, loss, [bias as Value], none);
    const read = new Set<string>([...(gradients as Value[]), ...graph.program.flatMap(({ input }) => input)]);
    for (const { opType, output } of graph.program.slice(first)) {
      expect(
        output.some((name) => read.has(name)),
        opType,
      ).toBe(true);
    }
    expect(graph.program.slice(first).some(({ opType }) => opType === 'ReduceMean')).toBe(false);
  });

  test('every rule is held against PyTorch', () => {
    const tested = new Set(readCases().flatMap(({ nodes }) => nodes.map(({ operator }) => operator)));
    // Like Cast, its type from another value.
    const untested = Object.keys(rules).filter((operator) => !tested.has(operator) && operator !== 'CastLike');
    expect(untested).toEqual([]);
  });
});

describe('what has no gradient', () => {
  /** Two layers with an operator between them. */
  function around(operator: (graph: GraphBuilder, hidden: Value) => Value) {
    const graph = new GraphBuilder('test');
    const x = graph.input('x', 'float32', ['n', 4]);
    const below = graph.input('below', 'float32', [4, 4]);
    const above = graph.input('above', 'float32', [4, 2]);
    const hidden = operator(graph, graph.node('MatMul', [x, below]));
    const output = graph.node('MatMul', [hidden, above]);
    const loss = graph.node('ReduceSum', [output], { keepdims: 0 });
    return { graph, loss, output, weights: [below, above] as const };
  }

  test('is named with its node, the weight before it, and what can still be trained', () => {
    const { graph, loss, output, weights } = around((g, hidden) => g.node('Det', [hidden]));
    expect(() => differentiate(graph, loss, weights, none)).toThrowError(
      expect.objectContaining({
        code: 'bad-model',
        message: expect.stringMatching(
          /the node "Det_\d+" \(Det\), .* the weight "below" and the loss: the operator has no rule/,
        ),
        remedy: expect.stringContaining('such as "above"'),
      }),
    );
    expect(findUnsupported(graph, output, weights)).toEqual([
      {
        operator: 'Det',
        name: expect.stringMatching(/^Det_\d+$/),
        reason: 'the operator has no rule',
        blocked: ['below'],
      },
    ]);
  });

  test('does no harm below what is trained, or off the path', () => {
    const { graph, loss, weights } = around((g, hidden) => g.node('Det', [hidden]));
    expect(differentiate(graph, loss, [weights[1]], none)).toHaveLength(1);
    expect(findUnsupported(graph, loss, [weights[1]])).toEqual([]);
  });

  test('a recurrent layer says what to do', () => {
    const { graph, loss, weights } = around((g, hidden) => g.node('GRU', [hidden, hidden, hidden]));
    expect(() => differentiate(graph, loss, weights, none)).toThrowError(/\(GRU\).*freeze what is below/);
  });

  test('without anything behind it', () => {
    const { graph, loss, weights } = around((g, hidden) => g.node('Det', [hidden]));
    expect(() => differentiate(graph, loss, [weights[0]], none)).toThrowError(
      expect.objectContaining({ remedy: expect.stringContaining('None of the weights') }),
    );
  });

  test('a form of an operator', () => {
    const training = around((g, hidden) => {
      const moment = g.constant(new Float32Array(4), [4]);
      return g.node('BatchNormalization', [hidden, moment, moment, moment, moment], { training_mode: 1 });
    });
    expect(findUnsupported(training.graph, training.loss, training.weights)[0]?.reason).toContain('by the batch');
    const product = around((g, hidden) => {
      const cells = g.constant(BigInt64Array.of(0n), [1, 1]);
      return g.node('ScatterND', [hidden, cells, hidden], { reduction: 'mul' });
    });
    expect(() => differentiate(product.graph, product.loss, product.weights, none)).toThrowError(/reduction is "mul"/);
  });

  test('what is computed in another precision', () => {
    const { graph, loss, weights } = around((g, hidden) => {
      const double = g.node('Cast', [hidden], { to: 11 });
      return g.node('Cast', [g.node('Tanh', [double])], { to: 1 });
    });
    expect(findUnsupported(graph, loss, weights)[0]?.reason).toContain('computed in DOUBLE');
  });

  test('an operator of another domain on the path, whatever its name', () => {
    const { graph, loss, weights } = around((g, hidden) => {
      const gelu = g.node('Gelu', [hidden]);
      const node = g.program.at(-1);
      if (node) node.domain = 'com.microsoft';
      return gelu;
    });
    expect(findUnsupported(graph, loss, weights)[0]?.reason).toBe('the operator is of the domain com.microsoft');
  });
});

test('a slice whose start is computed, along an axis of known length', async () => {
  const graph = new GraphBuilder('test');
  const x = graph.input('x', 'float32', [5]);
  const start = graph.input('start', 'int64', [1]);
  // Computed, so that it is no constant; -3 is position 2.
  const from = graph.node('Sub', [start, graph.int64s([1])]);
  const part = graph.node('Slice', [x, from, graph.int64s([4]), graph.int64s([0])]);
  const loss = graph.node('ReduceSum', [graph.node('Mul', [part, part])], { keepdims: 0 });
  const [gradient] = differentiate(graph, loss, [x], new Map([['x', { shape: [5], type: 'float32' }]]));
  graph.output('gradient', gradient as Value, 'float32', [5]);
  const session = await createSession(graph.build(), { threads: 1 });
  const feeds = { x: vector(1, 2, 3, 4, 5), start: { shape: [1], data: BigInt64Array.of(-2n) } };
  expect(Array.from((await session.run(feeds)).gradient?.data as Float32Array)).toEqual([0, 0, 6, 8, 0]);
  await session.release();
});
