/** Classes: gain by class, as dumbbells while there are few, as a scatter beyond. */
import { classesTitle, classState, type Tone } from '../../src/core/contract/findings.ts';
import { count, counted, number, percent, signed, signedInterval } from '../../src/core/contract/format.ts';
import type { ClassEntry, Interval, Report } from '../../src/core/contract/report.ts';
import { type LiveChart, pngOf } from '../charts/chart.ts';
import { scatterChart } from '../charts/scatterChart.ts';
import { axisHead } from '../components/axis.ts';
import { type Column, dataTable } from '../components/dataTable.ts';
import { dataNode, h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import { dot, intervalBar, rowPlot, track, vertical } from '../components/rowMarks.ts';
import { type Scale, tickLabel } from '../components/scale.ts';
import type { PageContext } from './pageContext.ts';
import { columns, stateMark, titled } from './parts.ts';
import { scatterLabel } from './titles.ts';

/** Up to so many classes have a row of their own in sight. */
export const DUMBBELL_CLASSES = 40;

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

export function fewClassesSection({ report, tools }: PageContext): HTMLElement {
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

export function manyClassesSection({ report, tools }: PageContext): HTMLElement {
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
