import type { AdapterKind } from '../contract/report.ts';
import type { VectorSource } from '../data/vectorSource.ts';
import { type Adapter, type AdapterOptions, fitAdapter, MAX_FIT_ITEMS } from './adapters/adapter.ts';
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

type Ridge = NonNullable<AdapterOptions['ridge']>;

const FIT_BLOCK_ROWS = 2048;
/** Below, no part of the items can be held out. */
const FEWEST_ITEMS = 10;

/**
 * Fits an adapter twice. Items with both vectors (all queries, and the gallery where the new model's is given) are
 * split by id into two seeded halves, stratified by class; each half is mapped by the adapter fitted on the
 * other (on at most 20,000 items, sampled by class).
 * @param most items that one adapter is fitted on, at most
 * @param ridges one a half, for what a linear map leaves to a network that is fitted next, of the same `most`
 * @returns null when a half has too few items: fewer than the shorter vectors' length for `procrustes`, 10 otherwise
 */
export async function crossFit(
  input: AuditInput,
  kind: AdapterKind,
  threads: number | null,
  hooks: InequalityHooks,
  most = MAX_FIT_ITEMS,
  ridges?: readonly [Ridge, Ridge],
): Promise<CrossFit | null> {
  const { queries, vectors, protocol } = input;
  const { distance } = protocol;
  const shape = { newColumns: vectors.newQuery.dimension, oldColumns: vectors.oldQuery.dimension };
  const items = itemsOf(input);
  const halfOf = splitInHalves(items.labels, input.gallery.classNames.length, protocol.seed);
  const ofGallery = items.ofGalleryRow.map((item) => halfOf[item] as number);
  const adapters: Adapter[] = [];
  const fits: CrossFitHalf[] = [];
  for (const half of [0, 1] as const) {
    const members = Int32Array.from(halfOf.keys()).filter((item) => halfOf[item] === half);
    const fitted = await fitOn(input, items, members, kind, threads, hooks, most, ridges?.[half]);
    if (fitted === null) return null;
    adapters.push(fitted.adapter);
    fits.push({ description: fitted.adapter.description, items: fitted.items });
  }
  const seen = adapters as [Adapter, Adapter];
  return {
    async queriesAt(rows) {
      const fresh = await loadMatrix(vectors.newQuery, formFor(distance, shape.newColumns), rows);
      return mapRows(
        fresh,
        rows.map((row) => halfOf[row] as number),
        seen,
        shape.oldColumns,
      );
    },
    query: mappedVectors(vectors.newQuery, halfOf.subarray(0, queries.count), seen, shape.oldColumns),
    gallery: vectors.newGallery && mappedVectors(vectors.newGallery, ofGallery, seen, shape.oldColumns),
    fits: fits as [CrossFitHalf, CrossFitHalf],
  };
}

/**
 * Fits an adapter on all items with both vectors (at most 20,000, sampled by class): the one to ship, which the audit must
 * not judge on these items.
 * @returns null when there are too few items, as in `crossFit`
 */
export function fitOnAll(
  input: AuditInput,
  kind: AdapterKind,
  threads: number | null,
  hooks: InequalityHooks,
): Promise<{ adapter: Adapter; items: number } | null> {
  const items = itemsOf(input);
  return fitOn(input, items, Int32Array.from(items.labels.keys()), kind, threads, hooks, MAX_FIT_ITEMS);
}

async function fitOn(
  { queries, vectors, protocol }: AuditInput,
  items: Items,
  members: Int32Array,
  kind: AdapterKind,
  threads: number | null,
  hooks: InequalityHooks,
  most: number,
  ridge?: Ridge,
): Promise<{ adapter: Adapter; items: number } | null> {
  const { distance, seed } = protocol;
  const shape = { newColumns: vectors.newQuery.dimension, oldColumns: vectors.oldQuery.dimension };
  if (members.length < fewestItems(kind, shape)) return null;
  const labels = members.map((item) => items.labels[item] as number);
  const chosen = sampleRows(labels, most, seed).map((index) => members[index] as number);
  const fromQueries = chosen.filter((item) => item < queries.count);
  const fromGallery = chosen
    .filter((item) => item >= queries.count)
    .map((item) => items.galleryRows[item - queries.count] as number);
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
  const adapter = await fitAdapter(kind, blocks, shape, { seed, threads, distance, ...(ridge && { ridge }) }, hooks);
  return { adapter, items: chosen.length };
}

function fewestItems(kind: AdapterKind, shape: { newColumns: number; oldColumns: number }): number {
  return kind === 'procrustes' ? Math.min(shape.newColumns, shape.oldColumns) : FEWEST_ITEMS;
}

/** The queries, then the items of the gallery that are no queries. */
interface Items {
  labels: Int32Array;
  /** Gallery rows that are no queries, in the order of the items; none without the new model's gallery. */
  galleryRows: number[];
  /** Item of each gallery row; empty without the new model's gallery. */
  ofGalleryRow: Int32Array;
}

function itemsOf({ queries, gallery, vectors }: AuditInput): Items {
  const measured = vectors.newGallery !== null;
  const queryOf = new Map(measured ? queries.ids.map((id, query) => [id, query]) : []);
  const galleryRows: number[] = [];
  const ofGalleryRow = new Int32Array(measured ? gallery.count : 0);
  for (let row = 0; row < ofGalleryRow.length; row++) {
    const query = queryOf.get(gallery.ids[row] as string);
    ofGalleryRow[row] = query ?? queries.count + galleryRows.length;
    if (query === undefined) galleryRows.push(row);
  }
  const labels = new Int32Array(queries.count + galleryRows.length);
  labels.set(queries.labelOf);
  galleryRows.forEach((row, index) => {
    labels[queries.count + index] = gallery.labelOf[row] as number;
  });
  return { labels, galleryRows, ofGalleryRow };
}

/** Rows of `source`, all mapped by one adapter. */
export function mappedSource(source: VectorSource, adapter: Pick<Adapter, 'apply'>, dimension: number): VectorSource {
  return mappedBlocks(source, dimension, (raw) => adapter.apply(raw));
}

/** Rows of `source`, each mapped by the adapter of the half that it is not in. */
function mappedVectors(
  source: VectorSource,
  halfOf: Uint8Array | Int32Array,
  adapters: [Adapter, Adapter],
  dimension: number,
): VectorSource {
  return mappedBlocks(source, dimension, (raw, start) =>
    mapRows(raw, halfOf.subarray(start, start + raw.rows), adapters, dimension),
  );
}

/** Rows of `source`, mapped block by block as they are read; whoever owns `source` closes it. */
function mappedBlocks(
  source: VectorSource,
  dimension: number,
  map: (raw: Matrix, start: number) => Promise<Matrix>,
): VectorSource {
  return {
    name: source.name,
    count: source.count,
    dimension,
    async read(start, count, into) {
      const values = new Float32Array(count * source.dimension);
      await source.read(start, count, values);
      into.set((await map({ rows: count, columns: source.dimension, values }, start)).values);
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
