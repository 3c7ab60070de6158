import { createReadStream } from 'node:fs';
import { BackcompatError } from '../contract/errors.ts';
import { notFound } from './files.ts';
import { ROWS_PER_BLOCK, type RowOptions } from './rowOptions.ts';

/** A text without line ends is no JSON Lines; a vector of 16,384 components takes some 400 kB. */
const MAX_LINE_CHARACTERS = 2 ** 24;

/** Rows that are looked at for names of columns: a field may be left out where it is empty. */
const HEADER_ROWS = 1000;

/** See `readRows`. The columns are the fields of the first rows, in the order in which they come. */
export async function* jsonLineRows(file: string, { choose, what }: RowOptions): AsyncGenerator<string[][]> {
  let first: JsonRow[] | null = [];
  let chosen: readonly string[] = [];
  const rowOf = (row: JsonRow): string[] => valuesOf(row, chosen);
  for await (const rows of objectBlocks(file, what)) {
    if (first !== null) {
      first.push(...rows);
      if (first.length < HEADER_ROWS) continue;
      chosen = choose(columnsOf(first));
      yield first.map(rowOf);
      first = null;
    } else {
      yield rows.map(rowOf);
    }
  }
  if (first === null) return;
  if (first.length === 0) {
    throw new BackcompatError('bad-file', `${file} is empty.`, {
      place: { file },
      remedy: 'Export it again: one JSON object a line.',
    });
  }
  chosen = choose(columnsOf(first));
  yield first.map(rowOf);
}

interface JsonRow {
  line: string;
  fields: Record<string, unknown>;
}

function columnsOf(rows: readonly JsonRow[]): { name: string; nested: boolean }[] {
  const nested = new Map<string, boolean>();
  for (const { fields } of rows) {
    for (const [name, value] of Object.entries(fields)) {
      nested.set(name, (nested.get(name) ?? false) || (typeof value === 'object' && value !== null));
    }
  }
  return [...nested].map(([name, isNested]) => ({ name, nested: isNested }));
}

function valuesOf({ line, fields }: JsonRow, names: readonly string[]): string[] {
  let written: Map<string, string> | null = null;
  return names.map((name) => {
    const value = Object.hasOwn(fields, name) ? fields[name] : null;
    if (value === null) return '';
    if (typeof value === 'string') return value;
    if (typeof value === 'boolean') return String(value);
    // 1.0 is not "1", an id of twenty digits is no double, and 1e999 in a list would become null.
    written ??= valuesAsWritten(line);
    return written.get(name) ?? '';
  });
}

/** The numbers, lists and objects of an object's own fields, as they stand in its (valid) JSON text. */
function valuesAsWritten(line: string): Map<string, string> {
  const values = new Map<string, string>();
  let key = '';
  for (let at = line.indexOf('{') + 1; at < line.length; at++) {
    const start = at;
    const character = line[at] as string;
    if (character === '"') {
      at = endOfString(line, at);
      // Of two strings in a row the first is the key; a value that is a string is overwritten by the next key.
      key = line.slice(start, at + 1);
    } else if (character === '{' || character === '[') {
      for (let depth = 1; depth > 0; ) {
        const inside = line[++at] as string;
        if (inside === '"') at = endOfString(line, at);
        else if (inside === '{' || inside === '[') depth++;
        else if (inside === '}' || inside === ']') depth--;
      }
      values.set(JSON.parse(key) as string, line.slice(start, at + 1));
    } else if (/[-0-9]/.test(character)) {
      while (/[-+.eE0-9]/.test(line[at + 1] ?? '')) at++;
      values.set(JSON.parse(key) as string, line.slice(start, at + 1));
    }
  }
  return values;
}

/** Of the string that begins at `at`. */
function endOfString(line: string, at: number): number {
  let end = at + 1;
  for (; line[end] !== '"'; end++) if (line[end] === '\\') end++;
  return end;
}

async function* objectBlocks(file: string, what: string): AsyncGenerator<JsonRow[]> {
  let rows = 0;
  let lines = 0;
  let block: JsonRow[] = [];
  for await (const line of linesOf(file, what)) {
    lines++;
    if (line.trim() === '') continue;
    rows++;
    block.push({ line, fields: objectOf(file, line, lines, rows) });
    if (block.length < ROWS_PER_BLOCK) continue;
    yield block;
    block = [];
  }
  if (block.length > 0) yield block;
}

function objectOf(file: string, line: string, number: number, row: number): Record<string, unknown> {
  const refuse = (problem: string, cause?: unknown): BackcompatError =>
    new BackcompatError('bad-file', `${file}:${number}: ${problem}.`, {
      place: { file, line: number, row },
      remedy: 'JSON Lines holds one object a line: {"id": "a", "label": "cat"}.',
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw refuse('the line is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refuse('the line is not a JSON object');
  return value as Record<string, unknown>;
}

/** Lines without their ends. */
async function* linesOf(file: string, what: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  const decode = (bytes: Uint8Array, stream: boolean): string => {
    try {
      return decoder.decode(bytes, { stream });
    } catch (cause) {
      throw new BackcompatError('bad-file', `${file} is not a text in UTF-8.`, {
        place: { file },
        remedy: 'Export it again as UTF-8.',
        cause,
      });
    }
  };
  const input = createReadStream(file, { highWaterMark: 2 ** 18 });
  try {
    for await (const chunk of input) {
      const parts = (rest + decode(chunk as Buffer, true)).split('\n');
      rest = parts.pop() as string;
      if (rest.length > MAX_LINE_CHARACTERS) {
        throw new BackcompatError(
          'bad-file',
          `${file} has a line of more than ${MAX_LINE_CHARACTERS.toLocaleString('en')} characters.`,
          { place: { file }, remedy: 'JSON Lines holds one object a line.' },
        );
      }
      yield* parts;
    }
  } catch (cause) {
    throw cause instanceof BackcompatError ? cause : notFound(file, what, cause);
  }
  rest += decode(new Uint8Array(0), false);
  if (rest !== '') yield rest;
}
