import { cp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadDataset } from '../../src/core/data/loadDataset.ts';
import { tfjsRuntime } from '../../src/core/engine/tfjsRuntime.ts';
import { tfjsStatus } from '../../src/core/engine/tfjsStatus.ts';
import { embed } from '../../src/core/models/checkpoint.ts';
import { readTfjsFile } from '../../src/core/models/tfjsFile.ts';
import { errorOf, recordProgress, temporaryFolder } from '../fixtures/data/make.ts';
import { largestDifference, modelFixture } from './modelFixtures.ts';
import {
  copiedTfjs as copied,
  editedTfjs as edited,
  tfjsExpected as expected,
  tfjsFixtures as fixtures,
  openTfjs as open,
  tfjsVectors as vectorsOf,
} from './tfjsFixtures.ts';

describe('the native runtime', () => {
  it('is installed, loads and trains a step', async () => {
    // Made by `npm test`, or by: node dist/cli.js runtime install tfjs
    expect(await tfjsStatus()).toMatchObject({
      native: { version: '4.22.0' },
      backend: 'tensorflow',
      complaint: null,
    });
  });
});

describe('models of the TensorFlow.js converter', () => {
  it.each([
    ['layers', 'tfjs-layers', expected.vectors],
    ['graph', 'tfjs-graph', expected.vectors],
    ['layersQuantised', 'tfjs-layers', expected.quantised],
  ])('%s gives the vectors of TensorFlow to 1e-4', async (name, kind, reference) => {
    const checkpoint = await open(path.join(fixtures, name));
    expect(checkpoint).toMatchObject({ kind, dimension: 16 });
    expect(checkpoint.encoder).toMatchObject({ preprocessing: { layout: 'nhwc', height: 12, width: 12, channels: 3 } });
    expect(largestDifference(await vectorsOf(checkpoint), reference)).toBeLessThan(1e-4);
    await checkpoint.close();
  });

  it('restores weights of 16 bits to half a step', async () => {
    const checkpoint = await open(path.join(fixtures, 'graphQuantised'));
    // Each weight is wrong by at most its range / 65,535 / 2, about 2e-5; the graph multiplies by some 100.
    const difference = largestDifference(await vectorsOf(checkpoint), expected.vectors);
    expect(difference).toBeLessThan(2e-3);
    expect(difference).toBeGreaterThan(0);
    await checkpoint.close();
  });

  it('lists the outputs when several could be the embedding, and takes the one that is named', async () => {
    const folder = path.join(fixtures, 'twoOutputs');
    const error = await errorOf(open(folder));
    expect(error.message).toMatch(
      /several outputs could be the embedding: .*\[\?, 12\]; embedding: float32 \[\?, 16\]/,
    );
    const checkpoint = await open(folder, { output: 'embedding' });
    expect(largestDifference(await vectorsOf(checkpoint), expected.vectors)).toBeLessThan(1e-4);
    await checkpoint.close();
  });

  it('is held apart by content, embeds images and frees its tensors', async () => {
    const folder = await copied('layers');
    const images = modelFixture('images');
    const items = await loadDataset({ images }, 'images', '/');
    const { core } = await tfjsRuntime();
    const before = core.memory().numTensors;
    const checkpoint = await open(folder);
    const loaded = core.memory().numTensors;
    const cacheFolder = path.join(temporaryFolder(), 'cache');
    const vectors = await embed(checkpoint, items, { cacheFolder, batchSize: 1, progress: recordProgress() });
    expect(vectors).toMatchObject({ count: 4, dimension: 16 });
    await vectors.close();
    for (let i = 0; i < 20; i++) await vectorsOf(checkpoint);
    expect(core.memory().numTensors).toBe(loaded);
    const hash = await checkpoint.contentHash();
    const fingerprint = await checkpoint.fingerprint();
    await checkpoint.close();
    expect(core.memory().numTensors).toBe(before);

    const shard = path.join(folder, 'group1-shard2of2.bin');
    const weights = await readFile(shard);
    weights.writeFloatLE(weights.readFloatLE(0) + 10, 0);
    await writeFile(shard, weights);
    const other = await open(folder);
    expect(await other.contentHash()).not.toBe(hash);
    expect(await other.fingerprint()).not.toBe(fingerprint);
    await other.close();
  });
});

describe('readTfjsFile', () => {
  it('reads what the file declares', async () => {
    const file = await readTfjsFile(path.join(fixtures, 'layers/model.json'));
    expect(file).toMatchObject({ kind: 'tfjs-layers', weightBytes: 5680, parameters: 1420 });
    expect(file.shards.map(({ location, bytes }) => [location, bytes])).toEqual([
      ['group1-shard1of2.bin', 4096],
      ['group1-shard2of2.bin', 1584],
    ]);
  });

  it.each(['../weights.bin', '/etc/hostname', 'a/../../w.bin', 'C:\\w.bin', '..\\w.bin', '', '.'])(
    'refuses weights in %j',
    async (location) => {
      const folder = await edited('layers', (json) => {
        json.weightsManifest[0].paths.splice(0, 1, location);
      });
      expect((await errorOf(open(folder))).message).toContain("leaves the model's folder");
    },
  );

  it('refuses weights behind a link that leads out of the folder', async () => {
    const folder = await copied('layers');
    const shard = path.join(folder, 'group1-shard2of2.bin');
    const elsewhere = path.join(temporaryFolder(), 'w.bin');
    await cp(shard, elsewhere);
    await rm(shard);
    await symlink(elsewhere, shard);
    expect((await errorOf(open(folder))).message).toContain("leaves the model's folder");
  });

  it('names weights that are missing, cut, or of absurd size, before it makes room for them', async () => {
    const cut = await copied('layers');
    await truncate(path.join(cut, 'group1-shard2of2.bin'), 1000);
    expect((await errorOf(open(cut))).message).toContain(
      'declares weights of 5680 bytes, but group1-shard1of2.bin, group1-shard2of2.bin has 5096',
    );
    const missing = await edited('graph', (json) => {
      json.weightsManifest[0].paths.splice(0, 1, 'gone.bin');
    });
    expect(await errorOf(open(missing))).toMatchObject({ code: 'not-found' });
    for (const [shape, words] of [
      [[1e6, 1e6], 'with 1000000000000 numbers'],
      [[-1, 3], 'of shape [-1,3]'],
      [[0.5], 'of shape [0.5]'],
      ['many', 'of shape "many"'],
    ] as const) {
      const folder = await edited('layers', (json) => {
        const [weight] = json.weightsManifest[0].weights;
        if (weight) weight.shape = shape;
      });
      expect((await errorOf(open(folder))).message).toContain(words);
    }
  });

  it('refuses layers that make more numbers than memory has', async () => {
    const folder = await edited('layers', (json) => {
      const { layers } = json.modelTopology.model_config.config;
      for (const { config } of layers) {
        if (config.batch_input_shape) config.batch_input_shape = [null, 1e6, 1e6, 3];
      }
    });
    const error = await errorOf(open(folder));
    expect(error).toMatchObject({ code: 'bad-model' });
    expect(error.message).toMatch(/makes 3000000000000 numbers of one item/);
  });

  it.each([
    ['no JSON', '{"modelTopology":', 'is not JSON'],
    ['another JSON', '{"format":"x"}', 'has no "modelTopology"'],
    ['no weights', '{"modelTopology":{"node":[]}}', 'has no "weightsManifest"'],
    ['no layers', '{"modelTopology":{},"weightsManifest":[]}', 'has neither layers nor a graph'],
  ])('refuses %s', async (_, text, words) => {
    const folder = temporaryFolder();
    await writeFile(path.join(folder, 'model.json'), text);
    const error = await errorOf(open(folder));
    expect(error).toMatchObject({ code: 'bad-file' });
    expect(error.message).toContain(words);
    expect(error.message).toContain('model.json');
  });
});
