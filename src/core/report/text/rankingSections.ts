import {
  cellMetrics,
  cellsTitle,
  classesTitle,
  criterionCaption,
  criterionNotes,
  criterionRows,
  criterionTitle,
  flipsTitle,
  rankingWords,
} from '../../contract/findings.ts';
import {
  cellLabels,
  count,
  interval,
  metricLabel,
  NO_FIGURE,
  number,
  signed,
  signedInterval,
} from '../../contract/format.ts';
import { paragonMetrics, paragonTitle } from '../../contract/paragonFindings.ts';
import type { Cell, Interval, MetricName, Report } from '../../contract/report.ts';
import { dataText, type Ink, padEnd, padStart, tableLines } from '../terminal.ts';
import { type Canvas, icons, inks, NAME_WIDTH, titled } from './canvas.ts';

const WORST_CLASSES = 5;

/** `──┼──━━┃━━──`: an interval on the axis that all rows share, with its zero. */
function bar(value: number, range: Interval | null, low: number, high: number, cells: number): string {
  const at = (x: number) => Math.round(((x - low) / (high - low)) * (cells - 1));
  const marks = Array.from({ length: cells }, () => ' ');
  marks[at(0)] = '│';
  if (range) for (let cell = at(range[0]); cell <= at(range[1]); cell++) marks[cell] = '━';
  marks[at(value)] = '╋';
  return marks.join('');
}

export function criterion(canvas: Canvas): string[] {
  const { report, width, paint } = canvas;
  const rows = criterionRows(report);
  if (report.data.labelled === false) return [];
  if (rows.length === 0) return titled(canvas, criterionTitle(report), 'No query has a match in the gallery.');
  const ends = rows.flatMap(([, entry]) => [entry.difference, ...(entry.interval ?? [])]);
  const [low, high] = [Math.min(0, ...ends), Math.max(0, ...ends)];
  const cells = Math.min(29, width - 78);
  const withBars = cells >= 15 && high > low;
  const table = tableLines(
    [
      { title: 'Metric', align: 'left' },
      { title: 'Old', align: 'right' },
      { title: 'New', align: 'right' },
      { title: 'Difference', align: 'right' },
      { title: 'Interval', align: 'left' },
      ...(withBars ? [{ title: '', align: 'left' as const }] : []),
      { title: 'State', align: 'left' },
    ],
    rows.map(([metric, entry]) => {
      const { word, tone } = rankingWords[entry.state];
      const decides = metric === report.verdict.metric;
      return [
        { text: `${metricLabel(metric)}${decides ? ' decides' : ''}`, ink: decides ? 'bold' : null },
        { text: number(entry.old) },
        { text: number(entry.new) },
        { text: signed(entry.difference), ink: decides ? 'bold' : null },
        { text: signedInterval(entry.interval), ink: 'dim' },
        ...(withBars ? [{ text: bar(entry.difference, entry.interval, low, high, cells) }] : []),
        { text: `${icons[tone]} ${word}`, ink: inks[tone] },
      ];
    }),
    paint,
  );
  const notes = criterionNotes(report).map((note) => `  ${paint('dim', note)}`);
  return [...titled(canvas, criterionTitle(report), criterionCaption(report)), '', ...table, ...notes];
}

/** Which figures the small 2x2 table shows: the deciding metric and the first hit. */
function shownMetrics(report: Report): MetricName[] {
  const all = cellMetrics(report);
  const other = all.find((metric) => metric.startsWith('cmc@') && metric !== report.verdict.metric);
  return [...new Set([report.verdict.metric, ...(other ? [other] : [])])].filter((metric) => all.includes(metric));
}

export function retrieval(canvas: Canvas): string[] {
  const { report, paint } = canvas;
  const metrics = shownMetrics(report);
  if (metrics.length === 0) return [];
  const labelWidth = 13;
  const columnWidth = 15;
  const halfWidth = columnWidth * metrics.length;
  const half = (cell: Cell | null, show: (metric: MetricName) => string) =>
    metrics.map((metric) => padStart(cell?.[metric] ? show(metric) : NO_FIGURE, columnWidth)).join('');
  const row = (label: string, left: Cell, right: Cell | null, ink: Ink | null) => {
    const values = (cell: Cell | null) => half(cell, (metric) => number(cell?.[metric]?.value));
    const ranges = (cell: Cell | null) =>
      half(cell, (metric) => interval(cell?.[metric]?.interval)).replaceAll(NO_FIGURE, ' ');
    const first = values(left);
    return [
      `  ${padEnd(label, labelWidth)}${ink ? paint(ink, first) : first}${values(right)}`,
      paint('dim', `  ${padEnd('', labelWidth)}${ranges(left)}${ranges(right)}`.trimEnd()),
    ];
  };
  const { oldOld, newOld, newNew, oldNew } = report.retrieval;
  const labels = metrics.map((metric) => padStart(metricLabel(metric), columnWidth)).join('');
  const shipped = `${cellLabels.newOld} is what you would ship without re-embedding; ${cellLabels.oldOld} is what it must beat.`;
  return [
    ...titled(canvas, cellsTitle(report), `Query model / gallery model: ${shipped}`),
    '',
    paint(
      'dim',
      `  ${padEnd('', labelWidth)}${padStart('Old gallery', halfWidth)}${padStart('New gallery', halfWidth)}`,
    ),
    paint('dim', `  ${padEnd('', labelWidth)}${labels}${labels}`),
    ...row('Old query', oldOld, oldNew, null),
    ...row('New query', newOld, newNew, 'bold'),
  ];
}

export function flips(canvas: Canvas): string[] {
  const { report, paint } = canvas;
  const { flips, triplets } = report;
  if (flips.negativeFlipRate === null) return [];
  const caption = flips.k === 1 ? 'By the first hit.' : `By a match among the first ${flips.k}.`;
  const rows: [string, number | null, Interval | null][] = [
    ['Wrong to right', flips.positiveFlipRate, flips.positiveFlipRateInterval],
    ['Right to wrong', flips.negativeFlipRate, flips.negativeFlipRateInterval],
  ];
  if (triplets.inverted !== null) {
    rows.push(
      ['Triplets inverted', triplets.inverted, triplets.interval],
      ['Triplets repaired', triplets.repaired, null],
    );
  }
  return [
    ...titled(canvas, flipsTitle(report), `${caption} Triplets: ${count(triplets.sampled)} sampled.`),
    '',
    ...tableLines(
      [
        { title: '', align: 'left' },
        { title: 'Rate', align: 'right' },
        { title: 'Interval', align: 'left' },
      ],
      rows.map(([name, rate, range]) => [
        { text: padEnd(name, 18) },
        { text: number(rate) },
        { text: interval(range), ink: 'dim' as const },
      ]),
      paint,
    ),
  ];
}

export function worstClasses(canvas: Canvas): string[] {
  const { report, width, paint } = canvas;
  if (report.classes.length === 0) return [];
  const drop = (entry: Report['classes'][number]) => entry.map.difference ?? Number.POSITIVE_INFINITY;
  const worst = [...report.classes].sort((a, b) => drop(a) - drop(b)).slice(0, WORST_CLASSES);
  return [
    ...titled(
      canvas,
      classesTitle(report),
      `The ${worst.length} classes with the largest drop in mAP, of ${count(report.data.classes)}; at the right the violation rates of same-class and different-class pairs.`,
    ),
    '',
    ...tableLines(
      [
        { title: 'Class', align: 'left' },
        { title: 'Queries', align: 'right' },
        { title: 'Old', align: 'right' },
        { title: 'New', align: 'right' },
        { title: 'Difference', align: 'right' },
        { title: 'Interval', align: 'left' },
        { title: 'Same', align: 'right' },
        { title: 'Different', align: 'right' },
      ],
      worst.map((entry) => [
        { text: dataText(entry.label, Math.min(NAME_WIDTH, width - 70)) },
        { text: count(entry.queries) },
        { text: number(entry.map.old) },
        { text: number(entry.map.new) },
        { text: signed(entry.map.difference) },
        { text: signedInterval(entry.map.interval), ink: 'dim' as const },
        { text: number(entry.positiveRate) },
        { text: number(entry.negativeRate) },
      ]),
      paint,
    ),
  ];
}

/** What a compatible model gives up against the paragon, and the scores made of both. */
export function paragon(canvas: Canvas): string[] {
  const { report, paint } = canvas;
  const metrics = paragonMetrics(report);
  if (metrics.length === 0) return [];
  const { tax, advbct, paragonCells } = report;
  return [
    ...titled(
      canvas,
      paragonTitle(report),
      'Paragon: trained without any thought for the old model. Gain: share of its gain that new queries have on the old gallery; tax: what it ranks better by, all new; comp, up, one: AdvBCT scores, .500 is no gain.',
    ),
    '',
    ...tableLines(
      [
        { title: 'Metric', align: 'left' },
        { title: 'Paragon', align: 'right' },
        { title: 'New', align: 'right' },
        { title: 'Tax', align: 'right' },
        { title: 'Gain', align: 'right' },
        { title: 'Comp', align: 'right' },
        { title: 'Up', align: 'right' },
        { title: 'One', align: 'right' },
      ],
      metrics.map((metric) => [
        { text: padEnd(metricLabel(metric), 14) },
        { text: number(paragonCells?.newNew[metric]?.value) },
        { text: number(report.retrieval.newNew?.[metric]?.value) },
        { text: signed(tax?.[metric]) },
        { text: number(report.updateGain[metric]?.value) },
        ...(['comp', 'up', 'one'] as const).map((score) => ({ text: number(advbct?.[metric]?.[score]) })),
      ]),
      paint,
    ),
  ];
}
