import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { inspect, inspectionLines } from '../../src/core/models/inspect.ts';
import { temporaryFolder } from '../fixtures/data/make.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/tables/${name}`, import.meta.url));
const inspected = async (file: string) => {
  const inspection = await inspect(file);
  return { ...inspection, fact: (name: string) => inspection.facts.find((fact) => fact.name === name)?.value };
};

describe('inspect, of tables', () => {
  it.each([
    ['numpy-stored.npz', 'npz', 'NumPy archive (npz)'],
    ['numpy-packed.npz', 'npz', 'NumPy archive (npz)'],
    ['safetensors-f16.safetensors', 'safetensors', 'safetensors'],
    ['pyarrow-fixed-zstd.parquet', 'parquet', 'Parquet'],
    ['pandas-columns.parquet', 'parquet', 'Parquet'],
    ['pandas-columns.csv', 'table', 'CSV'],
    ['pandas-columns.tsv', 'table', 'TSV'],
    ['pandas-json.csv', 'table', 'CSV'],
    ['pandas.jsonl', 'table', 'JSON Lines'],
  ])('describes %s: vectors with labels beside them', async (file, kind, format) => {
    const found = await inspected(fixture(file));
    expect(found).toMatchObject({ kind, format, dimension: 8, count: 60 });
    expect(found.audit).toEqual({ possible: true, as: 'vectors', reason: null, remedy: null });
    expect(found.fact('length')).toBe('not normalised');
    expect(found.classNames).toHaveLength(4);
    if (kind === 'safetensors') return;
    expect(found.fact('ids')).toMatch(/^column "ids?"$/);
    expect(found.fact('slices')).toBe('country');
  });

  it('lists the arrays of an archive, and says how to name one', async () => {
    const found = await inspected(fixture('numpy-two.npz'));
    expect(found.facts.map(({ value }) => value)).toEqual([
      '"old" (float32 60 x 8)',
      '"new" (float16 60 x 8)',
      '"step" (integers or booleans (dtype <i8))',
    ]);
    expect(found.audit).toMatchObject({ possible: true, as: 'vectors' });
    expect(found.audit.reason).toContain('FILE#NAME');
  });

  it('tells labels from vectors, and what each still needs', async () => {
    const labels = await inspected(fixture('items.csv'));
    expect(labels).toMatchObject({ kind: 'labels', count: 60, dimension: null });
    expect(labels.audit).toMatchObject({ possible: true, as: 'labels' });
    const bare = await inspected(fixture('pandas-bare.csv'));
    expect(bare).toMatchObject({ kind: 'table', count: 60, dimension: 8, classNames: null });
    expect(bare.fact('vector columns')).toBe('"0" to "7"');
    expect(bare.audit.reason).toContain('It has no labels');
    const npy = await inspected(fixture('numpy-fortran.npy'));
    expect(npy).toMatchObject({ kind: 'npy', count: 60, dimension: 8 });
    const years = path.join(temporaryFolder(), 'years.tsv');
    await writeFile(years, 'label\tyear\tprice\nx\t2020\t1.5\ny\t2021\t2\n');
    expect(await inspected(years)).toMatchObject({ kind: 'labels', classNames: ['x', 'y'] });
  });

  it('says what is wrong with vectors, by row', async () => {
    const file = path.join(temporaryFolder(), 'v.jsonl');
    await writeFile(file, '{"id":"a","label":"x","v":[1,2,3]}\n{"id":"b","label":"y","v":[0,0,0]}\n');
    const found = await inspect(file);
    expect(found.audit.possible).toBe(false);
    expect(found.audit.reason).toContain('v.jsonl has row 2 with zeros only');
    expect(inspectionLines(found).join('\n')).toContain('Cannot be audited');
  });
});
