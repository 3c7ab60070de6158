import type { ClassStatistics } from '../heads/classStatistics.ts';
import { meanOver } from '../heads/logits.ts';
import { type OldSpace, rowLengths, unitInOldSpace } from './oldSpace.ts';
import { type ObjectiveTerm, weighted } from './term.ts';

/**
 * The point-to-set term of AdvBCT (Pan et al., CVPR 2023) with an elastic boundary: lambda times the mean, over items outside the
 * boundary of their class, of max(0, |f - mu_c| - r_c); 0 where none is outside. Items without a label or of a class without old
 * vectors are never outside.
 */
export function boundaryTerm(space: OldSpace, statistics: ClassStatistics, lambda: number): ObjectiveTerm {
  const { classes, dimension, means, radii } = statistics;
  return {
    name: 'boundary',
    fields: ['labels'],
    parameters: [
      { name: 'oldMeans', shape: [classes, dimension], data: means, isTrained: false },
      { name: 'oldRadii', shape: [classes, 1], data: radii, isTrained: false },
    ],
    value(ops, { embedding, fields, parameters }) {
      const own = ops.oneHot(fields.labels, classes);
      const mean = ops.matmul(own, parameters.oldMeans as typeof own);
      const radius = ops.reshape(ops.matmul(own, parameters.oldRadii as typeof own), [-1]);
      const distance = rowLengths(ops, ops.subtract(unitInOldSpace(ops, space, embedding), mean));
      const excess = ops.multiply(ops.relu(ops.subtract(distance, radius)), ops.sum(own, -1));
      const isOutside = ops.toFloat(ops.greater(excess, ops.scalar(0)));
      return weighted(ops, lambda, meanOver(ops, excess, isOutside));
    },
  };
}
