import { throwIfCancelled } from '../contract/errors.ts';
import type { Distance } from '../contract/report.ts';
import type { Progress } from '../contract/runs.ts';
import { GraphBuilder } from '../engine/graph.ts';
import { createSession } from '../engine/session.ts';
import type { BlockReader, Matrix } from './vectors.ts';

export interface NearestInput {
  /** In the gallery's form (normalised for cosine). */
  query: Matrix;
  gallery: BlockReader;
  /** Neighbours of each query, from 1. */
  k: number;
  distance: Distance;
  /** null: one a core. */
  threads: number | null;
  /** Gallery row that each query must not find (its own), or -1. */
  exclude?: Int32Array;
}

/** queries x k, nearest first; row -1 and distance Infinity where the gallery has fewer rows. */
export interface Neighbours {
  k: number;
  rows: Int32Array;
  distances: Float32Array;
}

/** Shape of one product with its top k: fastest of those tried, and some 50 MB of scores. */
const BLOCK_QUERIES = 512;
export const NEAREST_BLOCK_ROWS = 25_000;
const INT32 = 6;

/**
 * The k nearest gallery rows of each query, exactly: nearest first, ties by gallery position. Distances carry
 * the rounding of a float32 product, so rows within 1e-6 of each other may change places.
 * Euclidean keys are taken relative to the gallery's first row, because 2 q.g - |g|^2 loses digits far from the origin.
 * Cost: one product of queries x gallery x columns and its top k, on all threads; reads the gallery once.
 * @throws BackcompatError `cancelled`, and what the gallery's source throws
 */
export async function nearestNeighbours(
  input: NearestInput,
  hooks: { progress?: Progress; signal?: AbortSignal } = {},
): Promise<Neighbours> {
  const { query, gallery, distance, exclude } = input;
  const { columns } = query;
  const total = gallery.source.count;
  const k = Math.max(1, Math.min(input.k, total));
  // One more where the query's own row may take a place.
  const wanted = exclude === undefined ? k : k + 1;
  const best = new BestOf(query.rows, k);
  const first = await gallery.read(0);
  const origin = distance === 'euclidean' ? first.values.slice(0, columns) : null;
  const moved = origin === null ? query.values : lessRow(query.values, origin);
  const session = await createSession(topGraph(columns, origin), { threads: input.threads });
  try {
    for (let start = 0; start < total; start += gallery.blockRows) {
      const block = start === 0 ? first : await gallery.read(start);
      for (let low = 0; low < block.rows; low += NEAREST_BLOCK_ROWS) {
        const rows = Math.min(NEAREST_BLOCK_ROWS, block.rows - low);
        const part = { shape: [rows, columns], data: block.values.subarray(low * columns, (low + rows) * columns) };
        const width = Math.min(wanted, rows);
        for (let from = 0; from < query.rows; from += BLOCK_QUERIES) {
          throwIfCancelled(hooks.signal);
          const size = Math.min(BLOCK_QUERIES, query.rows - from);
          const { keys, places } = await session.run({
            query: { shape: [size, columns], data: moved.subarray(from * columns, (from + size) * columns) },
            gallery: part,
            k: { shape: [1], data: BigInt64Array.of(BigInt(width)) },
          });
          best.merge(from, size, width, keys?.data as Float32Array, places?.data as Int32Array, start + low, exclude);
          await hooks.progress?.breathe();
        }
      }
    }
  } finally {
    await session.release();
  }
  return { k, rows: best.rows, distances: distancesOf(distance, best.keys, moved, columns, k) };
}

/** Sorted lists of the best keys seen so far, larger is nearer. */
class BestOf {
  readonly keys: Float32Array;
  readonly rows: Int32Array;
  readonly #k: number;
  readonly #keys: Float32Array;
  readonly #rows: Int32Array;

  constructor(queries: number, k: number) {
    this.keys = new Float32Array(queries * k).fill(Number.NEGATIVE_INFINITY);
    this.rows = new Int32Array(queries * k).fill(-1);
    this.#k = k;
    this.#keys = new Float32Array(k);
    this.#rows = new Int32Array(k);
  }

  /** Merges sorted lists of `width` for queries [from, from + size); places count from `offset`, later than all before. */
  merge(
    from: number,
    size: number,
    width: number,
    keys: Float32Array,
    places: Int32Array,
    offset: number,
    exclude: Int32Array | undefined,
  ): void {
    const k = this.#k;
    for (let query = 0; query < size; query++) {
      const own = (from + query) * k;
      const other = query * width;
      // Most blocks of a long gallery bring nothing.
      if ((keys[other] as number) <= (this.keys[own + k - 1] as number)) continue;
      const self = (exclude?.[from + query] ?? -1) - offset;
      let a = own;
      let b = other;
      for (let place = 0; place < k; place++) {
        if (b < other + width && places[b] === self) b++;
        // On equal keys the earlier row stays in front.
        if (b < other + width && (keys[b] as number) > (this.keys[a] as number)) {
          this.#keys[place] = keys[b] as number;
          this.#rows[place] = offset + (places[b] as number);
          b++;
        } else {
          this.#keys[place] = this.keys[a] as number;
          this.#rows[place] = this.rows[a] as number;
          a++;
        }
      }
      this.keys.set(this.#keys, own);
      this.rows.set(this.#rows, own);
    }
  }
}

/** Keys are q.g, for Euclidean 2 q.g - |g|^2. */
function distancesOf(
  distance: Distance,
  keys: Float32Array,
  query: Float32Array,
  columns: number,
  k: number,
): Float32Array {
  if (distance === 'cosine') return keys.map((key) => 1 - key);
  if (distance === 'dot') return keys.map((key) => -key);
  const distances = new Float32Array(keys.length);
  for (let row = 0; row * k < keys.length; row++) {
    let squared = 0;
    for (let c = row * columns; c < (row + 1) * columns; c++) squared += (query[c] as number) ** 2;
    for (let place = row * k; place < (row + 1) * k; place++) {
      distances[place] = Math.sqrt(Math.max(0, squared - (keys[place] as number)));
    }
  }
  return distances;
}

function lessRow(values: Float32Array, row: Float32Array): Float32Array {
  return values.map((value, i) => value - (row[i % row.length] as number));
}

/** Keys of all pairs, larger is nearer, and the k best of each query, by position where equal. */
function topGraph(columns: number, origin: Float32Array | null): Uint8Array {
  const graph = new GraphBuilder('nearest');
  const query = graph.input('query', 'float32', ['queries', columns]);
  const given = graph.input('gallery', 'float32', ['rows', columns]);
  const k = graph.input('k', 'int64', [1]);
  let keys = graph.node('Gemm', [query, given], { transB: 1 });
  if (origin !== null) {
    const gallery = graph.node('Sub', [given, graph.constant(origin, [columns])]);
    const squares = graph.node('ReduceSumSquare', [gallery, graph.int64s([1])], { keepdims: 0 });
    keys = graph.node('Gemm', [query, gallery, graph.node('Neg', [squares])], { transB: 1, alpha: { float: 2 } });
  }
  const [values, indices] = graph.nodes('TopK', [keys, k], { axis: 1, largest: 1, sorted: 1 }, 2);
  graph.output('keys', values as typeof keys, 'float32', ['queries', 'k']);
  graph.output('places', graph.node('Cast', [indices as typeof keys], { to: INT32 }), 'int32', ['queries', 'k']);
  return graph.build();
}
