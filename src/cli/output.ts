import path from 'node:path';
import { BackcompatError, type Place } from '../core/contract/errors.ts';
import { visibleText } from '../core/contract/format.ts';

/** Where text of the command line goes, and in which dress. */
export interface Output {
  /** Results: stdout, or stderr when stdout carries data. */
  text(text: string): void;
  /** Data for programs: stdout. */
  data(text: string): void;
  /** Notes, warnings and errors: stderr; also when quiet. */
  note(text: string): void;
  readonly quiet: boolean;
  readonly debug: boolean;
  /** Columns and colours of `text`. */
  readonly width: number;
  readonly colour: boolean;
}

export interface OutputOptions {
  quiet?: boolean;
  debug?: boolean;
  /** Data goes to stdout, so people read stderr. */
  dataOnStdout?: boolean;
}

/** Width of text that goes to a file or a pipe. */
const PLAIN_WIDTH = 100;

export function createOutput({ quiet = false, debug = false, dataOnStdout = false }: OutputOptions): Output {
  const stream = dataOnStdout ? process.stderr : process.stdout;
  const { NO_COLOR, TERM } = process.env;
  return {
    text: (text) => void (quiet || stream.write(text)),
    data: (text) => void process.stdout.write(text),
    note: (text) => void process.stderr.write(`${text}\n`),
    quiet,
    debug,
    width: stream.isTTY ? stream.columns : PLAIN_WIDTH,
    // https://no-color.org: present and not empty.
    colour: stream.isTTY === true && !NO_COLOR && TERM !== 'dumb',
  };
}

/** A path as the user would type it: relative when it lies below the working directory. */
export function shownPath(file: string): string {
  const relative = path.relative(process.cwd(), file);
  const below = relative !== '' && !relative.startsWith('..') && !path.isAbsolute(relative);
  return visibleText(below ? relative : file);
}

export interface Problem {
  code: string;
  message: string;
  place: Place;
  remedy: string | null;
}

/**
 * A problem for people, and for the editor's problem matcher where its line is known:
 * `file:line:column: error: message [code]`, or `error: message` with the place below.
 */
export function problemLines(
  { code, message, place, remedy }: Problem,
  severity: 'error' | 'warning' = 'error',
): string[] {
  const lines: string[] = [];
  const text = visibleText(message);
  if (place.file !== undefined && place.line !== undefined) {
    const column = place.column ?? 1;
    // Some messages begin with the place already.
    const marker = `:${place.line}:${column}: `;
    const start = text.indexOf(marker);
    const rest = start === -1 || text.slice(0, start).includes(' ') ? text : text.slice(start + marker.length);
    lines.push(`${shownPath(place.file)}:${place.line}:${column}: ${severity}: ${rest} [${code}]`);
  } else {
    lines.push(`${severity}: ${text}`);
    const where = placeText(place);
    if (where !== null && !mentions(text, place)) lines.push(`  at ${where}`);
  }
  if (remedy !== null) lines.push(`  ${visibleText(remedy)}`);
  return lines;
}

function placeText({ file, row, field }: Place): string | null {
  const parts = [
    file === undefined ? null : shownPath(file),
    row === undefined ? null : `row ${row}`,
    field === undefined ? null : visibleText(field),
  ].filter((part) => part !== null);
  return parts.length === 0 ? null : parts.join(', ');
}

/** Whether the message names the place itself. */
function mentions(text: string, { file, row, field }: Place): boolean {
  return (
    (file === undefined || text.includes(visibleText(path.basename(file)))) &&
    (row === undefined || new RegExp(`\\b${row}\\b`).test(text)) &&
    (field === undefined || text.includes(visibleText(field)))
  );
}

/** What a person sees of an error; the stack only with `--debug`. */
export function errorLines(error: BackcompatError, debug: boolean): string[] {
  const lines = problemLines(error);
  if (!debug) return lines;
  const stacks = [error.stack ?? ''];
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) stacks.push(`caused by ${cause.stack}`);
  return [...lines, ...stacks];
}

/** A command line that makes no sense. */
export function usageError(message: string, remedy?: string): BackcompatError {
  return new BackcompatError('usage', message, { remedy });
}
