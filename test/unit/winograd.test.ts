import { describe, expect, it } from 'vitest';
import { differentiate } from '../../src/core/engine/differentiation/differentiate.ts';
import { completeFacts } from '../../src/core/engine/differentiation/facts.ts';
import { useWinograd } from '../../src/core/engine/differentiation/winograd.ts';
import { GraphBuilder, type Value } from '../../src/core/engine/graph.ts';
import { createSession, type Tensor } from '../../src/core/engine/session.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

interface Sizes {
  items: number;
  inputs: number;
  outputs: number;
  height: number;
  width: number;
}

const random = createRandom(5, 'winograd');
const normals = (...shape: number[]): Tensor & { data: Float32Array } => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
});

/** y = Conv(x, w, b) with padding 1, loss = sum(y r), and its gradients, as one graph. */
function graphOf({ inputs, outputs, height, width }: Sizes, isConstant = false) {
  const graph = new GraphBuilder('convolution');
  const x = graph.input('x', 'float32', ['n', inputs, height, width]);
  const w = isConstant
    ? graph.constant(new Float32Array(outputs * inputs * 9), [outputs, inputs, 3, 3])
    : graph.input('w', 'float32', [outputs, inputs, 3, 3]);
  const b = graph.input('b', 'float32', [outputs]);
  const r = graph.input('r', 'float32', ['n', outputs, height, width]);
  const y = graph.node('Conv', [x, w, b], { pads: [1, 1, 1, 1], kernel_shape: [3, 3] });
  const loss = graph.node('ReduceSum', [graph.node('Mul', [y, r])], { keepdims: 0 });
  const shape = [null, outputs, height, width];
  const facts = completeFacts(graph, new Map([[y as string, { shape, type: 'float32' }]]));
  const gradients = differentiate(graph, loss, isConstant ? [x, b] : [x, w, b], facts);
  useWinograd(graph, facts);
  graph.output('y', y, 'float32', ['n', outputs, height, width]);
  gradients.forEach((gradient, i) => {
    graph.output(`gradient ${i}`, gradient as Value, 'float32', []);
  });
  return graph;
}

const convolutions = (graph: GraphBuilder) => graph.program.filter(({ opType }) => opType === 'Conv').length;

/** Sums in double, tap by tap. */
function byHand(
  { items, inputs, outputs, height, width }: Sizes,
  x: Float32Array,
  w: Float32Array,
  b: Float32Array,
  r: Float32Array,
) {
  const [y, dx, dw, db] = [r, x, w, b].map(({ length }) => new Float64Array(length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const at = (c: number, channels: number, n: number, i: number, j: number) =>
    ((n * channels + c) * height + i) * width + j;
  for (let n = 0; n < items; n++)
    for (let k = 0; k < outputs; k++)
      for (let i = 0; i < height; i++)
        for (let j = 0; j < width; j++) {
          const place = at(k, outputs, n, i, j);
          const up = r[place] as number;
          let sum = b[k] as number;
          db[k] = (db[k] as number) + up;
          for (let c = 0; c < inputs; c++)
            for (let tap = 0; tap < 9; tap++) {
              const [p, q] = [i + Math.floor(tap / 3) - 1, j + (tap % 3) - 1];
              if (p < 0 || q < 0 || p >= height || q >= width) continue;
              const [from, weight] = [at(c, inputs, n, p, q), (k * inputs + c) * 9 + tap];
              sum += (x[from] as number) * (w[weight] as number);
              dx[from] = (dx[from] as number) + up * (w[weight] as number);
              dw[weight] = (dw[weight] as number) + up * (x[from] as number);
            }
          y[place] = sum;
        }
  return { y, 'gradient 0': dx, 'gradient 1': dw, 'gradient 2': db };
}

describe('convolutions by F(4x4, 3x3)', () => {
  it.each<[string, Sizes]>([
    ['one tile', { items: 3, inputs: 48, outputs: 40, height: 4, width: 4 }],
    ['four whole tiles', { items: 2, inputs: 96, outputs: 128, height: 8, width: 8 }],
    ['tiles that reach beyond the image', { items: 2, inputs: 170, outputs: 160, height: 7, width: 6 }],
    ['blocks of a larger image', { items: 2, inputs: 128, outputs: 112, height: 16, width: 8 }],
    [
      'blocks both ways, with tiles that reach beyond them',
      { items: 1, inputs: 208, outputs: 200, height: 12, width: 14 },
    ],
  ])('%s: result and gradients are those of the definition', async (_, sizes) => {
    const { items, inputs, outputs, height, width } = sizes;
    const graph = graphOf(sizes);
    expect(convolutions(graph)).toBe(0);
    const feeds = {
      x: normals(items, inputs, height, width),
      w: normals(outputs, inputs, 3, 3),
      b: normals(outputs),
      r: normals(items, outputs, height, width),
    };
    const session = await createSession(graph.build(), { threads: 1 });
    const found = await session.run(feeds);
    await session.release();
    for (const [name, expected] of Object.entries(
      byHand(sizes, feeds.x.data, feeds.w.data, feeds.b.data, feeds.r.data),
    )) {
      const values = found[name]?.data as Float32Array;
      expect(values).toHaveLength(expected.length);
      let [error, scale] = [0, 0];
      expected.forEach((value, i) => {
        error += (value - (values[i] as number)) ** 2;
        scale += value ** 2;
      });
      // Rounding of float32, some ten times that of sums: Lavin and Gray, section 5.
      expect(Math.sqrt(error / scale), name).toBeLessThan(1e-5);
    }
  });

  it('leaves convolutions that it would not speed up, and those of constant kernels', () => {
    // Forward, and the gradient of the input.
    expect(convolutions(graphOf({ items: 1, inputs: 8, outputs: 8, height: 8, width: 8 }))).toBe(2);
    expect(convolutions(graphOf({ items: 1, inputs: 64, outputs: 64, height: 32, width: 32 }))).toBe(2);
    expect(convolutions(graphOf({ items: 1, inputs: 256, outputs: 256, height: 13, width: 8 }))).toBe(2);
    expect(convolutions(graphOf({ items: 1, inputs: 48, outputs: 48, height: 4, width: 4 }, true))).toBe(1);
  });
});
