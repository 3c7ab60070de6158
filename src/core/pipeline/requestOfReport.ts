import { readFile, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { findPairs, loadConfig } from '../config/loadConfig.ts';
import { BackcompatError } from '../contract/errors.ts';
import { REPORT_FILE_NAME, type Report } from '../contract/report.ts';
import { RUN_FILES, RUN_FORMAT, type RunRequest } from '../contract/runs.ts';
import { readReport } from '../report/reportFile.ts';
import { cacheFolder } from '../runs/runDirectory.ts';
import type { AuditOverrides, AuditRequest } from './auditRequest.ts';
import { sourceOfPart } from './training/trainedSource.ts';

/** What a browser opens: the pair that a report is of, or one of a config. Paths are absolute. */
export type BrowsedSubject =
  /** `config`: where the report lies in no run, the config to take its pair from; null: none is known. */
  { report: string; config: string | null } | { config: string; pair: string };

const MAX_REQUEST_BYTES = 2 ** 20;

/**
 * The request that repeats what a report measured, without what browsing does not need (paragon, versions between).
 * @throws BackcompatError `not-found` where nothing says what the report was made from; those of report and config
 */
export async function requestOfReport(
  subject: BrowsedSubject,
  threads: number | null,
): Promise<{ request: AuditRequest; report: Report | null }> {
  if (!('report' in subject)) {
    return { request: await requestOfPair(subject.config, subject.pair, {}, threads), report: null };
  }
  const report = await readReport(subject.report);
  const overrides = overridesOf(report);
  const run = await runOf(subject.report);
  if (run === null) {
    if (subject.config === null) throw unknownOrigin(subject.report);
    return { request: await requestOfPair(subject.config, report.pair, overrides, threads), report };
  }
  const { configFile, kind, name } = run.request;
  if (configFile === null) {
    const source = tablesOf(run.request.arguments);
    if (source === null) throw unknownOrigin(subject.report);
    return { request: { source, overrides, threads, cacheFolder: await cacheOfRun(run.directory) }, report };
  }
  if (kind !== 'train') return { request: await requestOfPair(configFile, report.pair, overrides, threads), report };
  const loaded = await loadConfig(configFile);
  const part = path.relative(run.directory, path.dirname(subject.report));
  const source = await sourceOfPart(loaded, name, part === '' ? name : `${name}/${part}`, run.directory);
  if (source === null) {
    throw new BackcompatError('bad-config', `${configFile} no longer has the training that this report is of.`, {
      place: { file: configFile, field: 'training' },
      remedy: 'Train again, or bring the block back.',
    });
  }
  return { request: { source, overrides, threads, cacheFolder: cacheFolder(loaded.folder) }, report };
}

async function requestOfPair(
  file: string,
  name: string,
  overrides: AuditOverrides,
  threads: number | null,
): Promise<AuditRequest> {
  const loaded = await loadConfig(file);
  const pair = findPairs(loaded, name)[0];
  if (pair === undefined) throw new BackcompatError('internal', `findPairs gave no pair "${name}".`);
  return {
    source: { kind: 'trained', file: loaded.file, pair: { ...pair, paragon: null, versions: null }, models: {} },
    overrides,
    threads,
    cacheFolder: cacheFolder(loaded.folder),
  };
}

/** What decides about rankings, as the report was measured. */
function overridesOf({ protocol }: Report): AuditOverrides {
  const { distance, dimensionRule, adapter, seed } = protocol;
  return {
    distance,
    seed,
    ...(dimensionRule === 'equal' ? {} : { dimensionRule }),
    ...(adapter === undefined ? {} : { adapter }),
    ...(protocol.adapterFile === undefined ? {} : { adapterFile: protocol.adapterFile }),
  };
}

/** The run that wrote the report: its folder, or the one above for a part of a training. */
async function runOf(report: string): Promise<{ directory: string; request: RunRequest } | null> {
  if (path.basename(report) !== REPORT_FILE_NAME) return null;
  const folder = path.dirname(report);
  for (const directory of [folder, path.dirname(folder)]) {
    const file = path.join(directory, RUN_FILES.request);
    try {
      if ((await stat(file)).size > MAX_REQUEST_BYTES) continue;
      const request = JSON.parse(await readFile(file, 'utf8')) as RunRequest;
      if (request.format === RUN_FORMAT && Array.isArray(request.arguments)) return { directory, request };
    } catch {
      // No run there.
    }
  }
  return null;
}

/** Options of `backcompat audit` without a config, as a run keeps them: each with its value, paths absolute. */
function tablesOf(given: readonly string[]): Extract<AuditRequest['source'], { kind: 'tables' }> | null {
  const optionValue = (option: string) => {
    const at = given.indexOf(option);
    return at < 0 ? null : (given[at + 1] ?? null);
  };
  const oldGallery = optionValue('--old');
  if (oldGallery === null) return null;
  return {
    kind: 'tables',
    oldGallery,
    newGallery: optionValue('--new'),
    galleryLabels: optionValue('--labels'),
    oldQuery: optionValue('--query-old'),
    newQuery: optionValue('--query-new'),
    queryLabels: optionValue('--query-labels'),
  };
}

/** Beside the folder of runs that the run lies in; one that was put elsewhere has none. */
async function cacheOfRun(directory: string): Promise<string> {
  const beside = path.join(path.dirname(path.dirname(directory)), 'cache');
  const isThere = await stat(beside).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return isThere ? beside : path.join(os.tmpdir(), 'backcompat-cache');
}

function unknownOrigin(report: string): BackcompatError {
  return new BackcompatError('not-found', `Nothing says which vectors ${path.basename(report)} was made from.`, {
    place: { file: report },
    remedy: 'Open the report in its run directory, or a workspace whose config has its pair.',
  });
}
