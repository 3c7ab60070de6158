import { type OldSpace, unitInOldSpace } from './oldSpace.ts';
import { type ObjectiveTerm, weighted } from './term.ts';

/** `l2`: lambda times the mean over items of |f - g|^2, f and g the normalised new and old vector of one item: a known weak baseline. */
export function distanceTerm(space: OldSpace, lambda: number): ObjectiveTerm {
  return {
    name: 'distance',
    fields: ['oldVectors'],
    parameters: [],
    value(ops, { embedding, fields }) {
      const difference = ops.subtract(unitInOldSpace(ops, space, embedding), fields.oldVectors);
      return weighted(ops, lambda, ops.mean(ops.sum(ops.square(difference), -1), null));
    },
  };
}
