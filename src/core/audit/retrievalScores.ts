import { throwIfCancelled } from '../contract/errors.ts';
import type { Distance } from '../contract/report.ts';
import type { Progress } from '../contract/runs.ts';
import { GraphBuilder, type Value } from '../engine/graph.ts';
import { createSession, type NativeSession, type Tensor } from '../engine/session.ts';
import { TwinFinder } from './retrievalTwins.ts';
import type { BlockReader, Matrix } from './vectors.ts';

/** Bins of a row of scores: all that 16 bits can tell. */
export const BINS = 65_536;

/** Bin k holds the distances from low + k / perUnit on; the end bins also what lies beyond. */
export interface BinAxis {
  low: number;
  perUnit: number;
}

interface ScorerInput {
  distance: Distance;
  /** Queries of each cell, of equal number. */
  cells: readonly { query: Matrix }[];
  gallery: BlockReader;
  /** The gallery's first block. */
  first: Matrix;
  threads: number | null;
  /** Memory for complete rows of scores. */
  scoreBytes: number;
}

/** A float32 key. */
const PAIR_BYTES = 4;
/** Scores of one product: a few million are fastest. */
const PRODUCT_SCORES = 4_194_304;
/** And of one that gives complete rows, which need not be copied; unless those would be fewer than are fast. */
const WHOLE_ROW_SCORES = 8_388_608;
const FEWEST_WHOLE_ROWS = 64;

/**
 * Complete rows of scores of several cells that search one gallery, a run of queries at a time. The gallery is
 * read once for each run, unless one block of the reader holds it. Bitwise equal gallery rows get equal scores.
 * Euclidean keys are taken relative to a gallery row in the middle of the data, because
 * |g|^2 - 2 q.g loses digits far from the origin.
 */
export class RowScorer {
  /** Queries of a run, at most. */
  readonly runQueries: number;

  readonly #input: ScorerInput;
  readonly #session: NativeSession;
  readonly #origin: Float32Array | null;
  readonly #wholeRows: boolean;
  /** Complete rows, cell after cell. */
  readonly #rows: Float32Array;
  /** Where products are computed into; the complete rows themselves, or a part to be put together. */
  readonly #part: Float32Array;
  readonly #gallerySquares: Float32Array | null;
  readonly #querySquares: Float64Array[];
  #twins: Int32Array | null = null;

  /** Release it in the end. */
  static async open(input: ScorerInput): Promise<RowScorer> {
    const origin = input.distance === 'euclidean' ? centralRow(input.first) : null;
    const graph = scoreGraph(input.first.columns, origin);
    return new RowScorer(input, origin, await createSession(graph, { threads: input.threads }));
  }

  private constructor(input: ScorerInput, origin: Float32Array | null, session: NativeSession) {
    this.#input = input;
    this.#origin = origin;
    this.#session = session;
    const { cells, gallery, scoreBytes } = input;
    const width = gallery.source.count;
    const queries = cells[0]?.query.rows ?? 0;
    const wholeRowScores = Math.min(WHOLE_ROW_SCORES, scoreBytes / PAIR_BYTES);
    const together = cells.length * width;
    this.#wholeRows = width <= gallery.blockRows && wholeRowScores / together >= Math.min(FEWEST_WHOLE_ROWS, queries);
    const fitting = (this.#wholeRows ? wholeRowScores : scoreBytes / PAIR_BYTES) / together;
    this.runQueries = Math.max(1, Math.min(queries, Math.floor(fitting)));
    this.#rows = new Float32Array(this.runQueries * together);
    const product = Math.min(this.#rows.length, PRODUCT_SCORES + this.runQueries * cells.length);
    this.#part = this.#wholeRows ? this.#rows : new Float32Array(product);
    this.#gallerySquares = origin === null ? null : new Float32Array(width);
    this.#querySquares = origin === null ? [] : cells.map(({ query }) => new Float64Array(query.rows));
  }

  /** What turns a key of this query into its distance, or (euclidean) its square, by adding it. */
  keyOffset(cell: number, query: number): number {
    if (this.#input.distance === 'euclidean') return this.#querySquares[cell]?.[query] as number;
    return this.#input.distance === 'cosine' ? 1 : 0;
  }

  /**
   * Scores queries [start, start + size); the result is good until the next call.
   * @returns one entry a cell: rows of the gallery's length. Lower is nearer: cosine and dot -q.g, euclidean
   * |g|^2 - 2 q.g relative to the origin
   */
  async score(
    start: number,
    size: number,
    hooks: { progress: Progress; signal?: AbortSignal },
  ): Promise<readonly Float32Array[]> {
    const { cells, gallery, first } = this.#input;
    const { columns } = first;
    const width = gallery.source.count;
    const rows = cells.length * size;
    const feeds: Record<string, Tensor> = { query: this.#queries(start, size) };
    const finder = this.#twins === null ? new TwinFinder(width) : null;
    for (let at = 0; at < width; at += gallery.blockRows) {
      const block = width <= gallery.blockRows ? first : await gallery.read(at);
      if (finder !== null) {
        finder.add(at, block);
        if (this.#gallerySquares !== null) squaredNorms(block, this.#origin, this.#gallerySquares, at);
      }
      const products = this.#wholeRows ? 1 : Math.ceil((rows * block.rows) / PRODUCT_SCORES);
      for (const [low, high] of parts(block.rows, products)) {
        throwIfCancelled(hooks.signal);
        feeds.gallery = {
          shape: [high - low, columns],
          data: block.values.subarray(low * columns, high * columns),
        };
        if (this.#gallerySquares !== null) {
          const data = this.#gallerySquares.subarray(at + low, at + high);
          feeds.gallerySquares = { shape: [data.length], data };
        }
        const count = high - low;
        const data = this.#part.subarray(0, rows * count);
        await this.#session.runInto(feeds, { keys: { shape: [rows, count], data } });
        if (!this.#wholeRows) {
          for (let row = 0; row < rows; row++) {
            this.#rows.set(data.subarray(row * count, (row + 1) * count), row * width + at + low);
          }
        }
        await hooks.progress.breathe();
      }
    }
    if (finder !== null) this.#twins = await finder.pairs(gallery.source, gallery.form);
    levelTwins(this.#twins as Int32Array, this.#rows, rows, width);
    return cells.map((_, c) => this.#rows.subarray(c * size * width, (c + 1) * size * width));
  }

  /** Queries [start, start + size) of all cells, one cell after the other: one product brings the gallery into place for all. */
  #queries(start: number, size: number): Tensor {
    const { cells, first } = this.#input;
    const { columns } = first;
    const origin = this.#origin;
    const data = new Float32Array(cells.length * size * columns);
    cells.forEach(({ query }, c) => {
      data.set(query.values.subarray(start * columns, (start + size) * columns), c * size * columns);
    });
    if (origin !== null) {
      for (let at = 0; at < data.length; at++) data[at] = (data[at] as number) - (origin[at % columns] as number);
      this.#querySquares.forEach((squares, c) => {
        for (let row = 0; row < size; row++) {
          const from = (c * size + row) * columns;
          let squared = 0;
          for (let k = from; k < from + columns; k++) squared += (data[k] as number) ** 2;
          squares[start + row] = squared;
        }
      });
    }
    return { shape: [cells.length * size, columns], data };
  }

  release(): Promise<void> {
    return this.#session.release();
  }
}

/** Keys of a block of the gallery, without terms that are the same along a row. */
function scoreGraph(columns: number, origin: Float32Array | null): Uint8Array {
  const graph = new GraphBuilder('scores');
  const query = graph.input('query', 'float32', ['rows', columns]);
  const given = graph.input('gallery', 'float32', ['items', columns]);
  let key: Value;
  if (origin === null) key = graph.node('Gemm', [query, given], { transB: 1, alpha: { float: -1 } });
  else {
    const squares = graph.input('gallerySquares', 'float32', ['items']);
    const gallery = graph.node('Sub', [given, graph.constant(origin, [1, columns])]);
    key = graph.node('Gemm', [query, gallery, squares], { transB: 1, alpha: { float: -2 } });
  }
  graph.output('keys', key, 'float32', ['rows', 'items']);
  return graph.build();
}

/** Gives equal gallery rows one key in every row of scores. */
function levelTwins(twins: Int32Array, keys: Float32Array, rows: number, width: number): void {
  for (let row = 0; row < rows; row++) {
    const offset = row * width;
    for (let pair = 0; pair < twins.length; pair += 2) {
      keys[offset + (twins[pair + 1] as number)] = keys[offset + (twins[pair] as number)] as number;
    }
  }
}

/**
 * The bins of a row of distances, which are keys + `keyOffset` (`squared`: the square root of that): monotone in the keys.
 * @param keys from `offset` on
 * @param into one entry a gallery item
 */
export function fillBins(
  keys: Float32Array,
  offset: number,
  { low, perUnit }: BinAxis,
  { keyOffset, squared }: { keyOffset: number; squared: boolean },
  into: Uint16Array,
): void {
  const last = BINS - 1;
  const { length } = into;
  if (squared) {
    for (let i = 0; i < length; i++) {
      const square = (keys[offset + i] as number) + keyOffset;
      const position = square > 0 ? (Math.sqrt(square) - low) * perUnit : -low * perUnit;
      into[i] = position < last ? (position > 0 ? position : 0) : last;
    }
    return;
  }
  const base = (keyOffset - low) * perUnit;
  for (let i = 0; i < length; i++) {
    const position = (keys[offset + i] as number) * perUnit + base;
    into[i] = position < last ? (position > 0 ? position : 0) : last;
  }
}

/** Splits [0, length) into `count` parts of nearly equal size. */
function parts(length: number, count: number): [number, number][] {
  const number = Math.max(1, Math.min(count, length));
  return Array.from({ length: number }, (_, k) => [
    Math.floor((k * length) / number),
    Math.floor(((k + 1) * length) / number),
  ]);
}

/** |g - origin|^2 of a block's rows, summed in double over the float32 differences that the product sees. */
function squaredNorms(block: Matrix, origin: Float32Array | null, into: Float32Array, start: number): void {
  const { rows, columns, values } = block;
  for (let row = 0; row < rows; row++) {
    let squared = 0;
    for (let k = 0; k < columns; k++) {
      const value = values[row * columns + k] as number;
      const moved = origin === null ? value : Math.fround(value - (origin[k] as number));
      squared += moved * moved;
    }
    into[start + row] = squared;
  }
}

/**
 * A row of the block in the middle of the data when that at least halves the mean squared length, else
 * zero. A row rather than the mean: differences of whole numbers stay whole, so their ties stay ties.
 */
function centralRow(block: Matrix): Float32Array {
  const { columns, values } = block;
  const spread = (count: number) => {
    const length = Math.min(count, block.rows);
    return Array.from({ length }, (_, k) => Math.floor((k * block.rows) / length));
  };
  const sample = spread(256);
  const meanSquare = (origin: Float32Array): number => {
    let sum = 0;
    for (const row of sample) {
      for (let k = 0; k < columns; k++) sum += ((values[row * columns + k] as number) - (origin[k] as number)) ** 2;
    }
    return sum / sample.length;
  };
  const zero = new Float32Array(columns);
  let best = zero;
  let least = meanSquare(zero) / 2;
  for (const row of spread(16)) {
    const candidate = values.slice(row * columns, (row + 1) * columns);
    const square = meanSquare(candidate);
    if (square < least) {
      least = square;
      best = candidate;
    }
  }
  return best;
}
