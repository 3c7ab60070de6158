import { gatesTitle } from '../contract/findings.ts';
import type { Report } from '../contract/report.ts';
import { baseline, causes, gates, remedies } from './text/actionSections.ts';
import { type Canvas, createCanvas, remark, type TextOptions, titled } from './text/canvas.ts';
import { consequential, hubs, inequalities, thresholds } from './text/distanceSections.ts';
import { agreement, backfill, matrix, slices } from './text/migrationSections.ts';
import { criterion, flips, paragon, retrieval, worstClasses } from './text/rankingSections.ts';
import { explanation, footer, heading, notes, verdict } from './text/verdictSections.ts';

export type { TextOptions };

/**
 * The report for a terminal: verdict and what to do first, then the evidence, at last what the figures
 * rest on. Sections appear only when there is something; the long ones with `full`.
 */
export function renderText(report: Report, options: TextOptions): string {
  const canvas = createCanvas(report, options);
  const full = options.full === true;
  // Without labels that is all there is.
  const neighbours = agreement(canvas);
  const short = report.data.labelled === false ? neighbours : [];
  const long = [
    paragon(canvas),
    consequential(canvas),
    hubs(canvas),
    backfill(canvas),
    slices(canvas),
    matrix(canvas),
    short.length > 0 ? [] : neighbours,
  ];
  const sections = [
    heading(canvas),
    verdict(canvas),
    explanation(canvas),
    notes(canvas),
    causes(canvas, full),
    remedies(canvas, full),
    short,
    criterion(canvas),
    retrieval(canvas),
    inequalities(canvas),
    thresholds(canvas),
    flips(canvas),
    worstClasses(canvas),
    ...(full ? long : [long.some((lines) => lines.length > 0) ? moreLine(canvas) : []]),
    baseline(canvas),
    gates(canvas),
    footer(canvas),
  ];
  return joined(sections);
}

function joined(sections: readonly (readonly string[])[]): string {
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function moreLine(canvas: Canvas): string[] {
  const { report } = canvas;
  const columns = Object.keys(report.slices).length;
  const more = [
    report.tax && 'paragon',
    report.verification && 'changed decisions',
    report.backfill && 'partial backfill',
    columns > 0 && 'slices',
    report.matrix && 'versions',
    report.agreement && report.data.labelled !== false && 'neighbours in common',
  ].filter((name) => typeof name === 'string');
  return more.length === 0 ? [] : remark(canvas, `With --full also: ${more.join(', ')}.`);
}

/** Name, verdict and what it rests on, in a few lines; for a list of several reports. */
export function renderTextSummary(report: Report, options: TextOptions): string {
  const canvas = createCanvas(report, options);
  return `${[...heading(canvas), '', ...verdict(canvas)].join('\n')}\n`;
}

/** Gates alone, and what they were compared with: a finished run judged again. */
export function renderTextGates(report: Report, stale: readonly string[], options: TextOptions): string {
  const canvas = createCanvas(report, options);
  const changed = stale.length === 0 ? [] : titled(canvas, 'The report is stale: nothing of it counts as measured');
  const sections = [
    heading(canvas, 'gates'),
    [...changed, ...stale.flatMap((change) => remark(canvas, change))],
    stale.length === 0 ? baseline(canvas) : [],
    report.gates.length === 0 ? titled(canvas, gatesTitle(report.gates)) : gates(canvas),
  ];
  return joined(sections);
}
