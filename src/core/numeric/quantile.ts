/**
 * Linear quantile (type 7 of Hyndman and Fan, NumPy's default) of ascending values.
 * @param share in [0, 1]
 * @returns NaN when there are no values
 */
export function quantileOfSorted(sorted: Float64Array, share: number): number {
  if (sorted.length === 0) return Number.NaN;
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  // Equal neighbours must come out exactly: an interval of identical replicates is a point.
  return low === high ? low : low + (high - low) * (place - below);
}
