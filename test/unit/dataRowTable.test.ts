import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { readLabelTable } from '../../src/core/data/labelTable.ts';
import { ROWS_PER_BLOCK } from '../../src/core/data/rowOptions.ts';
import { type RowColumn, readRows } from '../../src/core/data/rowTable.ts';
import { errorOf, temporaryFolder } from '../fixtures/data/make.ts';

async function fileOf(name: string, content: string | Uint8Array): Promise<string> {
  const file = path.join(temporaryFolder(), name);
  await writeFile(file, content);
  return file;
}

async function rowsOf(file: string, wanted?: readonly string[]) {
  let columns: readonly RowColumn[] = [];
  const rows: string[][] = [];
  const choose = (all: readonly RowColumn[]) => {
    columns = all;
    return wanted ?? all.map(({ name }) => name);
  };
  for await (const block of readRows(file, { choose, what: 'The table' })) rows.push(...block);
  return { columns, rows };
}

describe('readRows', () => {
  it('reads chosen columns of CSV and TSV in the chosen order', async () => {
    const csv = await fileOf('t.csv', '\uFEFF,a, b\n0,1.50,"x, ""y"""\n1,,z\n');
    expect(await rowsOf(csv, ['b', 'a'])).toEqual({
      columns: [
        { name: 'a', nested: false },
        { name: 'b', nested: false },
      ],
      rows: [
        ['x, "y"', '1.50'],
        ['z', ''],
      ],
    });
    const tsv = await fileOf('t.tsv', 'a\tb\n1,5\tx\n');
    expect((await rowsOf(tsv)).rows).toEqual([['1,5', 'x']]);
  });

  it('reads JSON Lines: numbers as they are written, null and missing as nothing, nested values as JSON', async () => {
    const lines = [
      '{"id": 12345678901234567890, "label": 1.0, "v": [1, 2.50], "s": "a\\"b: 7"}',
      '',
      '{"s": "x", "label": -1e3, "id": null, "extra": true, "n": {"id": 5}}\r',
      '{"__proto__": "p", "label": "é"}',
    ];
    const { columns, rows } = await rowsOf(await fileOf('t.jsonl', lines.join('\n')));
    expect(columns.map(({ name }) => name)).toEqual(['id', 'label', 'v', 's', 'extra', 'n', '__proto__']);
    expect(columns.filter(({ nested }) => nested).map(({ name }) => name)).toEqual(['v', 'n']);
    expect(rows).toEqual([
      ['12345678901234567890', '1.0', '[1, 2.50]', 'a"b: 7', '', '', ''],
      ['', '-1e3', '', 'x', 'true', '{"id": 5}', ''],
      ['', 'é', '', '', '', '', 'p'],
    ]);
  });

  it('goes by the content where the name says nothing', async () => {
    expect((await rowsOf(await fileOf('t.txt', '{"a": 1}\n'))).rows).toEqual([['1']]);
    expect((await rowsOf(await fileOf('u.txt', 'a\tb\n1\t2\n'))).rows).toEqual([['1', '2']]);
    expect((await rowsOf(await fileOf('v.txt', 'a,b\n1,2\n'))).rows).toEqual([['1', '2']]);
  });

  it('gives large tables in small blocks, and lets go of a file that is read no further', async () => {
    const count = 3 * ROWS_PER_BLOCK + 7;
    for (const [name, text] of [
      ['t.csv', `a\n${Array.from({ length: count }, (_, row) => row).join('\n')}`],
      ['t.jsonl', Array.from({ length: count }, (_, row) => `{"a":${row}}`).join('\n')],
    ] as const) {
      const file = await fileOf(name, text);
      let largest = 0;
      let next = 0;
      for await (const block of readRows(file, { choose: () => ['a'], what: 'The table' })) {
        largest = Math.max(largest, block.length);
        for (const [value] of block) expect(value).toBe(String(next++));
      }
      expect(next).toBe(count);
      expect(largest).toBeLessThanOrEqual(2 * ROWS_PER_BLOCK);
      for await (const _ of readRows(file, { choose: () => ['a'], what: 'The table' })) break;
    }
  });

  it.each([
    ['t.csv', 'PAR1 and more', 'is a Parquet file by its content, not a CSV file'],
    ['t.jsonl', '\x93NUMPY', 'is a NumPy array by its content, not a JSON Lines file'],
    ['t.txt', 'PK\x03\x04', 'is a zip archive by its content, not a table with a header'],
    ['t.parquet', 'a,b\n1,2\n', 'is not a Parquet file: it does not begin with PAR1'],
    ['t.csv', 'a\n1\n\n2\n', 'row 2 is empty'],
    ['t.tsv', 'a\tb\n1\n', 'row 1 has 1 fields, the header has 2'],
    ['t.tsv', 'a\ta\n1\t2\n', 'has two columns called "a"'],
    ['t.jsonl', '', 'is empty'],
    ['t.jsonl', '{"a": 1}\n{"a": }\n', 't.jsonl:2: the line is not JSON'],
    ['t.jsonl', '{"a": 1}\n[1]\n', 't.jsonl:2: the line is not a JSON object'],
    ['t.jsonl', Buffer.from('{"a": "\xff"}\n', 'latin1'), 'is not a text in UTF-8'],
    ['t.jsonl', Buffer.concat([Buffer.from('{"a": "x"}'), Buffer.of(0xc3)]), 'is not a text in UTF-8'],
    ['t.jsonl', ' '.repeat(20_000_000), 'has a line of more than 16,777,216 characters'],
  ])('refuses a bad %s: %#', async (name, content, words) => {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
    const error = await errorOf(rowsOf(await fileOf(name, bytes)));
    expect(error.message).toContain(words);
    expect(error.message).toContain(name);
    expect(error).toMatchObject({ code: 'bad-file' });
    expect(error.remedy).not.toBeNull();
  });

  it('names what is missing', async () => {
    expect(await errorOf(rowsOf('/no/such.jsonl'))).toMatchObject({ code: 'not-found' });
  });
});

describe('readLabelTable', () => {
  const options = { name: 'set', idPrefix: 'set' };

  it('takes the columns that it is told, of any format', async () => {
    const columns = { label: 'sku', id: 'file', slices: ['country'], split: 'part' };
    const files = [
      await fileOf('t.csv', 'file,sku,country,size,part\na,x,CH,1,gallery\nb,y,FR,2,query\n'),
      await fileOf(
        't.jsonl',
        '{"file":"a","sku":"x","country":"CH","size":1,"part":"gallery"}\n{"file":"b","sku":"y","country":"FR","part":"query"}\n',
      ),
    ];
    for (const file of files) {
      const items = await readLabelTable(file, { ...options, columns });
      expect(items).toMatchObject({ ids: ['a', 'b'], classNames: ['x', 'y'], parts: ['gallery', 'query'] });
      expect([...items.slices]).toEqual([['country', ['CH', 'FR']]]);
      expect(items.labelled).toBeUndefined();
    }
  });

  it('takes columns of at most 50 values for slices, unless they are named', async () => {
    const rows = Array.from({ length: 60 }, (_, row) => `x,${row % 50},${row % 51},${row}`);
    const file = await fileOf('t.csv', `label,fifty,more,unique\n${rows.join('\n')}\n`);
    expect([...(await readLabelTable(file, options)).slices.keys()]).toEqual(['fifty']);
    const named = await readLabelTable(file, { ...options, columns: { slices: ['unique', 'label'] } });
    expect([...named.slices.keys()]).toEqual(['unique', 'label']);
    expect(named.slices.get('unique')?.[59]).toBe('59');
  });

  it('does without labels when it may', async () => {
    const file = await fileOf('t.csv', 'id,country\na,CH\nb,FR\n');
    const items = await readLabelTable(file, { ...options, labelOptional: true });
    expect(items).toMatchObject({ labelled: false, classNames: [''], ids: ['a', 'b'] });
    expect([...items.labelOf]).toEqual([0, 0]);
    expect((await errorOf(readLabelTable(file, options))).message).toContain('has no column "label"');
    const wanted = readLabelTable(file, { ...options, labelOptional: true, columns: { label: 'sku' } });
    expect((await errorOf(wanted)).message).toContain('has no column "sku"');
  });

  it('hands other columns on, row by row', async () => {
    const file = await fileOf('t.jsonl', '{"label":"x","title":"one"}\n{"label":"y","title":"two"}\n');
    const titles: [string, number][] = [];
    const items = await readLabelTable(file, { ...options, also: ['title'] }, ([title], row) => {
      titles.push([title as string, row]);
    });
    expect(titles).toEqual([
      ['one', 0],
      ['two', 1],
    ]);
    expect(items.slices.size).toBe(0);
  });

  it.each([
    [{ slices: ['contry'] }, 'has no column "contry"', 'Did you mean "country"?'],
    [{ id: 'name' }, 'has no column "name"; its header has "label" and "country"', 'Name one of its columns.'],
    [{ split: 'part' }, 'has no column "part"', 'Name one of its columns.'],
  ])('refuses columns that are named and not there: %o', async (columns, words, remedy) => {
    const error = await errorOf(
      readLabelTable(await fileOf('t.csv', 'label,country\nx,CH\n'), { ...options, columns }),
    );
    expect(error.message).toContain(words);
    expect(error.remedy).toBe(remedy);
  });
});
