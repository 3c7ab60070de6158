import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { io } from '@tensorflow/tfjs-core';
import { writeFileAtomic } from '../runs/atomicFile.ts';
import { bytesOfWeight } from './tfjsFile.ts';

/** As the converter cuts: what browsers cache. */
const SHARD_BYTES = 2 ** 22;

interface Manifest {
  weightsManifest: { paths: string[]; weights: io.WeightsManifestEntry[] }[];
}

/**
 * Writes a TensorFlow.js model with other values of some weights: everything else is as in the text of the `model.json` that
 * it came from. A weight that was quantised there and changed is written in float32. Shards are named by their content and
 * `model.json` replaces another at once, so that a reader sees the old model or the new one; shards of the
 * replaced one are removed.
 * @param json text of the original `model.json`
 * @param weightData all weights of the original, one behind another
 * @param changed new values by name in the manifest
 * @returns absolute path of the `model.json`
 */
export async function writeTfjsFile(
  folder: string,
  json: string,
  weightData: ArrayBuffer,
  changed: ReadonlyMap<string, Float32Array>,
): Promise<string> {
  const model = JSON.parse(json) as Manifest;
  const file = path.resolve(folder, 'model.json');
  const replaced = await ownShardsOf(file);
  let start = 0;
  for (const [index, group] of model.weightsManifest.entries()) {
    const parts: Uint8Array[] = [];
    for (const entry of group.weights) {
      const bytes = bytesOfWeight(entry);
      const values = changed.get(entry.name);
      if (values === undefined) parts.push(new Uint8Array(weightData, start, bytes));
      else {
        parts.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
        delete entry.quantization;
      }
      start += bytes;
    }
    group.paths = await writeShards(folder, `group${index + 1}`, Buffer.concat(parts));
  }
  await writeFileAtomic(file, JSON.stringify(model));
  const kept = new Set(model.weightsManifest.flatMap(({ paths }) => paths));
  for (const name of replaced) if (!kept.has(name)) await rm(path.resolve(folder, name), { force: true });
  return file;
}

async function writeShards(folder: string, group: string, bytes: Buffer): Promise<string[]> {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  const count = Math.max(1, Math.ceil(bytes.length / SHARD_BYTES));
  const paths = Array.from({ length: count }, (_, i) => `${group}-${hash}-shard${i + 1}of${count}.bin`);
  for (const [i, name] of paths.entries()) {
    await writeFileAtomic(path.resolve(folder, name), bytes.subarray(i * SHARD_BYTES, (i + 1) * SHARD_BYTES));
  }
  return paths;
}

/** Names of the shards that we wrote for the `model.json` that lies there, if any. */
async function ownShardsOf(file: string): Promise<string[]> {
  try {
    const { weightsManifest } = JSON.parse(await readFile(file, 'utf8')) as Manifest;
    return weightsManifest
      .flatMap(({ paths }) => paths)
      .filter((name) => /^group\d+-[0-9a-f]{12}-shard\d+of\d+\.bin$/.test(name));
  } catch {
    return [];
  }
}
