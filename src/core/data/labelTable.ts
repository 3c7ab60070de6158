import path from 'node:path';
import { BackcompatError, throwIfCancelled } from '../contract/errors.ts';
import { createItemBuilder, type ItemBuilder, type ItemOptions } from './itemBuilder.ts';
import type { ItemSet } from './itemSet.ts';
import { type RowColumn, readRows } from './rowTable.ts';

export interface LabelTableOptions extends Omit<ItemOptions, 'also'> {
  /** Other columns to hand on, by name, that must exist and are no slices: a path, a text. */
  also?: readonly string[];
  /** Columns that are no slices unless they are named: those that hold vectors. */
  isContent?: (columns: readonly RowColumn[]) => readonly string[];
  /** For messages. Default: "The label file". */
  what?: string;
  signal?: AbortSignal;
}

/**
 * Reads a table of items: CSV, TSV, JSON Lines or Parquet with a header. Row i belongs to vector i.
 * `label` and `id` are the names of columns unless `columns` says others; by default every other column with at
 * most 50 different values is a slice. Streamed; strings that repeat are held once, so that a million rows take some 100 MB.
 * @param takeAlso gets the values of the columns `also` of every row, row from 0, in order
 * @throws BackcompatError `not-found`; `bad-file` (not such a table, no `label` column where one is needed, a column that
 *   is named and not there, ragged rows); `bad-data` (empty label or id, duplicate ids, no rows), with row numbers from 1
 */
export async function readLabelTable(
  file: string,
  options: LabelTableOptions,
  takeAlso: (values: readonly string[], row: number) => void = () => {},
): Promise<ItemSet> {
  const also = options.also ?? [];
  let builder = null as ItemBuilder | null;
  const choose = (columns: readonly RowColumn[]): readonly string[] => {
    const content = new Set(options.isContent?.(columns) ?? []);
    const known = columns.map(({ name, nested }) => ({ name, nested: nested || content.has(name) }));
    builder = createItemBuilder(file, known, { ...options, also });
    return [...builder.columns, ...also];
  };
  let row = 0;
  for await (const block of readRows(file, { choose, what: options.what ?? 'The label file' })) {
    throwIfCancelled(options.signal);
    for (const values of block) {
      builder?.take(values);
      if (also.length > 0) takeAlso(values.slice(builder?.columns.length), row);
      row++;
    }
  }
  if (builder === null) throw new BackcompatError('internal', `${file} was read without its header.`);
  return builder.finish(path.resolve(file));
}
