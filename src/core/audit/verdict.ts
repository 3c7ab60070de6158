import type {
  CriterionEntry,
  InequalityState,
  MetricName,
  ThresholdState,
  Verdict,
  Verification,
  Violations,
} from '../contract/report.ts';
import { atFar, transferState } from '../contract/thresholdFindings.ts';

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

/** Whether new queries can be judged by the old threshold at the FAR that the service runs at, or by another; null where that was not measured. */
export function thresholdStateOf(verification: Verification | null, operatingFar: number): ThresholdState | null {
  const transfer = atFar(verification?.transfer.newOld, operatingFar);
  if (transfer === null) return null;
  return transferState(transfer, atFar(verification?.cells.oldOld, operatingFar)?.tar ?? null);
}

/** The verdict's states; its sentence is written from the whole report. */
export function verdictStates(
  metric: MetricName,
  criterion: CriterionEntry,
  thresholds: ThresholdState | null,
  positive: Violations,
  floor: Violations,
): Omit<Verdict, 'summary'> {
  return {
    state: criterion.state,
    metric,
    thresholds,
    inequalities: inequalityStateOf(positive, floor),
  };
}
