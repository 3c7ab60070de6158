/** The verdict: one sentence and a paragraph, its three parts, the criterion per metric, gates, causes, remedies. */
import {
  actualText,
  criterionCaption,
  criterionNotes,
  criterionRows,
  criterionTitle,
  gatesExitStatus,
  gatesTitle,
  gateWords,
  limitText,
  rankingWords,
  verdictRows,
  verdictSentence,
} from '../../src/core/contract/findings.ts';
import { interval, metricLabel, number, percent, signed, signedInterval } from '../../src/core/contract/format.ts';
import type { GateResult } from '../../src/core/contract/report.ts';
import { axisHead } from '../components/axis.ts';
import { dataTable } from '../components/dataTable.ts';
import { dataNode, h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import { icon } from '../components/icons.ts';
import { bracket, estimate, rowPlot, shade, track, vertical } from '../components/rowMarks.ts';
import { niceScale, niceStep, type Scale, signedTickLabel } from '../components/scale.ts';
import { agreementSection } from './agreementSection.ts';
import { baselineSection } from './baselineSection.ts';
import { causesSection } from './causesSection.ts';
import type { PageContext } from './pageContext.ts';
import { columns, finding, guarded, stateMark, titled } from './parts.ts';
import { remediesSection } from './remediesSection.ts';
import { gatesWorstFirst } from './titles.ts';
import { explanation, notesList } from './verdictParts.ts';

export function verdictTab(context: PageContext): HTMLElement {
  const { report } = context;
  const labelled = report.data.labelled !== false;
  const said = report.verdict.explanation;
  return h(
    'div',
    {},
    finding(labelled ? verdictSentence(report) : [{ text: report.verdict.summary }]),
    said && guarded('The explanation', () => explanation(report, said)),
    notesList(report),
    guarded('The verdict in three parts', () => threeParts(context)),
    columns(
      'wide-left',
      labelled
        ? guarded('The criterion', () => criterionSection(context))
        : guarded('Agreement', () => agreementSection(context)),
      guarded('Gates', () => gatesSection(context)),
    ),
    report.diagnosis.length > 0 && guarded('Causes', () => causesSection(report)),
    (report.remedies?.length ?? 0) > 0 && guarded('Remedies', () => remediesSection(context)),
    report.baseline && guarded('Baseline', () => baselineSection(context)),
  );
}

const tabOfPart: Partial<Record<string, string>> = {
  Ranking: 'retrieval',
  Thresholds: 'thresholds',
  Inequalities: 'inequalities',
};

function threeParts({ report, choose }: PageContext): HTMLElement {
  const rows = verdictRows(report).map((row) => {
    const tab = tabOfPart[row.part];
    return h(
      'div',
      { class: `part tone-row-${row.tone}`, role: 'listitem' },
      h('span', { class: 'part-name' }, icon(row.tone), row.part),
      h('strong', { class: 'part-word' }, row.word),
      h('span', { class: 'part-text' }, withQuietIntervals(row.text)),
      tab
        ? h(
            'button',
            { class: 'link part-link', type: 'button', on: { click: () => choose(tab) } },
            `${sentenceCase(tab)} \u203A`,
          )
        : h('span', { class: 'part-link' }),
    );
  });
  return h('div', { class: 'parts', role: 'list', 'aria-label': 'Verdict' }, ...rows);
}

function sentenceCase(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Intervals in a sentence, `[.722, .757]`, step back behind the figures. */
function withQuietIntervals(text: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  for (const piece of text.split(/(\[[^\]]{1,40}\])/)) {
    fragment.append(piece.startsWith('[') ? h('span', { class: 'interval-text' }, piece) : piece);
  }
  return fragment;
}

function criterionSection({ report, tools }: PageContext): HTMLElement {
  const rows = criterionRows(report);
  const { margin } = report.protocol;
  const scale = niceScale(
    rows.flatMap(([, entry]) => [entry.difference, ...(entry.interval ?? [])]),
    3,
    margin > 0 ? [0, -margin] : [0],
  );
  const grid = scale.ticks.filter((tick) => tick !== 0).map((tick) => vertical(tick, scale, 'grid'));
  type Row = (typeof rows)[number];
  const table = dataTable<Row>({
    name: 'metrics',
    rows,
    tools,
    empty: 'No metric was measured.',
    columns: [
      {
        title: 'Metric',
        width: '7.4em',
        value: ([metric]) => metricLabel(metric),
        cell: ([metric]) =>
          metric === report.verdict.metric
            ? [h('strong', {}, metricLabel(metric)), h('span', { class: 'note' }, ' decides')]
            : metricLabel(metric),
      },
      {
        title: 'Old',
        kind: 'number',
        width: '3.4em',
        value: ([, entry]) => entry.old,
        cell: ([, entry]) => number(entry.old),
      },
      {
        title: 'New',
        kind: 'number',
        width: '3.4em',
        value: ([, entry]) => entry.new,
        cell: ([, entry]) => number(entry.new),
      },
      {
        title: 'Difference',
        kind: 'number',
        width: '6.5em',
        value: ([, entry]) => entry.difference,
        cell: ([, entry]) => signed(entry.difference),
      },
      {
        title: `${percent(report.protocol.bootstrap.confidence)} interval`,
        width: '9em',
        folds: true,
        cell: ([, entry]) => h('span', { class: 'interval-text' }, signedInterval(entry.interval)),
        copies: [
          { title: 'Low', value: ([, entry]) => entry.interval?.[0] ?? null },
          { title: 'High', value: ([, entry]) => entry.interval?.[1] ?? null },
        ],
      },
      {
        title: '',
        kind: 'plot',
        head: axisHead(scale, signedTickLabel),
        cell: ([metric, entry]) =>
          titled(
            `${metricLabel(metric)} ${signed(entry.difference)} ${signedInterval(entry.interval)}`,
            rowPlot(
              null,
              margin > 0 ? shade(-margin, 0, scale) : null,
              ...grid.map((line) => line.cloneNode() as SVGElement),
              vertical(0, scale, 'zero'),
              ...estimate(entry.difference, entry.interval, scale),
            ),
          ),
      },
      {
        title: 'State',
        kind: 'state',
        width: '10em',
        value: ([, entry]) => rankingWords[entry.state].word,
        cell: ([, entry]) => stateMark(rankingWords[entry.state]),
      },
    ],
    className: 'criterion-table first-row-strong',
  });
  return figure(tools, {
    title: criterionTitle(report),
    caption: criterionCaption(report),
    fileName: 'criterion',
    items: table.items,
    body: [table.element, ...criterionNotes(report).map((note) => h('p', { class: 'caption' }, note))],
  });
}

/** Each gate on its own scale, from 0: limits are of rates, differences and distances. */
export function gateScale(gate: GateResult): Scale | null {
  const { min, max } = gate.limit;
  const actual = typeof gate.actual === 'number' ? gate.actual : null;
  const known = [min, max, actual, ...(gate.interval ?? [])].filter(
    (value): value is number => typeof value === 'number',
  );
  if (known.length === 0 || (min === undefined && max === undefined)) return null;
  const reach = Math.max(...known.map(Math.abs), 1e-9) * 1.15;
  const step = niceStep(reach, 1);
  const inRates = known.every((value) => value >= 0 && value <= 1);
  const high = inRates ? Math.min(1, step) : step;
  return { low: known.some((value) => value < 0) ? -high : 0, high, ticks: [] };
}

/** null for gates on a state: there is nothing to measure out. */
function gatePlot(gate: GateResult): Node | null {
  const scale = gateScale(gate);
  if (!scale) return null;
  const { min, max } = gate.limit;
  const actual = typeof gate.actual === 'number' ? gate.actual : null;
  return rowPlot(
    null,
    track(scale.low, scale.high, scale, 'track-faint'),
    track(min ?? scale.low, max ?? scale.high, scale, 'track-allowed'),
    ...estimate(actual, gate.interval, scale),
    min === undefined ? null : bracket(min, scale, 'min'),
    max === undefined ? null : bracket(max, scale, 'max'),
  );
}

function gatesSection({ report, tools, actions, send }: PageContext): HTMLElement {
  if (report.gates.length === 0)
    return noGates(tools, report.data.labelled === false ? unlabelledGates : labelledGates);
  const table = dataTable<GateResult>({
    name: 'gates',
    rows: gatesWorstFirst(report.gates),
    rowHeight: 44,
    tools,
    className: 'gates-table',
    columns: [
      {
        title: 'Rule',
        width: '37%',
        value: (gate) => gate.rule,
        copies: [
          { title: 'Severity', value: (gate) => gate.severity },
          { title: 'Limit', value: (gate) => limitText(gate.limit) },
        ],
        cell: (gate) => [
          actions?.openConfig
            ? h(
                'button',
                {
                  class: 'code link',
                  type: 'button',
                  title: 'Show in the config',
                  on: { click: () => send({ type: 'openConfig', rule: gate.rule.slice(0, 1000) }) },
                },
                breakable(gate.rule),
              )
            : h('code', { title: gate.message }, breakable(gate.rule)),
          h('div', { class: 'second-line' }, limitText(gate.limit), gate.severity === 'warn' ? ' · warning only' : ''),
        ],
      },
      { title: '', kind: 'plot', cell: (gate) => gatePlot(gate) },
      {
        title: 'Actual',
        kind: 'number',
        width: '9em',
        value: (gate) => gate.actual,
        copies: [
          { title: 'Low', value: (gate) => gate.interval?.[0] ?? null },
          { title: 'High', value: (gate) => gate.interval?.[1] ?? null },
        ],
        cell: (gate) =>
          typeof gate.actual === 'string'
            ? dataNode(gate.actual)
            : [
                actualText(gate.actual),
                gate.interval ? h('div', { class: 'second-line interval-text' }, interval(gate.interval)) : null,
                baselineLine(gate),
              ],
      },
      {
        title: 'State',
        kind: 'state',
        width: '8.8em',
        value: (gate) => gateWords[gate.state].word,
        cell: (gate) => stateMark(gateWords[gate.state]),
      },
    ],
  });
  return figure(tools, {
    title: gatesTitle(report.gates),
    aside: `exit status ${gatesExitStatus(report)}`,
    caption: 'The bracket is the limit, the line the allowed side, each row on its own scale.',
    fileName: 'gates',
    items: table.items,
    body: [table.element],
  });
}

/** "was .917, +.005": the figure of the committed report. */
function baselineLine(gate: GateResult): HTMLElement | null {
  const { baseline, actual } = gate;
  if (typeof baseline !== 'number') return null;
  const change = typeof actual === 'number' ? `, ${signed(actual - baseline)}` : '';
  return h('div', { class: 'second-line interval-text' }, `was ${number(baseline)}${change}`);
}

/** A dotted path may break after its dots. */
function breakable(rule: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  const text = dataNode(rule).textContent ?? '';
  text.split(/(?<=\.)/).forEach((part, index) => {
    if (index > 0) fragment.append(document.createElement('wbr'));
    fragment.append(part);
  });
  return fragment;
}

const labelledGates = `"gates": {
  "criterion.map": [
    "error", { "state": "within-margin" }
  ],
  "flips.negativeFlipRate": [
    "error", { "max": 0.01, "bound": "upper" }
  ]
}`;

/** Without labels only agreement can be judged. */
const unlabelledGates = `"gates": {
  "agreement.neighbourOverlap.newOld@10": [
    "error", { "min": 0.8, "bound": "lower" }
  ]
}`;

function noGates(tools: PageContext['tools'], example: string): HTMLElement {
  return figure(tools, {
    title: 'No gates in the config',
    caption:
      'A gate fails the run when a figure leaves its limit. Without one the exit status is 0 whatever the verdict.',
    className: 'empty',
    body: [
      h('pre', { class: 'code-block' }, h('code', {}, example)),
      h('button', { class: 'link', type: 'button', on: { click: () => tools.copyText(example) } }, 'Copy these gates'),
    ],
  });
}
