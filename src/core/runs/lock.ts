import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { BackcompatError } from '../contract/errors.ts';
import { RUN_FILES } from '../contract/runs.ts';
import { isProcessAlive, type ProcessIdentity, thisProcess } from './processIdentity.ts';

/** A process we cannot ask is taken for dead when its heartbeat is that old. */
const FOREIGN_HEARTBEAT_MS = 60_000;
/** A lock without content is being written; one that stays so was left by a crash. */
const EMPTY_LOCK_MS = 2_000;

/** The process that the directory's lock names; `unreadable` for a lock without sense, null without lock. */
function readLock(directory: string): { text: string; owner: ProcessIdentity | null } | null {
  let text: string;
  try {
    text = readFileSync(path.join(directory, RUN_FILES.lock), 'utf8');
  } catch {
    return null;
  }
  try {
    const { pid, startTime, space } = JSON.parse(text) as Partial<ProcessIdentity>;
    if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 0 || typeof space !== 'string') {
      return { text, owner: null };
    }
    return { text, owner: { pid, startTime: typeof startTime === 'string' ? startTime : null, space } };
  } catch {
    return { text, owner: null };
  }
}

function ageMs(file: string): number {
  try {
    return Date.now() - statSync(file).mtimeMs;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function isLive(directory: string, lock: { owner: ProcessIdentity | null }): boolean {
  if (lock.owner === null) return ageMs(path.join(directory, RUN_FILES.lock)) < EMPTY_LOCK_MS;
  const alive = isProcessAlive(lock.owner);
  if (alive !== null) return alive;
  return ageMs(path.join(directory, RUN_FILES.heartbeat)) < FOREIGN_HEARTBEAT_MS;
}

/** Whether a living process holds the run directory. */
export function isLocked(directory: string): boolean {
  const lock = readLock(directory);
  return lock !== null && isLive(directory, lock);
}

export function inUseError(directory: string): BackcompatError {
  const owner = readLock(directory)?.owner;
  const who = owner ? ` by process ${owner.pid}` : '';
  return new BackcompatError('in-use', `The run directory ${directory} is in use${who}.`, {
    place: { file: directory },
    remedy: 'Wait for that run or cancel it, or choose another directory with --out.',
  });
}

/**
 * Takes the directory for this process, over a dead one's head if need be.
 * @returns gives the directory back; idempotent
 * @throws BackcompatError `in-use`
 */
export function acquireLock(directory: string): () => void {
  const file = path.join(directory, RUN_FILES.lock);
  const unique = `${process.pid}-${randomBytes(4).toString('hex')}`;
  const mine = JSON.stringify({ ...thisProcess(), token: unique });
  const prepared = `${file}.${unique}`;
  writeFileSync(prepared, mine, { flag: 'wx' });
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      if (createExclusively(prepared, file, mine)) {
        return () => {
          // Only what is still ours: a lock taken over belongs to its new owner.
          if (readLock(directory)?.text === mine) rmSync(file, { force: true });
        };
      }
      const stale = readLock(directory);
      if (stale === null) continue;
      if (isLive(directory, stale)) throw inUseError(directory);
      setAside(file, `${prepared}.stale`, stale.text);
    }
    throw inUseError(directory);
  } finally {
    rmSync(prepared, { force: true });
  }
}

/** The lock appears with its content or not at all: a link to a finished file fails if one is there. */
function createExclusively(prepared: string, file: string, content: string): boolean {
  try {
    linkSync(prepared, file);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    // Some file systems know no links.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS' && code !== 'EINVAL')
      throw error;
  }
  try {
    writeFileSync(file, content, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Moves a dead lock out of the way; a living one that came between is put back. */
function setAside(file: string, aside: string, expected: string): void {
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  try {
    if (readFileSync(aside, 'utf8') !== expected) linkSync(aside, file);
  } catch {
    // Someone else has taken the directory meanwhile; the next attempt sees who.
  }
  rmSync(aside, { force: true });
}
