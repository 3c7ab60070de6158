import { throwIfCancelled } from '../contract/errors.ts';
import type { Distance } from '../contract/report.ts';
import type { Progress } from '../contract/runs.ts';
import { GraphBuilder, type Value } from '../engine/graph.ts';
import { createSession, type NativeSession, type Tensor } from '../engine/session.ts';
import { TwinFinder } from './retrievalTwins.ts';
import type { BlockReader, Matrix } from './vectors.ts';

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
  /** How many parts a run of queries has; default 1. */
  parts?: number;
}

/** Complete rows of scores of queries [start, start + size): those of each cell, one cell after the other. */
export interface ScoredPart {
  start: number;
  size: number;
  /**
   * Lower is nearer: cosine and dot -q.g, euclidean |g|^2 - 2 q.g relative to the origin. The row of query q in cell c is the
   * (c size + q - start)-th of the gallery's length.
   */
  keys: Float32Array;
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
  /** Queries of one part of a run, at most. */
  readonly partQueries: number;
  /** Keys of a part, at most. */
  readonly partLength: number;

  readonly #input: ScorerInput;
  readonly #session: NativeSession;
  readonly #origin: Float32Array | null;
  readonly #wholeRows: boolean;
  /** What products are computed into where rows are put together; otherwise that is the rows themselves. */
  readonly #product: Float32Array;
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
    const { cells, gallery, scoreBytes, parts = 1 } = input;
    const width = gallery.source.count;
    const queries = cells[0]?.query.rows ?? 0;
    const partScores = scoreBytes / PAIR_BYTES / parts;
    const wholeRowScores = Math.min(WHOLE_ROW_SCORES, partScores);
    const together = cells.length * width;
    this.#wholeRows = width <= gallery.blockRows && wholeRowScores / together >= Math.min(FEWEST_WHOLE_ROWS, queries);
    const fitting = (this.#wholeRows ? wholeRowScores : partScores) / together;
    this.partQueries = Math.max(1, Math.min(Math.ceil(queries / parts), Math.floor(fitting)));
    this.partLength = this.partQueries * together;
    const runQueries = parts * this.partQueries;
    const product = Math.min(parts * this.partLength, PRODUCT_SCORES + runQueries * cells.length);
    this.#product = new Float32Array(this.#wholeRows ? 0 : product);
    this.#gallerySquares = origin === null ? null : new Float32Array(width);
    this.#querySquares = origin === null ? [] : cells.map(({ query }) => new Float64Array(query.rows));
  }

  /** What turns keys into distances, or (euclidean) their squares, by adding it: one entry a row of the part. */
  keyOffsets({ start, size }: ScoredPart): Float64Array {
    const { distance, cells } = this.#input;
    const offsets = new Float64Array(cells.length * size).fill(distance === 'cosine' ? 1 : 0);
    this.#querySquares.forEach((squares, c) => {
      offsets.set(squares.subarray(start, start + size), c * size);
    });
    return offsets;
  }

  /** Scores the queries of parts that follow each other. The gallery is read once for all. */
  async score(parts: readonly ScoredPart[], hooks: { progress: Progress; signal?: AbortSignal }): Promise<void> {
    const width = this.#input.gallery.source.count;
    if (this.#wholeRows) for (const part of parts) await this.#scoreTogether([part], hooks);
    else await this.#scoreTogether(parts, hooks);
    for (const { keys, size } of parts) {
      levelTwins(this.#twins as Int32Array, keys, this.#input.cells.length * size, width);
    }
  }

  async #scoreTogether(
    parts: readonly ScoredPart[],
    hooks: { progress: Progress; signal?: AbortSignal },
  ): Promise<void> {
    const { cells, gallery, first } = this.#input;
    const { columns } = first;
    const width = gallery.source.count;
    const { start, keys } = parts[0] as ScoredPart;
    const size = parts.reduce((sum, part) => sum + part.size, 0);
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
      for (const [low, high] of spans(block.rows, products)) {
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
        const data = (this.#wholeRows ? keys : this.#product).subarray(0, rows * count);
        await this.#session.runInto(feeds, { keys: { shape: [rows, count], data } });
        if (!this.#wholeRows) this.#putTogether(parts, { start, size, keys: data }, at + low);
        await hooks.progress.breathe();
      }
    }
    if (finder !== null) this.#twins = await finder.pairs(gallery.source, gallery.form);
  }

  /** Copies a product of some gallery rows, from `at` on, into the rows of all parts. */
  #putTogether(parts: readonly ScoredPart[], product: ScoredPart, at: number): void {
    const { cells, gallery } = this.#input;
    const width = gallery.source.count;
    const count = product.keys.length / (cells.length * product.size);
    for (let c = 0; c < cells.length; c++) {
      for (const part of parts) {
        for (let row = 0; row < part.size; row++) {
          const from = (c * product.size + part.start - product.start + row) * count;
          part.keys.set(product.keys.subarray(from, from + count), (c * part.size + row) * width + at);
        }
      }
    }
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

/** Splits [0, length) into `count` parts of nearly equal size. */
function spans(length: number, count: number): [number, number][] {
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
