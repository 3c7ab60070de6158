import { BackcompatError } from '../../contract/errors.ts';
import type { MetricName, Report } from '../../contract/report.ts';
import type { TrainingPart } from '../../contract/training.ts';

/** A part that may become the run's result, and its audit; null where there was nothing to compare with. */
export interface JudgedPart {
  part: TrainingPart;
  report: Report | null;
}

/**
 * The part that becomes the run's result: of those that meet the criterion (within the margin counts) the one with the smallest tax,
 * without a paragon the best M(newNew); if none does, the one with the highest M(newOld). Of equals the first.
 */
export function choosePart(parts: readonly JudgedPart[], criterionMetric: string): JudgedPart {
  const metric = criterionMetric as MetricName;
  const meeting = parts.filter(({ report }) => {
    const state = report?.criterion[metric]?.state;
    return state === 'compatible' || state === 'within-margin';
  });
  const own = ({ report }: JudgedPart): number => report?.retrieval.newNew?.[metric]?.value ?? 0;
  const cost = (judged: JudgedPart): number => judged.report?.tax?.[metric] ?? -own(judged);
  const across = ({ report }: JudgedPart): number => report?.criterion[metric]?.new ?? 0;
  const chosen = meeting.length > 0 ? leastBy(meeting, cost) : leastBy(parts, (judged) => -across(judged));
  if (chosen === null) throw new BackcompatError('internal', 'No part was trained.');
  return chosen;
}

function leastBy<T>(values: readonly T[], cost: (value: T) => number): T | null {
  return values.reduce<T | null>((best, value) => (best === null || cost(value) < cost(best) ? value : best), null);
}
