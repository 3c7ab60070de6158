import type { CriterionEntry, Interval, RankingState } from '../contract/report.ts';

/** Below so many matched queries no interval is trusted (metrics.md section 4). */
export const FEWEST_QUERIES = 30;

/** Half widths to the resolution wanted: (1.96 + 0.84) / 1.96, two-sided 95 % and 80 % chance. */
const POWER_FACTOR = 1.43;

export interface CriterionInput {
  /** M(oldOld) and M(newOld). */
  old: number;
  new: number;
  /** Paired bootstrap interval of new - old; null when there is none. */
  interval: Interval | null;
  /** Queries with a match. */
  matchedQueries: number;
  margin: number;
  /** Old and new query vectors are the same, bit by bit. */
  identical: boolean;
  /** The metric is a cmc and no query's hit changed: the bootstrap cannot see any variation. */
  unchangedHits: boolean;
  confidence: number;
}

/** One entry of the compatibility criterion M(newOld) > M(oldOld) (BCT, Shen et al. 2020, eq. 2; metrics.md section 4). */
export function criterionEntry(input: CriterionInput): CriterionEntry {
  const { old, new: current, matchedQueries, margin, identical } = input;
  const difference = current - old;
  const interval = differenceInterval(input);
  const state = matchedQueries < FEWEST_QUERIES && !identical ? 'undecided' : rankingStateOf(interval, margin);
  return {
    old,
    new: current,
    difference,
    interval,
    state,
    queriesToDecide: state === 'undecided' ? queriesToDecide(difference, interval, matchedQueries, margin) : null,
  };
}

function differenceInterval(input: CriterionInput): Interval | null {
  if (input.identical) return [0, 0];
  if (!input.unchangedHits || input.matchedQueries === 0) return input.interval;
  // No change in n queries: shares of change above this one would have shown with the wanted confidence.
  const half = 1 - ((1 - input.confidence) / 2) ** (1 / input.matchedQueries);
  return [-half, half];
}

/** The state that an interval of M(newOld) - M(oldOld) stands for; `margin` >= 0 is the loss that is accepted. */
export function rankingStateOf(interval: Interval | null, margin: number): RankingState {
  if (interval === null) return 'undecided';
  const [low, high] = interval;
  if (low > 0) return 'compatible';
  if (low >= -margin) return 'within-margin';
  if (high < -margin) return 'incompatible';
  return 'undecided';
}

/** Queries after which the interval leaves -margin with 80 % chance, if the difference stays; null when it never would. */
function queriesToDecide(
  difference: number,
  interval: Interval | null,
  queries: number,
  margin: number,
): number | null {
  const distance = Math.abs(difference + margin);
  if (interval === null || distance === 0) return null;
  const half = (interval[1] - interval[0]) / 2;
  return Math.max(FEWEST_QUERIES, Math.ceil(queries * ((POWER_FACTOR * half) / distance) ** 2));
}

/**
 * Update gain (BCT, Shen et al. 2020, eq. 3): the share of the full upgrade's gain that comes without backfill.
 * @param upgraded M of the full upgrade: the paragon's own newNew, or else the new model's
 * @param denominatorInterval interval of `upgraded - old`
 * @returns null when the denominator is not positive or its interval holds 0
 */
export function updateGain(
  old: number,
  current: number,
  upgraded: number,
  denominatorInterval: Interval | null,
): number | null {
  const denominator = fullGain(old, upgraded, denominatorInterval);
  return denominator === null ? null : (current - old) / denominator;
}

/** What a full upgrade gains; null when it is not positive or its interval holds 0, so that nothing can be a share of it. */
export function fullGain(old: number, upgraded: number, interval: Interval | null): number | null {
  const gain = upgraded - old;
  if (!(gain > 0) || interval === null) return null;
  return interval[0] <= 0 && interval[1] >= 0 ? null : gain;
}

/** Compatibility tax: what the paragon, trained without the constraint, reaches more on its own gallery. */
export function compatibilityTax(paragon: number, current: number): number {
  return paragon - current;
}
