import path from 'node:path';
import { quotedList } from '../config/closest.ts';
import type { TableCheckpointDefinition } from '../config/schema.ts';
import { BackcompatError } from '../contract/errors.ts';
import type { Progress } from '../contract/runs.ts';
import { fingerprintOfFiles } from '../data/files.ts';
import type { ItemColumns } from '../data/itemBuilder.ts';
import type { ItemSet } from '../data/itemSet.ts';
import { readVectorItems } from '../data/vectorItems.ts';
import { selectRows, type VectorSource } from '../data/vectorSource.ts';
import { openVectors, splitArrayName } from '../data/vectorTable.ts';
import { cacheFolder as folderOfCache } from '../runs/runDirectory.ts';

/** Vectors that a model produced elsewhere, found by item id. */
export interface TableCheckpoint {
  readonly kind: 'table';
  readonly name: string;
  /** As the user gave it; several files joined by ", ". */
  readonly path: string;
  readonly dimension: number;
  readonly notes: readonly string[];
  /** sha256 (hex) of its files. Reads them all: about a second a gigabyte. */
  fingerprint(): Promise<string>;
  /** The vectors of `items`; usable until the checkpoint is closed. @throws BackcompatError `bad-data` for an item without a vector */
  vectorsOf(items: ItemSet): VectorSource;
  close(): Promise<void>;
}

interface Part {
  vectorFile: string;
  labelFile: string;
  vectors: VectorSource;
  labels: ItemSet;
  /** Row of its first vector among those of all parts. */
  firstRow: number;
}

export interface OpenTableOptions {
  /** Where tables that cannot be read in place are converted to. Default: the cache beside the config. */
  cacheFolder?: string;
  progress?: Progress;
  signal?: AbortSignal;
}

/** See `openCheckpoint`. */
export async function openTableCheckpoint(
  name: string,
  definition: TableCheckpointDefinition,
  baseFolder: string,
  options: OpenTableOptions = {},
): Promise<TableCheckpoint> {
  const vectorFiles = [definition.vectors].flat();
  const labelFiles = definition.labels === undefined ? vectorFiles : [definition.labels].flat();
  if (vectorFiles.length !== labelFiles.length) {
    throw new BackcompatError(
      'bad-config',
      `Checkpoint ${JSON.stringify(name)} has ${vectorFiles.length} files of vectors and ${labelFiles.length} of labels.`,
      { remedy: 'Give one label file for each file of vectors, in the same order.' },
    );
  }
  const { label, id } = definition;
  const columns = { label, id };
  const cacheFolder = folderOfCache(baseFolder);
  const parts: Part[] = [];
  const close = async (): Promise<void> => {
    for (const part of parts) await part.vectors.close();
  };
  try {
    for (const [index, given] of vectorFiles.entries()) {
      const { file, array } = await splitArrayName(path.resolve(baseFolder, given));
      const labels = await splitArrayName(path.resolve(baseFolder, labelFiles[index] as string));
      const vectors = { file, array: array ?? definition.array ?? null };
      parts.push(await openPart(vectors, labels, columns, { cacheFolder, ...options }, parts));
    }
    const all = concatenated(name, parts);
    const rowOfId = await indexIds(name, parts, all);
    return {
      kind: 'table',
      name,
      path: vectorFiles.join(', '),
      dimension: all.dimension,
      notes: [],
      fingerprint: () => fingerprintOfFiles([...new Set(parts.flatMap((part) => [part.vectorFile, part.labelFile]))]),
      vectorsOf: (items) => ({
        ...selectRows(all, rowsOf(name, parts, rowOfId, items), `${name} on ${items.name}`),
        // The files are the checkpoint's: other selections read them too.
        async close() {},
      }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface FileArray {
  file: string;
  array: string | null;
}

async function openPart(
  { file: vectorFile, array }: FileArray,
  { file: labelFile, array: labelArray }: FileArray,
  columns: ItemColumns,
  options: OpenTableOptions & { cacheFolder: string },
  before: readonly Part[],
): Promise<Part> {
  const except = [columns.label, columns.id].filter((column) => column !== undefined);
  const vectors = await openVectors(vectorFile, { ...options, array, except });
  try {
    const labels = await readVectorItems(labelFile, {
      name: labelFile,
      idPrefix: labelFile,
      columns: { ...columns, slices: [] },
      array: labelFile === vectorFile ? array : labelArray,
      signal: options.signal,
    });
    checkSameLength(vectors, labels, labelFile);
    const [first] = before;
    if (first && first.vectors.dimension !== vectors.dimension) {
      throw new BackcompatError(
        'bad-data',
        `${first.vectorFile} has vectors of length ${first.vectors.dimension}, ${vectorFile} of ${vectors.dimension}.`,
        { place: { file: vectorFile }, remedy: 'One checkpoint holds the vectors of one model.' },
      );
    }
    const firstRow = before.reduce((sum, part) => sum + part.vectors.count, 0);
    return { vectorFile, labelFile, vectors, labels, firstRow };
  } catch (error) {
    await vectors.close();
    throw error;
  }
}

/** @throws BackcompatError `bad-data` naming both files with their counts */
export function checkSameLength(vectors: VectorSource, labels: ItemSet, labelFile: string): void {
  if (vectors.count === labels.count) return;
  throw new BackcompatError(
    'bad-data',
    `${vectors.name} has ${vectors.count} vectors, ${labelFile} has ${labels.count} rows.`,
    { place: { file: labelFile }, remedy: 'Row i of the labels belongs to vector i: export both from the same list.' },
  );
}

function concatenated(name: string, parts: readonly Part[]): VectorSource {
  const [only] = parts;
  if (only === undefined) throw new BackcompatError('bad-config', `Checkpoint ${JSON.stringify(name)} names no files.`);
  if (parts.length === 1) return only.vectors;
  const { dimension } = only.vectors;
  return {
    name,
    count: parts.reduce((sum, part) => sum + part.vectors.count, 0),
    dimension,
    async read(start, count, into) {
      for (const { vectors, firstRow } of parts) {
        const from = Math.max(start, firstRow);
        const to = Math.min(start + count, firstRow + vectors.count);
        if (from >= to) continue;
        await vectors.read(
          from - firstRow,
          to - from,
          into.subarray((from - start) * dimension, (to - start) * dimension),
        );
      }
    },
    async close() {},
  };
}

/**
 * Row of every id that comes from an `id` column. An id may be in several files (an item that is query and
 * gallery) when its vectors agree; the first counts.
 */
async function indexIds(name: string, parts: readonly Part[], all: VectorSource): Promise<Map<string, number>> {
  const rowOfId = new Map<string, number>();
  const first: number[] = [];
  const second: number[] = [];
  for (const { labels, firstRow } of parts) {
    if (labels.rowFile !== undefined) continue;
    labels.ids.forEach((id, row) => {
      const known = rowOfId.get(id);
      if (known === undefined) rowOfId.set(id, firstRow + row);
      else {
        first.push(known);
        second.push(firstRow + row);
      }
    });
  }
  const [left, right] = [first, second].map((rows) => selectRows(all, Int32Array.from(rows))) as [
    VectorSource,
    VectorSource,
  ];
  const block = Math.max(1, Math.floor(2 ** 20 / all.dimension));
  for (let start = 0; start < first.length; start += block) {
    const count = Math.min(block, first.length - start);
    const a = new Float32Array(count * all.dimension);
    const b = new Float32Array(count * all.dimension);
    await left.read(start, count, a);
    await right.read(start, count, b);
    for (let i = 0; i < count; i++) {
      if (agree(a, b, i * all.dimension, (i + 1) * all.dimension)) continue;
      const places = [first[start + i] as number, second[start + i] as number].map((row) => placeOf(parts, row));
      const [one, other] = places as [RowPlace, RowPlace];
      throw new BackcompatError(
        'bad-data',
        `Checkpoint ${JSON.stringify(name)} has two different vectors for the item ${JSON.stringify(one.id)}: ${one.file} row ${one.row} and ${other.file} row ${other.row}.`,
        { place: { file: other.file, row: other.row }, remedy: 'Give different items different ids.' },
      );
    }
  }
  return rowOfId;
}

/** Equal up to the noise of batch sizes: 1e-4 of their length. */
function agree(a: Float32Array, b: Float32Array, start: number, end: number): boolean {
  let difference = 0;
  let length = 0;
  for (let i = start; i < end; i++) {
    const x = a[i] as number;
    const y = b[i] as number;
    difference += (x - y) * (x - y);
    length += x * x + y * y;
  }
  return difference <= 1e-8 * length;
}

interface RowPlace {
  id: string;
  file: string;
  /** From 1. */
  row: number;
}

function placeOf(parts: readonly Part[], row: number): RowPlace {
  const part = parts.find((candidate) => row < candidate.firstRow + candidate.vectors.count) as Part;
  const inPart = row - part.firstRow;
  return { id: part.labels.ids[inPart] as string, file: part.labelFile, row: inPart + 1 };
}

function rowsOf(
  name: string,
  parts: readonly Part[],
  rowOfId: ReadonlyMap<string, number>,
  items: ItemSet,
): Int32Array {
  // Without an `id` column a row number stands for the item, but only within the same label file.
  const samePart = parts.find((part) => part.labels.rowFile !== undefined && part.labels.rowFile === items.rowFile);
  const rows = new Int32Array(items.count);
  let missing = 0;
  let firstMissing = '';
  for (let item = 0; item < items.count; item++) {
    const id = items.ids[item] as string;
    const row = samePart
      ? samePart.firstRow + Number(id.slice(id.lastIndexOf('/') + 1))
      : items.rowFile === undefined
        ? rowOfId.get(id)
        : undefined;
    if (row === undefined) {
      missing++;
      if (missing === 1) firstMissing = id;
    } else {
      rows[item] = row;
    }
  }
  if (missing === 0) return rows;
  const files = quotedList(
    parts.map((part) => part.labelFile),
    3,
  );
  const withoutIds = parts.filter((part) => part.labels.rowFile !== undefined).map((part) => part.labelFile);
  if (items.rowFile !== undefined) withoutIds.unshift(items.rowFile);
  throw new BackcompatError(
    'bad-data',
    `Checkpoint ${JSON.stringify(name)} has no vector for the item ${JSON.stringify(firstMissing)} of ${items.name}${missing > 1 ? ` (and for ${missing - 1} more of ${items.count})` : ''}; looked in ${files}.`,
    {
      place: { file: parts[0]?.labelFile },
      remedy:
        withoutIds.length > 0
          ? `Items are matched by an "id" column, and ${quotedList(new Set(withoutIds), 3)} ${withoutIds.length > 1 ? 'have' : 'has'} none: add it to both sides.`
          : missing === items.count
            ? 'Export vectors for these items too. If this checkpoint is the stored gallery of a model that is gone, leave "queries" out of the pair: the gallery\'s items are then the queries, each without itself.'
            : 'Export vectors for all items, or remove the item from the dataset.',
    },
  );
}
