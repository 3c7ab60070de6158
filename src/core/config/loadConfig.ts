import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { BackcompatError } from '../contract/errors.ts';
import { type AuditProtocol, defaultProtocol } from '../contract/protocol.ts';
import type { AdapterKind } from '../contract/report.ts';
import { checkConfig, positionOf } from './checkConfig.ts';
import { closest, quotedList } from './closest.ts';
import { isConfigName } from './configName.ts';
import { splitReference } from './crossCheck.ts';
import type { JsonPath } from './finding.ts';
import type { AuditDefinition, Config, DatasetDefinition, PairDefinition } from './schema.ts';

export interface LoadedConfig {
  /** Absolute path of the file. */
  file: string;
  /** Its folder, absolute: what paths in it are relative to. */
  folder: string;
  text: string;
  config: Config;
}

/** A config is written by hand; more than this is another file. */
const MAX_CONFIG_BYTES = 16 * 2 ** 20;

/**
 * Reads and checks a config.
 * @throws BackcompatError `not-found`; `bad-config` for the first problem, with file, line and column
 */
export async function loadConfig(file: string): Promise<LoadedConfig> {
  const absolute = path.resolve(file);
  const place = { file: absolute };
  let text: string;
  try {
    const { size } = await stat(absolute);
    if (size > MAX_CONFIG_BYTES) {
      throw new BackcompatError('bad-config', `${file} has ${size} bytes: that is not a config.`, { place });
    }
    text = await readFile(absolute, 'utf8');
  } catch (cause) {
    if (cause instanceof BackcompatError) throw cause;
    throw new BackcompatError('not-found', `The config ${file} cannot be read: ${reason(cause)}.`, {
      place,
      remedy: 'Check its path, or run the command in the folder of backcompat.json.',
      cause,
    });
  }
  if (text.startsWith('\uFEFF')) text = text.slice(1);
  const { config, problems } = checkConfig(text);
  const [first] = problems;
  if (config === null || first) {
    const more = problems.length - 1;
    const others = more > 0 ? `${more} more problem${more > 1 ? 's' : ''} in this file.` : null;
    throw new BackcompatError(
      'bad-config',
      `${file}:${first?.line ?? 1}:${first?.column ?? 1}: ${first?.message ?? 'Not a config.'}`,
      {
        place: { ...place, line: first?.line, column: first?.column, field: first ? fieldOf(first.path) : undefined },
        remedy: [first?.remedy, others].filter(Boolean).join(' ') || undefined,
      },
    );
  }
  return { file: absolute, folder: path.dirname(absolute), text, config };
}

function fieldOf(jsonPath: JsonPath): string {
  return jsonPath.join('.');
}

function reason(cause: unknown): string {
  const code = (cause as { code?: string }).code;
  if (code === 'ENOENT') return 'it does not exist';
  if (code === 'EISDIR') return 'it is a folder';
  if (code === 'EACCES') return 'no permission';
  return cause instanceof Error ? cause.message : String(cause);
}

/** Absolute paths of the configs in a folder: `backcompat.json` first, then `*.compat.json` by name. */
export async function findConfigs(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).sort().filter(isConfigName);
  const first = names.filter((name) => name === 'backcompat.json');
  return [...first, ...names.filter((name) => name !== 'backcompat.json')].map((name) => path.resolve(folder, name));
}

/** An old and a new checkpoint to be held against each other. */
export interface Pair {
  name: string;
  /** Names of checkpoints. */
  old: string;
  new: string;
  paragon: string | null;
  /** Names of all checkpoints of a pair that compares many, oldest first; null for two models. */
  versions: readonly string[] | null;
  /** `dataset` or `dataset/part`. */
  queries: string;
  /** The queries are the same set where a config leaves them out. */
  gallery: string;
  dimensionRule: AuditProtocol['dimensionRule'];
  /** For `project`; null: the default. */
  adapter: AdapterKind | null;
  /** Of an adapter that was fitted before, as the config names it. */
  adapterFile?: string;
}

/**
 * The pairs of a config, or the one called `name`.
 * @throws BackcompatError `usage` for an unknown name, with the known ones; `bad-config` when there is none
 */
export function findPairs(loaded: LoadedConfig, name: string | null = null): Pair[] {
  const pairs = loaded.config.pairs ?? {};
  const names = Object.keys(pairs);
  if (names.length === 0) {
    throw configError(loaded, [], `${loaded.file} has no pairs.`, 'Add "pairs" with an old and a new checkpoint.');
  }
  if (name !== null && !Object.hasOwn(pairs, name)) {
    const suggestion = closest(name, names);
    throw new BackcompatError('usage', `There is no pair ${JSON.stringify(name)} in ${loaded.file}.`, {
      place: { file: loaded.file, field: 'pairs' },
      remedy: suggestion ? `Did you mean ${JSON.stringify(suggestion)}?` : `Known pairs are ${quotedList(names)}.`,
    });
  }
  return (name === null ? names : [name]).map((pairName) => {
    const definition = pairs[pairName] as (typeof pairs)[string];
    const adapterFile = 'adapterFile' in definition ? definition.adapterFile : undefined;
    return {
      name: pairName,
      ...modelsOf(definition),
      // Without queries the gallery's own items are asked, each without itself.
      queries: definition.queries ?? definition.gallery,
      gallery: definition.gallery,
      dimensionRule: definition.dimensionRule ?? (adapterFile === undefined ? null : 'project'),
      adapter: definition.adapter ?? null,
      ...(adapterFile === undefined ? {} : { adapterFile }),
    };
  });
}

/** Of many versions the first is the old model, the last the new one. */
function modelsOf(definition: PairDefinition): Pick<Pair, 'old' | 'new' | 'paragon' | 'versions'> {
  if (!('versions' in definition)) {
    const { old, new: fresh, paragon } = definition;
    return { old, new: fresh, paragon: paragon ?? null, versions: null };
  }
  const { versions } = definition;
  return { old: versions[0] as string, new: versions[versions.length - 1] as string, paragon: null, versions };
}

/** The `audit` block with all defaults filled in, and the pair's rule. */
export function resolveProtocol(
  audit: AuditDefinition | undefined,
  pair: Pick<Pair, 'dimensionRule' | 'adapter' | 'adapterFile'> | null = null,
): AuditProtocol {
  const { criterion, bootstrap, ...rest } = audit ?? {};
  return {
    ...defaultProtocol,
    ...withoutUndefined(rest),
    criterionMetric: criterion?.metric ?? defaultProtocol.criterionMetric,
    margin: criterion?.margin ?? defaultProtocol.margin,
    dimensionRule: pair?.dimensionRule ?? defaultProtocol.dimensionRule,
    adapter: pair?.adapter ?? defaultProtocol.adapter,
    ...(pair?.adapterFile === undefined ? {} : { adapterFile: pair.adapterFile }),
    bootstrap: { ...defaultProtocol.bootstrap, ...withoutUndefined(bootstrap ?? {}) },
  };
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as never;
}

/** The dataset and part that `"digits/query"` names. */
export function datasetDefinition(
  loaded: LoadedConfig,
  reference: string,
): { name: string; part: string | null; definition: DatasetDefinition } {
  const [name, part] = splitReference(reference);
  const datasets = loaded.config.datasets ?? {};
  if (!Object.hasOwn(datasets, name)) {
    throw configError(loaded, ['datasets'], `There is no dataset ${JSON.stringify(name)} in ${loaded.file}.`);
  }
  return { name, part, definition: datasets[name] as DatasetDefinition };
}

/** A `bad-config` error at a place of the config. */
export function configError(
  loaded: LoadedConfig,
  jsonPath: JsonPath,
  message: string,
  remedy?: string,
): BackcompatError {
  return new BackcompatError('bad-config', message, {
    place: { file: loaded.file, ...positionOf(loaded.text, jsonPath), field: fieldOf(jsonPath) },
    remedy,
  });
}
