import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { BackcompatError } from '../contract/errors.ts';
import { REPORT_FILE_NAME } from '../contract/report.ts';
import { LINK_EXTENSION, type RunSummary } from '../contract/runs.ts';
import { readRun } from './readRun.ts';
import { followLink, runsFolder } from './runDirectory.ts';
import { RunReader } from './runReader.ts';

/** Lists are asked for every second: readers are kept, so that each time only new lines are read. */
const readers = new Map<string, Map<string, RunReader>>();

/**
 * The runs beside the configs of `baseFolder`, newest first; links are followed, dead ones and
 * whatever is no run are ignored. An empty list when there is no folder of runs.
 */
export async function listRuns(baseFolder: string): Promise<RunSummary[]> {
  const folder = runsFolder(path.resolve(baseFolder));
  const before = readers.get(folder) ?? new Map<string, RunReader>();
  const after = new Map<string, RunReader>();
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const found: (RunSummary | null)[] = [];
  for (const entry of entries) {
    const isLink = entry.isFile() && entry.name.endsWith(LINK_EXTENSION);
    if (!entry.isDirectory() && !isLink) continue;
    const full = path.join(folder, entry.name);
    const directory = isLink ? await followLink(full) : full;
    if (directory === null) continue;
    const key = `${entry.name}\n${directory}`;
    const reader =
      before.get(key) ?? new RunReader(directory, isLink ? entry.name.slice(0, -LINK_EXTENSION.length) : entry.name);
    after.set(key, reader);
    found.push(await reader.read());
  }
  readers.set(folder, after);
  const runs = found.filter((run) => run !== null);
  runs.sort((a, b) => compare(b.created, a.created) || compare(b.id, a.id));
  // A directory that was used again is reached by several links; it holds one run, the newest.
  const seen = new Set<string>();
  return runs.filter(({ directory }) => !seen.has(directory) && seen.add(directory));
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/**
 * The run that a person means: a directory, the id of a run or its beginning, or the name of a pair
 * or block, whose latest finished run it is.
 * @throws BackcompatError `not-found` listing what there is, `usage` for an ambiguous beginning
 */
export async function resolveRun(nameOrPath: string, baseFolder: string): Promise<RunSummary> {
  const directory = path.resolve(baseFolder, nameOrPath);
  if (await isDirectory(directory)) {
    const run = await new RunReader(directory).read();
    // A folder of the config's may be called like a pair.
    if (run !== null || /[\\/]/.test(nameOrPath)) return run ?? readRun(directory);
  }
  const runs = await listRuns(baseFolder);
  const exact = runs.find(({ id }) => id === nameOrPath);
  if (exact) return exact;
  const named = runs.find(({ name, state }) => name === nameOrPath && state === 'done');
  if (named) return named;
  const starting = nameOrPath === '' ? [] : runs.filter(({ id }) => id.startsWith(nameOrPath));
  const [only] = starting;
  if (only && starting.length === 1) return only;
  if (starting.length > 1) {
    throw new BackcompatError('usage', `${JSON.stringify(nameOrPath)} fits ${starting.length} runs.`, {
      remedy: `Name one of them: ${starting
        .slice(0, 5)
        .map(({ id }) => id)
        .join(', ')}`,
    });
  }
  const known = runs.slice(0, 5).map(({ id }) => id);
  throw new BackcompatError('not-found', `There is no finished run ${JSON.stringify(nameOrPath)}.`, {
    remedy:
      known.length === 0
        ? `${runsFolder(path.resolve(baseFolder))} holds no runs; start one with: backcompat audit`
        : `The latest runs are: ${known.join(', ')}`,
  });
}

/**
 * Path of the report that a person means: the report's file itself, or one of {@link resolveRun}.
 * @throws BackcompatError `not-found` also for a run without a report, saying why it has none
 */
export async function findReport(nameOrPath: string, baseFolder: string): Promise<string> {
  const file = path.resolve(baseFolder, nameOrPath);
  const isFile = await stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
  if (isFile) return file;
  // A directory that was copied without its request still holds the result.
  const copied = path.join(file, REPORT_FILE_NAME);
  if ((await isDirectory(file)) && (await isRegularFile(copied))) return copied;
  const run = await resolveRun(nameOrPath, baseFolder);
  if (run.report !== null) return run.report;
  const why = run.state === 'failed' && run.message !== null ? `failed: ${run.message}` : run.state;
  throw new BackcompatError('not-found', `The run ${run.id} has no report (${why}).`, {
    place: { file: run.directory },
  });
}

async function isDirectory(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function isRegularFile(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
}
