import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createImageDecoder, type Preprocessing } from '../../src/core/data/decodeImage.ts';
import { loadDataset } from '../../src/core/data/loadDataset.ts';
import { embed, openCheckpoint } from '../../src/core/models/checkpoint.ts';
import { readPreprocessorConfig } from '../../src/core/models/preprocessorConfig.ts';
import { errorOf, onnxModel, recordProgress, temporaryFolder } from '../fixtures/data/make.ts';
import { largestDifference, modelFixture, readFixture } from './modelFixtures.ts';

const SIDE = 12;
const VALUES = 3 * SIDE * SIDE;
/** As the dataset orders them: one has the model's size, two are larger, one smaller. */
const items = ['images/a/exact.png', 'images/a/wide.png', 'images/b/small.png', 'images/b/tall.png'];

async function settingsOf(config: unknown) {
  const file = path.join(temporaryFolder(), 'preprocessor_config.json');
  await writeFile(file, typeof config === 'string' ? config : JSON.stringify(config));
  return readPreprocessorConfig(file);
}

/** Our pixels and the reference's of each image, in steps of one 255th of the range of pixels. */
async function differences(name: string): Promise<{ mean: number; largest: number }[]> {
  const settings = await readPreprocessorConfig(modelFixture('imageProcessors', `${name}.json`));
  const { mean = [0], std = [1], scale = 1 / 255, resize = 'fill', kernel } = settings;
  const three = (values: readonly number[]) => [0, 1, 2].map((channel) => (values[channel] ?? values[0]) as number);
  const preprocessing: Preprocessing = {
    height: SIDE,
    width: SIDE,
    channels: 3,
    mean: three(mean),
    std: three(std),
    scale,
    resize,
    kernel,
    layout: 'nchw',
  };
  const images = await loadDataset({ images: modelFixture('images') }, 'images', '/');
  expect(images.ids).toEqual(items);
  if (images.images === null) throw new Error('no images');
  const decoder = createImageDecoder(images.images, preprocessing);
  const ours = new Float32Array(4 * VALUES);
  await decoder.decode([0, 1, 2, 3], ours);
  await decoder.close();
  const raw = readFileSync(modelFixture('imageProcessors', `${name}.npy`));
  const reference = new Float32Array(new Uint8Array(raw.subarray(-4 * 4 * VALUES)).buffer);
  return items.map((_, item) => {
    let sum = 0;
    let largest = 0;
    for (let i = 0; i < VALUES; i++) {
      const channel = Math.floor(i / (SIDE * SIDE));
      const step = scale / (three(std)[channel] as number);
      const at = item * VALUES + i;
      const difference = Math.abs((ours[at] as number) - (reference[at] as number)) / step;
      sum += difference;
      largest = Math.max(largest, difference);
    }
    return { mean: sum / VALUES, largest };
  });
}

describe('images prepared as Hugging Face does', () => {
  it.each([
    // Shrunk by libvips: other weights at the outermost pixels, rounded differently elsewhere.
    ['clip', 0.3, 1],
    ['vit', 1, 6],
    ['lanczos', 0.8, 3],
    ['nearest', 0, 0],
  ])('%s: the same pixels, and shrunk ones as near as the libraries are', async (name, mean, largest) => {
    const [exact, wide, small, tall] = await differences(name);
    // Left as they are or enlarged: equal. 1e-4 of a step is float32.
    for (const same of [exact, small]) expect(same?.largest).toBeLessThan(1e-3);
    for (const shrunk of [wide, tall]) {
      expect(shrunk?.mean).toBeLessThanOrEqual(mean + 1e-3);
      expect(shrunk?.largest).toBeLessThanOrEqual(largest + 1e-3);
    }
  });

  it('an encoder with that file beside it gives the vectors of PyTorch', async () => {
    const images = await loadDataset({ images: modelFixture('images') }, 'images', '/');
    const checkpoint = await openCheckpoint('v1', { model: modelFixture('encoder/model.onnx') }, '/', { threads: 1 });
    expect(checkpoint.notes[0]).toMatch(/^Images are prepared as .*preprocessor_config\.json says\.$/);
    const options = { cacheFolder: path.join(temporaryFolder(), 'cache'), progress: recordProgress() };
    const source = await embed(checkpoint, images, options);
    const ours = new Float32Array(4 * source.dimension);
    await source.read(0, 4, ours);
    await source.close();
    await checkpoint.close();
    const { vectors } = readFixture<{ vectors: number[][] }>('encoder', 'expected.json');
    const row = (item: number) => ours.subarray(item * source.dimension, (item + 1) * source.dimension);
    for (const same of [0, 2]) expect(largestDifference(row(same), [vectors[same] as number[]])).toBeLessThan(1e-4);
    // One grey level of 255 here and there.
    for (const shrunk of [1, 3])
      expect(largestDifference(row(shrunk), [vectors[shrunk] as number[]])).toBeLessThan(0.01);
  });
});

describe('readPreprocessorConfig', () => {
  it('takes the ways in which sizes are written', async () => {
    const plain = { mean: [0], std: [1], scale: 1 / 255, kernel: 'linear' };
    expect(await settingsOf({ size: 224 })).toEqual({
      ...plain,
      size: [224, 224],
      resize: { height: 224, width: 224 },
    });
    expect(await settingsOf({ size: 256, crop_size: 224, resample: 3 })).toEqual({
      ...plain,
      kernel: 'cubic',
      size: [224, 224],
      resize: { shortest: 256 },
    });
    expect(
      await settingsOf({ size: { shortest_edge: 256 }, do_center_crop: true, crop_size: { height: 224, width: 192 } }),
    ).toMatchObject({ size: [224, 192], resize: { shortest: 256 } });
    expect(await settingsOf({ size: { height: 8, width: 9 }, crop_size: 4, do_center_crop: false })).toMatchObject({
      size: [8, 9],
      resize: { height: 8, width: 9 },
    });
    // ConvNeXT: 224 / 0.875 = 256, then cut; from 384 on stretched.
    expect(await settingsOf({ size: { shortest_edge: 224 }, crop_pct: 0.875 })).toMatchObject({
      size: [224, 224],
      resize: { shortest: 256 },
    });
    expect(await settingsOf({ size: { shortest_edge: 384 }, crop_pct: 0.875 })).toMatchObject({
      size: [384, 384],
      resize: { height: 384, width: 384 },
    });
    expect(await settingsOf({ do_resize: false, size: 8, do_rescale: false, do_normalize: false })).toEqual({
      resize: 'none',
      scale: 1,
      mean: [0],
      std: [1],
    });
  });

  it.each([
    [{ size: { longest_edge: 224 } }, '"size" is {"longest_edge":224}, neither'],
    [{ size: { shortest_edge: 224 } }, '"crop_size" is missing'],
    [{ size: 224, resample: 5 }, '"resample" is 5'],
    [{ size: 224, do_flip_channel_order: true }, '"do_flip_channel_order" is true, a step that is not supported'],
    [{ size: 224, do_pad: true }, '"do_pad"'],
    [{ size: 224, do_rescale: 'yes' }, '"do_rescale" is "yes", not true or false'],
    [{ size: 224, rescale_factor: 0 }, '"rescale_factor" is 0'],
    [{ size: 224, image_mean: [0.5, 0.5], image_std: [1] }, '"image_mean" is [0.5,0.5]'],
    [{ size: 224, image_mean: [0.5], image_std: [0] }, '"image_std" is [0]'],
    [{ do_center_crop: true, size: 224 }, '"crop_size" is missing'],
    [{ size: 1e9 }, '"size" is 1000000000'],
    ['[1]', 'is not a JSON object'],
    ['{', 'is not a JSON object'],
  ])('refuses %j and names the key', async (config, words) => {
    const error = await errorOf(settingsOf(config));
    expect(error).toMatchObject({ code: 'bad-file' });
    expect(error.message).toContain(words);
    expect(error.message).toContain('preprocessor_config.json');
    expect(error.remedy).not.toBeNull();
  });

  it('is named in the config, found above the model, and gives way to what the config says', async () => {
    const folder = temporaryFolder();
    await mkdir(path.join(folder, 'onnx'));
    await writeFile(path.join(folder, 'onnx/m.onnx'), onnxModel({ size: 'side' }));
    const open = (preprocess?: string | { size: [number, number] }) =>
      openCheckpoint('v1', { model: 'onnx/m.onnx', preprocess }, folder, { threads: 1 });
    expect((await errorOf(open())).message).toContain('the config does not say it');
    await writeFile(path.join(folder, 'other.json'), '{"size":2}');
    await (await open('other.json')).close();
    expect((await errorOf(open('gone.json'))).code).toBe('not-found');
    await writeFile(path.join(folder, 'preprocessor_config.json'), '{"size":3}');
    expect((await errorOf(open())).message).toContain('fails on 8 images of [1, 3, 3]');
    await (await open({ size: [2, 2] })).close();
    await writeFile(path.join(folder, 'onnx/m.onnx'), onnxModel());
    expect((await errorOf(open())).message).toMatch(/preprocessor_config\.json says height 3, the model takes 2/);
  });

  it('refuses a model that takes more items a run than anybody exports', async () => {
    const folder = temporaryFolder();
    await writeFile(path.join(folder, 'm.onnx'), onnxModel({ batch: 1025 }));
    const error = await errorOf(openCheckpoint('v1', { model: 'm.onnx' }, folder, { threads: 1 }));
    expect(error).toMatchObject({ code: 'bad-model' });
    expect(error.message).toContain('takes exactly 1025 items a run, more than 1024');
  });
});
