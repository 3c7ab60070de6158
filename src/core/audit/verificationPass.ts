import type { CellName } from '../contract/report.ts';
import { DistanceCounts, type FineAxis, reachOf } from './distanceCounts.ts';
import type { PairSetup } from './pairSetup.ts';

/** Pairs of one cell, or of two cells by the larger of their distances. */
export interface SignedDistances {
  positive: DistanceCounts;
  negative: DistanceCounts;
}

export interface VerificationRequest {
  /** False accept rates, descending. */
  far: readonly number[];
  /** Where each cell's distances are counted finely. */
  axes: ReadonlyMap<CellName, FineAxis>;
  /** Thresholds of oldOld at each FAR where they are known; null: oldOld is among the cells and tells them. */
  oldThresholds: readonly (number | null)[] | null;
}

export interface VerificationCounts {
  cells: Map<CellName, SignedDistances>;
  /** oldOld and newOld together, by the larger distance: what both accept; null unless both were there. */
  both: SignedDistances | null;
  oldThresholds: readonly (number | null)[];
  /** newOld, newNew: same-class pairs of each query at or below each old threshold, one array a FAR. */
  accepted: Map<CellName, Float64Array[]>;
  /** An axis ended before a threshold: count again with open ones. */
  missed: boolean;
}

/** One query's row of scores in one cell. */
export interface ScoredRow {
  /** Where the row begins in keys and bins. */
  offset: number;
  /** Pairs in bins beyond are farther than the cell's axis reaches. */
  lastBin: number;
  /** Key + this = distance, or squared distance. */
  keyOffset: number;
  squared: boolean;
}

/** Same-class distances of newOld that wait for the old thresholds: 64 MB. */
export const MOST_WAITING = 8_388_608;

/**
 * Counts what thresholds are made from, one query's complete rows after the other (metrics.md sections 1 and 3).
 * Bins tell which pairs are near enough to matter; only those are looked at one by one.
 */
export class VerificationPass {
  readonly #setup: PairSetup;
  readonly #request: VerificationRequest;
  readonly #names: readonly CellName[];
  readonly #cells: SignedDistances[];
  readonly #oldOld: number;
  readonly #newOld: number;
  readonly #both: SignedDistances | null;
  readonly #accepted = new Map<CellName, Float64Array[]>();
  /** Gallery rows that are looked at, and their distances. */
  readonly #places: Int32Array;
  readonly #distances: Float64Array;
  /** Same-class distances of newOld, query after query, where the old thresholds are not known yet. */
  readonly #waiting: Float64Array;
  readonly #waitingEnd: Float64Array;
  #waitingSize = 0;

  /** @param names the cells whose rows will come, in that order */
  constructor(names: readonly CellName[], setup: PairSetup, request: VerificationRequest) {
    this.#setup = setup;
    this.#request = request;
    this.#names = names;
    this.#places = new Int32Array(setup.gallery);
    this.#distances = new Float64Array(setup.gallery);
    const pairs = countPairs(setup);
    const counts = (name: CellName): SignedDistances => {
      const axis = request.axes.get(name) as FineAxis;
      return {
        positive: new DistanceCounts(axis, pairs.positive),
        negative: new DistanceCounts(axis, pairs.negative),
      };
    };
    this.#cells = names.map(counts);
    this.#oldOld = names.indexOf('oldOld');
    this.#newOld = names.indexOf('newOld');
    const both = this.#oldOld >= 0 && this.#newOld >= 0;
    this.#both = both ? counts('oldOld') : null;
    const waits = both && request.oldThresholds === null;
    this.#waiting = new Float64Array(waits ? pairs.positive : 0);
    this.#waitingEnd = new Float64Array(waits ? setup.queries : 0);
    for (const name of names) {
      if (name !== 'newOld' && name !== 'newNew') continue;
      this.#accepted.set(
        name,
        request.far.map(() => new Float64Array(setup.queries)),
      );
    }
  }

  /** Takes a query's rows, one a cell. */
  take(query: number, keys: Float32Array, bins: Uint16Array, rows: readonly ScoredRow[]): void {
    const { gallery, galleryLabel, queryLabel, classStart, classRows, selfOf } = this.#setup;
    const label = queryLabel[query] as number;
    const places = this.#places;
    const distances = this.#distances;
    rows.forEach((row, c) => {
      const near = listNear(bins, row.offset, gallery, row.lastBin, places);
      const found = dropClass(places, near, galleryLabel, label);
      readDistances(row, keys, places, found, distances);
      (this.#cells[c] as SignedDistances).negative.add(distances, found);
      if (c !== this.#oldOld || this.#both === null) return;
      raiseDistances(rows[this.#newOld] as ScoredRow, keys, places, found, distances);
      this.#both.negative.add(distances, found);
    });

    const self = selfOf[query] as number;
    const end = classStart[label + 1] as number;
    let found = 0;
    for (let k = classStart[label] as number; k < end; k++) {
      if (classRows[k] !== self) places[found++] = classRows[k] as number;
    }
    rows.forEach((row, c) => {
      readDistances(row, keys, places, found, distances);
      (this.#cells[c] as SignedDistances).positive.add(distances, found);
      this.#decide(query, c, distances, found);
      if (c !== this.#oldOld || this.#both === null) return;
      raiseDistances(rows[this.#newOld] as ScoredRow, keys, places, found, distances);
      this.#both.positive.add(distances, found);
    });
    if (this.#waitingEnd.length > 0) this.#waitingEnd[query] = this.#waitingSize;
  }

  /** Counts a query's same-class pairs at the old thresholds, or keeps them until those are known. */
  #decide(query: number, cell: number, distances: Float64Array, size: number): void {
    const accepted = this.#accepted.get(this.#names[cell] as CellName);
    if (accepted === undefined) return;
    const { oldThresholds } = this.#request;
    if (oldThresholds === null) {
      this.#waiting.set(distances.subarray(0, size), this.#waitingSize);
      this.#waitingSize += size;
      return;
    }
    for (let i = 0; i < size; i++) countAtMost(distances[i] as number, oldThresholds, accepted, query);
  }

  /** What all rows add up to. */
  finish(): VerificationCounts {
    const { far } = this.#request;
    const pairs = countPairs(this.#setup);
    const limits = far.map((rate) => pairsWithin(rate, pairs.negative));
    let missed = this.#cells.some(
      ({ negative }) => !negative.axis.open && limits.some((limit) => negative.total <= limit),
    );
    const oldThresholds =
      this.#request.oldThresholds ??
      limits.map((limit) => (this.#cells[this.#oldOld] as SignedDistances).negative.largestWithin(limit));
    const largest = Math.max(...oldThresholds.map((threshold) => threshold ?? Number.NEGATIVE_INFINITY));
    if (this.#cells.some(({ negative }, c) => this.#names[c] !== 'oldNew' && reachOf(negative.axis) < largest))
      missed = true;
    const accepted = this.#accepted.get('newOld');
    if (accepted !== undefined && this.#request.oldThresholds === null) {
      let from = 0;
      this.#waitingEnd.forEach((end, query) => {
        for (; from < end; from++) countAtMost(this.#waiting[from] as number, oldThresholds, accepted, query);
      });
    }
    return {
      cells: new Map(this.#names.map((name, c) => [name, this.#cells[c] as SignedDistances])),
      both: this.#both,
      oldThresholds,
      accepted: this.#accepted,
      missed,
    };
  }
}

/** The most pairs of `pairs` whose share is at most `rate`. */
export function pairsWithin(rate: number, pairs: number): number {
  // 0.29 x 100 is 28.999999999999996.
  return Math.floor(rate * pairs * (1 + 1e-12));
}

export function countPairs({ queryLabel, classStart, gallery, matchCount }: PairSetup): {
  positive: number;
  negative: number;
} {
  let positive = 0;
  let negative = 0;
  queryLabel.forEach((label, query) => {
    positive += matchCount[query] as number;
    negative += gallery - ((classStart[label + 1] as number) - (classStart[label] as number));
  });
  return { positive, negative };
}

/** The distances of some places of a row. */
function readDistances(
  { offset, keyOffset, squared }: ScoredRow,
  keys: Float32Array,
  places: Int32Array,
  size: number,
  into: Float64Array,
): void {
  for (let i = 0; i < size; i++) into[i] = (keys[offset + (places[i] as number)] as number) + keyOffset;
  if (!squared) return;
  for (let i = 0; i < size; i++) into[i] = Math.sqrt(Math.max(0, into[i] as number));
}

/** Raises distances to those of the same places in another row, where these are larger. */
function raiseDistances(
  { offset, keyOffset, squared }: ScoredRow,
  keys: Float32Array,
  places: Int32Array,
  size: number,
  distances: Float64Array,
): void {
  for (let i = 0; i < size; i++) {
    const other = (keys[offset + (places[i] as number)] as number) + keyOffset;
    distances[i] = Math.max(distances[i] as number, squared ? Math.sqrt(Math.max(0, other)) : other);
  }
}

function countAtMost(
  distance: number,
  thresholds: readonly (number | null)[],
  into: readonly Float64Array[],
  query: number,
): void {
  for (let f = 0; f < thresholds.length; f++) {
    const threshold = thresholds[f] as number | null;
    // FARs descend, and so do thresholds.
    if (threshold === null || distance > threshold) return;
    const counts = into[f] as Float64Array;
    counts[query] = (counts[query] as number) + 1;
  }
}

/**
 * Lists the places of a row whose bin is at most `last`. Without branches, which would be mispredicted all the time.
 * @returns how many
 */
function listNear(bins: Uint16Array, offset: number, length: number, last: number, places: Int32Array): number {
  let found = 0;
  for (let place = 0; place < length; place++) {
    places[found] = place;
    found += 1 - ((last - (bins[offset + place] as number)) >>> 31);
  }
  return found;
}

/** Keeps the places of other classes. */
function dropClass(places: Int32Array, size: number, labels: Int32Array, label: number): number {
  let found = 0;
  for (let i = 0; i < size; i++) {
    const place = places[i] as number;
    if (labels[place] !== label) places[found++] = place;
  }
  return found;
}
