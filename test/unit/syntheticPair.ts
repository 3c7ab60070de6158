import { Matrix, QrDecomposition } from 'ml-matrix';
import type { AuditItems } from '../../src/core/audit/auditInput.ts';
import { createRandom, type Random } from '../../src/core/numeric/random.ts';

/** Unit vectors of one model each, row-major, 2,000 x 64; row i is item i in all of them. */
export interface SyntheticPair {
  dimension: number;
  items: AuditItems;
  old: Float32Array;
  better: Float32Array;
  worse: Float32Array;
  /** `better` turned by one random orthogonal matrix. */
  betterRotated: Float32Array;
}

export const SYNTHETIC_CLASSES = 50;
export const SYNTHETIC_PER_CLASS = 40;
const DIMENSION = 64;

/**
 * The synthetic data that the calibration table of the inequalities is about: 50 random unit class
 * centres in R^64, 40 items a class, item = unit(centre + s N(0, I) / sqrt(64)) with noise of its
 * own per model; s = 1.6 (old), 1.0 (better), 2.5 (worse). Queries are the gallery, leave-one-out.
 */
export function makeSyntheticPair(seed: number): SyntheticPair {
  const random = createRandom(seed, 'synthetic');
  const centres = new Float64Array(SYNTHETIC_CLASSES * DIMENSION);
  for (let c = 0; c < SYNTHETIC_CLASSES; c++) {
    const centre = centres.subarray(c * DIMENSION, (c + 1) * DIMENSION);
    for (let k = 0; k < DIMENSION; k++) centre[k] = random.normal();
    scaleToUnit(centre);
  }
  const count = SYNTHETIC_CLASSES * SYNTHETIC_PER_CLASS;
  const labelOf = Int32Array.from({ length: count }, (_, item) => Math.floor(item / SYNTHETIC_PER_CLASS));
  const model = (spread: number): Float32Array => {
    const values = new Float32Array(count * DIMENSION);
    const vector = new Float64Array(DIMENSION);
    for (let item = 0; item < count; item++) {
      const centre = (labelOf[item] as number) * DIMENSION;
      for (let k = 0; k < DIMENSION; k++) {
        vector[k] = (centres[centre + k] as number) + (spread * random.normal()) / Math.sqrt(DIMENSION);
      }
      scaleToUnit(vector);
      values.set(vector, item * DIMENSION);
    }
    return values;
  };
  const old = model(1.6);
  const better = model(1);
  const worse = model(2.5);
  return {
    dimension: DIMENSION,
    items: {
      name: 'synthetic',
      count,
      ids: Array.from({ length: count }, (_, item) => `item${item}`),
      labelOf,
      classNames: Array.from({ length: SYNTHETIC_CLASSES }, (_, c) => `class${c}`),
    },
    old,
    better,
    worse,
    betterRotated: rotate(better, randomRotation(DIMENSION, random), DIMENSION),
  };
}

/**
 * Q of the QR decomposition of a Gaussian matrix by Householder reflections, row-major. Not uniform over
 * rotations: its diagonal leans to negative values, and the published figures depend on that.
 */
export function randomRotation(dimension: number, random: Random): Float64Array {
  const gaussian = Array.from({ length: dimension }, () => Array.from({ length: dimension }, () => random.normal()));
  return Float64Array.from(new QrDecomposition(new Matrix(gaussian)).orthogonalMatrix.to1DArray());
}

/** Every row of `values` times `rotation`. */
export function rotate(values: Float32Array, rotation: Float64Array, dimension: number): Float32Array {
  const rotated = new Float32Array(values.length);
  const row = new Float64Array(dimension);
  for (let start = 0; start < values.length; start += dimension) {
    row.fill(0);
    for (let i = 0; i < dimension; i++) {
      const value = values[start + i] as number;
      for (let k = 0; k < dimension; k++) row[k] = (row[k] as number) + value * (rotation[i * dimension + k] as number);
    }
    rotated.set(row, start);
  }
  return rotated;
}

function scaleToUnit(vector: Float64Array): void {
  let squared = 0;
  for (const value of vector) squared += value * value;
  const scale = 1 / Math.sqrt(squared);
  for (let k = 0; k < vector.length; k++) vector[k] = (vector[k] as number) * scale;
}
