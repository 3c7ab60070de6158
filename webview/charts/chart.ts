/** A Chart.js canvas that lives with the page: named, rebuilt on a change of theme, destroyed with its panel. */
import {
  Chart,
  type ChartConfiguration,
  type ChartType,
  Filler,
  LinearScale,
  LineController,
  LineElement,
  PointElement,
  ScatterController,
  Tooltip,
} from 'chart.js';
import { h } from '../components/dom.ts';
import { readTheme, type Theme } from './theme.ts';

Chart.register(LineController, LineElement, PointElement, ScatterController, LinearScale, Filler, Tooltip);

/** Any configuration: the page has lines and scatters, which Chart.js types apart. */
// biome-ignore lint/suspicious/noExplicitAny: the union of Chart.js configurations does not assign to itself
export type AnyConfiguration = ChartConfiguration<any, any, any>;

export interface LiveChart {
  element: HTMLElement;
  /** The drawing at two pixels a CSS pixel, on the page's background. */
  picture: () => HTMLCanvasElement;
  /** Draws other figures in its place. */
  redraw: (label: string, build: (theme: Theme) => AnyConfiguration) => void;
}

interface Entry {
  canvas: HTMLCanvasElement;
  height: number;
  build: (theme: Theme) => AnyConfiguration;
  chart: Chart<ChartType> | null;
}

const live = new Set<Entry>();
/** Of a picture whose chart is not in the page, CSS pixels. */
const PICTURE_WIDTH = 720;

function make(entry: Entry, theme: Theme): void {
  entry.chart?.destroy();
  entry.chart = new Chart(entry.canvas, entry.build(theme)) as Chart<ChartType>;
}

/** A chart of the given height; `label` says its figures in words. It is drawn once it stands in the page. */
export function chart(label: string, height: number, build: (theme: Theme) => AnyConfiguration): LiveChart {
  const canvas = h('canvas', { role: 'img', 'aria-label': label });
  const element = h('div', { class: 'chart' }, canvas);
  element.style.height = `${height}px`;
  const entry: Entry = { canvas, height, build, chart: null };
  live.add(entry);
  // After the caller has put the element into the page: a canvas without a size draws nothing.
  queueMicrotask(() => {
    if (live.has(entry)) make(entry, readTheme());
  });
  return {
    element,
    picture: () => picture(entry),
    redraw(newLabel, newBuild) {
      canvas.setAttribute('aria-label', newLabel);
      entry.build = newBuild;
      if (entry.chart) make(entry, readTheme());
    },
  };
}

/** Destroys all charts; before the page draws itself anew. */
export function disposeCharts(): void {
  for (const entry of live) entry.chart?.destroy();
  live.clear();
}

/** Draws all charts anew in the theme that now holds. */
export function rebuildCharts(): void {
  const theme = readTheme();
  for (const entry of live) if (entry.chart) make(entry, theme);
}

function picture(entry: Entry): HTMLCanvasElement {
  const theme = readTheme();
  // While its table is shown the chart itself has no size.
  const width = Math.round(entry.canvas.getBoundingClientRect().width);
  const canvas = document.createElement('canvas');
  canvas.width = width > 0 ? width : PICTURE_WIDTH;
  canvas.height = entry.height;
  const configuration = entry.build(theme);
  const drawn = new Chart(canvas, {
    ...configuration,
    options: { ...configuration.options, responsive: false, devicePixelRatio: 2 },
  });
  const result = document.createElement('canvas');
  result.width = canvas.width;
  result.height = canvas.height;
  const context = result.getContext('2d');
  if (context) {
    context.fillStyle = theme.background;
    context.fillRect(0, 0, result.width, result.height);
    context.drawImage(canvas, 0, 0);
  }
  drawn.destroy(); // clears its canvas
  return result;
}

/** Several charts below each other as one PNG, as a data URL. */
export function pngOf(charts: readonly LiveChart[]): string {
  const pictures = charts.map((item) => item.picture());
  const result = document.createElement('canvas');
  result.width = Math.max(1, ...pictures.map((item) => item.width));
  result.height = Math.max(
    1,
    pictures.reduce((sum, item) => sum + item.height, 0),
  );
  const context = result.getContext('2d');
  let top = 0;
  for (const item of pictures) {
    context?.drawImage(item, 0, top);
    top += item.height;
  }
  return result.toDataURL('image/png');
}
