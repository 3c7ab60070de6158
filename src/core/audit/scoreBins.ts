/** Bins of a row of scores: all that 16 bits can tell. */
export const BINS = 65_536;

/** Bin k holds the distances from low + k / perUnit on; the end bins also what lies beyond. */
export interface BinAxis {
  low: number;
  perUnit: number;
}

/**
 * The bins of a row of distances, which are keys + `keyOffset` (`squared`: the square root of that): monotone in the keys.
 * @param keys from `offset` on
 * @param into one entry a gallery item
 */
export function fillBins(
  keys: Float32Array,
  offset: number,
  { low, perUnit }: BinAxis,
  { keyOffset, squared }: { keyOffset: number; squared: boolean },
  into: Uint16Array,
): void {
  const last = BINS - 1;
  const { length } = into;
  if (squared) {
    for (let i = 0; i < length; i++) {
      const square = (keys[offset + i] as number) + keyOffset;
      const position = square > 0 ? (Math.sqrt(square) - low) * perUnit : -low * perUnit;
      into[i] = position < last ? (position > 0 ? position : 0) : last;
    }
    return;
  }
  const base = (keyOffset - low) * perUnit;
  for (let i = 0; i < length; i++) {
    const position = (keys[offset + i] as number) * perUnit + base;
    into[i] = position < last ? (position > 0 ? position : 0) : last;
  }
}
