import { readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cancelledError } from '../../src/core/contract/errors.ts';
import { readLabelTable } from '../../src/core/data/labelTable.ts';
import { openVectors } from '../../src/core/data/vectorTable.ts';
import { bytesOf, errorOf, npyBytes, npyTable, temporaryFolder } from '../fixtures/data/make.ts';
import { zipBytes } from '../fixtures/data/zip.ts';

const fixture = (name: string): Buffer =>
  readFileSync(fileURLToPath(new URL(`../fixtures/tables/${name}`, import.meta.url)));

function safetensors(values: Uint8Array, shape: readonly number[], dtype = 'F32', end = values.length): Buffer {
  const header = Buffer.from(JSON.stringify({ v: { dtype, shape, data_offsets: [0, end] } }));
  const length = Buffer.alloc(8);
  length.writeUInt32LE(header.length);
  return Buffer.concat([length, header, values]);
}

/** What reading all of it gives, and that nothing is left in the cache when it fails. */
async function errorOfReading(name: string, content: Uint8Array | string, array: string | null = null) {
  const folder = temporaryFolder();
  const file = path.join(folder, name);
  await writeFile(file, content);
  const cacheFolder = path.join(folder, 'cache');
  const error = await errorOf(async () => {
    const vectors = await openVectors(file, { array, cacheFolder });
    try {
      await vectors.read(0, vectors.count, new Float32Array(vectors.count * vectors.dimension));
    } finally {
      await vectors.close();
    }
  });
  const left = await readdir(cacheFolder).catch(() => []);
  expect(left.filter((entry) => entry.endsWith('.tmp'))).toEqual([]);
  expect(error.message).toContain(name);
  expect(error.place.file).toBe(file);
  expect(error.remedy).not.toBeNull();
  return { ...error, message: error.message, remedy: error.remedy, left };
}

const floats = (rows: readonly (readonly number[])[]): Uint8Array => bytesOf(Float32Array.from(rows.flat()));

describe('bad rows, by format', () => {
  const bad = [
    [1, 2],
    [Number.NaN, 1],
    [0, 0],
    [1, Number.NEGATIVE_INFINITY],
  ];
  const words = 'has rows 2, 4 with NaN or infinite values and row 3 with zeros only';
  const text = (separator: string): string =>
    ['id,v0,v1', 'a,1,2', 'b,nan,1', 'c,0,0', 'd,1,-inf'].join('\n').replaceAll(',', separator);

  it.each([
    ['v.npy', npyTable(bad)],
    ['v.npz', zipBytes([{ name: 'v.npy', content: npyTable(bad) }])],
    ['packed.npz', zipBytes([{ name: 'v.npy', content: npyTable(bad), packed: true }])],
    ['v.safetensors', safetensors(floats(bad), [4, 2])],
    ['v.csv', text(',')],
    ['v.tsv', text('\t')],
    ['lists.csv', 'v\n"[1,2]"\n"[1e999,1]"\n"[0,0]"\n"[1,-1e999]"\n'],
    ['v.jsonl', '{"v":[1,2]}\n{"v":[1e999,1]}\n{"v":[0,0]}\n{"v":[1,-1e999]}\n'],
  ])('%s: NaN, infinity and zeros', async (name, content) => {
    const error = await errorOfReading(name, content);
    expect(error.message).toContain(`${name} ${words}`);
    expect(error).toMatchObject({ code: 'bad-data', place: { row: 2 } });
  });

  it.each([
    ['v.jsonl', '{"v":[1,2]}\n{"v":[1,2,3]}\n', 'row 2 of "v" has 3 values, the first has 2'],
    ['v.jsonl', '{"v":[1,2]}\n{"id":1}\n', 'row 2 has nothing in column "v"'],
    ['v.jsonl', '{"v":[1,2]}\n{"v":[1,"2"]}\n', 'row 2 has "[1,\\"2\\"]" in column "v"'],
    ['v.jsonl', '{"v":[1,NaN]}\n', ':1: the line is not JSON'],
    ['v.csv', 'v\n"[1,2]"\n"[1 2]"\n', 'row 2 has "[1 2]" in column "v", expected a list of numbers'],
    ['v.csv', `v0,v1\n${'1,2\n'.repeat(1500)}1,x\n`, 'row 1501 has "x" in column "v1", expected a number'],
    ['v.csv', `v0,v1\n${'1,2\n'.repeat(1500)}1,\n`, 'row 1501 has nothing in column "v1"'],
    ['v.csv', 'v0,v1\n1,2\n1\n', 'row 2 has 1 fields, the header has 2'],
  ])('%s: rows that are no vectors (%#)', async (name, content, words) => {
    const error = await errorOfReading(name, content);
    expect(error.message).toContain(words);
    expect(error.left).toEqual([]);
  });
});

describe('bad rows of Parquet, as PyArrow and pandas write them', () => {
  it.each([
    ['short', 'row 3 of "vector" has 1 values, the first has 2'],
    ['empty', 'row 3 of "vector" has no vector'],
    ['null', 'row 3 of "vector" has no vector'],
    ['gap', 'row 3 of "vector" has a null among its values'],
    ['nan', 'has row 3 with NaN or infinite values'],
    ['zero', 'has row 3 with zeros only'],
    ['columns', 'row 3 of "v0" has a null among its values'],
  ])('%s', async (kind, words) => {
    const error = await errorOfReading('v.parquet', fixture(`bad-${kind}.parquet`));
    expect(error.message).toContain(words);
    expect(error).toMatchObject({ code: 'bad-data', place: { row: 3 } });
  });
});

describe('files that are not what they claim', () => {
  const names = ['numpy-f4.npy', 'numpy-packed.npz', 'safetensors-f32.safetensors', 'pyarrow-list.parquet'];

  it.each(names)('%s, missing, empty, truncated, and something else', async (name) => {
    const missing = await errorOf(openVectors(`/no/such/${name}`, { cacheFolder: '/nowhere' }));
    expect(missing).toMatchObject({ code: 'not-found' });
    expect(missing.message).toContain(`/no/such/${name} does not exist`);
    const bytes = fixture(name);
    for (const content of [
      new Uint8Array(0),
      bytes.subarray(0, 5),
      bytes.subarray(0, bytes.length - 1),
      bytes.subarray(0, Math.floor(bytes.length / 2)),
      Buffer.from('something else altogether, and long enough'),
    ]) {
      expect((await errorOfReading(name, content)).code).toBe('bad-file');
    }
  });

  it.each([
    ['v.csv', 'PAR1', 'is a Parquet file by its content, not a CSV file'],
    ['v.parquet', 'id,v0\n', 'is not a Parquet file'],
    ['v.bin', Buffer.alloc(100), 'is not a table of vectors that can be read'],
    ['v.csv', 'id,label\na,x\n', 'holds no vectors; its columns are "id" and "label"'],
    ['v.npz', zipBytes([{ name: 'data.pkl', content: Buffer.from('x') }]), 'is a zip archive without npy arrays'],
    ['v.npz', zipBytes([{ name: 'v.npy', content: Buffer.from('no array') }]), 'v.npz#v is not an npy file'],
    [
      'v.npz',
      zipBytes([{ name: 'v.npy', content: npyBytes(new Uint8Array(8), { descr: "'|O'", shape: '(1, 2)' }) }]),
      'v.npz#v holds Python objects (dtype object)',
    ],
    [
      'v.npz',
      zipBytes([{ name: 'v.npy', content: npyBytes(new Uint8Array(8), { shape: '(9, 2)' }) }]),
      'v.npz#v is truncated: its header claims 9 x 2 values (72 bytes), the file holds 8',
    ],
    [
      'v.npz',
      zipBytes(Array.from({ length: 1001 }, (_, i) => ({ name: `${i}.npy`, content: npyTable([[1]]) }))),
      '1001 members',
    ],
    [
      'packed.npz',
      zipBytes([
        { name: 'v.npy', content: npyBytes(new Uint8Array(8), { fortran: true, shape: '(1, 2)' }), packed: true },
      ]),
      'is packed and stored column by column',
    ],
    [
      'v.safetensors',
      safetensors(new Uint8Array(8), [9, 2]),
      'its array "v" claims 9 x 2 values (72 bytes) in 8 bytes',
    ],
    ['v.safetensors', safetensors(new Uint8Array(8), [9, 2], 'F32', 72), 'its array "v" lies at 0 to 72 of 8 bytes'],
    ['v.safetensors', safetensors(new Uint8Array(8), [2], 'F32'), 'holds no table of vectors'],
    ['v.safetensors', safetensors(new Uint8Array(8), [2, 1], 'I32'), 'holds no table of vectors'],
  ])('%s (%#)', async (name, content, words) => {
    expect((await errorOfReading(name, content)).message).toContain(words);
  });
});

describe('archive bombs', () => {
  const huge = npyBytes(new Uint8Array(0), { shape: '(1000000, 1000)' });
  const zeros = new Uint8Array(4_000_000);

  it('a member that claims gigabytes is not unpacked', async () => {
    const claims = huge.length + 4e9;
    const content = Buffer.concat([huge, zeros]);
    const error = await errorOfReading('v.npz', zipBytes([{ name: 'v.npy', content, packed: true, claims }]));
    expect(error.message).toContain('unpacks to more than 67,108,864 bytes of vectors (250 times its size)');
    expect(error.left).toEqual([]);
  });

  it.each([
    ['more', 1_000_000],
    ['less', 100_000_000],
  ])('a member that unpacks to %s than it claims is refused', async (_, claimed) => {
    const header = npyBytes(new Uint8Array(0), { shape: `(${claimed / 40}, 10)` });
    const content = Buffer.concat([header, new Uint8Array(8_000_000).fill(1)]);
    const claims = header.length + claimed;
    const error = await errorOfReading('v.npz', zipBytes([{ name: 'v.npy', content, packed: true, claims }]));
    expect(error.message).toMatch(/damaged archive|unpacks to more than/);
    expect(error.left).toEqual([]);
  });

  it('Parquet runs that expand to 82 MB of vectors from a kilobyte are refused', async () => {
    const error = await errorOfReading('v.parquet', fixture('pyarrow-bomb.parquet'));
    expect(error.message).toContain('unpacks to more than 67,108,864 bytes of vectors (250 times its size)');
    expect(error.left).toEqual([]);
  });
});

describe('labels of every format', () => {
  it.each([
    ['t.tsv', 'id\tlabel\na\tx\na\ty\n', 'rows 1 and 2 have the same id "a"'],
    ['t.jsonl', '{"id":"a","label":"x"}\n{"id":"a","label":"y"}\n', 'rows 1 and 2 have the same id "a"'],
    ['t.jsonl', '{"id":"a","label":"x"}\n{"id":"b"}\n', 'row 2 has an empty label'],
    ['t.jsonl', '{"id":null,"label":"x"}\n', 'row 1 has an empty id'],
    ['t.parquet', fixture('pyarrow-bomb.parquet'), 'has no column "label"; its header has "vector"'],
  ])('%s: %s', async (name, content, words) => {
    const file = path.join(temporaryFolder(), name);
    await writeFile(file, content);
    const error = await errorOf(readLabelTable(file, { name, idPrefix: 'x' }));
    expect(error.message).toContain(words);
    expect(error.message).toContain(name);
    expect(error.remedy).not.toBeNull();
  });
});

describe('cancelling a conversion', () => {
  it('leaves nothing in the cache', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'v.csv');
    await writeFile(file, `v0,v1\n${'1,2\n'.repeat(5000)}`);
    const abort = new AbortController();
    const progress = {
      phase() {},
      log() {},
      async breathe() {},
      update: () => abort.abort(),
    };
    const cacheFolder = path.join(folder, 'cache');
    const error = await errorOf(openVectors(file, { cacheFolder, progress, signal: abort.signal }));
    expect(error.message).toBe(cancelledError().message);
    expect(await readdir(cacheFolder)).toEqual([]);
  });
});
