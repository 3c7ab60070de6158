/** Changes of a config's text that leave everything else in it, comments too, as it is. Pure. */
import { applyEdits, findNodeAtLocation, type JSONPath, modify, type Node, parseTree } from 'jsonc-parser';

export interface ConfigEntry {
  path: JSONPath;
  /** Undefined removes the key. */
  value: unknown;
}

/** A value stays on one line up to there. */
const LINE_LENGTH = 100;

/** Sets these keys in a config's text, in order; what lies on the way is made. */
export function editConfig(text: string, entries: readonly ConfigEntry[]): string {
  const start = text.trim() === '' ? '{}\n' : text;
  return entries.reduce(
    (current, entry) => removeKey(current, entry) ?? insertKey(current, entry) ?? modifyKey(current, entry),
    start,
  );
}

function modifyKey(text: string, { path, value }: ConfigEntry): string {
  const unit = indentationOf(text);
  const formattingOptions = {
    insertSpaces: unit !== '\t',
    tabSize: unit === '\t' ? 4 : unit.length,
    eol: text.includes('\r\n') ? '\r\n' : '\n',
  };
  return applyEdits(text, modify(text, path, value, { formattingOptions }));
}

function indentationOf(text: string): string {
  const first = /^([ \t]+)["/]/m.exec(text)?.[1] ?? '  ';
  return first.startsWith('\t') ? '\t' : first;
}

/**
 * Adds a key behind the last one of its object, which `modify` cannot do without moving comments and spreading neighbours over lines.
 * @returns null where there is no object with a key to add behind
 */
function insertKey(text: string, { path, value }: ConfigEntry): string | null {
  if (value === undefined) return null;
  const root = parseTree(text, [], { allowTrailingComma: true });
  if (root === undefined || findNodeAtLocation(root, path) !== undefined) return null;
  const depth = path.findLastIndex((_, at) => findNodeAtLocation(root, path.slice(0, at)) !== undefined);
  const object = depth < 0 ? undefined : findNodeAtLocation(root, path.slice(0, depth));
  const last = object?.type === 'object' ? object.children?.at(-1) : undefined;
  if (last === undefined) return null;

  const added = path.slice(depth + 1).reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const unit = indentationOf(text);
  const indent = indentAt(text, last) ?? unit.repeat(depth + 1);
  const entry = `${eol}${indent}${JSON.stringify(path[depth])}: ${valueText(added, indent, unit, eol)}`;
  const end = last.offset + last.length;
  const comma = commaAfter(text, end);
  // A comment behind the last key is about that key.
  const place = endOfLineComment(text, comma ?? end);
  return comma === null
    ? `${text.slice(0, end)},${text.slice(end, place)}${entry}${text.slice(place)}`
    : `${text.slice(0, place)}${entry},${text.slice(place)}`;
}

/** Takes a key out with its comma. @returns null where there is none, or nothing is to be removed */
function removeKey(text: string, { path, value }: ConfigEntry): string | null {
  if (value !== undefined) return null;
  const root = parseTree(text, [], { allowTrailingComma: true });
  const property = root && findNodeAtLocation(root, path)?.parent;
  if (property?.type !== 'property') return null;
  const siblings = property.parent?.children ?? [];
  const before = siblings[siblings.indexOf(property) - 1];
  let start = property.offset;
  while (/[ \t]/.test(text[start - 1] ?? '')) start--;
  const lineStart = /[\r\n]/.test(text[start - 1] ?? '\n') ? start - (text[start - 2] === '\r' ? 2 : 1) : start;
  const end = commaAfter(text, property.offset + property.length);
  if (end !== null) return text.slice(0, Math.max(0, lineStart)) + text.slice(end);
  const rest = text.slice(property.offset + property.length);
  const kept = text.slice(0, Math.max(0, lineStart));
  if (before === undefined) return kept + rest;
  // The last one: the comma before it goes, too.
  const comma = commaAfter(text, before.offset + before.length) as number;
  return kept.slice(0, comma - 1) + kept.slice(comma) + rest;
}

/** The one change that makes `after` of `before`: what editors keep cursors and folds by. */
export function changeBetween(before: string, after: string): { offset: number; length: number; text: string } {
  const shortest = Math.min(before.length, after.length);
  let start = 0;
  while (start < shortest && before[start] === after[start]) start++;
  let end = 0;
  while (end < shortest - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  return { offset: start, length: before.length - end - start, text: after.slice(start, after.length - end) };
}

/** The white space before a key that begins its line; null for one that does not. */
function indentAt(text: string, { offset }: Node): string | null {
  const line = text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset);
  return /^[ \t]*$/.test(line) ? line : null;
}

/** Behind the comma that follows; null when none does. */
function commaAfter(text: string, offset: number): number | null {
  const found = /^(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*,/.exec(text.slice(offset));
  return found === null ? null : offset + found[0].length;
}

function endOfLineComment(text: string, offset: number): number {
  const comment = /^[ \t]*(?:\/\/[^\r\n]*|\/\*[^\r\n]*?\*\/[ \t]*(?=\r?\n))/.exec(text.slice(offset));
  return offset + (comment?.[0].length ?? 0);
}

/** On one line where it fits: `{ "old": "v1", "new": "v2" }`. */
function valueText(value: unknown, indent: string, unit: string, eol: string): string {
  const line = oneLine(value);
  if (line.length <= LINE_LENGTH) return line;
  return JSON.stringify(value, null, unit).replaceAll('\n', `${eol}${indent}`);
}

function oneLine(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(oneLine).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(([key, field]) => `${JSON.stringify(key)}: ${oneLine(field)}`);
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
}

/** `base`, or `base-2`, `base-3`, … where it is taken. Slashes separate a dataset from its part, so none stay. */
export function freeName(base: string, taken: Iterable<string>): string {
  const names = new Set(taken);
  const plain = base.replaceAll('/', '-') || 'unnamed';
  if (!names.has(plain)) return plain;
  for (let number = 2; ; number++) if (!names.has(`${plain}-${number}`)) return `${plain}-${number}`;
}

/** A path as a config in `folder` names it: relative, with forward slashes. */
export function pathInConfig(folder: string, file: string, relative: (from: string, to: string) => string): string {
  return relative(folder, file).replaceAll('\\', '/');
}
