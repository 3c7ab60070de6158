import { findNodeAtLocation, type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import { crossCheck } from './crossCheck.ts';
import { type Finding, type JsonPath, pathText } from './finding.ts';
import { type Config, configSchema } from './schema.ts';
import { schemaFindings } from './schemaFindings.ts';

/** One thing wrong with a config, with its range in the text. */
export interface ConfigProblem {
  /** One sentence: where in the document, what was expected, what was found. */
  message: string;
  path: JsonPath;
  /** UTF-16 range of the text to underline. */
  offset: number;
  length: number;
  /** Of the start, both from 1. */
  line: number;
  column: number;
  /** Replace the range by this text to mend it (a quick fix); null when nothing near is known. */
  replacement: string | null;
  /** Removing the key at `path` mends it. */
  removable: boolean;
  /** The remedy in words. */
  remedy: string | null;
}

export interface CheckedConfig {
  /** Null when there are problems. */
  config: Config | null;
  /** In the order of the text. */
  problems: ConfigProblem[];
}

/** Line and column, both from 1 (columns in UTF-16 units, as editors count). */
export function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  let line = 1;
  let start = 0;
  for (;;) {
    const end = text.indexOf('\n', start);
    if (end < 0 || end >= offset) return { line, column: offset - start + 1 };
    line++;
    start = end + 1;
  }
}

/**
 * Where a value lies in the text of a config: the start of its key (or of the value itself inside an
 * array); of the nearest enclosing value that exists, when it does not.
 */
export function positionOf(text: string, path: JsonPath): { line: number; column: number } {
  const root = parseTree(text, [], parseOptions);
  const { offset } = rangeOf(root, path, 'key');
  return lineAndColumn(text, offset);
}

const parseOptions = { allowTrailingComma: true, disallowComments: false };

function rangeOf(root: Node | undefined, path: JsonPath, at: 'value' | 'key'): { offset: number; length: number } {
  if (root === undefined) return { offset: 0, length: 0 };
  for (let depth = path.length; depth > 0; depth--) {
    const node = findNodeAtLocation(root, path.slice(0, depth) as (string | number)[]);
    if (node === undefined) continue;
    // What is missing is underlined at the key of what lacks it.
    const key = node.parent?.type === 'property' ? node.parent.children?.[0] : undefined;
    return (at === 'key' || depth < path.length) && key ? key : node;
  }
  return { offset: root.offset, length: Math.min(root.length, 1) };
}

/**
 * Checks the text of a config: syntax, keys, types and ranges, then names that lead nowhere.
 * Reads no other file.
 */
export function checkConfig(text: string): CheckedConfig {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, parseOptions);
  const problems: ConfigProblem[] = [];
  const add = (
    finding: Omit<Finding, 'at' | 'path'>,
    path: JsonPath,
    range: { offset: number; length: number },
  ): void => {
    const suggestion = finding.suggestion ?? null;
    problems.push({
      message: finding.message,
      path,
      offset: range.offset,
      length: range.length,
      ...lineAndColumn(text, range.offset),
      replacement: suggestion === null ? null : JSON.stringify(suggestion),
      removable: finding.removable ?? false,
      remedy: finding.remedy ?? (suggestion === null ? null : `Did you mean ${JSON.stringify(suggestion)}?`),
    });
  };

  // What follows the first is mostly its echo.
  for (const error of errors.slice(0, 1)) {
    const code = printParseErrorCode(error.error);
    add({ message: `Not valid JSON: ${syntaxWords[code] ?? code}.` }, [], error);
  }
  if (root === undefined && problems.length === 0) {
    add({ message: 'The file is empty; expected a JSON object.' }, [], { offset: 0, length: 0 });
  }
  if (problems.length > 0 || root === undefined) return { config: null, problems };

  for (const property of repeatedKeys(root)) add({ message: property.message }, property.path, property.node);
  if (problems.length > 0) return { config: null, problems };

  const value = plainValue(root);
  const result = configSchema.safeParse(value);
  const findings = result.success ? crossCheck(result.data) : schemaFindings(result.error.issues, value);
  for (const finding of findings) add(finding, finding.path, rangeOf(root, finding.path, finding.at));
  problems.sort((x, y) => x.offset - y.offset);
  return { config: result.success && problems.length === 0 ? result.data : null, problems };
}

const syntaxWords: Record<string, string> = {
  InvalidSymbol: 'this is not a JSON value',
  InvalidNumberFormat: 'this is not a number',
  PropertyNameExpected: 'a key in double quotes was expected here',
  ValueExpected: 'a value was expected here',
  ColonExpected: 'a colon was expected here',
  CommaExpected: 'a comma was expected here',
  CloseBraceExpected: 'a closing brace } is missing',
  CloseBracketExpected: 'a closing bracket ] is missing',
  EndOfFileExpected: 'nothing may follow the object',
  UnexpectedEndOfComment: 'a comment is not closed',
  UnexpectedEndOfString: 'a string is not closed',
  InvalidUnicode: 'a unicode escape is wrong',
  InvalidEscapeCharacter: 'an escape is wrong (a backslash is written \\\\)',
  InvalidCharacter: 'this character may not stand in a string',
};

function repeatedKeys(root: Node): { message: string; path: JsonPath; node: Node }[] {
  const found: { message: string; path: JsonPath; node: Node }[] = [];
  const visit = (node: Node, path: JsonPath): void => {
    for (const [index, child] of node.type === 'array' ? (node.children ?? []).entries() : [])
      visit(child, [...path, index]);
    if (node.type !== 'object') return;
    const seen = new Set<string>();
    for (const property of node.children ?? []) {
      const [keyNode, valueNode] = property.children ?? [];
      if (keyNode === undefined) continue;
      const key = keyNode.value as string;
      const where = [...path, key];
      // An object of JavaScript cannot hold this key as data.
      if (key === '__proto__') found.push({ message: '"__proto__" cannot be a name.', path: where, node: keyNode });
      if (seen.has(key)) {
        found.push({ message: `${pathText(where)} is given twice in the same object.`, path: where, node: keyNode });
      }
      seen.add(key);
      if (valueNode) visit(valueNode, where);
    }
  };
  visit(root, []);
  return found;
}

function plainValue(node: Node): unknown {
  if (node.type === 'array') return (node.children ?? []).map(plainValue);
  if (node.type !== 'object') return node.value;
  const entries = (node.children ?? []).map(({ children }) => {
    const [keyNode, valueNode] = children ?? [];
    return [keyNode?.value as string, valueNode ? plainValue(valueNode) : undefined] as const;
  });
  return Object.fromEntries(entries);
}
