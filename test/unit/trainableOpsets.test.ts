import { toBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { ModelProtoSchema, type TensorProto } from '../../src/core/engine/proto/onnx_pb.js';
import { createSession, type Tensor } from '../../src/core/engine/session.ts';
import { makeTrainable } from '../../src/core/models/trainable/makeTrainable.ts';
import { startInMemory } from '../../src/core/models/trainable/startModel.ts';
import { floats, modelOf, type NodeSpec } from './onnxGraphs.ts';

/** Operators whose meaning or attributes changed, as files of an older opset have them. */
const cases: Record<
  string,
  [opset: number, shape: number[], width: number, nodes: NodeSpec[], tensors?: TensorProto[]]
> = {
  'Squeeze and Unsqueeze with attributes': [
    11,
    [6],
    6,
    [
      ['Unsqueeze', ['x'], ['a'], { axes: [1, 3] }],
      ['Squeeze', ['a'], ['features'], { axes: [1, 3] }],
    ],
  ],
  'Split with sizes': [11, [6], 4, [['Split', ['x'], ['features', 'rest'], { axis: 1, split: [4, 2] }]]],
  'Split into equal parts': [13, [6], 3, [['Split', ['x'], ['features', 'rest'], { axis: 1 }]]],
  'ReduceSum with attributes': [11, [6, 3], 6, [['ReduceSum', ['x'], ['features'], { axes: [2], keepdims: 0 }]]],
  'ReduceMean with attributes': [17, [6, 3], 6, [['ReduceMean', ['x'], ['features'], { axes: [-1], keepdims: 0 }]]],
  'ReduceL2 over everything behind the batch': [
    13,
    [6, 3],
    18,
    [
      ['ReduceL2', ['x'], ['a'], { axes: [1, 2], keepdims: 1 }],
      ['Div', ['x', 'a'], ['b']],
      ['Flatten', ['b'], ['features']],
    ],
  ],
  'Softmax over the last axis': [11, [6], 6, [['Softmax', ['x'], ['features'], { axis: 1 }]]],
  'Softmax over several axes': [
    11,
    [6, 3],
    18,
    [
      ['Softmax', ['x'], ['a']],
      ['Flatten', ['a'], ['features']],
    ],
  ],
  'LogSoftmax over several axes': [
    12,
    [6, 3],
    18,
    [
      ['LogSoftmax', ['x'], ['a'], { axis: 1 }],
      ['Flatten', ['a'], ['features']],
    ],
  ],
  'Clip with attributes': [9, [6], 6, [['Clip', ['x'], ['features'], { min: { float: -0.5 }, max: { float: 0.5 } }]]],
  'Clip without a lower bound': [11, [6], 6, [['Clip', ['x', '', 'top'], ['features']]], [floats('top', [], [0.25])]],
  'Pad with attributes': [9, [6], 9, [['Pad', ['x'], ['features'], { pads: [0, 1, 0, 2], value: { float: 0.5 } }]]],
  'Slice with attributes': [9, [6], 4, [['Slice', ['x'], ['features'], { starts: [1], ends: [5], axes: [1] }]]],
  'Dropout with a ratio': [11, [6], 6, [['Dropout', ['x'], ['features'], { ratio: { float: 0.5 } }]]],
  'Identity of the input': [13, [6], 6, [['Identity', ['x'], ['features']]]],
  'BatchNormalization of opset 9': [
    9,
    [6],
    6,
    [['BatchNormalization', ['x', 's', 'b', 'm', 'v'], ['features'], { momentum: { float: 0.9 } }]],
    [floats('s', [6]), floats('b', [6]), floats('m', [6]), floats('v', [6], [0.5, 1, 2, 3, 4, 5])],
  ],
  'BatchNormalization of opset 15': [
    15,
    [6],
    6,
    [['BatchNormalization', ['x', 's', 'b', 'm', 'v'], ['features'], { training_mode: 0 }]],
    [floats('s', [6]), floats('b', [6]), floats('m', [6]), floats('v', [6], [0.5, 1, 2, 3, 4, 5])],
  ],
  'GroupNormalization that scales groups': [
    18,
    [6, 4],
    24,
    [
      ['GroupNormalization', ['x', 's', 'b'], ['a'], { num_groups: 3 }],
      ['Flatten', ['a'], ['features']],
    ],
    [floats('s', [3]), floats('b', [3])],
  ],
  'Upsampled to twice the size': [
    11,
    [1, 4, 4],
    64,
    [
      ['Resize', ['x', 'roi', 'scales'], ['a'], { mode: 'linear', coordinate_transformation_mode: 'align_corners' }],
      ['Flatten', ['a'], ['features']],
    ],
    [floats('roi', [0]), floats('scales', [4], [1, 1, 2, 2])],
  ],
  'Constants of every kind': [
    13,
    [6],
    6,
    [
      ['Constant', [], ['two'], { value_float: { float: 2 } }],
      ['Constant', [], ['shape'], { value_ints: [-1, 3] }],
      ['Constant', [], ['back'], { value_ints: [-1, 6] }],
      ['Mul', ['x', 'two'], ['a']],
      ['Reshape', ['a', 'shape'], ['b']],
      ['Reshape', ['b', 'back'], ['features']],
    ],
  ],
};

/** Attention of one operator, in all its forms. */
const attention = (attributes: NonNullable<NodeSpec[3]>, more: string[] = [], tensors: TensorProto[] = []) =>
  [
    23,
    [5, 12],
    40,
    [
      ['MatMul', ['x', 'wq'], ['q']],
      ['MatMul', ['x', 'wk'], ['k']],
      ['MatMul', ['x', 'wv'], ['v']],
      ['Attention', ['q', 'k', 'v', ...more], ['a'], attributes],
      ['Flatten', ['a'], ['features']],
    ],
    [
      floats('wq', [12, 8]),
      floats('wk', [12, attributes.kv_num_heads === 1 ? 2 : 8]),
      floats('wv', [12, attributes.kv_num_heads === 1 ? 2 : 8]),
      ...tensors,
    ],
  ] as (typeof cases)[string];
Object.assign(cases, {
  Attention: attention({ q_num_heads: 4, kv_num_heads: 4 }),
  'causal Attention with a scale': attention({ q_num_heads: 4, kv_num_heads: 4, is_causal: 1, scale: { float: 0.3 } }),
  'Attention with an additive mask': attention(
    { q_num_heads: 2, kv_num_heads: 2 },
    ['mask'],
    [floats('mask', [5, 5], [0, -1, 0.5, -20, 0, 2])],
  ),
  'Attention with shared keys': attention({ q_num_heads: 4, kv_num_heads: 1 }),
  'Attention with a soft cap': attention({ q_num_heads: 4, kv_num_heads: 4, softcap: { float: 1.5 } }),
});

describe('older and newer opsets become one vocabulary', () => {
  test.each(Object.entries(cases))('%s', async (_, [opset, shape, width, nodes, tensors = []]) => {
    const whole: NodeSpec[] = [...nodes, ['Gemm', ['features', 'weight', 'bias'], ['vectors']]];
    const model = modelOf(opset, shape, whole, [...tensors, floats('weight', [width, 3]), floats('bias', [3])]);
    const trainable = await makeTrainable(startInMemory('test.onnx', model), 'vectors', 'all');
    expect(trainable.graph.opset).toBe(Math.max(21, opset));
    const x = inputs(shape);
    const before = await run(toBinary(ModelProtoSchema, model), { x });
    trainable.graph.output('result', trainable.embedding, 'float32', ['batch', 3]);
    const weights = trainable.parameters.map(({ name, shape: dims, data }) => [name, { shape: dims, data }] as const);
    const after = await run(trainable.graph.build(), { x, ...Object.fromEntries(weights) });
    const expected = before.vectors as Tensor;
    expect(after.result?.shape).toEqual(expected.shape);
    for (const [index, value] of expected.data.entries()) {
      // Both in float32, sums in another order.
      expect(after.result?.data[index]).toBeCloseTo(Number(value), 5);
    }
  });
});

function inputs(shape: number[]): Tensor {
  const count = 2 * shape.reduce((product, size) => product * size, 1);
  return { shape: [2, ...shape], data: Float32Array.from({ length: count }, (_, index) => Math.sin(3 * index + 1)) };
}

async function run(bytes: Uint8Array, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const session = await createSession(bytes);
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}
