import type { DistanceCounts } from './distanceCounts.ts';

/** Distances from `low` to `high`, both included. */
export interface Window {
  low: number;
  high: number;
}

/** All distances. */
export const WHOLE: Window = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };

/** Sorted, with those that touch made one. */
export function joinWindows(windows: readonly Window[]): Window[] {
  const joined: Window[] = [];
  for (const window of windows.toSorted((a, b) => a.low - b.low)) {
    const last = joined.at(-1);
    if (last !== undefined && window.low <= last.high) last.high = Math.max(last.high, window.high);
    else joined.push({ ...window });
  }
  return joined;
}

/**
 * Pairs at or below a distance, where distances are counted one by one in a few windows only, and of the others
 * it is known which windows they lie between.
 */
export class WindowedCounts {
  readonly windows: readonly Window[];
  /** Those in the windows, and perhaps some near them. */
  readonly fine: DistanceCounts;
  /** All others: entry k counts the pairs before window k and behind the one before it. */
  readonly between: Float64Array;

  /** @param windows ascending, apart from each other */
  constructor(windows: readonly Window[], fine: DistanceCounts, between: Float64Array) {
    this.windows = windows;
    this.fine = fine;
    this.between = between;
  }

  /** Every pair was counted by its distance. */
  get complete(): boolean {
    return this.windows.some(({ low, high }) => low === WHOLE.low && high === WHOLE.high);
  }

  covers(distance: number): boolean {
    return this.windows.some(({ low, high }) => distance >= low && distance <= high);
  }

  /** Pairs at or below `distance`, which lies in a window. */
  atMost(distance: number): number {
    let count = this.fine.atMost(distance);
    for (let k = 0; k < this.windows.length && distance >= (this.windows[k] as Window).low; k++) {
      count += this.between[k] as number;
    }
    return count;
  }

  /**
   * The largest distance at or below which at most `limit` pairs lie (see `DistanceCounts.largestWithin`).
   * @returns null when the smallest has more; undefined when it lies outside of the windows
   */
  largestWithin(limit: number): number | null | undefined {
    let outside = 0;
    for (let k = 0; k < this.windows.length; k++) {
      const { low, high } = this.windows[k] as Window;
      outside += this.between[k] as number;
      const isLast = high === WHOLE.high;
      if (!isLast && outside + this.fine.atMost(high) <= limit) continue;
      const found = limit < outside ? undefined : this.fine.largestWithin(limit - outside);
      if (found === undefined || (found === null && outside > 0)) return undefined;
      return found === null || (found >= low && found <= high) ? found : undefined;
    }
    return undefined;
  }
}
