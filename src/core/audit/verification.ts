import type {
  CellName,
  Curves,
  Interval,
  ThresholdAtFar,
  ThresholdTransfer,
  Verification,
} from '../contract/report.ts';
import type { MeasuredPair } from './measurePair.ts';
import type { SignedCounts } from './retrievalCell.ts';
import type { QueryStatistics, Statistic } from './statistics.ts';
import { countPairs, pairsWithin, type SignedDistances, type VerificationCounts } from './verificationPass.ts';

const ROC_POINTS = 200;

/** Everything about thresholds that an audit measured; null where no rate has enough pairs. */
export interface MeasuredVerification {
  far: number[];
  cells: Map<CellName, SignedDistances>;
  stretches: Map<CellName, SignedCounts>;
  both: SignedDistances;
  oldThresholds: readonly (number | null)[];
  accepted: Map<CellName, Float64Array[]>;
}

/** Joins what the passes over the galleries counted. */
export function joinVerification(far: number[], parts: readonly VerificationCounts[]): MeasuredVerification {
  const [first] = parts as [VerificationCounts];
  return {
    far,
    cells: new Map(parts.flatMap(({ cells }) => [...cells])),
    stretches: new Map(parts.flatMap(({ stretches }) => [...stretches])),
    both: first.both as SignedDistances,
    oldThresholds: first.oldThresholds,
    accepted: new Map(parts.flatMap(({ accepted }) => [...accepted])),
  };
}

export type RegisteredVerification = Map<CellName, Statistic[]>;

/** Registers the shares of same-class pairs that the old thresholds accept; read them with `verificationOf`. */
export function registerVerification(
  statistics: QueryStatistics,
  { setup, verification }: Pick<MeasuredPair, 'setup' | 'verification'>,
): RegisteredVerification {
  const matches = Float64Array.from(setup.matchCount);
  return new Map(
    Array.from(verification?.accepted ?? [], ([name, counts]) => [
      name,
      counts.map((count) => statistics.ratio(count, matches)),
    ]),
  );
}

/**
 * Thresholds of each cell at each FAR, what the old ones do in the new cells, and what they decide otherwise than
 * under the old model (metrics.md sections 1 and 3). A pair is accepted when its distance is at most the threshold.
 */
export function verificationOf(
  { setup, verification }: Pick<MeasuredPair, 'setup' | 'verification'>,
  statistics: QueryStatistics,
  registered: RegisteredVerification,
): Verification | null {
  if (verification === null) return null;
  const { far, cells, both, oldThresholds } = verification;
  const pairs = countPairs(setup);
  const share = (counts: { atMost(distance: number): number }, threshold: number | null, of: number) =>
    threshold === null || of === 0 ? null : counts.atMost(threshold) / of;

  const table = (name: CellName): ThresholdAtFar[] | null => {
    const found = cells.get(name);
    if (found === undefined) return null;
    return far.map((rate, f) => {
      const threshold =
        name === 'oldOld'
          ? (oldThresholds[f] as number | null)
          : (found.negative.largestWithin(pairsWithin(rate, pairs.negative)) ?? null);
      return { far: rate, threshold, tar: share(found.positive, threshold, pairs.positive) };
    });
  };
  const transfer = (name: CellName, own: ThresholdAtFar[] | null): ThresholdTransfer[] | null => {
    const found = cells.get(name);
    if (found === undefined || own === null) return null;
    return own.map(({ far: rate, threshold, tar }, f) => {
      const oldThreshold = oldThresholds[f] as number | null;
      return {
        far: rate,
        oldThreshold,
        farAtOldThreshold: share(found.negative, oldThreshold, pairs.negative),
        tarAtOldThreshold: share(found.positive, oldThreshold, pairs.positive),
        restoringThreshold: threshold,
        tarAtRestoringThreshold: tar,
        tarInterval: intervalOf(statistics, registered.get(name)?.[f], oldThreshold),
      };
    });
  };

  const own = { oldOld: table('oldOld'), newOld: table('newOld'), newNew: table('newNew'), oldNew: table('oldNew') };
  const before = cells.get('oldOld') as SignedDistances;
  const after = cells.get('newOld') as SignedDistances;
  return {
    far,
    cells: Object.fromEntries(Object.entries(own).filter(([, rows]) => rows !== null)),
    consequential: far.map((rate, f) => {
      const threshold = oldThresholds[f] as number | null;
      // Accepted by one and not by both; axes may differ by a bin.
      const only = (one: SignedDistances, sign: 'positive' | 'negative') =>
        threshold === null || pairs[sign] === 0
          ? null
          : Math.max(0, one[sign].atMost(threshold) - both[sign].atMost(threshold)) / pairs[sign];
      return {
        far: rate,
        newFalseAccepts: only(after, 'negative'),
        mendedFalseAccepts: only(before, 'negative'),
        newFalseRejects: only(before, 'positive'),
        mendedFalseRejects: only(after, 'positive'),
      };
    }),
    transfer: {
      newOld: transfer('newOld', own.newOld) ?? [],
      newNew: transfer('newNew', own.newNew),
    },
  };
}

function intervalOf(
  statistics: QueryStatistics,
  accepted: Statistic | undefined,
  threshold: number | null,
): Interval | null {
  return accepted === undefined || threshold === null ? null : statistics.interval(accepted);
}

/**
 * Points of the receiver operating characteristic, about evenly spread over log FAR from the smallest tabulated rate
 * to 1. Each is exact for some threshold: where not all distances are counted one by one, for the end of a stretch of bins.
 */
export function rocOf({
  setup,
  verification,
}: Pick<MeasuredPair, 'setup' | 'verification'>): NonNullable<Curves['roc']> {
  const curves: NonNullable<Curves['roc']> = {};
  const pairs = countPairs(setup);
  if (verification === null || pairs.positive === 0) return curves;
  const least = verification.far.at(-1) as number;
  for (const [name, { positive, negative }] of verification.cells) {
    const stretches = verification.stretches.get(name) as SignedCounts;
    const curve = { far: [] as number[], tar: [] as number[] };
    const accepted = { positive: 0, negative: 0, stretch: 0 };
    for (let point = 0; point < ROC_POINTS; point++) {
      const limit = pairsWithin(least ** (1 - point / (ROC_POINTS - 1)), pairs.negative);
      if (negative.complete) {
        const bins = negative.fine.binWithin(limit);
        accepted.positive = positive.inFirst(bins);
        accepted.negative = negative.fine.inFirst(bins);
      } else {
        for (; accepted.stretch < stretches.negative.length; accepted.stretch++) {
          const found = stretches.negative[accepted.stretch] as number;
          if (accepted.negative + found > limit) break;
          accepted.negative += found;
          accepted.positive += stretches.positive[accepted.stretch] as number;
        }
      }
      const far = accepted.negative / pairs.negative;
      if (far <= (curve.far.at(-1) ?? 0)) continue;
      curve.far.push(far);
      curve.tar.push(accepted.positive / pairs.positive);
    }
    curves[name] = curve;
  }
  return curves;
}
