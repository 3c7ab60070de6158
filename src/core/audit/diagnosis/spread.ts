import type { Distance } from '../../contract/report.ts';
import { GraphBuilder } from '../../engine/graph.ts';
import { createSession } from '../../engine/session.ts';
import { quantileOfSorted } from '../../numeric/quantile.ts';
import type { PairSample } from '../pairSample.ts';
import type { Matrix } from '../vectors.ts';

/** Where the vectors of one model lie. */
export interface VectorSpread {
  /** Median length as stored, not normalised. */
  medianLength: number;
  /** Length of the mean vector, in the compared form. */
  meanLength: number;
  /** Root of the mean squared distance from the mean vector, in the compared form. */
  spread: number;
  components: number;
  /**
   * (trace C)² / ‖C‖² of the covariance C: how many directions the vectors use; `components` when all alike
   * (participation ratio, Gao et al., "A theory of multineuronal dimensionality", 2017).
   */
  effectiveDimensions: number;
  /** Components that hardly vary: below 1e-3 of the root mean square deviation of all. */
  constantComponents: number;
}

export interface SpreadEvidence {
  old: VectorSpread;
  new: VectorSpread;
  /** Cosine of the mean old and the mean new vector under the dimension rule; null where one is zero. */
  cosineOfMeans: number | null;
  /** Distance between the two means over the old spread; but for cosine, new vectors brought to the old spread before. */
  meanShift: number;
  /** (mean old - mean new) . mean old: what the means alone add to the mean distance; null for euclidean. */
  distanceShift: number | null;
  /**
   * Correlation of old and new vectors of the same items, centred: sum of inner products over the root of both
   * sums of squares, in [-1, 1]. Direct, and after the held-out rotation.
   */
  alignment: { direct: number; rotated: number | null };
}

/** A component whose deviation is below this share of the mean one carries nothing. */
const CONSTANT = 1e-3;

/**
 * @param own the sample's new vectors at their full length, in the compared form
 * @param raw median lengths of the vectors as stored
 */
export async function spreadEvidence(
  { old, cross, rotated }: Pick<PairSample, 'old' | 'cross' | 'rotated'>,
  own: Matrix,
  raw: { old: number; new: number },
  distance: Distance,
  threads: number | null,
): Promise<SpreadEvidence> {
  const [oldMean, newMean] = [meanOf(old), meanOf(cross)];
  const oldSpread = await spreadOf(old, raw.old, threads);
  const lengths = lengthOf(oldMean) * lengthOf(newMean);
  const newSpread = await spreadOf(own, raw.new, threads);
  // Vectors on another scale have their mean elsewhere too: that is no offset of its own.
  const scale = distance === 'cosine' || newSpread.spread === 0 ? 1 : oldSpread.spread / newSpread.spread;
  const shift = lengthOf(newMean.map((value, k) => scale * value - (oldMean[k] as number)));
  return {
    old: oldSpread,
    new: newSpread,
    cosineOfMeans: lengths > 0 ? dot(oldMean, newMean) / lengths : null,
    meanShift: oldSpread.spread > 0 ? shift / oldSpread.spread : 0,
    distanceShift: distance === 'euclidean' ? null : dot(oldMean, oldMean) - dot(newMean, oldMean),
    alignment: { direct: alignment(old, cross), rotated: rotated && alignment(old, rotated) },
  };
}

/** Correlation of two matrices of one shape, each centred; 0 where one does not vary. */
export function alignment(a: Matrix, b: Matrix): number {
  const [meanA, meanB] = [meanOf(a), meanOf(b)];
  const { columns } = a;
  let [product, squaresA, squaresB] = [0, 0, 0];
  for (let i = 0; i < a.values.length; i++) {
    const x = (a.values[i] as number) - (meanA[i % columns] as number);
    const y = (b.values[i] as number) - (meanB[i % columns] as number);
    product += x * y;
    squaresA += x * x;
    squaresB += y * y;
  }
  return squaresA === 0 || squaresB === 0 ? 0 : product / Math.sqrt(squaresA * squaresB);
}

export function meanOf({ rows, columns, values }: Matrix): Float64Array {
  const mean = new Float64Array(columns);
  for (let i = 0; i < values.length; i++) {
    const k = i % columns;
    mean[k] = (mean[k] as number) + (values[i] as number);
  }
  return mean.map((total) => total / rows);
}

/** Median length of the rows of a matrix. */
export function medianLength({ columns, values }: Matrix): number {
  const lengths = new Float64Array(values.length / columns);
  for (let i = 0; i < values.length; i++) {
    const row = Math.floor(i / columns);
    lengths[row] = (lengths[row] as number) + (values[i] as number) ** 2;
  }
  return Math.sqrt(quantileOfSorted(lengths.sort(), 0.5));
}

async function spreadOf(matrix: Matrix, rawLength: number, threads: number | null): Promise<VectorSpread> {
  const { rows, columns } = matrix;
  const mean = meanOf(matrix);
  const centred = matrix.values.map((value, i) => value - (mean[i % columns] as number));
  const variance = new Float64Array(columns);
  for (let i = 0; i < centred.length; i++) {
    const k = i % columns;
    variance[k] = (variance[k] as number) + (centred[i] as number) ** 2 / rows;
  }
  const trace = variance.reduce((total, value) => total + value, 0);
  const limit = (CONSTANT * CONSTANT * trace) / columns;
  return {
    medianLength: rawLength,
    meanLength: lengthOf(mean),
    spread: Math.sqrt(trace),
    components: columns,
    effectiveDimensions:
      trace === 0 ? 0 : trace ** 2 / ((await squaredProduct(centred, rows, columns, threads)) / rows ** 2),
    constantComponents: variance.reduce((count, value) => count + (value <= limit ? 1 : 0), 0),
  };
}

/** ‖X'X‖² (= ‖XX'‖², the smaller is formed). */
async function squaredProduct(
  data: Float32Array,
  rows: number,
  columns: number,
  threads: number | null,
): Promise<number> {
  const graph = new GraphBuilder('covariance');
  const x = graph.input('x', 'float32', ['rows', columns]);
  const product = graph.node('Gemm', [x, x], rows < columns ? { transB: 1 } : { transA: 1 });
  const squares = graph.node('Mul', [product, product]);
  graph.output('sum', graph.node('ReduceSum', [squares], { keepdims: 0 }), 'float32', []);
  const session = await createSession(graph.build(), { threads });
  try {
    const { sum } = await session.run({ x: { shape: [rows, columns], data } });
    return sum?.data[0] as number;
  } finally {
    await session.release();
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((total, value, k) => total + value * (b[k] as number), 0);
}

function lengthOf(vector: Float64Array): number {
  return Math.sqrt(dot(vector, vector));
}
