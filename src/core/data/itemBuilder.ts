import { closest, quotedList } from '../config/closest.ts';
import { BackcompatError } from '../contract/errors.ts';
import type { ItemSet } from './itemSet.ts';
import type { RowColumn } from './rowOptions.ts';

/** A column of more values is none to give figures by. Columns that are named are taken whatever they hold. */
const MAX_SLICE_VALUES = 50;

const FORMAT_REMEDY =
  'A label file is a table with a header: "label" is required, "id" is optional, other columns are slices.';

/** Names of columns; those that are given must exist. */
export interface ItemColumns {
  /** Default: `label`. */
  label?: string;
  /** Default: `id`, where there is one. */
  id?: string;
  /** Default: all others with at most 50 values. */
  slices?: readonly string[];
  /** Of the part of a dataset that a row belongs to. */
  split?: string;
}

export interface ItemOptions {
  /** For messages and as the set's name. */
  name: string;
  /** Without a column of ids the id of row i (from 0) is `<idPrefix>/<i>`. */
  idPrefix: string;
  columns?: ItemColumns;
  /** Whether a table without labels will do; the set then has `labelled: false`. */
  labelOptional?: boolean;
  /** Columns with another use: they must exist, and are no slices. */
  also: readonly string[];
}

export interface ItemBuilder {
  /** The columns that are read, in the order in which `take` wants their values; further values are passed over. */
  columns: readonly string[];
  /** The next row. @throws BackcompatError `bad-data` with its number */
  take(values: readonly string[]): void;
  /** @param rowFile absolute path of the file @throws BackcompatError `bad-data` (no rows, duplicate ids) */
  finish(rowFile: string): ItemSet;
}

interface SliceColumn {
  name: string;
  position: number;
  values: string[];
  known: Map<string, string>;
}

/**
 * Makes items of a table's rows, wherever these come from.
 * @throws BackcompatError `bad-file` when a column that is needed is not there
 */
export function createItemBuilder(
  file: string,
  available: readonly RowColumn[],
  { name, idPrefix, columns = {}, labelOptional = false, also }: ItemOptions,
): ItemBuilder {
  const names = available.map((column) => column.name);
  const required = (wanted: string): string => {
    if (names.includes(wanted)) return wanted;
    throw missingColumn(file, wanted, names);
  };
  const label =
    columns.label === undefined && labelOptional && !names.includes('label') ? null : (columns.label ?? 'label');
  if (label !== null) required(label);
  const id = columns.id === undefined && !names.includes('id') ? null : required(columns.id ?? 'id');
  const split = columns.split === undefined ? null : required(columns.split);
  for (const column of also) required(column);

  const read: string[] = [];
  const positionOf = (column: string): number => {
    if (!read.includes(column)) read.push(column);
    return read.indexOf(column);
  };
  const labelAt = label === null ? -1 : positionOf(label);
  const idAt = id === null ? -1 : positionOf(id);
  const splitAt = split === null ? -1 : positionOf(split);
  const taken = new Set([...read, ...also]);
  const sliceNames =
    columns.slices?.map(required) ??
    available.filter((column) => !column.nested && !taken.has(column.name)).map((column) => column.name);
  let slices: SliceColumn[] = sliceNames.map((slice) => ({
    name: slice,
    position: positionOf(slice),
    values: [],
    known: new Map(),
  }));

  const classNames: string[] = [];
  const classIndex = new Map<string, number>();
  const labels: number[] = [];
  const ids: string[] = [];
  const parts: string[] = [];
  const partNames = new Map<string, string>();
  let rows = 0;

  const takeSlices = (values: readonly string[]): void => {
    let tooMany = false;
    for (const slice of slices) {
      const value = values[slice.position] as string;
      const held = slice.known.get(value);
      if (held === undefined) slice.known.set(value, value);
      slice.values.push(held ?? value);
      tooMany ||= slice.known.size > MAX_SLICE_VALUES;
    }
    if (tooMany && columns.slices === undefined) {
      slices = slices.filter((slice) => slice.known.size <= MAX_SLICE_VALUES);
    }
  };

  return {
    columns: read,
    take(values) {
      rows++;
      const value = label === null ? '' : (values[labelAt] as string);
      if (label !== null && value === '') throw rowError(file, rows, 'label', label);
      let index = classIndex.get(value);
      if (index === undefined) {
        index = classNames.length;
        classNames.push(value);
        classIndex.set(value, index);
      }
      labels.push(index);
      if (idAt >= 0) {
        const own = values[idAt] as string;
        if (own === '') throw rowError(file, rows, 'id', id ?? 'id');
        ids.push(own);
      }
      if (splitAt >= 0) {
        const part = values[splitAt] as string;
        const held = partNames.get(part);
        if (held === undefined) partNames.set(part, part);
        parts.push(held ?? part);
      }
      takeSlices(values);
    },
    finish(rowFile) {
      if (rows === 0) {
        throw new BackcompatError('bad-data', `${file} has a header but no rows.`, {
          place: { file },
          remedy: FORMAT_REMEDY,
        });
      }
      if (idAt >= 0) refuseDuplicates(file, ids, id ?? 'id');
      else for (let row = 0; row < rows; row++) ids.push(`${idPrefix}/${row}`);
      const leftOut = sliceNames.filter((slice) => !slices.some((kept) => kept.name === slice));
      return {
        name,
        count: rows,
        ids,
        labelOf: Int32Array.from(labels),
        classNames,
        slices: new Map(slices.map((slice) => [slice.name, slice.values])),
        ...(slices.length < sliceNames.length ? { slicesLeftOut: leftOut } : {}),
        images: null,
        ...(label === null ? { labelled: false } : {}),
        ...(splitAt >= 0 ? { parts } : {}),
        ...(idAt >= 0 ? {} : { rowFile }),
      };
    },
  };
}

function missingColumn(file: string, wanted: string, names: readonly string[]): BackcompatError {
  const suggestion = closest(wanted, names);
  const [only = ''] = names;
  const hint = names.length === 1 && /[;\t]/.test(only) ? ' Columns must be separated by commas.' : '';
  return new BackcompatError(
    'bad-file',
    `${file} has no column ${JSON.stringify(wanted)}; its header has ${quotedList(names)}.${hint}`,
    {
      place: { file, line: 1, field: wanted },
      remedy: suggestion
        ? `Did you mean ${JSON.stringify(suggestion)}?`
        : wanted === 'label'
          ? FORMAT_REMEDY
          : 'Name one of its columns.',
    },
  );
}

function rowError(file: string, row: number, what: 'label' | 'id', column: string): BackcompatError {
  const named = column === what ? '' : ` (column ${JSON.stringify(column)})`;
  return new BackcompatError(
    'bad-data',
    `${file}: row ${row} has an empty ${what}${named} (rows count from 1, without the header).`,
    {
      place: { file, row, field: column },
      remedy: `Give it ${what === 'id' ? 'an id' : 'a label'}, or remove it here and from the vectors.`,
    },
  );
}

/** @throws BackcompatError `bad-data` naming the first two rows that share an id */
export function refuseDuplicates(file: string, ids: readonly string[], column: string): void {
  if (new Set(ids).size === ids.length) return;
  const firstRow = new Map<string, number>();
  ids.forEach((id, row) => {
    const first = firstRow.get(id);
    if (first !== undefined) {
      throw new BackcompatError(
        'bad-data',
        `${file}: rows ${first + 1} and ${row + 1} have the same ${column} ${JSON.stringify(id)}.`,
        {
          place: { file, row: row + 1, field: column },
          remedy: `Give every item ${column === 'id' ? 'an id' : `a ${column}`} of its own.`,
        },
      );
    }
    firstRow.set(id, row);
  });
}
