/** What each chart of a training draws: epochs from 0 to those planned on every x axis, so that the empty part is what is left. */
import type { TrainingStep } from '../../src/core/contract/followedTraining.ts';
import { cellLabels, metricLabel, number } from '../../src/core/contract/format.ts';
import type { EpochFigures, TrainingPart, TrainingRecord } from '../../src/core/contract/training.ts';
import {
  lossTitle,
  metricTitle,
  negativeFlipTitle,
  standingOf,
  stepTimeText,
  stepTimeTitle,
  type TradeOffPoint,
  tradeOffTitle,
  violationsTitle,
} from '../../src/core/contract/trainingFindings.ts';
import type { LineChartSpec, Point, Series } from '../charts/lineChart.ts';
import { cellLooks } from '../components/cellLook.ts';
import type { TableTwin } from '../components/figure.ts';
import { niceScale } from '../components/scale.ts';

/** A part of a run as it is drawn. */
export interface DrawnPart {
  record: TrainingRecord;
  part: TrainingPart;
  steps: readonly TrainingStep[];
  /** M(new/new) of the paragon. */
  paragon: number | null;
  /** Whether the run goes on. */
  isLive: boolean;
}

/** A chart with its title, and the same as a table. `null` spec: nothing of it was measured. */
export interface Drawing {
  title: string;
  spec: LineChartSpec | null;
  twin: () => TableTwin;
}

type Look = Series['look'];
const plainLook: Look = { colour: 'foreground', width: 1.25, dash: [], point: 'diamond' };
const accentLook: Look = { colour: 'accent', width: 2, dash: [], point: 'filled' };
/** The first term is the accent's; no two look alike up to four. */
const termLooks: Look[] = [
  accentLook,
  plainLook,
  { colour: 'secondary', width: 1.5, dash: [5, 3], point: 'hollow' },
  { colour: 'secondary', width: 1.5, dash: [1.5, 3], point: 'square' },
];
const paragonLook: Look = { colour: 'foreground', width: 1.25, dash: [1.5, 3], point: 'diamond' };
const LARGE = 480;
const SMALL = 112;

function pointsOf(epochs: readonly EpochFigures[], of: (figures: EpochFigures) => number | null | undefined): Point[] {
  return epochs.flatMap((figures) => {
    const y = of(figures);
    return y === null || y === undefined ? [] : [{ x: figures.epoch, y }];
  });
}

function epochAxis({ record }: DrawnPart, isTitled: boolean): LineChartSpec['x'] {
  return { low: 0, high: Math.max(1, record.epochsPlanned), ...(isTitled ? { title: 'epoch' } : {}) };
}

/** A level through the whole plot, with a point an epoch so that the tooltip finds it. */
function level(label: string, y: number, look: Look, epochs: number): Series {
  return { label, look, points: Array.from({ length: epochs + 1 }, (_, x) => ({ x, y })) };
}

function epochWords(x: number): string {
  return x === 0 ? 'before the first step' : `epoch ${Number.isInteger(x) ? x : x.toFixed(1)}`;
}

function epochTwin(epochs: readonly EpochFigures[], columns: [string, (figures: EpochFigures) => number | null][]) {
  return () => ({
    head: ['epoch', 'step', ...columns.map(([name]) => name)],
    rows: epochs.map((figures) => [figures.epoch, figures.step, ...columns.map(([, of]) => of(figures))]),
  });
}

/** new/old, new/new and old/old over the whole run, the paragon's level, and where the criterion was passed. */
export function metricDrawing(drawn: DrawnPart): Drawing {
  const { record, part, paragon } = drawn;
  const metric = record.criterionMetric;
  const { epochs } = part;
  const newOld = pointsOf(epochs, (figures) => figures.newOld?.[metric]);
  const newNew = pointsOf(epochs, (figures) => figures.newNew?.[metric]);
  const old = epochs.findLast(({ oldOld }) => oldOld?.[metric] !== undefined)?.oldOld?.[metric];
  const standing = standingOf(epochs, metric);
  const passed = standing.kind === 'better' && standing.since > 0 ? standing.since : null;
  const whiskers = epochs.flatMap(({ epoch, criterion, newOld: cell }) => {
    const y = cell?.[metric];
    if (criterion === null || y === undefined) return [];
    // The interval is that of the difference: around new/old it is read against the dashed line.
    const { difference, interval } = criterion;
    return [{ x: epoch, y, low: y - difference + interval[0], high: y - difference + interval[1] }];
  });
  const now = epochs.at(-1)?.epoch ?? 0;
  const isUnfinished = part.state === 'running' && now < record.epochsPlanned;
  const title = metricTitle(part, metric, paragon);
  const series: Series[] = [
    ...(newOld.length === 0
      ? []
      : [
          {
            label: cellLabels.newOld,
            look: cellLooks.newOld,
            points: newOld,
            band: whiskers,
            marks: newOld.filter(({ x }) => x === passed).map((point) => ({ ...point, label: `passed at ${passed}` })),
          },
        ]),
    ...(newNew.length === 0 ? [] : [{ label: cellLabels.newNew, look: cellLooks.newNew, points: newNew }]),
    ...(old === undefined
      ? []
      : [level(`criterion: ${cellLabels.oldOld}`, old, cellLooks.oldOld, record.epochsPlanned)]),
    ...(paragon === null ? [] : [level('paragon', paragon, paragonLook, record.epochsPlanned)]),
  ];
  return {
    title,
    spec:
      newNew.length === 0
        ? null
        : {
            label: `${metricLabel(metric)} by epoch. ${title}. ${levels(epochs, metric, paragon)}`,
            height: LARGE,
            x: epochAxis(drawn, true),
            y: { low: 0, high: 1, ticks: [0, 0.2, 0.4, 0.6, 0.8, 1] },
            series,
            uprights: isUnfinished
              ? [{ x: now, label: drawn.isLive ? 'now' : `ended after ${now}`, colour: 'secondary' }]
              : [],
            labels: 'beside',
            xWords: epochWords,
          },
    twin: epochTwin(epochs, [
      [cellLabels.newOld, (figures) => figures.newOld?.[metric] ?? null],
      [cellLabels.newNew, (figures) => figures.newNew?.[metric] ?? null],
      [cellLabels.oldOld, (figures) => figures.oldOld?.[metric] ?? null],
      ['difference', (figures) => figures.criterion?.difference ?? null],
      ['low', (figures) => figures.criterion?.interval[0] ?? null],
      ['high', (figures) => figures.criterion?.interval[1] ?? null],
    ]),
  };
}

function levels(epochs: readonly EpochFigures[], metric: string, paragon: number | null): string {
  const last = epochs.at(-1);
  const parts = [
    `new/old ${number(last?.newOld?.[metric])}`,
    `new/new ${number(last?.newNew?.[metric])}`,
    `old/old ${number(last?.oldOld?.[metric])}`,
    ...(paragon === null ? [] : [`paragon ${number(paragon)}`]),
  ];
  return `Epoch ${last?.epoch ?? 0}: ${parts.join(', ')}.`;
}

export function lossDrawing(drawn: DrawnPart): Drawing {
  const { part, record, steps } = drawn;
  const title = lossTitle(steps, part.epochs);
  const names = Object.keys(steps.at(-1)?.terms ?? part.epochs.findLast(({ loss }) => loss !== null)?.terms ?? {});
  const perEpoch = Math.max(1, record.stepsPerEpoch);
  const series: Series[] = names.map((name, index) => ({
    label: name,
    look: termLooks[index % termLooks.length] ?? plainLook,
    points:
      steps.length > 0
        ? steps.map(({ step, terms }) => ({ x: step / perEpoch, y: terms[name] ?? 0 }))
        : pointsOf(part.epochs, (figures) => figures.terms[name]),
  }));
  const all = series.flatMap(({ points }) => points.map(({ y }) => y));
  return {
    title,
    spec: all.length === 0 ? null : small(drawn, title, series, { ...niceScale(all, 3, [0]), low: 0 }),
    twin: () => ({
      head: ['step', 'loss', ...names],
      rows: steps.map(({ step, loss, terms }) => [step, loss, ...names.map((name) => terms[name] ?? null)]),
    }),
  };
}

export function violationsDrawing(drawn: DrawnPart): Drawing {
  const { epochs } = drawn.part;
  const title = violationsTitle(epochs);
  const series: Series[] = [
    { label: 'same class', look: accentLook, points: pointsOf(epochs, ({ positiveRate }) => positiveRate) },
    {
      label: 'different class nearer',
      look: { ...accentLook, width: 1.5, dash: [1.5, 3] },
      points: pointsOf(epochs, ({ inverted }) => inverted),
    },
  ].filter(({ points }) => points.length > 0) as Series[];
  return {
    title,
    spec: series.length === 0 ? null : small(drawn, title, series, { low: -0.03, high: 1.03, ticks: [0, 0.5, 1] }),
    twin: epochTwin(epochs, [
      ['same-class violation rate', ({ positiveRate }) => positiveRate],
      ['inverted', ({ inverted }) => inverted],
    ]),
  };
}

export function negativeFlipsDrawing(drawn: DrawnPart): Drawing {
  const { epochs } = drawn.part;
  const title = negativeFlipTitle(epochs);
  const points = pointsOf(epochs, ({ negativeFlipRate }) => negativeFlipRate);
  const scale = niceScale(
    points.map(({ y }) => y),
    3,
    [0],
  );
  return {
    title,
    spec:
      points.length === 0
        ? null
        : small(drawn, title, [{ label: 'right to wrong', look: accentLook, points }], { ...scale, low: 0 }),
    twin: epochTwin(epochs, [['negative flip rate', ({ negativeFlipRate }) => negativeFlipRate]]),
  };
}

export function stepTimeDrawing(drawn: DrawnPart): Drawing {
  const { steps, record } = drawn;
  const title = stepTimeTitle(steps);
  const perEpoch = Math.max(1, record.stepsPerEpoch);
  const points = steps.map(({ step, millisecondsPerStep }) => ({ x: step / perEpoch, y: millisecondsPerStep }));
  const scale = niceScale(
    points.map(({ y }) => y),
    3,
    [0],
  );
  return {
    title,
    spec:
      points.length === 0
        ? null
        : {
            ...small(drawn, title, [{ label: 'ms', look: plainLook, points }], { ...scale, low: 0 }),
            yWords: stepTimeText,
          },
    twin: () => ({
      head: ['step', 'milliseconds a step'],
      rows: steps.map(({ step, millisecondsPerStep }) => [step, millisecondsPerStep]),
    }),
  };
}

function small(
  drawn: DrawnPart,
  title: string,
  series: Series[],
  scale: { low: number; high: number; ticks: number[] },
): LineChartSpec {
  return {
    label: title,
    height: SMALL,
    x: epochAxis(drawn, false),
    y: scale,
    series,
    labels: 'beside',
    xWords: epochWords,
  };
}

/** new/old against new/new of a sweep's models, the paragon and the old model marked. */
export function tradeOffDrawing(
  points: readonly TradeOffPoint[],
  metric: string,
  old: number | null,
  /** new/new of the paragon. */
  own: number | null,
): Drawing {
  const title = tradeOffTitle(points, metric);
  const x = niceScale([...points.map(({ newNew }) => newNew), own], 5);
  const y = niceScale([...points.map(({ newOld }) => newOld), old], 4);
  const line = points.map(({ newNew, newOld }) => ({ x: newNew, y: newOld }));
  const series: Series[] = [
    {
      label: 'by λ',
      look: { ...cellLooks.newOld, width: 1.25 },
      points: line,
      unlabelled: true,
      marks: points.map(({ newNew, newOld, title: label }) => ({ x: newNew, y: newOld, label })),
    },
    ...(old === null
      ? []
      : [
          {
            label: 'old model',
            look: cellLooks.oldOld,
            points: [x.low, x.high].map((at) => ({ x: at, y: old })),
          },
        ]),
  ];
  return {
    title,
    spec:
      points.length === 0
        ? null
        : {
            label: title,
            height: 280,
            x: { ...x, title: `new/new ${metricLabel(metric)}` },
            y,
            series,
            uprights: own === null ? [] : [{ x: own, label: 'paragon', colour: 'foreground' }],
            labels: 'beside',
            xWords: (at) => `new/new ${number(at)}`,
          },
    twin: () => ({
      head: ['lambda', 'new/old', 'new/new'],
      rows: points.map(({ lambda, newOld, newNew }) => [lambda, newOld, newNew]),
    }),
  };
}
