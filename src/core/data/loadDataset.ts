import path from 'node:path';
import { closest, quotedList } from '../config/closest.ts';
import type { DatasetDefinition } from '../config/schema.ts';
import { BackcompatError } from '../contract/errors.ts';
import { readIdx } from './idx.ts';
import { readImageFolder } from './imageFolder.ts';
import { type ItemSet, selectItems } from './itemSet.ts';
import { readLabelTable } from './labelTable.ts';
import { splitItems } from './split.ts';
import { readTextTable } from './textTable.ts';

/**
 * Loads all items of a dataset, without their content.
 * @param name the dataset's name: the ids begin with it
 * @param baseFolder what paths in the definition are relative to
 * @throws BackcompatError `bad-config` for kinds that are not supported yet; errors of the readers
 */
export async function loadDataset(definition: DatasetDefinition, name: string, baseFolder: string): Promise<ItemSet> {
  const resolve = (file: string): string => path.resolve(baseFolder, file);
  if ('images' in definition) return readImageFolder(resolve(definition.images), name);
  if ('idx' in definition) {
    return readIdx({ images: resolve(definition.idx.images), labels: resolve(definition.idx.labels) }, name);
  }
  if ('items' in definition) return readLabelTable(resolve(definition.items), { name, idPrefix: name });
  if ('text' in definition) {
    const { field, label, id, slices, split } = definition;
    return readTextTable(resolve(definition.text), { name, field, columns: { label, id, slices, split } });
  }
  const key = 'manifest';
  throw new BackcompatError('bad-config', `Dataset ${JSON.stringify(name)}: "${key}" is not supported yet.`, {
    place: { field: `datasets.${name}.${key}` },
    remedy: 'Use "images", "idx", "text" or "items".',
  });
}

/**
 * A part of a loaded dataset by the definition's splits and seed (stratified, see `splitItems`), or all of it.
 * @param part name of the part; null: the whole dataset
 * @throws BackcompatError `bad-config` for an unknown or empty part, with the known ones
 */
export function selectPart(items: ItemSet, definition: DatasetDefinition, part: string | null): ItemSet {
  if (part === null) return items;
  const shares = definition.splits ?? {};
  const place = { field: `datasets.${items.name}.splits` };
  if (!Object.hasOwn(shares, part)) {
    const known = Object.keys(shares);
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
  const indices = splitItems(items.labelOf, items.classNames, shares, definition.seed ?? 0).get(part) as Int32Array;
  if (indices.length === 0) {
    throw new BackcompatError(
      'bad-data',
      `Part ${JSON.stringify(part)} of dataset ${JSON.stringify(items.name)} is empty: ${items.count} items, share ${shares[part]}.`,
      { place, remedy: 'Give the part a larger share, or the dataset more items.' },
    );
  }
  return selectItems(items, indices, `${items.name}/${part}`);
}
