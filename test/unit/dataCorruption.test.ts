import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { BackcompatError } from '../../src/core/contract/errors.ts';
import { readVectorItems } from '../../src/core/data/vectorItems.ts';
import { openVectors } from '../../src/core/data/vectorTable.ts';
import { createRandom, type Random } from '../../src/core/numeric/random.ts';
import { temporaryFolder } from '../fixtures/data/make.ts';

const CASES = 500;
/** A case takes about a millisecond; this is what is called a hang. */
const LIMIT_MS = 5000;

const bytesOf = (name: string): Buffer =>
  readFileSync(fileURLToPath(new URL(`../fixtures/tables/${name}`, import.meta.url)));

/** Valid files by format, each of them damaged in turn. */
const formats: Record<string, string[]> = {
  npy: ['numpy-f4.npy', 'numpy-f2.npy', 'numpy-f8.npy', 'numpy-big.npy', 'numpy-fortran.npy'],
  npz: ['numpy-stored.npz', 'numpy-packed.npz', 'numpy-fortran.npz'],
  safetensors: ['f16', 'f32', 'f64', 'bf16'].map((type) => `safetensors-${type}.safetensors`),
  parquet: [
    ...['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'].map((codec) => `pyarrow-fixed-${codec}.parquet`),
    'pyarrow-list.parquet',
    'pyarrow-page-v2.parquet',
    'pyarrow-no-dictionary.parquet',
    'pyarrow-split.parquet',
    'pyarrow-half.parquet',
    'pandas-columns.parquet',
  ],
  csv: ['pandas-columns.csv', 'pandas-json.csv', 'pandas-bare.csv'],
  jsonl: ['pandas.jsonl', 'python.ndjson'],
};

/** Where damage begins: anywhere, or (half of the time) where headers and footers lie. */
function place(random: Random, length: number): number {
  if (random.uniform() < 0.5) return random.integer(length);
  const near = random.integer(Math.min(length, 400));
  return random.uniform() < 0.5 ? near : length - 1 - near;
}

const damages: Record<string, (bytes: Buffer, random: Random) => Buffer> = {
  truncate: (bytes, random) => bytes.subarray(0, random.integer(bytes.length)),
  flip(bytes, random) {
    const flipped = Buffer.from(bytes);
    for (let times = 1 + random.integer(8); times > 0; times--) {
      const at = place(random, bytes.length);
      flipped[at] = (flipped[at] as number) ^ (1 << random.integer(8));
    }
    return flipped;
  },
  overwrite(bytes, random) {
    const written = Buffer.from(bytes);
    const at = place(random, bytes.length);
    const value = [0, 0x7f, 0x80, 0xff][random.integer(4)] as number;
    return written.fill(value, at, Math.min(bytes.length, at + 1 + random.integer(8)));
  },
  splice(bytes, random) {
    const spliced = Buffer.from(bytes);
    const from = random.integer(bytes.length);
    bytes.copy(spliced, place(random, bytes.length), from, from + 1 + random.integer(64));
    return spliced;
  },
  duplicate(bytes, random) {
    const from = random.integer(bytes.length);
    const to = Math.min(bytes.length, from + 1 + random.integer(256));
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from, to), bytes.subarray(to)]);
  },
  remove(bytes, random) {
    const from = place(random, bytes.length);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + 1 + random.integer(64))]);
  },
  extend: (bytes, random) =>
    Buffer.concat([bytes, Buffer.from(Array.from({ length: 1 + random.integer(64) }, () => random.integer(256)))]),
};

/** What becomes of a file: `read`, or the code of the error. Anything else is thrown. */
async function outcomeOf(file: string, read: () => Promise<void>): Promise<string> {
  try {
    await read();
    return 'read';
  } catch (error) {
    if (!(error instanceof BackcompatError)) throw error;
    expect(error.message).toContain(path.basename(file));
    expect(['bad-file', 'bad-data', 'not-found']).toContain(error.code);
    return error.code;
  }
}

async function readAllVectors(file: string, cacheFolder: string): Promise<void> {
  const vectors = await openVectors(file, { cacheFolder });
  try {
    const { count, dimension } = vectors;
    const values = new Float32Array(count * dimension);
    await vectors.read(0, count, values);
    expect(count * dimension).toBeGreaterThan(0);
    expect(values.every(Number.isFinite)).toBe(true);
  } finally {
    await vectors.close();
  }
}

async function readAllItems(file: string): Promise<void> {
  const { ids, count, labelOf, classNames } = await readVectorItems(file, { name: 'items', idPrefix: 'items' });
  expect(ids).toHaveLength(count);
  expect(labelOf.every((label) => label >= 0 && label < classNames.length)).toBe(true);
}

describe.each(Object.keys(formats))(`${CASES} damaged %s files`, (format) => {
  it('read to finite vectors or are refused by name, in time', { timeout: 120_000 }, async () => {
    const folder = temporaryFolder();
    const random = createRandom(5, `corruption/${format}`);
    const names = formats[format] as string[];
    const kinds = Object.keys(damages);
    const counts: Record<string, number> = {};
    for (let number = 0; number < CASES; number++) {
      const name = names[number % names.length] as string;
      const kind = kinds[Math.floor(number / names.length) % kinds.length] as string;
      const file = path.join(folder, name);
      await writeFile(file, (damages[kind] as (typeof damages)[string])(bytesOf(name), random));
      const started = performance.now();
      let outcome: string;
      try {
        outcome = await outcomeOf(file, () => readAllVectors(file, path.join(folder, 'cache')));
        // Of every third, for time.
        if (number % 3 === 0) await outcomeOf(file, () => readAllItems(file));
      } catch (error) {
        throw new Error(`case ${number} (${kind} of ${name}): ${(error as Error).stack}`, { cause: error });
      }
      expect(performance.now() - started, `case ${number} (${kind} of ${name})`).toBeLessThan(LIMIT_MS);
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    }
    console.log(`| ${format} | ${['read', 'bad-file', 'bad-data'].map((word) => counts[word] ?? 0).join(' | ')} |`);
    // Damage that is never noticed, or always, would not have tried the readers.
    expect(counts.read).toBeGreaterThan(0);
    expect(counts['bad-file']).toBeGreaterThan(0);
  });
});
