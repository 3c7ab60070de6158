import { count, metricLabel, percent } from '../../contract/format.ts';
import {
  type BackfillOrder,
  backfillOrders,
  type MetricName,
  type Remedy,
  type Report,
} from '../../contract/report.ts';

const orderWords: Readonly<Record<BackfillOrder, string>> = {
  random: 'in any order',
  displacement: 'those first whose vectors move most',
  outliers: 'those first that lie farthest from their class',
};

/**
 * Re-embedding a part of the gallery: the smallest measured share, over all orders, that reaches the old model's
 * figure; the whole gallery where none does.
 * @returns null where the curve was not measured for the metric, or nothing has to be re-embedded
 */
export function backfillRemedy(
  figures: Pick<Report, 'backfill' | 'backfillSummary'>,
  metric: MetricName,
  gallery: number,
): Remedy | null {
  const { backfill, backfillSummary } = figures;
  if (!backfill || !backfillSummary) return null;
  const reached = backfillOrders.flatMap((order) => {
    const share = backfillSummary[order]?.[metric]?.reachesOldOld ?? null;
    return share === null ? [] : [{ order, share }];
  });
  reached.sort((a, b) => a.share - b.share);
  const best = reached[0] ?? { order: 'random' as const, share: 1 };
  if (best.share === 0) return null;
  const point = backfill[best.order]?.find(({ share }) => share === best.share);
  const value = point?.[metric];
  if (value === undefined) return null;
  const map = point?.map;
  const order = best.share < 1 ? `, ${orderWords[best.order]}` : '';
  return {
    method: 'backfill',
    estimated: {
      [metric]: { value, interval: null },
      ...(map === undefined ? {} : { map: { value: map, interval: null } }),
    },
    basis:
      reached.length > 0
        ? `first share of the partial backfill that reaches the old model's ${metricLabel(metric)}`
        : `full backfill: no share of the gallery reaches the old model's ${metricLabel(metric)}`,
    cost: `${percent(best.share)} of the gallery (${count(Math.ceil(best.share * gallery))} items) embedded again${order}`,
    reachesCriterion: reached.length > 0,
  };
}
