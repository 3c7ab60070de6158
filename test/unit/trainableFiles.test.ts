import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterAll, describe, expect, test } from 'vitest';
import { valueInfo } from '../../src/core/engine/graph.ts';
import { readOnnxModel } from '../../src/core/engine/onnxModel.ts';
import {
  type ModelProto,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType,
  TensorShapeProto_DimensionSchema,
} from '../../src/core/engine/proto/onnx_pb.js';
import { createSession, type Tensor } from '../../src/core/engine/session.ts';
import { openTrainable } from '../../src/core/models/trainable/openTrainable.ts';
import { floats, integers, modelOf, type NodeSpec } from './onnxGraphs.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-trainable-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
/** Writes a model into a folder of its own. */
function written(model: ModelProto): string {
  const file = path.join(folder, `model${files++}.onnx`);
  writeFileSync(file, toBinary(ModelProtoSchema, model));
  return file;
}

async function vectorsOf(file: string | Uint8Array, x: Tensor): Promise<Float32Array> {
  const session = await createSession(file);
  try {
    return (await session.run({ x }, ['vectors'])).vectors?.data as Float32Array;
  } finally {
    await session.release();
  }
}

const x: Tensor = { shape: [2, 4], data: Float32Array.from({ length: 8 }, (_, index) => Math.cos(index)) };

/** Two layers with a norm each, whose scales an exporter merged; another output that reads one of them, too. */
function twoNorms(): ModelProto {
  const nodes: NodeSpec[] = [
    ['MatMul', ['x', 'first'], ['a']],
    ['Identity', ['scale'], ['scale_again']],
    ['LayerNormalization', ['a', 'scale', 'shift'], ['b']],
    ['MatMul', ['b', 'second'], ['c']],
    ['LayerNormalization', ['c', 'scale_again', 'shift'], ['vectors']],
    ['Mul', ['vectors', 'scale'], ['other']],
  ];
  const ones = floats('scale', [4], [1]);
  return modelOf(17, [4], nodes, [floats('first', [4, 4]), floats('second', [4, 4]), ones, floats('shift', [4])]);
}

describe('untying', () => {
  test('a tensor of one number gets a copy for each use; one of several numbers was tied and stays so', async () => {
    const graph = await openTrainable(written(twoNorms()), 'vectors', 'all');
    expect(graph.parameters.map(({ name }) => name)).toEqual(['first', 'second', 'scale', 'scale#2', 'shift']);
    expect(graph.notes).toEqual([
      '"scale" was merged by the exporter; each use gets a weight of its own.',
      '"shift" is used several times and stays one weight.',
    ]);
    await graph.close();
  });

  test('the written file has the copies, and what lies outside the trained part keeps the old one', async () => {
    const graph = await openTrainable(written(twoNorms()), 'vectors', 'all');
    const weights = Object.fromEntries(graph.parameters.map(({ name, data }) => [name, data]));
    const changed = { ...weights, scale: Float32Array.of(2, 2, 2, 2), 'scale#2': Float32Array.of(3, 3, 3, 3) };
    const file = await graph.write(path.join(folder, 'untied'), changed);
    const model = await readOnnxModel(file);
    const readers = model.graph?.node.filter(({ input }) => input.some((name) => name.startsWith('scale')));
    expect(readers?.map(({ opType, input }) => [opType, input[1] ?? input[0]])).toEqual([
      ['Identity', 'scale'],
      ['LayerNormalization', 'scale'],
      ['LayerNormalization', 'scale#2'],
      ['Mul', 'scale#unchanged'],
    ]);
    const kept = model.graph?.initializer.find(({ name }) => name === 'scale#unchanged');
    expect(new Float32Array(new Uint8Array(kept?.rawData ?? []).buffer)).toEqual(Float32Array.of(1, 1, 1, 1));
    const result = await vectorsOf(file, x);
    expect(Array.from(result)).toEqual(Array.from(await vectorsOf(await graph.inferenceModel(changed), x)));
    // The last norm multiplies by 3 what it multiplied by 1, and adds the same; so does a file with equal copies of 1.
    const shift = weights.shift as Float32Array;
    const before = await vectorsOf(
      await graph.inferenceModel({ ...changed, 'scale#2': Float32Array.of(1, 1, 1, 1) }),
      x,
    );
    for (const [index, value] of result.entries()) {
      const added = shift[index % 4] as number;
      expect(value).toBeCloseTo(3 * ((before[index] as number) - added) + added, 4);
    }
    await graph.close();
  });
});

test('equal tensors of different numbers are one weight, and are written alike', async () => {
  const nodes: NodeSpec[] = [
    ['MatMul', ['x', 'one'], ['a']],
    ['MatMul', ['a', 'two'], ['vectors']],
  ];
  const values = Array.from({ length: 16 }, (_, index) => Math.sin(index));
  const graph = await openTrainable(
    written(modelOf(17, [4], nodes, [floats('one', [4, 4], values), floats('two', [4, 4], values)])),
    'vectors',
    'all',
  );
  expect(graph.parameters.map(({ name }) => name)).toEqual(['one']);
  const one = Float32Array.from(values, (value) => value + 1);
  const model = await readOnnxModel(await graph.write(path.join(folder, 'twins'), { one }));
  for (const { rawData } of model.graph?.initializer ?? []) {
    expect(new Float32Array(new Uint8Array(rawData).buffer)).toEqual(one);
  }
  await graph.close();
});

describe('vectors of tokens', () => {
  const nodes: NodeSpec[] = [
    ['Cast', ['mask'], ['kept'], { to: 1 }],
    ['ReduceMean', ['kept'], ['share'], { keepdims: 0 }],
    ['MatMul', ['x', 'w'], ['a']],
    ['Mul', ['a', 'share'], ['vectors']],
  ];
  const model = modelOf(17, [3, 4], nodes, [floats('w', [4, 2])]);
  model.graph?.input.push(valueInfo('mask', 'int64', ['batch', 3]));
  const file = written(model);
  const tokens: Tensor = { shape: [2, 3, 4], data: Float32Array.from({ length: 24 }, (_, index) => Math.cos(index)) };
  const mask: Tensor = { shape: [2, 3], data: BigInt64Array.of(1n, 1n, 0n, 1n, 0n, 0n) };

  test.each(['mean', 'cls'] as const)('are pooled for training, and written as they came: %s', async (kind) => {
    const graph = await openTrainable(file, 'vectors', 'all', { kind, mask: 'mask' });
    expect(graph.dimension).toBe(2);
    const w = graph.parameters[0]?.data as Float32Array;
    const outside = await createSession(await graph.write(path.join(folder, kind), { w }));
    const apart = (await outside.run({ x: tokens, mask })).vectors as Tensor;
    expect(apart.shape).toEqual([2, 3, 2]);
    const at = (text: number, token: number, k: number) => Number(apart.data[(text * 3 + token) * 2 + k]);
    const first = [at(0, 0, 0), at(0, 0, 1), at(1, 0, 0), at(1, 0, 1)];
    // The first text has two tokens of its own, the second one.
    const mean = [(at(0, 0, 0) + at(0, 1, 0)) / 2, (at(0, 0, 1) + at(0, 1, 1)) / 2, at(1, 0, 0), at(1, 0, 1)];
    const inference = await createSession(await graph.inferenceModel({ w }));
    const pooled = (await inference.run({ x: tokens, mask }, [graph.output]))[graph.output] as Tensor;
    expect(pooled.shape).toEqual([2, 2]);
    graph.graph.output('result', graph.embedding, 'float32', ['n', 2]);
    const training = await createSession(graph.graph.build());
    const trained = (await training.run({ x: tokens, mask, w: { shape: [4, 2], data: w } })).result as Tensor;
    for (const [index, value] of (kind === 'cls' ? first : mean).entries()) {
      expect(pooled.data[index]).toBeCloseTo(value, 5);
      expect(trained.data[index]).toBeCloseTo(value, 5);
    }
    await graph.close();
  });
});

describe('which floats are weights', () => {
  const reasons = async (nodes: NodeSpec[], tensors: ReturnType<typeof floats>[], shape = [4]) => {
    const graph = await openTrainable(written(modelOf(18, shape, nodes, tensors)), 'vectors', 'all');
    const found = Object.fromEntries<string | null>(graph.parameters.map(({ name }) => [name, null]));
    for (const { name, reason } of graph.frozen) found[name] = reason;
    await graph.close();
    return found;
  };

  test('what prepares the input, masks, statistics, single numbers and tables of angles are not', async () => {
    const nodes: NodeSpec[] = [
      ['Sub', ['x', 'mean'], ['a']],
      ['Mul', ['a', 'inverse'], ['b']],
      ['MatMul', ['b', 'w'], ['c']],
      ['Add', ['c', 'bias'], ['d']],
      ['Add', ['d', 'mask'], ['e']],
      ['Mul', ['e', 'factor'], ['f']],
      ['Mul', ['f', 'rope.sin'], ['g']],
      ['BatchNormalization', ['g', 'scale', 'shift', 'm', 'v'], ['vectors']],
    ];
    expect(
      await reasons(nodes, [
        floats('mean', [4]),
        floats('inverse', [4]),
        floats('w', [4, 3]),
        floats('bias', [3]),
        floats('mask', [3], [0, -1e9, 0]),
        floats('factor', [], [0.5]),
        floats('rope.sin', [3]),
        floats('scale', [3]),
        floats('shift', [3]),
        floats('m', [3]),
        floats('v', [3], [1, 2, 3]),
      ]),
    ).toEqual({
      mean: 'read by Sub',
      inverse: 'prepares the input',
      w: null,
      bias: null,
      mask: 'a mask',
      factor: 'a single number',
      'rope.sin': 'a table of angles or a mask, by its name',
      scale: null,
      shift: null,
      m: 'statistics of a BatchNormalization',
      v: 'statistics of a BatchNormalization',
    });
  });

  test('weights behind changes of shape and constant arithmetic are: a class token, the exponent of GeM', async () => {
    const nodes: NodeSpec[] = [
      ['MatMul', ['x', 'w'], ['a']],
      ['Unsqueeze', ['token', 'axis'], ['row']],
      ['Shape', ['x'], ['n'], { start: 0, end: 1 }],
      ['Concat', ['n', 'rest'], ['target'], { axis: 0 }],
      ['Expand', ['row', 'target'], ['tokens']],
      ['Concat', ['tokens', 'a'], ['all'], { axis: 1 }],
      ['Abs', ['all'], ['b']],
      ['Pow', ['b', 'p'], ['c']],
      ['Reciprocal', ['p'], ['inverse']],
      ['ReduceMean', ['c', 'axes'], ['d'], { keepdims: 0 }],
      ['Pow', ['d', 'inverse'], ['vectors']],
    ];
    const tensors = [
      floats('w', [4, 4]),
      floats('token', [1, 4]),
      floats('p', [1], [3]),
      integers('axis', [0]),
      integers('rest', [1, 4]),
      integers('axes', [1]),
    ];
    expect(await reasons(nodes, tensors, [3, 4])).toEqual({ w: null, token: null, p: null });
  });
});

describe('what is trained', () => {
  const deep = () =>
    modelOf(
      17,
      [4],
      [
        ['MatMul', ['x', 'layer1.0.weight'], ['a']],
        ['Relu', ['a'], ['b']],
        ['MatMul', ['b', 'layer1.1.weight'], ['c']],
        ['MatMul', ['c', 'onnx::MatMul_9'], ['d']],
        ['Add', ['d', 'head.bias'], ['vectors']],
      ],
      ['layer1.0.weight', 'layer1.1.weight', 'onnx::MatMul_9']
        .map((name) => floats(name, [4, 4]))
        .concat(floats('head.bias', [4])),
    );
  const chosen = async (trainable: 'embedding' | string[]) => {
    const graph = await openTrainable(written(deep()), 'vectors', trainable);
    const names = graph.parameters.map(({ name }) => name);
    expect(graph.frozen.every(({ reason }) => reason === 'left out by `trainable`')).toBe(true);
    expect(names.length + graph.frozen.length).toBe(4);
    await graph.close();
    return names;
  };

  test('the embedding layer: the last linear one and what is behind it', async () => {
    expect(await chosen('embedding')).toEqual(['onnx::MatMul_9', 'head.bias']);
  });
  test('patterns over weights and nodes, whole or up to a dot', async () => {
    expect(await chosen(['layer1'])).toEqual(['layer1.0.weight', 'layer1.1.weight']);
    expect(await chosen(['*.0.*', 'node3'])).toEqual(['layer1.0.weight', 'onnx::MatMul_9']);
    expect(await chosen(['head.bia?'])).toEqual(['head.bias']);
  });
  test('a pattern that matches nothing names what is near', async () => {
    await expect(chosen(['layer2'])).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringContaining('"layer2" matches no weight'),
      remedy: expect.stringContaining('layer1'),
    });
    await expect(chosen(['bias*'])).rejects.toMatchObject({ remedy: 'Weights are near it "head.bias".' });
  });
});

describe('external data', () => {
  /** The model with its large weights in one file, in reverse order and with a gap, as an exporter might. */
  function outside(): string {
    const model = twoNorms();
    model.producerVersion = '1.2';
    model.metadataProps = [create(StringStringEntryProtoSchema, { key: 'licence', value: 'mine' })];
    const data = Buffer.alloc(4096, 7);
    for (const [name, offset] of [
      ['second', 1024],
      ['first', 2048],
    ] as const) {
      const tensor = model.graph?.initializer.find((entry) => entry.name === name);
      if (!tensor) continue;
      data.set(tensor.rawData, offset);
      tensor.rawData = new Uint8Array(0);
      tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
      tensor.externalData = [
        ['location', 'weights.bin'],
        ['offset', String(offset)],
        ['length', '64'],
      ].map(([key, value]) => create(StringStringEntryProtoSchema, { key, value }));
    }
    const file = written(model);
    writeFileSync(path.join(path.dirname(file), 'weights.bin'), data);
    return file;
  }

  test('goes out as it came in: the same places, names, metadata and opset, with new weights', async () => {
    const file = outside();
    const graph = await openTrainable(file, 'vectors', ['first']);
    expect(graph.parameters.map(({ name }) => name)).toEqual(['first']);
    const first = Float32Array.from({ length: 16 }, (_, index) => index / 16);
    const target = path.join(folder, 'outside');
    const result = await graph.write(target, { first });
    const before = await readOnnxModel(file);
    const after = await readOnnxModel(result);
    expect(statSync(`${result}.data`).size).toBe(4096);
    const data = readFileSync(`${result}.data`);
    expect(new Float32Array(new Uint8Array(data.subarray(2048, 2112)).buffer)).toEqual(first);
    const old = readFileSync(path.join(path.dirname(file), 'weights.bin'));
    expect(data.subarray(0, 2048)).toEqual(old.subarray(0, 2048));
    expect(data.subarray(2112)).toEqual(old.subarray(2112));
    expect(after.metadataProps).toEqual(before.metadataProps);
    expect([after.producerName, after.producerVersion, after.irVersion]).toEqual(['test', '1.2', 7n]);
    expect(after.opsetImport).toEqual(before.opsetImport);
    expect(after.graph?.input).toEqual(before.graph?.input);
    expect(after.graph?.output).toEqual(before.graph?.output);
    const expected = await vectorsOf(await graph.inferenceModel({ first }), x);
    expect(Array.from(await vectorsOf(result, x))).toEqual(Array.from(expected));
    expect(Array.from(expected)).not.toEqual(Array.from(await vectorsOf(file, x)));
    await graph.close();
  });

  test('a file that ends early is told before anything is loaded', async () => {
    const file = outside();
    writeFileSync(path.join(path.dirname(file), 'weights.bin'), Buffer.alloc(2050));
    await expect(openTrainable(file, 'vectors', 'all')).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('"first" lies at byte 2048 to 2112 of weights.bin, which has 2050 bytes'),
    });
  });
});

describe('what cannot be trained is said', () => {
  const nodes: NodeSpec[] = [['MatMul', ['x', 'w'], ['vectors']]];
  const refusal = (model: ModelProto, output = 'vectors') =>
    openTrainable(written(model), output, 'all').then(
      () => null,
      (error: { code: string; message: string; remedy: string }) => error,
    );

  test('a fixed batch', async () => {
    const model = modelOf(17, [4], nodes, [floats('w', [4, 3])]);
    const type = model.graph?.input[0]?.type?.value;
    if (type?.case === 'tensorType' && type.value.shape) {
      type.value.shape.dim[0] = create(TensorShapeProto_DimensionSchema, { value: { case: 'dimValue', value: 1n } });
    }
    expect(await refusal(model)).toMatchObject({
      code: 'bad-model',
      message: expect.stringContaining('exactly 1 item a run'),
    });
  });
  test('half precision, double precision and quantised weights', async () => {
    const half = floats('w', [4, 3]);
    half.dataType = TensorProto_DataType.FLOAT16;
    half.rawData = new Uint8Array(24);
    expect((await refusal(modelOf(17, [4], nodes, [half])))?.message).toMatch(/"w" has half precision \(float16\)/);
    const double = floats('w', [4, 3]);
    double.dataType = TensorProto_DataType.DOUBLE;
    double.rawData = new Uint8Array(96);
    expect((await refusal(modelOf(17, [4], nodes, [double])))?.message).toMatch(/"w" is of float64 numbers/);
    const quantised: NodeSpec[] = [['DynamicQuantizeLinear', ['x'], ['q', 's', 'z']], ...nodes];
    quantised.push(['DequantizeLinear', ['q', 's', 'z'], ['vectors']]);
    const model = modelOf(
      17,
      [4],
      quantised.filter(([name]) => name !== 'MatMul'),
      [],
    );
    expect((await refusal(model))?.message).toMatch(/quantised \("node0" \(DynamicQuantizeLinear\)\)/);
  });
  test('another output, an old opset, tokens instead of a vector, no weights', async () => {
    const weights = [floats('w', [4, 3])];
    expect((await refusal(modelOf(17, [4], nodes, weights), 'logits'))?.message).toMatch(
      /no output "logits"; it has "vectors"/,
    );
    expect((await refusal(modelOf(7, [4], nodes, weights)))?.message).toMatch(/opset 7, older than 9/);
    expect((await refusal(modelOf(17, [5, 4], nodes, weights)))?.message).toMatch(
      /shape \[\?, 5, 3\], not one vector an item/,
    );
    expect((await refusal(modelOf(17, [4], [['Relu', ['x'], ['vectors']]], [])))?.message).toMatch(
      /none of its float tensors/,
    );
  });
  test('a model that does not run', async () => {
    const broken: NodeSpec[] = [
      ['Reshape', ['x', 'shape'], ['a']],
      ['MatMul', ['a', 'w'], ['vectors']],
    ];
    const model = modelOf(17, [4], broken, [floats('w', [4, 3]), integers('shape', [1, 4])]);
    expect(await refusal(model)).toMatchObject({ message: expect.stringContaining('does not run on made-up inputs') });
  });
  test('damaged bytes', async () => {
    const bytes = toBinary(ModelProtoSchema, modelOf(17, [4], nodes, [floats('w', [4, 3])]));
    const file = path.join(folder, 'damaged.onnx');
    for (const length of [0, 10, bytes.length >> 1, bytes.length - 3]) {
      writeFileSync(file, bytes.subarray(0, length));
      await expect(openTrainable(file, 'vectors', 'all')).rejects.toMatchObject({ code: 'bad-file' });
    }
    await expect(openTrainable(path.join(folder, 'none.onnx'), 'vectors', 'all')).rejects.toMatchObject({
      code: 'not-found',
    });
  });
});
