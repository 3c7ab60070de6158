import {
  actualText,
  cellMetrics,
  cellsTitle,
  classesTitle,
  criterionCaption,
  criterionNotes,
  criterionRows,
  criterionTitle,
  dataLine,
  flipsTitle,
  gatesExitStatus,
  gatesTitle,
  gateWords,
  inequalitiesCaption,
  inequalitiesSentence,
  intervalsNote,
  limitText,
  modelNote,
  plain,
  rankingWords,
  type Tone,
  verdictRows,
  verdictSentence,
} from '../contract/findings.ts';
import {
  cellLabels,
  count,
  durationText,
  interval,
  metricLabel,
  NO_FIGURE,
  number,
  signed,
  signedInterval,
  toleranceText,
  visibleText,
} from '../contract/format.ts';
import type { Cell, Interval, MetricName, Report, SignedViolations, Violations } from '../contract/report.ts';
import {
  type Column,
  createPaint,
  dataText,
  type Ink,
  type Paint,
  padEnd,
  padStart,
  type TableCell,
  tableLines,
  wrap,
} from './terminal.ts';

export interface TextOptions {
  /** Columns; kept between 80 and 120. */
  width: number;
  colour: boolean;
}

const icons: Readonly<Record<Tone, string>> = { good: '✓', bad: '✗', warning: '!', undecided: '?', absent: '·' };
const inks: Readonly<Record<Tone, Ink | null>> = {
  good: 'good',
  bad: 'bad',
  warning: 'warning',
  undecided: 'dim',
  absent: 'dim',
};

const WORST_CLASSES = 5;
const NAME_WIDTH = 28;

/** What every section needs. */
interface Canvas {
  report: Report;
  width: number;
  paint: Paint;
}

/** The report for a terminal: verdict first, then the evidence, at last what the figures rest on. */
export function renderText(report: Report, options: TextOptions): string {
  const canvas: Canvas = {
    report,
    width: Math.min(120, Math.max(80, options.width)),
    paint: createPaint(options.colour),
  };
  const sections = [
    heading(canvas),
    verdict(canvas),
    criterion(canvas),
    retrieval(canvas),
    inequalities(canvas),
    flips(canvas),
    worstClasses(canvas),
    gates(canvas),
    footer(canvas),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

/** Name, verdict and what it rests on, in a few lines; for a list of several reports. */
export function renderTextSummary(report: Report, options: TextOptions): string {
  const canvas: Canvas = {
    report,
    width: Math.min(120, Math.max(80, options.width)),
    paint: createPaint(options.colour),
  };
  return `${[...heading(canvas), '', ...verdict(canvas)].join('\n')}\n`;
}

function heading({ report, paint }: Canvas): string[] {
  const name = (model: Report['old']) => paint('bold', dataText(model.name, NAME_WIDTH));
  const note = (model: Report['old']) => paint('dim', ` ${modelNote(model)}`);
  return [
    `Backcompat audit: ${name(report.old)}${note(report.old)} → ${name(report.new)}${note(report.new)}`,
    paint('dim', `${dataLine(report)} · ${report.protocol.distance}`),
  ];
}

function verdict({ report, width, paint }: Canvas): string[] {
  const lines = wrap(visibleText(plain(verdictSentence(report))), width).map((line) => paint('bold', line));
  const rows = verdictRows(report);
  const lead = 2 + 2 + 14 + 15;
  const details = rows.flatMap(({ part, word, tone, text }) => {
    const ink = inks[tone];
    const icon = ink ? paint(ink, icons[tone]) : icons[tone];
    const [first = '', ...rest] = wrap(visibleText(text), width - lead);
    return [
      `  ${icon} ${paint('dim', padEnd(part, 14))}${padEnd(word, 15)}${first}`,
      ...rest.map((line) => ' '.repeat(lead) + line),
    ];
  });
  return [...lines, '', ...details];
}

function titled({ width, paint }: Canvas, title: string, caption: string): string[] {
  return [
    ...wrap(visibleText(title), width).map((line) => paint('bold', line)),
    ...wrap(visibleText(caption), width).map((line) => paint('dim', line)),
  ];
}

/** `──┼──━━┃━━──`: an interval on the axis that all rows share, with its zero. */
function bar(value: number, range: Interval | null, low: number, high: number, cells: number): string {
  const at = (x: number) => Math.round(((x - low) / (high - low)) * (cells - 1));
  const marks = Array.from({ length: cells }, () => ' ');
  marks[at(0)] = '│';
  if (range) for (let cell = at(range[0]); cell <= at(range[1]); cell++) marks[cell] = '━';
  marks[at(value)] = '╋';
  return marks.join('');
}

function criterion(canvas: Canvas): string[] {
  const { report, width, paint } = canvas;
  const rows = criterionRows(report);
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

function retrieval(canvas: Canvas): string[] {
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

function inequalities(canvas: Canvas): string[] {
  const { report, paint } = canvas;
  const { references } = report.inequalities;
  const tolerances = report.protocol.epsilons.slice(1);
  const rows: [name: string, signed: SignedViolations | null][] = [
    ['This pair', report.inequalities],
    ['Floor: old + 1 % noise', references.jitteredOld],
    ['Procrustes: best rotation', references.procrustes],
    ['Chance: shuffled queries', references.permutedNew],
  ];
  const table = (title: string, sign: keyof SignedViolations) =>
    tableLines(
      [
        { title, align: 'left' },
        { title: 'Violated', align: 'right' },
        { title: 'Interval', align: 'left' },
        ...tolerances.map((epsilon) => ({ title: `at ${toleranceText(epsilon)}`, align: 'right' as const })),
        { title: 'Severity', align: 'right' },
      ],
      rows.map(([name, both], index) => {
        const violations: Violations | undefined = both?.[sign];
        const ink = index === 0 ? ('bold' as const) : null;
        return [
          { text: padEnd(name, 25), ink },
          { text: number(violations?.byEpsilon[0]?.rate), ink },
          { text: padEnd(interval(violations?.byEpsilon[0]?.interval), 14), ink: 'dim' },
          ...tolerances.map((_, position) => ({ text: number(violations?.byEpsilon[position + 1]?.rate), ink })),
          { text: number(violations?.severity), ink },
        ];
      }),
      paint,
    );
  const missing =
    references.procrustes === null
      ? [`  ${paint('dim', 'Procrustes needs equal dimensions and at least as many items as dimensions.')}`]
      : [];
  return [
    ...titled(canvas, plain(inequalitiesSentence(report)), inequalitiesCaption(report)),
    '',
    ...table('Same class: grew', 'positive'),
    '',
    ...table('Different class: shrank', 'negative'),
    ...missing,
  ];
}

function flips(canvas: Canvas): string[] {
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

function worstClasses(canvas: Canvas): string[] {
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

const MAX_GATES = 20;

function gates(canvas: Canvas): string[] {
  const { report, width, paint } = canvas;
  if (report.gates.length === 0) return [];
  const order = ['failed', 'unmeasured', 'undecided', 'passed'];
  const sorted = [...report.gates].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  const shown = sorted.slice(0, MAX_GATES);
  const rest = sorted.length - shown.length;
  const wide = width >= 100;
  const columns: Column[] = [
    { title: 'State', align: 'left' },
    { title: 'Rule', align: 'left' },
    { title: 'Actual', align: 'right' },
    { title: 'Interval', align: 'left' },
    { title: 'Limit', align: 'left' },
  ];
  const rows = shown.map((gate): TableCell[] => {
    const { word, tone } = gateWords[gate.state];
    const warns = gate.severity === 'warn' && gate.state !== 'passed';
    return [
      {
        text: `${icons[warns ? 'warning' : tone]} ${word}${warns ? ', warning' : ''}`,
        ink: inks[warns ? 'warning' : tone],
      },
      { text: dataText(gate.rule, wide ? width - 62 : 32) },
      { text: visibleText(actualText(gate.actual)) },
      { text: interval(gate.interval), ink: 'dim' },
      { text: limitText(gate.limit) },
    ];
  });
  const fitting = <T>(cells: T[]) => (wide ? cells : cells.filter((_, index) => index !== 3));
  return [
    ...titled(canvas, gatesTitle(report.gates), `Exit status ${gatesExitStatus(report)}. Warnings never change it.`),
    '',
    ...tableLines(fitting(columns), rows.map(fitting), paint),
    ...(rest > 0 ? [`  ${paint('dim', `and ${count(rest)} more, all in the report`)}`] : []),
  ];
}

function footer({ report, width, paint }: Canvas): string[] {
  const { protocol, provenance } = report;
  const rule = report.protocol.dimensionRule === 'equal' ? '' : `, dimension rule ${protocol.dimensionRule}`;
  const made = `Seed ${protocol.seed}${rule}; ${visibleText(provenance.tool)}, ${durationText(provenance.seconds)}.`;
  return [...wrap(intervalsNote(report), width), ...wrap(made, width)].map((line) => paint('dim', line));
}
