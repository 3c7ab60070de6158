import './withoutNativeTfjs.ts';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { BackcompatError } from '../../src/core/contract/errors.ts';
import { selectItems } from '../../src/core/data/itemSet.ts';
import { loadDataset } from '../../src/core/data/loadDataset.ts';
import { type ModelProto, ModelProtoSchema } from '../../src/core/engine/proto/onnx_pb.js';
import { embed, openCheckpoint } from '../../src/core/models/checkpoint.ts';
import { createRandom, type Random } from '../../src/core/numeric/random.ts';
import { recordProgress, temporaryFolder } from '../fixtures/data/make.ts';
import { modelFixture } from './modelFixtures.ts';

/** Damaged models end in one clear error, or in vectors that are numbers: never in anything else, and in time. */

/** Two kinds of ONNX, four of TensorFlow.js: 500 each. */
const ONNX_CASES = 250;
const TFJS_CASES = 125;
/** A case takes some 20 ms; the limit stands for a hang on a machine that does much else. */
const CASE_LIMIT_MS = 10_000;

/** Cuts, flips, takes out, doubles or appends bytes, mostly near the start, where the structure is. */
function damaged(bytes: Uint8Array, random: Random): Buffer {
  const whole = Buffer.from(bytes);
  const place = () => random.integer(random.integer(2) === 0 ? Math.min(2000, whole.length) : whole.length);
  const at = place();
  switch (random.integer(5)) {
    case 0:
      return whole.subarray(0, at);
    case 1: {
      for (let flips = 1 + random.integer(4); flips > 0; flips--) whole[place()] = random.integer(256);
      return whole;
    }
    case 2:
      return Buffer.concat([whole.subarray(0, at), whole.subarray(at + 1 + random.integer(16))]);
    case 3: {
      const from = place();
      const piece = whole.subarray(from, from + 1 + random.integer(64));
      return Buffer.concat([whole.subarray(0, at), piece, whole.subarray(at)]);
    }
    default:
      return Buffer.concat([
        whole,
        Buffer.from(Array.from({ length: 1 + random.integer(40) }, () => random.integer(256))),
      ]);
  }
}

/** Opens a model and embeds one image. */
async function use(folder: string, model: string): Promise<'vectors' | 'refused'> {
  const start = performance.now();
  try {
    const checkpoint = await openCheckpoint('v1', { model }, folder, { threads: 1 });
    try {
      const images = await loadDataset({ images: modelFixture('images') }, 'images', '/');
      const one = selectItems(images, Int32Array.of(0), 'one');
      const source = await embed(checkpoint, one, {
        cacheFolder: path.join(folder, 'cache'),
        progress: recordProgress(),
      });
      const vector = new Float32Array(source.dimension);
      await source.read(0, 1, vector);
      await source.close();
      expect(vector).toHaveLength(checkpoint.dimension);
      expect(vector.every(Number.isFinite)).toBe(true);
      return 'vectors';
    } finally {
      await checkpoint.close();
    }
  } catch (error) {
    if (!(error instanceof BackcompatError)) throw error;
    expect(['bad-file', 'bad-model', 'bad-data', 'not-found']).toContain(error.code);
    // A vector that is none is told with its item.
    expect(error.message).toMatch(
      error.code === 'bad-data' ? /Model "v1" gives|has no images/ : /m\.onnx|model\.json|group1/,
    );
    expect(error.message.length).toBeLessThan(2000);
    return 'refused';
  } finally {
    expect(performance.now() - start).toBeLessThan(CASE_LIMIT_MS);
  }
}

async function tally(
  count: number,
  cases: (seed: number) => Promise<'vectors' | 'refused'>,
): Promise<Record<string, number>> {
  const counts = { vectors: 0, refused: 0 };
  for (let seed = 0; seed < count; seed++) {
    try {
      counts[await cases(seed)]++;
    } catch (error) {
      throw new Error(`case ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
  return counts;
}

/** Another number, name, type or size somewhere in a valid model. */
function mutate(model: ModelProto, random: Random): void {
  const { graph } = model;
  const pick = <T>(list: readonly T[]): T | undefined => list[random.integer(Math.max(1, list.length))];
  const numbers = [0n, -1n, 1n, 3n, 64n, 1_000_000n, 2n ** 31n, 2n ** 63n - 1n, -(2n ** 63n)];
  const nodes = graph?.node ?? [];
  const node = pick(nodes);
  const weight = pick(graph?.initializer ?? []);
  const number = pick(numbers) ?? 0n;
  switch (random.integer(8)) {
    case 0:
      if (weight && weight.dims.length > 0) weight.dims[random.integer(weight.dims.length)] = number;
      break;
    case 1:
      if (weight) weight.dataType = random.integer(24);
      break;
    case 2:
      if (weight) weight.rawData = weight.rawData.subarray(0, random.integer(weight.rawData.length + 1));
      break;
    case 3: {
      const attribute = pick(node?.attribute ?? []);
      if (attribute && attribute.ints.length > 0) attribute.ints[random.integer(attribute.ints.length)] = number;
      else if (attribute) attribute.i = number;
      break;
    }
    case 4:
      if (node)
        node.opType = pick(['Conv', 'MatMul', 'Reshape', 'Expand', 'Resize', 'TopK', 'Loop', 'LSTM', 'Pad']) ?? '';
      break;
    case 5: {
      // Cycles, unknown names, values of other kinds.
      const names = [
        ...nodes.flatMap(({ output }) => output),
        ...(graph?.initializer ?? []).map(({ name }) => name),
        'no',
      ];
      if (node && node.input.length > 0) node.input[random.integer(node.input.length)] = pick(names) ?? '';
      break;
    }
    case 6: {
      const type = pick([...(graph?.input ?? []), ...(graph?.output ?? [])])?.type?.value;
      const size = type?.case === 'tensorType' ? pick(type.value.shape?.dim ?? []) : undefined;
      if (size) size.value = { case: 'dimValue', value: number };
      break;
    }
    default:
      for (const opset of model.opsetImport) opset.version = BigInt(random.integer(30));
  }
}

describe('damaged models', () => {
  it('ONNX: bytes', async () => {
    const bytes = await readFile(modelFixture('encoder/model.onnx'));
    const folder = temporaryFolder();
    const counts = await tally(ONNX_CASES, async (seed) => {
      await writeFile(path.join(folder, 'm.onnx'), damaged(bytes, createRandom(seed, 'onnx bytes')));
      return use(folder, 'm.onnx');
    });
    expect(counts.refused).toBeGreaterThan(40);
    expect(counts.vectors).toBeGreaterThan(5);
  });

  it('ONNX: numbers, names, types and sizes', async () => {
    const bytes = await readFile(modelFixture('encoder/model.onnx'));
    const folder = temporaryFolder();
    const counts = await tally(ONNX_CASES, async (seed) => {
      const random = createRandom(seed, 'onnx structure');
      const model = fromBinary(ModelProtoSchema, bytes);
      for (let changes = 1 + random.integer(2); changes > 0; changes--) mutate(model, random);
      await writeFile(path.join(folder, 'm.onnx'), toBinary(ModelProtoSchema, model));
      return use(folder, 'm.onnx');
    });
    expect(counts.refused).toBeGreaterThan(40);
    expect(counts.vectors).toBeGreaterThan(5);
  });

  it.each(['layers', 'graph'])('TensorFlow.js %s: JSON and weights', async (name) => {
    const folder = temporaryFolder();
    await cp(modelFixture('tfjs', name), folder, { recursive: true });
    const files = await Promise.all(
      (await readdir(folder)).sort().map(async (file) => ({ file, bytes: await readFile(path.join(folder, file)) })),
    );
    const counts = await tally(TFJS_CASES, async (seed) => {
      const random = createRandom(seed, `tfjs ${name}`);
      // The JSON three times of four.
      const { file, bytes } =
        (random.integer(4) < 3 ? files.find((entry) => entry.file === 'model.json') : undefined) ??
        (files[random.integer(files.length)] as (typeof files)[number]);
      await writeFile(path.join(folder, file), damaged(bytes, random));
      try {
        return await use(folder, 'model.json');
      } finally {
        await writeFile(path.join(folder, file), bytes);
      }
    });
    expect(counts.refused).toBeGreaterThan(40);
    expect(counts.vectors).toBeGreaterThan(5);
  });

  it.each(['layers', 'graph'])('TensorFlow.js %s: numbers and names', async (name) => {
    const folder = temporaryFolder();
    await cp(modelFixture('tfjs', name), folder, { recursive: true });
    const file = path.join(folder, 'model.json');
    const text = await readFile(file, 'utf8');
    const numbers = [...text.matchAll(/(?<=[[:,"])-?\d+(?=[\],}"])/g)];
    const counts = await tally(TFJS_CASES, async (seed) => {
      const random = createRandom(seed, `tfjs numbers ${name}`);
      const match = numbers[random.integer(numbers.length)] as (typeof numbers)[number];
      const other = ['0', '-1', '1', '7', '100000', '2147483648', '1e12', '0.5', 'null'][random.integer(9)] as string;
      await writeFile(file, text.slice(0, match.index) + other + text.slice(match.index + match[0].length));
      return use(folder, 'model.json');
    });
    expect(counts.refused).toBeGreaterThan(40);
    expect(counts.vectors).toBeGreaterThan(5);
  });
});
