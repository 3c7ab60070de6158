import { quotedList } from '../config/closest.ts';
import { BackcompatError } from '../contract/errors.ts';
import { openParquet } from './parquetFile.ts';
import { rowColumnsOf } from './parquetRows.ts';
import { floatTypeOf } from './parquetVectors.ts';
import { type RowColumn, type RowFormat, readRows } from './rowTable.ts';
import { type ArrayInfo, pickArray } from './vectorArray.ts';

/** Columns of a table with a header that hold vectors. */
export interface VectorColumns {
  /** `list`: one column of lists; `components`: one column of numbers a component, in order. */
  kind: 'list' | 'components';
  columns: readonly string[];
}

/** A table with a header, as far as vectors go. */
export interface VectorColumnsFound {
  columns: readonly RowColumn[];
  /** What could be read as vectors; the name of components is what stands before their numbers. */
  candidates: readonly Candidate[];
}

interface Candidate extends VectorColumns {
  info: ArrayInfo;
  /** False where numbers alone speak for it: they could as well be prices and years. */
  isCertain: boolean;
}

/** What columns are called that are no components, unless the caller says so. */
const notComponents = ['label', 'id'];

/** Two or three numbered columns are measures of an item rather than its vector. */
const CERTAIN_COMPONENTS = 4;

/**
 * Looks for vectors in a table with a header, by its schema (Parquet) or its first rows: columns of lists; columns
 * that are numbered from 0 or 1 behind a common name (`v0`, `v1`, ...); else all columns of numbers.
 * @param except columns of labels and ids
 */
export async function findVectorColumns(
  file: string,
  format: RowFormat,
  except: readonly string[] = [],
): Promise<VectorColumnsFound> {
  const sample = format === 'parquet' ? await parquetSample(file) : await textSample(file);
  const { columns } = sample;
  const others = new Set([...notComponents, ...except]);
  const numbers = sample.numbers.filter((name) => !others.has(name));
  const groups = numberedGroups(numbers);
  const candidates: Candidate[] = sample.lists.map(({ name, type, dimension }) => ({
    kind: 'list',
    columns: [name],
    info: { name, type, shape: dimension === null ? [] : [dimension], isVectors: true },
    isCertain: true,
  }));
  const components = (name: string, members: readonly string[], isCertain: boolean): Candidate => ({
    kind: 'components',
    columns: members,
    info: { name, type: 'columns', shape: [members.length], isVectors: true },
    isCertain,
  });
  for (const [name, members] of groups)
    candidates.push(components(name, members, members.length >= CERTAIN_COMPONENTS));
  if (candidates.length === 0 && numbers.length > 1) candidates.push(components('', numbers, false));
  return { columns, candidates };
}

/**
 * The columns to read as vectors: those that are named, or the only candidate; one column of lists goes before
 * columns of numbers.
 * @throws BackcompatError `bad-data` when there are none or the choice is open, with what there is
 */
export function pickVectorColumns(file: string, found: VectorColumnsFound, wanted: string | null): VectorColumns {
  const { candidates, columns } = found;
  if (candidates.length === 0 && wanted === null) {
    throw new BackcompatError(
      'bad-data',
      `${file} holds no vectors; its columns are ${quotedList(columns.map(({ name }) => name))}.`,
      {
        place: { file },
        remedy: 'Vectors are one column of lists, or columns of numbers: v0, v1, v2, ...',
      },
    );
  }
  const lists = candidates.filter(({ kind }) => kind === 'list');
  const open = wanted === null && lists.length === 1 ? lists : candidates;
  const picked = pickArray(
    file,
    open.map(({ info }) => info),
    wanted,
  );
  return open.find(({ info }) => info === picked) as Candidate;
}

/** Columns that are numbered without gaps from 0 or 1, by the name before the number, in order. */
function numberedGroups(names: readonly string[]): Map<string, string[]> {
  const members = new Map<string, { name: string; number: number }[]>();
  for (const name of names) {
    const [, before, digits] = /^(.*?)(\d{1,9})$/s.exec(name) ?? [];
    if (before === undefined || digits === undefined) continue;
    const group = members.get(before) ?? [];
    group.push({ name, number: Number(digits) });
    members.set(before, group);
  }
  const groups = new Map<string, string[]>();
  for (const [before, group] of members) {
    group.sort((x, y) => x.number - y.number);
    const first = group[0]?.number ?? 0;
    if (group.length < 2 || first > 1 || group.some(({ number }, index) => number !== first + index)) continue;
    groups.set(
      before.replace(/[_\-. ]+$/, ''),
      group.map(({ name }) => name),
    );
  }
  return groups;
}

interface Sample {
  columns: readonly RowColumn[];
  numbers: readonly string[];
  lists: readonly { name: string; type: string; dimension: number | null }[];
}

async function parquetSample(file: string): Promise<Sample> {
  const parquet = await openParquet(file, 'The vector file');
  try {
    const floats = parquet.columns.filter((column) => floatTypeOf(column) !== null);
    return {
      columns: rowColumnsOf(parquet),
      numbers: floats.filter(({ kind }) => kind === 'flat').map(({ name }) => name),
      lists: floats
        .filter(({ kind }) => kind === 'list')
        .map((column) => ({ name: column.name, type: `lists of ${floatTypeOf(column)}`, dimension: null })),
    };
  } finally {
    await parquet.close();
  }
}

/** Of a text the values tell; the first block of them is looked at. */
async function textSample(file: string): Promise<Sample> {
  let columns: readonly RowColumn[] = [];
  const choose = (all: readonly RowColumn[]): readonly string[] => {
    columns = all;
    return all.map(({ name }) => name);
  };
  let rows: string[][] = [];
  for await (const block of readRows(file, { choose, what: 'The vector file' })) {
    rows = block;
    break;
  }
  const valuesOf = (position: number): string[] =>
    rows.map((values) => values[position] as string).filter((value) => value.trim() !== '');
  const numbers: string[] = [];
  const lists: { name: string; type: string; dimension: number | null }[] = [];
  for (const [position, { name }] of columns.entries()) {
    const values = valuesOf(position);
    if (values.length === 0) continue;
    if (values.every((value) => parseNumber(value) !== null)) numbers.push(name);
    else if (values.every((value) => value.trimStart().startsWith('['))) {
      const first = parseList(values[0] as string);
      if (first !== null) lists.push({ name, type: 'lists of numbers', dimension: first.length });
    }
  }
  return { columns, numbers, lists };
}

/** A number as programs write it, also nan and inf; null for anything else. */
export function parseNumber(text: string): number | null {
  const value = Number(text);
  if (!Number.isNaN(value)) return text.trim() === '' ? null : value;
  const word = text.trim().toLowerCase();
  if (word === 'nan') return Number.NaN;
  const sign = /^([+-]?)inf(inity)?$/.exec(word)?.[1];
  return sign === undefined ? null : sign === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** A JSON array of numbers, or null. */
export function parseList(text: string): number[] | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return Array.isArray(value) && value.length > 0 && value.every((entry) => typeof entry === 'number') ? value : null;
}
