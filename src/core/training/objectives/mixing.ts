import { unitRows } from '../../engine/operations.ts';
import type { ClassStatistics } from '../heads/classStatistics.ts';
import type { HeadInput } from './classification.ts';
import { rowLengths } from './oldSpace.ts';

/** Share of a batch whose vectors are replaced. */
export const DEFAULT_SHARE = 0.3;

/**
 * MixBCT (Liang et al., 2023): before the new head a share of the batch's f is replaced by g, the old vector of the same
 * item, so that one classifier learns both. Only credible items are replaced: those of the nearest 90 % of their
 * class to mu_c in the old space. There is no other loss. The head sees unit vectors throughout.
 * @param share probability with which a credible item is replaced in a step
 */
export function mixedVectors(statistics: ClassStatistics, share: number): HeadInput {
  const { classes, dimension, means, credibleRadii } = statistics;
  return {
    fields: ['labels', 'oldVectors', 'chance'],
    parameters: [
      { name: 'oldMeans', shape: [classes, dimension], data: means, isTrained: false },
      { name: 'credibleRadii', shape: [classes, 1], data: credibleRadii, isTrained: false },
    ],
    vectors(ops, { embedding, fields, parameters }) {
      const { labels, oldVectors, chance } = fields;
      const own = ops.oneHot(labels, classes);
      const mean = ops.matmul(own, parameters.oldMeans as typeof own);
      // An item without a label has radius 0 and mean 0, so it is never within.
      const radius = ops.reshape(ops.matmul(own, parameters.credibleRadii as typeof own), [-1]);
      const isCredible = ops.greater(radius, rowLengths(ops, ops.subtract(oldVectors, mean)));
      const isMixed = ops.and(isCredible, ops.greater(ops.scalar(share), chance));
      return ops.where(ops.reshape(isMixed, [-1, 1]), oldVectors, unitRows(ops, embedding));
    },
  };
}
