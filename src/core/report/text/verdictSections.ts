import { dataLine, intervalsNote, modelNote, plain, verdictRows, verdictSentence } from '../../contract/findings.ts';
import { durationText, visibleText } from '../../contract/format.ts';
import type { Report } from '../../contract/report.ts';
import { dataText, padEnd, wrap } from '../terminal.ts';
import { type Canvas, icons, inks, NAME_WIDTH } from './canvas.ts';

export function heading({ report, paint }: Canvas, what = 'audit'): string[] {
  const name = (model: Report['old']) => paint('bold', dataText(model.name, NAME_WIDTH));
  const note = (model: Report['old']) => paint('dim', ` ${modelNote(model)}`);
  return [
    `Backcompat ${what}: ${name(report.old)}${note(report.old)} → ${name(report.new)}${note(report.new)}`,
    paint('dim', `${dataLine(report)} · ${report.protocol.distance}`),
  ];
}

export function verdict({ report, width, paint }: Canvas): string[] {
  // Without labels there are no states to make the sentence from.
  const said = report.data.labelled === false ? report.verdict.summary : plain(verdictSentence(report));
  const lines = wrap(visibleText(said), width).map((line) => paint('bold', line));
  const rows = verdictRows(report);
  const lead = 2 + 2 + 14 + 15;
  const details = rows.flatMap(({ part, word, tone, text }) => {
    const ink = inks[tone];
    const icon = ink ? paint(ink, icons[tone]) : icons[tone];
    const [first = '', ...rest] = wrap(visibleText(text), width - lead);
    return [
      `  ${icon} ${paint('dim', padEnd(part, 14))}${padEnd(word, 15)}${first}`,
      ...rest.map((line) => ' '.repeat(lead) + line),
    ];
  });
  return [...lines, '', ...details];
}

export function footer({ report, width, paint }: Canvas): string[] {
  const { protocol, provenance } = report;
  const rule = report.protocol.dimensionRule === 'equal' ? '' : `, dimension rule ${protocol.dimensionRule}`;
  const made = `Seed ${protocol.seed}${rule}; ${visibleText(provenance.tool)}, ${durationText(provenance.seconds)}.`;
  return [...wrap(intervalsNote(report), width), ...wrap(made, width)].map((line) => paint('dim', line));
}

/** What the three answers mean for this pair and what to do next, for readers who know none of this. */
export function explanation({ report, width }: Canvas): string[] {
  const { explanation: text } = report.verdict;
  return text === undefined || text === '' ? [] : wrap(visibleText(text), width);
}

/** How this audit differs from a full one. */
export function notes({ report, width, paint }: Canvas): string[] {
  return (report.notes ?? []).flatMap((note) => {
    const [first = '', ...rest] = wrap(visibleText(note), width - 2);
    return [`${paint('warning', '!')} ${first}`, ...rest.map((line) => `  ${line}`)];
  });
}
