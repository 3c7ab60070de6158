import { meanOver } from '../heads/logits.ts';
import { type OldSpace, unitInOldSpace } from './oldSpace.ts';
import { type ObjectiveTerm, weighted } from './term.ts';

export interface ContrastiveSettings {
  /** t: cosines are divided by it. */
  readonly temperature: number;
  /** Negatives of each kind that count: those with the largest cosine. */
  readonly hardest: number;
}

export const contrastiveDefaults: ContrastiveSettings = { temperature: 0.01, hardest: 10 };

/** Logit of what is no negative: its exponential is 0 beside any cosine / t. */
const ABSENT = -1e9;

/**
 * The regression-alleviating loss of RACT (Zhang et al., ICLR 2022, "Hot-Refresh Model Upgrades"): lambda times the mean
 * over labelled items of
 * -log e^(f.g/t) / (e^(f.g/t) + sum over old vectors of other classes e^(f.g-/t) + sum over new vectors of other classes e^(f.f-/t)),
 * with g the old vector of the same item and the hardest negatives of the batch. An item without negatives adds 0.
 */
export function contrastiveTerm(space: OldSpace, lambda: number, settings: ContrastiveSettings): ObjectiveTerm {
  const { temperature, hardest } = settings;
  return {
    name: 'contrast',
    fields: ['labels', 'oldVectors'],
    parameters: [],
    value(ops, { embedding, fields }) {
      const f = unitInOldSpace(ops, space, embedding);
      const g = fields.oldVectors;
      // Rows of padding, so that there are as many candidates as are picked, whatever the batch.
      const padding = ops.constant({
        data: new Float32Array(hardest * space.oldDimension),
        shape: [hardest, space.oldDimension],
      });
      const noLabels = ops.constant({ data: new Int32Array(hardest).fill(-1), shape: [hardest] });
      const own = ops.reshape(fields.labels, [-1, 1]);
      const others = ops.reshape(ops.concat([fields.labels, noLabels], 0), [1, -1]);
      const none = ops.constant({ data: Int32Array.of(0), shape: [1, 1] });
      const isNegative = ops.and(ops.not(ops.equal(own, others)), ops.greaterEqual(others, none));
      const scaled = (cosines: typeof f) => ops.divide(cosines, ops.scalar(temperature));
      const hardestOf = (candidates: typeof f) => {
        const cosines = ops.matmul(f, ops.concat([candidates, padding], 0), { transposeB: true });
        return ops.topK(ops.where(isNegative, scaled(cosines), ops.scalar(ABSENT)), hardest);
      };
      const positive = scaled(ops.sum(ops.multiply(f, g), -1, true));
      const logits = ops.concat([positive, hardestOf(g), hardestOf(f)], 1);
      const likelihood = ops.reshape(ops.slice(ops.logSoftmax(logits, 1), 1, 0, 1), [-1]);
      const isLabelled = ops.reshape(ops.toFloat(ops.greaterEqual(own, none)), [-1]);
      return weighted(ops, -lambda, meanOver(ops, likelihood, isLabelled));
    },
  };
}
