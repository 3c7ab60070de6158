/** How the learning rate goes over a whole training; steps count from 0. */
export interface Schedule {
  kind: 'cosine' | 'step' | 'constant';
  /** The largest rate. */
  learningRate: number;
  totalSteps: number;
  /** Steps of the linear rise at the start; 0: none. May be a fraction: epochs times steps an epoch. */
  warmupSteps: number;
  /** Of `step`: steps after which the rate is divided by ten, again and again. */
  stepSteps: number;
}

/**
 * The learning rate of a step.
 * - warm-up: rate (step + 1) / warmupSteps until it is reached;
 * - `cosine`: rate / 2 (1 + cos(pi s / S)), s and S counted from the end of the warm-up (SGDR, Loshchilov and Hutter 2017,
 *   without restarts): the full rate first, next to nothing last;
 * - `step`: rate 10^-floor(step / stepSteps), warm-up included in the count;
 * - `constant`.
 * @param step from 0 to totalSteps - 1
 */
export function learningRateAt(schedule: Schedule, step: number): number {
  const { kind, learningRate, totalSteps, warmupSteps, stepSteps } = schedule;
  if (step + 1 < warmupSteps) return (learningRate * (step + 1)) / warmupSteps;
  if (kind === 'constant') return learningRate;
  if (kind === 'step') return learningRate / 10 ** Math.floor(step / stepSteps);
  const start = Math.min(Math.ceil(warmupSteps), totalSteps - 1);
  const share = Math.max(0, step - start) / (totalSteps - start);
  return (learningRate / 2) * (1 + Math.cos(Math.PI * share));
}
