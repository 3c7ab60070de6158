import type { Tone } from '../../contract/findings.ts';
import { visibleText } from '../../contract/format.ts';
import type { Report } from '../../contract/report.ts';
import { createPaint, type Ink, type Paint, wrap } from '../terminal.ts';

export interface TextOptions {
  /** Columns; kept between 80 and 120. */
  width: number;
  colour: boolean;
  /** Long tables too. */
  full?: boolean;
}

/** What every section needs. */
export interface Canvas {
  report: Report;
  width: number;
  paint: Paint;
}

export function createCanvas(report: Report, { width, colour }: TextOptions): Canvas {
  return { report, width: Math.min(120, Math.max(80, width)), paint: createPaint(colour) };
}

export const icons: Readonly<Record<Tone, string>> = { good: '✓', bad: '✗', warning: '!', undecided: '?', absent: '·' };
export const inks: Readonly<Record<Tone, Ink | null>> = {
  good: 'good',
  bad: 'bad',
  warning: 'warning',
  undecided: 'dim',
  absent: 'dim',
};

/** Columns of a model's, a class's or a column's name. */
export const NAME_WIDTH = 28;

/** A section's title in bold and what it draws, dim. */
export function titled({ width, paint }: Canvas, title: string, caption = ''): string[] {
  return [
    ...wrap(visibleText(title), width).map((line) => paint('bold', line)),
    ...(caption === '' ? [] : wrap(visibleText(caption), width).map((line) => paint('dim', line))),
  ];
}

/** An indented line of small print, wrapped. */
export function remark({ width, paint }: Canvas, text: string): string[] {
  return wrap(visibleText(text), width - 2).map((line) => `  ${paint('dim', line)}`);
}
