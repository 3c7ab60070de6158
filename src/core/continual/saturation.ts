import type { Saturation } from '../contract/sessions.ts';

/** Components below this share of the root mean square deviation carry nothing. */
const UNUSED = 1e-3;

/**
 * How much of its space a model uses (participation ratio: Gao et al., "A theory of multineuronal dimensionality", 2017). Sums in
 * double. Cost: rows x dimension^2.
 * @param vectors rows x dimension, L2-normalised
 * @param labelOf one a row, from 0
 */
export function measureSaturation(vectors: Float32Array, dimension: number, labelOf: Int32Array): Saturation {
  const rows = labelOf.length;
  const mean = new Float64Array(dimension);
  for (let i = 0; i < vectors.length; i++)
    mean[i % dimension] = (mean[i % dimension] as number) + (vectors[i] as number) / rows;
  const covariance = new Float64Array(dimension * dimension);
  const centred = new Float64Array(dimension);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < dimension; k++) centred[k] = (vectors[row * dimension + k] as number) - (mean[k] as number);
    for (let a = 0; a < dimension; a++) {
      const value = (centred[a] as number) / rows;
      for (let b = 0; b <= a; b++) {
        covariance[a * dimension + b] = (covariance[a * dimension + b] as number) + value * (centred[b] as number);
      }
    }
  }
  let [trace, squares, used] = [0, 0, 0];
  for (let a = 0; a < dimension; a++) {
    trace += covariance[a * dimension + a] as number;
    for (let b = 0; b <= a; b++) squares += (a === b ? 1 : 2) * (covariance[a * dimension + b] as number) ** 2;
  }
  const limit = (UNUSED * UNUSED * trace) / dimension;
  for (let a = 0; a < dimension; a++) if ((covariance[a * dimension + a] as number) > limit) used++;
  return {
    effectiveRank: squares === 0 ? 0 : trace ** 2 / squares,
    nearestCentreAngle: nearestCentreAngle(vectors, dimension, labelOf),
    usedDimensions: used / dimension,
  };
}

function nearestCentreAngle(vectors: Float32Array, dimension: number, labelOf: Int32Array): number | null {
  const centreOf = new Map<number, Float64Array>();
  labelOf.forEach((label, row) => {
    const centre = centreOf.get(label) ?? new Float64Array(dimension);
    for (let k = 0; k < dimension; k++) centre[k] = (centre[k] as number) + (vectors[row * dimension + k] as number);
    centreOf.set(label, centre);
  });
  const centres = [...centreOf.values()].flatMap((sum) => {
    const length = Math.hypot(...sum);
    // A class whose vectors cancel out has no direction.
    return length > 0 ? [sum.map((value) => value / length)] : [];
  });
  if (centres.length < 2) return null;
  const angles = centres.map((centre, c) => {
    const cosines = centres.flatMap((other, o) =>
      o === c ? [] : [centre.reduce((sum, value, k) => sum + value * (other[k] as number), 0)],
    );
    return (Math.acos(Math.min(1, Math.max(...cosines))) * 180) / Math.PI;
  });
  return angles.reduce((sum, angle) => sum + angle, 0) / angles.length;
}
