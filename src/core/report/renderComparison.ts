import type { Comparison } from '../contract/comparison.ts';
import {
  CLARITY_NOTE,
  comparisonNotes,
  comparisonSentence,
  comparisonTitle,
  differenceWords,
  flippedText,
  momentsOf,
  statesText,
} from '../contract/comparisonFindings.ts';
import { type Phrase, plain } from '../contract/findings.ts';
import { count, interval, number, signed, visibleText } from '../contract/format.ts';
import { codeMark, tableMark, textMark } from './markdown/escape.ts';
import { MARKDOWN_MARK } from './renderMarkdown.ts';
import { createPaint, dataText, type Paint, tableLines, wrap } from './terminal.ts';
import { icons, inks, type TextOptions } from './text/canvas.ts';

/** Differences that are shown; the table of figures below has all. */
const MAX_DIFFERENCES = 20;
const NAME_WIDTH = 24;

/** Reports side by side for a terminal: differences first, then the figures, a column a report. */
export function renderComparisonText(comparison: Comparison, { width: given, colour }: TextOptions): string {
  const width = Math.min(120, Math.max(80, given));
  const paint = createPaint(colour);
  const { reports } = comparison;
  const title = wrap(comparisonTitle(comparison), width).map((line) => paint('bold', line));
  const moments = momentsOf(reports);
  const named = reports.flatMap((report, index) => {
    const { key, old, new: next, pair, label } = report;
    const told = label === null ? '' : `, ${dataText(label, NAME_WIDTH)}`;
    const line = `${key}  ${dataText(old, NAME_WIDTH)} → ${dataText(next, NAME_WIDTH)}${told}`;
    const note = `   ${dataText(pair, 40)}, ${visibleText(moments[index] ?? '')}: ${statesText(report)}; ${flippedText(report)}`;
    return [paint('bold', line), ...wrap(note, width).map((part) => paint('dim', part))];
  });
  const notes = comparisonNotes(comparison).flatMap(({ text, reach, isWarning }) =>
    wrap(`${isWarning ? '!' : '·'} ${visibleText(text)} ${reach}`, width).map((line) =>
      paint(isWarning ? 'warning' : 'dim', line),
    ),
  );
  const sections = [
    [`Backcompat comparison: ${count(reports.length)} reports`, '', ...named],
    notes,
    wrap(visibleText(plain(comparisonSentence(comparison))), width),
    [...title, ...wrap(CLARITY_NOTE, width).map((line) => paint('dim', line)), ...differenceTable(comparison, paint)],
    [paint('bold', 'All key figures'), '', ...figureTable(comparison, width, paint)],
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function differenceTable({ differences, reports }: Comparison, paint: Paint): string[] {
  if (differences.length === 0) return [];
  const shown = differences.slice(0, MAX_DIFFERENCES);
  const rest = differences.length - shown.length;
  const several = reports.length > 2;
  const table = tableLines(
    [
      { title: 'Figure', align: 'left' },
      { title: 'A', align: 'right' },
      ...(several ? [{ title: '', align: 'left' as const }] : []),
      { title: several ? 'Other' : 'B', align: 'right' },
      { title: 'Change', align: 'right' },
      { title: '', align: 'left' },
    ],
    shown.map((difference) => {
      const { title, report, from, to, change } = difference;
      const { word, tone } = differenceWords(difference);
      return [
        { text: dataText(title, 44) },
        { text: number(from) },
        ...(several ? [{ text: reports[report]?.key ?? '' }] : []),
        { text: number(to) },
        { text: signed(change) },
        { text: tone === 'absent' ? word : `${icons[tone]} ${word}`, ink: inks[tone] },
      ];
    }),
    paint,
  );
  return ['', ...table, ...(rest > 0 ? [paint('dim', `  and ${count(rest)} more below`)] : [])];
}

/** As many reports as fit beside each other; the rest in tables below. */
function figureTable({ figures, reports }: Comparison, width: number, paint: Paint): string[] {
  const nameWidth = 44;
  // A value, its interval, and what parts them.
  const columnWidth = 22;
  const fitting = Math.max(1, Math.floor((width - nameWidth - 2) / (columnWidth + 2)));
  const lines: string[] = [];
  for (let start = 0; start < reports.length; start += fitting) {
    const columns = reports.slice(start, start + fitting);
    if (start > 0) lines.push('');
    lines.push(
      ...tableLines(
        [
          { title: 'Figure', align: 'left' },
          ...columns.flatMap(({ key }) => [
            { title: key, align: 'right' as const },
            { title: '', align: 'left' as const },
          ]),
        ],
        figures.map(({ title, values }) => [
          { text: dataText(title, nameWidth) },
          ...columns.flatMap((_, column) => {
            const found = values[start + column];
            return [{ text: number(found?.value) }, { text: interval(found?.interval), ink: 'dim' as const }];
          }),
        ]),
        paint,
      ),
    );
  }
  return lines;
}

/** The same as Markdown. Text from data stays text. */
export function renderComparisonMarkdown(comparison: Comparison): string {
  const { reports, differences, figures } = comparison;
  const notes = comparisonNotes(comparison).map(
    ({ text, reach, isWarning }) => `> ${isWarning ? '⚠ ' : ''}${textMark(text)} ${textMark(reach)}`,
  );
  const moments = momentsOf(reports);
  const shown = differences.slice(0, MAX_DIFFERENCES).map((difference) => {
    const { title, report, from, to, change } = difference;
    const { word, tone } = differenceWords(difference);
    return [
      textMark(title),
      number(from),
      `${reports[report]?.key ?? ''}: ${number(to)}`,
      signed(change),
      tone === 'absent' ? word : `${icons[tone]} ${word}`,
    ];
  });
  const parts = [
    `${MARKDOWN_MARK}\n## Backcompat: ${count(reports.length)} reports side by side`,
    tableMark(
      ['', 'Models', 'Pair', 'Made', 'Verdict', 'Flips'],
      reports.map((report, index) => [
        report.key,
        `${codeMark(report.old)} → ${codeMark(report.new)}`,
        [codeMark(report.pair), ...(report.label === null ? [] : [textMark(report.label)])].join(', '),
        textMark(moments[index] ?? ''),
        textMark(statesText(report)),
        textMark(flippedText(report)),
      ]),
    ).join('\n'),
    ...(notes.length > 0 ? [notes.join('\n>\n')] : []),
    phrasesMark(comparisonSentence(comparison)),
    `### ${textMark(comparisonTitle(comparison))}`,
    ...(shown.length > 0 ? [tableMark(['Figure', '>A', '>Other', '>Change', ''], shown).join('\n')] : []),
    textMark(CLARITY_NOTE),
    '### All key figures',
    tableMark(
      ['Figure', ...reports.map(({ key }) => `>${key}`)],
      figures.map(({ title, values }) => [
        textMark(title),
        ...values.map(({ value, interval: range }) => `${number(value)} ${interval(range)}`.trim()),
      ]),
    ).join('\n'),
  ];
  return `${parts.join('\n\n')}\n`;
}

function phrasesMark(phrases: readonly Phrase[]): string {
  return phrases.map(({ text, strong }) => (strong ? `**${textMark(text)}**` : textMark(text))).join('');
}
