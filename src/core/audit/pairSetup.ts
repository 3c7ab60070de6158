import { BackcompatError } from '../contract/errors.ts';
import type { AuditItems } from './auditInput.ts';

/** Which query and gallery items belong together: the frame of every figure. Indices are rows. */
export interface PairSetup {
  readonly queries: number;
  readonly gallery: number;
  /** Number of class names; labels are 0 ... classes - 1. */
  readonly classes: number;
  readonly queryLabel: Int32Array;
  readonly galleryLabel: Int32Array;
  /** Gallery row of the same item, or -1: that self pair is dropped everywhere. */
  readonly selfOf: Int32Array;
  /** Gallery rows of class c, ascending: classRows[classStart[c] ... classStart[c + 1]]. */
  readonly classStart: Int32Array;
  readonly classRows: Int32Array;
  /** Same-class gallery items of each query, the self pair dropped (R in metrics.md). */
  readonly matchCount: Int32Array;
}

/**
 * Pairs the queries (all, or those of `rows`) with the gallery.
 * @param rows query indices of a sample, ascending; all when left out
 */
export function makePairSetup(queries: AuditItems, gallery: AuditItems, rows?: Int32Array): PairSetup {
  const classes = gallery.classNames.length;
  const count = rows?.length ?? queries.count;
  const queryLabel = new Int32Array(count);
  const selfOf = new Int32Array(count).fill(-1);
  // By query, not by gallery item: there are rarely as many, and a sample has few.
  const queryOf = new Map<string, number>();
  for (let i = 0; i < count; i++) queryOf.set(queries.ids[rows?.[i] ?? i] as string, i);
  gallery.ids.forEach((id, row) => {
    const query = queryOf.get(id);
    if (query !== undefined) selfOf[query] = row;
  });
  const classStart = new Int32Array(classes + 1);
  for (const label of gallery.labelOf) classStart[label + 1] = (classStart[label + 1] as number) + 1;
  for (let c = 0; c < classes; c++) classStart[c + 1] = (classStart[c + 1] as number) + (classStart[c] as number);
  const classRows = new Int32Array(gallery.count);
  const next = classStart.slice();
  gallery.labelOf.forEach((label, row) => {
    classRows[next[label] as number] = row;
    next[label] = (next[label] as number) + 1;
  });
  const matchCount = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const item = rows?.[i] ?? i;
    const label = queries.labelOf[item] as number;
    queryLabel[i] = label;
    const self = selfOf[i] as number;
    if (self >= 0 && gallery.labelOf[self] !== label) {
      const id = queries.ids[item];
      throw new BackcompatError(
        'bad-data',
        `Item "${id}" is "${queries.classNames[label]}" in ${queries.name} and "${gallery.classNames[gallery.labelOf[self] as number]}" in ${gallery.name}.`,
        { place: { file: queries.name, row: item + 1 }, remedy: 'Give the item one label in both.' },
      );
    }
    const sameClass = (classStart[label + 1] as number) - (classStart[label] as number);
    matchCount[i] = sameClass - (self >= 0 ? 1 : 0);
  }
  return {
    queries: count,
    gallery: gallery.count,
    classes,
    queryLabel,
    galleryLabel: gallery.labelOf,
    selfOf,
    classStart,
    classRows,
    matchCount,
  };
}
