import { expect, test } from 'vitest';
import { createSession, type Tensor } from '../../src/core/engine/session.ts';
import { builtinNetwork } from '../../src/core/models/trainable/builtinNetwork.ts';
import { makeTrainable } from '../../src/core/models/trainable/makeTrainable.ts';
import { splitAtFrozen } from '../../src/core/models/trainable/splitAtFrozen.ts';
import { startInMemory } from '../../src/core/models/trainable/startModel.ts';
import type { TrainableGraph } from '../../src/core/models/trainable/trainableGraph.ts';
import { floats, integers, modelOf, type NodeSpec } from './onnxGraphs.ts';

function noise(shape: number[]): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return { shape, data: Float32Array.from({ length: count }, (_, index) => Math.sin(5 * index)) };
}

async function run(model: Uint8Array | string, feeds: Record<string, Tensor>, output: string): Promise<number[]> {
  const session = await createSession(model);
  const result = (await session.run(feeds, [output]))[output];
  await session.release();
  return Array.from(result?.data as Float32Array);
}

/** Sums in another order: ONNX Runtime lays convolutions out as the whole graph allows. */
function expectClose(values: number[], expected: number[]): void {
  expect(values).toHaveLength(expected.length);
  for (const [index, value] of values.entries()) expect(value).toBeCloseTo(expected[index] as number, 5);
}

/** The two parts one behind the other must be the whole, for any number of items. */
async function expectSame(model: TrainableGraph, inputs: Record<string, Tensor>) {
  const split = await splitAtFrozen(model);
  if (split === null) throw new Error('not split');
  const { trunk, rest } = split;
  const features = await trunk.run({ inputs });
  const count = Object.values(inputs)[0]?.shape[0] as number;
  const feeds = Object.fromEntries(
    trunk.outputs.map(({ name, shape }) => [name, { shape: [count, ...shape], data: features[name] as Float32Array }]),
  );
  const weights = Object.fromEntries(rest.parameters.map(({ name, data }) => [name, data]));
  const whole = await run(await model.inferenceModel(weights), inputs, model.output);
  expectClose(await run(await rest.inferenceModel(weights), feeds, rest.output), whole);
  // The training form takes weights as inputs.
  rest.graph.output('result', rest.embedding, 'float32', ['items', rest.dimension]);
  const given = rest.parameters.map(({ name, shape, data }) => [name, { shape, data }] as const);
  expectClose(await run(rest.graph.build(), { ...feeds, ...Object.fromEntries(given) }, 'result'), whole);
  await trunk.close();
  return split;
}

test('a network whose last layer is trained: features of its convolutions, and a linear layer', async () => {
  const network = { name: 'convnet', dimension: 8, channels: 1, height: 12, width: 12, seed: 1 } as const;
  const { trunk, rest } = await expectSame(await builtinNetwork(network, 'embedding'), {
    images: noise([5, 1, 12, 12]),
  });
  expect(trunk.outputs).toEqual([{ name: expect.stringMatching(/^Flatten/), shape: [576] }]);
  expect(rest.inputs).toEqual([{ name: trunk.outputs[0]?.name, type: 'float32', shape: [null, 576] }]);
  expect(rest.graph.program.map(({ opType }) => opType)).toEqual(['Gemm']);
  const other = await splitAtFrozen(await builtinNetwork({ ...network, seed: 2 }, 'embedding'));
  expect(trunk.identity).not.toBe(other?.trunk.identity);
  expect(await splitAtFrozen(await builtinNetwork(network, 'all'))).toBeNull();
});

test('a residual past the trained layer, the input itself, and a shape that is taken below the cut', async () => {
  const nodes: NodeSpec[] = [
    ['MatMul', ['x', 'below'], ['a']],
    ['Relu', ['a'], ['features']],
    ['Shape', ['features'], ['size']],
    ['Slice', ['size', 'zero', 'one'], ['items']],
    ['Concat', ['items', 'rest'], ['target'], { axis: 0 }],
    ['MatMul', ['features', 'trained'], ['b']],
    ['Add', ['b', 'x'], ['c']],
    ['Add', ['c', 'a'], ['d']],
    ['Reshape', ['d', 'target'], ['vectors']],
  ];
  const tensors = [
    floats('below', [6, 6]),
    floats('trained', [6, 6]),
    ...['zero', 'one'].map((name, index) => integers(name, [index])),
    integers('rest', [12]),
  ];
  const model = modelOf(18, [2, 6], nodes, tensors);
  const trainable = await makeTrainable(startInMemory('test.onnx', model), 'vectors', ['trained']);
  const { trunk } = await expectSame(trainable, { x: noise([3, 2, 6]) });
  expect(trunk.outputs.map(({ name, shape }) => [name, shape]).toSorted()).toEqual([
    ['a', [2, 6]],
    ['features', [2, 6]],
    ['x', [2, 6]],
  ]);
});
