import { cp, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { loadDataset } from '../../src/core/data/loadDataset.ts';
import { GraphBuilder } from '../../src/core/engine/graph.ts';
import {
  type ModelProto,
  ModelProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
} from '../../src/core/engine/proto/onnx_pb.js';
import { embed, openCheckpoint } from '../../src/core/models/checkpoint.ts';
import type { ModelCheckpoint } from '../../src/core/models/modelCheckpoint.ts';
import { errorOf, onnxModel, recordProgress, temporaryFolder } from '../fixtures/data/make.ts';
import { largestDifference, modelFixture, readFixture } from './modelFixtures.ts';

const preprocess = modelFixture('encoder/preprocessor_config.json');
const { vectors } = readFixture<{ vectors: number[][] }>('encoder', 'expected.json');

const open = async (folder: string): Promise<ModelCheckpoint> =>
  (await openCheckpoint('v1', { model: 'model.onnx', preprocess }, folder, { threads: 1 })) as ModelCheckpoint;

async function copied(name: string): Promise<string> {
  const folder = temporaryFolder();
  await cp(modelFixture('external', name), folder, { recursive: true });
  return folder;
}

describe('external data that the onnx package wrote', () => {
  it.each(['one', 'several'])('%s: gives the vectors of the same model in one file', async (name) => {
    const images = await loadDataset({ images: modelFixture('images') }, 'images', '/');
    const checkpoint = await open(modelFixture('external', name));
    const options = { cacheFolder: path.join(temporaryFolder(), 'cache'), progress: recordProgress() };
    const source = await embed(checkpoint, images, options);
    const exact = new Float32Array(source.dimension);
    // The items that are not shrunk.
    for (const item of [0, 2]) {
      await source.read(item, 1, exact);
      expect(largestDifference(exact, [vectors[item] as number[]])).toBeLessThan(1e-4);
    }
    await source.close();
    await checkpoint.close();
  });

  it('a byte of any of the files is another model', async () => {
    const folder = await copied('several');
    const first = await open(folder);
    const hash = await first.contentHash();
    await first.close();
    for (const file of ['0.bias', '6.weight']) {
      const bytes = await readFile(path.join(folder, file));
      bytes[0] = (bytes[0] as number) ^ 1;
      await writeFile(path.join(folder, file), bytes);
      const other = await open(folder);
      expect(await other.contentHash()).not.toBe(hash);
      await other.close();
      bytes[0] = (bytes[0] as number) ^ 1;
      await writeFile(path.join(folder, file), bytes);
    }
    const again = await open(folder);
    expect(await again.contentHash()).toBe(hash);
    await again.close();
  });

  it('a file without a length that became shorter is told before it is loaded', async () => {
    const folder = await copied('several');
    await truncate(path.join(folder, '3.weight'), 3000);
    expect((await errorOf(open(folder))).message).toContain('lies at byte 0 to 3456 of 3.weight, which has 3000 bytes');
  });

  it('a link that leads out of the folder is refused, one inside it is not', async () => {
    const folder = await copied('one');
    const data = path.join(folder, 'model.onnx.data');
    await rename(data, path.join(folder, 'elsewhere'));
    await symlink('elsewhere', data);
    await (await open(folder)).close();
    const outside = path.join(temporaryFolder(), 'w');
    await rename(path.join(folder, 'elsewhere'), outside);
    await rm(data);
    await symlink(outside, data);
    const error = await errorOf(open(folder));
    expect(error).toMatchObject({ code: 'bad-file' });
    expect(error.message).toContain("leaves the model's folder");
  });
});

describe('weights of another size than they declare', () => {
  async function edited(edit: (model: ModelProto) => void, bytes = onnxModel()): Promise<string> {
    const folder = temporaryFolder();
    const model = fromBinary(ModelProtoSchema, bytes);
    edit(model);
    await writeFile(path.join(folder, 'model.onnx'), toBinary(ModelProtoSchema, model));
    return folder;
  }
  const weightOf = (model: ModelProto) => {
    const [weight] = model.graph?.initializer ?? [];
    if (weight === undefined) throw new Error('no weight');
    return weight;
  };

  it.each([
    ['of 1e12 numbers', { dims: [1000000n, 1000000n] }, '4000000000000 bytes, and has 32'],
    ['of a negative size', { dims: [-4n, -2n] }, 'declares [-4, -2]'],
    ['that are cut', { rawData: new Uint8Array(31) }, '32 bytes, and has 31'],
    ['that are missing', { rawData: new Uint8Array(0) }, '32 bytes, and has 0'],
    ['of a wider type', { dataType: TensorProto_DataType.DOUBLE }, '64 bytes, and has 32'],
  ])('refuses weights %s', async (_, change, words) => {
    const error = await errorOf(open(await edited((model) => Object.assign(weightOf(model), change))));
    expect(error).toMatchObject({ code: 'bad-file' });
    expect(error.message).toContain(words);
  });

  it('takes values that lie in a field of their type', async () => {
    const folder = await edited((model) => {
      const { name, dims, dataType, rawData } = weightOf(model);
      const floatData = [...new Float32Array(Uint8Array.from(rawData).buffer)];
      model.graph?.initializer.splice(0, 1, create(TensorProtoSchema, { name, dims, dataType, floatData }));
    });
    const checkpoint = await openCheckpoint('v1', { model: 'model.onnx' }, folder, { threads: 1 });
    expect(checkpoint.dimension).toBe(2);
    await checkpoint.close();
  });

  it('refuses a node that is asked for 1e12 numbers', async () => {
    const graph = new GraphBuilder('large');
    const image = graph.input('image', 'float32', ['batch', 1, 2, 2]);
    const large = graph.node('ConstantOfShape', [graph.int64s([1_000_000, 1_000_000])]);
    const sum = graph.node('Add', [graph.node('Flatten', [image], { axis: 1 }), graph.node('ReduceMax', [large])]);
    graph.output('embedding', sum, 'float32', ['batch', 4]);
    const error = await errorOf(open(await edited(() => {}, graph.build())));
    expect(error.message).toMatch(/the node "ConstantOfShape_\d+" makes a tensor of 1000000000000 numbers/);
  });

  it('refuses a window that no image fills', async () => {
    const folder = await edited(
      (model) => {
        const pads = model.graph?.node.flatMap(({ attribute }) => attribute).find(({ name }) => name === 'pads');
        if (pads) pads.ints[3] = 1_000_000n;
      },
      await readFile(modelFixture('encoder/model.onnx')),
    );
    expect((await errorOf(open(folder))).message).toContain('the node "node_conv2d" has "pads" of [1, 1, 1, 1000000]');
  });
});
