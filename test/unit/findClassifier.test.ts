import { expect, test } from 'vitest';
import { classifierOf } from '../../src/core/models/trainable/findClassifier.ts';
import { startInMemory } from '../../src/core/models/trainable/startModel.ts';
import { floats, modelOf, type NodeSpec } from './onnxGraphs.ts';

const rows = [1, 2, 3, 4, 5, 6];

function find(nodes: NodeSpec[], tensors: ReturnType<typeof floats>[], output = 'embedding') {
  return classifierOf(startInMemory('test.onnx', modelOf(17, [4], nodes, tensors)), output);
}
const layer: NodeSpec = ['MatMul', ['x', 'w'], ['embedding']];
const weight = floats('w', [4, 2]);

test('a Gemm of three classes behind the embedding', async () => {
  const found = await find(
    [layer, ['Gemm', ['embedding', 'head', 'bias'], ['logits'], { transB: 1 }], ['Softmax', ['logits'], ['vectors']]],
    [weight, floats('head', [3, 2], rows), floats('bias', [3], [7, 8, 9])],
  );
  expect(found).toEqual({
    name: 'node1',
    classes: 3,
    dimension: 2,
    rows: Float32Array.from(rows),
    bias: Float32Array.of(7, 8, 9),
    unitVectors: false,
    scale: 1,
  });
});

test('a MatMul keeps its rows as columns, its bias in an Add, its scale in a Mul', async () => {
  const found = await find(
    [
      layer,
      ['MatMul', ['embedding', 'head'], ['products']],
      ['Add', ['bias', 'products'], ['shifted']],
      ['Mul', ['shifted', 'scale'], ['vectors']],
    ],
    [weight, floats('head', [2, 3], rows), floats('bias', [3], [7, 8, 9]), floats('scale', [], [30])],
  );
  expect(found?.rows).toEqual(Float32Array.of(1, 4, 2, 5, 3, 6));
  // 30 (x . row + 7) is 30 x . row + 210.
  expect(found).toMatchObject({ classes: 3, dimension: 2, scale: 30, bias: Float32Array.of(210, 240, 270) });
  const before = await find(
    [
      layer,
      ['Gemm', ['embedding', 'head', 'bias'], ['products'], { alpha: { float: 2 }, beta: { float: 3 } }],
      ['Mul', ['products', 'scale'], ['vectors']],
    ],
    [weight, floats('head', [2, 3], rows), floats('bias', [3], [7, 8, 9]), floats('scale', [], [10])],
  );
  expect(before).toMatchObject({ scale: 20, bias: Float32Array.of(210, 240, 270) });
});

const norm: NodeSpec[] = [
  ['ReduceL2', ['embedding'], ['length'], { axes: [1] }],
  ['Clip', ['length', 'floor'], ['guarded']],
  ['Div', ['embedding', 'guarded'], ['unit']],
];
const tensors = [weight, floats('floor', [], [1e-12]), floats('head', [2, 3], rows), floats('t', [], [0.05])];

test('vectors that are brought to unit length before the classifier, and a temperature', async () => {
  const found = await find(
    [layer, ...norm, ['MatMul', ['unit', 'head'], ['products']], ['Div', ['products', 't'], ['vectors']]],
    tensors,
  );
  expect(found).toMatchObject({ classes: 3, unitVectors: true });
  expect(found?.scale).toBeCloseTo(20, 5);
});

test('an output of unit vectors whose classifier reads them, or reads what they were made from', async () => {
  const onUnit: NodeSpec = ['MatMul', ['unit', 'head'], ['vectors']];
  expect(await find([layer, ...norm, onUnit], tensors, 'unit')).toMatchObject({ unitVectors: true });
  const onRaw: NodeSpec = ['MatMul', ['embedding', 'head'], ['vectors']];
  expect(await find([layer, ...norm, onRaw], tensors, 'unit')).toMatchObject({ unitVectors: false });
});

test('no classifier: nothing follows, or another layer does', async () => {
  expect(await find([layer], [weight])).toBeNull();
  const deeper: NodeSpec[] = [
    layer,
    ['MatMul', ['embedding', 'head'], ['hidden']],
    ['Relu', ['hidden'], ['active']],
    ['MatMul', ['active', 'last'], ['vectors']],
  ];
  expect(await find(deeper, [...tensors, floats('last', [3, 5])])).toBeNull();
});
