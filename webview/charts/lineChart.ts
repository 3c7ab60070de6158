/** Curves: CMC, histograms as steps, rate against tolerance. One specification for all, so that they look alike. */
import type { Chart, ChartDataset, Plugin, ScriptableScaleContext } from 'chart.js';
import { number } from '../../src/core/contract/format.ts';
import { type CellLook, cellLooks, type PointShape } from '../components/cellLook.ts';
import { decimalsOf, tickLabel } from '../components/scale.ts';
import { type AnyConfiguration, chart, type LiveChart } from './chart.ts';
import { type Box, placeLabels, pushApart } from './labels.ts';
import { type Theme, toRgba } from './theme.ts';

export interface Point {
  x: number;
  y: number;
}

/** An interval at one place of a curve. */
export interface Whisker {
  x: number;
  y: number;
  low: number;
  high: number;
}

export interface Series {
  label: string;
  points: Point[];
  look: Pick<CellLook, 'colour' | 'width' | 'dash' | 'point'>;
  /** Fills down to 0 with this opacity. */
  fill?: number;
  stepped?: boolean;
  /** Uprights with a band that joins them along the curve. */
  whiskers?: Whisker[];
  /** The band alone. */
  band?: Whisker[];
  /** Points that are drawn: tolerances of the config, the first hit; some with words beside them. */
  marks?: (Point & { label?: string })[];
  /** Its marks say what it is. */
  unlabelled?: boolean;
}

export interface AxisSpec {
  low: number;
  high: number;
  title?: string;
  ticks?: number[];
  /** Instead of plain numbers: shares as percentages, powers of ten. */
  tickWords?: (value: number) => string;
  /** No line, no ticks: a histogram's height says nothing that its shape does not. */
  hidden?: boolean;
}

/** A place on the x axis that the curves are read against: a threshold. */
export interface Upright {
  x: number;
  label: string;
  colour: CellLook['colour'];
}

export interface LineChartSpec {
  /** Figures in words, for people who do not see the chart. */
  label: string;
  height: number;
  x: AxisSpec;
  y: AxisSpec;
  series: Series[];
  uprights?: Upright[];
  labels: 'beside' | 'end';
  /** Words of the tooltip's first line. */
  xWords: (x: number) => string;
  yWords?: (y: number) => string;
}

const AXIS_FONT = 11;
const Y_AXIS_WIDTH = 34;

export function dashOf(name: keyof typeof cellLooks): Series['look'] {
  return cellLooks[name];
}

function colourOf(look: Series['look'], theme: Theme): string {
  return theme[look.colour];
}

function drawPoint(
  context: CanvasRenderingContext2D,
  shape: PointShape,
  x: number,
  y: number,
  colour: string,
  theme: Theme,
): void {
  context.save();
  context.beginPath();
  if (shape === 'diamond') {
    context.moveTo(x, y - 4.5);
    context.lineTo(x + 4.5, y);
    context.lineTo(x, y + 4.5);
    context.lineTo(x - 4.5, y);
    context.closePath();
  } else if (shape === 'square') context.rect(x - 3.5, y - 3.5, 7, 7);
  else context.arc(x, y, shape === 'filled' ? 3.5 : 4, 0, 2 * Math.PI);
  context.setLineDash([]);
  context.lineWidth = 1.5;
  context.fillStyle = shape === 'filled' ? colour : theme.background;
  context.strokeStyle = shape === 'filled' ? theme.background : colour;
  context.fill();
  context.stroke();
  context.restore();
}

function drawLabel(
  context: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  colour: string,
  theme: Theme,
): void {
  context.lineJoin = 'round';
  context.lineWidth = 5;
  context.strokeStyle = theme.background;
  context.strokeText(text, x, y);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

/** The band along a curve: the interval's ends relative to the curve, linear between the places that have one. */
function bandOf(series: Series): { x: number; low: number; high: number }[] {
  const whiskers = [...(series.band ?? series.whiskers ?? [])].sort((a, b) => a.x - b.x);
  const [first] = whiskers;
  const last = whiskers[whiskers.length - 1];
  if (!first || !last || whiskers.length < 2) return [];
  const band: { x: number; low: number; high: number }[] = [];
  for (const { x, y } of series.points) {
    if (x < first.x || x > last.x) continue;
    const at = whiskers.findIndex((whisker) => whisker.x >= x);
    const b = whiskers[at];
    const a = whiskers[Math.max(0, at - 1)];
    if (!a || !b) continue;
    const share = b.x === a.x ? 1 : (x - a.x) / (b.x - a.x);
    const mix = (before: number, after: number) => before + (after - before) * share;
    band.push({ x, low: y + mix(a.low - a.y, b.low - b.y), high: y + mix(a.high - a.y, b.high - b.y) });
  }
  return band;
}

/** Dashed through the whole plot, its label at the top on the side that has room; the second below the first. Returns what the labels cover. */
function drawUprights(
  context: CanvasRenderingContext2D,
  area: Chart['chartArea'],
  uprights: readonly Upright[],
  at: (x: number) => number,
  theme: Theme,
): Box[] {
  return uprights.map(({ x, label, colour }, index) => {
    const pixel = at(x);
    context.strokeStyle = theme[colour];
    context.lineWidth = 1;
    context.setLineDash([4, 3]);
    context.beginPath();
    context.moveTo(pixel, area.top);
    context.lineTo(pixel, area.bottom);
    context.stroke();
    context.setLineDash([]);
    const width = context.measureText(label).width;
    const left = pixel + 5 + width > area.right ? pixel - 5 - width : pixel + 5;
    const top = area.top + 14 * index;
    drawLabel(context, label, left, top + 7, theme[colour], theme);
    return { x: left, y: top, width, height: 14 };
  });
}

/** What Chart.js does not draw: intervals, points and labels. Made per chart, by closure. */
function overlay(spec: LineChartSpec, theme: Theme): Plugin {
  const pixels = (drawn: Chart) => {
    const { x, y } = drawn.scales;
    return {
      x: (value: number) => x?.getPixelForValue(value) ?? 0,
      y: (value: number) => y?.getPixelForValue(value) ?? 0,
    };
  };
  return {
    id: 'overlay',
    beforeDatasetsDraw(drawn) {
      const { ctx: context } = drawn;
      const at = pixels(drawn);
      for (const series of spec.series) {
        const band = bandOf(series);
        if (band.length === 0) continue;
        context.save();
        context.beginPath();
        for (const { x, high } of band) context.lineTo(at.x(x), at.y(high));
        for (const { x, low } of band.toReversed()) context.lineTo(at.x(x), at.y(low));
        context.closePath();
        context.fillStyle = toRgba(colourOf(series.look, theme), series.look.colour === 'accent' ? 0.2 : 0.1);
        context.fill();
        context.restore();
      }
    },
    afterDatasetsDraw(drawn) {
      const { ctx: context, chartArea: area } = drawn;
      const at = pixels(drawn);
      context.save();
      context.font = `${AXIS_FONT}px ${theme.fontFamily}`;
      context.textBaseline = 'middle';
      const taken = drawUprights(context, area, spec.uprights ?? [], at.x, theme);
      for (const series of spec.series) {
        const colour = colourOf(series.look, theme);
        for (const whisker of series.whiskers ?? []) {
          const x = at.x(whisker.x);
          context.strokeStyle = colour;
          context.lineWidth = 1;
          context.beginPath();
          context.moveTo(x, at.y(whisker.low));
          context.lineTo(x, at.y(whisker.high));
          context.stroke();
        }
        for (const mark of series.marks ?? []) {
          const [x, y] = [at.x(mark.x), at.y(mark.y)];
          drawPoint(context, series.look.point, x, y, colour, theme);
          if (mark.label === undefined) continue;
          const width = context.measureText(mark.label).width;
          const left = x + 8 + width > area.right ? x - 8 - width : x + 8;
          drawLabel(context, mark.label, left, Math.min(area.bottom - 8, y + 13), colour, theme);
          taken.push({ x: left, y: y + 6, width, height: 14 });
        }
      }
      const labelled = spec.series.filter((series) => series.points.length > 0 && !series.unlabelled);
      const heights = labelled.map((series) => at.y(series.points[series.points.length - 1]?.y ?? 0));
      if (spec.labels === 'end') {
        const apart = pushApart(heights, 14, area.top + 2, area.bottom - 2);
        labelled.forEach((series, index) => {
          drawLabel(context, series.label, area.right + 8, apart[index] ?? 0, textColour(series, theme), theme);
        });
      } else {
        const curves = labelled.map((series) => ({
          points: series.points.map((point) => ({ x: at.x(point.x), y: at.y(point.y) })),
          width: context.measureText(series.label).width,
        }));
        const box = { x: area.left, y: area.top, width: area.right - area.left, height: area.bottom - area.top };
        const places = placeLabels(curves, box, AXIS_FONT + 3, taken);
        labelled.forEach((series, index) => {
          const place = places[index];
          if (place) drawLabel(context, series.label, place.x, place.y, textColour(series, theme), theme);
        });
      }
      context.restore();
    },
  };
}

function textColour(series: Series, theme: Theme): string {
  const { colour } = series.look;
  // Light themes give the others too little contrast for small letters.
  return colour === 'orange' || colour === 'purple' ? theme.foreground : theme[colour];
}

function scaleOptions(axis: AxisSpec, side: 'x' | 'y', theme: Theme) {
  const font = { family: theme.fontFamily, size: AXIS_FONT };
  const given = axis.ticks;
  return {
    type: 'linear' as const,
    display: !axis.hidden,
    min: axis.low,
    max: axis.high,
    title: {
      display: Boolean(axis.title),
      text: axis.title ?? '',
      align: 'end' as const,
      color: theme.secondary,
      font,
      padding: { top: 0 },
    },
    border: { display: side === 'x', color: theme.rule },
    grid: {
      drawOnChartArea: side === 'y',
      drawTicks: false,
      color: (context: ScriptableScaleContext) =>
        side === 'y' && context.tick.value !== axis.low ? theme.grid : theme.rule,
    },
    ticks: {
      color: theme.secondary,
      font,
      padding: 6,
      includeBounds: false,
      maxRotation: 0,
      autoSkipPadding: 12,
      callback: (value: number | string, _index: number, ticks: { value: number }[]) =>
        axis.tickWords?.(Number(value)) ?? tickLabel(Number(value), decimalsOf(ticks.map((tick) => tick.value))),
    },
    ...(given
      ? {
          afterBuildTicks: (scale: { ticks: { value: number }[] }) => {
            scale.ticks = given.map((value) => ({ value }));
          },
        }
      : {}),
    ...(side === 'y'
      ? {
          afterFit: (scale: { width: number }) => {
            scale.width = Y_AXIS_WIDTH;
          },
        }
      : {}),
  };
}

/** Tooltips in the page's colours. */
export function tooltipOptions(theme: Theme) {
  const font = { family: theme.fontFamily, size: 12 };
  return {
    backgroundColor: theme.background,
    borderColor: theme.rule,
    borderWidth: 1,
    titleColor: theme.foreground,
    bodyColor: theme.foreground,
    titleFont: { ...font, weight: 600 },
    bodyFont: font,
    padding: 8,
    cornerRadius: 2,
    displayColors: false,
    caretSize: 0,
  };
}

/** Pixels beside the plot for the longest label at a line's end, its halo included; fonts differ by a third. */
function endLabelRoom(spec: LineChartSpec, theme: Theme): number {
  const context = document.createElement('canvas').getContext('2d');
  if (context === null) return 64;
  context.font = `${AXIS_FONT}px ${theme.fontFamily}`;
  return 14 + Math.ceil(Math.max(...spec.series.map(({ label }) => context.measureText(label).width)));
}

function configuration(spec: LineChartSpec, theme: Theme): AnyConfiguration {
  const words = spec.yWords ?? ((y: number) => number(y));
  const datasets: ChartDataset<'line', Point[]>[] = spec.series.map((series) => {
    const colour = colourOf(series.look, theme);
    return {
      label: series.label,
      data: series.points,
      borderColor: colour,
      borderWidth: series.look.width,
      borderDash: series.look.dash,
      stepped: series.stepped ? 'before' : false,
      fill: series.fill ? 'origin' : false,
      backgroundColor: toRgba(colour, series.fill ?? 0),
      // The accent is drawn last, on top.
      order: series.look.colour === 'accent' ? 0 : 1,
    };
  });
  return {
    type: 'line',
    data: { datasets },
    plugins: [overlay(spec, theme)],
    options: {
      animation: false,
      maintainAspectRatio: false,
      parsing: false,
      normalized: true,
      interaction: { mode: 'index', intersect: false },
      elements: { point: { radius: 0, hoverRadius: 3, hitRadius: 0 }, line: { tension: 0 } },
      layout: { padding: { top: 6, right: spec.labels === 'end' ? endLabelRoom(spec, theme) : 6 } },
      scales: { x: scaleOptions(spec.x, 'x', theme), y: scaleOptions(spec.y, 'y', theme) },
      plugins: {
        legend: { display: false },
        tooltip: {
          ...tooltipOptions(theme),
          callbacks: {
            title: (items: { parsed: { x: number } }[]) => (items[0] ? spec.xWords(items[0].parsed.x) : ''),
            label: (item: { dataset: { label?: string }; parsed: { y: number } }) =>
              `${item.dataset.label ?? ''} ${words(item.parsed.y)}`,
          },
        },
      },
    },
  };
}

export function lineChart(spec: LineChartSpec): LiveChart {
  return chart(spec.label, spec.height, (theme) => configuration(spec, theme));
}

/** Other curves in the place of those of a chart that {@link lineChart} made. */
export function redrawLines(drawn: LiveChart, spec: LineChartSpec): void {
  drawn.redraw(spec.label, (theme) => configuration(spec, theme));
}

/** A histogram as a step line: each bin's share from its left edge to the next. */
export function steps(edges: readonly number[], shares: readonly number[]): Point[] {
  const points = shares.map((y, bin) => ({ x: edges[bin] ?? 0, y }));
  const end = edges[shares.length];
  const last = shares[shares.length - 1];
  if (end !== undefined && last !== undefined) points.push({ x: end, y: last });
  return points;
}

/** "0.2 to 0.225": the bin at an edge, for tooltips. */
export function binWords(edges: readonly number[], x: number): string {
  const bin = edges.findIndex((edge) => edge >= x - 1e-12);
  const next = edges[Math.min(bin + 1, edges.length - 1)];
  return `distance ${number(x)} to ${number(next)}`;
}
