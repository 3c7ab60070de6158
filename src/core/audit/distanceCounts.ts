/**
 * Equal bins over the distances that may hold a threshold. `open`: distances beyond the last bin are counted in
 * it; otherwise they are not counted at all. Distances below the first bin are counted in it.
 */
export interface FineAxis {
  low: number;
  perUnit: number;
  bins: number;
  open: boolean;
}

/** Distances that are kept one by one: 8 MB. Beyond, only their bins are known. */
export const MOST_KEPT = 1_048_576;
const FEWEST_KEPT = 4096;

/** What a thread counted. */
export interface CountedDistances {
  counts: Uint32Array | Float64Array;
  /** All distances that the axis reaches; null for too many. */
  kept: Float64Array | null;
}

/**
 * How many pairs lie at or below a distance, and which distance is the largest at or below which a given number
 * lies. Exact as long as no more than a million pairs are counted, to one bin beyond that.
 * Memory: 4 bytes a bin while counting, 8 after, and at most 8 MB.
 */
export class DistanceCounts {
  readonly axis: FineAxis;
  readonly #counts: Uint32Array | Float64Array;
  /** All distances counted so far; null once there are too many. */
  #kept: Float64Array | null = new Float64Array(FEWEST_KEPT);
  #size = 0;
  /** Pairs in the bins before each; made at the first question. */
  #before: Float64Array | null = null;

  /** @param pairs at most so many will be counted */
  constructor(axis: FineAxis, pairs: number) {
    this.axis = axis;
    // One more for what lies beyond a closed axis.
    const length = axis.bins + 1;
    this.#counts = pairs < 2 ** 32 ? new Uint32Array(length) : new Float64Array(length);
  }

  /** Counts one pair each of the first `size` distances. */
  add(distances: Float64Array, size: number): void {
    const counts = this.#counts;
    const { low, perUnit, bins, open } = this.axis;
    const last = open ? bins - 1 : bins;
    for (let i = 0; i < size; i++) {
      const bin = Math.max(0, Math.min(last, ((distances[i] as number) - low) * perUnit)) | 0;
      counts[bin] = (counts[bin] as number) + 1;
    }
    if (this.#kept !== null) this.#keep(distances, size);
  }

  #keep(distances: Float64Array, size: number): void {
    const end = reachOf(this.axis);
    let kept = this.#kept as Float64Array;
    for (let i = 0; i < size; i++) {
      const distance = distances[i] as number;
      if (distance >= end) continue;
      if (this.#size === MOST_KEPT) {
        this.#kept = null;
        return;
      }
      if (this.#size === kept.length) {
        const grown = new Float64Array(Math.min(MOST_KEPT, 2 * kept.length));
        grown.set(kept);
        kept = grown;
        this.#kept = grown;
      }
      kept[this.#size++] = distance;
    }
  }

  /** What was counted so far, for `absorb` in another thread. */
  get state(): CountedDistances {
    return { counts: this.#counts, kept: this.#kept?.slice(0, this.#size) ?? null };
  }

  /** Adds what was counted elsewhere on the same axis: as if all had been counted here. */
  absorb({ counts, kept }: CountedDistances): void {
    const own = this.#counts;
    for (let bin = 0; bin < own.length; bin++) own[bin] = (own[bin] as number) + (counts[bin] as number);
    if (kept === null) this.#kept = null;
    else if (this.#kept !== null) this.#keep(kept, kept.length);
  }

  /** All pairs counted. */
  get total(): number {
    return this.#cumulative()[this.axis.bins] as number;
  }

  /** Pairs at or below `distance`; once there are too many to keep, at or below the end of a bin that is nearest to it. */
  atMost(distance: number): number {
    const before = this.#cumulative();
    if (this.#kept === null) {
      const { low, perUnit, bins } = this.axis;
      return before[Math.max(0, Math.min(bins, Math.round((distance - low) * perUnit)))] as number;
    }
    const bin = this.#binOf(distance);
    let count = before[bin] as number;
    for (let i = 0; i < this.#size; i++) {
      const other = this.#kept[i] as number;
      if (other <= distance && this.#binOf(other) === bin) count++;
    }
    return count;
  }

  /**
   * The largest distance counted at or below which at most `limit` pairs lie (pairs of equal distance count
   * together); null when the smallest has more. Once there are too many to keep: the upper end of its bin.
   */
  largestWithin(limit: number): number | null {
    const before = this.#cumulative();
    const fitting = this.binWithin(limit);
    if (this.#kept === null) {
      if (before[fitting] === 0) return null;
      let last = fitting - 1;
      while (before[last] === before[fitting]) last--;
      return this.edge(last + 1);
    }
    let best: number | null = null;
    const overshooting: number[] = [];
    for (let i = 0; i < this.#size; i++) {
      const distance = this.#kept[i] as number;
      const bin = this.#binOf(distance);
      if (bin < fitting && (best === null || distance > best)) best = distance;
      if (bin === fitting) overshooting.push(distance);
    }
    let count = before[fitting] as number;
    overshooting.sort((a, b) => a - b);
    for (let i = 0; i < overshooting.length; ) {
      let ties = 1;
      while (overshooting[i + ties] === overshooting[i]) ties++;
      count += ties;
      if (count > limit) break;
      best = overshooting[i] as number;
      i += ties;
    }
    return best;
  }

  /** The number of whole bins that hold at most `limit` pairs together. */
  binWithin(limit: number): number {
    const before = this.#cumulative();
    let low = 0;
    let high = this.axis.bins;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((before[middle] as number) <= limit) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Pairs in the first `bins` bins. */
  inFirst(bins: number): number {
    return this.#cumulative()[bins] as number;
  }

  /** Lower end of a bin. */
  edge(bin: number): number {
    return this.axis.low + bin / this.axis.perUnit;
  }

  #binOf(distance: number): number {
    const { low, perUnit, bins } = this.axis;
    return Math.max(0, Math.min(bins - 1, Math.floor((distance - low) * perUnit)));
  }

  #cumulative(): Float64Array {
    if (this.#before !== null) return this.#before;
    const before = new Float64Array(this.axis.bins + 1);
    let sum = 0;
    for (let bin = 0; bin < this.axis.bins; bin++) {
      sum += this.#counts[bin] as number;
      before[bin + 1] = sum;
    }
    this.#before = before;
    return before;
  }
}

/** Distances up to here are counted completely; infinite for an open axis. */
export function reachOf({ low, perUnit, bins, open }: FineAxis): number {
  return open ? Number.POSITIVE_INFINITY : low + bins / perUnit;
}
