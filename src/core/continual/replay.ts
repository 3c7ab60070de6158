/** Stored items of one class, by index: where herding chooses from. */
export interface ClassCandidates {
  label: number;
  /** Indices of items, in any order; ties go to the earlier one. */
  items: Int32Array;
  /** Their vectors by the present model, items.length x dimension, L2-normalised. */
  vectors: Float32Array;
}

/** Places for each class: floor(buffer / classes), the rest stays unused. */
export function placesPerClass(buffer: number, classesSeen: number): number {
  return classesSeen === 0 ? 0 : Math.floor(buffer / classesSeen);
}

/**
 * Herding (iCaRL, Rebuffi et al., CVPR 2017, algorithm 4): one after the other the candidate that brings the mean of the chosen
 * nearest (L2) to the mean of all candidates; of equals the first. Neither mean is renormalised. Sums in double; distances that
 * differ by less than 1e-12 of the squared scale are equal, so that the order of a sum decides nothing.
 * @param vectors count x dimension, L2-normalised
 * @param wanted how many; all candidates where there are fewer
 * @returns positions among the candidates in the order of choice
 */
export function herd(vectors: Float32Array, dimension: number, wanted: number): Int32Array {
  const count = vectors.length / dimension;
  const chosen = new Int32Array(Math.min(wanted, count));
  const mean = new Float64Array(dimension);
  for (let i = 0; i < vectors.length; i++)
    mean[i % dimension] = (mean[i % dimension] as number) + (vectors[i] as number) / count;
  const sum = new Float64Array(dimension);
  const isTaken = new Uint8Array(count);
  for (let n = 1; n <= chosen.length; n++) {
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let item = 0; item < count; item++) {
      if (isTaken[item]) continue;
      let squared = 0;
      for (let k = 0; k < dimension; k++) {
        squared += (((sum[k] as number) + (vectors[item * dimension + k] as number)) / n - (mean[k] as number)) ** 2;
      }
      if (squared < least - 1e-12) {
        least = squared;
        best = item;
      }
    }
    isTaken[best] = 1;
    chosen[n - 1] = best;
    for (let k = 0; k < dimension; k++) sum[k] = (sum[k] as number) + (vectors[best * dimension + k] as number);
  }
  return chosen;
}

/**
 * The replay buffer after a session: for every class seen so far floor(buffer / classes) items by herding.
 * @param candidates one entry a class: the session's items and earlier exemplars of it
 * @returns items of each class in the order of choice, so that a smaller share is a prefix
 */
export function chooseExemplars(
  candidates: readonly ClassCandidates[],
  dimension: number,
  buffer: number,
): { label: number; items: Int32Array }[] {
  const places = placesPerClass(buffer, candidates.length);
  return candidates.map(({ label, items, vectors }) => ({
    label,
    items: herd(vectors, dimension, places).map((position) => items[position] as number),
  }));
}
