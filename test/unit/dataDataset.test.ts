import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { readIdx } from '../../src/core/data/idx.ts';
import { readImageFolder } from '../../src/core/data/imageFolder.ts';
import { loadDataset, selectPart } from '../../src/core/data/loadDataset.ts';
import { errorOf, idxBytes, temporaryFolder } from '../fixtures/data/make.ts';

/** Empty files: reading a dataset does not look into them. */
async function folderWith(...files: string[]): Promise<string> {
  const folder = temporaryFolder();
  for (const file of files) {
    await mkdir(path.join(folder, path.dirname(file)), { recursive: true });
    await writeFile(path.join(folder, file), '');
  }
  return folder;
}

describe('readImageFolder', () => {
  it('lists classes and items by code unit, deep ones too, and passes over the rest', async () => {
    const folder = await folderWith(
      'cat/b.png',
      'cat/a.JPG',
      'cat/more/c.webp',
      'cat/.hidden.png',
      'cat/notes.txt',
      '.git/x.png',
      'Zebra/1.tif',
      'Zebra/1.gif',
      'empty/readme.md',
      'über/a<b>&"c.jpeg',
      'stray.png',
    );
    const items = await readImageFolder(folder, 'animals');
    expect(items.classNames).toEqual(['Zebra', 'cat', 'über']);
    expect(items.ids).toEqual([
      'animals/Zebra/1.gif',
      'animals/Zebra/1.tif',
      'animals/cat/a.JPG',
      'animals/cat/b.png',
      'animals/cat/more/c.webp',
      'animals/über/a<b>&"c.jpeg',
    ]);
    expect([...items.labelOf]).toEqual([0, 0, 1, 1, 1, 2]);
    expect(items.images?.source(4)).toEqual({ kind: 'file', path: path.join(folder, 'cat/more/c.webp') });
    expect(items.rowFile).toBeUndefined();
  });

  it.each([
    ['an empty folder', [], 'is empty'],
    ['images without classes', ['a.png', 'b.png'], 'has 2 images but no class folders'],
    ['classes without images', ['cat/a.txt', 'dog/b.txt'], 'has 2 folders but no images'],
    ['something else', ['data.csv'], 'has no class folders (it has "data.csv")'],
  ])('refuses %s', async (_, files, words) => {
    const folder = await folderWith(...files);
    const error = await errorOf(readImageFolder(folder, 'x'));
    expect(error.code).toBe('bad-data');
    expect(error.message).toContain(words);
    expect(error.message).toContain(folder);
    expect(error.remedy).toContain('one folder a class');
  });

  it('follows links inside the folder, and refuses those that leave it', async () => {
    const outside = await folderWith('secret.png', 'class/1.png');
    const folder = await folderWith('cat/a.png', 'dog/b.png');
    await symlink('a.png', path.join(folder, 'cat/same.png'));
    expect((await readImageFolder(folder, 'x')).ids).toEqual(['x/cat/a.png', 'x/cat/same.png', 'x/dog/b.png']);

    const link = path.join(folder, 'cat/out.png');
    await symlink(path.join(outside, 'secret.png'), link);
    const error = await errorOf(readImageFolder(folder, 'x'));
    expect(error.message).toContain(`${link} leads out of the dataset's folder`);

    const other = await folderWith('cat/a.png');
    await symlink(path.join(outside, 'class'), path.join(other, 'dog'));
    expect((await errorOf(readImageFolder(other, 'x'))).message).toContain('leads out');

    const looped = await folderWith('cat/a.png');
    await symlink('.', path.join(looped, 'cat/self'));
    expect((await errorOf(readImageFolder(looped, 'x'))).message).toContain('leads to a folder');
  });

  it('takes a link as the folder itself', async () => {
    const folder = await folderWith('cat/a.png');
    const link = path.join(temporaryFolder(), 'link');
    await symlink(folder, link);
    expect((await readImageFolder(link, 'x')).count).toBe(1);
  });

  it('names a missing folder, and a file in its place', async () => {
    expect((await errorOf(readImageFolder('/no/such', 'x'))).code).toBe('not-found');
    const file = path.join(await folderWith('a.png'), 'a.png');
    expect((await errorOf(readImageFolder(file, 'x'))).message).toContain('is a file, not a folder');
  });
});

describe('readIdx', () => {
  async function pair(images: Buffer, labels: Buffer) {
    const folder = temporaryFolder();
    const files = { images: path.join(folder, 'images.idx'), labels: path.join(folder, 'labels.idx') };
    await writeFile(files.images, images);
    await writeFile(files.labels, labels);
    return files;
  }
  const images = idxBytes([3, 2, 1], [1, 2, 3, 4, 5, 6]);
  const labels = idxBytes([3], [2, 0, 2]);

  it('reads labels and says where the pixels are', async () => {
    const files = await pair(images, labels);
    const items = await readIdx(files, 'mnist');
    expect(items.classNames).toEqual(['0', '1', '2']);
    expect([...items.labelOf]).toEqual([2, 0, 2]);
    expect(items.ids).toEqual(['mnist/0', 'mnist/1', 'mnist/2']);
    expect(items.images?.source(1)).toEqual({ kind: 'raw', path: files.images, offset: 18, width: 1, height: 2 });
  });

  it.each([
    ['swapped files', labels, images, 'bad-file', 'It looks like an IDX label file'],
    ['packed files', Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), labels, 'bad-file', 'packed with gzip'],
    ['an empty file', Buffer.alloc(0), labels, 'bad-file', 'is not an IDX image file'],
    ['a cut header', images.subarray(0, 9), labels, 'bad-file', 'ends inside its header'],
    [
      'cut pixels',
      images.subarray(0, -1),
      labels,
      'bad-file',
      'truncated: its header claims 3 x 2 x 1 bytes (6), the file holds 5',
    ],
    ['too many pixels', Buffer.concat([images, images]), labels, 'bad-file', 'too long'],
    ['a huge claim', idxBytes([4294967295, 4294967295, 4294967295], [1]), labels, 'bad-file', 'truncated'],
    ['other counts', images, idxBytes([2], [0, 1]), 'bad-data', 'has 3 images'],
    ['no images', idxBytes([0, 2, 1], []), idxBytes([0], []), 'bad-file', 'holds no images'],
  ])('refuses %s', async (_, imageBytes, labelBytes, code, words) => {
    const error = await errorOf(readIdx(await pair(imageBytes, labelBytes), 'mnist'));
    expect(error.message).toContain(words);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/\.idx/);
  });
});

describe('loadDataset and selectPart', () => {
  async function digits() {
    const folder = temporaryFolder();
    await writeFile(
      path.join(folder, 'i.idx'),
      idxBytes(
        [20, 1, 1],
        Array.from({ length: 20 }, (_, row) => row),
      ),
    );
    await writeFile(
      path.join(folder, 'l.idx'),
      idxBytes(
        [20],
        Array.from({ length: 20 }, (_, row) => row % 2),
      ),
    );
    const definition = { idx: { images: 'i.idx', labels: 'l.idx' }, splits: { gallery: 0.7, query: 0.3 }, seed: 4 };
    return { definition, items: await loadDataset(definition, 'digits', folder), folder };
  }

  it('splits by class, seeded, and keeps ids and pixels of the items', async () => {
    const { definition, items } = await digits();
    const gallery = selectPart(items, definition, 'gallery');
    const query = selectPart(items, definition, 'query');
    expect([gallery.count, query.count]).toEqual([14, 6]);
    expect(gallery.name).toBe('digits/gallery');
    expect(Array.from(query.labelOf).filter((label) => label === 0)).toHaveLength(3);
    expect(new Set([...gallery.ids, ...query.ids]).size).toBe(20);
    const row = Number(query.ids[0]?.split('/')[1]);
    expect(query.images?.source(0)).toMatchObject({ offset: 16 + row });
    expect(selectPart(items, definition, null)).toBe(items);
    expect(selectPart(items, { ...definition, seed: 5 }, 'query').ids).not.toEqual(query.ids);
    expect(selectPart(items, definition, 'query').ids).toEqual(query.ids);
  });

  it('lists the parts when the name is none of them', async () => {
    const { definition, items } = await digits();
    const error = await errorOf(() => selectPart(items, definition, 'qurey'));
    expect(error).toMatchObject({ code: 'bad-config', remedy: 'Did you mean "digits/query"?' });
    expect((await errorOf(() => selectPart(items, definition, 'test'))).remedy).toBe(
      'Its parts are "gallery" and "query".',
    );
    const { splits: _, ...whole } = definition;
    expect((await errorOf(() => selectPart(items, whole, 'query'))).remedy).toContain('Give it "splits"');
    expect(
      (await errorOf(() => selectPart(items, { ...definition, splits: { tiny: 0.01 } }, 'tiny'))).message,
    ).toContain('is empty: 20 items, share 0.01');
  });

  it('reads items without content, and passes on where their row numbers come from', async () => {
    const folder = temporaryFolder();
    await writeFile(path.join(folder, 'gallery.csv'), 'label\na\nb\n');
    const definition = { items: 'gallery.csv', splits: { half: 1 } };
    const items = await loadDataset(definition, 'stored', folder);
    expect(items.ids).toEqual(['stored/0', 'stored/1']);
    expect(items.images).toBeNull();
    expect(selectPart(items, definition, 'half').rowFile).toBe(path.join(folder, 'gallery.csv'));
  });
});
