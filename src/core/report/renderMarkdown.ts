import { dataLine, verdictRows, verdictSentence } from '../contract/findings.ts';
import { counted } from '../contract/format.ts';
import type { Report } from '../contract/report.ts';
import { codeMark, paragraphMark, tableMark, textMark } from './markdown/escape.ts';
import {
  baselineSection,
  causesSection,
  classesSection,
  criterionSection,
  footerLines,
  gatesSection,
  inequalitiesSection,
  marks,
  remediesSection,
  retrievalSection,
  type Section,
  thresholdsSection,
} from './markdown/sections.ts';

/** GitHub takes comments of 65,536 characters; GitLab and others take more. */
export const MAX_MARKDOWN_BYTES = 60_000;
/** How ours begin: a bot finds the comment that it wrote before, and nothing else is overwritten. */
export const MARKDOWN_MARK = '<!-- backcompat report -->';
/** Less room than that for a report gives no more than its verdict. */
const LEAST_REPORT_BYTES = 4_000;
/** For the line that tells what was left out. */
const REMARK_BYTES = 400;

/**
 * Reports as a comment for a pull request, under {@link MAX_MARKDOWN_BYTES} whatever they hold: verdict
 * and what to do first, then the evidence, worst first. Text from data stays text and calls nobody.
 */
export function renderMarkdown(reports: readonly Report[]): string {
  const [only] = reports;
  if (only && reports.length === 1) return `${MARKDOWN_MARK}\n${one(only, MAX_MARKDOWN_BYTES - 100)}\n`;
  const overview = overviewOf(reports);
  const room = Math.floor((MAX_MARKDOWN_BYTES - bytes(overview) - 200) / Math.max(1, reports.length));
  const details = room < LEAST_REPORT_BYTES ? [] : reports.map((report) => one(report, room));
  return `${[MARKDOWN_MARK, overview, ...details].join('\n\n')}\n`;
}

const bytes = (text: string) => Buffer.byteLength(text, 'utf8');

/** A row a pair, as many as fit. */
function overviewOf(reports: readonly Report[]): string {
  const rows = reports.map((report) => {
    const words = verdictRows(report).map(({ word, tone }) => `${marks[tone]} ${word}`);
    return [codeMark(report.pair), ...words];
  });
  const head = tableMark(['Pair', 'Ranking', 'Thresholds', 'Inequalities'], rows);
  const lines = [`## Backcompat: ${counted(reports.length, 'pair')}`, ''];
  let size = bytes(lines.join('\n'));
  for (const line of head) {
    size += bytes(line) + 1;
    if (size > MAX_MARKDOWN_BYTES / 2) break;
    lines.push(line);
  }
  return lines.join('\n');
}

function one(report: Report, room: number): string {
  const parts = [headOf(report)];
  const left: string[] = [];
  let size = bytes(parts.join('')) + REMARK_BYTES;
  for (const section of sectionsOf(report)) {
    const text = section.lines.join('\n');
    if (size + bytes(text) + 2 > room) left.push(section.title);
    else {
      parts.push(text);
      size += bytes(text) + 2;
    }
  }
  if (left.length > 0) parts.push(`_Left out for length: ${counted(left.length, 'part')}, all in the report._`);
  return parts.join('\n\n');
}

function sectionsOf(report: Report): Section[] {
  const sections = [
    explanationSection(report),
    notesSection(report),
    gatesSection(report),
    criterionSection(report),
    retrievalSection(report),
    thresholdsSection(report),
    inequalitiesSection(report),
    causesSection(report),
    remediesSection(report),
    classesSection(report),
    baselineSection(report),
    { title: 'What the figures rest on', lines: footerLines(report) },
  ];
  return sections.filter((section) => section !== null);
}

/** Characters of prose from the report; longer is no sentence or paragraph of ours. */
const MAX_SUMMARY = 200;
const MAX_EXPLANATION = 3_000;
const MAX_NOTES = 8;

function headOf(report: Report): string {
  const { verdict, data } = report;
  const sentence =
    data.labelled === false
      ? paragraphMark(verdict.summary, MAX_SUMMARY)
      : verdictSentence(report)
          .map(({ text, strong }) => (strong ? `**${textMark(text)}**` : textMark(text)))
          .join('');
  const states = verdictRows(report).map(({ part, word, tone }) => `${marks[tone]} ${part}: ${word.toLowerCase()}`);
  return [
    `## Backcompat: ${codeMark(report.old.name)} → ${codeMark(report.new.name)}`,
    sentence,
    states.map((state) => textMark(state)).join(' · '),
    `${textMark(dataLine(report))} · pair ${codeMark(report.pair)}`,
  ].join('\n\n');
}

function explanationSection({ verdict }: Report): Section | null {
  if (!verdict.explanation) return null;
  return { title: 'What to do', lines: [paragraphMark(verdict.explanation, MAX_EXPLANATION)] };
}

function notesSection({ notes = [] }: Report): Section | null {
  const shown = (notes ?? []).slice(0, MAX_NOTES).map((note) => `> ${paragraphMark(note)}`);
  return shown.length === 0 ? null : { title: 'Notes', lines: shown.join('\n>\n').split('\n') };
}
