import { readFileSync } from 'node:fs';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { fromFloat16, toFloat16 } from '../../src/core/data/float16.ts';
import { readLabelTable } from '../../src/core/data/labelTable.ts';
import { openVectors, splitArrayName } from '../../src/core/data/vectorTable.ts';
import { errorOf, temporaryFolder } from '../fixtures/data/make.ts';

/** What other tools wrote: bench/reference/makeTableFixtures.py. */
const folder = fileURLToPath(new URL('../fixtures/tables', import.meta.url));
const fixture = (name: string): string => path.join(folder, name);
const versions = JSON.parse(readFileSync(fixture('versions.json'), 'utf8')) as Record<string, string>;
const rows = 60;
const dimension = 8;

/** The values of source.npy, which NumPy wrote: what stands behind its header of 128 bytes. */
const bytes = readFileSync(fixture('source.npy'));
const source = new Float32Array(bytes.buffer.slice(bytes.byteOffset + 128, bytes.byteOffset + bytes.length));

const roundTo: Record<string, (value: number) => number> = {
  float32: (value) => value,
  float16: (value) => fromFloat16(toFloat16(value)),
  // The nearest number whose lower 16 bits are 0, of two the one with the even upper half.
  bfloat16: (value) => {
    const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) - 7);
    const scaled = value / unit;
    const floor = Math.floor(scaled);
    const rest = scaled - floor;
    return (rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor) * unit;
  },
};

interface Case {
  file: string;
  format: string;
  tool: string;
  values?: keyof typeof roundTo;
}

const npy = (file: string, format: string, values = 'float32'): Case => ({ file, format, tool: 'NumPy', values });
const arrow = (file: string, format: string, values = 'float32'): Case => ({ file, format, tool: 'PyArrow', values });
const pandas = (file: string, format: string): Case => ({ file, format, tool: 'pandas' });
const cases: Case[] = [
  npy('numpy-f4.npy', 'npy float32'),
  npy('numpy-f2.npy', 'npy float16', 'float16'),
  npy('numpy-f8.npy', 'npy float64'),
  npy('numpy-big.npy', 'npy float32 big-endian'),
  npy('numpy-fortran.npy', 'npy float32 column by column'),
  npy('numpy-stored.npz', 'npz stored'),
  npy('numpy-packed.npz', 'npz deflated, float64'),
  npy('numpy-two.npz#old', 'npz, one of two arrays'),
  npy('numpy-two.npz#new', 'npz, the other, float16', 'float16'),
  npy('numpy-fortran.npz', 'npz stored column by column'),
  ...(['f16', 'f32', 'f64', 'bf16'] as const).map((type) => ({
    file: `safetensors-${type}.safetensors`,
    format: `safetensors ${type.toUpperCase()}`,
    tool: 'safetensors',
    values: ({ f16: 'float16', f32: 'float32', f64: 'float32', bf16: 'bfloat16' } as const)[type],
  })),
  ...['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'].map((codec) =>
    arrow(`pyarrow-fixed-${codec}.parquet`, `Parquet, fixed-size lists, 3 row groups, ${codec}`),
  ),
  arrow('pyarrow-list.parquet', 'Parquet, lists, many pages, dictionary'),
  arrow('pyarrow-page-v2.parquet', 'Parquet, lists, pages of version 2'),
  arrow('pyarrow-no-dictionary.parquet', 'Parquet, lists, plain'),
  arrow('pyarrow-split.parquet', 'Parquet, lists, BYTE_STREAM_SPLIT'),
  arrow('pyarrow-double.parquet', 'Parquet, fixed-size lists of float64'),
  arrow('pyarrow-half.parquet', 'Parquet, fixed-size lists of float16', 'float16'),
  pandas('pandas-columns.parquet', 'Parquet, a column a component'),
  pandas('pandas-list.parquet', 'Parquet, lists'),
  pandas('pandas-columns.csv', 'CSV, a column a component, index'),
  pandas('pandas-columns.tsv', 'TSV, a column a component'),
  pandas('pandas-bare.csv', 'CSV, numbered columns alone'),
  pandas('pandas-json.csv', 'CSV, JSON lists in a column'),
  pandas('pandas.jsonl', 'JSON Lines, a field of lists'),
  { file: 'polars-array.parquet', format: 'Parquet, fixed-size lists', tool: 'Polars' },
  { file: 'polars.ndjson', format: 'JSON Lines, a field of lists', tool: 'Polars' },
  { file: 'duckdb.parquet', format: 'Parquet, lists, pages of version 2', tool: 'DuckDB' },
  { file: 'python.ndjson', format: 'JSON Lines, a field of lists', tool: 'Python' },
];

/** Lines of the table in bench/README.md. */
const table: string[] = [];

describe('tables that other tools wrote', () => {
  it.each(cases)('$format of $tool equals its source: $file', async ({ file, format, tool, values = 'float32' }) => {
    const cacheFolder = temporaryFolder();
    const reference = await splitArrayName(fixture(file));
    for (let time = 0; time < 2; time++) {
      const vectors = await openVectors(reference.file, { array: reference.array, cacheFolder });
      expect([vectors.count, vectors.dimension]).toEqual([rows, dimension]);
      const read = new Float32Array(rows * dimension);
      await vectors.read(0, rows, read);
      expect([...read]).toEqual([...source.map(roundTo[values] as (value: number) => number)]);
      const one = new Float32Array(dimension);
      await vectors.read(41, 1, one);
      expect([...one]).toEqual([...read.subarray(41 * dimension, 42 * dimension)]);
      await vectors.close();
    }
    const converted = (await readdir(cacheFolder)).length;
    expect(converted).toBeLessThanOrEqual(1);
    const how = converted === 1 ? 'converted once' : 'in place';
    table.push(`| ${format} | ${tool} ${versions[tool]} | equal to the source's ${values} values, ${how} |`);
  });

  it('has no whole file that is not read', async () => {
    const read = new Set(cases.map(({ file }) => file.replace(/#.*/, '')));
    const others = (await readdir(folder)).filter((name) => !read.has(name) && !/^bad-/.test(name)).sort();
    expect(others).toEqual(['items.csv', 'pyarrow-bomb.parquet', 'source.npy', 'versions.json']);
  });

  it('reads what bench/README.md says', () => {
    const readme = readFileSync(new URL('../../bench/README.md', import.meta.url), 'utf8').split('\n');
    const said = readme.filter((line) => line.includes("equal to the source's"));
    expect(said).toEqual(table);
  });

  afterAll(() => console.log(table.join('\n')));
});

describe('rows that other tools wrote', () => {
  const tables = cases.map(({ file }) => file).filter((file) => /\.(parquet|csv|tsv|jsonl|ndjson)$/.test(file));

  it.each(tables.filter((file) => file !== 'pandas-bare.csv'))(
    '%s has the ids, labels and slices of items.csv',
    async (file) => {
      const options = { name: 'items', idPrefix: 'items' };
      const wanted = await readLabelTable(fixture('items.csv'), options);
      const items = await readLabelTable(fixture(file), { ...options, columns: { slices: ['country'] } });
      expect(items).toEqual(wanted);
    },
  );
});

describe('splitArrayName', () => {
  it('takes what stands behind the last # of a file that is there', async () => {
    const folderWithHash = path.join(temporaryFolder(), 'a#b');
    await mkdir(folderWithHash);
    const own = path.join(folderWithHash, 'v#w.npy');
    await writeFile(own, '');
    expect(await splitArrayName(own)).toEqual({ file: own, array: null });
    expect(await splitArrayName(`${own}#x`)).toEqual({ file: own, array: 'x' });
    expect(await splitArrayName(`${folderWithHash}/gone.npy`)).toEqual({
      file: `${folderWithHash}/gone.npy`,
      array: null,
    });
  });
});

describe('openVectors', () => {
  const cacheFolder = '/nowhere';

  it('lists the arrays when the choice is open, and names the way to choose', async () => {
    const error = await errorOf(openVectors(fixture('numpy-two.npz'), { cacheFolder }));
    expect(error.message).toContain(
      'numpy-two.npz holds several tables of vectors: "old" (float32 60 x 8), "new" (float16 60 x 8).',
    );
    expect(error.remedy).toContain('numpy-two.npz#old" on the command line, "array": "old" in a config.');
    const typo = await errorOf(openVectors(fixture('numpy-two.npz'), { array: 'olds', cacheFolder }));
    expect(typo.message).toContain(
      'has no array "olds"; it holds "old" (float32 60 x 8), "new" (float16 60 x 8), "step"',
    );
    expect(typo.remedy).toBe('Did you mean "old"?');
    const number = await errorOf(openVectors(fixture('numpy-two.npz'), { array: 'step', cacheFolder }));
    expect(number.message).toContain('"step" (integers or booleans (dtype <i8)) is no table of vectors');
    const tensor = await errorOf(openVectors(fixture('safetensors-f32.safetensors'), { array: 'labels', cacheFolder }));
    expect(tensor.message).toContain('"labels" (i64 60) is no table of vectors');
    const items = await errorOf(openVectors(fixture('items.csv'), { cacheFolder }));
    expect(items.message).toContain('items.csv holds no vectors; its columns are "id", "label" and "country"');
  });

  it('keeps the converted table by content', async () => {
    const folderOfCache = temporaryFolder();
    const open = async (file: string, array: string | null = null) => {
      const vectors = await openVectors(fixture(file), { array, cacheFolder: folderOfCache });
      await vectors.close();
      return (await readdir(folderOfCache)).length;
    };
    expect(await open('numpy-packed.npz')).toBe(1);
    const [name] = (await readdir(folderOfCache)) as [string];
    const before = (await stat(path.join(folderOfCache, name))).mtimeMs;
    expect(await open('numpy-packed.npz', 'vectors')).toBe(1);
    expect((await stat(path.join(folderOfCache, name))).mtimeMs).toBe(before);
    expect(await open('pandas.jsonl')).toBe(2);
    expect(await open('pandas-columns.csv')).toBe(3);
    expect(await open('pandas-columns.csv', 'v')).toBe(3);
  });
});
