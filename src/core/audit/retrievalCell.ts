import type { CellName, Distance } from '../contract/report.ts';
import { sharedFloats, sharedIntegers } from '../numeric/sharedArrays.ts';
import { histogramEdges } from './histogramEdges.ts';
import type { PairSetup } from './pairSetup.ts';
import type { RowRanker, ScoredRow } from './retrievalRow.ts';
import { BINS, type BinAxis, fillBins, type KeyReading, largestKeyOf } from './scoreBins.ts';
import type { Matrix } from './vectors.ts';

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

/** Pairs of a cell by class relation, self pairs dropped, one entry a bin or stretch of bins. */
export interface SignedCounts {
  positive: Float64Array;
  negative: Float64Array;
}

/** One query's row of scores in one cell, and how to read it. */
export interface CellRow extends ScoredRow, KeyReading {}

/** Random pairs that show where a cell's distances lie. */
const OWN_AXIS_PAIRS = 4000;
/** A cell whose distances fill less than this share of the histograms' axis gets an axis of its own for ranking. */
const NARROW_SHARE = 1 / 8;

/** How the rows of one cell are counted, by whatever thread. */
export interface CellPlan {
  readonly name: CellName;
  readonly axis: BinAxis;
  /** Bins in one bin of the histogram; 0: the two axes are not the same. */
  readonly binsPerEdge: number;
  /** In memory that threads share. */
  readonly figures: PerQuery;
}

/** What the rows of one cell add up to. */
export interface CellSums {
  /** Pairs per stretch of bins: all, and those of the same class. */
  all: Float64Array;
  positive: Float64Array;
  /** Pairs per bin of the histogram, where its axis is another. */
  apart: SignedCounts | null;
}

/**
 * @param firstBlock some rows of the gallery, which show where the distances lie
 * @param shift bins of a stretch: 2^shift
 */
export function planCell(
  { name, query }: { name: CellName; query: Matrix },
  { distance, histogramEdges: edges }: { distance: Distance; histogramEdges?: readonly number[] },
  firstBlock: Matrix,
  shift: number,
): CellPlan {
  // Where this cell's distances lie decides only how fast ranking is, so any seed will do.
  const own = histogramEdges(distance, [{ query, gallery: firstBlock }], 0, OWN_AXIS_PAIRS);
  const shared = edges !== undefined && range(own) >= range(edges) * NARROW_SHARE;
  const used = shared ? edges : own;
  // Whole stretches, so that histograms are sums over them.
  const binsPerEdge = Math.floor(BINS / (used.length - 1) / 2 ** shift) * 2 ** shift;
  const nan = () => sharedFloats(query.rows).fill(Number.NaN);
  return {
    name,
    axis: { low: used[0] as number, perUnit: ((used.length - 1) * binsPerEdge) / range(used) },
    binsPerEdge: shared ? binsPerEdge : 0,
    figures: {
      firstMatchRank: sharedIntegers(query.rows),
      nearest: sharedIntegers(query.rows).fill(-1),
      averagePrecision: nan(),
      mapAtR: nan(),
      rPrecision: nan(),
    },
  };
}

/** One cell: its row at hand, and what its rows add up to. */
export class CellMeasure {
  readonly name: CellName;
  readonly axis: BinAxis;
  readonly figures: PerQuery;
  /** The row at hand. */
  readonly row: CellRow;
  readonly sums: CellSums;
  readonly #setup: PairSetup;
  readonly #shift: number;
  readonly #edges: readonly number[] | null;
  readonly #binsPerEdge: number;
  readonly #matches: Int32Array;

  constructor(
    { name, axis, binsPerEdge, figures }: CellPlan,
    {
      distance,
      setup,
      histogramEdges: edges,
    }: {
      distance: Distance;
      setup: PairSetup;
      histogramEdges?: readonly number[];
    },
    { shift, stretches }: Pick<RowRanker, 'shift' | 'stretches'>,
  ) {
    this.name = name;
    this.axis = axis;
    this.figures = figures;
    this.#setup = setup;
    this.#shift = shift;
    this.#edges = edges ?? null;
    this.#binsPerEdge = binsPerEdge;
    const zeros = (length: number) => new Float64Array(length);
    const apart = edges !== undefined && binsPerEdge === 0;
    this.sums = {
      all: zeros(stretches),
      positive: zeros(stretches),
      apart: apart ? { positive: zeros(edges.length - 1), negative: zeros(edges.length - 1) } : null,
    };
    this.#matches = new Int32Array(Math.max(1, largest(setup.matchCount)));
    this.row = {
      keys: new Float32Array(0),
      bins: new Uint16Array(setup.gallery),
      offset: 0,
      keyOffset: 0,
      squared: distance === 'euclidean',
      largestKey: largestKeyOf(distance),
    };
  }

  /** Adds what another thread counted of this cell. */
  absorb({ all, positive, apart }: CellSums): void {
    addTo(this.sums.all, all);
    addTo(this.sums.positive, positive);
    if (this.sums.apart === null || apart === null) return;
    addTo(this.sums.apart.positive, apart.positive);
    addTo(this.sums.apart.negative, apart.negative);
  }

  /** Takes a row at hand: that of the keys from `offset` on. */
  turnTo(keys: Float32Array, offset: number, keyOffset: number): void {
    this.row.keys = keys;
    this.row.offset = offset;
    this.row.keyOffset = keyOffset;
    fillBins(keys, offset, this.axis, this.row, this.row.bins);
  }

  /** Measures the row at hand, which is of this query. */
  measure(query: number, ranker: RowRanker, marks: Int32Array): void {
    const setup = this.#setup;
    const { bins } = this.row;
    const self = setup.selfOf[query] as number;
    const label = setup.queryLabel[query] as number;
    const matches = this.#matches;
    const { all, positive, apart } = this.sums;
    let count = 0;
    for (let k = setup.classStart[label] as number; k < (setup.classStart[label + 1] as number); k++) {
      const row = setup.classRows[k] as number;
      if (row === self) continue;
      matches[count++] = row;
      const stretch = (bins[row] as number) >> this.#shift;
      positive[stretch] = (positive[stretch] as number) + 1;
    }
    ranker.rank(this.row, matches, count, self, marks, all);
    if (apart !== null) this.#countByDistance(apart, count, self);
    if (count > 0) this.#score(query, ranker, count);
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
  #countByDistance({ positive, negative }: SignedCounts, matchCount: number, self: number): void {
    const { keys, offset, keyOffset, squared } = this.row;
    const edges = this.#edges as readonly number[];
    const low = edges[0] as number;
    const last = edges.length - 2;
    const perUnit = (edges.length - 1) / range(edges);
    const binAt = (row: number): number => {
      const key = (keys[offset + row] as number) + keyOffset;
      const d = squared ? Math.sqrt(Math.max(0, key)) : key;
      return Math.max(0, Math.min(last, Math.floor((d - low) * perUnit)));
    };
    const { gallery } = this.#setup;
    for (let row = 0; row < gallery; row++) {
      if (row === self) continue;
      const bin = binAt(row);
      negative[bin] = (negative[bin] as number) + 1;
    }
    for (let i = 0; i < matchCount; i++) {
      const bin = binAt(this.#matches[i] as number);
      positive[bin] = (positive[bin] as number) + 1;
      negative[bin] = (negative[bin] as number) - 1;
    }
  }

  /** Pairs per stretch of bins. */
  get stretches(): SignedCounts {
    const { all, positive } = this.sums;
    return { positive, negative: all.map((count, stretch) => count - (positive[stretch] as number)) };
  }

  /** Pairs between the edges that were asked for, what lies beyond in the end bins; null without edges. */
  histogram(): SignedCounts | null {
    if (this.sums.apart !== null || this.#edges === null) return this.sums.apart;
    const perEdge = this.#binsPerEdge >> this.#shift;
    const last = this.#edges.length - 2;
    const gathered = (stretches: Float64Array) => {
      const counts = new Float64Array(last + 1);
      stretches.forEach((count, stretch) => {
        const bin = Math.min(last, Math.floor(stretch / perEdge));
        counts[bin] = (counts[bin] as number) + count;
      });
      return counts;
    };
    const { positive, negative } = this.stretches;
    return { positive: gathered(positive), negative: gathered(negative) };
  }
}

function addTo(total: Float64Array, values: Float64Array): void {
  for (let k = 0; k < total.length; k++) total[k] = (total[k] as number) + (values[k] as number);
}

function largest(values: Int32Array): number {
  let most = 0;
  for (const value of values) if (value > most) most = value;
  return most;
}

function range(edges: readonly number[]): number {
  return (edges[edges.length - 1] as number) - (edges[0] as number);
}
