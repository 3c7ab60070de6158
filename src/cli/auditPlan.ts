import path from 'node:path';
import { findConfigs, findPairs, loadConfig } from '../core/config/loadConfig.ts';
import { BackcompatError } from '../core/contract/errors.ts';
import type { AuditRequest } from '../core/pipeline/auditRequest.ts';
import { fileSafeName, cacheFolder as folderOfCache } from '../core/runs/runDirectory.ts';
import { type CommonOptions, type OverrideOptions, overrideArguments, overridesOf } from './options.ts';
import { usageError } from './output.ts';
import type { RunJob } from './startedRun.ts';

export interface AuditOptions extends CommonOptions, OverrideOptions {
  pair?: string;
  old?: string;
  new?: string;
  labels?: string;
  queryOld?: string;
  queryNew?: string;
  queryLabels?: string;
  out?: string;
  json?: string;
  baseline?: string;
  junit?: string;
  markdown?: string;
  full?: boolean;
  detach?: boolean;
  /** Of the process that computes: the directory that was made for it. */
  runDirectory?: string;
}

/** One audit to be run. */
export interface AuditJob extends RunJob {
  kind: 'audit';
  request: AuditRequest;
}

/**
 * What a command line asks for: an audit for each pair of the config, or one of tables.
 * @throws BackcompatError `usage`, or what is wrong with the config
 */
export async function planAudits(config: string | undefined, options: AuditOptions): Promise<AuditJob[]> {
  const tables = [options.old, options.new, options.labels, options.queryOld, options.queryNew, options.queryLabels];
  if (tables.some((value) => value !== undefined)) {
    if (config !== undefined) throw usageError('Give a config or tables (--old, --new, --labels), not both.');
    if (options.pair !== undefined) throw usageError('--pair names a pair of a config; tables have none.');
    return [planTables(options)];
  }
  return planConfig(config, options);
}

function planTables(options: AuditOptions): AuditJob {
  const { old, labels, queryOld, queryNew, queryLabels } = options;
  const example = 'Example: backcompat audit --old v1.npy --new v2.npy --labels items.csv';
  if (old === undefined) throw usageError('--old is missing: the vectors that fill the gallery.', example);
  const queries = { '--query-old': queryOld, '--query-new': queryNew };
  const missing = Object.entries(queries).filter(([, value]) => value === undefined);
  if (missing.length === 1 || (missing.length === 2 && queryLabels !== undefined)) {
    throw usageError(
      `${missing.map(([name]) => name).join(' and ')} missing: query vectors come of both models or not at all.`,
    );
  }
  if (options.new === undefined && missing.length > 0) {
    throw usageError(
      '--new is missing: without query tables the new vectors of the gallery are the queries.',
      'Give --new, or --query-old and --query-new.',
    );
  }
  const absolute = (file: string | undefined) => (file === undefined ? null : path.resolve(file));
  const baseFolder = process.cwd();
  // Of `export/v.npz#old`: v-old.
  const stem = (file: string) => path.basename(file).replace(/\.[^.#]*(#|$)/, (_, hash: string) => (hash ? '-' : ''));
  const table = (name: string, file: string | null) => (file === null ? [] : [name, file]);
  const source = {
    kind: 'tables' as const,
    oldGallery: path.resolve(old),
    newGallery: absolute(options.new),
    galleryLabels: absolute(labels),
    oldQuery: absolute(queryOld),
    newQuery: absolute(queryNew),
    queryLabels: absolute(queryLabels),
  };
  return {
    kind: 'audit',
    name: `${stem(old)}-${stem(options.new ?? queryNew ?? old)}`,
    request: {
      source,
      overrides: overridesOf(options),
      ...baselineOf(options),
      threads: options.threads ?? null,
      cacheFolder: folderOfCache(baseFolder),
    },
    baseFolder,
    out: options.out === undefined ? null : path.resolve(options.out),
    configFile: null,
    configText: null,
    arguments: [
      'audit',
      ...table('--old', source.oldGallery),
      ...table('--new', source.newGallery),
      ...table('--labels', source.galleryLabels),
      ...table('--query-old', source.oldQuery),
      ...table('--query-new', source.newQuery),
      ...table('--query-labels', source.queryLabels),
      ...overrideArguments(options),
      ...baselineArguments(options),
    ],
  };
}

async function planConfig(config: string | undefined, options: AuditOptions): Promise<AuditJob[]> {
  const file = path.resolve(config ?? (await onlyConfig()));
  const loaded = await loadConfig(file);
  const pairs = findPairs(loaded, options.pair ?? null);
  if (pairs.length > 1) {
    const single = [
      ['--json', options.json],
      ['--baseline', options.baseline],
      ['--detach', options.detach],
      ['--run-directory', options.runDirectory],
    ].find(([, value]) => value !== undefined);
    if (single) {
      const names = pairs.map(({ name }) => name).join(', ');
      throw usageError(
        `${single[0]} takes one pair, and ${path.basename(file)} has ${pairs.length}.`,
        `Add --pair; the pairs are ${names}.`,
      );
    }
  }
  const folders = new Set<string>();
  return pairs.map(({ name }) => ({
    kind: 'audit',
    name,
    request: {
      source: { kind: 'config', file, pair: name },
      overrides: overridesOf(options),
      ...baselineOf(options),
      threads: options.threads ?? null,
      cacheFolder: folderOfCache(loaded.folder),
    },
    baseFolder: loaded.folder,
    out: outOf(options.out, name, pairs.length > 1, folders),
    configFile: file,
    configText: loaded.text,
    arguments: ['audit', file, '--pair', name, ...overrideArguments(options), ...baselineArguments(options)],
  }));
}

function baselineOf({ baseline }: AuditOptions): { baseline?: string } {
  return baseline === undefined ? {} : { baseline: path.resolve(baseline) };
}

function baselineArguments({ baseline }: AuditOptions): string[] {
  return baseline === undefined ? [] : ['--baseline', path.resolve(baseline)];
}

/** `--out` itself for one pair, a folder in it for each of several. */
function outOf(out: string | undefined, pair: string, several: boolean, taken: Set<string>): string | null {
  if (out === undefined) return null;
  if (!several) return path.resolve(out);
  let folder = fileSafeName(pair);
  // Names that differ in case only are one folder on some file systems.
  for (let number = 2; taken.has(folder.toLowerCase()); number++) folder = `${fileSafeName(pair)}-${number}`;
  taken.add(folder.toLowerCase());
  return path.resolve(out, folder);
}

/** The config of this folder. @throws BackcompatError when there is none, or several of other names */
export async function onlyConfig(): Promise<string> {
  const found = await findConfigs(process.cwd());
  const [first] = found;
  if (first === undefined) {
    throw new BackcompatError('not-found', 'There is no backcompat.json here.', {
      remedy: 'Name a config, give tables with --old, --new and --labels, or try the sample: backcompat demo',
    });
  }
  if (path.basename(first) === 'backcompat.json' || found.length === 1) return first;
  const names = found.map((file) => path.basename(file)).join(', ');
  throw usageError(`There are ${found.length} configs here: ${names}.`, 'Name one of them.');
}
