import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { BackcompatError } from '../contract/errors.ts';
import { REPORT_FILE_NAME } from '../contract/report.ts';
import { LINK_EXTENSION, RUN_FILES, RUN_FORMAT, type RunKind, STATE_FOLDER } from '../contract/runs.ts';
import { isPartFolder, TRAINING_FILES } from '../contract/training.ts';
import { isLeftover, writeFileAtomic } from './atomicFile.ts';
import { inUseError, isLocked } from './lock.ts';

const NAME_LENGTH = 40;
/** Names that Windows keeps for devices. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)$/i;

/** Folder of the runs of the configs that lie in `baseFolder`. */
export function runsFolder(baseFolder: string): string {
  return path.join(baseFolder, STATE_FOLDER, 'runs');
}

/** Folder of embeddings kept by content, beside the runs. */
export function cacheFolder(baseFolder: string): string {
  return path.join(baseFolder, STATE_FOLDER, 'cache');
}

/**
 * A name as part of a file name: letters, digits, dot, dash and underscore, at most 40 characters.
 * A name that had to change ends in a hash of the original, so that different names stay different.
 */
export function fileSafeName(name: string): string {
  const safe = name
    .normalize('NFC')
    .replace(/[^\p{L}\p{N}._-]+/gu, '-')
    .replace(/^[.-]+|[.-]+$/g, '');
  const short = Array.from(safe).slice(0, NAME_LENGTH).join('');
  if (short !== '' && short === name && !RESERVED.test(short)) return short;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 6);
  const rest = Array.from(short)
    .slice(0, NAME_LENGTH - 7)
    .join('');
  return rest === '' ? hash : `${rest}-${hash}`;
}

/** `20261124-031500-123`, UTC: sorts by time. */
export function timeStamp(time: Date): string {
  return time.toISOString().replace(/[-:]/g, '').replace('T', '-').replace('.', '-').replace('Z', '');
}

export interface RunPlace {
  /** Absolute. */
  directory: string;
  /** The file beside the config that leads to it, null when the run lives there anyway. */
  link: string | null;
}

export interface RunPlaceOptions {
  /** Folder of the config, or the working directory of an audit without one. */
  baseFolder: string;
  /** Where the run shall live; null: beside the config. */
  out: string | null;
  kind: RunKind;
  /** Pair or block. */
  name: string;
}

/**
 * Makes the directory of a new run, without starting it.
 * @throws BackcompatError `in-use` when a living run holds `out`, or when `out` holds other files
 */
export async function makeRunDirectory({ baseFolder, out, kind, name }: RunPlaceOptions): Promise<RunPlace> {
  const folder = runsFolder(path.resolve(baseFolder));
  if (out !== null) {
    await claimDirectory(path.resolve(out));
    // Whoever follows the new run must not read the end of the one before.
    await clearRun(path.resolve(out));
  }
  await mkdir(folder, { recursive: true });
  await ignoreByGit(path.dirname(folder));
  const base = `${timeStamp(new Date())}-${kind}-${fileSafeName(name)}`;
  for (let attempt = 1; ; attempt++) {
    const entry = path.join(folder, attempt === 1 ? base : `${base}-${attempt}`);
    try {
      if (out === null) {
        await mkdir(entry);
        return { directory: entry, link: null };
      }
      const directory = path.resolve(out);
      await writeFile(`${entry}${LINK_EXTENSION}`, `${directory}\n`, { flag: 'wx' });
      return { directory, link: `${entry}${LINK_EXTENSION}` };
    } catch (error) {
      // Two runs of one pair started in the same millisecond.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 100) throw error;
    }
  }
}

/** Runs and cached vectors must not end in version control. */
async function ignoreByGit(folder: string): Promise<void> {
  try {
    await writeFile(path.join(folder, '.gitignore'), '*\n', { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Whether `directory` holds a run of ours, living or not. */
export function isRunDirectory(directory: string): boolean {
  try {
    const request = JSON.parse(readFileSync(path.join(directory, RUN_FILES.request), 'utf8')) as { format?: unknown };
    return request.format === RUN_FORMAT;
  } catch {
    return false;
  }
}

/** Makes `directory`, or accepts one that is empty or holds a run that is over. */
export async function claimDirectory(directory: string): Promise<void> {
  const entries = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    if (error.code === 'ENOTDIR') {
      throw new BackcompatError('in-use', `${directory} is a file, not a directory for a run.`, {
        place: { file: directory },
        remedy: 'Choose another directory with --out.',
      });
    }
    throw error;
  });
  if (entries === null) {
    await mkdir(directory, { recursive: true });
    return;
  }
  if (isLocked(directory)) throw inUseError(directory);
  // Whoever starts the run's process opens its log before, and may already ask it to stop.
  const early: string[] = [RUN_FILES.log, RUN_FILES.cancel, TRAINING_FILES.pause];
  if (entries.every((entry) => early.includes(entry)) || isRunDirectory(directory)) return;
  throw new BackcompatError('in-use', `The directory ${directory} holds other files than a run's.`, {
    place: { file: directory },
    remedy: 'Choose an empty or a new directory with --out.',
  });
}

/** Files that every run writes, and those of a training before its first state. */
const runFiles = [
  ...Object.values(RUN_FILES),
  REPORT_FILE_NAME,
  TRAINING_FILES.record,
  TRAINING_FILES.inputs,
  TRAINING_FILES.pause,
];
/** What a training leaves beside them: models, heads, states, and folders of its parts. */
const trainingEntry = /^(model\.(onnx|onnx\.data|json)|group\d+-shard\d+of\d+\.bin)$/;

/** Removes what an earlier run left in the directory, except its lock and log. */
export async function clearRun(directory: string): Promise<void> {
  const kept: string[] = [RUN_FILES.lock, RUN_FILES.log];
  const { head, checkpoint, states, paragon } = TRAINING_FILES;
  const folders: string[] = [states, paragon];
  const files: string[] = [...runFiles, head, checkpoint];
  for (const entry of await readdir(directory).catch(() => [])) {
    const isOurs = files.includes(entry) || folders.includes(entry) || trainingEntry.test(entry) || isPartFolder(entry);
    if (isOurs && !kept.includes(entry)) await rm(path.join(directory, entry), { recursive: true, force: true });
  }
}

/** Removes what asked an earlier process of the run to stop, and what it had half written when it was killed. */
export async function clearTraces(directory: string): Promise<void> {
  for (const file of [RUN_FILES.cancel, TRAINING_FILES.pause]) await rm(path.join(directory, file), { force: true });
  for (const entry of await readdir(directory, { recursive: true })) {
    if (isLeftover(path.basename(entry))) await rm(path.join(directory, entry), { force: true });
  }
}

/**
 * Takes back a run that came to nothing: its own files, its link, and the folders that are empty
 * without them. Other files stay.
 */
export async function discardRun({ directory, link }: RunPlace): Promise<void> {
  if (isLocked(directory)) return;
  for (const file of runFiles) await rm(path.join(directory, file), { force: true });
  if (link !== null) await rm(link, { force: true });
  const removeIfEmpty = async (folder: string) => rmdir(folder).catch(() => undefined);
  await removeIfEmpty(directory);
  const runs = link === null ? path.dirname(directory) : path.dirname(link);
  await removeIfEmpty(runs);
  const state = path.dirname(runs);
  if (path.basename(state) !== STATE_FOLDER) return;
  const left = await readdir(state).catch(() => []);
  if (left.length === 1 && left[0] === '.gitignore') {
    await rm(path.join(state, '.gitignore'), { force: true });
    await removeIfEmpty(state);
  }
}

/** Asks the run to stop; it does so at its next check, a second or less while it computes. */
export async function requestCancel(directory: string): Promise<void> {
  await writeFileAtomic(path.join(directory, RUN_FILES.cancel), '');
}

/** Asks a training to write its state and end, to be resumed later. */
export async function requestPause(directory: string): Promise<void> {
  await writeFileAtomic(path.join(directory, TRAINING_FILES.pause), '');
}

export function isPauseRequested(directory: string): boolean {
  return existsSync(path.join(directory, TRAINING_FILES.pause));
}

export function isCancelRequested(directory: string): boolean {
  return existsSync(path.join(directory, RUN_FILES.cancel));
}

/** The directory a link leads to; null for a dead or damaged one. */
export async function followLink(link: string): Promise<string | null> {
  try {
    if ((await stat(link)).size > 8192) return null;
    const target = (await readFile(link, 'utf8')).trim();
    if (target === '' || target.includes('\0')) return null;
    const directory = path.resolve(path.dirname(link), target);
    return (await stat(directory)).isDirectory() ? directory : null;
  } catch {
    return null;
  }
}
