import path from 'node:path';
import { closest, quotedList } from '../config/closest.ts';
import type { DatasetDefinition } from '../config/schema.ts';
import { BackcompatError } from '../contract/errors.ts';
import { readIdx } from './idx.ts';
import { readImageFolder } from './imageFolder.ts';
import type { ItemColumns } from './itemBuilder.ts';
import { type ItemSet, selectItems } from './itemSet.ts';
import { readManifest } from './manifest.ts';
import { splitItems } from './split.ts';
import { readTextTable } from './textTable.ts';
import { readVectorItems } from './vectorItems.ts';
import { splitArrayName } from './vectorTable.ts';

/**
 * Loads all items of a dataset, without their content.
 * @param name the dataset's name: the ids begin with it
 * @param baseFolder what paths in the definition are relative to
 * @throws BackcompatError of the readers
 */
export async function loadDataset(definition: DatasetDefinition, name: string, baseFolder: string): Promise<ItemSet> {
  const resolve = (file: string): string => path.resolve(baseFolder, file);
  if ('images' in definition) return readImageFolder(resolve(definition.images), name);
  if ('idx' in definition) {
    return readIdx({ images: resolve(definition.idx.images), labels: resolve(definition.idx.labels) }, name);
  }
  if ('items' in definition) {
    const { file, array } = await splitArrayName(resolve(definition.items));
    return readVectorItems(file, { name, idPrefix: name, array, columns: columnsOf(definition) });
  }
  const columns = { ...columnsOf(definition), split: definition.split };
  if ('text' in definition)
    return readTextTable(resolve(definition.text), { name, field: definition.field, columns, labelOptional: true });
  return readManifest(resolve(definition.manifest), name, definition.path ?? 'path', columns);
}

function columnsOf({ label, id, slices }: ItemColumns): ItemColumns {
  return { label, id, slices };
}

/**
 * A part of a loaded dataset, or all of it: by the column that names parts, or by the definition's splits and seed
 * (stratified, see `splitItems`).
 * @param part name of the part; null: the whole dataset
 * @throws BackcompatError `bad-config` for an unknown or empty part, with the known ones
 */
export function selectPart(items: ItemSet, definition: DatasetDefinition, part: string | null): ItemSet {
  if (part === null) return items;
  const byColumn = 'split' in definition && definition.split !== undefined && items.parts !== undefined;
  const shares = definition.splits ?? {};
  const known = byColumn ? [...new Set(items.parts)].filter((name) => name !== '') : Object.keys(shares);
  const place = { field: `datasets.${items.name}.${byColumn ? 'split' : 'splits'}` };
  if (!known.includes(part)) {
    const suggestion = closest(part, known);
    throw new BackcompatError(
      'bad-config',
      `Dataset ${JSON.stringify(items.name)} has no part ${JSON.stringify(part)}.`,
      {
        place,
        remedy:
          known.length === 0
            ? `Give it "splits", or name the whole dataset: ${JSON.stringify(items.name)}.`
            : suggestion
              ? `Did you mean ${JSON.stringify(`${items.name}/${suggestion}`)}?`
              : `Its parts are ${quotedList(known)}.`,
      },
    );
  }
  const indices = byColumn
    ? rowsOfPart(items.parts as readonly string[], part)
    : (splitItems(items.labelOf, items.classNames, shares, definition.seed ?? 0).get(part) as Int32Array);
  if (indices.length === 0) {
    throw new BackcompatError(
      'bad-data',
      `Part ${JSON.stringify(part)} of dataset ${JSON.stringify(items.name)} is empty: ${items.count} items, share ${shares[part]}.`,
      { place, remedy: 'Give the part a larger share, or the dataset more items.' },
    );
  }
  return selectItems(items, indices, `${items.name}/${part}`);
}

function rowsOfPart(parts: readonly string[], part: string): Int32Array {
  const rows: number[] = [];
  parts.forEach((name, row) => {
    if (name === part) rows.push(row);
  });
  return Int32Array.from(rows);
}
