/** Retrieval: the four cells, CMC curves, gain by class, partial backfill, slices, versions, agreement. */
import { cellsTitle, cmcTitle, retrievalSentence } from '../../src/core/contract/findings.ts';
import { count, interval, metricLabel, number, percent } from '../../src/core/contract/format.ts';
import { agreementTitle } from '../../src/core/contract/migrationFindings.ts';
import { paragonMetrics } from '../../src/core/contract/paragonFindings.ts';
import type { Cell, CellName, Estimate, MetricName, Report } from '../../src/core/contract/report.ts';
import { pngOf } from '../charts/chart.ts';
import { dashOf, lineChart, type Series, type Whisker } from '../charts/lineChart.ts';
import { cellKey, cellLooks } from '../components/cellLook.ts';
import { h } from '../components/dom.ts';
import { figure, type TableTwin } from '../components/figure.ts';
import { estimate, rowPlot, track, vertical } from '../components/rowMarks.ts';
import { niceScale, type Scale, tickLabel } from '../components/scale.ts';
import { agreementSection } from './agreementSection.ts';
import { backfillSection } from './backfillSection.ts';
import { DUMBBELL_CLASSES, fewClassesSection, manyClassesSection } from './classesSection.ts';
import { flipRatesSection } from './flipsTab.ts';
import { matrixSection } from './matrixSection.ts';
import type { PageContext } from './pageContext.ts';
import { paragonSection } from './paragonSection.ts';
import { columns, emptyState, finding, guarded } from './parts.ts';
import { browserSection } from './retrievalBrowser.ts';
import { sliceSection } from './slicesSection.ts';
import { cellsWithCmc, cmcLabel, estimateLabel } from './titles.ts';

export function retrievalTab(context: PageContext): HTMLElement {
  const { report } = context;
  const agreement = report.agreement ? guarded('Agreement', () => agreementSection(context)) : null;
  if (report.data.labelled === false)
    return h(
      'div',
      {},
      finding([{ text: `${agreementTitle(report)}.` }]),
      emptyState('Without labels no hit is known to be right: ranking, classes and flips were not measured.'),
      agreement,
      guarded('Single queries', () => browserSection(context)),
    );
  const many = report.classes.length > DUMBBELL_CLASSES;
  const flips = () => guarded('Flips', () => flipRatesSection(context, context.choose));
  return h(
    'div',
    {},
    finding(retrievalSentence(report)),
    columns(
      'wide-right',
      guarded('The four cells', () => cellsSection(context)),
      guarded('CMC', () => cmcSection(context)),
    ),
    many ? guarded('Classes', () => manyClassesSection(context)) : null,
    columns('wide-left', many ? agreement : guarded('Classes', () => fewClassesSection(context)), flips()),
    paragonMetrics(report).length > 0 ? guarded('The paragon', () => paragonSection(context)) : null,
    report.backfill ? guarded('Partial backfill', () => backfillSection(context)) : null,
    ...Object.keys(report.slices ?? {}).map((column) => guarded('Slices', () => sliceSection(context, column))),
    report.matrix ? guarded('Versions', () => matrixSection(context)) : null,
    many ? null : agreement,
    guarded('Single queries', () => browserSection(context)),
  );
}

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

/** What stands beside the cells; where a paragon was measured, in a table of its own. */
function cellNotes(report: Report): string[] {
  const gain = report.updateGain[report.verdict.metric];
  if (!gain || gain.value === null || gain.against === 'paragon') return [];
  return [`Update gain: ${number(gain.value)} of the gain of a full backfill.`];
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
