import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkConfig } from '../../src/core/config/checkConfig.ts';
import { loadDataset, selectPart } from '../../src/core/data/loadDataset.ts';
import { errorOf, temporaryFolder } from '../fixtures/data/make.ts';

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
  return folder;
}

const images = { 'pictures/a.png': 'a', 'pictures/b.png': 'b', 'pictures/c <i>.png': 'c' };

describe('a manifest', () => {
  const text =
    'file,sku,country,part\npictures/a.png,x,CH,gallery\n./pictures//b.png,y,FR,query\npictures/c <i>.png,x,CH,gallery\n';
  const definition = {
    manifest: 'lists/../products.csv',
    path: 'file',
    label: 'sku',
    split: 'part',
    slices: ['country'],
  };

  it('has the images, labels, slices and parts of its rows; ids are their paths', async () => {
    const folder = await folderWith({ ...images, 'products.csv': text });
    const items = await loadDataset(definition, 'products', folder);
    expect(items.ids).toEqual(['products/pictures/a.png', 'products/pictures/b.png', 'products/pictures/c <i>.png']);
    expect(items.classNames).toEqual(['x', 'y']);
    expect([...items.slices]).toEqual([['country', ['CH', 'FR', 'CH']]]);
    expect(items.rowFile).toBeUndefined();
    expect(items.images?.source(1)).toEqual({ kind: 'file', path: path.join(folder, 'pictures/b.png') });
    const gallery = selectPart(items, definition, 'gallery');
    expect(gallery).toMatchObject({ name: 'products/gallery', count: 2, ids: [items.ids[0], items.ids[2]] });
    expect(gallery.images?.source(1)).toEqual({ kind: 'file', path: path.join(folder, 'pictures/c <i>.png') });
    const error = await errorOf(() => selectPart(items, definition, 'qery'));
    expect(error.message).toContain('Dataset "products" has no part "qery"');
    expect(error.remedy).toBe('Did you mean "products/query"?');
    expect(error.place.field).toBe('datasets.products.split');
  });

  it('may be of any format, and name its ids', async () => {
    const folder = await folderWith({
      ...images,
      'm.jsonl': '{"path":"pictures/a.png","label":1,"sku":"s1"}\n{"path":"pictures/a.png","label":2,"sku":"s2"}\n',
    });
    const items = await loadDataset({ manifest: 'm.jsonl', id: 'sku' }, 'm', folder);
    expect(items).toMatchObject({ ids: ['s1', 's2'], classNames: ['1', '2'] });
    const error = await errorOf(loadDataset({ manifest: 'm.jsonl' }, 'm', folder));
    expect(error.message).toContain('rows 1 and 2 have the same path "pictures/a.png"');
  });

  it.each([
    ['../secret.png', 'row 2 has a path that leaves the manifest\'s folder: "../secret.png"'],
    ['pictures/../../secret.png', "row 2 has a path that leaves the manifest's folder"],
    ['/etc/passwd', 'row 2 has an absolute path: "/etc/passwd"'],
    ['', 'row 2 has no path'],
    ['pictures/gone.png', 'row 2: the image'],
    ['pictures/out.png', "leads out of the manifest's folder"],
    ['a\0b.png', 'row 2 has a path that no file can have'],
  ])('refuses %j', async (given, words) => {
    const folder = await folderWith({
      'secret.png': 's',
      'data/pictures/a.png': 'a',
      'data/m.csv': `path,label\npictures/a.png,x\n${given},y\n`,
    });
    await symlink(path.join(folder, 'secret.png'), path.join(folder, 'data/pictures/out.png'));
    const error = await errorOf(loadDataset({ manifest: 'data/m.csv' }, 'm', folder));
    expect(error.message).toContain(words);
    expect(error.message).toContain('m.csv');
    expect(error).toMatchObject({ code: 'bad-data', place: { row: 2, field: 'path' } });
    expect(error.remedy).not.toBeNull();
  });

  it('says which column is missing', async () => {
    const folder = await folderWith({ 'm.csv': 'file,label\na.png,x\n' });
    const error = await errorOf(loadDataset({ manifest: 'm.csv' }, 'm', folder));
    expect(error.message).toContain('has no column "path"; its header has "file" and "label"');
  });

  it('makes its parts itself or takes them from a column, not both', () => {
    const datasets = { m: { manifest: 'm.csv', split: 'part', splits: { a: 0.5 } } };
    const { problems } = checkConfig(JSON.stringify({ datasets }));
    expect(problems.map(({ message }) => message)).toEqual(['datasets.m gives both "split" and "splits".']);
  });
});
