import { throwIfCancelled } from '../contract/errors.ts';
import type { CellName, Distance } from '../contract/report.ts';
import type { Progress } from '../contract/runs.ts';
import { GraphBuilder, type Value } from '../engine/graph.ts';
import { createSession, type Session } from '../engine/session.ts';
import { reachOf } from './distanceCounts.ts';
import { histogramEdges } from './histogramEdges.ts';
import type { PairSetup } from './pairSetup.ts';
import { RowRanker } from './retrievalRow.ts';
import { TwinFinder } from './retrievalTwins.ts';
import { TripletSampler, type TripletSums } from './triplets.ts';
import type { BlockReader, Matrix } from './vectors.ts';
import {
  type ScoredRow,
  type VerificationCounts,
  VerificationPass,
  type VerificationRequest,
} from './verificationPass.ts';

/** Retrieval figures of one cell, one entry a query (metrics.md section 3). */
export interface PerQuery {
  /** Rank of the nearest match, from 1; 0 for queries without a match. */
  firstMatchRank: Int32Array;
  /** Gallery row ranked first, the self pair dropped; -1 for queries without a match. */
  nearest: Int32Array;
  /** In [0, 1], more is better; NaN for queries without a match. */
  averagePrecision: Float64Array;
  mapAtR: Float64Array;
  rPrecision: Float64Array;
}

export interface RetrievalInput {
  distance: Distance;
  /** Cells that search this gallery. Queries x columns, in the gallery's form; row i is query i of `setup`. */
  cells: readonly { name: CellName; query: Matrix }[];
  gallery: BlockReader;
  setup: PairSetup;
  /** Equal bins of distance, ascending; the end bins collect what lies beyond. Left out: no histograms. */
  histogramEdges?: readonly number[];
  /** Wanted when the cells include oldOld and newOld. */
  triplets?: { count: number; seed: number };
  verification?: VerificationRequest;
  /** null: one a core. */
  threads: number | null;
  /** Memory for complete rows of scores; the gallery is read once for each set of rows that fits. Default 512 MB. */
  scoreBytes?: number;
}

export interface RetrievalFigures {
  perQuery: Map<CellName, PerQuery>;
  /** Pairs per bin and class relation, self pairs dropped; empty without edges. */
  histograms: Map<CellName, { positive: Float64Array; negative: Float64Array }>;
  triplets: TripletSums | null;
  /** null unless asked for. */
  verification: VerificationCounts | null;
}

const SCORE_BYTES = 536_870_912;
/** A float32 key and a uint16 bin. */
const PAIR_BYTES = 6;
/** Scores of one product: a few million are fastest. */
const PRODUCT_SCORES = 4_194_304;
/** And of one that gives complete rows, which need not be copied; unless those would be fewer than are fast. */
const WHOLE_ROW_SCORES = 8_388_608;
const FEWEST_WHOLE_ROWS = 128;
/** Pairs looked at between two breaths. */
const BREATH_PAIRS = 8_388_608;
/** A cell whose distances fill less than this share of the histograms' axis gets an axis of its own for ranking. */
const NARROW_SHARE = 1 / 8;

/**
 * Ranks the whole gallery for every query of every cell (metrics.md sections 2 and 3): nearest first,
 * ties by gallery position, bitwise equal gallery rows tie exactly, self pairs dropped.
 * Euclidean keys are taken relative to a gallery row in the middle of the data, because
 * |g|^2 - 2 q.g loses digits far from the origin.
 * Cost: products of queries x gallery x columns on all threads, then about 3 ns a pair on one.
 */
export async function measureRetrieval(
  input: RetrievalInput,
  hooks: { progress: Progress; signal?: AbortSignal },
): Promise<RetrievalFigures> {
  const { cells, gallery, setup, distance } = input;
  const { columns } = gallery.form;
  const width = setup.gallery;
  const first = await gallery.read(0);
  const origin = distance === 'euclidean' ? centralRow(first) : null;
  const counted = countedBins(width);
  const measures = cells.map((cell) => new CellMeasure(cell.name, cell.query, input, first, counted));
  const ranker = new RowRanker(width, largest(setup.matchCount), counted);
  const oldOld = cells.findIndex((cell) => cell.name === 'oldOld');
  const newOld = cells.findIndex((cell) => cell.name === 'newOld');
  const sampler =
    input.triplets !== undefined && oldOld >= 0 && newOld >= 0
      ? new TripletSampler(setup, input.triplets.count, input.triplets.seed)
      : null;
  const verifier = input.verification
    ? new VerificationPass(
        cells.map(({ name }) => name),
        setup,
        input.verification,
      )
    : null;
  const reaches = cells.map(({ name }) => {
    const axis = input.verification?.axes.get(name);
    return axis === undefined ? 0 : reachOf(axis);
  });

  const scoreBytes = input.scoreBytes ?? SCORE_BYTES;
  const wholeRowScores = Math.min(WHOLE_ROW_SCORES, scoreBytes / PAIR_BYTES);
  const fewest = Math.min(FEWEST_WHOLE_ROWS, setup.queries * cells.length);
  const wholeRows = width <= gallery.blockRows && wholeRowScores / width >= fewest;
  const rowsTogether = cells.length * width;
  const fitting = (wholeRows ? wholeRowScores : scoreBytes / PAIR_BYTES) / rowsTogether;
  const chunk = Math.max(1, Math.min(setup.queries, Math.floor(fitting)));
  let keys = new Float32Array(wholeRows ? 0 : chunk * rowsTogether);
  let bins = new Uint16Array(keys.length);
  const queryRows = new Float32Array(cells.length * chunk * columns);
  const scales = new RowScales(cells.length * chunk);
  const squares = distance === 'euclidean' ? new Float32Array(width) : null;
  const finder = new TwinFinder(width);
  let twins: Int32Array = new Int32Array(0);

  const session = await createSession(scoreGraph(distance, columns, origin, counted), { threads: input.threads });
  try {
    for (let start = 0; start < setup.queries; start += chunk) {
      const size = Math.min(chunk, setup.queries - start);
      const rows = cells.length * size;
      measures.forEach((cell, c) => {
        cell.fill(start, size, queryRows, scales, c * size, origin);
      });
      for (let at = 0; at < width; at += gallery.blockRows) {
        const block = width <= gallery.blockRows ? first : await gallery.read(at);
        if (start === 0) {
          finder.add(at, block);
          if (squares !== null) squaredNorms(block, origin, squares, at);
        }
        const products = wholeRows ? 1 : Math.ceil((rows * block.rows) / PRODUCT_SCORES);
        for (const [low, high] of parts(block.rows, products)) {
          throwIfCancelled(hooks.signal);
          const part = { at: at + low, rows: high - low, values: block.values.subarray(low * columns, high * columns) };
          const scores = await scoreBlock(session, queryRows, rows, scales, part, columns, squares);
          if (wholeRows) ({ keys, bins } = scores);
          else copyScores(scores, rows, part, keys, bins, width);
          await hooks.progress.breathe();
        }
        hooks.progress.update(start + Math.floor((size * (at + block.rows)) / width), setup.queries, 'queries');
      }
      if (start === 0) twins = await finder.pairs(gallery.source, gallery.form);
      levelTwins(twins, keys, bins, rows, width);
      let pairs = 0;
      for (let row = 0; row < size; row++) {
        measures.forEach((cell, c) => {
          cell.measure(start + row, keys, bins, (c * size + row) * width, ranker);
        });
        sampler?.judge(start + row, keys, (oldOld * size + row) * width, keys, (newOld * size + row) * width);
        verifier?.take(
          start + row,
          keys,
          bins,
          measures.map((cell, c) => cell.scoredRow(start + row, (c * size + row) * width, reaches[c] as number)),
        );
        pairs += cells.length * width;
        if (pairs >= BREATH_PAIRS) {
          pairs = 0;
          throwIfCancelled(hooks.signal);
          await hooks.progress.breathe();
        }
      }
    }
  } finally {
    await session.release();
  }
  return {
    perQuery: new Map(measures.map((cell) => [cell.name, cell.figures])),
    histograms: new Map(
      measures.flatMap((cell) => {
        const histogram = cell.histogram();
        return histogram === null ? [] : [[cell.name, histogram] as const];
      }),
    ),
    triplets: sampler?.sums ?? null,
    verification: verifier?.finish() ?? null,
  };
}

/** Bins of keys: few for short rows, because all are read for each row. At most 65,536. */
function countedBins(gallery: number): number {
  if (gallery <= 8_192) return 1024;
  if (gallery <= 131_072) return 4096;
  return gallery <= 524_288 ? 16_384 : 65_536;
}

/** Per row of a product: |q|^2 (euclidean only), and the linear map from distance to bin. */
class RowScales {
  readonly squares: Float32Array;
  readonly low: Float32Array;
  readonly perUnit: Float32Array;

  constructor(rows: number) {
    this.squares = new Float32Array(rows);
    this.low = new Float32Array(rows);
    this.perUnit = new Float32Array(rows);
  }
}

/** One cell: its axis of bins, and what its rows add up to. */
class CellMeasure {
  readonly name: CellName;
  readonly figures: PerQuery;
  readonly #query: Matrix;
  readonly #setup: PairSetup;
  /** Key + this = distance (euclidean: squared distance, with |q|^2 on top). */
  readonly #keyToDistance: number;
  readonly #edges: readonly number[] | null;
  /** Lower end of bin 0, and bins a unit of distance. */
  readonly #low: number;
  readonly #perUnit: number;
  /** Bins in one bin of the histogram; 0: the two axes are not the same. */
  readonly #binsPerEdge: number;
  readonly #lastBin: number;
  /** Pairs per bin of the histogram. */
  readonly #all: Float64Array | null;
  readonly #positive: Float64Array;
  readonly #matches: Int32Array;
  readonly #squares: Float64Array | null;

  constructor(name: CellName, query: Matrix, input: RetrievalInput, firstBlock: Matrix, counted: number) {
    const { setup, distance } = input;
    this.name = name;
    this.#query = query;
    this.#setup = setup;
    this.#keyToDistance = distance === 'cosine' ? 1 : 0;
    this.#edges = input.histogramEdges ?? null;
    // Where this cell's distances lie decides only how fast ranking is, so any seed will do.
    const own = histogramEdges(distance, [{ query, gallery: firstBlock }], 0);
    const shared = this.#edges !== null && range(own) >= range(this.#edges) * NARROW_SHARE;
    const axis = shared ? (this.#edges as readonly number[]) : own;
    const binsPerEdge = Math.floor((counted - 1) / (axis.length - 1));
    this.#low = axis[0] as number;
    this.#perUnit = ((axis.length - 1) * binsPerEdge) / range(axis);
    this.#binsPerEdge = shared ? binsPerEdge : 0;
    this.#lastBin = counted - 1;
    this.#all = this.#edges === null ? null : new Float64Array(this.#edges.length - 1);
    this.#positive = new Float64Array(this.#all?.length ?? 0);
    this.#matches = new Int32Array(largest(setup.matchCount) + 1);
    this.#squares = distance === 'euclidean' ? new Float64Array(setup.queries) : null;
    this.figures = {
      firstMatchRank: new Int32Array(setup.queries),
      nearest: new Int32Array(setup.queries).fill(-1),
      averagePrecision: new Float64Array(setup.queries).fill(Number.NaN),
      mapAtR: new Float64Array(setup.queries).fill(Number.NaN),
      rPrecision: new Float64Array(setup.queries).fill(Number.NaN),
    };
  }

  /** Writes queries [start, start + size) and their scales from row `into` on. */
  fill(
    start: number,
    size: number,
    rows: Float32Array,
    scales: RowScales,
    into: number,
    origin: Float32Array | null,
  ): void {
    const { columns, values } = this.#query;
    rows.set(values.subarray(start * columns, (start + size) * columns), into * columns);
    // Bins are rounded to the nearest, so half a bin makes bin k begin at low + k.
    const low = this.#low - this.#keyToDistance + 0.5 / this.#perUnit;
    for (let r = 0; r < size; r++) {
      scales.low[into + r] = low;
      scales.perUnit[into + r] = this.#perUnit;
      if (this.#squares === null || origin === null) continue;
      let squared = 0;
      for (let k = 0; k < columns; k++) {
        const at = (into + r) * columns + k;
        rows[at] = (rows[at] as number) - (origin[k] as number);
        squared += (rows[at] as number) ** 2;
      }
      scales.squares[into + r] = squared;
      this.#squares[start + r] = squared;
    }
  }

  /** Takes one query's complete row of keys and bins, which begins at `offset`. */
  measure(query: number, keys: Float32Array, bins: Uint16Array, offset: number, ranker: RowRanker): void {
    const setup = this.#setup;
    const self = setup.selfOf[query] as number;
    const label = setup.queryLabel[query] as number;
    const matches = this.#matches;
    let count = 0;
    for (let k = setup.classStart[label] as number; k < (setup.classStart[label + 1] as number); k++) {
      const row = setup.classRows[k] as number;
      if (row !== self) matches[count++] = row;
    }
    const perEdge = this.#binsPerEdge;
    ranker.rank(keys, bins, offset, matches, count, self, perEdge > 0 ? this.#all : null, perEdge);
    if (perEdge > 0) {
      const positive = this.#positive;
      const last = positive.length - 1;
      for (let i = 0; i < count; i++) {
        const bin = Math.min(last, Math.floor((bins[offset + (matches[i] as number)] as number) / perEdge));
        positive[bin] = (positive[bin] as number) + 1;
      }
    } else if (this.#all !== null) {
      this.#countByDistance(query, keys, offset, count, self);
    }
    if (count > 0) this.#score(query, ranker, count);
  }

  /** How to read a query's row that begins at `offset`, up to the distance `reach`. */
  scoredRow(query: number, offset: number, reach: number): ScoredRow {
    const squared = this.#squares?.[query];
    // One bin more, for the rounding of bins.
    const lastBin = Math.floor((reach - this.#low) * this.#perUnit) + 1;
    return {
      offset,
      lastBin: Math.max(0, Math.min(this.#lastBin, lastBin)),
      keyOffset: squared ?? this.#keyToDistance,
      squared: squared !== undefined,
    };
  }

  /** Average precision, map@r and rPrecision from the ranks of the matches ("A Metric Learning Reality Check", 2020). */
  #score(query: number, ranker: RowRanker, count: number): void {
    const { ranks } = ranker;
    let precision = 0;
    let precisionWithin = 0;
    let within = 0;
    for (let i = 0; i < count; i++) {
      const rank = ranks[i] as number;
      const share = (i + 1) / rank;
      precision += share;
      if (rank <= count) {
        precisionWithin += share;
        within++;
      }
    }
    const { figures } = this;
    figures.firstMatchRank[query] = ranks[0] as number;
    figures.nearest[query] = ranker.nearest;
    figures.averagePrecision[query] = precision / count;
    figures.mapAtR[query] = precisionWithin / count;
    figures.rPrecision[query] = within / count;
  }

  /** The histogram of a row whose bins follow another axis. */
  #countByDistance(query: number, keys: Float32Array, offset: number, matchCount: number, self: number): void {
    const edges = this.#edges as readonly number[];
    const all = this.#all as Float64Array;
    const positive = this.#positive;
    const squared = this.#squares?.[query] ?? null;
    const low = edges[0] as number;
    const last = edges.length - 2;
    const perUnit = (edges.length - 1) / range(edges);
    const binAt = (row: number): number => {
      const key = keys[offset + row] as number;
      const d = squared === null ? key + this.#keyToDistance : Math.sqrt(Math.max(0, key + squared));
      return Math.max(0, Math.min(last, Math.floor((d - low) * perUnit)));
    };
    const { gallery } = this.#setup;
    for (let row = 0; row < gallery; row++) {
      if (row === self) continue;
      const bin = binAt(row);
      all[bin] = (all[bin] as number) + 1;
    }
    for (let i = 0; i < matchCount; i++) {
      const bin = binAt(this.#matches[i] as number);
      positive[bin] = (positive[bin] as number) + 1;
    }
  }

  histogram(): { positive: Float64Array; negative: Float64Array } | null {
    if (this.#all === null) return null;
    const positive = this.#positive;
    return { positive, negative: this.#all.map((count, bin) => count - (positive[bin] as number)) };
  }
}

/**
 * Keys (lower is nearer) and bins of a block of the gallery: cosine and dot -q.g, euclidean
 * |g|^2 - 2 q.g, both without terms that are the same along a row. Bins are linear in the distance.
 */
function scoreGraph(distance: Distance, columns: number, origin: Float32Array | null, counted: number): Uint8Array {
  const graph = new GraphBuilder('scores');
  const query = graph.input('query', 'float32', ['rows', columns]);
  const gallery = graph.input('gallery', 'float32', ['items', columns]);
  const low = graph.input('low', 'float32', ['rows', 1]);
  const perUnit = graph.input('perUnit', 'float32', ['rows', 1]);
  let key: Value;
  let position: Value;
  if (distance === 'euclidean') {
    const querySquares = graph.input('querySquares', 'float32', ['rows', 1]);
    const gallerySquares = graph.input('gallerySquares', 'float32', ['items']);
    const moved = origin === null ? gallery : graph.node('Sub', [gallery, graph.constant(origin, [1, columns])]);
    key = graph.node('Gemm', [query, moved, gallerySquares], { transB: 1, alpha: { float: -2 } });
    position = graph.node('Sqrt', [graph.node('Relu', [graph.node('Add', [key, querySquares])])]);
  } else {
    key = graph.node('Gemm', [query, gallery], { transB: 1, alpha: { float: -1 } });
    position = key;
  }
  const scaled = graph.node('Mul', [graph.node('Sub', [position, low]), perUnit]);
  const capped = graph.node('Min', [scaled, graph.scalar(counted - 1)]);
  // Rounds, and saturates at 0; 4 is UINT16.
  const bin = graph.node('QuantizeLinear', [capped, graph.scalar(1)], { output_dtype: 4 });
  graph.output('key', key, 'float32', ['rows', 'items']);
  graph.output('bin', bin, 'uint16', ['rows', 'items']);
  return graph.build();
}

interface Scores {
  keys: Float32Array<ArrayBuffer>;
  bins: Uint16Array<ArrayBuffer>;
}

async function scoreBlock(
  session: Session,
  queryRows: Float32Array,
  rows: number,
  scales: RowScales,
  part: { at: number; rows: number; values: Float32Array },
  columns: number,
  squares: Float32Array | null,
): Promise<Scores> {
  const column = (values: Float32Array) => ({ shape: [rows, 1], data: values.subarray(0, rows) });
  const { key, bin } = await session.run({
    query: { shape: [rows, columns], data: queryRows.subarray(0, rows * columns) },
    gallery: { shape: [part.rows, columns], data: part.values },
    low: column(scales.low),
    perUnit: column(scales.perUnit),
    ...(squares === null
      ? {}
      : {
          querySquares: column(scales.squares),
          gallerySquares: { shape: [part.rows], data: squares.subarray(part.at, part.at + part.rows) },
        }),
  });
  return { keys: key?.data as Float32Array<ArrayBuffer>, bins: bin?.data as Uint16Array<ArrayBuffer> };
}

/** Puts the scores of a part of the gallery into their places in complete rows of `width`. */
function copyScores(
  scores: Scores,
  rows: number,
  part: { at: number; rows: number },
  keys: Float32Array,
  bins: Uint16Array,
  width: number,
): void {
  for (let row = 0; row < rows; row++) {
    const from = row * part.rows;
    const to = row * width + part.at;
    keys.set(scores.keys.subarray(from, from + part.rows), to);
    bins.set(scores.bins.subarray(from, from + part.rows), to);
  }
}

/** Gives equal gallery rows one key and bin in every row of scores. */
function levelTwins(twins: Int32Array, keys: Float32Array, bins: Uint16Array, rows: number, width: number): void {
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

function largest(values: Int32Array): number {
  let most = 0;
  for (const value of values) if (value > most) most = value;
  return most;
}

function range(edges: readonly number[]): number {
  return (edges[edges.length - 1] as number) - (edges[0] as number);
}
