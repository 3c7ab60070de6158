import { quotedList } from '../../config/closest.ts';
import { BackcompatError } from '../../contract/errors.ts';
import { counted } from '../../contract/format.ts';
import type { ItemSet } from '../../data/itemSet.ts';

/** Classes that a message names. */
const NAMED = 5;

/**
 * Row of a head for each item, by the name of its class, never by index.
 * @param classNames of the head's rows
 * @param unknown what a class that the head lacks means: an error, or -1 (an old head that never saw it)
 * @param head for the message: "the new head"
 * @throws BackcompatError `bad-data` for items without labels, and for such classes
 */
export function classIndices(
  items: ItemSet,
  classNames: readonly string[],
  unknown: 'refuse' | 'none',
  head: string,
): Int32Array {
  if (items.labelled === false) {
    throw new BackcompatError('bad-data', `${items.name} has no labels, and ${head} is trained with them.`, {
      remedy: 'Name the column with the labels ("label"), or train with "oldHead": "distilled", which needs none.',
    });
  }
  const rowOf = new Map(classNames.map((name, row) => [name, row]));
  const rows = Int32Array.from(items.classNames, (name) => rowOf.get(name) ?? -1);
  const indices = items.labelOf.map((label) => rows[label] as number);
  const without = indices.reduce((total, row) => total + (row < 0 ? 1 : 0), 0);
  if (unknown === 'none' || without === 0) return indices;
  const present = new Set(items.labelOf);
  const missing = items.classNames.filter((_, label) => present.has(label) && (rows[label] as number) < 0);
  throw new BackcompatError(
    'bad-data',
    `${items.name}: ${counted(without, 'item is', 'items are')} of classes that ${head} has no row for: ${quotedList(missing, NAMED)}.`,
    { remedy: 'Spell the classes as the head does, or leave these items out.' },
  );
}
