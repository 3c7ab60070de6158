/**
 * Ranks of the matches of one query without sorting the gallery: count, do not sort (metrics.md,
 * Cost). The key of a gallery item is lower when it is nearer; a coarse bin of the key, monotone in
 * it, was computed beside it. All items are counted by bin; only those in bins that hold a match are
 * looked at one by one.
 */
export class RowRanker {
  /** Ranks of the matches of the latest row, ascending, 1-based, the self pair dropped. */
  readonly ranks: Int32Array;
  /** Gallery row ranked first in the latest row. */
  nearest = -1;

  readonly #bins: number;
  /** Items in each stretch of bins. */
  readonly #stretch: Int32Array;
  readonly #counts: [Int32Array, Int32Array];
  /** 1 where a bin holds a match. */
  readonly #hot: Uint8Array;
  readonly #matchesIn: Int32Array;
  readonly #start: Int32Array;
  readonly #candidates: Int32Array;
  readonly #matchKey: Float32Array;
  readonly #matchRow: Int32Array;
  /** Items of the bin between the match before and this one. */
  readonly #ahead: Int32Array;

  /**
   * @param gallery items in a row
   * @param mostMatches largest number of matches a query has
   * @param bins all bins are below
   */
  constructor(gallery: number, mostMatches: number, bins: number) {
    this.#bins = bins;
    this.#stretch = new Int32Array(bins);
    this.ranks = new Int32Array(mostMatches);
    this.#counts = [new Int32Array(bins), new Int32Array(bins)];
    this.#hot = new Uint8Array(bins);
    this.#matchesIn = new Int32Array(bins);
    this.#start = new Int32Array(bins);
    this.#candidates = new Int32Array(gallery);
    this.#matchKey = new Float32Array(mostMatches);
    this.#matchRow = new Int32Array(mostMatches);
    this.#ahead = new Int32Array(mostMatches);
  }

  /**
   * @param keys the row is keys[offset ... offset + gallery)
   * @param bins bins of the same items, at the same places
   * @param matches gallery rows of the matches, ascending
   * @param matchCount how many of `matches` count; 0 is allowed
   * @param self gallery row of the query itself, -1 for none
   * @param totals where the items per `binsPerTotal` bins are added to, the self pair dropped, the last
   * collecting all bins beyond; null: not wanted
   */
  rank(
    keys: Float32Array,
    bins: Uint16Array,
    offset: number,
    matches: Int32Array,
    matchCount: number,
    self: number,
    totals: Float64Array | null,
    binsPerTotal: number,
  ): void {
    const hot = this.#hot;
    const matchesIn = this.#matchesIn;
    const [even, odd] = this.#counts;
    this.nearest = -1;
    if (matchCount === 0 && totals === null) return;

    for (let i = 0; i < matchCount; i++) {
      const bin = bins[offset + (matches[i] as number)] as number;
      matchesIn[bin] = (matchesIn[bin] as number) + 1;
      hot[bin] = 1;
    }
    this.#sortMatches(keys, bins, offset, matches, matchCount);
    const found = sweep(bins, offset, this.#candidates.length, even, odd, hot, this.#candidates);
    if (self >= 0) {
      const bin = bins[offset + self] as number;
      even[bin] = (even[bin] as number) - 1;
    }
    this.#placeCandidates(keys, bins, offset, found, self);
    const perStretch = totals === null ? STRETCH : binsPerTotal;
    this.#sumStretches(perStretch);
    if (totals !== null) {
      const last = totals.length - 1;
      for (let k = 0; k * binsPerTotal < this.#bins; k++) {
        const into = Math.min(k, last);
        totals[into] = (totals[into] as number) + (this.#stretch[k] as number);
      }
    }
    if (matchCount > 0) {
      this.#readRanks(bins, offset, matchCount, perStretch);
      this.nearest =
        this.ranks[0] === 1
          ? (this.#matchRow[0] as number)
          : this.#nearestIn(this.#firstBin(perStretch), keys, bins, offset, self);
    }
    even.fill(0);
    odd.fill(0);
    for (let i = 0; i < matchCount; i++) {
      const bin = bins[offset + (matches[i] as number)] as number;
      matchesIn[bin] = 0;
      hot[bin] = 0;
      this.#ahead[i] = 0;
    }
  }

  /** Orders the matches by key, equal keys by gallery row. */
  #sortMatches(keys: Float32Array, bins: Uint16Array, offset: number, matches: Int32Array, matchCount: number): void {
    const start = this.#start;
    const matchesIn = this.#matchesIn;
    const matchKey = this.#matchKey;
    const matchRow = this.#matchRow;
    const few = matchCount <= INSERTION_SORT;
    if (!few) {
      let next = 0;
      for (let bin = 0; bin < this.#bins; bin++) {
        start[bin] = next;
        next += matchesIn[bin] as number;
      }
    }
    for (let i = 0; i < matchCount; i++) {
      const row = matches[i] as number;
      let slot = i;
      if (!few) {
        const bin = bins[offset + row] as number;
        slot = start[bin] as number;
        start[bin] = slot + 1;
      }
      matchKey[slot] = keys[offset + row] as number;
      matchRow[slot] = row;
    }
    if (few) sortByKey(matchKey, matchRow, 0, matchCount);
    for (let slot = 0; slot < matchCount; ) {
      const bin = bins[offset + (matchRow[slot] as number)] as number;
      const size = matchesIn[bin] as number;
      start[bin] = slot;
      if (!few && size > 1) sortByKey(matchKey, matchRow, slot, slot + size);
      slot += size;
    }
  }

  /** Tells for each item of a match's bin which match is the first behind it. */
  #placeCandidates(keys: Float32Array, bins: Uint16Array, offset: number, found: number, self: number): void {
    const candidates = this.#candidates;
    const start = this.#start;
    const matchesIn = this.#matchesIn;
    const matchKey = this.#matchKey;
    const matchRow = this.#matchRow;
    const ahead = this.#ahead;
    for (let c = 0; c < found; c++) {
      const row = candidates[c] as number;
      if (row === self) continue;
      const key = keys[offset + row] as number;
      const bin = bins[offset + row] as number;
      let low = start[bin] as number;
      const end = low + (matchesIn[bin] as number);
      let high = end;
      while (low < high) {
        const middle = (low + high) >>> 1;
        const other = matchKey[middle] as number;
        if (other > key || (other === key && (matchRow[middle] as number) > row)) high = middle;
        else low = middle + 1;
      }
      if (low < end) ahead[low] = (ahead[low] as number) + 1;
    }
  }

  #sumStretches(perStretch: number): void {
    const [even, odd] = this.#counts;
    const bins = this.#bins;
    for (let k = 0, low = 0; low < bins; k++) {
      const high = Math.min(bins, low + perStretch);
      let sum = 0;
      for (let bin = low; bin < high; bin++) sum += (even[bin] as number) + (odd[bin] as number);
      this.#stretch[k] = sum;
      low = high;
    }
  }

  /** Ranks from the counts of bins: those of nearer bins, and those ahead within the match's own. */
  #readRanks(bins: Uint16Array, offset: number, matchCount: number, perStretch: number): void {
    const [even, odd] = this.#counts;
    const { ranks } = this;
    const stretch = this.#stretch;
    const matchRow = this.#matchRow;
    const ahead = this.#ahead;
    let nearer = 0;
    let bin = 0;
    let within = 0;
    for (let slot = 0; slot < matchCount; slot++) {
      const own = bins[offset + (matchRow[slot] as number)] as number;
      if (bin < own) within = 0;
      while (bin < own) {
        const next = bin + perStretch;
        if (next <= own && bin % perStretch === 0) {
          nearer += stretch[bin / perStretch] as number;
          bin = next;
        } else {
          nearer += (even[bin] as number) + (odd[bin] as number);
          bin++;
        }
      }
      within += ahead[slot] as number;
      ranks[slot] = 1 + nearer + within;
    }
  }

  /** The lowest bin that holds an item. */
  #firstBin(perStretch: number): number {
    const [even, odd] = this.#counts;
    let k = 0;
    while (this.#stretch[k] === 0) k++;
    let bin = k * perStretch;
    while ((even[bin] as number) + (odd[bin] as number) === 0) bin++;
    return bin;
  }

  /** Gallery row with the lowest key, which lies in `firstBin`; the first of equal ones. */
  #nearestIn(firstBin: number, keys: Float32Array, bins: Uint16Array, offset: number, self: number): number {
    const end = offset + this.#candidates.length;
    let nearest = -1;
    let best = Number.POSITIVE_INFINITY;
    for (let at = offset; at < end; at++) {
      // Four at a time while none is in the bin.
      while (
        at + 3 < end &&
        bins[at] !== firstBin &&
        bins[at + 1] !== firstBin &&
        bins[at + 2] !== firstBin &&
        bins[at + 3] !== firstBin
      ) {
        at += 4;
      }
      if (at >= end) break;
      if (bins[at] !== firstBin || at - offset === self) continue;
      const key = keys[at] as number;
      if (nearest < 0 || key < best) {
        best = key;
        nearest = at - offset;
      }
    }
    return nearest;
  }
}

/**
 * Counts a row's items by bin and lists those in hot bins. Four items a turn into two tables, because
 * neighbours in one bin would wait for each other's store: 3 times faster than the plain loop.
 */
function sweep(
  bins: Uint16Array,
  offset: number,
  length: number,
  even: Int32Array,
  odd: Int32Array,
  hot: Uint8Array,
  candidates: Int32Array,
): number {
  let found = 0;
  let j = 0;
  for (const end = length - 3; j < end; j += 4) {
    const at = offset + j;
    const a = bins[at] as number;
    const b = bins[at + 1] as number;
    const c = bins[at + 2] as number;
    const d = bins[at + 3] as number;
    even[a] = (even[a] as number) + 1;
    odd[b] = (odd[b] as number) + 1;
    even[c] = (even[c] as number) + 1;
    odd[d] = (odd[d] as number) + 1;
    if (((hot[a] as number) | (hot[b] as number) | (hot[c] as number) | (hot[d] as number)) !== 0) {
      if (hot[a] === 1) candidates[found++] = j;
      if (hot[b] === 1) candidates[found++] = j + 1;
      if (hot[c] === 1) candidates[found++] = j + 2;
      if (hot[d] === 1) candidates[found++] = j + 3;
    }
  }
  for (; j < length; j++) {
    const bin = bins[offset + j] as number;
    even[bin] = (even[bin] as number) + 1;
    if (hot[bin] === 1) candidates[found++] = j;
  }
  return found;
}

/** Bins that are summed before ranks are read, so that few of them are walked one by one. */
const STRETCH = 64;

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
