/** A training while it runs and after: its state in words, its curves over the whole run, and its models side by side. */
import { rankingWords } from '../../src/core/contract/findings.ts';
import type { FollowedTraining, TrainingAudit } from '../../src/core/contract/followedTraining.ts';
import { count, metricLabel, number, signed } from '../../src/core/contract/format.ts';
import { TRAINING_FILES, type TrainingPart, type TrainingRecord } from '../../src/core/contract/training.ts';
import {
  figuresOf,
  paragonOf,
  paragonTitleOf,
  partInView,
  tradeOffOf,
} from '../../src/core/contract/trainingFindings.ts';
import type { TrainingPage } from '../../src/protocol/training.ts';
import { type LiveChart, pngOf } from '../charts/chart.ts';
import { lineChart, redrawLines } from '../charts/lineChart.ts';
import { dataTable } from '../components/dataTable.ts';
import { dataNode, dataText, h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import type { Bridge } from '../report/bridge.ts';
import { stateMark } from '../report/parts.ts';
import { trainingHead } from './trainingHead.ts';
import {
  type Drawing,
  type DrawnPart,
  lossDrawing,
  metricDrawing,
  negativeFlipsDrawing,
  stepTimeDrawing,
  tradeOffDrawing,
  violationsDrawing,
} from './trainingSeries.ts';

export interface TrainingView {
  element: HTMLElement;
  /** Shows newer figures; what has the focus keeps it. */
  update: (page: TrainingPage) => void;
}

interface Panel {
  element: HTMLElement;
  show: (drawing: Drawing) => void;
}

/** A figure whose chart is made with its first figures and redrawn with newer ones; hidden while there are none. */
function panel(fileName: string, caption: string, bridge: Bridge): Panel {
  const title = h('span');
  const place = h('div');
  let chart: LiveChart | null = null;
  let drawing: Drawing | null = null;
  let shown = '';
  const element = figure(bridge, {
    title,
    caption,
    fileName,
    className: 'training-panel',
    body: [place],
    twin: () => drawing?.twin() ?? { head: [], rows: [] },
    png: () => pngOf(chart === null ? [] : [chart]),
  });
  element.hidden = true;
  return {
    element,
    show(next) {
      drawing = next;
      const { spec } = next;
      element.hidden = spec === null;
      title.textContent = next.title;
      if (spec === null) return;
      const content = JSON.stringify(spec);
      if (content === shown) return;
      shown = content;
      if (chart === null) {
        chart = lineChart(spec);
        place.append(chart.element);
      } else redrawLines(chart, spec);
    },
  };
}

export function trainingView(first: TrainingPage, bridge: Bridge): TrainingView {
  const head = trainingHead(first, bridge);
  const metric = panel(
    'held-out-metric',
    'On held-out items after every epoch. Dashed: what the old model reaches, the criterion; band: 95 % interval of the difference to it. The empty part is what is left.',
    bridge,
  );
  const small: [Panel, (drawn: DrawnPart) => Drawing][] = [
    [panel('loss', 'Terms of the loss, as they are weighted; means of the steps of a point.', bridge), lossDrawing],
    [
      panel(
        'violations',
        'Same class: share of pairs whose distance grew. Different class nearer: share of triplets in the wrong order.',
        bridge,
      ),
      violationsDrawing,
    ],
    [
      panel(
        'negative-flips',
        'Share of queries whose first hit was right with the old model and is wrong now.',
        bridge,
      ),
      negativeFlipsDrawing,
    ],
    [panel('step-time', 'Milliseconds a step, mean so far.', bridge), stepTimeDrawing],
  ];
  const tradeOff = panel(
    'trade-off',
    'Up: better on the old gallery. Right: better on a gallery of its own. Dashed across: the old model on its own gallery.',
    bridge,
  );
  const waiting = h('p', { class: 'nothing-here' });
  const models = h('div');
  const select = h('select', {
    class: 'part-choice',
    'aria-label': 'Model whose curves are shown',
    on: {
      change: () => {
        chosen = select.value;
        update(page);
      },
    },
  });
  const choice = h('label', { class: 'part-choice-line' }, 'Curves of ', select);
  const charts = h(
    'div',
    { class: 'columns wide-left' },
    metric.element,
    h('div', { class: 'training-small' }, ...small.map(([each]) => each.element)),
  );
  const goesOn = h(
    'p',
    {},
    'The training is a process of its own: it goes on when this panel or the window is closed.',
  );
  const element = h(
    'div',
    { class: 'report training' },
    head.header,
    h('main', {}, ...head.standing, choice, waiting, charts, tradeOff.element, models),
    h(
      'footer',
      { class: 'page-foot' },
      goesOn,
      h('p', {}, 'Held-out figures follow the training; the audit at its end is what counts.'),
    ),
  );
  let page = first;
  let chosen: string | null = null;
  let listed = '';

  function update(next: TrainingPage): void {
    page = next;
    const { training } = next;
    const { record } = training;
    head.update(next);
    goesOn.hidden = training.state !== 'running';
    const parts = record?.parts ?? [];
    const part = parts.find(({ folder }) => folder === chosen) ?? (record === null ? null : partInView(record));
    const options = JSON.stringify(parts.map(({ folder, title, state }) => [folder, title, state]));
    if (options !== select.dataset.options) {
      select.dataset.options = options;
      select.replaceChildren(
        ...parts.map(({ folder, title, state }) =>
          h('option', { value: folder, disabled: state === 'waiting' }, dataText(title)),
        ),
      );
    }
    if (part !== null) select.value = part.folder;
    choice.hidden = parts.filter(({ state }) => state !== 'waiting').length < 2;
    const hasFigures = part !== null && (part.epochs.length > 0 || (training.steps[part.folder]?.length ?? 0) > 0);
    charts.hidden = !hasFigures;
    waiting.hidden = hasFigures;
    waiting.textContent =
      training.state === 'running' ? 'Curves appear with the first figures.' : 'It ended before its first figures.';
    if (record !== null && part !== null && hasFigures) {
      const steps = training.steps[part.folder] ?? [];
      const isLive = training.state === 'running';
      const drawn = { record, part, steps, paragon: paragonOf(record), isLive };
      metric.show(metricDrawing(drawn));
      charts.classList.toggle('no-metric', metric.element.hidden === true);
      for (const [each, draw] of small) each.show(draw(drawn));
    }
    if (record === null) return;
    const points = tradeOffOf(training);
    if (points.length > 1) {
      const { criterionMetric } = record;
      const own = training.audits.find(({ folder }) => folder === TRAINING_FILES.paragon)?.newNew ?? paragonOf(record);
      tradeOff.show(tradeOffDrawing(points, criterionMetric, oldFigure(training), own));
    }
    const rows = JSON.stringify([rowsOf(training, record), record.chosen]);
    if (rows !== listed) models.replaceChildren(modelsFigure(training, record, bridge));
    listed = rows;
  }
  update(first);
  return { element, update };
}

interface ModelRow {
  folder: string | null;
  title: string;
  newOld: number | null;
  newNew: number | null;
  tax: number | null;
  /** null: of held-out items, not audited. */
  audit: TrainingAudit | null;
  part: TrainingPart | null;
}

/** M(old/old): that of an audit, else the newest held-out one. */
function oldFigure({ record, audits }: FollowedTraining): number | null {
  const audited = audits.find(({ oldOld }) => oldOld !== null)?.oldOld;
  if (audited !== undefined) return audited;
  const metric = record?.criterionMetric ?? '';
  for (const { epochs } of record?.parts ?? []) {
    const known = epochs.findLast(({ oldOld }) => oldOld?.[metric] !== undefined)?.oldOld?.[metric];
    if (known !== undefined) return known;
  }
  return null;
}

function rowsOf(training: FollowedTraining, record: TrainingRecord): ModelRow[] {
  const metric = record.criterionMetric;
  const old = oldFigure(training);
  const rows = record.parts.map((part): ModelRow => {
    const audit = training.audits.find(({ folder }) => folder === part.folder) ?? null;
    const figures = figuresOf(part);
    return {
      folder: part.folder,
      title: part.title,
      newOld: audit?.newOld ?? figures?.newOld?.[metric] ?? null,
      newNew: audit?.newNew ?? figures?.newNew?.[metric] ?? null,
      tax: audit?.tax ?? null,
      audit,
      part,
    };
  });
  // A paragon that the run did not train itself.
  const named = training.audits.find(({ folder }) => folder === record.chosen)?.paragon ?? null;
  if (named !== null && record.parts.every(({ folder }) => folder !== TRAINING_FILES.paragon)) {
    const { name, newOld, newNew } = named;
    rows.unshift({ folder: null, title: `paragon ${name}`, newOld, newNew, tax: 0, audit: null, part: null });
  }
  if (old === null) return rows;
  const title = `old model${training.oldName === null ? '' : ` ${training.oldName}`}`;
  return [{ folder: null, title, newOld: old, newNew: old, tax: null, audit: null, part: null }, ...rows];
}

function stateOf({ part, audit, tax }: ModelRow, chosen: string | null): Node | string {
  if (part === null) return tax === null ? 'to beat' : 'trained apart';
  const isResult = part.folder === chosen && part.folder !== '';
  const mark = audit === null ? partWords(part) : stateMark(rankingWords[audit.state]);
  return isResult ? h('span', {}, mark, ' · the result') : mark;
}

function partWords({ state, epochs }: TrainingPart): string {
  if (state === 'waiting') return 'waiting';
  const ended = epochs.at(-1)?.epoch ?? 0;
  return `held out, ${count(ended)} ${ended === 1 ? 'epoch' : 'epochs'}`;
}

function modelsFigure(training: FollowedTraining, record: TrainingRecord, bridge: Bridge): HTMLElement {
  const label = metricLabel(record.criterionMetric);
  const figureColumn = (title: string, of: (row: ModelRow) => number | null, show = number) => ({
    title,
    kind: 'number' as const,
    width: '9em',
    value: of,
    cell: (row: ModelRow) => show(of(row)),
  });
  const table = dataTable<ModelRow>({
    name: 'models',
    rows: rowsOf(training, record),
    tools: bridge,
    className: 'short-rows',
    columns: [
      { title: 'Model', value: ({ title }) => title, cell: ({ title }) => dataNode(title) },
      figureColumn('Old gallery', ({ newOld }) => newOld),
      figureColumn('Own gallery', ({ newNew }) => newNew),
      { ...figureColumn('Tax', ({ tax }) => tax, signed), width: '6em' },
      {
        title: 'State',
        kind: 'state',
        width: '16em',
        value: ({ part, audit }) => audit?.state ?? part?.state ?? null,
        cell: (row) => stateOf(row, record.chosen),
      },
    ],
  });
  return figure(bridge, {
    title: paragonTitleOf(training),
    caption: `${label}. Old gallery: what the old model has embedded. Own gallery: embedded by the model itself. Tax: what the paragon, trained without any regard for the old model, ranks better by.`,
    fileName: 'models',
    items: table.items,
    body: [table.element],
  });
}
