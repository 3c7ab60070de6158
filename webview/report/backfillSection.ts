/** Partial backfill: what the gallery is worth while it is being re-embedded. */
import { metricLabel, number, percent } from '../../src/core/contract/format.ts';
import {
  backfillOrderWords,
  backfillQueriesWords,
  backfillSummaries,
  backfillTitle,
} from '../../src/core/contract/migrationFindings.ts';
import {
  type BackfillOrder,
  type BackfillSummary,
  backfillOrders,
  type Report,
} from '../../src/core/contract/report.ts';
import { pngOf } from '../charts/chart.ts';
import { dashOf, lineChart, type Series } from '../charts/lineChart.ts';
import { cellLooks, lineKey } from '../components/cellLook.ts';
import { dataTable } from '../components/dataTable.ts';
import { h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import { niceScale } from '../components/scale.ts';
import type { PageContext } from './pageContext.ts';
import { columns } from './parts.ts';
import { backfillLabel } from './titles.ts';

const looks: Readonly<Record<BackfillOrder, Series['look']>> = {
  random: { colour: 'accent', width: 1.5, dash: [1.5, 3], point: 'filled' },
  displacement: { colour: 'accent', width: 2.5, dash: [], point: 'filled' },
  outliers: { colour: 'accent', width: 1.5, dash: [7, 3], point: 'filled' },
};

export function backfillSection({ report, tools }: PageContext): HTMLElement {
  const { backfill } = report;
  const { metric } = report.verdict;
  const orders = backfillOrders.filter((order) => (backfill?.[order]?.length ?? 0) > 1);
  if (orders.length === 0)
    return figure(tools, {
      title: 'Partial backfill was not measured',
      body: [h('p', { class: 'nothing-here' }, 'It needs new vectors of the gallery.')],
    });
  const label = metricLabel(metric);
  const points = (order: BackfillOrder) =>
    (backfill?.[order] ?? []).flatMap((point) => {
      const y = point[metric];
      return y === undefined ? [] : [{ x: point.share, y }];
    });
  const curves: Series[] = orders.map((order) => ({
    label: backfillOrderWords[order].name.toLowerCase(),
    look: looks[order],
    points: points(order),
  }));
  const ends: Series[] = (['oldOld', 'newNew'] as const).flatMap((cell) => {
    const y = report.retrieval[cell]?.[metric]?.value;
    return y === undefined
      ? []
      : [{ label: cellLooks[cell].label, look: dashOf(cell), points: [0, 1].map((x) => ({ x, y })) }];
  });
  const heights = [...curves, ...ends].flatMap((series) => series.points.map((point) => point.y));
  const y = niceScale(heights, 6);
  const chart = lineChart({
    label: backfillLabel(report),
    height: 260,
    x: {
      low: 0,
      high: 1,
      ticks: [0, 0.25, 0.5, 0.75, 1],
      tickWords: (share) => percent(share, 0),
      title: 'share of the gallery re-embedded',
    },
    y: { low: Math.max(0, y.low), high: Math.min(1, y.high), ticks: y.ticks.filter((tick) => tick >= 0 && tick <= 1) },
    series: [...ends, ...curves],
    labels: 'beside',
    xWords: (share) => `${percent(share)} re-embedded`,
  });
  return columns(
    'wide-left',
    figure(tools, {
      title: backfillTitle(report),
      caption: `${label} of new queries while a growing share of the gallery holds new vectors and the rest old ones; by what is re-embedded first. At 0 % new/old, at 100 % new/new${backfillQueriesWords(report)}.`,
      fileName: 'partial-backfill',
      body: [chart.element],
      png: () => pngOf([chart]),
      twin: () => ({
        head: ['Share', ...orders.map((order) => `${label}, ${backfillOrderWords[order].name.toLowerCase()}`)],
        rows: (backfill?.[orders[0] as BackfillOrder] ?? []).map((point, index) => [
          point.share,
          ...orders.map((order) => backfill?.[order]?.[index]?.[metric] ?? null),
        ]),
      }),
    }),
    orderTable({ report, tools }),
  );
}

function orderTable({ report, tools }: Pick<PageContext, 'report' | 'tools'>): HTMLElement {
  const { metric } = report.verdict;
  const rows = backfillSummaries(report, metric);
  type Row = { order: BackfillOrder; summary: BackfillSummary };
  const reached = (share: number | null) => (share === null ? 'never' : percent(share));
  const table = dataTable<Row>({
    name: 'backfill orders',
    rows,
    rowHeight: 44,
    tools,
    className: 'orders-table',
    empty: 'This report has no summary of the curves.',
    columns: [
      {
        title: 'Order',
        copies: [{ title: 'Order', value: ({ order }) => backfillOrderWords[order].name }],
        cell: ({ order }) => [
          h('div', { class: 'keyed' }, lineKey(looks[order]), backfillOrderWords[order].name),
          h('div', { class: 'second-line' }, backfillOrderWords[order].what),
        ],
      },
      {
        title: 'Reaches old',
        kind: 'number',
        width: '7.4em',
        value: ({ summary }) => summary.reachesOldOld,
        cell: ({ summary }) => reached(summary.reachesOldOld),
      },
      {
        title: 'Reaches full',
        kind: 'number',
        width: '7.4em',
        value: ({ summary }) => summary.reachesNewNew,
        cell: ({ summary }) => reached(summary.reachesNewNew),
      },
      {
        title: 'Lowest',
        kind: 'number',
        width: '6em',
        value: ({ summary }) => summary.worst.value,
        copies: [
          { title: 'Lowest at', value: ({ summary }) => summary.worst.share },
          { title: 'Area', value: ({ summary }) => summary.area },
        ],
        cell: ({ summary }) => [
          number(summary.worst.value),
          h('div', { class: 'second-line' }, `at ${percent(summary.worst.share)}`),
        ],
      },
    ],
  });
  return figure(tools, {
    title: lowestTitle(report, rows),
    caption:
      'The first share that reaches the old model on its own gallery, and a full backfill; the lowest point on the way.',
    fileName: 'backfill-orders',
    items: rows.length > 0 ? table.items : [],
    body: [table.element],
  });
}

/** "Most displaced first is best on the way: mAP .841 on average". */
function lowestTitle(report: Report, rows: readonly { order: BackfillOrder; summary: BackfillSummary }[]): string {
  if (rows.length === 0) return 'Orders of the backfill';
  const best = rows.reduce((a, b) => (b.summary.area > a.summary.area ? b : a));
  const name = backfillOrderWords[best.order].name;
  return `${name} is best on the way: ${metricLabel(report.verdict.metric)} ${number(best.summary.area)} on average`;
}
