import type { AuditProtocol } from '../contract/protocol.ts';
import type { Cell, MetricName } from '../contract/report.ts';
import type { PerQuery } from './retrieval.ts';
import type { QueryStatistics, Statistic } from './statistics.ts';

/** A cell's metrics as registered figures of the common bootstrap. */
export interface RegisteredCell {
  perQuery: PerQuery;
  metrics: Map<MetricName, Statistic>;
}

/** Names of all retrieval metrics, in the order of the report. */
export function metricNames(ks: readonly number[]): MetricName[] {
  return [...ks.map((k) => `cmc@${k}` as const), 'map', 'map@r', 'rPrecision'];
}

/** The ks ascending, with that of the deciding metric: `cmc@20` decides only if it is measured. */
export function withDecidingK({ ks, criterionMetric }: Pick<AuditProtocol, 'ks' | 'criterionMetric'>): number[] {
  const deciding = criterionMetric.startsWith('cmc@') ? [Number(criterionMetric.slice(4))] : [];
  return [...new Set([...ks, ...deciding])].sort((a, b) => a - b);
}

/** 1 where one of the k nearest is of the query's class, else 0; shape [queries]. */
export function hitsAt(perQuery: PerQuery, k: number): Float64Array {
  return Float64Array.from(perQuery.firstMatchRank, (rank) => (rank >= 1 && rank <= k ? 1 : 0));
}

/** Registers the metrics of a cell over the queries whose `matched` is 1 (metrics.md section 3). */
export function registerCell(
  statistics: QueryStatistics,
  perQuery: PerQuery,
  matched: Float64Array,
  ks: readonly number[],
): RegisteredCell {
  const metrics = new Map<MetricName, Statistic>();
  for (const k of ks) metrics.set(`cmc@${k}`, statistics.mean(hitsAt(perQuery, k), matched));
  metrics.set('map', statistics.mean(perQuery.averagePrecision, matched));
  metrics.set('map@r', statistics.mean(perQuery.mapAtR, matched));
  metrics.set('rPrecision', statistics.mean(perQuery.rPrecision, matched));
  return { perQuery, metrics };
}

/** Values and intervals (metrics.md section 6). */
export function cellOf(statistics: QueryStatistics, { metrics }: RegisteredCell, matchedQueries: number): Cell {
  const cell: Cell = {};
  for (const [name, statistic] of metrics) {
    const value = statistics.value(statistic);
    if (value === null) continue;
    const interval = name.startsWith('cmc@')
      ? statistics.shareInterval(statistic, Math.round(value * matchedQueries), matchedQueries)
      : statistics.interval(statistic);
    cell[name] = { value, interval };
  }
  return cell;
}

/** Share of matched queries with a match among the k nearest, k = 1 ... length. */
export function cmcCurve(perQuery: PerQuery, matched: Float64Array, length: number): number[] {
  const firsts = new Float64Array(length + 1);
  let queries = 0;
  matched.forEach((inside, query) => {
    if (inside === 0) return;
    queries++;
    const rank = perQuery.firstMatchRank[query] as number;
    if (rank >= 1 && rank <= length) firsts[rank] = (firsts[rank] as number) + 1;
  });
  let hits = 0;
  return Array.from({ length }, (_, k) => {
    hits += firsts[k + 1] as number;
    return queries === 0 ? 0 : hits / queries;
  });
}
