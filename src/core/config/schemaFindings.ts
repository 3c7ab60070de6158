import type { z } from 'zod';
import { closest, quotedList } from './closest.ts';
import { type Finding, type JsonPath, pathText } from './finding.ts';
import { configJsonSchema } from './schema.ts';

type Issue = z.core.$ZodIssue;
type JsonSchema = {
  type?: string;
  const?: unknown;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema | JsonSchema[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minItems?: number;
  maxItems?: number;
  minLength?: number;
  pattern?: string;
  required?: string[];
};

let schemaCache: JsonSchema | null = null;
function schemaRoot(): JsonSchema {
  schemaCache ??= configJsonSchema() as JsonSchema;
  return schemaCache;
}

/** Every alternative that the schema has at a path. */
function schemasAt(path: JsonPath): JsonSchema[] {
  const alternatives = (schema: JsonSchema): JsonSchema[] =>
    schema.anyOf ? schema.anyOf.flatMap(alternatives) : [schema];
  let current = alternatives(schemaRoot());
  for (const part of path) {
    current = current.flatMap((schema) => {
      let child: JsonSchema | undefined;
      if (typeof part === 'number') child = Array.isArray(schema.items) ? schema.items[part] : schema.items;
      else if (schema.properties && Object.hasOwn(schema.properties, part)) child = schema.properties[part];
      else if (typeof schema.additionalProperties === 'object') child = schema.additionalProperties;
      return child ? alternatives(child) : [];
    });
  }
  return current;
}

function expectedWords(schemas: readonly JsonSchema[]): string {
  const words = [...new Set(schemas.map(oneExpected))];
  return words.length === 0 ? 'another value' : words.join(' or ');
}

function oneExpected(schema: JsonSchema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum)
    return schema.enum
      .map((value) => JSON.stringify(value))
      .join(', ')
      .replace(/, ([^,]*)$/, ' or $1');
  switch (schema.type) {
    case 'string':
      if (schema.pattern === '^cmc@[1-9]\\d*$') return '"cmc@k"';
      return schema.minLength === 1 ? 'a string that is not empty' : 'a string';
    case 'boolean':
      return 'true or false';
    case 'integer':
    case 'number':
      return `a${schema.type === 'integer' ? ' whole' : ''} number${rangeWords(schema)}`;
    case 'array': {
      if (Array.isArray(schema.items)) return `a list [${schema.items.map(oneExpected).join(', ')}]`;
      const atLeast = schema.minItems && schema.minItems > 1 ? ` of at least ${schema.minItems}` : '';
      const atMost = schema.maxItems ? `, at most ${schema.maxItems}` : '';
      return `a list${atLeast}${schema.minItems === 1 ? ' that is not empty' : ''}${atMost}`;
    }
    default:
      return schema.required ? `an object with ${quotedList(schema.required)}` : 'an object';
  }
}

function rangeWords(schema: JsonSchema): string {
  const words: string[] = [];
  if (schema.exclusiveMinimum !== undefined) words.push(`above ${schema.exclusiveMinimum}`);
  if (schema.minimum !== undefined && schema.minimum > -1e15) words.push(`of at least ${schema.minimum}`);
  if (schema.exclusiveMaximum !== undefined) words.push(`below ${schema.exclusiveMaximum}`);
  if (schema.maximum !== undefined && schema.maximum < 1e15) words.push(`of at most ${schema.maximum}`);
  return words.length === 0 ? '' : ` ${words.join(' and ')}`;
}

function valueAt(value: unknown, path: JsonPath): unknown {
  let current = value;
  for (const part of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, part)) return undefined;
    current = (current as Record<string | number, unknown>)[part];
  }
  return current;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** Zod's issues as sentences about the document: what was expected there and what was found. */
export function schemaFindings(issues: readonly Issue[], value: unknown): Finding[] {
  return issues.flatMap((issue) => findingsOfIssue(issue, [], value));
}

function findingsOfIssue(issue: Issue, prefix: JsonPath, root: unknown): Finding[] {
  const path: JsonPath = [...prefix, ...(issue.path as (string | number)[])];
  const found = valueAt(root, path);
  if (issue.code === 'unrecognized_keys') return issue.keys.map((name) => unknownKey(path, name));
  if (issue.code === 'invalid_key') {
    const name = String(path.at(-1));
    return [
      {
        path,
        at: 'key',
        message: `${pathText(path.slice(0, -1))}: a name must not be empty or hold "/", found ${shown(name)}.`,
      },
    ];
  }
  const expected = expectedWords(schemasAt(path));
  if (found === undefined && path.length > 0) {
    const name = String(path.at(-1));
    const parent = path.slice(0, -1);
    return [
      {
        path,
        at: 'value',
        message: `${pathText(parent)} lacks ${typeof path.at(-1) === 'number' ? `element ${name}` : `the key "${name}"`}: expected ${expected}.`,
        remedy: `Add "${name}".`,
      },
    ];
  }
  if (issue.code === 'invalid_union') return findingsOfUnion(issue.errors, path, root);
  const values = schemasAt(path).flatMap((schema) => schema.enum ?? (schema.const === undefined ? [] : [schema.const]));
  const names = values.filter((entry) => typeof entry === 'string');
  return [
    {
      path,
      at: 'value',
      message: `${pathText(path)}: expected ${expected}, found ${shown(found)}.`,
      suggestion: typeof found === 'string' ? closest(found, names) : null,
    },
  ];
}

function unknownKey(path: JsonPath, name: string): Finding {
  const known = [...new Set(schemasAt(path).flatMap((schema) => Object.keys(schema.properties ?? {})))];
  if (known.includes(name)) return misplacedKey(path, name);
  const suggestion = closest(name, known);
  return {
    path: [...path, name],
    at: 'key',
    message: `${pathText(path)} has no key ${JSON.stringify(name)}.`,
    suggestion,
    removable: true,
    ...(suggestion === null ? { remedy: `Known keys are ${quotedList(known, 20)}.` } : {}),
  };
}

/** Of the alternatives of a union, tells only what is wrong with the one that was meant. */
function findingsOfUnion(options: readonly (readonly Issue[])[], path: JsonPath, root: unknown): Finding[] {
  const value = valueAt(root, path);
  const ranked = options
    .map((issues) => ({
      issues,
      otherType: issues.some((issue) => issue.path.length === 0 && issue.code !== 'unrecognized_keys'),
      unknown: issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 0), 0),
    }))
    .filter((option) => !option.otherType)
    .sort((x, y) => x.unknown - y.unknown || x.issues.length - y.issues.length);
  const [best, second] = ranked;
  if (best === undefined) {
    return [
      {
        path,
        at: 'value',
        message: `${pathText(path)}: expected ${expectedWords(schemasAt(path))}, found ${shown(value)}.`,
        suggestion:
          typeof value === 'string'
            ? closest(
                value,
                schemasAt(path).flatMap((schema) =>
                  (schema.enum ?? [schema.const]).filter((entry) => typeof entry === 'string'),
                ),
              )
            : null,
      },
    ];
  }
  // Keys that no alternative knows: probably misspelt.
  const known = new Set(schemasAt(path).flatMap((schema) => Object.keys(schema.properties ?? {})));
  const strangers = Array.isArray(value) ? [] : Object.keys(value as object).filter((name) => !known.has(name));
  const findings = strangers.map((name) => unknownKey(path, name));
  const meant = new Set(findings.map((finding) => finding.suggestion));
  const isTie = second !== undefined && second.unknown === best.unknown && second.issues.length === best.issues.length;
  if (isTie && strangers.length === 0) {
    const first = schemasAt(path).flatMap((schema) => schema.required?.[0] ?? []);
    return [
      {
        path,
        at: 'key',
        message: `${pathText(path)}: expected one of the keys ${quotedList(new Set(first))}, found ${shown(value)}.`,
      },
    ];
  }
  if (isTie) return findings;
  for (const issue of best.issues) {
    if (issue.code === 'unrecognized_keys' && issue.path.length === 0) {
      findings.push(...issue.keys.filter((name) => known.has(name)).map((name) => unknownKey(path, name)));
    } else if (!(issue.path.length === 1 && meant.has(String(issue.path[0])))) {
      findings.push(...findingsOfIssue(issue, path, root));
    }
  }
  return findings;
}

function misplacedKey(path: JsonPath, name: string): Finding {
  return {
    path: [...path, name],
    at: 'key',
    message: `${pathText(path)}: the key ${JSON.stringify(name)} does not go with the others.`,
    remedy: 'Remove it, or the keys of the other form.',
    removable: true,
  };
}
