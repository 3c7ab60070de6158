import { meanOver } from '../heads/logits.ts';
import { type OldSpace, rowLengths, unitInOldSpace } from './oldSpace.ts';
import { type ObjectiveTerm, weighted } from './term.ts';

/** The m of L_m. */
export const COHERENCE_MARGIN = 0.1;

/** Vectors of galleries whose items are not kept. */
export interface StoredVectors {
  /** labels.length x oldDimension, L2-normalised. */
  readonly vectors: Float32Array;
  readonly labels: Int32Array;
}

/** For what is no negative: larger than any distance of unit vectors. */
const FAR = 1e3;

/**
 * Neighbour-session model coherence (L_m of continual.md): weight times the mean over anchors that have a negative of
 * [ |f(a) - g(a)| - |f(a) - g(n)| + m ]_+, with f the normalised new vectors, g(a) the previous model's of the **same** item, and
 * g(n) the nearest to f(a) among the batch's previous vectors of another class. 0 where no anchor has a negative. Items without a
 * label are neither.
 * @param stored vectors without items (feature replay), which are candidates for n beside the batch's; null: none
 */
export function modelCoherenceTerm(
  space: OldSpace,
  weight: number,
  stored: StoredVectors | null = null,
  margin = COHERENCE_MARGIN,
): ObjectiveTerm {
  const rows = stored?.labels.length ?? 0;
  const shape = [rows, space.oldDimension];
  return {
    name: 'modelCoherence',
    fields: ['labels', 'oldVectors'],
    parameters: stored && rows > 0 ? [{ name: 'storedVectors', shape, data: stored.vectors, isTrained: false }] : [],
    value(ops, { embedding, fields, parameters }) {
      const f = unitInOldSpace(ops, space, embedding);
      const positive = rowLengths(ops, ops.subtract(f, fields.oldVectors));
      let g = fields.oldVectors;
      let labels = fields.labels;
      if (stored && rows > 0) {
        g = ops.concat([g, parameters.storedVectors as typeof g], 0);
        labels = ops.concat([labels, ops.constant({ data: stored.labels, shape: [rows] })], 0);
      }
      // |f - g|^2 of all pairs as f.f + g.g - 2 f.g: exact enough for a maximum that is not near zero.
      const none = ops.constant({ data: Int32Array.of(0), shape: [1, 1] });
      const own = ops.reshape(fields.labels, [-1, 1]);
      const others = ops.reshape(labels, [1, -1]);
      const isNegative = ops.and(
        ops.and(ops.not(ops.equal(own, others)), ops.greaterEqual(own, none)),
        ops.greaterEqual(others, none),
      );
      const products = ops.matmul(f, g, { transposeB: true });
      const lengths = ops.add(ops.sum(ops.square(f), -1, true), ops.reshape(ops.sum(ops.square(g), -1), [1, -1]));
      const squared = ops.subtract(lengths, ops.multiply(products, ops.scalar(2)));
      // The smallest as the largest negated; masked before the root.
      const nearest = ops.negate(ops.max(ops.negate(ops.where(isNegative, squared, ops.scalar(FAR))), -1));
      const negative = ops.sqrt(ops.maximum(nearest, ops.scalar(1e-12)));
      const has = ops.toFloat(ops.greater(ops.scalar(FAR / 2), nearest));
      const hinge = ops.relu(ops.add(ops.subtract(positive, negative), ops.scalar(margin)));
      return weighted(ops, weight, meanOver(ops, hinge, has));
    },
  };
}

/** E_c of the classes that stored galleries hold. */
export interface ClassMeans {
  readonly classes: number;
  readonly dimension: number;
  /** classes x dimension, not renormalised; zeros where not known. */
  readonly means: Float32Array;
  /** 1 for classes that a stored gallery holds, else 0. */
  readonly isKnown: Int32Array;
}

/**
 * Inter-session data coherence (L_d of continual.md): weight / n times the sum, over the batch's n items of classes seen before, of
 * the distance of f(x) to E_c, f the normalised new vector: current and replayed items alike. Form `paper`: |f(x) - E_c|;
 * `code`: the published code's |f(x) - E_c|^2. Items of other classes or without a label add 0 and count in n.
 * @param means rows are the labels of the batch; of the old space's dimension
 * @param part tells several of them in one objective apart; null: there is one
 */
export function dataCoherenceTerm(
  space: OldSpace,
  means: ClassMeans,
  weight: number,
  form: 'paper' | 'code',
  part: number | null = null,
): ObjectiveTerm {
  const { classes, dimension } = means;
  const [term, centres, known] = ['dataCoherence', 'storedCentres', 'storedClasses'].map(
    (name) => `${name}${part ?? ''}`,
  ) as [string, string, string];
  return {
    name: term,
    fields: ['labels'],
    parameters: [
      { name: centres, shape: [classes, dimension], data: means.means, isTrained: false },
      { name: known, shape: [classes, 1], data: Float32Array.from(means.isKnown), isTrained: false },
    ],
    value(ops, { embedding, fields, parameters }) {
      const own = ops.oneHot(fields.labels, classes);
      const centre = ops.matmul(own, parameters[centres] as typeof own);
      const isKnown = ops.reshape(ops.matmul(own, parameters[known] as typeof own), [-1]);
      const difference = ops.subtract(unitInOldSpace(ops, space, embedding), centre);
      const distance = form === 'paper' ? rowLengths(ops, difference) : ops.sum(ops.square(difference), -1);
      return weighted(ops, weight, ops.mean(ops.multiply(distance, isKnown), null));
    },
  };
}
