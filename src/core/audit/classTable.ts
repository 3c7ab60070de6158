import type { ClassEntry, OldNewDifference } from '../contract/report.ts';
import { type BootstrapPlan, classIntervals } from './bootstrap.ts';
import { hitsAt } from './cells.ts';
import type { MeasuredPair } from './measurePair.ts';
import type { PerQuery } from './retrieval.ts';
import { classRates } from './violations.ts';

/**
 * One entry per class that has queries: violation rates at the first tolerance, cmc@1 and mAP under
 * oldOld and newOld. Largest loss of mAP first, classes without a matched query last.
 */
export function classTable(
  measured: MeasuredPair,
  plan: BootstrapPlan,
  classNames: readonly string[],
  matched: Float64Array,
): ClassEntry[] {
  const { setup, inequalities, cells } = measured;
  const before = cells.get('oldOld') as PerQuery;
  const after = cells.get('newOld') as PerQuery;
  const queriesOf = new Float64Array(setup.classes);
  for (const label of setup.queryLabel) queriesOf[label] = (queriesOf[label] as number) + 1;
  const means = (values: ArrayLike<number>): (number | null)[] => {
    const total = new Float64Array(setup.classes);
    const count = new Float64Array(setup.classes);
    setup.queryLabel.forEach((label, query) => {
      if (matched[query] === 0) return;
      total[label] = (total[label] as number) + (values[query] as number);
      count[label] = (count[label] as number) + 1;
    });
    return Array.from(count, (n, label) => (n === 0 ? null : (total[label] as number) / n));
  };
  const differences = before.averagePrecision.map((value, query) => (after.averagePrecision[query] as number) - value);
  const positive = classRates(inequalities.positive, setup.queryLabel, setup.classes);
  const negative = classRates(inequalities.negative, setup.queryLabel, setup.classes);
  const oldHits = means(hitsAt(before, 1));
  const newHits = means(hitsAt(after, 1));
  const oldMap = means(before.averagePrecision);
  const newMap = means(after.averagePrecision);
  const intervals = classIntervals(plan, setup.classes, differences, matched);
  const compare = (old: number | null, current: number | null): OldNewDifference => ({
    old,
    new: current,
    difference: old === null || current === null ? null : current - old,
  });
  const entries: ClassEntry[] = [];
  for (let label = 0; label < setup.classes; label++) {
    if (queriesOf[label] === 0) continue;
    entries.push({
      label: classNames[label] as string,
      queries: queriesOf[label] as number,
      positiveRate: positive[label] ?? null,
      negativeRate: negative[label] ?? null,
      'cmc@1': compare(oldHits[label] ?? null, newHits[label] ?? null),
      map: { ...compare(oldMap[label] ?? null, newMap[label] ?? null), interval: intervals[label] ?? null },
    });
  }
  const loss = ({ map }: ClassEntry) => map.difference ?? Number.POSITIVE_INFINITY;
  return entries.sort((a, b) => (loss(a) === loss(b) ? 0 : loss(a) < loss(b) ? -1 : 1));
}
