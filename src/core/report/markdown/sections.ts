import { baselineRows, baselineTitle, changeWords } from '../../contract/baselineFindings.ts';
import {
  actualText,
  cellsTitle,
  classesTitle,
  criterionCaption,
  criterionRows,
  criterionTitle,
  gatesTitle,
  gateWords,
  inequalitiesSentence,
  intervalsNote,
  limitText,
  plain,
  rankingWords,
  type Tone,
} from '../../contract/findings.ts';
import {
  count,
  counted,
  interval,
  metricLabel,
  number,
  signed,
  signedInterval,
  toleranceText,
} from '../../contract/format.ts';
import { causeName, causesTitle, remediesTitle, remedyName } from '../../contract/remedyFindings.ts';
import type { Cell, GateResult, Report, SignedViolations } from '../../contract/report.ts';
import { farText, thresholdOf, thresholdsSentence } from '../../contract/thresholdFindings.ts';
import { worstFirst } from '../gateOrder.ts';
import { codeMark, tableMark, textMark } from './escape.ts';

/** A part of the comment: left out as a whole when there is no room. */
export interface Section {
  title: string;
  lines: string[];
}

/** Tones as characters that every font has; the word stands beside them. */
export const marks: Readonly<Record<Tone, string>> = { good: '✓', bad: '✗', warning: '!', undecided: '?', absent: '·' };

const strong = (text: string) => `**${text}**`;
const section = (title: string, lines: readonly string[]): Section => ({
  title,
  lines: [`### ${textMark(title)}`, '', ...lines],
});

const MAX_OPEN_GATES = 40;
const MAX_PASSED_GATES = 10;

export function gatesSection(report: Report): Section | null {
  if (report.gates.length === 0) return null;
  const sorted = worstFirst(report.gates);
  const open = sorted.filter(({ state }) => state !== 'passed');
  const passed = sorted.filter(({ state }) => state === 'passed');
  const shown = [...open.slice(0, MAX_OPEN_GATES), ...passed.slice(0, MAX_PASSED_GATES)];
  const rest = sorted.length - shown.length;
  const withBaseline = shown.some(({ baseline }) => baseline !== undefined);
  const row = (gate: GateResult) => {
    const { word, tone } = gateWords[gate.state];
    const state = `${marks[tone]} ${word}${gate.severity === 'warn' ? ' (warning)' : ''}`;
    return [
      gate.state === 'passed' ? state : strong(state),
      codeMark(gate.rule, 100),
      `${textMark(actualText(gate.actual))} ${interval(gate.interval)}`.trim(),
      textMark(limitText(gate.limit)),
      ...(withBaseline ? [textMark(actualText(gate.baseline ?? null))] : []),
    ];
  };
  const head = ['State', 'Rule', 'Actual', 'Limit', ...(withBaseline ? ['Baseline'] : [])];
  return section(gatesTitle(report.gates), [
    ...tableMark(head, shown.map(row)),
    ...(rest > 0 ? ['', `and ${count(rest)} more, all in the report`] : []),
  ]);
}

export function criterionSection(report: Report): Section | null {
  const rows = criterionRows(report);
  if (rows.length === 0) return null;
  const cells = rows.map(([metric, entry]) => {
    const { word, tone } = rankingWords[entry.state];
    const label = metricLabel(metric);
    return [
      metric === report.verdict.metric ? strong(label) : label,
      number(entry.old),
      number(entry.new),
      `${signed(entry.difference)} ${signedInterval(entry.interval)}`.trim(),
      `${marks[tone]} ${word}`,
    ];
  });
  return section(criterionTitle(report), [
    ...tableMark(['Metric', '>Old', '>New', '>Difference', 'State'], cells),
    '',
    textMark(criterionCaption(report)),
  ]);
}

export function retrievalSection(report: Report): Section | null {
  const { metric } = report.verdict;
  const { oldOld, newOld, newNew, oldNew } = report.retrieval;
  if (oldOld[metric] === undefined || newOld[metric] === undefined) return null;
  const first = report.protocol.ks.map((k) => `cmc@${k}` as const).find((name) => name !== metric && oldOld[name]);
  const figure = (cell: Cell | null) => {
    const found = cell?.[metric];
    const other = first === undefined ? undefined : cell?.[first];
    const text = `${number(found?.value)} ${interval(found?.interval)}`.trim();
    return other === undefined ? text : `${text}, ${number(other.value)}`;
  };
  const metrics = [metric, ...(first === undefined ? [] : [first])].map(metricLabel).join(', ');
  return section(cellsTitle(report), [
    ...tableMark(
      [metrics, 'Old gallery', 'New gallery'],
      [
        ['Old query', figure(oldOld), figure(oldNew)],
        [strong('New query'), strong(figure(newOld)), figure(newNew)],
      ],
    ),
  ]);
}

export function thresholdsSection(report: Report): Section | null {
  const rows = report.verification?.transfer.newOld ?? [];
  if (rows.length === 0) return null;
  return section(plain(thresholdsSentence(report)), [
    ...tableMark(
      ['>FAR', '>Old TAR', '>Old threshold', '>FAR at it', '>TAR at it', '>Move to', '>TAR then'],
      rows.map((row) => [
        farText(row.far),
        number(thresholdOf(report, 'oldOld', row.far)?.tar),
        number(row.oldThreshold),
        number(row.farAtOldThreshold, 4),
        `${number(row.tarAtOldThreshold)} ${interval(row.tarInterval)}`.trim(),
        number(row.restoringThreshold),
        number(row.tarAtRestoringThreshold),
      ]),
    ),
  ]);
}

export function inequalitiesSection(report: Report): Section | null {
  const { references } = report.inequalities;
  if ((report.inequalities.positive.byEpsilon[0]?.rate ?? null) === null) return null;
  const last = report.protocol.epsilons.length - 1;
  const rows: [name: string, signs: SignedViolations | null][] = [
    [strong('This pair'), report.inequalities],
    ['Floor: old + 1 % noise', references.jitteredOld],
    ['Procrustes: best rotation', references.procrustes],
    ['Chance: shuffled queries', references.permutedNew],
  ];
  const figures = (signs: SignedViolations | null, sign: keyof SignedViolations) => {
    const strict = signs?.[sign].byEpsilon[0];
    const loose = last > 0 ? [number(signs?.[sign].byEpsilon[last]?.rate)] : [];
    return [`${number(strict?.rate)} ${interval(strict?.interval)}`.trim(), ...loose, number(signs?.[sign].severity)];
  };
  const at = last > 0 ? [`>at ${toleranceText(report.protocol.epsilons[last] as number)}`] : [];
  const head = ['', '>Same class: grew', ...at, '>Severity', '>Different class: shrank', ...at, '>Severity'];
  return section(plain(inequalitiesSentence(report)), [
    ...tableMark(
      head,
      rows.map(([name, signs]) => [name, ...figures(signs, 'positive'), ...figures(signs, 'negative')]),
    ),
  ]);
}

export function causesSection(report: Report): Section | null {
  if (report.diagnosis.length === 0) return null;
  const found = report.diagnosis.filter((cause) => cause.found);
  const absent = report.diagnosis.filter((cause) => !cause.found).map((cause) => causeName(cause.code).toLowerCase());
  return section(causesTitle(report), [
    ...found.map((cause) => `- ${strong(textMark(causeName(cause.code)))}: ${textMark(cause.message)}`),
    ...(absent.length > 0 ? ['', `Looked for, not found: ${textMark(absent.join(', '))}.`] : []),
  ]);
}

export function remediesSection(report: Report): Section | null {
  if (report.remedies.length === 0) return null;
  const { metric } = report.verdict;
  const reaches = { true: 'yes', false: 'no', null: '' } as const;
  return section(remediesTitle(report), [
    ...tableMark(
      ['Remedy', `>${metricLabel(metric)}`, '>TAR', 'Reaches the old model', 'Cost'],
      report.remedies.map(({ method, estimated, reachesCriterion, cost }) => [
        textMark(remedyName(method)),
        `${number(estimated[metric]?.value)} ${interval(estimated[metric]?.interval)}`.trim(),
        number(estimated.tar?.value),
        reaches[`${reachesCriterion}`],
        textMark(cost),
      ]),
    ),
  ]);
}

const WORST_CLASSES = 5;

export function classesSection(report: Report): Section | null {
  const drop = (entry: Report['classes'][number]) => entry.map.difference ?? Number.POSITIVE_INFINITY;
  const worst = [...report.classes].sort((a, b) => drop(a) - drop(b)).slice(0, WORST_CLASSES);
  if (worst.length === 0) return null;
  return section(classesTitle(report), [
    ...tableMark(
      ['Class', '>Queries', '>Old mAP', '>New mAP', '>Difference'],
      worst.map(({ label, queries, map }) => [
        codeMark(label),
        count(queries),
        number(map.old),
        number(map.new),
        `${signed(map.difference)} ${signedInterval(map.interval)}`.trim(),
      ]),
    ),
    '',
    `The ${worst.length} with the largest drop, of ${counted(report.data.classes, 'class', 'classes')}.`,
  ]);
}

export function baselineSection(report: Report): Section | null {
  const { baseline } = report;
  if (!baseline) return null;
  const made = `${codeMark(baseline.path)}, made ${textMark(baseline.created.slice(0, 10))} by ${textMark(baseline.tool)}.`;
  if (!baseline.comparable) {
    const problems = (baseline.differences ?? []).map((text) => `- ${textMark(text)}`);
    return section(baselineTitle(report), [made, '', ...problems]);
  }
  const rows = baselineRows(report)
    .filter(({ judgement }) => judgement !== 'same')
    .map(({ title, before, now, change, judgement }) => [
      textMark(title),
      number(before),
      number(now),
      signed(change),
      changeWords[judgement].word,
    ]);
  if (rows.length === 0) return section(baselineTitle(report), [made]);
  return section(baselineTitle(report), [made, '', ...tableMark(['Figure', '>Then', '>Now', '>Change', ''], rows)]);
}

export function footerLines(report: Report): string[] {
  const { protocol, provenance } = report;
  return [textMark(`${intervalsNote(report)} Seed ${protocol.seed}; ${provenance.tool}.`)];
}
