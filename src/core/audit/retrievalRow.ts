import { BINS } from './scoreBins.ts';

/** One query's complete row of scores. */
export interface ScoredRow {
  /** Lower is nearer. The row is [offset, offset + gallery). */
  keys: Float32Array;
  offset: number;
  /** Of each gallery item; monotone in the keys. */
  bins: Uint16Array;
}

/**
 * Marks of a stretch of bins: its items are wanted one by one; a match lies there. They are the upper bits of its
 * count, where looking at them costs nothing.
 */
export const WANTED = 2 ** 30;
const HOT = 2 ** 29;
const MARKS = WANTED | HOT;
const COUNT = HOT - 1;

/**
 * Ranks of the matches of one query without sorting the gallery: count, do not sort (metrics.md,
 * Cost). The key of a gallery item is lower when it is nearer; its bin, monotone in it, was computed
 * beside it. All items are counted by stretches of bins; only those in stretches that hold a match are
 * looked at one by one, and most of them are told from it by their bin alone: keys lie far apart in memory.
 */
export class RowRanker {
  /** Ranks of the matches of the latest row, ascending, 1-based, the self pair dropped. */
  readonly ranks: Int32Array;
  /** Gallery row ranked first in the latest row; -1 without a match. */
  nearest = -1;
  /** Gallery rows in wanted stretches of the latest row, ascending, without the self pair: the first `wantedCount`. */
  readonly wanted: Int32Array;
  wantedCount = 0;
  /** Bins of a stretch: 2^shift. */
  readonly shift: number;
  readonly stretches: number;

  /** Of items at even and odd places; the first holds the sums once `#addTotals` ran. */
  readonly #counts: [Int32Array, Int32Array];
  /** Items in each group of stretches. */
  readonly #group: Int32Array;
  readonly #matchesIn: Int32Array;
  readonly #start: Int32Array;
  readonly #candidates: Int32Array;
  readonly #matchBin: Uint16Array;
  readonly #matchKey: Float32Array;
  readonly #matchRow: Int32Array;
  /** Items of the stretch between the match before and this one. */
  readonly #ahead: Int32Array;

  /**
   * @param gallery items in a row
   * @param mostMatches largest number of matches a query has
   */
  constructor(gallery: number, mostMatches: number) {
    this.shift = stretchShift(gallery);
    this.stretches = BINS >> this.shift;
    this.ranks = new Int32Array(mostMatches);
    this.wanted = new Int32Array(gallery);
    this.#counts = [new Int32Array(this.stretches), new Int32Array(this.stretches)];
    this.#group = new Int32Array(Math.ceil(this.stretches / GROUP));
    this.#matchesIn = new Int32Array(this.stretches);
    this.#start = new Int32Array(this.stretches);
    this.#candidates = new Int32Array(gallery);
    this.#matchBin = new Uint16Array(mostMatches);
    this.#matchKey = new Float32Array(mostMatches);
    this.#matchRow = new Int32Array(mostMatches);
    this.#ahead = new Int32Array(mostMatches);
  }

  /**
   * @param matches gallery rows of the matches, ascending
   * @param matchCount how many of `matches` count; 0 is allowed
   * @param self gallery row of the query itself, -1 for none
   * @param marks one a stretch, `WANTED` or 0
   * @param totals where the items of each stretch are added to, the self pair dropped
   */
  rank(
    row: ScoredRow,
    matches: Int32Array,
    matchCount: number,
    self: number,
    marks: Int32Array,
    totals: Float64Array,
  ): void {
    const { bins } = row;
    const { shift } = this;
    const matchesIn = this.#matchesIn;
    const [even, odd] = this.#counts;
    even.set(marks);
    odd.set(marks);
    for (let i = 0; i < matchCount; i++) {
      const stretch = (bins[matches[i] as number] as number) >> shift;
      matchesIn[stretch] = (matchesIn[stretch] as number) + 1;
      even[stretch] = (even[stretch] as number) | HOT;
      odd[stretch] = (odd[stretch] as number) | HOT;
    }
    this.#sortMatches(row, matches, matchCount);
    const found = sweep(bins, shift, even, odd, this.#candidates);
    this.#placeCandidates(row, found, self);
    this.#addTotals(totals);
    if (self >= 0) this.#drop((bins[self] as number) >> shift, totals);
    this.nearest = -1;
    if (matchCount > 0) {
      this.#readRanks(matchCount);
      this.nearest = this.ranks[0] === 1 ? (this.#matchRow[0] as number) : this.#nearestOf(row, self);
    }
    for (let i = 0; i < matchCount; i++) {
      matchesIn[(bins[matches[i] as number] as number) >> shift] = 0;
      this.#ahead[i] = 0;
    }
  }

  /** Orders the matches by key, equal keys by gallery row. */
  #sortMatches({ keys, bins, offset }: ScoredRow, matches: Int32Array, matchCount: number): void {
    const { shift } = this;
    const start = this.#start;
    const matchesIn = this.#matchesIn;
    const matchKey = this.#matchKey;
    const matchRow = this.#matchRow;
    const few = matchCount <= INSERTION_SORT;
    if (!few) {
      let next = 0;
      for (let stretch = 0; stretch < this.stretches; stretch++) {
        start[stretch] = next;
        next += matchesIn[stretch] as number;
      }
    }
    for (let i = 0; i < matchCount; i++) {
      const row = matches[i] as number;
      let slot = i;
      if (!few) {
        const stretch = (bins[row] as number) >> shift;
        slot = start[stretch] as number;
        start[stretch] = slot + 1;
      }
      matchKey[slot] = keys[offset + row] as number;
      matchRow[slot] = row;
    }
    if (few) sortByKey(matchKey, matchRow, 0, matchCount);
    for (let slot = 0; slot < matchCount; ) {
      const stretch = (bins[matchRow[slot] as number] as number) >> shift;
      const size = matchesIn[stretch] as number;
      start[stretch] = slot;
      if (!few && size > 1) sortByKey(matchKey, matchRow, slot, slot + size);
      slot += size;
    }
    for (let slot = 0; slot < matchCount; slot++) {
      this.#matchBin[slot] = bins[matchRow[slot] as number] as number;
    }
  }

  /** Tells for each item of a match's stretch which match is the first behind it, and lists the wanted ones. */
  #placeCandidates({ keys, bins, offset }: ScoredRow, found: number, self: number): void {
    const { shift, wanted } = this;
    const [even] = this.#counts;
    const candidates = this.#candidates;
    const start = this.#start;
    const matchesIn = this.#matchesIn;
    const matchBin = this.#matchBin;
    const matchKey = this.#matchKey;
    const matchRow = this.#matchRow;
    const ahead = this.#ahead;
    let wantedCount = 0;
    for (let c = 0; c < found; c++) {
      const row = candidates[c] as number;
      if (row === self) continue;
      const bin = bins[row] as number;
      const stretch = bin >> shift;
      const mark = even[stretch] as number;
      if ((mark & WANTED) !== 0) wanted[wantedCount++] = row;
      if ((mark & HOT) === 0) continue;
      let low = start[stretch] as number;
      const end = low + (matchesIn[stretch] as number);
      let high = end;
      while (low < high) {
        const middle = (low + high) >>> 1;
        let ahead = (matchBin[middle] as number) - bin;
        if (ahead === 0) ahead = (matchKey[middle] as number) - (keys[offset + row] as number);
        if (ahead > 0 || (ahead === 0 && (matchRow[middle] as number) > row)) high = middle;
        else low = middle + 1;
      }
      if (low < end) ahead[low] = (ahead[low] as number) + 1;
    }
    this.wantedCount = wantedCount;
  }

  #addTotals(totals: Float64Array): void {
    const [even, odd] = this.#counts;
    for (let group = 0, stretch = 0; stretch < this.stretches; group++) {
      const end = stretch + GROUP;
      let sum = 0;
      for (; stretch < end; stretch++) {
        const count = ((even[stretch] as number) & COUNT) + ((odd[stretch] as number) & COUNT);
        // Without its marks from here on.
        even[stretch] = count;
        totals[stretch] = (totals[stretch] as number) + count;
        sum += count;
      }
      this.#group[group] = sum;
    }
  }

  /** Takes one item of a stretch out of all sums. */
  #drop(stretch: number, totals: Float64Array): void {
    const [counts] = this.#counts;
    const group = Math.floor(stretch / GROUP);
    counts[stretch] = (counts[stretch] as number) - 1;
    totals[stretch] = (totals[stretch] as number) - 1;
    this.#group[group] = (this.#group[group] as number) - 1;
  }

  /** Ranks from the counts: of nearer stretches, and of those ahead within the match's own. */
  #readRanks(matchCount: number): void {
    const [counts] = this.#counts;
    const { ranks, shift } = this;
    let nearer = 0;
    let stretch = 0;
    let within = 0;
    for (let slot = 0; slot < matchCount; slot++) {
      const own = (this.#matchBin[slot] as number) >> shift;
      if (stretch < own) within = 0;
      while (stretch < own) {
        if (stretch % GROUP === 0 && stretch + GROUP <= own) {
          nearer += this.#group[stretch / GROUP] as number;
          stretch += GROUP;
        } else {
          nearer += counts[stretch] as number;
          stretch++;
        }
      }
      within += this.#ahead[slot] as number;
      ranks[slot] = 1 + nearer + within;
    }
  }

  /** Gallery row with the lowest key; the first of equal ones. */
  #nearestOf({ keys, bins, offset }: ScoredRow, self: number): number {
    const [counts] = this.#counts;
    let group = 0;
    while (this.#group[group] === 0) group++;
    let stretch = group * GROUP;
    while (counts[stretch] === 0) stretch++;
    const limit = (stretch + 1) << this.shift;
    const end = bins.length;
    let nearest = -1;
    let best = Number.POSITIVE_INFINITY;
    for (let at = 0; at < end; ) {
      // Four at a time while none is in the first stretch: then no difference is negative.
      if (
        at + 3 < end &&
        (((bins[at] as number) - limit) |
          ((bins[at + 1] as number) - limit) |
          ((bins[at + 2] as number) - limit) |
          ((bins[at + 3] as number) - limit)) >=
          0
      ) {
        at += 4;
        continue;
      }
      const last = Math.min(end, at + 4);
      for (; at < last; at++) {
        if ((bins[at] as number) >= limit || at === self) continue;
        const key = keys[offset + at] as number;
        if (nearest >= 0 && key >= best) continue;
        best = key;
        nearest = at;
      }
    }
    return nearest;
  }
}

/**
 * Counts a row's items by stretch and lists those in marked ones. Four items a turn into two tables, because
 * neighbours in one stretch would wait for each other's store: 3 times faster than the plain loop.
 */
function sweep(bins: Uint16Array, shift: number, even: Int32Array, odd: Int32Array, candidates: Int32Array): number {
  const { length } = bins;
  let found = 0;
  let j = 0;
  for (const end = length - 3; j < end; j += 4) {
    const a = (bins[j] as number) >> shift;
    const b = (bins[j + 1] as number) >> shift;
    const c = (bins[j + 2] as number) >> shift;
    const d = (bins[j + 3] as number) >> shift;
    const ofA = even[a] as number;
    even[a] = ofA + 1;
    const ofB = odd[b] as number;
    odd[b] = ofB + 1;
    const ofC = even[c] as number;
    even[c] = ofC + 1;
    const ofD = odd[d] as number;
    odd[d] = ofD + 1;
    if (((ofA | ofB | ofC | ofD) & MARKS) !== 0) {
      if ((ofA & MARKS) !== 0) candidates[found++] = j;
      if ((ofB & MARKS) !== 0) candidates[found++] = j + 1;
      if ((ofC & MARKS) !== 0) candidates[found++] = j + 2;
      if ((ofD & MARKS) !== 0) candidates[found++] = j + 3;
    }
  }
  for (; j < length; j++) {
    const stretch = (bins[j] as number) >> shift;
    const count = even[stretch] as number;
    even[stretch] = count + 1;
    if ((count & MARKS) !== 0) candidates[found++] = j;
  }
  return found;
}

/** Long stretches, of 2^shift bins, for short rows, because all are read for each row. */
export function stretchShift(gallery: number): number {
  if (gallery <= 8_192) return 6;
  if (gallery <= 131_072) return 5;
  return gallery <= 524_288 ? 2 : 0;
}

/** Stretches that are summed before ranks are read, so that few of them are walked one by one. */
const GROUP = 64;

/** Beyond so many, insertion is slower than a general sort. */
const INSERTION_SORT = 32;

/** Sorts two parallel ranges by key; rows come in ascending, and equal keys keep their order. */
function sortByKey(keys: Float32Array, rows: Int32Array, start: number, end: number): void {
  if (end - start <= INSERTION_SORT) {
    for (let i = start + 1; i < end; i++) {
      const key = keys[i] as number;
      const row = rows[i] as number;
      let k = i - 1;
      while (k >= start && (keys[k] as number) > key) {
        keys[k + 1] = keys[k] as number;
        rows[k + 1] = rows[k] as number;
        k--;
      }
      keys[k + 1] = key;
      rows[k + 1] = row;
    }
    return;
  }
  const oldKeys = keys.slice(start, end);
  const oldRows = rows.slice(start, end);
  // Sorting is stable, so equal keys stay in row order.
  const order = Uint32Array.from(oldKeys, (_, i) => i).sort(
    (a, b) => (oldKeys[a] as number) - (oldKeys[b] as number) || a - b,
  );
  order.forEach((from, i) => {
    keys[start + i] = oldKeys[from] as number;
    rows[start + i] = oldRows[from] as number;
  });
}
