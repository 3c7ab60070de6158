/** Remedies: what each would bring on this data, beside the pair as it is and a full backfill. */
import { cellLabels, interval, metricLabel, number, percent } from '../../src/core/contract/format.ts';
import { remediesTitle, remedyName, remedyWords } from '../../src/core/contract/remedyFindings.ts';
import type { Cell, Estimate, MetricName, Report } from '../../src/core/contract/report.ts';
import { farText, operatingTransfer, thresholdOf } from '../../src/core/contract/thresholdFindings.ts';
import { axisHead } from '../components/axis.ts';
import { dataTable } from '../components/dataTable.ts';
import { dataNode, h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import { estimate, rowPlot, vertical } from '../components/rowMarks.ts';
import { niceScale, tickLabel } from '../components/scale.ts';
import type { PageContext } from './pageContext.ts';
import { stateMark, titled } from './parts.ts';

interface Row {
  name: string;
  what: string;
  cost: string;
  basis: string;
  value: Estimate | null;
  first: Estimate | null;
  positiveRate: Estimate | null;
  tar: Estimate | null;
  reaches: boolean | null;
  /** A state that was measured, no remedy. */
  reference: boolean;
}

function rowsOf(report: Report, metric: MetricName): Row[] {
  const transfer = operatingTransfer(report);
  const measured = (cell: Cell | null, rest: Pick<Row, 'name' | 'what' | 'tar' | 'positiveRate'>): Row[] =>
    cell?.[metric] === undefined
      ? []
      : [
          {
            ...rest,
            cost: '',
            basis: 'measured',
            value: cell[metric] ?? null,
            first: cell['cmc@1'] ?? null,
            reaches: null,
            reference: true,
          },
        ];
  const strict = report.inequalities.positive.byEpsilon[0];
  const estimateOf = (value: number | null | undefined, ends: Estimate['interval'] | undefined): Estimate | null =>
    typeof value === 'number' ? { value, interval: ends ?? null } : null;
  const restored = transfer && report.verification?.transfer.newNew?.find((row) => row.far === transfer.far);
  return [
    ...measured(report.retrieval.newOld, {
      name: 'As it is',
      what: 'New queries on the old gallery at the old threshold.',
      positiveRate: estimateOf(strict?.rate, strict?.interval),
      tar: estimateOf(transfer?.tarAtOldThreshold, transfer?.tarInterval),
    }),
    ...report.remedies.map(({ method, estimated, basis, cost, reachesCriterion }) => ({
      name: remedyName(method),
      what: Object.hasOwn(remedyWords, method) ? remedyWords[method].what : '',
      cost,
      basis,
      value: estimated[metric] ?? null,
      first: estimated['cmc@1'] ?? null,
      positiveRate: estimated.positiveRate ?? null,
      tar: estimated.tar ?? null,
      reaches: reachesCriterion,
      reference: false,
    })),
    ...measured(report.retrieval.newNew, {
      name: 'Full backfill',
      what: 'The whole gallery is embedded again; the threshold moves with it.',
      positiveRate: null,
      tar: estimateOf(restored?.tarAtRestoringThreshold, null),
    }),
  ];
}

export function remediesSection({ report, tools }: PageContext): HTMLElement {
  const { metric } = report.verdict;
  const label = metricLabel(metric);
  const rows = rowsOf(report, metric);
  const old = report.retrieval.oldOld[metric]?.value ?? null;
  const scale = niceScale([old, ...rows.flatMap((row) => [row.value?.value, ...(row.value?.interval ?? [])])], 5);
  const oldAt = old === null ? [] : [{ at: old, text: `old ${number(old)}` }];
  const farFromOld = (tick: number) => old === null || Math.abs(tick - old) > (scale.high - scale.low) * 0.4;
  const axis = axisHead(scale, tickLabel, [
    ...scale.ticks.filter(farFromOld).map((tick) => ({ at: tick, text: tickLabel(tick) })),
    ...oldAt,
  ]);
  const withInterval = (found: Estimate | null) =>
    found === null
      ? h('span', { class: 'quiet' }, '\u2013')
      : [
          number(found.value),
          found.interval ? h('div', { class: 'second-line interval-text' }, interval(found.interval)) : null,
        ];
  const far = operatingTransfer(report)?.far ?? report.protocol.operatingFar;
  const oldTar = thresholdOf(report, 'oldOld', far)?.tar ?? null;
  const table = dataTable<Row>({
    name: 'remedies',
    rows,
    rowHeight: 44,
    tools,
    className: 'remedies-table',
    columns: [
      {
        title: 'Remedy',
        width: '31%',
        copies: [
          { title: 'Remedy', value: (row) => row.name },
          { title: 'Cost', value: (row) => row.cost },
          { title: 'Basis', value: (row) => row.basis },
        ],
        cell: (row) => [
          row.reference ? h('div', {}, row.name) : h('strong', {}, row.name),
          h('div', { class: 'second-line' }, row.what),
          row.cost !== '' && h('div', { class: 'second-line remedy-cost' }, 'Costs: ', sentenceOf(row.cost)),
        ],
      },
      {
        title: label,
        kind: 'number',
        width: '8.2em',
        copies: estimateCopies(label, (row) => row.value),
        cell: (row) => withInterval(row.value),
      },
      {
        title: '',
        kind: 'plot',
        head: axis,
        cell: (row) =>
          titled(
            `${row.name}: ${label} ${number(row.value?.value)} ${interval(row.value?.interval)}`,
            rowPlot(
              null,
              ...scale.ticks.map((tick) => vertical(tick, scale, 'grid')),
              old === null ? null : vertical(old, scale, 'floor'),
              ...estimate(row.value?.value, row.value?.interval, scale, row.reference ? 'ink-plain' : 'ink-accent'),
            ),
          ),
      },
      {
        title: 'CMC@1',
        kind: 'number',
        width: '4.8em',
        folds: true,
        copies: estimateCopies('CMC@1', (row) => row.first),
        cell: (row) => number(row.first?.value),
      },
      {
        title: 'Grew',
        kind: 'number',
        width: '4.6em',
        folds: true,
        copies: estimateCopies('Same class violated', (row) => row.positiveRate),
        cell: (row) => number(row.positiveRate?.value),
      },
      {
        title: 'TAR',
        kind: 'number',
        width: '4.4em',
        copies: estimateCopies('TAR', (row) => row.tar),
        cell: (row) => h('span', { title: interval(row.tar?.interval) }, number(row.tar?.value)),
      },
      {
        title: 'Basis',
        width: '19%',
        folds: true,
        cell: (row) => h('div', { class: 'second-line basis' }, sentenceOf(row.basis)),
      },
      {
        title: 'Beats old',
        kind: 'state',
        width: '7em',
        copies: [
          {
            title: 'Ranks better than the old model',
            value: (row) => (row.reaches === null ? null : String(row.reaches)),
          },
        ],
        cell: (row) =>
          row.reaches === null
            ? ''
            : stateMark(row.reaches ? { word: 'yes', tone: 'good' } : { word: 'no', tone: 'bad' }),
      },
    ],
  });
  const tar =
    oldTar === null
      ? ''
      : ` TAR: share of same-class pairs accepted at FAR ${farText(far)}, of the old model ${number(oldTar)}.`;
  return figure(tools, {
    title: remediesTitle(report),
    caption: `Estimates on your data, cheapest first. Dashed: ${cellLabels.oldOld}, what has to be beaten; bar: ${percent(report.protocol.bootstrap.confidence)} interval. Grew: share of same-class distances that grew, however little. A dash: not measured, or the remedy does not change it.${tar}`,
    fileName: 'remedies',
    items: table.items,
    body: [table.element],
  });
}

function estimateCopies(title: string, of: (row: Row) => Estimate | null) {
  return [
    { title, value: (row: Row) => of(row)?.value ?? null },
    { title: `${title} low`, value: (row: Row) => of(row)?.interval?.[0] ?? null },
    { title: `${title} high`, value: (row: Row) => of(row)?.interval?.[1] ?? null },
  ];
}

/** Names of the user's data may stand in these sentences. */
function sentenceOf(text: string): HTMLElement {
  return dataNode(text, 'wraps');
}
