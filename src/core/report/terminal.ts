/** Layout for terminals: columns by display width, colours, wrapping. */
import { visibleText } from '../contract/format.ts';

export type Ink = 'bold' | 'dim' | 'good' | 'bad' | 'warning';

const codes: Readonly<Record<Ink, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  good: [32, 39],
  bad: [31, 39],
  warning: [33, 39],
};

/** Colours text, or leaves it where colours are off. */
export type Paint = (ink: Ink, text: string) => string;

export function createPaint(colour: boolean): Paint {
  return (ink, text) => {
    if (!colour || text === '') return text;
    const [on, off] = codes[ink];
    return `\u001b[${on}m${text}\u001b[${off}m`;
  };
}

/** Marks that join the character before them (variation selectors are among Mn). */
const zeroWidth = /\p{Mn}|\p{Me}|\p{Cf}/u;
/** East Asian wide and full-width forms, and emoji. */
const doubleWidth =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** Terminal columns of a text without control characters. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    if (zeroWidth.test(character)) continue;
    width += doubleWidth.test(character) ? 2 : 1;
  }
  return width;
}

/** Cut to `width` columns, with an ellipsis where something is missing. */
export function clip(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let result = '';
  let used = 0;
  for (const character of text) {
    const next = displayWidth(character);
    if (used + next > width - 1) break;
    result += character;
    used += next;
  }
  return `${result}…`;
}

/** Data (labels, ids, names) for a cell: without control characters, cut to `width`. */
export function dataText(text: string, width: number): string {
  return clip(visibleText(text), width);
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)));
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - displayWidth(text))) + text;
}

/** Figures stay whole: `50 %`, `[.033, .050]`, `mAP .740`. */
const unbroken = /(?<=\d) (?=%)|(?<=\[[^\]]*,) (?=[^\]]*\])|(?<=\b(?:mAP|mAP@R|CMC@\d+)) (?=[+.\u2212])/g;
const NO_BREAK = '\u00a0';

/** Words broken into lines of at most `width` columns. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const glued of text.replace(unbroken, NO_BREAK).split(' ')) {
    const word = glued.replaceAll(NO_BREAK, ' ');
    if (line !== '' && displayWidth(line) + 1 + displayWidth(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}

export interface Column {
  title: string;
  align: 'left' | 'right';
}

export interface TableCell {
  text: string;
  ink?: Ink | null;
}

/** A table with a dim header; columns are as wide as their widest cell, two spaces apart. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly TableCell[])[],
  paint: Paint,
  indent = '  ',
): string[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(displayWidth(title), ...rows.map((row) => displayWidth(row[index]?.text ?? ''))),
  );
  const layOut = (cells: readonly TableCell[], ink: Ink | null) =>
    indent +
    columns
      .map(({ align }, index) => {
        const cell = cells[index] ?? { text: '' };
        const last = index === columns.length - 1;
        const width = widths[index] ?? 0;
        let padded = align === 'right' ? padStart(cell.text, width) : padEnd(cell.text, width);
        if (last && align === 'left') padded = cell.text;
        const chosen = cell.ink ?? ink;
        return chosen ? paint(chosen, padded) : padded;
      })
      .join('  ')
      .trimEnd();
  return [
    layOut(
      columns.map(({ title }) => ({ text: title })),
      'dim',
    ),
    ...rows.map((row) => layOut(row, null)),
  ];
}
