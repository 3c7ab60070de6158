import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import type { CheckpointDefinition } from '../../src/core/config/schema.ts';
import { loadDataset } from '../../src/core/data/loadDataset.ts';
import { openNpy } from '../../src/core/data/npy.ts';
import { GraphBuilder } from '../../src/core/engine/graph.ts';
import {
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType,
} from '../../src/core/engine/proto/onnx_pb.js';
import type { Signature } from '../../src/core/engine/session.ts';
import { embed, openCheckpoint } from '../../src/core/models/checkpoint.ts';
import { fingerprintOf } from '../../src/core/models/fingerprint.ts';
import { resolveImageModel } from '../../src/core/models/imageModel.ts';
import {
  errorOf,
  idxBytes,
  type ModelOptions,
  onnxModel,
  recordProgress,
  temporaryFolder,
} from '../fixtures/data/make.ts';

async function folderWithModel(options: ModelOptions = {}): Promise<string> {
  const folder = temporaryFolder();
  await writeFile(path.join(folder, 'm.onnx'), onnxModel(options));
  return folder;
}

const open = (folder: string, definition: Partial<Extract<CheckpointDefinition, { model: string }>> = {}) =>
  openCheckpoint('v1', { model: 'm.onnx', ...definition }, folder, { threads: 1 });

/** Five items of 2 x 2 pixels with the values 51 i + (0, 51, 102, 0): a fifth each. */
async function fiveItems(folder: string, values = [0, 1, 2, 3, 4].flatMap((i) => [51 * i, 51, 102, 0])) {
  await writeFile(path.join(folder, 'i.idx'), idxBytes([5, 2, 2], values));
  await writeFile(path.join(folder, 'l.idx'), idxBytes([5], [0, 1, 0, 1, 0]));
  return loadDataset({ idx: { images: 'i.idx', labels: 'l.idx' } }, 'items', folder);
}

async function rowsOf(source: Awaited<ReturnType<typeof embed>>): Promise<number[][]> {
  const values = new Float32Array(source.count * source.dimension);
  await source.read(0, source.count, values);
  await source.close();
  return Array.from({ length: source.count }, (_, row) =>
    Array.from(values.subarray(row * source.dimension, (row + 1) * source.dimension), (value) =>
      Number(value.toFixed(4)),
    ),
  );
}

/** Pixels / 255 times [[1, 2], [3, 4], [5, 6], [7, 8]] by hand: i / 5 (1, 2) + (3, 4) / 5 + 2 (5, 6) / 5. */
const expectedRows = [0, 1, 2, 3, 4].map((i) => [
  Number((i / 5 + 13 / 5).toFixed(4)),
  Number(((2 * i) / 5 + 16 / 5).toFixed(4)),
]);

describe('embed with an ONNX model', () => {
  it('gives the vectors, whatever the batch, and keeps them by content', async () => {
    const folder = await folderWithModel();
    const items = await fiveItems(folder);
    const checkpoint = await open(folder);
    expect(checkpoint).toMatchObject({ kind: 'onnx', name: 'v1', path: 'm.onnx', dimension: 2 });
    expect(checkpoint.notes).toEqual(['No "mean" and "std" in the config: pixels are divided by 255, nothing else.']);
    for (const batchSize of [1, 2, 5, 64]) {
      const cacheFolder = path.join(folder, `cache-${batchSize}`);
      const progress = recordProgress();
      const vectors = await embed(checkpoint, items, { cacheFolder, batchSize, progress });
      expect(vectors).toMatchObject({ name: 'v1 on items', count: 5, dimension: 2 });
      expect(await rowsOf(vectors)).toEqual(expectedRows);
      expect(progress.updates.at(-1)).toEqual([5, 5]);
      expect(progress.updates).toHaveLength(Math.ceil(5 / batchSize));

      const files = await readdir(cacheFolder);
      expect(files).toHaveLength(1);
      const again = recordProgress();
      expect(await rowsOf(await embed(checkpoint, items, { cacheFolder, progress: again }))).toEqual(expectedRows);
      expect(again.lines).toEqual(['info v1 on items: vectors taken from the cache.']);
      expect(await readdir(cacheFolder)).toEqual(files);
    }
    await checkpoint.close();
  });

  it('keeps other content, another model and other preprocessing apart', async () => {
    const folder = await folderWithModel();
    const cacheFolder = path.join(folder, 'cache');
    const progress = recordProgress();
    const use = async (definition: Parameters<typeof open>[1], items: Awaited<ReturnType<typeof fiveItems>>) => {
      const checkpoint = await open(folder, definition);
      await (await embed(checkpoint, items, { cacheFolder, progress })).close();
      await checkpoint.close();
      return (await readdir(cacheFolder)).length;
    };
    const items = await fiveItems(folder);
    expect(await use({}, items)).toBe(1);
    expect(await use({ preprocess: { mean: [0.25] } }, items)).toBe(2);
    expect(await use({ preprocess: { mean: [0.25], std: [1] } }, items)).toBe(2);
    await writeFile(
      path.join(folder, 'm.onnx'),
      onnxModel({ weights: Float32Array.from({ length: 8 }, (_, i) => i + 2) }),
    );
    expect(await use({}, items)).toBe(3);
    const other = await fiveItems(
      folder,
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
    expect(await use({}, other)).toBe(4);
  });

  it('computes again what is damaged in the cache', async () => {
    const folder = await folderWithModel();
    const items = await fiveItems(folder);
    const checkpoint = await open(folder);
    const cacheFolder = path.join(folder, 'cache');
    await (await embed(checkpoint, items, { cacheFolder, progress: recordProgress() })).close();
    const [name] = await readdir(cacheFolder);
    const file = path.join(cacheFolder, name as string);
    const whole = await readFile(file);
    const zeros = Buffer.concat([whole.subarray(0, -40), Buffer.alloc(40)]);
    for (const damaged of [Buffer.alloc(0), whole.subarray(0, -1), Buffer.from('garbage'), zeros]) {
      await writeFile(file, damaged);
      const progress = recordProgress();
      expect(await rowsOf(await embed(checkpoint, items, { cacheFolder, progress }))).toEqual(expectedRows);
      expect(progress.lines[0]).toMatch(/^warning A cached file is damaged/);
      expect(await readFile(file)).toEqual(whole);
    }
    await checkpoint.close();
  });

  it('leaves nothing behind when it is cancelled, or an image cannot be read', async () => {
    const folder = await folderWithModel();
    const items = await fiveItems(folder);
    const checkpoint = await open(folder);
    const cacheFolder = path.join(folder, 'cache');
    const controller = new AbortController();
    const progress = recordProgress();
    const cancelling = { ...progress, update: (done: number) => done === 2 && controller.abort() };
    const options = { cacheFolder, batchSize: 1, signal: controller.signal };
    expect((await errorOf(embed(checkpoint, items, { ...options, progress: cancelling as never }))).code).toBe(
      'cancelled',
    );
    expect(await readdir(cacheFolder)).toEqual([]);

    const images = path.join(folder, 'classes/a');
    await mkdir(images, { recursive: true });
    await writeFile(path.join(images, '1.png'), 'no image');
    const broken = await loadDataset({ images: 'classes' }, 'broken', folder);
    const error = await errorOf(embed(checkpoint, broken, { cacheFolder, progress }));
    expect(error.message).toContain('1.png');
    expect(await readdir(cacheFolder)).toEqual([]);
    await checkpoint.close();
  });

  it('pads the last batch of a model with a fixed batch', async () => {
    const folder = await folderWithModel({ batch: 3 });
    const items = await fiveItems(folder);
    const checkpoint = await open(folder);
    expect(checkpoint.notes[0]).toBe('The model takes exactly 3 items a run (exported without a dynamic batch).');
    const progress = recordProgress();
    const vectors = await embed(checkpoint, items, {
      cacheFolder: path.join(folder, 'cache'),
      batchSize: 64,
      progress,
    });
    expect(await rowsOf(vectors)).toEqual(expectedRows);
    expect(progress.updates).toEqual([
      [3, 5],
      [5, 5],
    ]);
    await checkpoint.close();
  });

  it('names the item whose vector is not finite or zero', async () => {
    const folder = await folderWithModel();
    const items = await fiveItems(folder, [...Array(12).fill(9), 0, 0, 0, 0, ...Array(4).fill(9)]);
    const checkpoint = await open(folder);
    const error = await errorOf(
      embed(checkpoint, items, { cacheFolder: path.join(folder, 'c'), progress: recordProgress() }),
    );
    expect(error).toMatchObject({ code: 'bad-data', place: { row: 4 } });
    expect(error.message).toBe('Model "v1" gives zeros only for item "items/3".');
    await checkpoint.close();
    await writeFile(path.join(folder, 'm.onnx'), onnxModel({ weights: new Float32Array(8).fill(3e38) }));
    const overflowing = await open(folder);
    const bright = await fiveItems(folder, Array(20).fill(255));
    const work = embed(overflowing, bright, { cacheFolder: path.join(folder, 'c'), progress: recordProgress() });
    expect((await errorOf(work)).message).toBe(
      'Model "v1" gives NaN or infinite values for item "items/0" (and 4 more of its batch).',
    );
    await overflowing.close();
  });

  it('feeds and reads half precision', async () => {
    const graph = new GraphBuilder('half');
    const image = graph.input('image', 'float32', ['batch', 1, 2, 2]);
    const flat = graph.node('Flatten', [graph.node('Cast', [image], { to: 1 })], { axis: 1 });
    const weights = graph.constant(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), [4, 2]);
    const vectors = graph.node('Cast', [graph.node('MatMul', [flat, weights])], { to: 10 });
    graph.output('embedding', vectors, 'float32', ['batch', 2]);
    const model = fromBinary(ModelProtoSchema, graph.build());
    for (const { type } of [...(model.graph?.input ?? []), ...(model.graph?.output ?? [])]) {
      if (type?.value.case === 'tensorType') type.value.value.elemType = TensorProto_DataType.FLOAT16;
    }
    const folder = temporaryFolder();
    await writeFile(path.join(folder, 'm.onnx'), toBinary(ModelProtoSchema, model));
    const items = await fiveItems(folder);
    const checkpoint = await open(folder);
    const rows = await rowsOf(await embed(checkpoint, items, { cacheFolder: folder, progress: recordProgress() }));
    rows.flat().forEach((value, index) => {
      // 11 bits of fraction.
      expect(Math.abs(value / (expectedRows.flat()[index] as number) - 1)).toBeLessThan(2 ** -10);
    });
    await checkpoint.close();
  });

  it('refuses items without images', async () => {
    const folder = await folderWithModel();
    await writeFile(path.join(folder, 'g.csv'), 'label\na\nb\n');
    const items = await loadDataset({ items: 'g.csv' }, 'stored', folder);
    const checkpoint = await open(folder);
    const error = await errorOf(embed(checkpoint, items, { cacheFolder: folder, progress: recordProgress() }));
    expect(error.message).toBe('stored has no images, so the model "v1" cannot embed it.');
    await checkpoint.close();
  });

  it('reproduces the vectors of the sample checkpoint', async () => {
    const folder = temporaryFolder();
    const sample = fileURLToPath(new URL('../fixtures/sample/old.onnx', import.meta.url));
    await writeFile(
      path.join(folder, 'i.idx'),
      idxBytes(
        [1, 28, 28],
        Array.from({ length: 784 }, (_, i) => (i * 37) % 256),
      ),
    );
    await writeFile(path.join(folder, 'l.idx'), idxBytes([1], [0]));
    const items = await loadDataset({ idx: { images: 'i.idx', labels: 'l.idx' } }, 'one', folder);
    const definition = { model: sample, preprocess: { mean: [0.5], std: [0.5] } };
    const checkpoint = await openCheckpoint('old', definition, '/', { threads: 1 });
    expect(checkpoint.dimension).toBe(32);
    expect(checkpoint.notes).toEqual([]);
    const vectors = await embed(checkpoint, items, { cacheFolder: path.join(folder, 'c'), progress: recordProgress() });
    const { InferenceSession, Tensor } = await import('onnxruntime-node');
    const session = await InferenceSession.create(sample);
    const input = Float32Array.from({ length: 784 }, (_, i) => (((i * 37) % 256) / 255 - 0.5) / 0.5);
    const { embedding } = await session.run({ image: new Tensor('float32', input, [1, 1, 28, 28]) });
    const expected = (embedding as ort.Tensor).data as Float32Array;
    const [row] = await rowsOf(vectors);
    row?.forEach((value, index) => {
      expect(value).toBeCloseTo(expected[index] as number, 3);
    });
    await session.release();
    await checkpoint.close();
  });
});

describe('openCheckpoint with a model', () => {
  it.each([
    ['no ONNX file', Buffer.from('hello'), 'bad-file', 'is not an ONNX model'],
    ['half a file', onnxModel().subarray(0, 100), 'bad-file', 'is not an ONNX model, or it is truncated (100 bytes)'],
    ['an empty file', Buffer.alloc(0), 'bad-file', 'is not an ONNX model'],
  ])('refuses %s', async (_, bytes, code, words) => {
    const folder = temporaryFolder();
    await writeFile(path.join(folder, 'm.onnx'), bytes);
    const error = await errorOf(open(folder));
    expect(error.message).toContain(words);
    expect(error.message).toContain('m.onnx');
    expect(error).toMatchObject({ code });
    expect(error.remedy).not.toBeNull();
  });

  it('names a missing model', async () => {
    expect((await errorOf(open(temporaryFolder()))).code).toBe('not-found');
    expect((await errorOf(open(temporaryFolder(), { model: 'model.json' }))).code).toBe('not-found');
  });

  it('lists the outputs when several could be the embedding, and takes the one that is named', async () => {
    const folder = await folderWithModel({ outputs: ['map', 'embedding', 'other'] });
    const error = await errorOf(open(folder));
    expect(error.code).toBe('bad-model');
    expect(error.message).toContain(
      'several outputs could be the embedding: embedding: float32 [batch, 2]; other: float32 [batch, 2]',
    );
    expect(error.remedy).toBe('Choose one in the config: "output": "embedding".');
    const items = await fiveItems(folder);
    const other = await open(folder, { output: 'other' });
    const vectors = await embed(other, items, { cacheFolder: path.join(folder, 'c'), progress: recordProgress() });
    expect((await rowsOf(vectors))[0]).toEqual([5.2, 6.4]);
    await other.close();
    const unknown = await errorOf(open(folder, { output: 'othr' }));
    expect(unknown.remedy).toBe('Did you mean "other"?');
    expect((await errorOf(open(folder, { output: 'map' }))).message).toContain('not one vector an item');
  });

  it('takes the only two-dimensional output without being told', async () => {
    const checkpoint = await open(await folderWithModel({ outputs: ['map', 'embedding'] }));
    expect(checkpoint.dimension).toBe(2);
    await checkpoint.close();
  });

  it('asks for the size and channels that the model leaves open, and refuses those it does not take', async () => {
    const open_ = await errorOf(open(await folderWithModel({ size: 'side' })));
    expect(open_).toMatchObject({
      code: 'bad-model',
      remedy: 'Add "preprocess": { "size": [height, width] } to the checkpoint.',
    });
    expect(open_.message).toContain('image: float32 [batch, 1, side, side]');
    const folder = await folderWithModel({ size: 'side' });
    const given = await open(folder, { preprocess: { size: [2, 2] } });
    expect(given.dimension).toBe(2);
    await given.close();
    expect((await errorOf(open(folder, { preprocess: { size: [3, 3] } }))).message).toContain(
      'fails on 8 images of [1, 3, 3]',
    );
    expect((await errorOf(open(await folderWithModel({ channels: 'c' })))).remedy).toContain('"channels": 1 or 3');
    expect((await errorOf(open(await folderWithModel(), { preprocess: { size: [4, 2] } }))).message).toContain(
      'the config says height 4, the model takes 2',
    );
    expect((await errorOf(open(await folderWithModel(), { preprocess: { channels: 3 } }))).message).toContain(
      'the config says number of channels 3, the model takes 1',
    );
    expect((await errorOf(open(await folderWithModel({ channels: 5 })))).message).toContain('images have 1 or 3');
    expect((await errorOf(open(await folderWithModel(), { preprocess: { mean: [1, 2, 3] } }))).message).toContain(
      '"mean" has 3 numbers',
    );
  });

  it('says why ONNX Runtime refuses a model', async () => {
    const folder = temporaryFolder();
    const model = fromBinary(ModelProtoSchema, onnxModel());
    const [node] = model.graph?.node ?? [];
    if (node) node.opType = 'NoSuchOperator';
    await writeFile(path.join(folder, 'm.onnx'), toBinary(ModelProtoSchema, model));
    const error = await errorOf(open(folder));
    expect(error.code).toBe('bad-model');
    expect(error.message).toContain('cannot be loaded by ONNX Runtime');
    expect(error.message).toContain('NoSuchOperator');
    expect(error.message).not.toContain('\n');
  });
});

describe('external data', () => {
  async function modelWithWeightsIn(location: string, extra: Record<string, string> = {}) {
    const folder = temporaryFolder();
    const model = fromBinary(ModelProtoSchema, onnxModel());
    const weights = model.graph?.initializer[0];
    if (weights === undefined) throw new Error('no weights');
    const raw = weights.rawData;
    weights.rawData = new Uint8Array(0);
    weights.dataLocation = TensorProto_DataLocation.EXTERNAL;
    weights.externalData = Object.entries({ location, offset: '0', length: String(raw.length), ...extra }).map(
      ([key, value]) => create(StringStringEntryProtoSchema, { key, value }),
    );
    await writeFile(path.join(folder, 'm.onnx'), toBinary(ModelProtoSchema, model));
    return { folder, raw };
  }

  it('loads weights that lie beside the model, and counts them into its content', async () => {
    const { folder, raw } = await modelWithWeightsIn('m.onnx.data');
    await writeFile(path.join(folder, 'm.onnx.data'), raw);
    const items = await fiveItems(folder);
    const checkpoint = await open(folder);
    const vectors = await embed(checkpoint, items, { cacheFolder: path.join(folder, 'c'), progress: recordProgress() });
    expect(await rowsOf(vectors)).toEqual(expectedRows);
    await checkpoint.close();
    const twice = Float32Array.from(new Float32Array(Uint8Array.from(raw).buffer), (value) => 2 * value);
    await writeFile(path.join(folder, 'm.onnx.data'), new Uint8Array(twice.buffer));
    const other = await open(folder);
    expect(await other.fingerprint()).not.toBe(await checkpoint.fingerprint());
    const doubled = await embed(other, items, { cacheFolder: path.join(folder, 'c'), progress: recordProgress() });
    expect((await rowsOf(doubled))[0]).toEqual([5.2, 6.4]);
    await other.close();
  });

  it.each(['../weights.bin', '/etc/hostname', 'a/../../weights.bin', 'C:\\weights.bin', '..\\weights.bin', '', '.'])(
    'refuses %j before anything is loaded',
    async (location) => {
      const { folder } = await modelWithWeightsIn(location);
      const error = await errorOf(open(folder));
      expect(error).toMatchObject({ code: 'bad-file' });
      expect(error.message).toContain("leaves the model's folder");
    },
  );

  it('names weights that are missing or cut', async () => {
    const { folder, raw } = await modelWithWeightsIn('m.onnx.data');
    const missing = await errorOf(open(folder));
    expect(missing).toMatchObject({ code: 'not-found' });
    expect(missing.message).toContain('keeps weights in m.onnx.data, which does not exist');
    await writeFile(path.join(folder, 'm.onnx.data'), raw);
    await truncate(path.join(folder, 'm.onnx.data'), raw.length - 1);
    expect((await errorOf(open(folder))).message).toContain('lies at byte 0 to 32 of m.onnx.data, which has 31 bytes');
    const far = await modelWithWeightsIn('m.onnx.data', { offset: '99999999999999999999' });
    await writeFile(path.join(far.folder, 'm.onnx.data'), raw);
    expect((await errorOf(open(far.folder))).code).toBe('bad-file');
  });
});

describe('resolveImageModel', () => {
  const output: Signature[] = [{ name: 'e', type: 'float32', shape: ['n', 512] }];
  const input = (shape: Signature['shape'], type = 'float32'): Signature[] => [{ name: 'x', type, shape }];

  it('recognises channels first and channels last', () => {
    const first = resolveImageModel(input(['n', 3, 224, 160]), output, { file: 'm' });
    expect(first.preprocessing).toEqual({
      height: 224,
      width: 160,
      channels: 3,
      mean: [0, 0, 0],
      std: [1, 1, 1],
      resize: 'crop',
      layout: 'nchw',
    });
    const last = resolveImageModel(input([null, 224, 160, 3]), output, {
      file: 'm',
      preprocess: { mean: [0.5], std: [1, 2, 3] },
    });
    expect(last.preprocessing).toMatchObject({
      height: 224,
      width: 160,
      channels: 3,
      layout: 'nhwc',
      mean: [0.5, 0.5, 0.5],
      std: [1, 2, 3],
    });
    expect(last.fixedBatch).toBeNull();
  });

  it('takes [batch, d, 1, 1] and half precision for an embedding', () => {
    const outputs: Signature[] = [
      { name: 'map', type: 'float32', shape: ['n', 512, 7, 7] },
      { name: 'pooled', type: 'float16', shape: ['n', 512, 1, 1] },
      { name: 'ids', type: 'int64', shape: ['n', 5] },
    ];
    expect(resolveImageModel(input(['n', 3, 8, 8], 'float16'), outputs, { file: 'm' })).toMatchObject({
      output: 'pooled',
      inputType: 'float16',
    });
  });

  it.each([
    [
      'text models',
      [
        { name: 'input_ids', type: 'int64', shape: ['n', 's'] },
        { name: 'mask', type: 'int64', shape: ['n', 's'] },
      ],
      'one image input is needed',
    ],
    ['byte inputs', input(['n', 3, 8, 8], 'uint8'), 'a float image [batch, channels, height, width] is needed'],
    ['flat inputs', input(['n', 784]), 'a float image'],
    ['no inputs', [], 'the model takes nothing'],
  ])('refuses %s', async (_, inputs, words) => {
    const error = await errorOf(() => resolveImageModel(inputs as Signature[], output, { file: 'm.onnx' }));
    expect(error).toMatchObject({ code: 'bad-model' });
    expect(error.message).toContain(words);
  });

  it('refuses a model that gives no vector', async () => {
    const outputs: Signature[] = [{ name: 'map', type: 'float32', shape: ['n', 512, 7, 7] }];
    const error = await errorOf(() => resolveImageModel(input(['n', 3, 8, 8]), outputs, { file: 'm.onnx' }));
    expect(error.message).toContain(
      'none of the outputs is one vector an item; the model gives map: float32 [n, 512, 7, 7]',
    );
  });
});

describe('fingerprintOf', () => {
  const vectors = Float32Array.from({ length: 8 * 32 }, (_, index) => Math.sin(index * index));

  it('does not see rounding, but a change of one percent, of scale, or of order', () => {
    const reference = fingerprintOf(vectors, 32);
    expect(reference).toMatch(/^[0-9a-f]{64}$/);
    expect(
      fingerprintOf(
        vectors.map((value, index) => value * (1 + 1e-6 * Math.cos(index))),
        32,
      ),
    ).toBe(reference);
    expect(
      fingerprintOf(
        vectors.map((value, index) => value * (1 + 0.05 * Math.cos(index))),
        32,
      ),
    ).not.toBe(reference);
    expect(
      fingerprintOf(
        vectors.map((value) => 2 * value),
        32,
      ),
    ).not.toBe(reference);
    expect(fingerprintOf(vectors.slice().reverse(), 32)).not.toBe(reference);
    expect(fingerprintOf(vectors, 64)).not.toBe(reference);
  });

  it('survives differences of 1e-6 for nearly all models', () => {
    // 100 random models; rounding every component instead would change most of these.
    let same = 0;
    for (let model = 1; model <= 100; model++) {
      const values = Float32Array.from({ length: 8 * 128 }, (_, index) => Math.sin((index + 1) * model * 1.37));
      const other = values.map((value, index) => value + 1e-6 * Math.sin(index + model));
      if (fingerprintOf(values, 128) === fingerprintOf(other, 128)) same++;
    }
    expect(same).toBeGreaterThanOrEqual(95);
  });

  it('is the same for the same model, and another for another preprocessing', async () => {
    const folder = await folderWithModel();
    const prints: string[] = [];
    for (const preprocess of [{}, {}, { mean: [0.5], std: [0.5] }]) {
      const checkpoint = await open(folder, { preprocess });
      prints.push(await checkpoint.fingerprint());
      await checkpoint.close();
    }
    expect(prints[0]).toBe(prints[1]);
    expect(prints[2]).not.toBe(prints[0]);
    const fixed = await open(await folderWithModel({ batch: 3 }));
    expect(await fixed.fingerprint()).toBe(prints[0]);
    await fixed.close();
  });
});

it('the cache file is a plain npy table', async () => {
  const folder = await folderWithModel();
  const items = await fiveItems(folder);
  const checkpoint = await open(folder);
  const cacheFolder = path.join(folder, 'cache');
  await (await embed(checkpoint, items, { cacheFolder, progress: recordProgress() })).close();
  const [name] = await readdir(cacheFolder);
  expect(name).toMatch(/^[0-9a-f]{64}\.npy$/);
  const source = await openNpy(path.join(cacheFolder, name as string));
  expect([source.count, source.dimension]).toEqual([5, 2]);
  await source.close();
  await checkpoint.close();
});
