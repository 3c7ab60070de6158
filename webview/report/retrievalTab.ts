/** Retrieval: the four cells, CMC curves, gain by class, flips. */
import {
  cellsTitle,
  classesTitle,
  classState,
  cmcTitle,
  flipsTitle,
  matchedQueries,
  retrievalSentence,
  type Tone,
} from '../../src/core/contract/findings.ts';
import {
  count,
  counted,
  interval,
  metricLabel,
  number,
  percent,
  signed,
  signedInterval,
} from '../../src/core/contract/format.ts';
import type {
  Cell,
  CellName,
  ClassEntry,
  Estimate,
  FlippedQuery,
  Interval,
  MetricName,
  Report,
} from '../../src/core/contract/report.ts';
import { type LiveChart, pngOf } from '../charts/chart.ts';
import { dashOf, lineChart, type Series, type Whisker } from '../charts/lineChart.ts';
import { scatterChart } from '../charts/scatterChart.ts';
import { axisHead } from '../components/axis.ts';
import { cellKey, cellLooks } from '../components/cellLook.ts';
import { type Column, dataTable } from '../components/dataTable.ts';
import { dataNode, h } from '../components/dom.ts';
import { figure, type TableTwin } from '../components/figure.ts';
import { icon } from '../components/icons.ts';
import { dot, estimate, intervalBar, rowPlot, track, vertical } from '../components/rowMarks.ts';
import { niceScale, type Scale, tickLabel } from '../components/scale.ts';
import type { PageContext } from './pageContext.ts';
import { columns, finding, guarded, stateMark, titled } from './parts.ts';
import { cellsWithCmc, cmcLabel, estimateLabel, scatterLabel } from './titles.ts';

export function retrievalTab(context: PageContext): HTMLElement {
  const { report } = context;
  return h(
    'div',
    {},
    finding(retrievalSentence(report)),
    columns(
      'wide-right',
      guarded('The four cells', () => cellsSection(context)),
      guarded('CMC', () => cmcSection(context)),
    ),
    report.classes.length > DUMBBELL_CLASSES ? guarded('Classes', () => manyClassesSection(context)) : null,
    columns(
      'wide-left',
      report.classes.length > DUMBBELL_CLASSES ? null : guarded('Classes', () => fewClassesSection(context)),
      guarded('Flips', () => flipsSection(context)),
    ),
  );
}

/** Up to so many classes have a row of their own in sight. */
const DUMBBELL_CLASSES = 40;

/** The metrics a cell shows: the one that decides and the first hit. */
function shownMetrics(report: Report): MetricName[] {
  const metric = report.verdict.metric;
  const other: MetricName = metric === 'cmc@1' ? 'map' : 'cmc@1';
  return [metric, other].filter(
    (name) => report.retrieval.oldOld[name] !== undefined || report.retrieval.newOld[name] !== undefined,
  );
}

function cellsSection({ report, tools }: PageContext): HTMLElement {
  const metrics = shownMetrics(report);
  const cells = Object.values(report.retrieval).filter((cell) => cell !== null);
  const lows = cells.flatMap((cell) => metrics.map((name) => cell[name]?.interval?.[0] ?? cell[name]?.value ?? 1));
  const scale: Scale = { low: lows.every((value) => value >= 0.5) ? 0.5 : 0, high: 1, ticks: [] };

  const drawCell = (name: CellName) => {
    const look = cellLooks[name];
    const cell = report.retrieval[name];
    return h(
      'div',
      {
        class: `cell ${name === 'newOld' ? 'shipped' : ''}`,
        role: 'group',
        'aria-label': `${look.label}, ${look.meaning}`,
      },
      h(
        'div',
        { class: 'cell-head' },
        cellKey(name),
        h('strong', {}, look.label),
        h('span', { class: 'note' }, look.meaning),
      ),
      ...(cell
        ? metrics.flatMap((metric) => cellFigure(cell, metric, name))
        : [
            h(
              'p',
              { class: 'not-given' },
              'not given',
              h('span', { class: 'second-line' }, 'needs new vectors of the gallery'),
            ),
          ]),
    );
  };
  const cellFigure = (cell: Cell, metric: MetricName, name: CellName): Node[] => {
    const found = cell[metric];
    const before = report.retrieval.oldOld[metric]?.value;
    const label = `${metricLabel(metric)} of ${cellLooks[name].label}`;
    return [
      h(
        'div',
        { class: 'cell-figure' },
        h('span', { class: 'cell-metric' }, metricLabel(metric)),
        h('span', { class: 'cell-value' }, number(found?.value)),
        h('span', { class: 'interval-text' }, interval(found?.interval)),
      ),
      h(
        'div',
        { class: 'cell-axis' },
        rowPlot(
          estimateLabel(label, found?.value, found?.interval),
          track(scale.low, scale.high, scale, 'track-faint'),
          before === undefined || name === 'oldOld' ? null : vertical(before, scale, 'floor'),
          ...estimate(found?.value, found?.interval, scale, name === 'newOld' ? 'ink-accent' : 'ink-plain'),
        ),
      ),
    ];
  };
  const twin = (): TableTwin => ({
    head: ['Cell', 'Metric', 'Value', 'Low', 'High'],
    rows: (Object.entries(report.retrieval) as [CellName, Cell | null][]).flatMap(([name, cell]) =>
      (Object.entries(cell ?? {}) as [MetricName, Estimate][]).map(([metric, found]) => [
        cellLooks[name].label,
        metricLabel(metric),
        found.value,
        found.interval?.[0] ?? null,
        found.interval?.[1] ?? null,
      ]),
    ),
  });
  return figure(tools, {
    title: cellsTitle(report),
    caption: `Outlined: what you would ship without a backfill. Small axes: ${tickLabel(scale.low)} to 1 with the ${percent(report.protocol.bootstrap.confidence)} interval, dashed at old/old.`,
    fileName: 'retrieval-cells',
    twin,
    body: [
      h(
        'div',
        { class: 'cells' },
        h('span'),
        h('span', { class: 'cells-head' }, 'Old gallery'),
        h('span', { class: 'cells-head' }, 'New gallery'),
        h('span', { class: 'cells-side' }, 'Old query'),
        drawCell('oldOld'),
        drawCell('oldNew'),
        h('span', { class: 'cells-side' }, 'New query'),
        drawCell('newOld'),
        drawCell('newNew'),
      ),
      ...cellNotes(report).map((note) => h('p', { class: 'caption' }, note)),
    ],
  });
}

/** What stands beside the cells: the paragon and the cost of compatibility, where they were measured. */
function cellNotes(report: Report): string[] {
  const metric = report.verdict.metric;
  const label = metricLabel(metric);
  const notes: string[] = [];
  const paragon = report.paragonCells?.newNew[metric];
  if (paragon) notes.push(`Paragon, full backfill: ${label} ${number(paragon.value)} ${interval(paragon.interval)}.`);
  const tax = report.tax?.[metric];
  if (tax !== undefined) {
    const words = tax < 0 ? 'is better than the paragon by' : 'pays for compatibility, against the paragon,';
    notes.push(`On a new gallery the new model ${words} ${number(Math.abs(tax))} of ${label}.`);
  }
  const gain = report.updateGain[metric];
  if (gain && gain.value !== null) {
    notes.push(
      `Update gain: ${number(gain.value)} of ${gain.against === 'paragon' ? 'what the paragon would gain' : 'the gain of a full backfill'}.`,
    );
  }
  return notes;
}

/** 1, then round numbers to the end. */
function ticksOfRanks(length: number): number[] {
  const step = length <= 25 ? 5 : length <= 60 ? 10 : length <= 120 ? 20 : Math.ceil(length / 60) * 10;
  const ticks = [1];
  for (let tick = step; tick <= length; tick += step) ticks.push(tick);
  return length < step ? Array.from({ length }, (_, index) => index + 1) : ticks;
}

/** Uprights of a cell's curve at the protocol's ks. */
function whiskersOf(report: Report, name: CellName): Whisker[] {
  const curve = report.curves.cmc[name] ?? [];
  return report.protocol.ks.flatMap((k) => {
    const found = report.retrieval[name]?.[`cmc@${k}`];
    const y = curve[k - 1];
    return found?.interval && y !== undefined ? [{ x: k, y, low: found.interval[0], high: found.interval[1] }] : [];
  });
}

/** Everything of a curve that its axis should hold. */
function heightsOf(series: Series): number[] {
  const ends = (series.whiskers ?? []).flatMap((whisker) => [whisker.low, whisker.high]);
  return [...series.points.map((point) => point.y), ...ends];
}

function cmcSection({ report, tools }: PageContext): HTMLElement {
  const cells = cellsWithCmc(report);
  if (cells.length === 0)
    return figure(tools, { title: 'CMC', body: [h('p', { class: 'nothing-here' }, 'This report has no curves.')] });
  const length = Math.max(...cells.map((name) => report.curves.cmc[name]?.length ?? 0));
  const series: Series[] = cells.map((name) => {
    const curve = report.curves.cmc[name] ?? [];
    return {
      label: cellLooks[name].label,
      look: dashOf(name),
      points: curve.map((y, index) => ({ x: index + 1, y })),
      // Nearly as old/old, and on top of it: its intervals stand in the table of cells.
      whiskers: name === 'oldNew' ? [] : whiskersOf(report, name),
      marks: curve.slice(0, 1).map((y) => ({ x: 1, y })),
    };
  });
  const y = niceScale(series.filter((item) => item.label !== cellLooks.oldNew.label).flatMap(heightsOf), 5, [1]);
  const low = Math.max(0, y.low);
  // No service ships old queries on a new gallery: it may not squeeze the cells that are compared.
  const first = report.curves.cmc.oldNew?.[0];
  const leftOut = cells.length > 1 && first !== undefined && first < low;
  const drawn = leftOut ? series.filter((item) => item.label !== cellLooks.oldNew.label) : series;
  const chart = lineChart({
    label: cmcLabel(report),
    height: 300,
    x: { low: 1, high: Math.max(2, length), ticks: ticksOfRanks(length), title: 'k nearest' },
    y: { low, high: 1, ticks: y.ticks.filter((tick) => tick >= low && tick <= 1) },
    series: drawn,
    labels: 'end',
    xWords: (k) => (k === 1 ? 'the first hit' : `among the ${count(k)} nearest`),
  });
  const ks = [...new Set(series.flatMap((item) => (item.whiskers ?? []).map((whisker) => whisker.x)))].sort(
    (a, b) => a - b,
  );
  const intervals =
    ks.length > 0
      ? ` Uprights: ${percent(report.protocol.bootstrap.confidence)} interval at k = ${ks.join(', ')}; bands join them.`
      : '';
  return figure(tools, {
    title: cmcTitle(report),
    caption: `CMC: share of queries with a right item among the k nearest.${intervals}${leftOut ? ` ${cellLooks.oldNew.label}, ${number(first)} at the first hit, is off the scale.` : ''}`,
    fileName: 'cmc',
    body: [chart.element],
    png: () => pngOf([chart]),
    twin: () => ({
      head: ['k', ...cells.map((name) => cellLooks[name].label)],
      rows: Array.from({ length }, (_, index) => [
        index + 1,
        ...cells.map((name) => report.curves.cmc[name]?.[index] ?? null),
      ]),
    }),
  });
}

const classWords: Record<ReturnType<typeof classState>, { word: string; tone: Tone }> = {
  gain: { word: 'gain', tone: 'good' },
  loss: { word: 'loss', tone: 'bad' },
  undecided: { word: 'undecided', tone: 'undecided' },
};

/** Largest gain first; classes without a figure last. */
function byGain(classes: readonly ClassEntry[]): ClassEntry[] {
  return [...classes].sort(
    (a, b) => (b.map.difference ?? Number.NEGATIVE_INFINITY) - (a.map.difference ?? Number.NEGATIVE_INFINITY),
  );
}

const unitScale: Scale = { low: 0, high: 1, ticks: [0, 0.5, 1] };

function dumbbell(entry: ClassEntry, scale: Scale): Node {
  const { old, new: now, interval: ends } = entry.map;
  if (old === null || now === null) return h('span', { class: 'note' }, 'not measured');
  const atNew: Interval | null = ends ? [old + ends[0], old + ends[1]] : null;
  return titled(
    `old ${number(old)}, new ${number(now)}, difference ${signed(entry.map.difference)} ${signedInterval(ends)}`,
    rowPlot(
      null,
      ...[0, 0.25, 0.5, 0.75, 1].map((at) => vertical(at, scale, 'grid')),
      track(old, now, scale),
      intervalBar(atNew, scale),
      dot(old, scale, false, 'ink-plain'),
      dot(now, scale, true, 'ink-accent'),
    ),
  );
}

function classColumns(many: boolean): Column<ClassEntry>[] {
  return [
    {
      title: 'Class',
      width: many ? '22%' : '18%',
      value: (entry) => entry.label,
      cell: (entry) => dataNode(entry.label),
    },
    {
      title: 'Queries',
      kind: 'number',
      width: '5em',
      folds: true,
      value: (entry) => entry.queries,
      cell: (entry) => count(entry.queries),
    },
    {
      title: '',
      kind: 'plot',
      head: axisHead(unitScale, tickLabel),
      cell: (entry) => dumbbell(entry, unitScale),
      copies: [
        { title: 'mAP old', value: (entry) => entry.map.old },
        { title: 'mAP new', value: (entry) => entry.map.new },
        { title: 'CMC@1 old', value: (entry) => entry['cmc@1'].old },
        { title: 'CMC@1 new', value: (entry) => entry['cmc@1'].new },
        { title: 'Low', value: (entry) => entry.map.interval?.[0] ?? null },
        { title: 'High', value: (entry) => entry.map.interval?.[1] ?? null },
      ],
    },
    {
      title: 'mAP',
      kind: 'number',
      width: '4.2em',
      value: (entry) => entry.map.difference,
      cell: (entry) => signed(entry.map.difference),
    },
    {
      title: 'State',
      kind: 'state',
      width: '8.6em',
      value: (entry) => (entry.map.difference === null ? null : classWords[classState(entry)].word),
      cell: (entry) => (entry.map.difference === null ? '' : stateMark(classWords[classState(entry)])),
    },
  ];
}

function classCaption(report: Report): string {
  return `mAP by class, largest gain first. Hollow: old/old, filled: new/old, bar: ${percent(report.protocol.bootstrap.confidence)} interval of the difference.`;
}

function fewClassesSection({ report, tools }: PageContext): HTMLElement {
  const table = dataTable<ClassEntry>({
    name: 'classes',
    rows: byGain(report.classes),
    columns: classColumns(false),
    tools,
    empty: 'No class was measured.',
  });
  return figure(tools, {
    title: classesTitle(report),
    caption: classCaption(report),
    fileName: 'classes',
    items: table.items,
    body: [table.element],
  });
}

function manyClassesSection({ report, tools }: PageContext): HTMLElement {
  const measured = report.classes.filter((entry) => entry.map.old !== null && entry.map.new !== null);
  const table = dataTable<ClassEntry>({
    name: 'classes',
    rows: byGain(report.classes),
    columns: classColumns(true),
    tools,
  });
  let chart: LiveChart;
  const scatter = () => {
    chart = scatterChart({
      label: scatterLabel(report.classes),
      height: 440,
      xTitle: 'mAP old/old',
      yTitle: 'mAP new/old',
      items: measured.map((entry) => ({ label: entry.label, x: entry.map.old ?? 0, y: entry.map.new ?? 0 })),
      onChoose: (items) => {
        const labels = new Set(items.map((item) => item.label));
        table.showOnly(
          (entry) => labels.has(entry.label),
          `${counted(items.length, 'class', 'classes')} chosen in the plot`,
        );
      },
    });
    return chart.element;
  };
  return columns(
    'even',
    figure(tools, {
      title: classesTitle(report),
      caption: `mAP of ${count(measured.length)} classes, old against new; above the dashed line is better. A click shows the classes in the table.`,
      fileName: 'classes',
      body: [scatter()],
      png: () => pngOf([chart]),
      twin: () => ({
        head: ['Class', 'Queries', 'mAP old', 'mAP new', 'Difference'],
        rows: report.classes.map((entry) => [
          entry.label,
          entry.queries,
          entry.map.old,
          entry.map.new,
          entry.map.difference,
        ]),
      }),
    }),
    figure(tools, {
      title: 'Classes by gain',
      caption: classCaption(report),
      fileName: 'classes',
      items: table.items,
      body: [table.element],
    }),
  );
}

interface FlipRow {
  name: string;
  rate: number | null;
  interval: Interval | null;
  queries: number | null;
}

function flipRows(report: Report): FlipRow[] {
  const { flips } = report;
  const queries = matchedQueries(report);
  return [
    {
      name: 'Wrong to right',
      rate: flips.positiveFlipRate,
      interval: flips.positiveFlipRateInterval,
      queries:
        queries === null || flips.positiveFlipRate === null ? null : Math.round(flips.positiveFlipRate * queries),
    },
    {
      name: 'Right to wrong',
      rate: flips.negativeFlipRate,
      interval: flips.negativeFlipRateInterval,
      queries: flips.negativeFlipRate === null ? null : flips.flippedQueries,
    },
  ];
}

function flipsSection({ report, tools }: PageContext): HTMLElement {
  const { flips, worst } = report;
  const rows = flipRows(report);
  const scale = niceScale(
    rows.flatMap((row) => [row.rate, ...(row.interval ?? [])]),
    3,
    [0],
  );
  scale.low = 0;
  const ticks = scale.ticks.filter((tick) => tick >= 0);
  const rates = dataTable<FlipRow>({
    name: 'flips',
    rows,
    rowHeight: 44,
    tools,
    columns: [
      { title: 'First hit', width: '8.5em', cell: (row) => row.name },
      {
        title: '',
        kind: 'plot',
        head: axisHead({ ...scale, ticks }, tickLabel),
        cell: (row) =>
          rowPlot(
            null,
            ...ticks.map((tick) => vertical(tick, scale, tick === 0 ? 'zero' : 'grid')),
            ...estimate(row.rate, row.interval, scale),
          ),
      },
      {
        title: 'Rate',
        kind: 'number',
        width: '8.6em',
        cell: (row) => [
          number(row.rate),
          row.interval ? h('div', { class: 'second-line interval-text' }, interval(row.interval)) : null,
        ],
      },
      { title: 'Queries', kind: 'number', width: '5em', cell: (row) => count(row.queries) },
    ],
  });
  const list = dataTable<FlippedQuery>({
    name: 'flipped queries',
    rows: worst.flippedQueries,
    rowHeight: 44,
    firstRows: 5,
    tools,
    columns: [
      {
        title: 'Became wrong',
        value: (flip) => flip.query,
        copies: [{ title: 'Class', value: (flip) => flip.label }],
        cell: (flip) => [
          dataNode(flip.query),
          h('div', { class: 'second-line two-names' }, 'class ', dataNode(flip.label)),
        ],
      },
      {
        title: 'First hit old',
        width: '29%',
        value: (flip) => flip.before,
        cell: (flip) => h('span', { class: 'hit' }, icon('good'), dataNode(flip.before)),
      },
      {
        title: 'First hit new',
        width: '29%',
        value: (flip) => flip.after,
        copies: [{ title: 'Class of the first hit new', value: (flip) => flip.afterLabel }],
        cell: (flip) => [
          h('span', { class: 'hit' }, icon('bad'), dataNode(flip.after)),
          h('div', { class: 'second-line hit-note' }, 'is ', dataNode(flip.afterLabel)),
        ],
      },
      {
        title: 'Rank',
        kind: 'number',
        width: '4.2em',
        folds: true,
        value: (flip) => flip.rankAfter,
        cell: (flip) => count(flip.rankAfter),
      },
    ],
  });
  const relative =
    flips.relativeNegativeFlipRate === null
      ? ''
      : ` Relative negative flip rate ${number(flips.relativeNegativeFlipRate)}.`;
  const queries = matchedQueries(report);
  const cut = flips.flippedQueries > worst.flippedQueries.length && worst.flippedQueries.length > 0;
  return figure(tools, {
    title: flipsTitle(report),
    caption: `By the first ${flips.k === 1 ? 'hit' : `${count(flips.k)} hits`}${queries === null ? '' : `, of ${counted(queries, 'query', 'queries')}`}.${relative}`,
    fileName: 'flips',
    items: list.items,
    body: [
      rows.some((row) => row.rate !== null) && rates.element,
      ...(worst.flippedQueries.length > 0
        ? [
            h(
              'p',
              { class: 'caption list-caption' },
              `Largest rank loss first; rank: where the first right item stands now.${cut ? ` ${count(worst.flippedQueries.length)} of ${count(flips.flippedQueries)} are listed.` : ''}`,
            ),
            list.element,
          ]
        : [
            h(
              'p',
              { class: 'nothing-here' },
              flips.negativeFlipRate === null
                ? 'No query has a match in the gallery.'
                : 'No query that was right became wrong.',
            ),
          ]),
    ],
  });
}
