import { BackcompatError } from '../contract/errors.ts';
import { sumOfSquares } from '../numeric/sumOfSquares.ts';
import { type OptimizedWeight, updateWeight } from './optimizer.ts';
import type { StepResult, TrainerSpec, TrainerState } from './trainer.ts';

/** Gradients of one pass in the order of the weights; null where the loss does not depend on the weight. */
export type Gradients = readonly (Float32Array | null)[];

/**
 * One step of all weights, in place: gradients are clipped together (PyTorch's `clip_grad_norm_`), then each weight is updated.
 * Nothing changes where the loss or a gradient is not finite.
 * @param step 1 for the first
 * @returns `isMade`: whether the weights were changed
 */
export function stepWeights(
  weights: readonly OptimizedWeight[],
  gradients: Gradients,
  { loss, terms }: Pick<StepResult, 'loss' | 'terms'>,
  { optimizer, clipNorm }: Pick<TrainerSpec, 'optimizer' | 'clipNorm'>,
  learningRate: number,
  step: number,
): StepResult & { isMade: boolean } {
  const gradientNorm = Math.sqrt(gradients.reduce((sum, values) => sum + (values ? sumOfSquares(values) : 0), 0));
  if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
    return { loss, terms, gradientNorm, notFinite: firstNotFinite(weights, gradients, terms), isMade: false };
  }
  const scale = clipNorm === null ? 1 : Math.min(1, clipNorm / (gradientNorm + 1e-6));
  let sum = 0;
  weights.forEach((weight, i) => {
    const gradient = gradients[i];
    if (gradient) sum += updateWeight(optimizer, weight, gradient, scale, learningRate, step);
  });
  const notFinite = Number.isFinite(sum) ? null : firstNotFinite(weights, gradients, terms);
  return { loss, terms, gradientNorm, notFinite, isMade: true };
}

/** Weights first: one that is not finite spoils every loss and gradient. */
function firstNotFinite(
  weights: readonly OptimizedWeight[],
  gradients: Gradients,
  terms: Readonly<Record<string, number>>,
): string | null {
  const isBroken = (values: Float32Array | null) => values !== null && !Number.isFinite(sumOfSquares(values));
  const weight = weights.find(({ data }) => isBroken(data));
  if (weight !== undefined) return weight.name;
  const term = Object.entries(terms).find(([, value]) => !Number.isFinite(value));
  if (term !== undefined) return term[0];
  const position = gradients.findIndex(isBroken);
  return position === -1 ? null : `gradient of ${weights[position]?.name}`;
}

/** Weights and moments as they are now, copied; moments are named after their weight. */
export function stateOf(weights: readonly OptimizedWeight[], step: number): TrainerState {
  const tensors = stateTensors(weights).map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]);
  return { step, tensors: Object.fromEntries(tensors) };
}

/**
 * Puts a state's values into weights and moments.
 * @throws BackcompatError `bad-file` when names or shapes differ; nothing is changed then
 */
export function restoreState(weights: readonly OptimizedWeight[], { tensors }: TrainerState): void {
  const own = stateTensors(weights);
  for (const [name, { shape, data }] of own) {
    const given = tensors[name];
    if (given === undefined) throw foreignState(`it has no ${name}`);
    if (given.data.length !== data.length || given.shape.join() !== shape.join()) {
      throw foreignState(`${name} is ${given.shape.join(' x ')} there, ${shape.join(' x ')} here`);
    }
  }
  const known = new Set(own.map(([name]) => name));
  const other = Object.keys(tensors).find((name) => !known.has(name));
  if (other !== undefined) throw foreignState(`it has ${other}, which is not trained here`);
  for (const [name, { data }] of own) data.set((tensors[name] as { data: Float32Array }).data);
}

/** Everything that steps change, in a fixed order; the data itself. */
function stateTensors(
  weights: readonly OptimizedWeight[],
): [string, { shape: readonly number[]; data: Float32Array }][] {
  return weights.flatMap(({ name, shape, data, moments }) => [
    [name, { shape, data }],
    ...Object.entries(moments).map(([kind, values]): [string, { shape: readonly number[]; data: Float32Array }] => [
      `${name}/${kind}`,
      { shape, data: values },
    ]),
  ]);
}

function foreignState(difference: string): BackcompatError {
  return new BackcompatError('bad-file', `The state is of another training: ${difference}.`, {
    remedy: 'Start anew, or resume with the model, objective and optimiser that it was written with.',
  });
}
