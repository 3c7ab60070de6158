/** The curves of all reports over each other: CMC and ROC of a cell, violations against tolerance. */
import type { ComparedCurves, ComparedReport } from '../../src/core/contract/comparison.ts';
import { cmcOverlayTitle, rocOverlayTitle, toleranceOverlayTitle } from '../../src/core/contract/comparisonFindings.ts';
import { cellLabels, count, number, percent, toleranceText } from '../../src/core/contract/format.ts';
import { type CellName, cellNames } from '../../src/core/contract/report.ts';
import { farText } from '../../src/core/contract/thresholdFindings.ts';
import type { ComparePage } from '../../src/protocol/compare.ts';
import { type LiveChart, pngOf } from '../charts/chart.ts';
import { type LineChartSpec, lineChart, redrawLines, type Series } from '../charts/lineChart.ts';
import { lineKey } from '../components/cellLook.ts';
import { dataText, h } from '../components/dom.ts';
import { figure, type TableTwin } from '../components/figure.ts';
import { niceScale } from '../components/scale.ts';
import { segments } from '../components/segments.ts';
import type { Bridge } from '../report/bridge.ts';
import { columns } from '../report/parts.ts';
import { modelsOf, reportLook } from './reportLook.ts';

/** More curves at once are a tangle; the others wait until they are chosen. */
const FIRST_CURVES = 6;

interface Drawn {
  report: ComparedReport;
  index: number;
  curves: ComparedCurves;
}

interface Overlay {
  title: string;
  /** null: no report has such a curve. */
  spec: LineChartSpec | null;
  twin: TableTwin;
}

/** All overlays, and the choice of reports and of the cell above them. */
export function overlays(page: ComparePage, bridge: Bridge): HTMLElement {
  const { reports } = page.comparison;
  const all = reports.map((report, index): Drawn => ({ report, index, curves: page.curves[index] as ComparedCurves }));
  const chosen = new Set(all.slice(0, FIRST_CURVES).map(({ index }) => index));
  const cells = cellNames.filter((cell) =>
    page.curves.some(({ cmc, roc }) => (cmc[cell]?.length ?? 0) > 0 || (roc[cell]?.far.length ?? 0) > 1),
  );
  let cell: CellName = cells.includes('newOld') ? 'newOld' : (cells[0] ?? 'newOld');

  const panels = [
    overlayPanel(bridge, 'cmc', CMC_CAPTION, (drawn) => cmcOverlay(drawn, cell)),
    overlayPanel(bridge, 'roc', ROC_CAPTION, (drawn) => rocOverlay(drawn, cell)),
    overlayPanel(bridge, 'same-class-violations', SAME_CAPTION, (drawn) => toleranceOverlay(drawn, 'positive')),
    overlayPanel(bridge, 'different-class-violations', DIFFERENT_CAPTION, (drawn) =>
      toleranceOverlay(drawn, 'negative'),
    ),
  ] as const;
  const show = () => {
    const drawn = all.filter(({ index }) => chosen.has(index));
    for (const panel of panels) panel.show(drawn);
  };
  show();
  const [cmc, roc, same, different] = panels;
  return h(
    'section',
    { class: 'overlays', 'aria-label': 'Curves over each other' },
    h(
      'div',
      { class: 'overlay-choices' },
      reportChoice(all, chosen, show),
      cells.length > 1 &&
        segments<CellName>({
          name: 'Cell of CMC and ROC',
          entries: cells.map((value) => ({ value, label: cellLabels[value] })),
          chosen: cell,
          choose: (value) => {
            cell = value;
            show();
          },
        }),
    ),
    columns('even', cmc.element, roc.element),
    columns('even', same.element, different.element),
  );
}

/** Which reports are drawn; a legend at once. */
function reportChoice(all: readonly Drawn[], chosen: Set<number>, changed: () => void): HTMLElement {
  const entries = all.map(({ report, index }) => {
    const box = h('input', { type: 'checkbox', on: { change: () => toggle(index, box.checked) } });
    box.checked = chosen.has(index);
    return h(
      'label',
      { class: 'overlay-choice', title: `${dataText(report.old)} \u2192 ${dataText(report.new)}` },
      box,
      lineKey(reportLook(index)),
      h('strong', {}, report.key),
      modelsOf(report),
    );
  });
  function toggle(index: number, on: boolean): void {
    if (on) chosen.add(index);
    else chosen.delete(index);
    changed();
  }
  return h('fieldset', { class: 'overlay-reports' }, h('legend', { class: 'heard-only' }, 'Reports drawn'), ...entries);
}

const CMC_CAPTION = 'CMC: share of queries with a right item among the k nearest.';
const ROC_CAPTION =
  'ROC: share of same-class pairs accepted against false accept rate, each report with thresholds of its own.';
const SAME_CAPTION = 'Share of same-class distances that grew by more than the tolerance; lower is better.';
const DIFFERENT_CAPTION = 'Share of different-class distances that shrank by more than the tolerance; lower is better.';

/** A chart that is drawn anew with each choice. */
function overlayPanel(
  bridge: Bridge,
  fileName: string,
  caption: string,
  make: (drawn: readonly Drawn[]) => Overlay,
): { element: HTMLElement; show: (drawn: readonly Drawn[]) => void } {
  const title = h('span', {});
  const frame = h('div', {});
  const none = h('p', { class: 'nothing-here' }, 'No report that is drawn has this curve.');
  let chart: LiveChart | null = null;
  let twin: TableTwin = { head: [], rows: [] };
  const element = figure(bridge, {
    title,
    caption,
    fileName,
    body: [frame],
    png: () => (chart === null ? '' : pngOf([chart])),
    twin: () => twin,
  });
  return {
    element,
    show(drawn) {
      const overlay = make(drawn);
      title.textContent = overlay.title;
      twin = overlay.twin;
      if (overlay.spec === null) {
        frame.replaceChildren(none);
        return;
      }
      if (chart === null) chart = lineChart(overlay.spec);
      else redrawLines(chart, overlay.spec);
      frame.replaceChildren(chart.element);
    },
  };
}

const HEIGHT = 260;

function named(drawn: readonly Drawn[]) {
  return { reports: drawn.map(({ report }) => report), curves: drawn.map(({ curves }) => curves) };
}

function seriesOf(drawn: readonly Drawn[], points: (curves: ComparedCurves) => Series['points']): Series[] {
  return drawn.flatMap(({ report, index, curves }) => {
    const own = points(curves);
    return own.length > 0 ? [{ label: report.key, look: reportLook(index), points: own }] : [];
  });
}

/** @returns null where there is nothing to draw */
function specOf(
  label: string,
  series: Series[],
  look: Omit<LineChartSpec, 'label' | 'height' | 'series'>,
): LineChartSpec | null {
  return series.length === 0 ? null : { label, height: HEIGHT, series, ...look };
}

function cmcOverlay(drawn: readonly Drawn[], cell: CellName): Overlay {
  const { reports, curves } = named(drawn);
  const title = cmcOverlayTitle(reports, curves, cell);
  const series = seriesOf(drawn, ({ cmc }) => (cmc[cell] ?? []).map((y, index) => ({ x: index + 1, y })));
  const length = Math.max(0, ...series.map(({ points }) => points.length));
  const y = niceScale(
    series.flatMap(({ points }) => points.map((point) => point.y)),
    5,
    [1],
  );
  const low = Math.max(0, y.low);
  const step = Math.max(1, Math.ceil(length / 6));
  const ticks = [1, ...Array.from({ length: 6 }, (_, index) => (index + 1) * step).filter((k) => k > 1 && k <= length)];
  return {
    title,
    spec: specOf(
      title,
      series.map((each) => ({ ...each, marks: each.points.slice(0, 1) })),
      {
        x: { low: 1, high: Math.max(2, length), ticks, title: 'k nearest' },
        y: { low, high: 1, ticks: y.ticks.filter((tick) => tick >= low && tick <= 1) },
        labels: 'end',
        xWords: (k) => (k === 1 ? 'the first hit' : `among the ${count(k)} nearest`),
      },
    ),
    twin: {
      head: ['k', ...reports.map(({ key }) => key)],
      rows: Array.from({ length }, (_, index) => [index + 1, ...curves.map(({ cmc }) => cmc[cell]?.[index] ?? null)]),
    },
  };
}

/** Left of it single pairs decide. */
const LOWEST_FAR = 1e-4;

function rocOverlay(drawn: readonly Drawn[], cell: CellName): Overlay {
  const { reports, curves } = named(drawn);
  const title = rocOverlayTitle(reports, curves, cell);
  const isDrawn = (far: number) => far >= LOWEST_FAR * (1 - 1e-9);
  const series = seriesOf(drawn, ({ roc }) =>
    (roc[cell]?.far ?? []).flatMap((far, index) =>
      isDrawn(far) ? [{ x: Math.log10(far), y: roc[cell]?.tar[index] ?? 0 }] : [],
    ),
  );
  const lowest = Math.min(0, ...series.flatMap(({ points }) => points.map(({ x }) => x)));
  const low = Math.max(Math.log10(LOWEST_FAR), Math.floor(lowest + 1e-9));
  return {
    title,
    // Without a width there is nothing to draw.
    spec: specOf(title, low === 0 ? [] : series, {
      x: {
        low,
        high: 0,
        ticks: Array.from({ length: 1 - low }, (_, index) => low + index),
        tickWords: (power) => farText(10 ** power),
        title: 'false accept rate',
      },
      y: { low: 0, high: 1, ticks: [0, 0.25, 0.5, 0.75, 1] },
      labels: 'beside',
      xWords: (power) => `false accept rate ${percent(10 ** power, 4)}`,
      yWords: (tar) => `${percent(tar)} of same-class pairs accepted`,
    }),
    twin: {
      head: ['Report', 'FAR', 'TAR'],
      rows: drawn.flatMap(({ report, curves: { roc } }) =>
        (roc[cell]?.far ?? []).map((far, index) => [report.key, far, roc[cell]?.tar[index] ?? null]),
      ),
    },
  };
}

function toleranceOverlay(drawn: readonly Drawn[], sign: 'positive' | 'negative'): Overlay {
  const { reports, curves } = named(drawn);
  const title = toleranceOverlayTitle(reports, curves, sign);
  const series = seriesOf(drawn, (own) =>
    own.tolerances.flatMap((x, index) => {
      const y = own[sign][index];
      return y === undefined ? [] : [{ x, y }];
    }),
  );
  const xs = series.flatMap(({ points }) => points.map(({ x }) => x));
  const ys = series.flatMap(({ points }) => points.map(({ y }) => y));
  const y = niceScale(ys, 4, [0]);
  const high = Math.min(1, y.high);
  const x = niceScale(xs, 5, [0]);
  return {
    title,
    spec: specOf(title, series, {
      x: { low: 0, high: Math.max(...xs), ticks: x.ticks.filter((tick) => tick >= 0), title: 'tolerance' },
      y: { low: 0, high, ticks: y.ticks.filter((tick) => tick >= 0 && tick <= high) },
      labels: 'beside',
      xWords: (tolerance) => `tolerance ${toleranceText(Number(tolerance.toPrecision(3)))}`,
      yWords: (rate) => `${number(rate)} of pairs`,
    }),
    twin: {
      head: ['Report', 'Tolerance', 'Rate'],
      rows: drawn.flatMap(({ report, curves: own }) =>
        own.tolerances.map((tolerance, index) => [report.key, tolerance, own[sign][index] ?? null]),
      ),
    },
  };
}
