/** The tables of a comparison: its reports, what differs, all key figures, flips. */
import type { ComparedDifference, ComparedFigure, ComparedReport } from '../../src/core/contract/comparison.ts';
import {
  CLARITY_NOTE,
  comparisonTitle,
  differenceText,
  differenceWords,
  flippedText,
  flipsOverlayTitle,
  momentsOf,
} from '../../src/core/contract/comparisonFindings.ts';
import { inequalityWords, rankingWords, type Tone, thresholdWords } from '../../src/core/contract/findings.ts';
import { interval, number, percent, signed } from '../../src/core/contract/format.ts';
import type { ComparePage } from '../../src/protocol/compare.ts';
import { axisHead } from '../components/axis.ts';
import { type Column, dataTable } from '../components/dataTable.ts';
import { dataNode, dataText, h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import { dot, estimate, intervalBar, rowPlot, track, vertical } from '../components/rowMarks.ts';
import { niceScale, type Scale, tickLabel } from '../components/scale.ts';
import type { Bridge } from '../report/bridge.ts';
import { stateMark, titled } from '../report/parts.ts';
import { modelsOf, reportKey } from './reportLook.ts';

const NOT_MEASURED = { word: 'not measured', tone: 'absent' as Tone };

interface ReportRow {
  report: ComparedReport;
  index: number;
  moment: string;
}

/** Which report is which, and their verdicts side by side. */
export function reportsFigure({ comparison }: ComparePage, bridge: Bridge): HTMLElement {
  const { reports } = comparison;
  const moments = momentsOf(reports);
  const state = (title: string, of: (report: ComparedReport) => { word: string; tone: Tone }): Column<ReportRow> => ({
    title,
    kind: 'state',
    width: '10.6em',
    value: ({ report }) => of(report).word,
    cell: ({ report }) => stateMark(of(report)),
  });
  const table = dataTable<ReportRow>({
    name: 'reports',
    rows: reports.map((report, index) => ({ report, index, moment: moments[index] ?? '' })),
    rowHeight: 44,
    tools: bridge,
    className: 'compared-reports',
    columns: [
      {
        title: '',
        width: '3.6em',
        copies: [{ title: 'Report', value: ({ report }) => report.key }],
        cell: ({ report, index }) => reportKey(report, index),
      },
      {
        title: 'Report',
        value: ({ report }) => `${report.old} \u2192 ${report.new}`,
        copies: [
          { title: 'Value', value: ({ report }) => report.label },
          { title: 'Pair', value: ({ report }) => report.pair },
          { title: 'Made', value: ({ report }) => report.created },
        ],
        cell: ({ report, index, moment }) => [
          h(
            'button',
            {
              class: 'link compared-name',
              type: 'button',
              title: `Open this report: ${dataText(report.summary)}`,
              on: { click: () => bridge.send({ type: 'openCompared', report: index }) },
            },
            modelsOf(report),
          ),
          h('div', { class: 'second-line compared-pair' }, dataNode(report.pair), ` · ${dataText(moment)}`),
        ],
      },
      state('Ranking', ({ states }) => rankingWords[states.ranking]),
      {
        ...state('Thresholds', ({ states }) =>
          states.thresholds === null ? NOT_MEASURED : thresholdWords[states.thresholds],
        ),
        folds: 'late',
      },
      {
        ...state('Inequalities', ({ states }) =>
          states.inequalities === null ? NOT_MEASURED : inequalityWords[states.inequalities],
        ),
        folds: 'late',
      },
    ],
  });
  return figure(bridge, {
    title: 'Verdicts side by side',
    caption: 'A is what the others are compared with. A name opens the report.',
    fileName: 'compared-reports',
    items: table.items,
    body: [table.element],
  });
}

/** Every difference of a key figure, the largest clear one on top. */
export function differencesFigure({ comparison }: ComparePage, bridge: Bridge): HTMLElement {
  const { differences, reports } = comparison;
  const ends = differences.flatMap((each) => [
    each.from,
    each.to,
    ...(each.fromInterval ?? []),
    ...(each.toInterval ?? []),
  ]);
  const scale = niceScale(ends, 4, [0, 1]);
  const grid = scale.ticks.map((tick) => vertical(tick, scale, 'grid'));
  const several = reports.length > 2;
  const keyOf = ({ report }: ComparedDifference) => reports[report]?.key ?? '';
  const table = dataTable<ComparedDifference>({
    name: 'differences',
    rows: differences,
    rowHeight: 44,
    tools: bridge,
    firstRows: 12,
    className: 'compared-differences',
    empty: 'No figure that both reports have differs.',
    columns: [
      {
        title: 'Figure',
        value: ({ title }) => title,
        copies: [{ title: 'Rule', value: ({ rule }) => rule }],
        cell: ({ title }) => h('span', { class: 'wraps' }, title),
      },
      {
        title: 'A',
        kind: 'number',
        value: ({ from }) => from,
        copies: intervalCopies('A', ({ fromInterval }) => fromInterval),
        cell: ({ from, fromInterval }) => withInterval(from, fromInterval),
      },
      {
        title: several ? 'Other' : 'B',
        kind: 'number',
        value: ({ to }) => to,
        copies: [
          { title: 'Report', value: keyOf },
          ...intervalCopies('Other', ({ toInterval }: ComparedDifference) => toInterval),
        ],
        cell: (row) => [
          several && h('strong', { class: 'compared-letter' }, keyOf(row)),
          ...withInterval(row.to, row.toInterval),
        ],
      },
      {
        title: 'Change',
        kind: 'number',
        value: ({ change }) => change,
        cell: ({ change, clarity }) => h(clarity === 'clear' ? 'strong' : 'span', {}, signed(change)),
      },
      {
        title: '',
        kind: 'plot',
        head: axisHead(scale, tickLabel),
        cell: (row) => titled(differenceText(row), dumbbell(row, scale, grid)),
      },
      {
        title: 'Judgement',
        kind: 'state',
        width: '9.2em',
        value: (row) => differenceWords(row).word,
        cell: (row) => stateMark(differenceWords(row)),
      },
    ],
  });
  return figure(bridge, {
    title: comparisonTitle(comparison),
    caption: `${CLARITY_NOTE} Hollow: A, filled: the other, bars: their intervals.`,
    fileName: 'differences',
    items: differences.length > 0 ? table.items : [],
    body: [table.element],
  });
}

function withInterval(value: number | null, ends: ComparedDifference['fromInterval']) {
  return [number(value), ends === null ? null : h('div', { class: 'second-line interval-text' }, interval(ends))];
}

function intervalCopies<Row>(name: string, of: (row: Row) => ComparedDifference['fromInterval']) {
  return [
    { title: `${name} low`, value: (row: Row) => of(row)?.[0] ?? null },
    { title: `${name} high`, value: (row: Row) => of(row)?.[1] ?? null },
  ];
}

function dumbbell(row: ComparedDifference, scale: Scale, grid: readonly SVGElement[]): SVGSVGElement {
  return rowPlot(
    null,
    ...grid.map((line) => line.cloneNode() as SVGElement),
    intervalBar(row.fromInterval, scale, 'ink-plain'),
    intervalBar(row.toInterval, scale),
    track(row.from, row.to, scale, 'track ink-accent'),
    dot(row.from, scale, false, 'ink-plain'),
    dot(row.to, scale, true, 'ink-accent'),
  );
}

/** More reports scroll on some page. */
const FITTING = 2;

/** All key figures, a column a report, with the change against A. */
export function figuresFigure({ comparison }: ComparePage, bridge: Bridge): HTMLElement {
  const { figures, reports, differences } = comparison;
  const found = new Map(differences.map((each) => [`${each.report} ${each.rule}`, each]));
  const changeOf = (row: ComparedFigure, index: number) => found.get(`${index} ${row.rule}`) ?? null;
  const table = dataTable<ComparedFigure>({
    name: 'key figures',
    rows: figures,
    rowHeight: 44,
    tools: bridge,
    className: 'compared-figures',
    columns: [
      {
        title: 'Figure',
        value: ({ title }) => title,
        copies: [
          { title: 'Rule', value: ({ rule }) => rule },
          { title: 'Better', value: ({ better }) => better },
        ],
        cell: ({ title, better }) => [
          h('span', { class: 'wraps' }, title),
          h('div', { class: 'second-line' }, `${better} is better`),
        ],
      },
      ...reports.flatMap(({ key }, index): Column<ComparedFigure>[] => [
        {
          title: key,
          kind: 'number',
          width: '8.6em',
          value: ({ values }) => values[index]?.value ?? null,
          copies: intervalCopies(key, ({ values }: ComparedFigure) => values[index]?.interval ?? null),
          cell: ({ values }) => withInterval(values[index]?.value ?? null, values[index]?.interval ?? null),
        },
        ...(index === 0
          ? []
          : [
              {
                title: `${key} \u2212 A`,
                kind: 'number' as const,
                width: '5.4em',
                value: (row: ComparedFigure) => changeOf(row, index)?.change ?? null,
                cell: (row: ComparedFigure) => changeCell(changeOf(row, index)),
              },
            ]),
      ]),
    ],
  });
  const scrolls = reports.length > FITTING;
  table.element.style.setProperty('--columns', String(reports.length));
  return figure(bridge, {
    title: 'All key figures',
    caption:
      'With the interval of each report. The change against A stands out where it is clear; a dash: no change, or not to be compared.',
    fileName: 'key-figures',
    items: table.items,
    body: [
      h(
        'div',
        {
          class: 'wide-table',
          ...(scrolls ? { tabindex: '0', role: 'region', 'aria-label': 'All key figures, scrolls sideways' } : {}),
        },
        table.element,
      ),
    ],
  });
}

function changeCell(difference: ComparedDifference | null): HTMLElement {
  if (difference === null) return h('span', { class: 'quiet' }, '\u2013');
  const { change, clarity } = difference;
  const { word } = differenceWords(difference);
  return h(
    clarity === 'clear' ? 'strong' : 'span',
    { title: differenceText(difference), class: clarity === 'clear' ? '' : 'quiet' },
    signed(change),
    clarity === 'clear' && h('div', { class: 'second-line' }, word),
  );
}

interface FlipRow extends Omit<ReportRow, 'moment'> {
  lost: ComparedFigure['values'][number] | null;
  gained: ComparedFigure['values'][number] | null;
}

/** Queries that turned wrong and right, report by report. */
export function flipsFigure({ comparison }: ComparePage, bridge: Bridge): HTMLElement {
  const { reports, figures } = comparison;
  const valuesOf = (rule: string) => figures.find((each) => each.rule === rule)?.values ?? [];
  const lost = valuesOf('flips.negativeFlipRate');
  const gained = valuesOf('flips.positiveFlipRate');
  const rows = reports.map(
    (report, index): FlipRow => ({ report, index, lost: lost[index] ?? null, gained: gained[index] ?? null }),
  );
  const scale = niceScale(
    [...lost, ...gained].flatMap(({ value, interval: ends }) => [value, ...(ends ?? [])]),
    3,
    [0],
  );
  const shares: Scale = { ...scale, low: 0, ticks: scale.ticks.filter((tick) => tick >= 0) };
  const rate = (title: string, of: (row: FlipRow) => FlipRow['lost'], ink: string): Column<FlipRow>[] => [
    {
      title,
      kind: 'number',
      value: (row) => of(row)?.value ?? null,
      copies: intervalCopies(title, (row: FlipRow) => of(row)?.interval ?? null),
      cell: (row) => percent(of(row)?.value),
    },
    {
      title: '',
      kind: 'plot',
      head: axisHead(shares, (value) => percent(value, 0)),
      cell: (row) =>
        titled(
          `${title} ${percent(of(row)?.value)} ${interval(of(row)?.interval)}`,
          rowPlot(
            null,
            ...shares.ticks.map((tick) => vertical(tick, shares, 'grid')),
            ...estimate(of(row)?.value, of(row)?.interval, shares, ink),
          ),
        ),
    },
  ];
  const table = dataTable<FlipRow>({
    name: 'flips',
    rows,
    rowHeight: 44,
    tools: bridge,
    className: 'compared-flips',
    columns: [
      {
        title: 'Report',
        value: ({ report }) => report.key,
        copies: [
          { title: 'Became wrong', value: ({ report }) => report.flipped },
          { title: 'In A, too', value: ({ report }) => report.flippedInA },
        ],
        cell: ({ report, index }) => [
          reportKey(report, index),
          h('div', { class: 'second-line' }, flippedText(report)),
        ],
      },
      ...rate('Lost', (row) => row.lost, 'ink-accent'),
      ...rate('Gained', (row) => row.gained, 'ink-plain'),
    ],
  });
  return figure(bridge, {
    title: flipsOverlayTitle(comparison),
    caption:
      'Share of queries whose first hit turned from right to wrong (lost) and from wrong to right (gained) against the old model, with the interval.',
    fileName: 'flips',
    items: table.items,
    body: [table.element],
  });
}
