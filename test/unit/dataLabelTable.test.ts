import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { readLabelTable } from '../../src/core/data/labelTable.ts';
import { errorOf, temporaryFolder } from '../fixtures/data/make.ts';

async function tableOf(text: string | Uint8Array) {
  const file = path.join(temporaryFolder(), 'labels.csv');
  await writeFile(file, text);
  return readLabelTable(file, { name: 'labels.csv', idPrefix: 'gallery' });
}

const labelsOf = (items: Awaited<ReturnType<typeof tableOf>>) =>
  Array.from(items.labelOf, (label) => items.classNames[label]);

describe('readLabelTable', () => {
  it('numbers rows from 0 when there is no id column', async () => {
    const items = await tableOf('label\ncat\ndog\ncat\n');
    expect(items.ids).toEqual(['gallery/0', 'gallery/1', 'gallery/2']);
    expect(items.classNames).toEqual(['cat', 'dog']);
    expect([...items.labelOf]).toEqual([0, 1, 0]);
    expect(items).toMatchObject({ name: 'labels.csv', count: 3, images: null });
    expect(items.rowFile).toMatch(/labels\.csv$/);
  });

  it('takes ids, and other columns as slices', async () => {
    const items = await tableOf(',country,id,label\n0,CH,a,cat\n1,"CH",b,dog\n');
    expect(items.ids).toEqual(['a', 'b']);
    expect([...items.slices]).toEqual([['country', ['CH', 'CH']]]);
    expect(items.rowFile).toBeUndefined();
  });

  it('reads quotes, new lines in fields, CRLF, a byte order mark and a missing last new line', async () => {
    const items = await tableOf('\uFEFFid,label\r\n"a ""b"" <i>","x,y"\r\n"two\nlines",../z');
    expect(items.ids).toEqual(['a "b" <i>', 'two\nlines']);
    expect(labelsOf(items)).toEqual(['x,y', '../z']);
  });

  it('keeps names that are special to JavaScript as data', async () => {
    const items = await tableOf('id,label,constructor\n__proto__,toString,x\nhasOwnProperty,__proto__,y\n');
    expect(items.ids).toEqual(['__proto__', 'hasOwnProperty']);
    expect(labelsOf(items)).toEqual(['toString', '__proto__']);
    expect(items.slices.get('constructor')).toEqual(['x', 'y']);
  });

  it('forgives blank lines at the end only', async () => {
    expect((await tableOf('id,label\na,x\n\n\n')).count).toBe(1);
    expect((await tableOf('label\nx\n\n')).count).toBe(1);
    const error = await errorOf(tableOf('label\nx\n\ny\n'));
    expect(error.message).toContain('row 2 is empty');
  });

  it.each([
    ['an empty file', '', 'bad-file', 'is empty'],
    ['a header alone', 'id,label\n', 'bad-data', 'no rows'],
    ['no label column', 'id,class\na,b\n', 'bad-file', 'has no column "label"; its header has "id" and "class"'],
    ['semicolons', 'id;label\na;b\n', 'bad-file', 'Columns must be separated by commas'],
    ['a repeated column', 'label,label\na,b\n', 'bad-file', 'two columns called "label"'],
    ['an empty label', 'id,label\na,x\nb,\n', 'bad-data', 'row 2 has an empty label'],
    ['an empty id', 'id,label\n,x\n', 'bad-data', 'row 1 has an empty id'],
    ['duplicate ids', 'id,label\na,x\nb,x\na,y\n', 'bad-data', 'rows 1 and 3 have the same id "a"'],
    ['a short row', 'id,label,c\na,x,1\nb,y\n', 'bad-file', 'row 2 has 2 fields, the header has 3'],
    ['an open quote', 'id,label\na,"x\nb,y\n', 'bad-file', 'a quote is not closed'],
  ])('refuses %s', async (_, text, code, words) => {
    const error = await errorOf(tableOf(text));
    expect(error.message).toContain(words);
    expect(error.message).toContain('labels.csv');
    expect(error.code).toBe(code);
    expect(error.remedy).not.toBeNull();
  });

  it('refuses what is no text, without printing it', async () => {
    const error = await errorOf(tableOf(Uint8Array.from({ length: 5000 }, (_, index) => (index * 7) % 256)));
    expect(error.code).toBe('bad-file');
    expect(error.message.length).toBeLessThan(300);
  });

  it('stops at a record without end instead of reading the whole file into it', async () => {
    const error = await errorOf(tableOf(`id,label\na,"${'x\n'.repeat(3_000_000)}`));
    expect(error.message).toContain('a quote is not closed');
  });

  it('reads 200,000 rows', async () => {
    const lines = Array.from({ length: 200_000 }, (_, row) => `item-${row},class ${row % 100},CH`);
    const items = await tableOf(`id,label,country\n${lines.join('\n')}\n`);
    expect(items.count).toBe(200_000);
    expect(items.ids[199_999]).toBe('item-199999');
    expect(items.classNames).toHaveLength(100);
  });

  it('names a missing file', async () => {
    const error = await errorOf(readLabelTable('/no/such.csv', { name: 'x', idPrefix: 'x' }));
    expect(error).toMatchObject({ code: 'not-found' });
    expect(error.message).toContain('/no/such.csv does not exist');
  });
});
