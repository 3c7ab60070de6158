import type { Distance } from '../contract/report.ts';
import { distanceBetween } from './distance.ts';
import type { Matrix } from './vectors.ts';

/** One pair and its distances under both models, exact (summed in double). */
export interface PairDifference {
  /** Rows. */
  query: number;
  gallery: number;
  oldDistance: number;
  newDistance: number;
}

/** A run of gallery positions in class order. */
export interface TileSpan {
  start: number;
  end: number;
}

/** A query (its place in class order) whose worst pair of a tile may be among the worst of all. */
export interface Suspect {
  position: number;
  tile: TileSpan;
  severity: number;
}

/**
 * Rows looked at closely between two galleries' blocks, at most; only massive ties (thousands of
 * equal pairs) reach it.
 */
const MAX_SUSPECTS = 4096;
/** Pairs whose exact distances are computed, per call of `consider`, at most; for the same reason. */
const MAX_EXACT = 16_384;

/**
 * The pairs of one sign with the largest severity. Tiles tell only the maximum of each query; the
 * `limit` largest of those are lower bounds of the `limit` largest pairs, so nearly every query of
 * nearly every tile drops out unseen.
 */
export class WorstPairs {
  readonly #sign: 'positive' | 'negative';
  readonly #limit: number;
  readonly #floor: number;
  /** Heap, smallest on top: the largest maxima so far, of different tiles or queries each. */
  readonly #maxima: number[] = [];
  #suspects: Suspect[] = [];
  readonly #worst: { pair: PairDifference; severity: number }[] = [];

  /** @param floor only pairs of larger severity count: the first epsilon */
  constructor(sign: 'positive' | 'negative', limit: number, floor: number) {
    this.#sign = sign;
    this.#limit = limit;
    this.#floor = floor;
  }

  /** What a severity (in single precision) must reach to be of interest. */
  get threshold(): number {
    const last = this.#worst.length < this.#limit ? undefined : this.#worst.at(-1);
    const bound = this.#maxima.length < this.#limit ? undefined : this.#maxima[0];
    const exact = Math.max(this.#floor, last?.severity ?? 0, bound ?? 0);
    // Room for the rounding of single precision.
    return exact - 1e-5 * exact - 1e-7;
  }

  /** The largest severity of one query in one tile. */
  note(position: number, tile: TileSpan, severity: number): void {
    if (severity <= this.#floor * 0.9) return;
    if (this.#maxima.length >= this.#limit && severity < this.threshold) return;
    this.#suspects.push({ position, tile, severity });
    pushBounded(this.#maxima, severity, this.#limit);
    if (this.#suspects.length >= 4 * MAX_SUSPECTS) this.#prune();
  }

  /** Drops what no longer matters, and keeps the largest `MAX_SUSPECTS` of the rest. */
  #prune(): void {
    const { threshold } = this;
    this.#suspects = this.#suspects
      .filter((suspect) => suspect.severity >= threshold)
      .sort((a, b) => b.severity - a.severity || a.position - b.position || a.tile.start - b.tile.start)
      .slice(0, MAX_SUSPECTS);
  }

  /** The rows noted since the last call that still matter, by tile. */
  takeSuspects(): Map<TileSpan, Suspect[]> {
    this.#prune();
    const byTile = new Map<TileSpan, Suspect[]>();
    for (const suspect of this.#suspects) {
      const list = byTile.get(suspect.tile);
      if (list === undefined) byTile.set(suspect.tile, [suspect]);
      else list.push(suspect);
    }
    this.#suspects = [];
    return byTile;
  }

  /**
   * Looks at whole rows of pairs.
   * @param loss d_oo - d_no, one row per entry of `queries`
   * @param counts whether the pair of a query row and a column has this sign and is no self pair
   */
  consider(block: {
    loss: Float32Array;
    queries: readonly number[];
    columns: number;
    galleryRow: (column: number) => number;
    counts: (query: number, column: number) => boolean;
    distances: (query: number, column: number) => { oldDistance: number; newDistance: number };
  }): void {
    const direction = this.#sign === 'negative' ? 1 : -1;
    let { threshold } = this;
    let exact = 0;
    for (let index = 0; index < block.queries.length; index++) {
      const query = block.queries[index] as number;
      const row = index * block.columns;
      for (let column = 0; column < block.columns; column++) {
        if (direction * (block.loss[row + column] as number) < threshold) continue;
        if (!block.counts(query, column)) continue;
        if (++exact > MAX_EXACT) return;
        const { oldDistance, newDistance } = block.distances(query, column);
        const severity = direction * (oldDistance - newDistance);
        if (severity <= this.#floor) continue;
        this.#insert({ query, gallery: block.galleryRow(column), oldDistance, newDistance }, severity);
        threshold = this.threshold;
      }
    }
  }

  #insert(pair: PairDifference, severity: number): void {
    const worst = this.#worst;
    let position = worst.length;
    while (position > 0) {
      const other = worst[position - 1] as { pair: PairDifference; severity: number };
      const before = other.severity - severity || pair.query - other.pair.query || pair.gallery - other.pair.gallery;
      if (before >= 0) break;
      position--;
    }
    if (position >= this.#limit) return;
    worst.splice(position, 0, { pair, severity });
    if (worst.length > this.#limit) worst.pop();
  }

  /** Largest severity first, ties by query, then by gallery row. */
  get pairs(): PairDifference[] {
    return this.#worst.map(({ pair }) => pair);
  }
}

/** Both exact distances of a pair. */
export function exactDistances(
  distance: Distance,
  queries: { old: Matrix; new: Matrix },
  query: number,
  gallery: Matrix,
  row: number,
): { oldDistance: number; newDistance: number } {
  return {
    oldDistance: distanceBetween(distance, queries.old, query, gallery, row),
    newDistance: distanceBetween(distance, queries.new, query, gallery, row),
  };
}

/** Keeps the `limit` largest values in a heap with the smallest on top. */
function pushBounded(heap: number[], value: number, limit: number): void {
  if (limit === 0) return;
  if (heap.length < limit) {
    heap.push(value);
    let child = heap.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if ((heap[parent] as number) <= value) break;
      heap[child] = heap[parent] as number;
      child = parent;
    }
    heap[child] = value;
    return;
  }
  if (value <= (heap[0] as number)) return;
  let parent = 0;
  for (;;) {
    let child = 2 * parent + 1;
    if (child >= limit) break;
    if (child + 1 < limit && (heap[child + 1] as number) < (heap[child] as number)) child++;
    if ((heap[child] as number) >= value) break;
    heap[parent] = heap[child] as number;
    parent = child;
  }
  heap[parent] = value;
}
