import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadDataset } from '../../src/core/data/loadDataset.ts';
import { embed, openCheckpoint } from '../../src/core/models/checkpoint.ts';
import { errorOf, npyTable, recordProgress, temporaryFolder } from '../fixtures/data/make.ts';

async function folderWith(files: Record<string, string | Uint8Array>): Promise<string> {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), content);
  return folder;
}

const openTable = (folder: string, vectors: string | string[] = 'g.npy', labels: string | string[] = 'g.csv') =>
  openCheckpoint('stored', { vectors, labels }, folder);

async function vectorsOf(folder: string, checkpoint: Awaited<ReturnType<typeof openTable>>, itemsFile: string) {
  const items = await loadDataset({ items: itemsFile }, 'set', folder);
  const source = await embed(checkpoint, items, { cacheFolder: folder, progress: recordProgress() });
  const values = new Float32Array(source.count * source.dimension);
  await source.read(0, source.count, values);
  await source.close();
  return Array.from({ length: source.count }, (_, row) => [
    ...values.subarray(row * source.dimension, (row + 1) * source.dimension),
  ]);
}

const gallery = npyTable([
  [1, 1],
  [2, 2],
  [3, 3],
]);
const queries = npyTable([
  [4, 4],
  [5, 5],
]);

describe('a table checkpoint', () => {
  it('finds vectors by id, in the order of the items, over several files', async () => {
    const folder = await folderWith({
      'g.npy': gallery,
      'q.npy': queries,
      'g.csv': 'id,label\na,x\nb,x\nc,y\n',
      'q.csv': 'label,id\ny,d\nx,e\n',
      'wanted.csv': 'id,label\ne,x\nc,y\na,x\nd,y\n',
      'one.csv': 'id,label\nb,x\n',
    });
    const checkpoint = await openTable(folder, ['g.npy', 'q.npy'], ['g.csv', 'q.csv']);
    expect(checkpoint).toMatchObject({ kind: 'table', name: 'stored', path: 'g.npy, q.npy', dimension: 2 });
    expect(await vectorsOf(folder, checkpoint, 'wanted.csv')).toEqual([
      [5, 5],
      [3, 3],
      [1, 1],
      [4, 4],
    ]);
    // Closing one selection leaves the others readable.
    expect(await vectorsOf(folder, checkpoint, 'one.csv')).toEqual([[2, 2]]);
    expect(await vectorsOf(folder, checkpoint, 'g.csv')).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
    await checkpoint.close();
  });

  it('matches rows of the same label file when there are no ids', async () => {
    const folder = await folderWith({
      'g.npy': gallery,
      'q.npy': queries,
      'g.csv': 'label\nx\nx\ny\n',
      'q.csv': 'label\ny\nx\n',
    });
    const checkpoint = await openTable(folder, ['g.npy', 'q.npy'], ['g.csv', 'q.csv']);
    expect(await vectorsOf(folder, checkpoint, 'q.csv')).toEqual([
      [4, 4],
      [5, 5],
    ]);
    expect(await vectorsOf(folder, checkpoint, './g.csv')).toHaveLength(3);
    await checkpoint.close();
  });

  it('does not match row numbers of different files', async () => {
    const folder = await folderWith({
      'g.npy': gallery,
      'g.csv': 'label\nx\nx\ny\n',
      'other.csv': 'label\nx\nx\ny\n',
      'ids.csv': 'id,label\nset/0,x\n',
    });
    const checkpoint = await openTable(folder);
    const error = await errorOf(vectorsOf(folder, checkpoint, 'other.csv'));
    expect(error.code).toBe('bad-data');
    expect(error.message).toContain(
      '"stored" has no vector for the item "set/0" of set (and for 2 more of 3); looked in',
    );
    expect(error.remedy).toContain('Items are matched by an "id" column');
    expect(error.remedy).toContain('other.csv');
    expect((await errorOf(vectorsOf(folder, checkpoint, 'ids.csv'))).remedy).toContain('g.csv');
    await checkpoint.close();
  });

  it('names an item without a vector', async () => {
    const folder = await folderWith({
      'g.npy': gallery,
      'g.csv': 'id,label\na,x\nb,x\nc,y\n',
      'w.csv': 'id,label\na,x\nz,x\n',
    });
    const checkpoint = await openTable(folder);
    const error = await errorOf(vectorsOf(folder, checkpoint, 'w.csv'));
    expect(error.message).toContain('has no vector for the item "z" of set; looked in');
    expect(error.message).toContain('g.csv');
    expect(error.remedy).toBe('Export vectors for all items, or remove the item from the dataset.');
    await checkpoint.close();
  });

  it('refuses labels of another length, naming both files and counts', async () => {
    const folder = await folderWith({ 'g.npy': gallery, 'g.csv': 'label\nx\ny\n' });
    const error = await errorOf(openTable(folder));
    expect(error).toMatchObject({ code: 'bad-data' });
    expect(error.message).toContain(
      `${path.join(folder, 'g.npy')} has 3 vectors, ${path.join(folder, 'g.csv')} has 2 rows`,
    );
  });

  it('refuses vectors of different length, and lists of different length', async () => {
    const folder = await folderWith({
      'g.npy': gallery,
      'q.npy': npyTable([[1, 2, 3]]),
      'g.csv': 'id,label\na,x\nb,x\nc,y\n',
      'q.csv': 'id,label\nd,x\n',
    });
    const error = await errorOf(openTable(folder, ['g.npy', 'q.npy'], ['g.csv', 'q.csv']));
    expect(error.message).toMatch(/g\.npy has vectors of length 2, .*q\.npy of 3/);
    expect((await errorOf(openTable(folder, ['g.npy', 'q.npy'], ['g.csv']))).message).toContain(
      '2 files of vectors and 1 of labels',
    );
  });

  it('takes an id in two files when its vectors agree, and refuses it when they do not', async () => {
    const files = { 'g.npy': gallery, 'g.csv': 'id,label\na,x\nb,x\nc,y\n', 'q.csv': 'id,label\nc,y\nd,x\n' };
    const both = [['g.npy', 'q.npy'] as string[], ['g.csv', 'q.csv'] as string[]] as const;
    const agreeing = await folderWith({
      ...files,
      'q.npy': npyTable([
        [3.00001, 3],
        [9, 9],
      ]),
    });
    const checkpoint = await openTable(agreeing, ...both);
    expect(await vectorsOf(agreeing, checkpoint, 'q.csv')).toEqual([
      [3, 3],
      [9, 9],
    ]);
    await checkpoint.close();
    const differing = await folderWith({
      ...files,
      'q.npy': npyTable([
        [3.1, 3],
        [9, 9],
      ]),
    });
    const error = await errorOf(openTable(differing, ...both));
    expect(error.message).toContain('two different vectors for the item "c"');
    expect(error.message).toMatch(/g\.csv row 3 and .*q\.csv row 1/);
  });

  it('names bad rows of its own file when they are read', async () => {
    const folder = await folderWith({
      'g.npy': npyTable([
        [1, 1],
        [0, 0],
        [1, 2],
      ]),
      'g.csv': 'id,label\na,x\nb,x\nc,y\n',
      'w.csv': 'id,label\nc,y\nb,x\n',
    });
    const checkpoint = await openTable(folder);
    expect((await errorOf(vectorsOf(folder, checkpoint, 'w.csv'))).message).toContain(
      'g.npy has row 2 with zeros only',
    );
    await checkpoint.close();
  });

  it('has a fingerprint of its content', async () => {
    const one = await folderWith({ 'g.npy': gallery, 'g.csv': 'label\nx\nx\ny\n' });
    const same = await folderWith({ 'g.npy': gallery, 'g.csv': 'label\nx\nx\ny\n' });
    const other = await folderWith({
      'g.npy': npyTable([
        [1, 1],
        [2, 2],
        [3, 4],
      ]),
      'g.csv': 'label\nx\nx\ny\n',
    });
    const prints: string[] = [];
    for (const folder of [one, same, other]) {
      const checkpoint = await openTable(folder);
      prints.push(await checkpoint.fingerprint());
      await checkpoint.close();
    }
    expect(prints[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(prints[1]).toBe(prints[0]);
    expect(prints[2]).not.toBe(prints[0]);
  });
});
