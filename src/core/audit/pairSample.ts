import type { AuditInput } from './auditInput.ts';
import type { CrossFit } from './crossFit.ts';
import { formFor, loadMatrix, type Matrix } from './vectors.ts';

/** Some audited queries with the vectors of both models, as they meet in the old space. */
export interface PairSample {
  /** Rows of `queries`, ascending. */
  rows: Int32Array;
  /** One row an entry of `rows`, in the old model's form: normalised for cosine. */
  old: Matrix;
  /** The new vectors under the dimension rule. */
  cross: Matrix;
  /** The new vectors, each turned by the best rotation of items other than itself; null where none can be fitted. */
  rotated: Matrix | null;
  /** Items that one rotation was fitted on; null with `rotated`. */
  rotationItems: number | null;
}

/** Reads the sample's vectors. @throws what the sources throw */
export async function loadPairSample(
  { vectors, protocol }: AuditInput,
  rows: Int32Array,
  rotation: CrossFit | null,
): Promise<PairSample> {
  const form = formFor(protocol.distance, vectors.oldQuery.dimension);
  return {
    rows,
    old: await loadMatrix(vectors.oldQuery, form, rows),
    cross: await loadMatrix(vectors.crossQuery ?? vectors.newQuery, form, rows),
    rotated: rotation && (await rotation.queriesAt(rows)),
    rotationItems: rotation && Math.min(...rotation.fits.map(({ items }) => items)),
  };
}

/** The rows of a matrix at `indices`, in that order. */
export function pickRows({ columns, values }: Matrix, indices: ArrayLike<number>): Matrix {
  const picked = new Float32Array(indices.length * columns);
  for (let i = 0; i < indices.length; i++) {
    const from = (indices[i] as number) * columns;
    picked.set(values.subarray(from, from + columns), i * columns);
  }
  return { rows: indices.length, columns, values: picked };
}
