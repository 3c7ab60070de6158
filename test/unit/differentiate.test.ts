import { describe, expect, test } from 'vitest';
import { differentiate, type GraphFacts } from '../../src/core/engine/differentiation/differentiate.ts';
import { GraphBuilder, type Value } from '../../src/core/engine/graph.ts';
import { createSession, type Tensor } from '../../src/core/engine/session.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

type Net = (graph: GraphBuilder, inputs: Value[]) => Value;

/** Of random weights over all outputs, so that no gradient is the same for all of them. */
function lossOf(graph: GraphBuilder, value: Value): Value {
  const weighted = graph.node('Mul', [value, graph.node('Sin', [value])]);
  return graph.node('ReduceSum', [graph.node('Mul', [value, graph.stopGradient(weighted)])], { keepdims: 0 });
}

/**
 * Gradients of sum(y stop(y sin y)) against central differences of the same sum with its weights held.
 */
async function check(shapes: number[][], net: Net, { seed = 1, tolerance = 2e-3, known = false } = {}): Promise<void> {
  const random = createRandom(seed, 'differentiate');
  const values = shapes.map((shape) => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < data.length; i++) data[i] = random.normal();
    return { shape, data };
  });
  const build = (withGradient: boolean) => {
    const graph = new GraphBuilder('test');
    const inputs = shapes.map((shape, i) => graph.input(`x${i}`, 'float32', shape));
    const y = net(graph, inputs);
    const facts: GraphFacts = new Map(known ? shapes.map((shape, i) => [`x${i}`, { shape, type: 'float32' }]) : []);
    if (withGradient) {
      const gradients = differentiate(graph, lossOf(graph, y), inputs, facts);
      for (const [i, gradient] of gradients.entries()) {
        expect(gradient).not.toBeNull();
        graph.output(
          `g${i}`,
          gradient as Value,
          'float32',
          (shapes[i] as number[]).map((_, axis) => `g${i}${axis}`),
        );
      }
    } else graph.output('y', y, 'float32', []);
    return createSession(graph.build(), { threads: 1 });
  };
  const feeds = () => Object.fromEntries(values.map((value, i) => [`x${i}`, value]));
  const [forward, reverse] = [await build(false), await build(true)];
  const y0 = ((await forward.run(feeds())).y as Tensor).data as Float32Array;
  const weights = Float64Array.from(y0, (value) => value * Math.sin(value));
  const sum = async () => {
    const y = ((await forward.run(feeds())).y as Tensor).data as Float32Array;
    return y.reduce((total, value, i) => total + value * (weights[i] as number), 0);
  };
  const gradients = await reverse.run(feeds());
  for (const [i, { data, shape }] of values.entries()) {
    const gradient = gradients[`g${i}`] as Tensor;
    expect(gradient.shape).toEqual(shape);
    for (let k = 0; k < data.length; k += Math.max(1, Math.floor(data.length / 12))) {
      const kept = data[k] as number;
      const step = 1e-2;
      data[k] = kept + step;
      const above = await sum();
      data[k] = kept - step;
      const below = await sum();
      data[k] = kept;
      const expected = (above - below) / (2 * step);
      const actual = Number((gradient.data as Float32Array)[k]);
      expect(Math.abs(actual - expected)).toBeLessThan(tolerance * Math.max(1, Math.abs(expected)) * 5);
    }
  }
  await forward.release();
  await reverse.release();
}

describe('gradients equal central differences', () => {
  const cases: Record<string, { shapes: number[][]; net: Net; known?: boolean }> = {
    'Add, broadcast': { shapes: [[3, 4], [4]], net: (g, [a, b]) => g.node('Add', [a as Value, b as Value]) },
    'Mul, broadcast both ways': {
      shapes: [
        [3, 1],
        [1, 4],
      ],
      net: (g, [a, b]) => g.node('Mul', [a as Value, b as Value]),
    },
    'Div by positive': {
      shapes: [[3, 4], [4]],
      net: (g, [a, b]) => g.node('Div', [a as Value, g.node('Add', [g.node('Exp', [b as Value]), g.scalar(1)])]),
    },
    'MatMul and LogSoftmax': {
      shapes: [
        [3, 4],
        [4, 5],
      ],
      net: (g, [a, b]) => g.node('LogSoftmax', [g.node('MatMul', [a as Value, b as Value])], { axis: -1 }),
    },
    'Gemm, turned, with bias': {
      shapes: [[3, 4], [5, 4], [5]],
      net: (g, [a, b, c]) => g.node('Gemm', [a as Value, b as Value, c as Value], { transB: 1 }),
    },
    'means and roots': {
      shapes: [[3, 4]],
      net: (g, [a]) =>
        g.node('Sqrt', [
          g.node('Add', [
            g.node('ReduceMean', [g.node('Mul', [a as Value, a as Value]), g.int64s([1])], { keepdims: 0 }),
            g.scalar(1),
          ]),
        ]),
    },
    'rows picked twice': {
      shapes: [[4, 3]],
      net: (g, [a]) => g.node('Gather', [a as Value, g.constant(Int32Array.of(1, 3, 1), [3])], { axis: 0 }),
    },
    'Conv with bias': {
      shapes: [[2, 3, 7, 6], [4, 3, 3, 3], [4]],
      net: (g, [x, w, b]) => g.node('Conv', [x as Value, w as Value, b as Value], { pads: [1, 1, 1, 1] }),
      known: true,
    },
    'Conv with a stride': {
      shapes: [
        [2, 3, 8, 7],
        [4, 3, 3, 3],
      ],
      net: (g, [x, w]) => g.node('Conv', [x as Value, w as Value], { pads: [1, 1, 1, 1], strides: [2, 2] }),
      known: true,
    },
    'MaxPool and Relu': {
      shapes: [[2, 3, 6, 6]],
      net: (g, [x]) => g.node('Relu', [g.node('MaxPool', [x as Value], { kernel_shape: [2, 2], strides: [2, 2] })]),
      known: true,
    },
  };
  test.each(Object.entries(cases))('%s', async (_, { shapes, net, known }) => {
    await check(shapes, net, { known });
  });
});
