import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ModelProtoSchema } from '../../src/core/engine/proto/onnx_pb.js';
import { inspect, inspectionLines } from '../../src/core/models/inspect.ts';
import { errorOf, idxBytes, npyBytes, npyTable, onnxModel, temporaryFolder } from '../fixtures/data/make.ts';
import { modelFixture } from './modelFixtures.ts';
import { floats, modelOf, type NodeSpec } from './onnxGraphs.ts';

async function inspected(name: string, content: string | Uint8Array) {
  const file = path.join(temporaryFolder(), name);
  await writeFile(file, content);
  return inspect(file);
}

describe('inspect', () => {
  it('describes the sample checkpoint', async () => {
    const file = fileURLToPath(new URL('../fixtures/sample/old.onnx', import.meta.url));
    const inspection = await inspect(file);
    expect(inspection).toMatchObject({ kind: 'onnx', dimension: 32, audit: { possible: true, as: 'checkpoint' } });
    // conv 1-8, 8-16, 16-16 with bias, linear 144-32 with bias: 80 + 1,168 + 2,320 + 4,640.
    expect(inspection.facts).toContainEqual({ name: 'parameters', value: '8,208' });
    const lines = inspectionLines(inspection);
    expect(lines[0]).toBe(`${file}: ONNX model, 35.4 kB`);
    expect(lines).toContain('  opset       ai.onnx 20');
    expect(lines).toContain('  input       image: float32 [batch, 1, 28, 28]');
    expect(lines).toContain('  batch       dynamic');
    expect(lines).toContain('  images      28 x 28, grey (NCHW)');
    expect(lines.slice(-2)).toEqual(['  Can be audited as a checkpoint.', '  Can be trained.']);
    expect(inspection.facts).toContainEqual({ name: 'trainable', value: '8,208 in 8 weights' });
  });

  it('says what of a model can be trained, and what not', async () => {
    const nodes: NodeSpec[] = [
      ['Conv', ['x', 'filter'], ['a']],
      ['Mod', ['a', 'two'], ['b'], { fmod: 1 }],
      ['Flatten', ['b'], ['c']],
      ['BatchNormalization', ['c', 'scale', 'shift', 'mean', 'variance'], ['d']],
      ['Gemm', ['d', 'weight'], ['vectors']],
    ];
    const vectors = ['scale', 'shift', 'mean', 'variance'].map((name) => floats(name, [64]));
    const tensors = [floats('filter', [1, 1, 1, 1]), floats('two', [], [2]), floats('weight', [64, 3]), ...vectors];
    const bytes = toBinary(ModelProtoSchema, modelOf(17, [1, 8, 8], nodes, tensors));
    const inspection = await inspected('m.onnx', bytes);
    expect(
      inspection.facts.filter(({ name }) => name === 'trainable' || name === 'frozen').map(({ value }) => value),
    ).toEqual([
      '320 in 3 weights',
      '1 tensor: a single number',
      '2 tensors: statistics of a BatchNormalization',
      '1 tensor: no gradient flows to it',
    ]);
    expect(inspection.training).toEqual({
      possible: true,
      reason: 'no gradient flows through the node "node1" (Mod); the operator has no rule.',
      remedy: 'Name what is behind it in "trainable", or use "trainable": "embedding".',
    });
    const fixed = await inspected('m.onnx', onnxModel({ batch: 4 }));
    expect(fixed.training).toMatchObject({ possible: false, reason: expect.stringContaining('exactly 4 items a run') });
    expect(inspectionLines(fixed).at(-1)).toContain('dynamic batch');
  });

  it('says what a model lacks', async () => {
    const fixed = await inspected('m.onnx', onnxModel({ batch: 4 }));
    expect(fixed.facts).toContainEqual({ name: 'batch', value: 'fixed at 4' });
    expect(fixed.notes[0]).toContain('exactly 4 items a run');
    const several = await inspected('m.onnx', onnxModel({ outputs: ['embedding', 'other'] }));
    expect(several.audit).toMatchObject({ possible: false, as: 'checkpoint' });
    expect(several.audit.reason).toContain('several outputs could be the embedding');
    expect(inspectionLines(several).at(-1)).toContain('"output": "embedding"');
    const dynamic = await inspected('m.onnx', onnxModel({ size: 'side' }));
    expect(dynamic.audit.remedy).toContain('"size": [height, width]');
    const broken = await inspected('m.onnx', onnxModel().subarray(0, 50));
    expect(broken.audit).toMatchObject({ possible: false });
    expect(broken.audit.reason).toContain('truncated');
  });

  it('describes models of TensorFlow.js', async () => {
    const layers = await inspect(modelFixture('tfjs/layers/model.json'));
    expect(layers).toMatchObject({
      kind: 'tfjs',
      format: 'TensorFlow.js LayersModel',
      dimension: 16,
      audit: { possible: true, as: 'checkpoint' },
    });
    const lines = inspectionLines(layers);
    expect(lines).toContain('  producer    TensorFlow.js Converter v4.22.0');
    expect(lines).toContain('  input       conv2d_input: float32 [?, 12, 12, 3]');
    expect(lines).toContain('  weights     5.68 kB in 2 files');
    expect(lines).toContain('  images      12 x 12, RGB (NHWC)');
    const graph = await inspect(modelFixture('tfjs/graph/model.json'));
    expect(graph).toMatchObject({ format: 'TensorFlow.js GraphModel', dimension: 16, audit: { possible: true } });
    expect(graph.facts).toContainEqual({ name: 'output', value: 'embedding: float32 [?, 16]' });
    const two = await inspect(modelFixture('tfjs/twoOutputs/model.json'));
    expect(two.audit).toMatchObject({ possible: false, as: 'checkpoint' });
    expect(two.audit.reason).toContain('several outputs could be the embedding');
  });

  it('describes text models, with the tokenizer that it found or missed', async () => {
    const bert = await inspect(modelFixture('bert/onnx/model.onnx'));
    expect(bert).toMatchObject({ kind: 'onnx', dimension: 32, audit: { possible: true, as: 'checkpoint' } });
    expect(bert.facts).toContainEqual({ name: 'texts', value: 'at most 24 tokens' });
    expect(bert.facts).toContainEqual({
      name: 'tokenizer',
      value: expect.stringMatching(/bert.tokenizer\.json$/) as string,
    });
    expect(bert.facts).toContainEqual({ name: 'pooling', value: 'mean' });
    const folder = temporaryFolder();
    await copyFile(modelFixture('bert/onnx/model.onnx'), path.join(folder, 'm.onnx'));
    const alone = await inspect(path.join(folder, 'm.onnx'));
    expect(alone.audit).toMatchObject({ possible: false, as: 'checkpoint' });
    expect(alone.audit.reason).toContain('no tokenizer.json lies beside it or above');
    expect(alone.audit.remedy).toContain('"tokenizer"');
  });

  it('says whether images are prepared as a file beside the model says', async () => {
    const encoder = await inspect(modelFixture('encoder/model.onnx'));
    expect(encoder.notes[0]).toMatch(/^Images are prepared as .*preprocessor_config\.json says\.$/);
    const external = await inspect(modelFixture('external/one/model.onnx'));
    expect(external.notes[0]).toContain('No "mean" and "std" in the config');
    expect(external.facts).toContainEqual({ name: 'external data', value: 'model.onnx.data, 16.8 kB' });
  });

  it('describes vectors, and what is wrong with them', async () => {
    const table = await inspected(
      'v.npy',
      npyTable([
        [0.6, 0.8],
        [1, 0],
      ]),
    );
    expect(table).toMatchObject({ kind: 'npy', count: 2, dimension: 2, audit: { possible: true, as: 'vectors' } });
    expect(table.facts).toContainEqual({ name: 'length', value: 'all 1 (normalised)' });
    expect((await inspected('v.npy', npyTable([[3, 4]]))).facts).toContainEqual({
      name: 'length',
      value: 'not normalised',
    });
    const objects = await inspected('v.npy', npyBytes(new Uint8Array(8), { descr: "'|O'", shape: '(1,)' }));
    expect(objects.audit.reason).toContain('Python objects');
    expect((await inspected('v.npy', npyTable([[Number.NaN, 1]]))).audit.reason).toContain('row 1 with NaN');
  });

  it('describes labels', async () => {
    const labels = await inspected('l.csv', 'id,label,country\na,cat,CH\nb,dog,CH\n');
    expect(labels).toMatchObject({ kind: 'labels', count: 2, classNames: ['cat', 'dog'], audit: { possible: true } });
    const lines = inspectionLines(labels);
    expect(lines).toContain('  classes  2: "cat" and "dog"');
    expect(lines).toContain('  slices   country');
    const one = await inspected('l.csv', 'label\ncat\ncat\n');
    expect(one.audit).toMatchObject({ possible: false, reason: expect.stringContaining('same label') });
    expect((await inspected('l.csv', 'a,b\n1,2\n')).audit.reason).toContain('has no column "label"');
  });

  it('describes IDX files and folders', async () => {
    const images = await inspected('i.idx', idxBytes([2, 1, 3], [1, 2, 3, 4, 5, 6]));
    expect(images).toMatchObject({ kind: 'idx-images', count: 2 });
    expect(images.facts).toContainEqual({ name: 'size', value: '1 x 3, grey' });
    expect(await inspected('l.idx', idxBytes([2], [0, 1]))).toMatchObject({ kind: 'idx-labels', count: 2 });
    const folder = temporaryFolder();
    for (const name of ['cat', 'dog']) {
      await mkdir(path.join(folder, name));
      await writeFile(path.join(folder, name, '1.png'), '');
    }
    expect(await inspect(folder)).toMatchObject({
      kind: 'image-folder',
      count: 2,
      bytes: null,
      audit: { possible: true },
    });
    expect((await inspect(temporaryFolder())).audit).toMatchObject({ possible: false });
  });

  it.each([
    [
      'm.safetensors',
      Buffer.concat([Buffer.from([9, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{"a":{}}  ')]),
      'safetensors',
      'its array "a" has no dtype',
    ],
    ['model.json', '{"format":"layers-model","modelTopology":{}}', 'tfjs', 'neither layers nor a graph'],
    ['v.npz', Buffer.from('PK\x03\x04........a.npy'), 'npz', 'damaged archive'],
    ['v.parquet', Buffer.from('PAR1....'), 'parquet', 'it is too short'],
    ['m.pt', Buffer.from('PK\x03\x04........data.pkl'), 'pytorch', 'cannot be run'],
    ['l.idx.gz', gzipSync('x'), 'other', 'Packed'],
    ['empty.npy', '', 'other', 'is empty'],
    ['notes.txt', 'hello', 'other', 'not recognised'],
    ['a.png', 'x', 'image', 'One image is no dataset'],
  ])('says what is wrong with %s', async (name, content, kind, words) => {
    const inspection = await inspected(name, content);
    expect(inspection.kind).toBe(kind);
    expect(inspection.audit.possible).toBe(false);
    expect(inspection.audit.reason).toContain(words);
    expect(inspection.audit.remedy).not.toBeNull();
  });

  it('recognises a config', async () => {
    expect(await inspected('backcompat.json', '// mine\n{ "pairs": {} }')).toMatchObject({
      kind: 'config',
      audit: { possible: true },
    });
  });

  it('throws only for what is not there', async () => {
    expect((await errorOf(inspect('/no/such/file'))).code).toBe('not-found');
  });
});
