import type { AuditProtocol } from '../contract/protocol.ts';
import type { CellName, MetricName, Report, SliceEntry } from '../contract/report.ts';
import type { AuditItems } from './auditInput.ts';
import type { BootstrapPlan } from './bootstrap.ts';
import { hitsAt, registerCell } from './cells.ts';
import { criterionTable } from './criterionTable.ts';
import type { SignedSums } from './inequalities.ts';
import type { MeasuredPair, MeasureHooks } from './measurePair.ts';
import { pause } from './pause.ts';
import type { PerQuery } from './retrieval.ts';
import { QueryStatistics, type Statistic } from './statistics.ts';

/**
 * The figures of the queries that share one value of a metadata column, against the whole gallery, for every column
 * of the query set (metrics.md section 10). Intervals resample the queries of the value only.
 * Cost: a bootstrap of the queries for each column.
 * @param rows audited query rows; `measured` and `matched` (1 for queries with a match) are about them
 * @returns per column its values, largest loss of mAP first, those without a matched query last
 * @throws BackcompatError `cancelled`
 */
export async function sliceTables(
  queries: AuditItems,
  rows: Int32Array,
  measured: Pick<MeasuredPair, 'cells' | 'inequalities' | 'identical'>,
  matched: Float64Array,
  plan: BootstrapPlan,
  protocol: AuditProtocol,
  hooks: MeasureHooks,
): Promise<Report['slices']> {
  const columns: [string, SliceEntry[]][] = [];
  for (const [column, values] of queries.slices ?? []) {
    const members = new Map<string, number[]>();
    rows.forEach((row, query) => {
      const value = values[row] as string;
      const own = members.get(value);
      if (own === undefined) members.set(value, [query]);
      else own.push(query);
    });
    const entries: SliceEntry[] = [];
    for (const [value, own] of members) {
      await pause(hooks);
      entries.push(await sliceEntry(value, own, measured, matched, plan, protocol, hooks));
    }
    const loss = ({ criterion }: SliceEntry) => criterion.map?.difference ?? Number.POSITIVE_INFINITY;
    entries.sort((a, b) => (loss(a) === loss(b) ? 0 : loss(a) < loss(b) ? -1 : 1));
    columns.push([column, entries]);
  }
  // Not by assignment: a column may be called "__proto__".
  return Object.fromEntries(columns);
}

async function sliceEntry(
  value: string,
  own: readonly number[],
  { cells, inequalities, identical }: Pick<MeasuredPair, 'cells' | 'inequalities' | 'identical'>,
  allMatched: Float64Array,
  plan: BootstrapPlan,
  protocol: AuditProtocol,
  hooks: MeasureHooks,
): Promise<SliceEntry> {
  const matched = Float64Array.from(own, (query) => allMatched[query] as number);
  const statistics = new QueryStatistics({
    ...plan,
    queries: own.length,
    classOf: Int32Array.from(own, (query) => plan.classOf[query] as number),
  });
  const register = (name: CellName) => {
    const cell = cells.get(name);
    return cell && registerCell(statistics, ofQueries(cell, own), matched, protocol.ks);
  };
  const [oldOld, newOld, newNew] = [register('oldOld'), register('newOld'), register('newNew')];
  const entry = {
    value,
    queries: own.length,
    positiveRate: strictRate(inequalities.positive, own),
    negativeRate: strictRate(inequalities.negative, own),
  };
  if (!matched.includes(1) || oldOld === undefined || newOld === undefined) {
    return { ...entry, criterion: {}, newNew: null, negativeFlipRate: null };
  }
  const [before, after] = [hitsAt(oldOld.perQuery, 1), hitsAt(newOld.perQuery, 1)];
  const turned = before.map((hit, query) => (hit === 1 && after[query] === 0 ? 1 : 0));
  const negativeFlips = statistics.mean(turned, matched);
  await statistics.resample(hooks);
  const upgraded =
    newNew && [...newNew.metrics].map(([name, id]) => [name, statistics.value(id as Statistic)] as const);
  return {
    ...entry,
    criterion: criterionTable({ statistics, oldOld, newOld, matched, identical }, protocol),
    newNew: upgraded ? (Object.fromEntries(upgraded) as Partial<Record<MetricName, number>>) : null,
    negativeFlipRate: statistics.value(negativeFlips),
  };
}

function ofQueries(cell: PerQuery, own: readonly number[]): PerQuery {
  const whole = (values: Int32Array) => Int32Array.from(own, (query) => values[query] as number);
  const real = (values: Float64Array) => Float64Array.from(own, (query) => values[query] as number);
  return {
    ...cell,
    firstMatchRank: whole(cell.firstMatchRank),
    nearest: whole(cell.nearest),
    averagePrecision: real(cell.averagePrecision),
    mapAtR: real(cell.mapAtR),
    rPrecision: real(cell.rPrecision),
  };
}

/** Violations over pairs of some queries at the first tolerance; null without pairs. */
function strictRate({ pairs, violations }: SignedSums, own: readonly number[]): number | null {
  const total = (values: Float64Array) => own.reduce((sum, query) => sum + (values[query] as number), 0);
  const count = total(pairs);
  return count === 0 ? null : total(violations[0] as Float64Array) / count;
}
