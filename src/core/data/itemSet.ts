/**
 * Labelled items in a fixed order, by columns: a million items must not be a million objects.
 * Made by `loadDataset` and `selectPart`, or by `readLabelTable` (a label file); read by the audit.
 */
export interface ItemSet {
  /** As the user names it, for messages: "digits/query", "labels.csv". */
  readonly name: string;
  readonly count: number;
  /** One per item, unique within the set. Items of two sets with the same id are the same item. */
  readonly ids: readonly string[];
  /** Index into `classNames`, one per item. */
  readonly labelOf: Int32Array;
  readonly classNames: readonly string[];
  /** False for items without labels: all of one class, named ''. Absent: true. */
  readonly labelled?: boolean;
  /** Name of the part that each item belongs to, where a column says it. */
  readonly parts?: readonly string[];
  /** Column name to one value per item. */
  readonly slices: ReadonlyMap<string, readonly string[]>;
  /** Columns that nobody named and that hold too many values to be slices. Absent: none. */
  readonly slicesLeftOut?: readonly string[];
  /** What an image model embeds; null for items of another kind, or that only vectors can stand for. */
  readonly images: ImageContent | null;
  /** What a text model embeds; absent for items of another kind. */
  readonly texts?: TextContent;
  /**
   * Absolute path of the label file whose row numbers (from 0) end the ids, `<dataset>/<row>`; absent
   * when ids come from an `id` column or from paths. Such ids mean nothing outside that file.
   */
  readonly rowFile?: string;
}

/** Images by item index. Sources are descriptors, so that they can be decoded in another thread. */
export interface ImageContent {
  source(item: number): ImageSource;
}

/** Texts by item index, in memory. */
export interface TextContent {
  text(item: number): string;
}

export type ImageSource =
  /** An encoded image file (PNG, JPEG, WebP, ...). Absolute path. */
  | { kind: 'file'; path: string }
  /** Raw unsigned 8-bit grey pixels, row-major, at a place of a file (IDX). */
  | { kind: 'raw'; path: string; offset: number; width: number; height: number };

/** The items at `indices`, in that order, as a set of its own. */
export function selectItems(items: ItemSet, indices: Int32Array, name: string): ItemSet {
  const slices = new Map<string, readonly string[]>();
  for (const [column, values] of items.slices) {
    slices.set(
      column,
      Array.from(indices, (index) => values[index] as string),
    );
  }
  const { images, texts } = items;
  return {
    name,
    count: indices.length,
    ids: Array.from(indices, (index) => items.ids[index] as string),
    labelOf: indices.map((index) => items.labelOf[index] as number),
    classNames: items.classNames,
    slices,
    ...(items.slicesLeftOut === undefined ? {} : { slicesLeftOut: items.slicesLeftOut }),
    ...(items.labelled === undefined ? {} : { labelled: items.labelled }),
    images: images === null ? null : { source: (item) => images.source(indices[item] as number) },
    ...(texts === undefined ? {} : { texts: { text: (item: number) => texts.text(indices[item] as number) } }),
    ...(items.rowFile === undefined ? {} : { rowFile: items.rowFile }),
  };
}
