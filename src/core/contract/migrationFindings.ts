/** Sentences about the way from one model to the next: partial backfill, versions, and how far neighbours agree. */
import { counted, metricLabel, number, percent } from './format.ts';
import { shareOfGallery } from './remedyFindings.ts';
import { type BackfillOrder, type BackfillSummary, backfillOrders, type MetricName, type Report } from './report.ts';

export const backfillOrderWords: Readonly<Record<BackfillOrder, { name: string; what: string }>> = {
  random: { name: 'Random', what: 'in random order' },
  displacement: { name: 'Most displaced first', what: 'largest distance between old and new vector first' },
  outliers: { name: 'Outliers first', what: 'farthest from its class mean first' },
};

/** Summaries of the orders that have one, for a metric. */
export function backfillSummaries(
  report: Report,
  metric: MetricName,
): { order: BackfillOrder; summary: BackfillSummary }[] {
  return backfillOrders.flatMap((order) => {
    const summary = report.backfillSummary?.[order]?.[metric];
    return summary ? [{ order, summary }] : [];
  });
}

/** ", over 500 queries"; empty in reports that do not say it. */
export function backfillQueriesWords({ backfillQueries }: Report): string {
  return backfillQueries ? `, over ${counted(backfillQueries, 'query', 'queries')}` : '';
}

/** "Re-embedding 30 % of the gallery, most displaced first, reaches the old model's mAP". */
export function backfillTitle(report: Report): string {
  const { metric } = report.verdict;
  const label = metricLabel(metric);
  const all = backfillSummaries(report, metric);
  if (all.length === 0) return `${label} by the share of the gallery that is re-embedded`;
  const reach = ({ summary }: (typeof all)[number]) => summary.reachesOldOld ?? Number.POSITIVE_INFINITY;
  const best = all.reduce((a, b) =>
    reach(b) < reach(a) || (reach(b) === reach(a) && b.summary.area > a.summary.area) ? b : a,
  );
  const first = report.backfill?.[best.order]?.[0]?.[metric];
  const { worst, reachesOldOld } = best.summary;
  // A gallery of two kinds of vectors may rank worse than either.
  const dip = first !== undefined && worst.share > 0 && worst.value < first - 0.005;
  const dips = dip ? `; on the way it falls to ${number(worst.value)}` : '';
  if (reachesOldOld === null) return `Even a full backfill does not reach the old model's ${label}${dips}`;
  if (reachesOldOld === 0) return `No backfill is needed to reach the old model's ${label}${dips}`;
  const alike = all.every((entry) => entry.summary.reachesOldOld === reachesOldOld);
  const order = alike || reachesOldOld >= 1 ? '' : `, ${backfillOrderWords[best.order].name.toLowerCase()},`;
  return `Re-embedding ${shareOfGallery(reachesOldOld)}${order} reaches the old model's ${label}${dips}`;
}

/** "Two of three newer models search an older gallery better than its own model". */
export function matrixTitle(report: Report): string {
  const { matrix } = report;
  if (!matrix) return 'No versions were compared';
  const pairs = (matrix.versions.length * (matrix.versions.length - 1)) / 2;
  if (matrix.ac === null || pairs === 0)
    return `${counted(matrix.versions.length, 'version')}, each on every older gallery`;
  const better = Math.round(matrix.ac * pairs);
  if (better === pairs) return 'Every newer model ranks better on every older gallery than its own model did';
  if (better === 0) return 'No newer model ranks better on an older gallery than its own model did';
  return `On ${better} of ${pairs} older galleries a newer model ranks better than the gallery's own`;
}

/** The four figures of the triangle in words (metrics.md section 8). */
export const matrixFigures: readonly { key: 'ac' | 'am' | 'bc' | 'fc'; name: string; what: string }[] = [
  { key: 'ac', name: 'AC', what: 'share of newer models on older galleries that beat the gallery\u2019s own model' },
  { key: 'am', name: 'AM', what: 'mean of the whole triangle' },
  { key: 'bc', name: 'BC', what: 'what the newest model gains on old galleries over their own models' },
  { key: 'fc', name: 'FC', what: 'what a gallery one version behind costs' },
];

/** "Of the 10 nearest, 34 % are the same as before". */
export function agreementTitle(report: Report): string {
  const rows = report.agreement?.neighbourOverlap ?? [];
  const row = rows.find((entry) => entry.k === 10) ?? rows[0];
  const value = row?.newOld?.value ?? row?.newNew?.value;
  if (!row || value === undefined) return 'How far neighbours agree was not measured';
  const where = row.newOld ? 'new queries on the old gallery' : 'new queries on a new gallery';
  return row.k === 1
    ? `For ${where} ${percent(value)} of nearest items are those of old queries`
    : `Of the ${row.k} nearest items of ${where}, ${percent(value)} are those of old queries`;
}

/** "By scanner: 2 of 3 values rank better, 1 undecided". */
export function slicesTitle(report: Report, column: string): string {
  const { metric } = report.verdict;
  const states = (report.slices[column] ?? []).flatMap((entry) => entry.criterion[metric]?.state ?? []);
  const having = (state: string) => states.filter((other) => other === state).length;
  const total = states.length;
  if (total === 0) return `By ${column}: nothing was measured`;
  const named = [
    [having('incompatible'), 'worse'],
    [having('compatible'), 'better'],
    [having('within-margin'), 'within the margin'],
  ] as const;
  const all = named.find(([count]) => count === total);
  if (all) return `By ${column}: ${total === 1 ? 'the one value ranks' : `all ${total} values rank`} ${all[1]}`;
  const some = named.filter(([count]) => count > 0);
  const open = having('undecided');
  if (some.length === 0)
    return `By ${column}: ${total === 1 ? 'the one value is' : `all ${total} values are`} undecided`;
  const said = some.map(([count, word], index) =>
    index === 0 ? `${count} of ${total} values ${count === 1 ? 'ranks' : 'rank'} ${word}` : `${count} ${word}`,
  );
  return `By ${column}: ${[...said, ...(open > 0 ? [`${open} undecided`] : [])].join(', ')}`;
}
