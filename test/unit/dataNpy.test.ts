import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { fromFloat16, toFloat16 } from '../../src/core/data/float16.ts';
import { createNpyWriter, openNpy, writeNpy } from '../../src/core/data/npy.ts';
import { selectRows, vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { bytesOf, errorOf, npyBytes, npyTable, temporaryFolder } from '../fixtures/data/make.ts';

async function fileOf(bytes: Uint8Array): Promise<string> {
  const file = path.join(temporaryFolder(), 'vectors.npy');
  await writeFile(file, bytes);
  return file;
}

async function rowsOf(file: string): Promise<number[][]> {
  const source = await openNpy(file);
  const values = new Float32Array(source.count * source.dimension);
  await source.read(0, source.count, values);
  await source.close();
  return Array.from({ length: source.count }, (_, row) => [
    ...values.subarray(row * source.dimension, (row + 1) * source.dimension),
  ]);
}

describe('openNpy', () => {
  const table = [
    [1, 2, 3],
    [4, 5, 6],
    [7, 8, 9],
  ];

  it.each([1, 2, 3])('reads version %i', async (version) => {
    const file = await fileOf(npyBytes(bytesOf(Float32Array.from(table.flat())), { shape: '(3, 3)', version }));
    expect(await rowsOf(file)).toEqual(table);
  });

  it('reads float64 and float16 as float32', async () => {
    const doubles = npyBytes(bytesOf(Float64Array.from(table.flat())), { shape: '(3, 3)', descr: "'<f8'" });
    expect(await rowsOf(await fileOf(doubles))).toEqual(table);
    // 1, -2, 0.5, 65504 in IEEE 754 binary16.
    const halves = npyBytes(bytesOf(Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x7bff)), {
      shape: '(2, 2)',
      descr: "'<f2'",
    });
    expect(await rowsOf(await fileOf(halves))).toEqual([
      [1, -2],
      [0.5, 65504],
    ]);
  });

  it.each([
    ['>f2', 2, (view: DataView, at: number) => view.setUint16(at, 0x3e00)],
    ['>f4', 4, (view: DataView, at: number) => view.setFloat32(at, 1.5)],
    ['>f8', 8, (view: DataView, at: number) => view.setFloat64(at, 1.5)],
  ] as const)('reads big-endian %s', async (type, width, write) => {
    const bytes = new Uint8Array(2 * width);
    write(new DataView(bytes.buffer), 0);
    write(new DataView(bytes.buffer), width);
    expect(await rowsOf(await fileOf(npyBytes(bytes, { descr: `'${type}'`, shape: '(1, 2)' })))).toEqual([[1.5, 1.5]]);
  });

  it('reads any rows, in any order', async () => {
    const source = await openNpy(await fileOf(npyTable(table)));
    const into = new Float32Array(6).fill(-1);
    await source.read(1, 1, into);
    expect([...into]).toEqual([4, 5, 6, -1, -1, -1]);
    await selectRows(source, Int32Array.of(2, 0)).read(0, 2, into);
    expect([...into]).toEqual([7, 8, 9, 1, 2, 3]);
    await source.close();
    await source.close();
    await expect(source.read(0, 1, into)).rejects.toThrow('closed');
  });

  it('holds the file open, not its content: a table of a gigabyte of holes opens at once', async () => {
    const file = await fileOf(npyBytes(new Uint8Array(0), { shape: '(1000000, 256)' }));
    const header = (await readFile(file)).length;
    await truncate(file, header + 1_000_000 * 256 * 4);
    const before = process.memoryUsage().rss;
    const source = await openNpy(file);
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
    expect([source.count, source.dimension]).toEqual([1_000_000, 256]);
    const error = await errorOf(source.read(999_990, 10, new Float32Array(2560)));
    expect(error.message).toContain('rows 999991, 999992, 999993, 999994, 999995 with zeros only');
    await source.close();
  });

  it.each([
    ['wrong magic', Buffer.from('not an array at all'), 'bad-file', 'does not begin with its magic'],
    ['empty', Buffer.alloc(0), 'bad-file', 'does not begin with its magic'],
    ['shorter than the magic', Buffer.from('\x93NU', 'latin1'), 'bad-file', 'does not begin with its magic'],
    ['version 9', npyBytes(new Uint8Array(4), { version: 9 }), 'bad-file', 'version 9'],
    ['cut header', npyTable(table).subarray(0, 40), 'bad-file', 'truncated: its header'],
    ['cut values', npyTable(table).subarray(0, -1), 'bad-file', 'claims 3 x 3 values (36 bytes), the file holds 35'],
    ['too many bytes', Buffer.concat([npyTable(table), Buffer.alloc(3)]), 'bad-file', 'holds 3 bytes more'],
    [
      'a huge claim',
      npyBytes(new Uint8Array(8), { shape: '(4000000000, 4000000000)' }),
      'bad-file',
      'claims 4000000000 x 4000000000 values',
    ],
    [
      'a claim beyond numbers',
      npyBytes(new Uint8Array(8), { shape: `(${'9'.repeat(400)}, 2)` }),
      'bad-file',
      'cannot be understood',
    ],
    ['no dictionary', npyBytes(new Uint8Array(4), { header: 'hello' }), 'bad-file', 'cannot be understood'],
    [
      'objects',
      npyBytes(new Uint8Array(8), { descr: "'|O'", shape: '(2,)' }),
      'bad-data',
      'Python objects (dtype object)',
    ],
    ['integers', npyBytes(new Uint8Array(8), { descr: "'<i4'", shape: '(1, 2)' }), 'bad-data', 'integers'],
    ['text', npyBytes(new Uint8Array(8), { descr: "'<U1'", shape: '(1, 2)' }), 'bad-data', 'text (dtype <U1)'],
    ['records', npyBytes(new Uint8Array(8), { descr: "[('a', '<f4')]", shape: '(2,)' }), 'bad-data', 'records'],
    ['columns first', npyBytes(new Uint8Array(8), { fortran: true, shape: '(1, 2)' }), 'bad-data', 'fortran_order'],
    ['one dimension', npyBytes(new Uint8Array(8), { shape: '(2,)' }), 'bad-data', 'has 1 dimension (2)'],
    [
      'three dimensions',
      npyBytes(new Uint8Array(8), { shape: '(1, 1, 2)' }),
      'bad-data',
      'has 3 dimensions (1 x 1 x 2)',
    ],
    ['no rows', npyBytes(new Uint8Array(0), { shape: '(0, 5)' }), 'bad-data', 'holds no vectors'],
  ])('refuses %s', async (_, bytes, code, words) => {
    const file = await fileOf(bytes);
    const error = await errorOf(openNpy(file));
    expect(error.message).toContain(words);
    expect(error.message).toContain(file);
    expect(error).toMatchObject({ code, place: { file } });
    expect(error.remedy).not.toBeNull();
  });

  it('refuses a header that claims 4 GB of itself', async () => {
    const bytes = npyBytes(new Uint8Array(8), { version: 2, shape: '(1, 2)' });
    bytes.writeUInt32LE(0xffffffff, 8);
    expect((await errorOf(openNpy(await fileOf(bytes)))).message).toContain('claims a header of 4294967295 bytes');
  });

  it('names what is missing, and folders', async () => {
    expect(await errorOf(openNpy('/no/such.npy'))).toMatchObject({ code: 'not-found' });
    expect((await errorOf(openNpy(temporaryFolder()))).message).toContain('is a folder');
  });

  it('names rows with NaN, infinity and zeros, counted from 1, and counts them', async () => {
    const rows = Array.from({ length: 20 }, (_, row) => [row + 1, 1]);
    for (const row of [3, 4, 5, 6, 7, 8]) rows[row] = [Number.NaN, 1];
    rows[9] = [1, Number.NEGATIVE_INFINITY];
    rows[11] = [0, 0];
    const file = await fileOf(npyTable(rows));
    const source = await openNpy(file);
    const into = new Float32Array(40);
    const error = await errorOf(source.read(0, 20, into));
    expect(error.code).toBe('bad-data');
    expect(error.message).toBe(
      `${file} has rows 4, 5, 6, 7, 8 with NaN or infinite values and row 12 with zeros only (counted from 1; 8 bad rows known so far).`,
    );
    expect(error.place).toEqual({ file, row: 4 });
    await source.read(12, 8, into);
    await source.close();
  });

  it('takes the smallest and the largest numbers for what they are', async () => {
    const file = await fileOf(
      npyTable([
        [1e-45, 0],
        [3.4e38, -3.4e38],
      ]),
    );
    expect((await rowsOf(file))[0]?.[0]).toBeGreaterThan(0);
  });

  it('notices a file that shrinks while it is open', async () => {
    const file = await fileOf(npyTable(table));
    const source = await openNpy(file);
    await truncate(file, 140);
    expect((await errorOf(source.read(0, 3, new Float32Array(9)))).message).toContain('became shorter');
    await source.close();
  });
});

describe('writing npy', () => {
  it('writes what is read again, whatever the blocks', async () => {
    const file = path.join(temporaryFolder(), 'deep/er/vectors.npy');
    const values = Float32Array.from({ length: 21 }, (_, index) => index + 1);
    await writeNpy(file, vectorsInMemory('test', values, 3));
    expect((await rowsOf(file)).flat()).toEqual([...values]);
    expect((await readFile(file)).indexOf('\n') % 64).toBe(63);
    const writer = await createNpyWriter(file, 3, 2);
    await writer.write(Float32Array.of(1, 2));
    await writer.write(Float32Array.of(3, 4, 5, 6));
    await writer.finish();
    await writer.abort();
    expect(await rowsOf(file)).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
  });

  it('leaves the old file alone until it is complete, and nothing behind', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'vectors.npy');
    await writeFile(file, 'old');
    const abandoned = await createNpyWriter(file, 2, 2);
    await abandoned.write(Float32Array.of(1, 2));
    await abandoned.abort();
    const short = await createNpyWriter(file, 2, 2);
    await short.write(Float32Array.of(1, 2));
    await expect(short.finish()).rejects.toThrow('2 values written');
    expect(await readFile(file, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['vectors.npy']);
  });
});

describe('half precision', () => {
  it('gives every finite half its value and back', () => {
    for (let half = 0; half < 0x10000; half++) {
      const value = fromFloat16(half);
      if (Number.isNaN(value)) continue;
      expect(toFloat16(value) === half || half === 0x8000).toBe(true);
    }
    expect(fromFloat16(0x0001)).toBe(2 ** -24);
    expect(fromFloat16(0x03ff)).toBe(1023 * 2 ** -24);
    expect(fromFloat16(0x3555)).toBeCloseTo(1 / 3, 3);
    expect(fromFloat16(0xfc00)).toBe(Number.NEGATIVE_INFINITY);
    expect(fromFloat16(0x7e00)).toBeNaN();
  });

  it('rounds to the nearest, ties to even', () => {
    expect(toFloat16(1 + 2 ** -11)).toBe(0x3c00);
    expect(toFloat16(1 + 3 * 2 ** -11)).toBe(0x3c02);
    expect(toFloat16(65519)).toBe(0x7bff);
    expect(toFloat16(65520)).toBe(0x7c00);
    expect(toFloat16(2 ** -25)).toBe(0);
    expect(toFloat16(1.5 * 2 ** -24)).toBe(2);
    expect(toFloat16(Number.NaN)).toBe(0x7e00);
    expect(toFloat16(-(2 ** -14) * (1 - 2 ** -12))).toBe(0x8400);
  });
});
