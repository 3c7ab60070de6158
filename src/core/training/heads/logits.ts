import { type Operations, unitRows } from '../../engine/operations.ts';
import type { HeadForm } from './head.ts';

/** A head's weights in an engine. */
export interface HeadValues<T> {
  /** [classes, dimension]. */
  rows: T;
  /** [classes]. */
  bias: T | null;
}

/** The weights among an objective's parameters; see `headParameters`. */
export function headValues<T>(parameters: Readonly<Record<string, T>>, prefix: string): HeadValues<T> {
  return { rows: parameters[`${prefix}.weight`] as T, bias: parameters[`${prefix}.bias`] ?? null };
}

/** Logits without any margin, [n, classes]: what the head says of `vectors` ([n, dimension]) at inference. */
export function headLogits<T>(ops: Operations<T>, form: HeadForm, { rows, bias }: HeadValues<T>, vectors: T): T {
  return finished(ops, form, bias, similarities(ops, form, rows, vectors));
}

/**
 * Mean cross-entropy (nats) over the items whose label is a class of the head; 0 without any.
 * - `cosface`: the own class's cosine less m (eq. 4 of the paper).
 * - `arcface`: cos(theta + m) for the own class (eq. 3). Beyond theta + m = pi, where that would rise again, the guard of the
 *   authors' published code without easy margin takes over: cos(theta) - m sin(pi - m), which goes on falling.
 * @param labels int32 [n], -1 for none
 */
export function classificationLoss<T>(
  ops: Operations<T>,
  form: HeadForm,
  values: HeadValues<T>,
  vectors: T,
  labels: T,
  classes: number,
): T {
  const own = ops.oneHot(labels, classes);
  const cosines = similarities(ops, form, values.rows, vectors);
  const logits = finished(ops, form, values.bias, withMargin(ops, form, cosines, own));
  const known = ops.sum(own, -1);
  const likelihood = ops.sum(ops.multiply(own, ops.logSoftmax(logits, -1)), -1);
  return ops.negate(meanOver(ops, likelihood, known));
}

/** Mean of `values` where `mask` (0 or 1, both [n]) is 1; 0 where it is nowhere. */
export function meanOver<T>(ops: Operations<T>, values: T, mask: T): T {
  const count = ops.maximum(ops.sum(mask, null), ops.scalar(1));
  return ops.divide(ops.sum(ops.multiply(values, mask), null), count);
}

function similarities<T>(ops: Operations<T>, { unitVectors, unitRows: ofRows }: HeadForm, rows: T, vectors: T): T {
  return ops.matmul(unitVectors ? unitRows(ops, vectors) : vectors, ofRows ? unitRows(ops, rows) : rows, {
    transposeB: true,
  });
}

function finished<T>(ops: Operations<T>, { scale }: HeadForm, bias: T | null, similarity: T): T {
  const scaled = scale === 1 ? similarity : ops.multiply(similarity, ops.scalar(scale));
  return bias === null ? scaled : ops.add(scaled, bias);
}

function withMargin<T>(ops: Operations<T>, { kind, margin }: HeadForm, cosines: T, own: T): T {
  if (margin === 0 || kind === 'linear' || kind === 'nsoftmax') return cosines;
  if (kind === 'cosface') return ops.subtract(cosines, ops.multiply(own, ops.scalar(margin)));
  // For the own class only: the square root costs too much for all.
  const cosine = ops.sum(ops.multiply(cosines, own), -1, true);
  // Guarded before the root, whose slope is infinite at zero; cosines may round to above 1.
  const squaredSine = ops.maximum(ops.subtract(ops.scalar(1), ops.square(cosine)), ops.scalar(1e-12));
  const shifted = ops.subtract(
    ops.multiply(cosine, ops.scalar(Math.cos(margin))),
    ops.multiply(ops.sqrt(squaredSine), ops.scalar(Math.sin(margin))),
  );
  const beyond = ops.subtract(cosine, ops.scalar(margin * Math.sin(Math.PI - margin)));
  const target = ops.where(ops.greater(cosine, ops.scalar(Math.cos(Math.PI - margin))), shifted, beyond);
  return ops.add(cosines, ops.multiply(own, ops.subtract(target, cosine)));
}
