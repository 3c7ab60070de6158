import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { ItemSet } from '../../src/core/data/itemSet.ts';
import { readLabelTable } from '../../src/core/data/labelTable.ts';
import { loadDataset } from '../../src/core/data/loadDataset.ts';
import { agreedItems, readVectorItems } from '../../src/core/data/vectorItems.ts';
import { embed, openCheckpoint } from '../../src/core/models/checkpoint.ts';
import { bytesOf, errorOf, npyBytes, npyTable, recordProgress, temporaryFolder } from '../fixtures/data/make.ts';
import { zipBytes } from '../fixtures/data/zip.ts';

const folderOfTables = fileURLToPath(new URL('../fixtures/tables', import.meta.url));
const fixture = (name: string): string => path.join(folderOfTables, name);
const options = { name: 'items', idPrefix: 'gallery' };

describe('readVectorItems', () => {
  it.each([
    'numpy-stored.npz',
    'numpy-packed.npz',
    'pyarrow-fixed-zstd.parquet',
    'pandas-columns.parquet',
    'pandas-columns.csv',
    'pandas-columns.tsv',
    'pandas-json.csv',
    'pandas.jsonl',
  ])('takes ids, labels and slices from %s, and no component for a slice', async (name) => {
    const wanted = await readLabelTable(fixture('items.csv'), options);
    expect(await readVectorItems(fixture(name), options)).toEqual(wanted);
  });

  it('makes up what the file does not hold', async () => {
    for (const name of ['numpy-f4.npy', 'pandas-bare.csv', 'numpy-fortran.npz', 'safetensors-bf16.safetensors']) {
      const items = await readVectorItems(fixture(name), options);
      expect(items).toMatchObject({ count: 60, labelled: false, classNames: [''], rowFile: fixture(name) });
      expect(items.ids[59]).toBe('gallery/59');
    }
    const labelled = await readVectorItems(fixture('safetensors-f32.safetensors'), options);
    expect(labelled.classNames).toEqual(['0', '1', '2', '3']);
    expect(labelled.labelled).toBeUndefined();
  });

  it('reads integers and texts of NumPy of either byte order', async () => {
    const file = path.join(temporaryFolder(), 'v.npz');
    const column = (descr: string, values: Uint8Array) => npyBytes(values, { descr: `'${descr}'`, shape: '(2,)' });
    const utf32 = Buffer.alloc(24);
    for (const [at, character] of [...'é😀'].entries()) utf32.writeUInt32BE(character.codePointAt(0) as number, 4 * at);
    utf32.writeUInt32BE(0x62, 12);
    const big = Buffer.alloc(4);
    big.writeInt16BE(-2, 0);
    big.writeInt16BE(300, 2);
    await writeFile(
      file,
      zipBytes([
        { name: 'v.npy', content: npyTable([[1], [2]]) },
        { name: 'id.npy', content: column('>U3', utf32), packed: true },
        { name: 'label.npy', content: column('>i2', big) },
        { name: 'big.npy', content: column('<u8', bytesOf(BigUint64Array.of(2n ** 63n, 1n))) },
        { name: 'flag.npy', content: column('|b1', Uint8Array.of(1, 0)) },
        { name: 'short.npy', content: npyBytes(new Uint8Array(8), { descr: "'<i8'", shape: '(1,)' }) },
      ]),
    );
    const items = await readVectorItems(file, options);
    expect(items).toMatchObject({ ids: ['é😀', 'b'], classNames: ['-2', '300'] });
    expect([...items.slices]).toEqual([
      ['big', ['9223372036854775808', '1']],
      ['flag', ['true', 'false']],
    ]);
    const error = await errorOf(readVectorItems(file, { ...options, columns: { label: 'lable' } }));
    expect(error.message).toContain('has no column "lable"');
    const none = await errorOf(readVectorItems(fixture('numpy-f4.npy'), { ...options, columns: { label: 'sku' } }));
    expect(none.message).toContain('holds vectors only, no "sku"');
  });
});

describe('agreedItems', () => {
  const files = ['old.npy', 'new.npy'] as const;
  const items = (ids: readonly string[] | null, labels: readonly string[] | null): ItemSet => ({
    name: 'x',
    count: 2,
    ids: ids ?? ['gallery/0', 'gallery/1'],
    labelOf: Int32Array.of(0, labels === null || labels[0] === labels[1] ? 0 : 1),
    classNames: labels === null ? [''] : [...new Set(labels)],
    ...(labels === null ? { labelled: false } : {}),
    slices: new Map(),
    images: null,
    ...(ids === null ? { rowFile: '/x' } : {}),
  });

  it('takes what one of them knows', () => {
    const bare = items(null, null);
    const full = items(['a', 'b'], ['x', 'y']);
    expect(agreedItems(bare, full, [...files])).toBe(full);
    expect(agreedItems(full, bare, [...files])).toBe(full);
    expect(agreedItems(bare, bare, [...files])).toBe(bare);
    const joined = agreedItems(items(null, ['x', 'y']), items(['a', 'b'], null), [...files]);
    expect(joined).toMatchObject({ ids: ['a', 'b'], classNames: ['x', 'y'] });
    expect(joined.rowFile).toBeUndefined();
  });

  it.each([
    [items(['a', 'b'], null), items(['a', 'c'], null), 'differ in row 2: the ids are "b" and "c"'],
    [items(null, ['x', 'y']), items(null, ['x', 'x']), 'differ in row 2: the labels are "y" and "x"'],
    [items(null, null), { ...items(null, null), count: 3 }, 'have 2 and 3 rows'],
  ])('refuses what differs (%#)', async (first, second, words) => {
    const error = await errorOf(() => agreedItems(first, second, [...files]));
    expect(error.message).toContain(`old.npy and new.npy ${words}`);
    expect(error).toMatchObject({ code: 'bad-data', place: { file: 'new.npy' } });
  });
});

describe('a table checkpoint without label files', () => {
  it.each([
    ['numpy-two.npz', 'old', 'numpy-two.npz'],
    ['numpy-packed.npz', undefined, 'items.csv'],
    ['pyarrow-fixed-zstd.parquet', undefined, 'items.csv'],
    ['pandas-columns.csv', undefined, 'pandas.jsonl'],
    ['pandas.jsonl', 'vector', 'pandas-columns.csv'],
  ])('%s serves the items of its own columns', async (vectors, array, itemsFile) => {
    const cacheFolder = temporaryFolder();
    const checkpoint = await openCheckpoint('stored', { vectors, array }, folderOfTables, { cacheFolder });
    const definition = { items: array === 'old' ? `${itemsFile}#old` : itemsFile };
    const items = await loadDataset(definition, 'set', folderOfTables);
    const source = await embed(checkpoint, items, { cacheFolder, progress: recordProgress() });
    expect([source.count, source.dimension]).toEqual([60, 8]);
    const row = new Float32Array(8);
    await source.read(7, 1, row);
    const [wanted] = await rowsOfSource(7);
    expect([...row]).toEqual(wanted);
    await checkpoint.close();
  });

  async function rowsOfSource(row: number): Promise<number[][]> {
    const checkpoint = await openCheckpoint('source', { vectors: 'source.npy', labels: 'items.csv' }, folderOfTables);
    const items = await loadDataset({ items: 'items.csv' }, 'set', folderOfTables);
    const source = await embed(checkpoint, items, { cacheFolder: '/nowhere', progress: recordProgress() });
    const values = new Float32Array(8);
    await source.read(row, 1, values);
    await checkpoint.close();
    return [[...values]];
  }
});
