import { baselineRows, baselineTitle, changeWords } from '../../contract/baselineFindings.ts';
import { actualText, gatesExitStatus, gatesTitle, gateWords, limitText } from '../../contract/findings.ts';
import { count, interval, metricLabel, number, signed, visibleText } from '../../contract/format.ts';
import { causeName, causesTitle, evidenceRows, remediesTitle, remedyName } from '../../contract/remedyFindings.ts';
import type { Estimate } from '../../contract/report.ts';
import { worstFirst } from '../gateOrder.ts';
import { type Column, dataText, type TableCell, tableLines, wrap } from '../terminal.ts';
import { type Canvas, icons, inks, remark, titled } from './canvas.ts';

/** What was found, with what to do; what was looked for in vain, in a line. */
export function causes(canvas: Canvas, full: boolean): string[] {
  const { report, width, paint } = canvas;
  if (report.diagnosis.length === 0) return [];
  const found = report.diagnosis.filter((cause) => cause.found);
  const absent = report.diagnosis.filter((cause) => !cause.found);
  const item = (cause: (typeof found)[number]) => {
    const lines = wrap(visibleText(cause.message), width - 4);
    const evidence = full ? evidenceRows(cause).map(({ name, value }) => `${name.toLowerCase()} ${value}`) : [];
    return [
      `  ${paint('warning', '!')} ${paint('bold', dataText(causeName(cause.code), width - 4))}`,
      ...lines.map((line) => `    ${line}`),
      ...(evidence.length > 0
        ? wrap(visibleText(`Evidence: ${evidence.join('; ')}.`), width - 4).map((line) => `    ${paint('dim', line)}`)
        : []),
    ];
  };
  const looked = absent.map((cause) => causeName(cause.code).toLowerCase()).join(', ');
  return [
    ...titled(canvas, causesTitle(report)),
    ...(found.length > 0 ? ['', ...found.flatMap(item)] : []),
    ...(looked === '' ? [] : remark(canvas, `Looked for, not found: ${looked}.`)),
  ];
}

/** What each remedy would give, cheapest first. */
export function remedies(canvas: Canvas, full: boolean): string[] {
  const { report, width, paint } = canvas;
  if (report.remedies.length === 0) return [];
  const { metric } = report.verdict;
  const withInterval = width >= 100;
  const shown = (estimate: Estimate | undefined) => number(estimate?.value);
  const fitting = <T>(cells: T[]) => (withInterval ? cells : cells.filter((_, index) => index !== 2));
  const reaches = { true: 'yes', false: 'no', null: '' } as const;
  return [
    ...titled(
      canvas,
      remediesTitle(report),
      `Cheapest first, estimated on items that it was not fitted on. Grew: strict rate of same-class distances; reaches: ranks as well as the old model.`,
    ),
    '',
    ...tableLines(
      fitting<Column>([
        { title: 'Remedy', align: 'left' },
        { title: metricLabel(metric), align: 'right' },
        { title: 'Interval', align: 'left' },
        { title: 'Grew', align: 'right' },
        { title: 'TAR', align: 'right' },
        { title: 'Reaches', align: 'left' },
      ]),
      report.remedies.map(({ method, estimated, reachesCriterion }) =>
        fitting<TableCell>([
          { text: dataText(remedyName(method), 28) },
          { text: shown(estimated[metric]) },
          { text: interval(estimated[metric]?.interval), ink: 'dim' },
          { text: shown(estimated.positiveRate) },
          { text: shown(estimated.tar) },
          { text: reaches[`${reachesCriterion}`] },
        ]),
      ),
      paint,
    ),
    ...report.remedies.flatMap(({ method, cost, basis }) =>
      remark(canvas, `${remedyName(method)}: ${cost}${full ? `; ${basis}` : ''}.`),
    ),
  ];
}

/** Key figures beside those of the committed report. */
export function baseline(canvas: Canvas): string[] {
  const { report, paint } = canvas;
  const { baseline: found } = report;
  if (!found) return [];
  const made = `${visibleText(found.path)}, made ${visibleText(found.created.slice(0, 10))} by ${visibleText(found.tool)}.`;
  const title = titled(canvas, baselineTitle(report), made);
  if (!found.comparable) return [...title, ...(found.differences ?? []).flatMap((text) => remark(canvas, text))];
  const rows = baselineRows(report).filter(({ judgement }) => judgement !== 'same');
  if (rows.length === 0) return title;
  return [
    ...title,
    '',
    ...tableLines(
      [
        { title: 'Figure', align: 'left' },
        { title: 'Then', align: 'right' },
        { title: 'Now', align: 'right' },
        { title: 'Change', align: 'right' },
        { title: '', align: 'left' },
      ],
      rows.map(({ title: name, before, now, change, judgement }) => {
        const { word, tone } = changeWords[judgement];
        return [
          { text: dataText(name, 46) },
          { text: number(before) },
          { text: number(now) },
          { text: signed(change) },
          { text: word, ink: inks[tone] },
        ];
      }),
      paint,
    ),
  ];
}

const MAX_GATES = 20;

export function gates(canvas: Canvas): string[] {
  const { report, width, paint } = canvas;
  if (report.gates.length === 0) return [];
  const sorted = worstFirst(report.gates);
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
