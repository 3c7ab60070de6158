import type { EpochFigures } from '../../contract/training.ts';

export interface EarlyStop {
  /** Largest tax that is accepted once the criterion is met; null: the criterion stops nothing. */
  tax: number | null;
  /** Epochs without a better result after which training stops; null: never. */
  patience: number | null;
  /** The criterion's, by which results are compared. */
  metric: string;
  /** M(newNew) of the paragon on the same held-out items; null without one. */
  paragon: number | null;
}

/** What a result is judged by: M(newOld), or M(newNew) without an old model; null when neither is measured. */
export function scoreOf({ newOld, newNew }: Pick<EpochFigures, 'newOld' | 'newNew'>, metric: string): number | null {
  return (newOld ?? newNew)?.[metric] ?? null;
}

export function isBetter(score: number, best: { score: number } | null): boolean {
  return best === null || score > best.score;
}

/** The compatibility tax M(paragon) - M(newNew); null where one of them is not measured. */
export function taxOf(figures: Pick<EpochFigures, 'newNew'>, { metric, paragon }: EarlyStop): number | null {
  const own = figures.newNew?.[metric];
  return own === undefined || paragon === null ? null : paragon - own;
}

/** Whether the criterion is met (within the margin counts) and the tax is small enough to stop. */
export function meetsTax(figures: EpochFigures, stop: EarlyStop): boolean {
  if (stop.tax === null || figures.epoch === 0) return false;
  const tax = taxOf(figures, stop);
  const state = figures.criterion?.state;
  return tax !== null && tax <= stop.tax && (state === 'compatible' || state === 'within-margin');
}

export function runsOutOfPatience(epoch: number, best: { epoch: number } | null, { patience }: EarlyStop): boolean {
  return patience !== null && best !== null && epoch - best.epoch >= patience;
}
