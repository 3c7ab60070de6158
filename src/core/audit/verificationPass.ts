import type { CellName } from '../contract/report.ts';
import { sharedFloats } from '../numeric/sharedArrays.ts';
import { type CountedDistances, DistanceCounts, type FineAxis } from './distanceCounts.ts';
import type { PairSetup } from './pairSetup.ts';
import type { CellMeasure, CellRow, SignedCounts } from './retrievalCell.ts';
import { type RowRanker, WANTED } from './retrievalRow.ts';
import { BINS, type BinAxis } from './scoreBins.ts';
import { type Window, WindowedCounts } from './windowedCounts.ts';

/** Pairs of one cell, or of two cells by the larger of their distances. */
export interface SignedDistances {
  positive: DistanceCounts;
  negative: WindowedCounts;
}

/** Where one cell's distances are counted one by one. */
export interface CellWindows {
  axis: FineAxis;
  /** Ascending, apart from each other, within the axis; a threshold outside of them is missed. */
  windows: readonly Window[];
}

export interface VerificationRequest {
  /** False accept rates, descending. */
  far: readonly number[];
  windows: ReadonlyMap<CellName, CellWindows>;
  /** Thresholds of oldOld at each FAR where they are known; null: oldOld is among the cells and tells them. */
  oldThresholds: readonly (number | null)[] | null;
}

export interface VerificationCounts {
  cells: Map<CellName, SignedDistances>;
  /** Pairs of each cell per stretch of bins, all distances. */
  stretches: Map<CellName, SignedCounts>;
  /** oldOld and newOld together, by the larger distance: what both accept; null unless both were there. */
  both: SignedDistances | null;
  oldThresholds: readonly (number | null)[];
  /** newOld, newNew: same-class pairs of each query at or below each old threshold, one array a FAR. */
  accepted: Map<CellName, Float64Array[]>;
  /** A threshold lies outside of the windows: count again with open ones. */
  missed: boolean;
}

interface CellCounts {
  positive: DistanceCounts;
  /** Of different-class pairs in wanted stretches. */
  fine: DistanceCounts;
  windows: readonly Window[];
  places: Uint8Array;
}

/** What the pass writes query by query, in memory that threads share. */
export interface VerificationPerQuery {
  /** See `VerificationCounts.accepted`. */
  accepted: Map<CellName, Float64Array[]>;
  /** Same-class distances of newOld, query after query, where the old thresholds are not known yet; else empty. */
  waiting: Float64Array;
}

/** Distances that one thread counted of a cell, or of two cells together. */
interface CountedSigns {
  positive: CountedDistances;
  fine: CountedDistances;
}

/** What one thread counted beside what it wrote query by query. */
export interface VerificationSums {
  cells: CountedSigns[];
  both: (CountedSigns & { found: Float64Array }) | null;
}

/** Same-class distances of newOld that wait for the old thresholds: 64 MB. */
export const MOST_WAITING = 8_388_608;

export function planVerificationPerQuery(
  cells: readonly { name: CellName }[],
  setup: PairSetup,
  { far, oldThresholds }: VerificationRequest,
): VerificationPerQuery {
  const names = cells.map(({ name }) => name);
  const accepted = names.filter((name) => name === 'newOld' || name === 'newNew');
  const waits = names.includes('oldOld') && names.includes('newOld') && oldThresholds === null;
  return {
    accepted: new Map(accepted.map((name) => [name, far.map(() => sharedFloats(setup.queries))])),
    waiting: sharedFloats(waits ? countPairs(setup).positive : 0),
  };
}

/**
 * Counts what thresholds are made from, one query's complete rows after the other (metrics.md sections 1 and 3).
 * Stretches of bins tell which pairs are near enough to a threshold to matter; only those are looked at one by one.
 */
export class VerificationPass {
  /** For each cell which stretches of bins are wanted: the marks of `RowRanker.rank`. */
  readonly marks: Int32Array[];

  readonly #setup: PairSetup;
  readonly #request: VerificationRequest;
  readonly #measures: readonly CellMeasure[];
  readonly #counts: CellCounts[];
  readonly #both: BothCounts | null;
  readonly #accepted: ReadonlyMap<CellName, Float64Array[]>;
  /** Gallery rows that are looked at, and their distances. */
  readonly #rows: Int32Array;
  readonly #distances: Float64Array;
  readonly #waiting: Float64Array;
  /** Where the distances of each query begin among those that wait. */
  readonly #waitingStart: Float64Array;

  constructor(
    measures: readonly CellMeasure[],
    ranker: Pick<RowRanker, 'shift' | 'stretches'>,
    setup: PairSetup,
    request: VerificationRequest,
    { accepted, waiting }: VerificationPerQuery,
  ) {
    this.#setup = setup;
    this.#request = request;
    this.#accepted = accepted;
    this.#waiting = waiting;
    this.#measures = measures;
    this.#rows = new Int32Array(setup.gallery);
    this.#distances = new Float64Array(setup.gallery);
    const pairs = countPairs(setup);
    this.#counts = measures.map(({ name, axis: bins }) => {
      const { axis, windows } = request.windows.get(name) as CellWindows;
      return {
        positive: new DistanceCounts(axis, pairs.positive),
        fine: new DistanceCounts(axis, pairs.negative),
        windows,
        places: placesOf(windows, bins, ranker),
      };
    });
    this.marks = this.#counts.map(({ places }) => Int32Array.from(places, (place) => (place % 2 === 1 ? WANTED : 0)));
    const [oldOld, newOld] = (['oldOld', 'newOld'] as const).map((name) => measures.find((cell) => cell.name === name));
    this.#both = oldOld && newOld ? new BothCounts(oldOld, newOld, ranker, setup, request, pairs) : null;
    this.#waitingStart = new Float64Array(waiting.length > 0 ? setup.queries + 1 : 0);
    for (let query = 0; query + 1 < this.#waitingStart.length; query++) {
      const start = this.#waitingStart[query] as number;
      this.#waitingStart[query + 1] = start + (setup.matchCount[query] as number);
    }
  }

  /** Takes the different-class pairs in wanted stretches of a cell's row at hand. */
  takeNear(cell: number, query: number, { wanted, wantedCount }: Pick<RowRanker, 'wanted' | 'wantedCount'>): void {
    const { galleryLabel, queryLabel } = this.#setup;
    const { row } = this.#measures[cell] as CellMeasure;
    const found = otherClasses(wanted, wantedCount, galleryLabel, queryLabel[query] as number, this.#rows);
    readDistances(row, this.#rows, found, this.#distances);
    this.#counts[cell]?.fine.add(this.#distances, found);
  }

  /** Takes what else the rows at hand of all cells tell about a query. */
  takeQuery(query: number): void {
    const { queryLabel, classStart, classRows, selfOf } = this.#setup;
    const rows = this.#rows;
    const distances = this.#distances;
    this.#both?.takeNegatives(query, rows, distances);
    const label = queryLabel[query] as number;
    const self = selfOf[query] as number;
    const end = classStart[label + 1] as number;
    let found = 0;
    for (let k = classStart[label] as number; k < end; k++) {
      if (classRows[k] !== self) rows[found++] = classRows[k] as number;
    }
    this.#measures.forEach(({ row }, c) => {
      readDistances(row, rows, found, distances);
      this.#counts[c]?.positive.add(distances, found);
      this.#decide(query, c, distances, found);
    });
    this.#both?.takePositives(rows, found, distances);
  }

  /** Counts a query's same-class pairs at the old thresholds, or keeps them until those are known. */
  #decide(query: number, cell: number, distances: Float64Array, size: number): void {
    const accepted = this.#accepted.get((this.#measures[cell] as CellMeasure).name);
    if (accepted === undefined) return;
    const { oldThresholds } = this.#request;
    if (oldThresholds === null) {
      this.#waiting.set(distances.subarray(0, size), this.#waitingStart[query] as number);
      return;
    }
    for (let i = 0; i < size; i++) countAtMost(distances[i] as number, oldThresholds, accepted, query);
  }

  /** What was counted so far, for `absorb` in another thread. */
  get sums(): VerificationSums {
    const cells = this.#counts.map(({ positive, fine }) => ({ positive: positive.state, fine: fine.state }));
    return { cells, both: this.#both?.sums ?? null };
  }

  /** Adds what another thread counted of other queries. */
  absorb({ cells, both }: VerificationSums): void {
    this.#counts.forEach(({ positive, fine }, c) => {
      const other = cells[c] as CountedSigns;
      positive.absorb(other.positive);
      fine.absorb(other.fine);
    });
    if (both !== null) this.#both?.absorb(both);
  }

  /** What all rows add up to. */
  finish(): VerificationCounts {
    const { far } = this.#request;
    const pairs = countPairs(this.#setup);
    const limits = far.map((rate) => pairsWithin(rate, pairs.negative));
    const stretches = new Map(this.#measures.map((measure) => [measure.name, measure.stretches]));
    const cells = new Map<CellName, SignedDistances>();
    let missed = false;
    this.#measures.forEach(({ name }, c) => {
      const { positive, fine, windows, places } = this.#counts[c] as CellCounts;
      const counts = (stretches.get(name) as SignedCounts).negative;
      const negative = new WindowedCounts(windows, fine, between(windows, places, counts));
      cells.set(name, { positive, negative });
      if (limits.some((limit) => negative.largestWithin(limit) === undefined)) missed = true;
    });
    const old = cells.get('oldOld')?.negative;
    const oldThresholds = this.#request.oldThresholds ?? limits.map((limit) => old?.largestWithin(limit) ?? null);
    for (const [name, { negative }] of cells) {
      if (name === 'oldNew') continue;
      if (oldThresholds.some((threshold) => threshold !== null && !negative.covers(threshold))) missed = true;
    }
    const accepted = this.#accepted.get('newOld');
    if (accepted !== undefined && this.#request.oldThresholds === null) {
      for (let query = 0, from = 0; query < this.#setup.queries; query++) {
        const end = this.#waitingStart[query + 1] as number;
        for (; from < end; from++) countAtMost(this.#waiting[from] as number, oldThresholds, accepted, query);
      }
    }
    return {
      cells,
      stretches,
      both: this.#both?.counts ?? null,
      oldThresholds,
      accepted: new Map(Array.from(this.#accepted, ([name, counts]) => [name, counts.map((of) => of.slice())])),
      missed,
    };
  }
}

/** Pairs by the larger of their distances in oldOld and newOld, in the windows of oldOld. */
class BothCounts {
  readonly #oldOld: CellMeasure;
  readonly #newOld: CellMeasure;
  readonly #setup: PairSetup;
  readonly #shift: number;
  readonly #positive: DistanceCounts;
  readonly #fine: DistanceCounts;
  readonly #windows: readonly Window[];
  readonly #oldPlaces: Uint8Array;
  readonly #newPlaces: Uint8Array;
  /** Bins from here on lie beyond all windows. */
  readonly #oldEnd: number;
  readonly #newEnd: number;
  /** Different-class pairs by the larger of their two places (see `placesOf`); odd ones are looked at. */
  readonly #found: Float64Array;

  constructor(
    oldOld: CellMeasure,
    newOld: CellMeasure,
    ranker: Pick<RowRanker, 'shift' | 'stretches'>,
    setup: PairSetup,
    request: VerificationRequest,
    pairs: { positive: number; negative: number },
  ) {
    const { axis, windows } = request.windows.get('oldOld') as CellWindows;
    this.#oldOld = oldOld;
    this.#newOld = newOld;
    this.#setup = setup;
    this.#shift = ranker.shift;
    this.#positive = new DistanceCounts(axis, pairs.positive);
    this.#fine = new DistanceCounts(axis, pairs.negative);
    this.#windows = windows;
    this.#oldPlaces = placesOf(windows, oldOld.axis, ranker);
    this.#newPlaces = placesOf(windows, newOld.axis, ranker);
    const beyond = 2 * windows.length;
    const endOf = (places: Uint8Array) =>
      (places.includes(beyond) ? places.indexOf(beyond) : places.length) << ranker.shift;
    this.#oldEnd = endOf(this.#oldPlaces);
    this.#newEnd = endOf(this.#newPlaces);
    this.#found = new Float64Array(beyond);
  }

  get sums(): CountedSigns & { found: Float64Array } {
    return { positive: this.#positive.state, fine: this.#fine.state, found: this.#found };
  }

  absorb({ positive, fine, found }: CountedSigns & { found: Float64Array }): void {
    this.#positive.absorb(positive);
    this.#fine.absorb(fine);
    for (let place = 0; place < found.length; place++) {
      this.#found[place] = (this.#found[place] as number) + (found[place] as number);
    }
  }

  get counts(): SignedDistances {
    const outside = Float64Array.from(this.#windows, (_, k) => this.#found[2 * k] as number);
    return { positive: this.#positive, negative: new WindowedCounts(this.#windows, this.#fine, outside) };
  }

  takeNegatives(query: number, rows: Int32Array, distances: Float64Array): void {
    const { galleryLabel, queryLabel } = this.#setup;
    const label = queryLabel[query] as number;
    const near = this.#listNear(rows);
    const { bins: oldBins } = this.#oldOld.row;
    const { bins: newBins } = this.#newOld.row;
    let wanted = 0;
    for (let i = 0; i < near; i++) {
      const row = rows[i] as number;
      if (galleryLabel[row] === label) continue;
      const place = Math.max(
        this.#oldPlaces[(oldBins[row] as number) >> this.#shift] as number,
        this.#newPlaces[(newBins[row] as number) >> this.#shift] as number,
      );
      this.#found[place] = (this.#found[place] as number) + 1;
      if (place % 2 === 1) rows[wanted++] = row;
    }
    this.#readLarger(rows, wanted, distances);
    this.#fine.add(distances, wanted);
  }

  /** Lists gallery rows that are not beyond all windows under both models: few, so four at a time are passed over. */
  #listNear(rows: Int32Array): number {
    const { gallery } = this.#setup;
    const { bins: oldBins } = this.#oldOld.row;
    const { bins: newBins } = this.#newOld.row;
    const oldEnd = this.#oldEnd;
    const newEnd = this.#newEnd;
    // Negative where both bins are before their ends.
    const sign = (row: number): number => ((oldBins[row] as number) - oldEnd) & ((newBins[row] as number) - newEnd);
    let near = 0;
    let row = 0;
    for (; row + 3 < gallery; row += 4) {
      const a = sign(row);
      const b = sign(row + 1);
      const c = sign(row + 2);
      const d = sign(row + 3);
      if ((a | b | c | d) >= 0) continue;
      if (a < 0) rows[near++] = row;
      if (b < 0) rows[near++] = row + 1;
      if (c < 0) rows[near++] = row + 2;
      if (d < 0) rows[near++] = row + 3;
    }
    for (; row < gallery; row++) if (sign(row) < 0) rows[near++] = row;
    return near;
  }

  takePositives(rows: Int32Array, size: number, distances: Float64Array): void {
    this.#readLarger(rows, size, distances);
    this.#positive.add(distances, size);
  }

  #readLarger(rows: Int32Array, size: number, distances: Float64Array): void {
    readDistances(this.#oldOld.row, rows, size, distances);
    const { keys, offset, keyOffset, squared } = this.#newOld.row;
    for (let i = 0; i < size; i++) {
      const other = (keys[offset + (rows[i] as number)] as number) + keyOffset;
      distances[i] = Math.max(distances[i] as number, squared ? Math.sqrt(Math.max(0, other)) : other);
    }
  }
}

/**
 * The place of each stretch of bins among windows: 2 k + 1 where window k may reach into it, 2 k where it lies before
 * window k and behind the one before. One stretch more on each side counts as reached, for the rounding of bins.
 */
function placesOf(
  windows: readonly Window[],
  { low, perUnit }: BinAxis,
  { shift, stretches }: Pick<RowRanker, 'shift' | 'stretches'>,
): Uint8Array {
  const stretchOf = (distance: number) =>
    Math.max(0, Math.min(BINS - 1, Math.floor((distance - low) * perUnit))) >> shift;
  const places = new Uint8Array(stretches);
  let from = 0;
  windows.forEach((window, k) => {
    const first = Math.max(0, stretchOf(window.low) - 1);
    const end = Math.min(stretches, stretchOf(window.high) + 2);
    if (first > from) places.fill(2 * k, from, first);
    // Where two windows reach, it is the later one's: what counts as nearer than that must be so.
    places.fill(2 * k + 1, first, end);
    from = end;
  });
  return places.fill(2 * windows.length, from);
}

/** Pairs in the stretches before each window and behind the one before. */
function between(windows: readonly Window[], places: Uint8Array, counts: Float64Array): Float64Array {
  const outside = new Float64Array(windows.length);
  places.forEach((place, stretch) => {
    if (place % 2 === 0 && place / 2 < windows.length) {
      outside[place / 2] = (outside[place / 2] as number) + (counts[stretch] as number);
    }
  });
  return outside;
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

/** The distances of some gallery rows in a row of scores. */
function readDistances(
  { keys, offset, keyOffset, squared }: CellRow,
  rows: Int32Array,
  size: number,
  into: Float64Array,
): void {
  for (let i = 0; i < size; i++) into[i] = (keys[offset + (rows[i] as number)] as number) + keyOffset;
  if (!squared) return;
  for (let i = 0; i < size; i++) into[i] = Math.sqrt(Math.max(0, into[i] as number));
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

/** Those of the listed gallery rows that are of another class. */
function otherClasses(listed: Int32Array, size: number, labels: Int32Array, label: number, into: Int32Array): number {
  let found = 0;
  for (let i = 0; i < size; i++) {
    const row = listed[i] as number;
    if (labels[row] !== label) into[found++] = row;
  }
  return found;
}
