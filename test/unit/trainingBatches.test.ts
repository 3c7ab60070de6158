import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildBundle } from '../../scripts/build.mjs';
import type { Preprocessing } from '../../src/core/data/decodeImage.ts';
import type { ImageSource, ItemSet } from '../../src/core/data/itemSet.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import type { Augmentation, BatchSourceOptions } from '../../src/core/training/data/batchSource.ts';
import { checkpointInputs } from '../../src/core/training/data/checkpointInputs.ts';
import { classIndices } from '../../src/core/training/data/classIndices.ts';
import { createBatchSource } from '../../src/core/training/data/createBatchSource.ts';
import { embedInOrder } from '../../src/core/training/data/embedInOrder.ts';
import { createPixelLoader } from '../../src/core/training/data/pixelLoader.ts';
import { bundledPixelWorker, startPixelThread } from '../../src/core/training/data/pixelThread.ts';
import type { TrainingBatch } from '../../src/core/training/trainer.ts';
import { errorOf, idxBytes, temporaryFolder } from '../fixtures/data/make.ts';

const COUNT = 22;
const folder = fileURLToPath(new URL('../../test-output/pixelWorker/', import.meta.url));
const workerFile = path.join(folder, 'pixelWorker.js');
const digits = path.join(folder, 'digits.idx');
const preprocessing: Preprocessing = {
  height: 6,
  width: 8,
  channels: 3,
  mean: [0.4, 0.5, 0.6],
  std: [0.2, 0.25, 0.3],
  resize: 'fill',
  layout: 'nchw',
};
const strong: Augmentation = { crop: 0.25, flip: true, colour: 0.3 };
const random = createRandom(0, 'batches');
const pixels = Array.from({ length: COUNT * 48 }, () => random.integer(256));

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  await buildBundle('pixelWorker', { outdir: folder });
  writeFileSync(digits, idxBytes([COUNT, 6, 8], pixels));
  for (let item = 0; item < COUNT; item += 2) {
    const colours = Uint8Array.from({ length: 12 * 10 * 3 }, () => random.integer(256));
    await sharp(colours, { raw: { width: 12, height: 10, channels: 3 } }).toFile(path.join(folder, `${item}.png`));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Odd items lie in an IDX file and are grey, even ones are files in colour. */
function sourceOf(item: number): ImageSource {
  if (item % 2 === 0) return { kind: 'file', path: path.join(folder, `${item}.png`) };
  return { kind: 'raw', path: digits, offset: 16 + item * 48, width: 8, height: 6 };
}

function itemsOf(count = COUNT): ItemSet {
  return {
    name: 'pictures/train',
    count,
    ids: Array.from({ length: count }, (_, item) => `item-${item}`),
    labelOf: Int32Array.from({ length: count }, (_, item) => item % 3),
    classNames: ['a', 'b', 'c'],
    slices: new Map(),
    images: { source: sourceOf },
  };
}

function options(
  changes: Partial<BatchSourceOptions> = {},
  augmentation: Augmentation | null = strong,
): BatchSourceOptions {
  const { images } = itemsOf();
  if (images === null) throw new Error('no images');
  return {
    inputs: { kind: 'images', input: 'image', images, preprocessing, augmentation },
    fields: {},
    batchSize: 4,
    seed: 11,
    itemsPerClass: null,
    workerFile: null,
    ...changes,
  };
}

async function collect(batches: AsyncIterable<TrainingBatch>): Promise<TrainingBatch[]> {
  const all: TrainingBatch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

async function epochOf(given: BatchSourceOptions, epoch: number, position = 0): Promise<TrainingBatch[]> {
  const source = createBatchSource(itemsOf(), given);
  try {
    return await collect(source.batches(epoch, position));
  } finally {
    await source.close();
  }
}

describe('batches of images', () => {
  it('are the same bytes from any start, with and without a thread, whatever is made ahead', async () => {
    const whole = await epochOf(options(), 2);
    expect(whole).toHaveLength(5);
    expect(await epochOf(options(), 2, 3)).toEqual(whole.slice(3));
    expect(await epochOf(options(), 2, 5)).toEqual([]);
    expect(await epochOf(options({ ahead: 1 }), 2)).toEqual(whole);
    expect(await epochOf(options({ workerFile }), 2)).toEqual(whole);
    expect(await epochOf(options({ workerFile }), 2, 3)).toEqual(whole.slice(3));
    expect(await epochOf(options(), 3)).not.toEqual(whole);
    expect(await epochOf(options({ seed: 12 }), 2)).not.toEqual(whole);
  });

  it('are the same again once the images are kept, and when only some are', async () => {
    const source = createBatchSource(itemsOf(), options());
    const first = await collect(source.batches(1, 0));
    expect(await collect(source.batches(1, 0))).toEqual(first);
    await source.close();

    const task = { items: Int32Array.of(20, 1, 4, 3), sources: [20, 1, 4, 3].map(sourceOf), epoch: 5 };
    const setup = { preprocessing, augmentation: strong, seed: 1, items: COUNT };
    const all = createPixelLoader(setup);
    // Room for the first four images.
    const some = createPixelLoader({ ...setup, keptBytes: 4 * 144 });
    const expected = await all.load(task);
    for (let times = 0; times < 2; times++) {
      expect(await some.load(task)).toEqual(expected);
      expect(await all.load(task)).toEqual(expected);
    }
    await Promise.all([all.close(), some.close()]);
  });

  it('hold what the audit sees where nothing is varied', async () => {
    const source = createBatchSource(itemsOf(), options({ batchSize: 5 }, null));
    const [batch] = await collect(source.batches(0, 0));
    const chosen = source.itemsOf(0, 0);
    const grey = chosen.findIndex((item) => item % 2 === 1);
    const image = batch?.inputs.image;
    expect(image?.shape).toEqual([5, 3, 6, 8]);
    const item = chosen[grey] as number;
    const f = Math.fround;
    for (let channel = 0; channel < 3; channel++) {
      const [mean, std] = [preprocessing.mean[channel] as number, preprocessing.std[channel] as number];
      for (let i = 0; i < 48; i++) {
        const expected = f(f(f((pixels[item * 48 + i] as number) / 255) - f(mean)) / f(std));
        expect(image?.data[(grey * 3 + channel) * 48 + i]).toBe(expected);
      }
    }
    const ordered = await collect(source.inOrder());
    expect(ordered.map(({ count }) => count)).toEqual([5, 5, 5, 5, 2]);
    const row = (batchOf: TrainingBatch | undefined, place: number) =>
      batchOf?.inputs.image?.data.slice(place * 144, (place + 1) * 144);
    chosen.forEach((number, place) => {
      expect(row(batch, place)).toEqual(row(ordered[Math.floor(number / 5)], number % 5));
    });
    await source.close();
  });

  it('are not varied when they are read in order', async () => {
    const varied = createBatchSource(itemsOf(), options());
    const plain = createBatchSource(itemsOf(), options({}, null));
    expect(await collect(varied.inOrder())).toEqual(await collect(plain.inOrder()));
    await Promise.all([varied.close(), plain.close()]);
  });

  it('vary an image by epoch and item alone', async () => {
    const small = createBatchSource(itemsOf(), options({ batchSize: 2 }));
    const large = createBatchSource(itemsOf(), options({ batchSize: 11 }));
    const [two] = await collect(small.batches(4, 7));
    const found = new Map<number, Float32Array>();
    for (const [position, batch] of (await collect(large.batches(4, 0))).entries()) {
      large.itemsOf(4, position).forEach((item, place) => {
        found.set(item, batch.inputs.image?.data.slice(place * 144, (place + 1) * 144) as Float32Array);
      });
    }
    small.itemsOf(4, 7).forEach((item, place) => {
      expect(two?.inputs.image?.data.slice(place * 144, (place + 1) * 144)).toEqual(found.get(item));
    });
    await Promise.all([small.close(), large.close()]);
  });

  it('name an image that cannot be read, from the thread too', async () => {
    const broken = path.join(temporaryFolder(), 'broken.png');
    writeFileSync(broken, 'no picture');
    const images = {
      source: (item: number) => (item === 7 ? ({ kind: 'file', path: broken } as const) : sourceOf(item)),
    };
    for (const where of [null, workerFile]) {
      const given = options({
        inputs: { kind: 'images', input: 'image', images, preprocessing, augmentation: null },
        workerFile: where,
      });
      const source = createBatchSource(itemsOf(), { ...given, batchSize: 22 });
      const error = await errorOf(collect(source.batches(0, 0)));
      expect(error.code).toBe('bad-file');
      expect(error.message).toContain(broken);
      expect(error.place).toEqual({ file: broken });
      expect(error.remedy).toMatch(/Replace it/);
      await source.close();
    }
  });

  it('are made ahead no further than asked for', async () => {
    const asked: number[] = [];
    const images = {
      source: (item: number) => {
        asked.push(item);
        return sourceOf(item);
      },
    };
    const inputs = { kind: 'images', input: 'image', images, preprocessing, augmentation: null } as const;
    const source = createBatchSource(itemsOf(), options({ inputs, ahead: 2 }));
    const taken: number[] = [];
    for await (const { count } of source.batches(0, 0)) {
      taken.push(count);
      // Those that were taken and two more, until the five of the epoch are made.
      expect(asked.length).toBe(4 * Math.min(5, taken.length + 2));
    }
    expect(taken).toHaveLength(5);
    await source.close();
  });

  it('end when the loop is left or cancelled, and leave no thread behind', async () => {
    const source = createBatchSource(itemsOf(), options({ workerFile }));
    for await (const batch of source.batches(0, 0)) {
      expect(batch.count).toBe(4);
      break;
    }
    const abort = new AbortController();
    const cancelled = errorOf(
      (async () => {
        for await (const _ of source.batches(0, 0, abort.signal)) abort.abort();
      })(),
    );
    expect((await cancelled).code).toBe('cancelled');
    await source.close();
    await source.close();
  });

  it('are made in the thread whose bundle lies beside the running one, if any', async () => {
    expect(bundledPixelWorker()).toBeNull();
    await buildBundle('pixelWorker', {
      entryPoints: [{ in: 'src/core/training/data/pixelThread.ts', out: 'running' }],
      outdir: folder,
    });
    const running = await import(pathToFileURL(path.join(folder, 'running.js')).href);
    expect(running.bundledPixelWorker()).toBe(workerFile);
  });

  it('say so when the thread cannot start', async () => {
    const thread = startPixelThread(
      { preprocessing, augmentation: null, seed: 0, items: 1 },
      path.join(folder, 'none.js'),
    );
    const error = await errorOf(thread.load({ items: Int32Array.of(1), sources: [sourceOf(1)], epoch: null }));
    expect(error.code).toBe('internal');
    await thread.close();
  });
});

describe('batches of texts and vectors', () => {
  it('pad texts to the longest of the batch', async () => {
    const texts = { text: (item: number) => 'x'.repeat(item + 1) };
    const feeds = (given: readonly Int32Array[]) => {
      const longest = Math.max(...given.map((ids) => ids.length));
      const data = new Int32Array(given.length * longest);
      given.forEach((ids, row) => {
        data.set(ids, row * longest);
      });
      return { ids: { shape: [given.length, longest], data } };
    };
    const tokenise = (text: string) => new Int32Array(text.length).fill(7);
    const inputs = { kind: 'texts', texts, tokenise, feeds } as const;
    const source = createBatchSource(itemsOf(), options({ inputs }));
    for (const [position, batch] of (await collect(source.batches(0, 0))).entries()) {
      const longest = Math.max(...source.itemsOf(0, position)) + 1;
      expect(batch.inputs.ids?.shape).toEqual([4, longest]);
      expect(batch.inputs.ids?.data.filter((id) => id === 7)).toHaveLength(
        source.itemsOf(0, position).reduce((sum, item) => sum + item + 1, 0),
      );
    }
    await source.close();
  });

  it('give rows as they are for inputs, and old vectors of length 1', async () => {
    const values = Float32Array.from({ length: COUNT * 2 }, (_, i) => (i % 2 === 0 ? 3 : 4) * (1 + Math.floor(i / 2)));
    const vectors = vectorsInMemory('features', values, 2);
    const labels = Int32Array.from({ length: COUNT }, (_, item) => item % 3);
    const given = options({
      inputs: { kind: 'vectors', vectors, start: 0, parts: [{ input: 'features', shape: [2] }] },
      fields: { labels, oldVectors: vectors, oldLengths: true, replayed: labels, oldLabels: labels, chance: true },
    });
    const source = createBatchSource(itemsOf(), given);
    const batches = await collect(source.batches(0, 0));
    const chosen = source.itemsOf(0, 1);
    const batch = batches[1] as TrainingBatch;
    expect(batch.inputs.features).toEqual({
      shape: [4, 2],
      data: Float32Array.from([...chosen].flatMap((item) => [3 * (item + 1), 4 * (item + 1)])),
    });
    // (3, 4) has length 5: (0.6, 0.8), to a rounding of float32.
    batch.fields.oldVectors?.data.forEach((value, i) => {
      expect(Math.abs(Number(value) - (i % 2 === 0 ? 0.6 : 0.8))).toBeLessThan(1e-7);
    });
    expect(batch.fields.oldVectors?.shape).toEqual([4, 2]);
    expect(batch.fields.oldLengths).toEqual({ shape: [4], data: Float32Array.from(chosen, (item) => 5 * (item + 1)) });
    expect(batch.fields.labels).toEqual({ shape: [4], data: chosen.map((item) => item % 3) });
    expect(batch.fields.oldLabels).toEqual(batch.fields.labels);
    const chances = batches.flatMap(({ fields }) => Array.from(fields.chance?.data ?? [], Number));
    expect(new Set(chances).size).toBe(20);
    expect(chances.every((chance) => chance >= 0 && chance < 1)).toBe(true);
    const again = createBatchSource(itemsOf(), given);
    expect(await collect(again.batches(0, 1))).toEqual(batches.slice(1));
  });

  it('take all items where there are fewer than a batch, and refuse none', async () => {
    const few = createBatchSource(itemsOf(3), options());
    expect([few.batchSize, few.batchesPerEpoch]).toEqual([3, 1]);
    expect((await errorOf(() => createBatchSource(itemsOf(0), options()))).message).toContain(
      'pictures/train has no items',
    );
  });

  it('hold several items of each class when asked for', async () => {
    const source = createBatchSource(itemsOf(), options({ batchSize: 6, itemsPerClass: 3 }));
    for (let position = 0; position < source.batchesPerEpoch; position++) {
      const labels = [...source.itemsOf(0, position)].map((item) => item % 3).sort();
      expect(new Set(labels).size).toBe(2);
      expect(labels[0]).toBe(labels[2]);
      expect(labels[3]).toBe(labels[5]);
    }
  });
});

describe('what a checkpoint takes', () => {
  const encoder = { takes: 'texts', tokenise: () => Int32Array.of(1), feeds: () => ({}) } as never;
  const texts = { ...itemsOf(2), images: null, texts: { text: () => 'x' } };

  it('is images with its own preprocessing, or texts with its own tokens', async () => {
    const images = { takes: 'images', input: 'pixels', preprocessing } as never;
    expect(checkpointInputs({ name: 'v1', encoder: images }, itemsOf(), strong)).toMatchObject({
      kind: 'images',
      input: 'pixels',
      preprocessing,
      augmentation: strong,
    });
    expect(checkpointInputs({ name: 'v1', encoder }, texts, null).kind).toBe('texts');
    const foreign = await errorOf(() => checkpointInputs({ name: 'v1', encoder }, itemsOf(), null));
    expect(foreign.message).toBe('pictures/train has no texts, so the model "v1" cannot embed it.');
    const varied = await errorOf(() => checkpointInputs({ name: 'v1', encoder }, texts, strong));
    expect([varied.code, varied.place]).toEqual(['bad-config', { field: 'augmentation' }]);
  });

  it('is embedded in order, whatever the batch', async () => {
    const source = createBatchSource(itemsOf(), options({}, null));
    const sums = async (batch: TrainingBatch) =>
      Float32Array.from({ length: batch.count * 2 }, (_, i) =>
        Number(batch.inputs.image?.data[(i >> 1) * 144 + (i % 2)]),
      );
    let breaths = 0;
    const breathe = async () => {
      breaths++;
    };
    const vectors = await embedInOrder(source, { embed: sums }, { breathe });
    const whole = createBatchSource(itemsOf(), options({ batchSize: 99 }, null));
    expect(vectors).toEqual(await embedInOrder(whole, { embed: sums }, { breathe }));
    expect([vectors.length, breaths]).toEqual([44, 7]);
    await Promise.all([source.close(), whole.close()]);
  });
});

describe('the rows of a head', () => {
  it('are found by the name of the class', () => {
    expect([...classIndices(itemsOf(4), ['c', 'x', 'a', 'b'], 'refuse', 'the new head')]).toEqual([2, 3, 0, 2]);
    expect([...classIndices(itemsOf(4), ['c', 'a'], 'none', 'the old head')]).toEqual([1, -1, 0, 1]);
  });

  it('name classes that are missing, and want labels', async () => {
    const missing = await errorOf(() => classIndices(itemsOf(6), ['a'], 'refuse', 'the new head'));
    expect(missing.code).toBe('bad-data');
    expect(missing.message).toBe(
      'pictures/train: 4 items are of classes that the new head has no row for: "b" and "c".',
    );
    const unlabelled = { ...itemsOf(), labelled: false };
    expect((await errorOf(() => classIndices(unlabelled, ['a'], 'refuse', 'the new head'))).message).toBe(
      'pictures/train has no labels, and the new head is trained with them.',
    );
  });
});
