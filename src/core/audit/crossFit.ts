import type { AdapterKind } from '../contract/report.ts';
import type { VectorSource } from '../data/vectorSource.ts';
import { type Adapter, fitAdapter, MAX_FIT_ITEMS } from './adapters/adapter.ts';
import type { AuditInput } from './auditInput.ts';
import type { InequalityHooks } from './inequalities.ts';
import { pickRows } from './pairSample.ts';
import { sampleRows, splitInHalves } from './sampling.ts';
import { formFor, loadMatrix, type Matrix } from './vectors.ts';

/** New vectors mapped into the old space, every item by an adapter that was not fitted on it. */
export interface CrossFit {
  /** Row i for query i, of the old model's length. */
  query: VectorSource;
  /** null without the new model's gallery. */
  gallery: VectorSource | null;
  /** The mapped vectors of some queries in the old model's form, all in one go: row by row costs far more. */
  queriesAt(rows: Int32Array): Promise<Matrix>;
  /** One a half: what was fitted, and on how many items. */
  fits: [CrossFitHalf, CrossFitHalf];
}

export interface CrossFitHalf {
  description: string;
  items: number;
}

const FIT_BLOCK_ROWS = 2048;
/** Below, no part of the items can be held out. */
const FEWEST_ITEMS = 10;

/**
 * Fits an adapter twice. Items with both vectors (all queries, and the gallery where the new model's is given) are
 * split by id into two seeded halves, stratified by class; each half is mapped by the adapter fitted on the
 * other (on at most 20,000 items, sampled by class).
 * @param most items that one adapter is fitted on, at most
 * @returns null when a half has too few items: fewer than the shorter vectors' length for `procrustes`, 10 otherwise
 */
export async function crossFit(
  input: AuditInput,
  kind: AdapterKind,
  threads: number | null,
  hooks: InequalityHooks,
  most = MAX_FIT_ITEMS,
): Promise<CrossFit | null> {
  const { queries, vectors, protocol } = input;
  const { distance, seed } = protocol;
  const shape = { newColumns: vectors.newQuery.dimension, oldColumns: vectors.oldQuery.dimension };
  const halves = halvesOf(input);
  const adapters: Adapter[] = [];
  const fits: CrossFitHalf[] = [];
  for (const half of [0, 1]) {
    const members = Int32Array.from(halves.item.keys()).filter((item) => halves.item[item] === half);
    if (members.length < fewestItems(kind, shape)) return null;
    const labels = members.map((item) => halves.labels[item] as number);
    const chosen = sampleRows(labels, most, seed).map((index) => members[index] as number);
    const fromQueries = chosen.filter((item) => item < queries.count);
    const fromGallery = chosen
      .filter((item) => item >= queries.count)
      .map((item) => halves.galleryRows[item - queries.count] as number);
    const newForm = formFor(distance, shape.newColumns);
    const oldForm = formFor(distance, shape.oldColumns);
    async function* blocks(): AsyncGenerator<{ from: Matrix; to: Matrix }> {
      const parts = [
        { from: vectors.newQuery, to: vectors.oldQuery, picked: fromQueries },
        ...(vectors.newGallery ? [{ from: vectors.newGallery, to: vectors.oldGallery, picked: fromGallery }] : []),
      ];
      for (const { from, to, picked } of parts) {
        for (let start = 0; start < picked.length; start += FIT_BLOCK_ROWS) {
          const some = picked.subarray(start, start + FIT_BLOCK_ROWS);
          yield { from: await loadMatrix(from, newForm, some), to: await loadMatrix(to, oldForm, some) };
        }
      }
    }
    const adapter = await fitAdapter(kind, blocks, shape, { seed, threads, distance }, hooks);
    adapters.push(adapter);
    fits.push({ description: adapter.description, items: chosen.length });
  }
  const seen = adapters as [Adapter, Adapter];
  return {
    async queriesAt(rows) {
      const fresh = await loadMatrix(vectors.newQuery, formFor(distance, shape.newColumns), rows);
      const halfOf = rows.map((row) => halves.item[row] as number);
      return mapRows(fresh, halfOf, seen, shape.oldColumns);
    },
    query: mappedVectors(vectors.newQuery, halves.item.subarray(0, queries.count), seen, shape.oldColumns),
    gallery: vectors.newGallery && mappedVectors(vectors.newGallery, halves.ofGallery, seen, shape.oldColumns),
    fits: fits as [CrossFitHalf, CrossFitHalf],
  };
}

function fewestItems(kind: AdapterKind, shape: { newColumns: number; oldColumns: number }): number {
  return kind === 'procrustes' ? Math.min(shape.newColumns, shape.oldColumns) : FEWEST_ITEMS;
}

interface Halves {
  /** Items: the queries, then those of the gallery that are no queries. */
  labels: Int32Array;
  item: Uint8Array;
  /** Gallery rows that are no queries, in the order of the items; none without the new model's gallery. */
  galleryRows: number[];
  /** One a gallery row; empty without the new model's gallery. */
  ofGallery: Uint8Array;
}

function halvesOf({ queries, gallery, vectors, protocol }: AuditInput): Halves {
  const measured = vectors.newGallery !== null;
  const queryOf = new Map(measured ? queries.ids.map((id, query) => [id, query]) : []);
  const galleryRows: number[] = [];
  const itemOfRow = new Int32Array(measured ? gallery.count : 0);
  for (let row = 0; row < itemOfRow.length; row++) {
    const query = queryOf.get(gallery.ids[row] as string);
    itemOfRow[row] = query ?? queries.count + galleryRows.length;
    if (query === undefined) galleryRows.push(row);
  }
  const labels = new Int32Array(queries.count + galleryRows.length);
  labels.set(queries.labelOf);
  galleryRows.forEach((row, index) => {
    labels[queries.count + index] = gallery.labelOf[row] as number;
  });
  const item = splitInHalves(labels, gallery.classNames.length, protocol.seed);
  return { labels, item, galleryRows, ofGallery: Uint8Array.from(itemOfRow, (index) => item[index] as number) };
}

/** Rows of `source`, each mapped by the adapter of the half that it is not in. */
function mappedVectors(
  source: VectorSource,
  halfOf: Uint8Array,
  adapters: [Adapter, Adapter],
  dimension: number,
): VectorSource {
  return {
    name: source.name,
    count: source.count,
    dimension,
    async read(start, count, into) {
      const values = new Float32Array(count * source.dimension);
      await source.read(start, count, values);
      const raw = { rows: count, columns: source.dimension, values };
      into.set((await mapRows(raw, halfOf.subarray(start, start + count), adapters, dimension)).values);
    },
    async close() {},
  };
}

/** Each row mapped by the adapter of the half that it is not in. */
async function mapRows(
  matrix: Matrix,
  halfOf: ArrayLike<number>,
  adapters: [Adapter, Adapter],
  columns: number,
): Promise<Matrix> {
  const values = new Float32Array(matrix.rows * columns);
  const rows = Array.from({ length: matrix.rows }, (_, row) => row);
  for (const half of [0, 1] as const) {
    const own = rows.filter((row) => halfOf[row] === half);
    if (own.length === 0) continue;
    const mapped = await adapters[half === 0 ? 1 : 0].apply(pickRows(matrix, own));
    own.forEach((row, index) => {
      values.set(mapped.values.subarray(index * columns, (index + 1) * columns), row * columns);
    });
  }
  return { rows: matrix.rows, columns, values };
}
