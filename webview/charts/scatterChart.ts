/** Classes, old against new: points while they can be told apart, density bins beyond. */
import { count, number } from '../../src/core/contract/format.ts';
import { dataText } from '../components/dom.ts';
import { tickLabel } from '../components/scale.ts';
import { chart, type LiveChart } from './chart.ts';
import { tooltipOptions } from './lineChart.ts';
import { type Theme, toRgba } from './theme.ts';

export interface ScatterItem {
  label: string;
  x: number;
  y: number;
}

export interface ScatterSpec {
  label: string;
  height: number;
  xTitle: string;
  yTitle: string;
  items: ScatterItem[];
  /** Called with the items under the pointer. */
  onChoose: (items: ScatterItem[]) => void;
}

/** More items than this are drawn as bins. */
export const POINT_LIMIT = 2000;
const BINS = 48;

interface Spot {
  x: number;
  y: number;
  items: ScatterItem[];
}

/** Items by cell of a BINS x BINS grid over [0, 1]². */
export function bin(items: readonly ScatterItem[]): Spot[] {
  const spots = new Map<number, Spot>();
  const at = (value: number) => Math.min(BINS - 1, Math.max(0, Math.floor(value * BINS)));
  for (const item of items) {
    const column = at(item.x);
    const row = at(item.y);
    const key = row * BINS + column;
    let spot = spots.get(key);
    if (!spot) {
      spot = { x: (column + 0.5) / BINS, y: (row + 0.5) / BINS, items: [] };
      spots.set(key, spot);
    }
    spot.items.push(item);
  }
  return [...spots.values()];
}

function axis(title: string, theme: Theme) {
  const font = { family: theme.fontFamily, size: 11 };
  return {
    type: 'linear' as const,
    min: 0,
    max: 1,
    title: { display: true, text: title, align: 'end' as const, color: theme.secondary, font },
    border: { color: theme.rule },
    grid: { color: theme.grid, drawTicks: false },
    ticks: {
      color: theme.secondary,
      font,
      stepSize: 0.25,
      padding: 6,
      callback: (value: number | string) => tickLabel(Number(value)),
    },
  };
}

function words(spot: Spot): string {
  const [only] = spot.items;
  if (spot.items.length === 1 && only)
    return `${dataText(only.label).slice(0, 60)}: old ${number(only.x)}, new ${number(only.y)}`;
  return `${count(spot.items.length)} classes near old ${number(spot.x, 2)}, new ${number(spot.y, 2)}`;
}

export function scatterChart(spec: ScatterSpec): LiveChart {
  const binned = spec.items.length > POINT_LIMIT;
  const spots: Spot[] = binned ? bin(spec.items) : spec.items.map((item) => ({ x: item.x, y: item.y, items: [item] }));
  const most = spots.reduce((largest, spot) => Math.max(largest, spot.items.length), 1);
  return chart(spec.label, spec.height, (theme) => ({
    type: 'scatter',
    data: {
      datasets: [
        {
          data: spots,
          pointStyle: binned ? 'rect' : 'circle',
          backgroundColor: spots.map((spot) =>
            toRgba(
              theme.accent,
              binned ? 0.25 + 0.75 * (Math.log1p(spot.items.length) / Math.log1p(most)) : theme.highContrast ? 1 : 0.7,
            ),
          ),
          borderWidth: 0,
          hoverBorderWidth: 1.5,
          hoverBorderColor: theme.foreground,
          radius: (context: { chart: { chartArea?: { right: number; left: number } } }) => {
            const area = context.chart.chartArea;
            // Chart.js draws a rect of half width radius * sqrt(1/2).
            return binned && area ? ((area.right - area.left) / BINS / 2) * Math.SQRT2 * 0.94 : 3;
          },
          hitRadius: 2,
        },
      ],
    },
    plugins: [
      {
        id: 'diagonal',
        beforeDatasetsDraw(drawn) {
          const { ctx: context, chartArea: area } = drawn;
          context.save();
          context.strokeStyle = theme.secondary;
          context.lineWidth = 1;
          context.setLineDash([5, 3]);
          context.beginPath();
          context.moveTo(area.left, area.bottom);
          context.lineTo(area.right, area.top);
          context.stroke();
          context.restore();
        },
      },
    ],
    options: {
      animation: false,
      maintainAspectRatio: false,
      parsing: false,
      layout: { padding: { top: 6, right: 6 } },
      onClick: (_event: unknown, elements: { index: number }[]) => {
        const chosen = elements.flatMap((element) => spots[element.index]?.items ?? []);
        if (chosen.length > 0) spec.onChoose(chosen);
      },
      scales: { x: axis(spec.xTitle, theme), y: axis(spec.yTitle, theme) },
      plugins: {
        legend: { display: false },
        tooltip: {
          ...tooltipOptions(theme),
          callbacks: { title: () => '', label: (item: { dataIndex: number }) => words(spots[item.dataIndex] as Spot) },
        },
      },
    },
  }));
}
