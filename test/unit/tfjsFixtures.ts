/** The fixtures of the TensorFlow.js converter, opened as checkpoints. */
import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { openCheckpoint } from '../../src/core/models/checkpoint.ts';
import type { ModelCheckpoint } from '../../src/core/models/modelCheckpoint.ts';
import { temporaryFolder } from '../fixtures/data/make.ts';
import { modelFixture, readFixture } from './modelFixtures.ts';

interface Expected {
  pixels: number[][];
  vectors: number[][];
  quantised: number[][];
}

export const tfjsFixtures = modelFixture('tfjs');
export const tfjsExpected = readFixture<Expected>('tfjs', 'expected.json');

/** The parts of a model.json that are edited here. */
interface ModelJson {
  modelTopology: {
    node: { name: string; op: string; input: string[]; attr: Record<string, unknown> }[];
    model_config: { config: { layers: { config: { batch_input_shape?: (number | null)[] } }[] } };
  };
  weightsManifest: [{ paths: string[]; weights: { shape: unknown }[] }];
}

export const openTfjs = async (folder: string, definition: Record<string, unknown> = {}): Promise<ModelCheckpoint> =>
  (await openCheckpoint('v1', { model: 'model.json', ...definition }, folder, { threads: 1 })) as ModelCheckpoint;

/** The pixels that the reference was computed on, through a checkpoint. */
export async function tfjsVectors(checkpoint: ModelCheckpoint): Promise<number[]> {
  const inputs = Float32Array.from(tfjsExpected.pixels.flat(), (value) => value / 255);
  if (checkpoint.encoder.takes !== 'images') throw new Error('It takes no images.');
  return Array.from(await checkpoint.encoder.run(inputs, tfjsExpected.pixels.length));
}

export async function copiedTfjs(name: string): Promise<string> {
  const folder = temporaryFolder();
  await cp(path.join(tfjsFixtures, name), folder, { recursive: true });
  return folder;
}

export async function editedTfjs(name: string, edit: (json: ModelJson) => void): Promise<string> {
  const folder = await copiedTfjs(name);
  const file = path.join(folder, 'model.json');
  const json = JSON.parse(await readFile(file, 'utf8'));
  edit(json);
  await writeFile(file, JSON.stringify(json));
  return folder;
}
