import type { AuditProtocol } from '../contract/protocol.ts';
import type { CriterionEntry, MetricName } from '../contract/report.ts';
import { hitsAt, metricNames, type RegisteredCell } from './cells.ts';
import { criterionEntry } from './criterion.ts';
import { type QueryStatistics, type Statistic, sum } from './statistics.ts';

export interface CriterionQueries {
  statistics: QueryStatistics;
  oldOld: RegisteredCell;
  newOld: RegisteredCell;
  /** 1 for the queries that have a match. */
  matched: Float64Array;
  /** Old and new query vectors are the same, bit by bit. */
  identical: boolean;
}

/** The criterion of every metric on one set of queries, after resampling; at least one has a match. */
export function criterionTable(
  { statistics, oldOld, newOld, matched, identical }: CriterionQueries,
  protocol: Pick<AuditProtocol, 'ks' | 'margin' | 'bootstrap'>,
): Partial<Record<MetricName, CriterionEntry>> {
  const table: Partial<Record<MetricName, CriterionEntry>> = {};
  for (const name of metricNames(protocol.ks)) {
    const before = oldOld.metrics.get(name) as Statistic;
    const after = newOld.metrics.get(name) as Statistic;
    table[name] = criterionEntry({
      old: statistics.value(before) as number,
      new: statistics.value(after) as number,
      interval: statistics.differenceInterval(after, before),
      matchedQueries: sum(matched),
      margin: protocol.margin,
      identical,
      unchangedHits: unchangedHits(name, oldOld, newOld, matched),
      confidence: protocol.bootstrap.confidence,
    });
  }
  return table;
}

/** A cmc whose every hit is the same before and after: resampling cannot vary it. */
function unchangedHits(
  name: MetricName,
  oldOld: RegisteredCell,
  newOld: RegisteredCell,
  matched: Float64Array,
): boolean {
  if (!name.startsWith('cmc@')) return false;
  const k = Number(name.slice(4));
  const before = hitsAt(oldOld.perQuery, k);
  const after = hitsAt(newOld.perQuery, k);
  return matched.every((inside, query) => inside === 0 || before[query] === after[query]);
}
