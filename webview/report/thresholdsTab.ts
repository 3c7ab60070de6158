/** Thresholds: what the old system's limit does to new queries, where it would have to lie, and what that changes. */
import { thresholdWords } from '../../src/core/contract/findings.ts';
import { cellLabels, interval, number, percent } from '../../src/core/contract/format.ts';
import {
  type CellName,
  type ConsequentialViolations,
  cellNames,
  type ThresholdTransfer,
} from '../../src/core/contract/report.ts';
import {
  consequentialTitle,
  farText,
  operatingTransfer,
  perThousand,
  rocTitle,
  thresholdOf,
  thresholdsSentence,
  transferState,
  transferTitle,
  whyNoThresholds,
} from '../../src/core/contract/thresholdFindings.ts';
import { pngOf } from '../charts/chart.ts';
import { dashOf, lineChart, type Series } from '../charts/lineChart.ts';
import { axisHead } from '../components/axis.ts';
import { dataTable } from '../components/dataTable.ts';
import { h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import { dot, estimate, rowPlot, track, vertical } from '../components/rowMarks.ts';
import { type Scale, tickLabel } from '../components/scale.ts';
import type { PageContext } from './pageContext.ts';
import { columns, emptyState, finding, guarded, stateMark, titled } from './parts.ts';
import { rocLabel } from './titles.ts';

const WHAT_IT_IS =
  'A service that compares two items takes them for the same when their distance is at most a threshold. ' +
  'FAR, the false accept rate, is the share of different-class pairs it accepts by mistake; TAR, the true accept rate, the share of same-class pairs it accepts.';

export function thresholdsTab(context: PageContext): HTMLElement {
  const { report } = context;
  if (!report.verification)
    return h(
      'div',
      {},
      finding([{ text: 'Thresholds were not measured', strong: true }, { text: '.' }]),
      emptyState(whyNoThresholds(report)),
    );
  const { newNew } = report.verification.transfer;
  return h(
    'div',
    {},
    finding(thresholdsSentence(report)),
    h('p', { class: 'caption lead' }, WHAT_IT_IS),
    guarded('Old thresholds on the old gallery', () => transferSection(context, 'newOld')),
    columns(
      'even',
      guarded('ROC', () => rocSection(context)),
      guarded('Decisions that change', () => consequentialSection(context)),
    ),
    newNew !== null &&
      newNew.length > 0 &&
      guarded('Old thresholds after a full backfill', () => transferSection(context, 'newNew')),
  );
}

const unit: Scale = { low: 0, high: 1, ticks: [0, 0.5, 1] };

function transferSection({ report, tools }: PageContext, cell: 'newOld' | 'newNew'): HTMLElement {
  const rows = report.verification?.transfer[cell] ?? [];
  const oldTar = (row: ThresholdTransfer) => thresholdOf(report, 'oldOld', row.far)?.tar ?? null;
  const operating = operatingTransfer(report)?.far;
  const table = dataTable<ThresholdTransfer>({
    name: cell === 'newOld' ? 'thresholds' : 'thresholds after a full backfill',
    rows,
    rowHeight: 44,
    tools,
    className: 'thresholds-table',
    columns: [
      {
        title: 'FAR',
        width: '4.6em',
        value: (row) => row.far,
        cell: (row) =>
          row.far === operating
            ? [h('strong', {}, farText(row.far)), h('div', { class: 'second-line' }, 'decides')]
            : farText(row.far),
      },
      {
        title: 'Threshold',
        kind: 'number',
        width: '6.4em',
        value: (row) => row.oldThreshold,
        cell: (row) => number(row.oldThreshold),
      },
      {
        title: 'FAR there',
        kind: 'number',
        width: '6em',
        folds: true,
        value: (row) => row.farAtOldThreshold,
        cell: (row) => number(row.farAtOldThreshold),
      },
      {
        title: 'TAR old',
        kind: 'number',
        width: '5.4em',
        folds: true,
        value: oldTar,
        cell: (row) => h('span', { class: 'quiet' }, number(oldTar(row))),
      },
      {
        title: 'TAR there',
        kind: 'number',
        width: '8.2em',
        value: (row) => row.tarAtOldThreshold,
        copies: [
          { title: 'Low', value: (row) => row.tarInterval?.[0] ?? null },
          { title: 'High', value: (row) => row.tarInterval?.[1] ?? null },
        ],
        cell: (row) => [
          number(row.tarAtOldThreshold),
          row.tarInterval ? h('div', { class: 'second-line interval-text' }, interval(row.tarInterval)) : null,
        ],
      },
      {
        title: '',
        kind: 'plot',
        folds: 'late',
        head: axisHead(unit, tickLabel),
        cell: (row) => tarPlot(row, oldTar(row)),
      },
      {
        title: 'TAR moved',
        kind: 'number',
        width: '7em',
        folds: 'late',
        value: (row) => row.tarAtRestoringThreshold,
        cell: (row) => number(row.tarAtRestoringThreshold),
      },
      {
        title: 'Moved to',
        kind: 'number',
        width: '5.6em',
        value: (row) => row.restoringThreshold,
        cell: (row) => number(row.restoringThreshold),
      },
      {
        title: 'State',
        kind: 'state',
        width: '8.6em',
        value: (row) => transferState(row, oldTar(row)),
        cell: (row) => {
          const state = transferState(row, oldTar(row));
          return stateMark(state === null ? { word: 'not measured', tone: 'absent' } : thresholdWords[state]);
        },
      },
    ],
  });
  return figure(tools, {
    title: transferTitle(report, cell),
    aside: cell === 'newOld' ? null : 'after a full backfill',
    caption:
      'A row a false accept rate, with the old system\u2019s threshold for it. There: new queries at that threshold, upright with its interval. Dashed: old queries at it. Circle: new queries at the threshold that gives them the FAR of the row.',
    fileName: cell === 'newOld' ? 'thresholds' : 'thresholds-after-backfill',
    items: rows.length > 0 ? table.items : [],
    body: [table.element],
  });
}

function tarPlot(row: ThresholdTransfer, oldTar: number | null): Node {
  const { tarAtOldThreshold: there, tarAtRestoringThreshold: moved, tarInterval } = row;
  return titled(
    `TAR ${number(there)} ${interval(tarInterval)} at the old threshold, ${number(moved)} moved, ${number(oldTar)} of the old model`,
    rowPlot(
      null,
      ...[0, 0.25, 0.5, 0.75, 1].map((at) => vertical(at, unit, 'grid')),
      oldTar === null ? null : vertical(oldTar, unit, 'floor'),
      there === null || moved === null ? null : track(there, moved, unit, 'track ink-accent'),
      ...estimate(there, tarInterval, unit),
      moved === null ? null : dot(moved, unit, false, 'ink-accent'),
    ),
  );
}

/** `.0001` as `0.01 %`: the axis is of powers of ten. */
const powerWords = (power: number) => farText(10 ** power);

function rocSection({ report, tools }: PageContext): HTMLElement {
  const roc = report.curves.roc ?? {};
  const cells = cellNames.filter((cell) => (roc[cell]?.far.length ?? 0) > 1);
  if (cells.length === 0)
    return figure(tools, {
      title: rocTitle(report),
      body: [h('p', { class: 'nothing-here' }, 'This report has no curves.')],
    });
  const rates = report.verification?.far ?? [];
  // From the smallest rate of the table on: left of it single pairs decide.
  const low = Math.log10(Math.min(...(rates.length > 0 ? rates : [1e-4])));
  const series: Series[] = cells.map((cell) => {
    const curve = roc[cell] ?? { far: [], tar: [] };
    const points = curve.far.flatMap((far, index) =>
      far >= 10 ** low * (1 - 1e-9) ? [{ x: Math.log10(far), y: curve.tar[index] ?? 0 }] : [],
    );
    const marks = rates.flatMap((far) => {
      const tar = thresholdOf(report, cell, far)?.tar ?? null;
      return tar === null ? [] : [{ x: Math.log10(far), y: tar }];
    });
    return { label: cellLabels[cell], look: dashOf(cell), points, marks };
  });
  const { operatingFar } = report.protocol;
  const chart = lineChart({
    label: rocLabel(report),
    height: 280,
    x: {
      low,
      high: 0,
      ticks: Array.from({ length: 1 - Math.ceil(low - 1e-9) }, (_, index) => Math.ceil(low - 1e-9) + index),
      tickWords: powerWords,
      title: 'false accept rate',
    },
    y: { low: 0, high: 1, ticks: [0, 0.25, 0.5, 0.75, 1] },
    series,
    uprights: operatingFar >= 10 ** low ? [{ x: Math.log10(operatingFar), label: '', colour: 'secondary' }] : [],
    labels: 'beside',
    xWords: (power) => `false accept rate ${percent(10 ** power, 4)}`,
    yWords: (tar) => `${percent(tar)} of same-class pairs accepted`,
  });
  return figure(tools, {
    title: rocTitle(report),
    caption:
      'Share of same-class pairs accepted (TAR) against false accept rate, each cell with thresholds of its own; higher is better. Marks: the rates of the table, dashed: the one that decides.',
    fileName: 'roc',
    body: [chart.element],
    png: () => pngOf([chart]),
    twin: () => ({
      head: ['Cell', 'FAR', 'TAR'],
      rows: cells.flatMap((cell: CellName) =>
        (roc[cell]?.far ?? []).map((far, index) => [cellLabels[cell], far, roc[cell]?.tar[index] ?? null]),
      ),
    }),
  });
}

type ConsequentialKey = Exclude<keyof ConsequentialViolations, 'far'>;

const decisions: readonly { key: ConsequentialKey; name: string; what: string; pairs: string }[] = [
  { key: 'newFalseRejects', name: 'New false rejects', what: 'accepted before, refused now', pairs: 'Same class' },
  {
    key: 'mendedFalseRejects',
    name: 'Mended false rejects',
    what: 'refused before, accepted now',
    pairs: 'Same class',
  },
  { key: 'newFalseAccepts', name: 'New false accepts', what: 'refused before, accepted now', pairs: 'Different class' },
  {
    key: 'mendedFalseAccepts',
    name: 'Mended false accepts',
    what: 'accepted before, refused now',
    pairs: 'Different class',
  },
];

function consequentialSection({ report, tools }: PageContext): HTMLElement {
  const found = report.verification?.consequential ?? [];
  if (found.length === 0)
    return figure(tools, {
      title: 'Decisions that change',
      body: [h('p', { class: 'nothing-here' }, 'No decision was counted.')],
    });
  const table = dataTable<(typeof decisions)[number]>({
    name: 'decisions',
    rows: decisions,
    rowHeight: 44,
    tools,
    className: 'decisions-table',
    columns: [
      {
        title: 'Of 1,000 pairs, at FAR',
        copies: [{ title: 'Decision', value: (row) => row.name }],
        cell: (row) => [
          h('div', {}, row.name),
          h('div', { class: 'second-line' }, `${row.pairs.toLowerCase()}: ${row.what}`),
        ],
      },
      ...found.map((entry) => ({
        title: farText(entry.far),
        kind: 'number' as const,
        width: '4.6em',
        copies: [{ title: `Share at FAR ${entry.far}`, value: (row: (typeof decisions)[number]) => entry[row.key] }],
        cell: (row: (typeof decisions)[number]) =>
          h('span', { class: row.key.startsWith('new') ? '' : 'quiet' }, perThousand(entry[row.key])),
      })),
    ],
  });
  return figure(tools, {
    title: consequentialTitle(report),
    caption:
      'Pairs on which old and new queries are told apart otherwise, with the old threshold: what users would notice of the violated inequalities.',
    fileName: 'decisions',
    items: table.items,
    body: [table.element],
  });
}
