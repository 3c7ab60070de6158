import type { ClassMeans } from '../training/objectives/coherence.ts';

/** Gallery of one session: embedded once by its own model, never again. */
export interface GallerySession {
  /** Indices of the run's items. */
  items: Int32Array;
  labelOf: Int32Array;
  /** items.length x dimension, L2-normalised. */
  vectors: Float32Array;
  dimension: number;
}

/**
 * E_c of L_d for every class: `sessions`: the mean over the sessions that hold c of the session's class mean (the paper's form);
 * `items`: the mean over all stored vectors of c (the published code's). Not renormalised; zeros for classes without vectors.
 * Sums in double. Vectors of fewer components than `dimension` count as padded with zeros.
 * @param classes labels are 0 ... classes - 1
 */
export function storedCentres(
  sessions: readonly GallerySession[],
  classes: number,
  dimension: number,
  form: 'sessions' | 'items',
): ClassMeans {
  const means = new Float64Array(classes * dimension);
  const weights = new Float64Array(classes);
  for (const { labelOf, vectors, dimension: own } of sessions) {
    const sums = new Float64Array(classes * dimension);
    const counts = new Float64Array(classes);
    labelOf.forEach((label, row) => {
      counts[label] = (counts[label] as number) + 1;
      for (let k = 0; k < own; k++) {
        sums[label * dimension + k] = (sums[label * dimension + k] as number) + (vectors[row * own + k] as number);
      }
    });
    for (let label = 0; label < classes; label++) {
      const count = counts[label] as number;
      if (count === 0) continue;
      const divisor = form === 'sessions' ? count : 1;
      weights[label] = (weights[label] as number) + (form === 'sessions' ? 1 : count);
      for (let k = label * dimension; k < (label + 1) * dimension; k++) {
        means[k] = (means[k] as number) + (sums[k] as number) / divisor;
      }
    }
  }
  return {
    classes,
    dimension,
    means: Float32Array.from(
      means,
      (sum, index) => sum / Math.max(1, weights[Math.floor(index / dimension)] as number),
    ),
    isKnown: Int32Array.from(weights, (weight) => (weight > 0 ? 1 : 0)),
  };
}
