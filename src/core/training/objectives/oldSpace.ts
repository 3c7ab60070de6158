import { type Operations, unitRows } from '../../engine/operations.ts';

/**
 * How new vectors enter the old space where losses compare both: as they are, by their first components (longer new
 * vectors), or with zeros behind (shorter ones), as in metrics.md section 7.
 */
export interface OldSpace {
  readonly rule: 'equal' | 'slice' | 'pad';
  readonly oldDimension: number;
  readonly newDimension: number;
}

/** [n, newDimension] to [n, oldDimension], not normalised. */
export function inOldSpace<T>(ops: Operations<T>, { rule, oldDimension, newDimension }: OldSpace, embedding: T): T {
  if (rule === 'equal') return embedding;
  if (rule === 'slice') return ops.slice(embedding, 1, 0, oldDimension);
  const inclusion = new Float32Array(newDimension * oldDimension);
  for (let k = 0; k < newDimension; k++) inclusion[k * oldDimension + k] = 1;
  return ops.matmul(embedding, ops.constant({ data: inclusion, shape: [newDimension, oldDimension] }));
}

/** f of the losses: the new vector in the old space, at unit length there. */
export function unitInOldSpace<T>(ops: Operations<T>, space: OldSpace, embedding: T): T {
  return unitRows(ops, inOldSpace(ops, space, embedding));
}

/** Euclidean length of each row, [n]; its slope at zero is 0. */
export function rowLengths<T>(ops: Operations<T>, rows: T): T {
  // Guarded before the root, whose slope is infinite at zero.
  return ops.sqrt(ops.maximum(ops.sum(ops.square(rows), -1), ops.scalar(1e-24)));
}
