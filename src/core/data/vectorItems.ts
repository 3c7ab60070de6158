import path from 'node:path';
import { BackcompatError } from '../contract/errors.ts';
import { archiveColumns } from './archiveColumns.ts';
import { openFile, readFully } from './files.ts';
import { createItemBuilder, type ItemColumns } from './itemBuilder.ts';
import type { ItemSet } from './itemSet.ts';
import { readLabelTable } from './labelTable.ts';
import { readNpyHeader, tableOf } from './npy.ts';
import type { RowFormat } from './rowTable.ts';
import type { ArrayInfo } from './vectorArray.ts';
import { pickArray } from './vectorArray.ts';
import { findVectorColumns } from './vectorColumns.ts';
import { vectorFormatOf } from './vectorTable.ts';

export interface VectorItemOptions {
  /** For messages and as the set's name. */
  name: string;
  /** Without ids in the file the id of row i (from 0) is `<idPrefix>/<i>`. */
  idPrefix: string;
  /** The array of vectors, as for `openVectors`. */
  array?: string | null;
  columns?: ItemColumns;
  signal?: AbortSignal;
}

/**
 * The items of a file of vectors, row i for vector i: from its columns (Parquet, CSV, TSV, JSON Lines), or from
 * arrays `label` or `labels`, `id` or `ids` and others of one value a vector (npz, safetensors). What the file does not
 * hold is made up: row numbers for ids; without labels the set has `labelled: false`.
 * @throws BackcompatError as `openVectors`, and `readLabelTable` for the columns
 */
export async function readVectorItems(file: string, options: VectorItemOptions): Promise<ItemSet> {
  const format = await vectorFormatOf(file);
  if (format === 'npy') return bareItems(file, await npyCount(file), options);
  if (format === 'npz' || format === 'safetensors') return archiveItems(file, format, options);
  return readItemTable(file, format, options);
}

/** A table with a header; columns of vectors are no slices. Labels may be absent. */
export async function readItemTable(
  file: string,
  format: RowFormat,
  { name, idPrefix, columns, signal }: VectorItemOptions,
): Promise<ItemSet> {
  const except = [columns?.label, columns?.id].filter((column) => column !== undefined);
  const { candidates } = await findVectorColumns(file, format, except);
  const content = candidates.filter(({ isCertain }) => isCertain).flatMap((candidate) => candidate.columns);
  return readLabelTable(file, {
    name,
    idPrefix,
    columns,
    labelOptional: true,
    isContent: () => content,
    signal,
    what: 'The table',
  });
}

async function npyCount(file: string): Promise<number> {
  const { handle, size } = await openFile(file, 'The vector file');
  try {
    const header = await readNpyHeader(file, size, (into, position) => readFully(handle, into, position));
    return tableOf(file, header, size).count;
  } finally {
    await handle.close();
  }
}

function bareItems(file: string, count: number, { name, idPrefix, columns }: VectorItemOptions): ItemSet {
  const wanted = columns?.label ?? columns?.id;
  if (wanted !== undefined) {
    throw new BackcompatError('bad-data', `${file} holds vectors only, no ${JSON.stringify(wanted)}.`, {
      place: { file, field: wanted },
      remedy: 'Give a label file.',
    });
  }
  return {
    name,
    count,
    ids: Array.from({ length: count }, (_, row) => `${idPrefix}/${row}`),
    labelOf: new Int32Array(count),
    classNames: [''],
    labelled: false,
    slices: new Map(),
    images: null,
    rowFile: path.resolve(file),
  };
}

async function archiveItems(
  file: string,
  format: 'npz' | 'safetensors',
  { array = null, columns = {}, ...options }: VectorItemOptions,
): Promise<ItemSet> {
  const archive = await archiveColumns(file, format);
  const vectors = pickArray(file, archive.arrays, array);
  const count = vectors.shape[0] as number;
  const available = archive.arrays.filter((info) => isColumn(info, count)).map(({ name }) => ({ name, nested: false }));
  const names = available.map(({ name }) => name);
  // NumPy users call whole arrays by the plural.
  const plural = (one: 'label' | 'id'): string | undefined =>
    columns[one] ?? (!names.includes(one) && names.includes(`${one}s`) ? `${one}s` : undefined);
  const builder = createItemBuilder(file, available, {
    ...options,
    columns: { ...columns, label: plural('label'), id: plural('id') },
    labelOptional: true,
    also: [],
  });
  const values: string[][] = [];
  for (const column of builder.columns) values.push(await archive.read(column));
  for (let row = 0; row < count; row++) builder.take(values.map((column) => column[row] as string));
  return builder.finish(path.resolve(file));
}

function isColumn({ shape, type }: ArrayInfo, count: number): boolean {
  return shape.length === 1 && shape[0] === count && !type.includes('float');
}

/**
 * Items of two files that are said to hold the same ones, in the same order: those with labels, else those with ids,
 * else the first.
 * @throws BackcompatError `bad-data` when counts, ids or labels differ, naming the first row that does
 */
export function agreedItems(first: ItemSet, second: ItemSet, files: readonly [string, string]): ItemSet {
  const refuse = (message: string, row?: number): BackcompatError =>
    new BackcompatError('bad-data', `${files[0]} and ${files[1]} ${message}.`, {
      place: { file: files[1], row },
      remedy: 'Row i of both must belong to the same item: export both from the same list.',
    });
  if (first.count !== second.count) throw refuse(`have ${first.count} and ${second.count} rows`);
  const haveIds = first.rowFile === undefined && second.rowFile === undefined;
  const haveLabels = first.labelled !== false && second.labelled !== false;
  for (let row = 0; row < first.count; row++) {
    const [one, other] = [first.ids[row] as string, second.ids[row] as string];
    if (haveIds && one !== other) {
      throw refuse(
        `differ in row ${row + 1}: the ids are ${JSON.stringify(one)} and ${JSON.stringify(other)}`,
        row + 1,
      );
    }
    if (!haveLabels) continue;
    const labels = [first, second].map(({ classNames, labelOf }) => classNames[labelOf[row] as number]);
    if (labels[0] !== labels[1]) {
      throw refuse(
        `differ in row ${row + 1}: the labels are ${labels.map((label) => JSON.stringify(label)).join(' and ')}`,
        row + 1,
      );
    }
  }
  const withLabels = first.labelled !== false ? first : second.labelled !== false ? second : null;
  const withIds = first.rowFile === undefined ? first : second.rowFile === undefined ? second : null;
  if (withLabels === null || withIds === null || withLabels.rowFile === undefined)
    return withLabels ?? withIds ?? first;
  // One file knows the labels, the other the ids.
  const { rowFile: _, ...items } = withLabels;
  return { ...items, ids: withIds.ids };
}
