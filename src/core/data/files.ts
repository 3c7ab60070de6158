import { createHash, type Hash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { BackcompatError } from '../contract/errors.ts';

/**
 * Opens a file for reading.
 * @param what for the message: "The vector file", "The model"
 * @throws BackcompatError `not-found` (missing, a folder, or no permission)
 */
export async function openFile(path: string, what: string): Promise<{ handle: FileHandle; size: number }> {
  let handle: FileHandle | null = null;
  try {
    handle = await open(path, 'r');
    const stats = await handle.stat();
    if (stats.isDirectory()) throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' });
    return { handle, size: stats.size };
  } catch (cause) {
    await handle?.close();
    throw notFound(path, what, cause);
  }
}

export function notFound(path: string, what: string, cause: unknown): BackcompatError {
  const code = (cause as { code?: string }).code;
  const words =
    code === 'ENOENT' || code === 'ENOTDIR'
      ? 'does not exist'
      : code === 'EISDIR'
        ? 'is a folder, not a file'
        : code === 'EACCES' || code === 'EPERM'
          ? 'may not be read (no permission)'
          : `cannot be read (${cause instanceof Error ? cause.message : String(cause)})`;
  return new BackcompatError('not-found', `${what} ${path} ${words}.`, {
    place: { file: path },
    remedy: 'Check the path.',
    cause,
  });
}

/** Size in bytes. @throws BackcompatError `not-found` */
export async function fileSize(path: string, what: string): Promise<number> {
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' });
    return stats.size;
  } catch (cause) {
    throw notFound(path, what, cause);
  }
}

/** @throws BackcompatError `not-found` */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    throw notFound(path, 'The file or folder', cause);
  }
}

/** Fills `into` from `position` on; false when the file ends before. */
export async function readFully(handle: FileHandle, into: Uint8Array, position: number): Promise<boolean> {
  // Node refuses single reads of 2 GiB and more.
  const largest = 2 ** 30;
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await handle.read(into, done, Math.min(into.length - done, largest), position + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}

/** Feeds the bytes of a file to a hash, streamed. About 0.4 to 1.5 GB/s. @throws BackcompatError `not-found` */
export async function hashFile(hash: Hash, path: string, what: string): Promise<void> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
  } catch (cause) {
    throw notFound(path, what, cause);
  }
}

/** sha256 (hex) over several files' bytes, each with its length before it. */
export async function fingerprintOfFiles(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) {
    hash.update(`${await fileSize(path, 'The file')}\n`);
    await hashFile(hash, path, 'The file');
  }
  return hash.digest('hex');
}

/** Name of a temporary file beside `path`, to be renamed to it when complete. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}.tmp`);
}
