import { expect, it } from 'vitest';
import { differentiate } from '../../src/core/engine/differentiation/differentiate.ts';
import { GraphBuilder, type Value } from '../../src/core/engine/graph.ts';
import { createSession } from '../../src/core/engine/session.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

it('MaxPool by two: the gradient goes to the first of equal largest, window by window', async () => {
  const [items, channels, height, width] = [3, 2, 6, 8];
  const graph = new GraphBuilder('pool');
  const x = graph.input('x', 'float32', ['n', channels, height, width]);
  const r = graph.input('r', 'float32', ['n', channels, height / 2, width / 2]);
  const y = graph.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] });
  const loss = graph.node('ReduceSum', [graph.node('Mul', [y, r])], { keepdims: 0 });
  const [gradient] = differentiate(graph, loss, [x], new Map());
  graph.output('gradient', gradient as Value, 'float32', []);
  expect(graph.program.some(({ opType }) => opType === 'ScatterElements')).toBe(false);

  const random = createRandom(2, 'pool');
  // Three values: most windows have ties.
  const values = Float32Array.from({ length: items * channels * height * width }, () => random.integer(3));
  const upstream = Float32Array.from({ length: values.length / 4 }, () => random.normal());
  const expected = new Float32Array(values.length);
  upstream.forEach((value, window) => {
    const row = Math.floor(window / (width / 2));
    const corner = 2 * row * width + 2 * (window % (width / 2));
    const places = [corner, corner + 1, corner + width, corner + width + 1];
    const largest = Math.max(...places.map((place) => values[place] as number));
    expected[places.find((place) => values[place] === largest) as number] = value;
  });

  const session = await createSession(graph.build(), { threads: 1 });
  const found = await session.run({
    x: { shape: [items, channels, height, width], data: values },
    r: { shape: [items, channels, height / 2, width / 2], data: upstream },
  });
  await session.release();
  expect(found.gradient?.data).toEqual(expected);
});
