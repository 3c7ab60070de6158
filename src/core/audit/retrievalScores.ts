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

/** One cell's scores of a run of queries, rows of the gallery's length. */
export interface ScoredRows {
  /** Lower is nearer: cosine and dot -q.g, euclidean |g|^2 - 2 q.g relative to the origin. */
  keys: Float32Array;
  /** Bins of the distances, monotone in the keys. */
  bins: Uint16Array;
}

export interface ScoredCell {
  query: Matrix;
  axis: BinAxis;
}

interface ScorerInput {
  distance: Distance;
  cells: readonly ScoredCell[];
  gallery: BlockReader;
  /** The gallery's first block. */
  first: Matrix;
  threads: number | null;
  /** Memory for complete rows of scores. */
  scoreBytes: number;
}

/** A float32 key and a uint16 bin. */
const PAIR_BYTES = 6;
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
  readonly #rows: readonly ScoredRows[];
  /** Where products are computed into; the complete rows themselves, or parts to be put together. */
  readonly #parts: readonly ScoredRows[];
  readonly #gallerySquares: Float32Array | null;
  readonly #querySquares: Float64Array[];
  #twins: Int32Array | null = null;

  /** Release it in the end. */
  static async open(input: ScorerInput): Promise<RowScorer> {
    const origin = input.distance === 'euclidean' ? centralRow(input.first) : null;
    const graph = scoreGraph(input.distance, input.first.columns, origin, input.cells);
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
    const scores = (size: number): ScoredRows => ({ keys: new Float32Array(size), bins: new Uint16Array(size) });
    this.#rows = cells.map(() => scores(this.runQueries * width));
    const product = Math.min(this.runQueries * width, PRODUCT_SCORES + this.runQueries);
    this.#parts = this.#wholeRows ? this.#rows : cells.map(() => scores(product));
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
   * @returns one entry a cell
   */
  async score(
    start: number,
    size: number,
    hooks: { progress: Progress; signal?: AbortSignal },
  ): Promise<readonly ScoredRows[]> {
    const { cells, gallery, first } = this.#input;
    const { columns } = first;
    const width = gallery.source.count;
    const feeds: Record<string, Tensor> = {};
    cells.forEach((_, c) => {
      this.#feedQueries(c, start, size, feeds);
    });
    const finder = this.#twins === null ? new TwinFinder(width) : null;
    for (let at = 0; at < width; at += gallery.blockRows) {
      const block = width <= gallery.blockRows ? first : await gallery.read(at);
      if (finder !== null) {
        finder.add(at, block);
        if (this.#gallerySquares !== null) squaredNorms(block, this.#origin, this.#gallerySquares, at);
      }
      const products = this.#wholeRows ? 1 : Math.ceil((cells.length * size * block.rows) / PRODUCT_SCORES);
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
        await this.#session.runInto(feeds, this.#outputs(size, high - low));
        if (!this.#wholeRows) this.#put(size, at + low, high - low);
        await hooks.progress.breathe();
      }
    }
    if (finder !== null) this.#twins = await finder.pairs(gallery.source, gallery.form);
    for (const rows of this.#rows) levelTwins(this.#twins as Int32Array, rows, size, width);
    return this.#rows;
  }

  #feedQueries(cell: number, start: number, size: number, feeds: Record<string, Tensor>): void {
    const { columns, values } = (this.#input.cells[cell] as ScoredCell).query;
    const rows = values.subarray(start * columns, (start + size) * columns);
    const origin = this.#origin;
    const data = origin === null ? rows : rows.map((value, at) => value - (origin[at % columns] as number));
    feeds[`query${cell}`] = { shape: [size, columns], data };
    if (origin === null) return;
    const squares = this.#querySquares[cell] as Float64Array;
    for (let row = 0; row < size; row++) {
      let squared = 0;
      for (let k = row * columns; k < (row + 1) * columns; k++) squared += (data[k] as number) ** 2;
      squares[start + row] = squared;
    }
    feeds[`squares${cell}`] = { shape: [size, 1], data: Float32Array.from(squares.subarray(start, start + size)) };
  }

  /** Where a product of `size` queries and `count` gallery rows is computed into. */
  #outputs(size: number, count: number): Record<string, Tensor> {
    const shape = [size, count];
    return Object.fromEntries(
      this.#parts.flatMap(({ keys, bins }, cell) => [
        [`key${cell}`, { shape, data: keys.subarray(0, size * count) }],
        [`bin${cell}`, { shape, data: bins.subarray(0, size * count) }],
      ]),
    );
  }

  /** Puts the scores of gallery rows [at, at + count) into their places in complete rows. */
  #put(size: number, at: number, count: number): void {
    const width = this.#input.gallery.source.count;
    this.#rows.forEach((rows, cell) => {
      const { keys, bins } = this.#parts[cell] as ScoredRows;
      for (let row = 0; row < size; row++) {
        const from = row * count;
        rows.keys.set(keys.subarray(from, from + count), row * width + at);
        rows.bins.set(bins.subarray(from, from + count), row * width + at);
      }
    });
  }

  release(): Promise<void> {
    return this.#session.release();
  }
}

/** Keys and bins of a block of the gallery for each cell; keys are without terms that are the same along a row. */
function scoreGraph(
  distance: Distance,
  columns: number,
  origin: Float32Array | null,
  cells: readonly ScoredCell[],
): Uint8Array {
  const graph = new GraphBuilder('scores');
  let gallery = graph.input('gallery', 'float32', ['items', columns]);
  let gallerySquares: Value | null = null;
  if (origin !== null) {
    gallerySquares = graph.input('gallerySquares', 'float32', ['items']);
    gallery = graph.node('Sub', [gallery, graph.constant(origin, [1, columns])]);
  }
  cells.forEach(({ axis }, cell) => {
    const query = graph.input(`query${cell}`, 'float32', ['rows', columns]);
    let key: Value;
    let position: Value;
    if (gallerySquares !== null) {
      const squares = graph.input(`squares${cell}`, 'float32', ['rows', 1]);
      key = graph.node('Gemm', [query, gallery, gallerySquares], { transB: 1, alpha: { float: -2 } });
      position = graph.node('Sqrt', [graph.node('Relu', [graph.node('Add', [key, squares])])]);
    } else {
      key = graph.node('Gemm', [query, gallery], { transB: 1, alpha: { float: -1 } });
      position = key;
    }
    // Scales and clamps in one pass. Bins are rounded to the nearest, so half a bin makes bin k begin at low + k.
    const low = axis.low - (distance === 'cosine' ? 1 : 0);
    const share = graph.node('HardSigmoid', [position], {
      alpha: { float: axis.perUnit / (BINS - 1) },
      beta: { float: -(low * axis.perUnit + 0.5) / (BINS - 1) },
    });
    // 4 is UINT16.
    const bin = graph.node('QuantizeLinear', [share, graph.scalar(1 / (BINS - 1))], { output_dtype: 4 });
    graph.output(`key${cell}`, key, 'float32', ['rows', 'items']);
    graph.output(`bin${cell}`, bin, 'uint16', ['rows', 'items']);
  });
  return graph.build();
}

/** Gives equal gallery rows one key and bin in every row of scores. */
function levelTwins(twins: Int32Array, { keys, bins }: ScoredRows, rows: number, width: number): void {
  for (let row = 0; row < rows; row++) {
    const offset = row * width;
    for (let pair = 0; pair < twins.length; pair += 2) {
      const from = offset + (twins[pair] as number);
      const to = offset + (twins[pair + 1] as number);
      keys[to] = keys[from] as number;
      bins[to] = bins[from] as number;
    }
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
