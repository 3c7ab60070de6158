import { describe, expect, test } from 'vitest';
import { differentiate, type GraphFacts } from '../../src/core/engine/differentiation/differentiate.ts';
import type { Value } from '../../src/core/engine/graph.ts';
import { createSession, type Session, type Tensor } from '../../src/core/engine/session.ts';
import { buildCase, decodeFloats, type GradientCase, measureShapes, readCases, valuesOf } from './gradientCases.ts';

const cases = readCases();

/** Of a gradient's largest value: what float32 loses in sums of a few hundred terms. */
const TOLERANCE = 2e-5;
/** Operators that ONNX Runtime computes in float32 only. Each is linear in each of its inputs, so that a large step is exact too. */
const linearInFloat32 =
  /^(Conv|ConvTranspose|AveragePool|GlobalAveragePool|Resize|RotaryEmbedding|DepthToSpace|SpaceToDepth|Mean)\b/;
const curvedInFloat32 =
  /^(InstanceNormalization|GroupNormalization|GlobalMaxPool|Gelu|Elu|Selu|Celu|HardSigmoid|HardSwish|Softplus|Softsign|Mish|PRelu|LeakyRelu|ThresholdedRelu|Erf)\b/;

type Feeds = Record<string, { shape: number[]; data: Float64Array }>;

const single = (feeds: Feeds): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, { shape, data }]) => [name, { shape, data: Float32Array.from(data) }]),
  );

/** A session that gives the gradients of all inputs. */
async function reverseSession(given: GradientCase, facts: GraphFacts): Promise<Session> {
  const { graph, output } = buildCase(given, 'float32');
  const weights = graph.input('weights', 'float32', ['count']);
  const flat = graph.node('Reshape', [output, graph.int64s([-1])]);
  const loss = graph.node('ReduceSum', [graph.node('Mul', [flat, weights])], { keepdims: 0 });
  const wrt = Object.keys(given.gradients) as Value[];
  for (const [index, gradient] of differentiate(graph, loss, wrt, facts).entries()) {
    if (gradient === null) throw new Error(`no gradient of ${wrt[index]}`);
    graph.output(`gradient of ${wrt[index]}`, gradient, 'float32', []);
  }
  return createSession(graph.build(), { threads: 1 });
}

async function gradientsOf(session: Session, given: GradientCase, isShort: boolean): Promise<Record<string, Tensor>> {
  const { values, weights } = valuesOf(given, isShort);
  const feeds = { ...single(values), weights: { shape: [weights.length], data: Float32Array.from(weights) } };
  const results = await session.run(feeds);
  for (const [name, { shape }] of Object.entries(values)) {
    const gradient = results[`gradient of ${name}`];
    if (gradient !== undefined) expect(gradient.shape).toEqual(shape);
  }
  return results;
}

function expectClose(actual: Tensor, expected: ArrayLike<number>, tolerance: number, name: string): void {
  const values = actual.data as Float32Array;
  expect(values.length).toBe(expected.length);
  let largest = 0;
  for (const value of Array.from(expected)) largest = Math.max(largest, Math.abs(value));
  const allowed = tolerance * Math.max(largest, 1e-3);
  for (let i = 0; i < values.length; i++) {
    const [got, wanted] = [values[i] as number, expected[i] as number];
    if (!(Math.abs(got - wanted) <= allowed)) {
      throw new Error(`${name}[${i}] is ${got}, not ${wanted} (by ${Math.abs(got - wanted)}, allowed ${allowed})`);
    }
  }
}

async function factsOf(given: GradientCase): Promise<GraphFacts> {
  const { graph } = buildCase(given, 'float32');
  const runs = [false, ...(given.free.length > 0 ? [true] : [])].map((isShort) =>
    single(valuesOf(given, isShort).values),
  );
  return measureShapes(graph, runs);
}

describe('gradients of operators are those of PyTorch', () => {
  test.each(cases.map((given) => [given.name, given] as const))('%s', async (_, given) => {
    for (const facts of [new Map(), await factsOf(given)] as GraphFacts[]) {
      const session = await reverseSession(given, facts);
      const results = await gradientsOf(session, given, false);
      await session.release();
      for (const [name, expected] of Object.entries(given.gradients)) {
        const gradient = results[`gradient of ${name}`] as Tensor;
        expectClose(gradient, decodeFloats(expected), TOLERANCE, `${given.name} (${facts.size} facts): ${name}`);
      }
    }
  });
});

describe('gradients of operators, at another size of the batch, are central differences', () => {
  test.each(cases.filter(({ ties }) => !ties).map((given) => [given.name, given] as const))('%s', async (_, given) => {
    const isLinear = linearInFloat32.test(given.name);
    const isSingle = isLinear || curvedInFloat32.test(given.name);
    const { graph, output } = buildCase(given, isSingle ? 'float32' : 'float64');
    graph.output('result', output, isSingle ? 'float32' : 'float64', []);
    const forward = await createSession(graph.build(), { threads: 1 });
    const { values, weights } = valuesOf(given, given.free.length > 0);
    const loss = async () => {
      const { result } = await forward.run(isSingle ? single(values) : values, ['result']);
      return Array.from((result as Tensor).data as Float64Array).reduce(
        (sum, y, i) => sum + y * (weights[i] as number),
        0,
      );
    };
    const step = isLinear ? 0.25 : isSingle ? 1e-2 : 1e-5;
    const tolerance = isSingle && !isLinear ? 2e-3 : TOLERANCE;
    const reverse = await Promise.all([new Map(), await factsOf(given)].map((facts) => reverseSession(given, facts)));
    const results = await Promise.all(reverse.map((session) => gradientsOf(session, given, given.free.length > 0)));
    for (const name of Object.keys(given.gradients)) {
      const { data } = values[name] as Feeds[string];
      const expected = new Float64Array(data.length);
      for (let i = 0; i < data.length; i++) {
        const kept = data[i] as number;
        data[i] = kept + step;
        const above = await loss();
        data[i] = kept - step;
        const below = await loss();
        data[i] = kept;
        expected[i] = (above - below) / (2 * step);
      }
      for (const result of results) {
        expectClose(result[`gradient of ${name}`] as Tensor, expected, tolerance, `${given.name}: ${name}`);
      }
    }
    await Promise.all([forward, ...reverse].map((session) => session.release()));
  });
});
