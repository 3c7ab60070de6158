import { throwIfCancelled } from '../../contract/errors.ts';
import type { VectorSource } from '../../data/vectorSource.ts';
import { quantileOfSorted } from '../../numeric/quantile.ts';

/** Where the old model's normalised vectors (g) of each class lie. Classes without items have means of zeros and boundless radii. */
export interface ClassStatistics {
  readonly classes: number;
  readonly dimension: number;
  /** Items a class. */
  readonly counts: Int32Array;
  /** mu_c, the mean of g, not renormalised: classes x dimension. */
  readonly means: Float32Array;
  /** r_c: the largest |g - mu_c| of the class without outliers (above the third quartile by more than 1.5 interquartile ranges). */
  readonly radii: Float32Array;
  /** Within it lie the nearest 90 % of the class, rounded up, halfway to the next one. */
  readonly credibleRadii: Float32Array;
}

const CREDIBLE_SHARE = 0.9;
const BLOCK_VALUES = 2 ** 20;
/** For "no bound": a finite number, whose product with zero is zero. */
export const BOUNDLESS = 1e30;

/**
 * Two passes over the vectors; sums in double.
 * @param labelOf class of each row, -1 for none: those are left out
 * @throws BackcompatError `bad-data` for a bad row of the source; `cancelled`
 */
export async function classStatistics(
  vectors: VectorSource,
  labelOf: Int32Array,
  classes: number,
  signal?: AbortSignal,
): Promise<ClassStatistics> {
  const { dimension } = vectors;
  const sums = new Float64Array(classes * dimension);
  const counts = new Int32Array(classes);
  await eachUnitRow(vectors, signal, (row, values, start) => {
    const label = labelOf[row] as number;
    if (label < 0) return;
    counts[label] = (counts[label] as number) + 1;
    for (let k = 0; k < dimension; k++) {
      sums[label * dimension + k] = (sums[label * dimension + k] as number) + (values[start + k] as number);
    }
  });
  const means = sums.map((sum, index) => sum / Math.max(1, counts[Math.floor(index / dimension)] as number));
  const distances = Array.from(counts, (count) => new Float64Array(count));
  const next = new Int32Array(classes);
  await eachUnitRow(vectors, signal, (row, values, start) => {
    const label = labelOf[row] as number;
    if (label < 0) return;
    let squared = 0;
    for (let k = 0; k < dimension; k++) {
      squared += ((values[start + k] as number) - (means[label * dimension + k] as number)) ** 2;
    }
    (distances[label] as Float64Array)[next[label] as number] = Math.sqrt(squared);
    next[label] = (next[label] as number) + 1;
  });
  const sorted = distances.map((ofClass) => ofClass.sort());
  return {
    classes,
    dimension,
    counts,
    means: Float32Array.from(means),
    radii: Float32Array.from(sorted, boundary),
    credibleRadii: Float32Array.from(sorted, credible),
  };
}

function boundary(sorted: Float64Array): number {
  if (sorted.length === 0) return BOUNDLESS;
  const first = quantileOfSorted(sorted, 0.25);
  const third = quantileOfSorted(sorted, 0.75);
  const fence = third + 1.5 * (third - first);
  return sorted.findLast((distance) => distance <= fence) as number;
}

function credible(sorted: Float64Array): number {
  const within = Math.ceil(CREDIBLE_SHARE * sorted.length);
  if (within === sorted.length) return BOUNDLESS;
  // Between two items, so that rounding in float32 moves none across.
  return ((sorted[within - 1] as number) + (sorted[within] as number)) / 2;
}

/** Rows at unit length, one after another; `values` is valid during the call only. */
async function eachUnitRow(
  vectors: VectorSource,
  signal: AbortSignal | undefined,
  visit: (row: number, values: Float64Array, start: number) => void,
): Promise<void> {
  const { count, dimension } = vectors;
  const rowsPerBlock = Math.max(1, Math.floor(BLOCK_VALUES / dimension));
  const raw = new Float32Array(Math.min(rowsPerBlock, count) * dimension);
  const unit = new Float64Array(raw.length);
  for (let first = 0; first < count; first += rowsPerBlock) {
    throwIfCancelled(signal);
    const rows = Math.min(rowsPerBlock, count - first);
    await vectors.read(first, rows, raw);
    for (let row = 0; row < rows; row++) {
      const start = row * dimension;
      let squared = 0;
      for (let k = start; k < start + dimension; k++) squared += (raw[k] as number) ** 2;
      const scale = squared === 0 ? 0 : 1 / Math.sqrt(squared);
      for (let k = start; k < start + dimension; k++) unit[k] = (raw[k] as number) * scale;
      visit(first + row, unit, start);
    }
  }
}
