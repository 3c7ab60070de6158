import { type ObjectiveTerm, weighted } from './term.ts';

/** What elastic weight consolidation keeps of the sessions so far, by the names of the model's trained weights. */
export interface WeightMemory {
  readonly [name: string]: {
    readonly shape: readonly number[];
    /** Weights after the last session. */
    readonly weights: Float32Array;
    /** Diagonal of the Fisher information, the sum over the sessions so far. */
    readonly fisher: Float32Array;
  };
}

/** Prefixes of its frozen parameters. */
const KEPT = 'kept.';
const FISHER = 'fisher.';

/**
 * Elastic weight consolidation (Kirkpatrick et al., PNAS 2017, eq. 3): strength / 2 times the sum over the model's trained weights
 * of F (w - w_old)^2. Weights that the memory does not hold are free.
 */
export function weightPenaltyTerm(memory: WeightMemory, strength: number): ObjectiveTerm {
  const names = Object.keys(memory);
  return {
    name: 'consolidation',
    fields: [],
    parameters: Object.entries(memory).flatMap(([name, { shape, weights, fisher }]) => [
      { name: `${KEPT}${name}`, shape, data: weights, isTrained: false },
      { name: `${FISHER}${name}`, shape, data: fisher, isTrained: false },
    ]),
    value(ops, { modelParameters, parameters }) {
      const penalties = names.flatMap((name) => {
        const weights = modelParameters[name];
        if (weights === undefined) return [];
        const moved = ops.square(ops.subtract(weights, parameters[`${KEPT}${name}`] as typeof weights));
        return [ops.sum(ops.multiply(moved, parameters[`${FISHER}${name}`] as typeof weights), null)];
      });
      const sum = penalties.reduce((total, penalty) => ops.add(total, penalty), ops.scalar(0));
      return weighted(ops, strength / 2, sum);
    },
  };
}
