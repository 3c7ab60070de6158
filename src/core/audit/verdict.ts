import type { CriterionEntry, InequalityState, MetricName, Verdict, Violations } from '../contract/report.ts';

/** A severity up to so many times the floor's counts as noise (metrics.md section 4). */
const NOISE_FACTOR = 3;

/**
 * The state of the same-class inequality against its floor, the jittered old model.
 * Without same-class pairs nothing is violated: `kept`.
 */
export function inequalityStateOf(positive: Violations, floor: Violations): InequalityState {
  const strict = positive.byEpsilon[0];
  const strictFloor = floor.byEpsilon[0]?.rate ?? null;
  if (strict === undefined || strict.rate === null || positive.severity === null) return 'kept';
  if (strict.interval !== null && strictFloor !== null && strict.interval[1] < strictFloor) return 'kept';
  return floor.severity !== null && positive.severity <= NOISE_FACTOR * floor.severity ? 'as-noise' : 'violated';
}

/** The verdict's states; its sentence is written from the whole report. */
export function verdictStates(
  metric: MetricName,
  criterion: CriterionEntry,
  positive: Violations,
  floor: Violations,
): Omit<Verdict, 'summary'> {
  return {
    state: criterion.state,
    metric,
    thresholds: null,
    inequalities: inequalityStateOf(positive, floor),
  };
}
