/** Inequalities: violation rates beside floor, Procrustes and chance, the distances behind them, and the worst of all. */
import {
  histogramTitle,
  inequalitiesCaption,
  inequalitiesSentence,
  toleranceTitle,
} from '../../src/core/contract/findings.ts';
import { count, interval, number, toleranceText } from '../../src/core/contract/format.ts';
import type { ClassEntry, Report, ToleranceCurve, Violations, WorstClassPair } from '../../src/core/contract/report.ts';
import { consequentialTitle, operatingTransfer } from '../../src/core/contract/thresholdFindings.ts';
import { type LiveChart, pngOf } from '../charts/chart.ts';
import { binWords, dashOf, lineChart, type Series, steps, type Upright } from '../charts/lineChart.ts';
import { axisHead } from '../components/axis.ts';
import { dataTable } from '../components/dataTable.ts';
import { dataNode, h } from '../components/dom.ts';
import { figure, type TableTwin } from '../components/figure.ts';
import { dot, estimate, rowPlot, track, vertical } from '../components/rowMarks.ts';
import { type Scale, tickLabel } from '../components/scale.ts';
import type { PageContext } from './pageContext.ts';
import { columns, emptyState, finding, guarded } from './parts.ts';
import {
  classPairsTitle,
  histogramLabel,
  referenceOf,
  referenceRows,
  toleranceLabel,
  worstClassesTitle,
} from './titles.ts';
import { hubsSection, worstPairsSection } from './worstSections.ts';

type Sign = 'positive' | 'negative';
const signs: readonly Sign[] = ['positive', 'negative'];
const signTitles: Record<Sign, string> = {
  positive: 'Same class, must not grow',
  negative: 'Different class, must not shrink',
};
const signNames: Record<Sign, string> = { positive: 'Same class', negative: 'Different class' };
const distanceNames = { cosine: 'cosine distance', euclidean: 'euclidean distance', dot: 'minus the inner product' };

export function inequalitiesTab(context: PageContext): HTMLElement {
  const { report } = context;
  if (report.data.labelled === false)
    return h(
      'div',
      {},
      finding(inequalitiesSentence(report)),
      emptyState(
        'Without labels no pair is known to be of the same or of different classes, so no distance must grow or shrink.',
      ),
    );
  return h(
    'div',
    {},
    finding(inequalitiesSentence(report)),
    guarded('Violations', () => ratesSection(context)),
    consequences(context),
    columns(
      'even',
      guarded('Distances', () => histogramSection(context)),
      guarded('Tolerance', () => toleranceSection(context)),
    ),
    columns(
      'even',
      guarded('Worst same-class pairs', () => worstPairsSection(context, 'positive')),
      guarded('Worst different-class pairs', () => worstPairsSection(context, 'negative')),
    ),
    columns(
      'even',
      guarded('Classes', () => worstClassesSection(context)),
      guarded('Class pairs', () => classPairsSection(context)),
    ),
    report.worst.hubs.length > 0 &&
      columns(
        'even',
        guarded('Hubs', () => hubsSection(context)),
        h('div'),
      ),
  );
}

/** The violations that a service would notice are on another tab. */
function consequences({ report, choose }: PageContext): HTMLElement | null {
  if (!report.verification) return null;
  return h(
    'p',
    { class: 'pointer' },
    `${consequentialTitle(report)}. `,
    h('button', { class: 'link', type: 'button', on: { click: () => choose('thresholds') } }, 'Thresholds \u203A'),
  );
}

const unit: Scale = { low: 0, high: 1, ticks: [0, 1] };

/** The largest tolerance of the report, where it has more than one. */
function largest(violations: Violations) {
  return violations.byEpsilon.length > 1 ? violations.byEpsilon[violations.byEpsilon.length - 1] : undefined;
}

function ratesTable(report: Report, sign: Sign): HTMLElement {
  const floor = report.inequalities.references.jitteredOld[sign].byEpsilon[0]?.rate ?? null;
  const axis = axisHead(unit, tickLabel, [
    { at: 0, text: '0' },
    ...(floor === null || floor < 0.14 || floor > 0.86 ? [] : [{ at: floor, text: `${number(floor, 2)} floor` }]),
    { at: 1, text: '1' },
  ]);
  const rows = referenceRows.map(({ key, name, note }) => {
    const found = referenceOf(report, key)?.[sign] ?? null;
    const strict = found?.byEpsilon[0] ?? null;
    const wide = found ? largest(found) : undefined;
    const ink = key === 'pair' ? 'ink-accent' : 'ink-plain';
    const marks =
      strict && strict.rate !== null
        ? [
            wide && wide.rate !== null ? track(wide.rate, strict.rate, unit, `track ${ink}`) : null,
            ...estimate(strict.rate, strict.interval, unit, ink),
            wide && wide.rate !== null ? dot(wide.rate, unit, false, ink) : null,
          ]
        : [];
    return h(
      'tr',
      { class: `height-44 ${key === 'pair' ? 'strong-row' : ''}` },
      h('th', { scope: 'row', class: 'row-name' }, name, h('div', { class: 'second-line' }, note)),
      h(
        'td',
        { class: 'plot' },
        rowPlot(
          null,
          vertical(0, unit, 'grid'),
          vertical(1, unit, 'grid'),
          floor === null ? null : vertical(floor, unit, 'floor'),
          marks.length > 0 ? track(0, 1, unit, 'track-faint') : null,
          ...marks,
        ),
        marks.length === 0
          ? h('span', { class: 'note plot-note' }, found === null ? 'not available' : 'not measured')
          : null,
      ),
      h(
        'td',
        { class: 'number' },
        number(strict?.rate),
        strict?.interval ? h('div', { class: 'second-line interval-text' }, interval(strict.interval)) : null,
      ),
      h('td', { class: 'number' }, number(found?.severity)),
    );
  });
  const heads: [string, string | Node][] = [
    ['row-name', ''],
    ['plot', axis],
    ['number rate', 'Violated'],
    ['number severity', 'Severity'],
  ];
  return h(
    'table',
    { class: `data-table rates ${sign}`, 'aria-label': signTitles[sign] },
    h('caption', {}, signTitles[sign]),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        ...heads.map(([className, content]) =>
          content === ''
            ? h('td', { class: className })
            : h(
                'th',
                { class: className, scope: 'col' },
                content,
                content === axis && h('span', { class: 'heard-only' }, 'Plot'),
              ),
        ),
      ),
    ),
    h('tbody', {}, ...rows),
  );
}

function ratesTwin(report: Report): TableTwin {
  return {
    head: [
      'Row',
      'Class relation',
      'Tolerance',
      'Pairs',
      'Violations',
      'Rate',
      'Low',
      'High',
      'Severity',
      'Macro rate',
    ],
    rows: referenceRows.flatMap(({ key, name }) =>
      signs.flatMap((sign) => {
        const found = referenceOf(report, key)?.[sign];
        return (found?.byEpsilon ?? []).map((entry) => [
          name,
          signNames[sign],
          entry.epsilon,
          found?.pairs ?? null,
          entry.violations,
          entry.rate,
          entry.interval?.[0] ?? null,
          entry.interval?.[1] ?? null,
          found?.severity ?? null,
          found?.macroRate ?? null,
        ]);
      }),
    ),
  };
}

function ratesSection({ report, tools }: PageContext): HTMLElement {
  const wide = largest(report.inequalities.positive);
  const circle = wide ? ` Circle: the rate at tolerance ${toleranceText(wide.epsilon)}.` : '';
  const { triplets, inequalities } = report;
  const notes = [
    `Upright: strict rate, broad bar: its interval, often as thin as the upright.${circle} ${inequalitiesCaption(report)}`,
  ];
  if (inequalities.references.procrustes === null) {
    notes.push('Procrustes needs equal dimensions, and more items to fit on than dimensions.');
  }
  if (triplets.inverted !== null) {
    notes.push(
      `Of ${count(triplets.sampled)} triplets (query, match, other) ${number(triplets.inverted)} ${interval(triplets.interval)} were inverted, ${number(triplets.repaired)} repaired.`,
    );
  }
  return figure(tools, {
    title: 'Violations beside what noise, alignment and chance would give',
    className: 'rates-figure',
    fileName: 'inequalities',
    twin: () => ratesTwin(report),
    body: [
      h('div', { class: 'rates-pair' }, ...signs.map((sign) => ratesTable(report, sign))),
      ...notes.map((note) => h('p', { class: 'caption' }, note)),
    ],
  });
}

/** The first and last bins that hold anything, with one empty bin around. */
function usedEdges(report: Report): [low: number, high: number] {
  const { edges, oldOld, newOld } = report.histograms;
  let first = edges.length;
  let last = -1;
  for (const histogram of [oldOld, newOld]) {
    for (const sign of signs) {
      histogram[sign].forEach((share, bin) => {
        // Far tails would squeeze the rest: one pair in a hundred thousand is not seen anyway.
        if (share < 1e-5) return;
        first = Math.min(first, bin);
        last = Math.max(last, bin);
      });
    }
  }
  if (last < 0) return [edges[0] ?? 0, edges[edges.length - 1] ?? 1];
  return [edges[Math.max(0, first - 1)] ?? 0, edges[Math.min(edges.length - 1, last + 2)] ?? 1];
}

/** The old threshold and the one that restores its false accept rate. */
function thresholdUprights(report: Report): Upright[] {
  const found = operatingTransfer(report);
  const uprights: Upright[] = [];
  if (typeof found?.oldThreshold === 'number')
    uprights.push({ x: found.oldThreshold, label: `old threshold ${number(found.oldThreshold)}`, colour: 'secondary' });
  if (typeof found?.restoringThreshold === 'number')
    uprights.push({
      x: found.restoringThreshold,
      label: `restoring ${number(found.restoringThreshold)}`,
      colour: 'accent',
    });
  return uprights;
}

function histogramSection({ report, tools }: PageContext): HTMLElement {
  const { histograms } = report;
  const { edges } = histograms;
  if (edges.length < 2) {
    return figure(tools, {
      title: 'Distances by class relation',
      body: [h('p', { class: 'nothing-here' }, 'This report has no histograms.')],
    });
  }
  const [low, high] = usedEdges(report);
  const uprights = thresholdUprights(report).filter(({ x }) => x > low && x < high);
  const charts = signs.map((sign, index) => {
    const series: Series[] = [
      {
        label: 'old/old',
        look: { ...dashOf('oldOld'), dash: [] },
        points: steps(edges, histograms.oldOld[sign]),
        stepped: true,
        fill: 0.16,
      },
      {
        label: 'new/old',
        look: { ...dashOf('newOld'), width: 2 },
        points: steps(edges, histograms.newOld[sign]),
        stepped: true,
        fill: 0.16,
      },
    ];
    const top = Math.max(1e-9, ...series.flatMap((item) => item.points.map((point) => point.y)));
    return lineChart({
      label: histogramLabel(report, sign),
      height: 150,
      x: {
        low,
        high,
        ...(index === 1 ? { title: `${distanceNames[report.protocol.distance]} to the old gallery item` } : {}),
      },
      y: { low: 0, high: top * (uprights.length > 0 ? 1.5 : 1.25), ticks: [], hidden: true },
      series,
      uprights,
      labels: 'beside',
      xWords: (x) => binWords(edges, x),
      yWords: (y) => `${number(y)} of pairs`,
    });
  });
  return figure(tools, {
    title: histogramTitle(report),
    caption: 'Share of pairs by distance to the old gallery item; the same distance axis above and below.',
    fileName: 'distances',
    body: stacked(charts),
    png: () => pngOf(charts),
    twin: () => ({
      head: ['From', 'To', ...signs.flatMap((sign) => [`${signNames[sign]} old/old`, `${signNames[sign]} new/old`])],
      rows: edges
        .slice(0, -1)
        .map((edge, bin) => [
          edge,
          edges[bin + 1] ?? null,
          ...signs.flatMap((sign) => [histograms.oldOld[sign][bin] ?? null, histograms.newOld[sign][bin] ?? null]),
        ]),
    }),
  });
}

/** Two drawings above each other, each under its class relation. */
function stacked(charts: readonly LiveChart[]): Node[] {
  return charts.flatMap((item, index) => [
    h('div', { class: 'multiple-name' }, signNames[signs[index] as Sign]),
    item.element,
  ]);
}

/** The tolerance from which on next to nothing is violated: beyond it lies empty paper. */
function usedTolerance(report: Report): number {
  const { tolerances, tolerance } = report.curves;
  const curves = [tolerance.pair, tolerance.jitteredOld, tolerance.procrustes].filter((curve) => curve !== null);
  const last = tolerances.findLastIndex((_, at) =>
    curves.some((curve) => signs.some((sign) => (curve[sign][at] ?? 0) >= 0.005)),
  );
  const atLeast = 2 * Math.max(...report.protocol.epsilons);
  const used = tolerances.find((value, at) => at > last && value >= atLeast);
  return used ?? tolerances[tolerances.length - 1] ?? 1;
}

function toleranceSection({ report, tools }: PageContext): HTMLElement {
  const { tolerances, tolerance } = report.curves;
  if (tolerances.length < 2) {
    return figure(tools, {
      title: 'Rate against tolerance',
      body: [h('p', { class: 'nothing-here' }, 'This report has no tolerance curves.')],
    });
  }
  const curves: [string, ToleranceCurve | null, Series['look']][] = [
    ['floor', tolerance.jitteredOld, { ...dashOf('oldOld'), width: 1.25 }],
    ['Procrustes', tolerance.procrustes, { ...dashOf('newNew') }],
    ['this pair', tolerance.pair, dashOf('newOld')],
  ];
  const end = usedTolerance(report);
  const charts = signs.map((sign, index) => {
    const marks = report.inequalities[sign].byEpsilon.flatMap(({ epsilon, rate }) =>
      rate === null || epsilon > end ? [] : [{ x: epsilon, y: rate }],
    );
    const series: Series[] = curves.flatMap(([label, curve, look]) =>
      curve
        ? [
            {
              label,
              look,
              points: tolerances.map((x, at) => ({ x, y: curve[sign][at] ?? 0 })).filter((point) => point.x <= end),
              ...(label === 'this pair' ? { marks } : {}),
            },
          ]
        : [],
    );
    return lineChart({
      label: toleranceLabel(report, sign),
      height: 150,
      x: { low: tolerances[0] ?? 0, high: end, ...(index === 1 ? { title: 'tolerance' } : {}) },
      y: { low: 0, high: 1, ticks: [0, 0.5, 1] },
      series,
      labels: 'beside',
      xWords: (x) => `tolerance ${tickLabel(x)}`,
    });
  });
  return figure(tools, {
    title: toleranceTitle(report),
    caption: 'Share violated when a change up to the tolerance is forgiven. Dots: tolerances of the config.',
    fileName: 'tolerance',
    body: stacked(charts),
    png: () => pngOf(charts),
    twin: () => ({
      head: [
        'Tolerance',
        ...signs.flatMap((sign) => curves.filter(([, curve]) => curve).map(([label]) => `${signNames[sign]} ${label}`)),
      ],
      rows: tolerances.map((x, at) => [
        x,
        ...signs.flatMap((sign) => curves.flatMap(([, curve]) => (curve ? [curve[sign][at] ?? null] : []))),
      ]),
    }),
  });
}

function worstClassesSection({ report, tools }: PageContext): HTMLElement {
  const floors = signs.map((sign) => report.inequalities.references.jitteredOld[sign].byEpsilon[0]?.rate ?? null);
  const floor = floors[0] ?? null;
  const rows = [...report.classes].sort((a, b) => (b.positiveRate ?? -1) - (a.positiveRate ?? -1));
  const table = dataTable<ClassEntry>({
    name: 'classes',
    rows,
    firstRows: rows.length > 200 ? rows.length : 10,
    tools,
    empty: 'No class was measured.',
    columns: [
      { title: 'Class', width: '24%', value: (entry) => entry.label, cell: (entry) => dataNode(entry.label) },
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
        head: axisHead({ ...unit, ticks: [0, 0.5, 1] }, tickLabel),
        cell: (entry) =>
          rowPlot(
            null,
            vertical(0, unit, 'grid'),
            vertical(1, unit, 'grid'),
            floor === null ? null : vertical(floor, unit, 'floor'),
            entry.negativeRate === null ? null : dot(entry.negativeRate, unit, false, 'ink-plain'),
            entry.positiveRate === null ? null : dot(entry.positiveRate, unit, true, 'ink-accent'),
          ),
      },
      {
        title: 'Same',
        kind: 'number',
        width: '4.4em',
        value: (entry) => entry.positiveRate,
        cell: (entry) => number(entry.positiveRate),
      },
      {
        title: 'Different',
        kind: 'number',
        width: '5.4em',
        value: (entry) => entry.negativeRate,
        cell: (entry) => h('span', { class: 'quiet' }, number(entry.negativeRate)),
      },
    ],
  });
  return figure(tools, {
    title: worstClassesTitle(report),
    caption:
      'Share violated by class of the query. Filled: same class, hollow: different class, dashed: same-class floor.',
    fileName: 'class-rates',
    items: table.items,
    body: [table.element],
  });
}

function classPairsSection({ report, tools }: PageContext): HTMLElement {
  const pairs = report.worst.classPairs;
  const table = dataTable<WorstClassPair>({
    name: 'class pairs',
    rows: pairs,
    firstRows: 10,
    tools,
    empty: 'No class pair is violated.',
    columns: [
      { title: 'Query class', value: (pair) => pair.queryLabel, cell: (pair) => dataNode(pair.queryLabel) },
      { title: 'Gallery class', value: (pair) => pair.galleryLabel, cell: (pair) => dataNode(pair.galleryLabel) },
      {
        title: 'Relation',
        width: '6.4em',
        folds: true,
        value: (pair) => (pair.sign === 'positive' ? 'same' : 'different'),
        cell: (pair) => h('span', { class: 'quiet' }, pair.sign === 'positive' ? 'same' : 'different'),
      },
      {
        title: 'Pairs',
        kind: 'number',
        width: '5em',
        folds: true,
        value: (pair) => pair.pairs,
        cell: (pair) => h('span', { class: 'quiet' }, count(pair.pairs)),
      },
      {
        title: 'Violated',
        kind: 'number',
        width: '5.6em',
        value: (pair) => pair.rate,
        cell: (pair) => number(pair.rate),
      },
      {
        title: 'Severity',
        kind: 'number',
        width: '5.6em',
        value: (pair) => pair.severity,
        cell: (pair) => number(pair.severity),
      },
    ],
  });
  return figure(tools, {
    title: classPairsTitle(pairs),
    caption: 'Classes of query and gallery item whose pairs are violated most.',
    fileName: 'class-pairs',
    items: pairs.length > 0 ? table.items : [],
    body: [table.element],
  });
}
