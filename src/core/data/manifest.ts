import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { BackcompatError } from '../contract/errors.ts';
import { notFound } from './files.ts';
import { type ItemColumns, refuseDuplicates } from './itemBuilder.ts';
import type { ItemSet } from './itemSet.ts';
import { readLabelTable } from './labelTable.ts';

/** Files looked up at a time: enough to hide the wait for a network disk. */
const LOOKUPS = 64;

/**
 * Reads a manifest: a table with one row an image, whose path is relative to the manifest and stays in its folder.
 * Without a column of ids the id of an item is `<name>/<path>`, with forward slashes.
 * @param pathColumn the column with the path
 * @throws BackcompatError as `readLabelTable`; `bad-data` for a path that is missing or leaves the manifest's folder,
 *   also through a symbolic link, with its row
 */
export async function readManifest(
  file: string,
  name: string,
  pathColumn: string,
  columns: ItemColumns,
): Promise<ItemSet> {
  const folder = path.dirname(path.resolve(file));
  const relatives: string[] = [];
  const items = await readLabelTable(
    file,
    { name, idPrefix: name, columns, also: [pathColumn], what: 'The manifest' },
    ([given = ''], row) => {
      relatives.push(insidePath(file, given, row + 1, pathColumn));
    },
  );
  await checkImages(file, folder, relatives, pathColumn);
  const ids = items.rowFile === undefined ? items.ids : relatives.map((relative) => `${name}/${relative}`);
  if (items.rowFile !== undefined) refuseDuplicates(file, relatives, pathColumn);
  const { rowFile: _, ...rest } = items;
  return {
    ...rest,
    ids,
    images: { source: (item) => ({ kind: 'file', path: path.join(folder, relatives[item] as string) }) },
  };
}

/** The path with forward slashes and without detours. */
function insidePath(file: string, given: string, row: number, field: string): string {
  const refuse = (problem: string): BackcompatError =>
    new BackcompatError('bad-data', `${file}: row ${row} ${problem} (rows count from 1, without the header).`, {
      place: { file, row, field },
      remedy: 'Paths are relative to the manifest and stay in its folder.',
    });
  if (given === '') throw refuse('has no path');
  if (given.includes('\0')) throw refuse(`has a path that no file can have: ${JSON.stringify(given)}`);
  const slashed = path.sep === '\\' ? given.replaceAll('\\', '/') : given;
  if (path.posix.isAbsolute(slashed) || path.isAbsolute(given)) {
    throw refuse(`has an absolute path: ${JSON.stringify(given)}`);
  }
  const normal = path.posix.normalize(slashed);
  if (normal === '..' || normal.startsWith('../')) {
    throw refuse(`has a path that leaves the manifest's folder: ${JSON.stringify(given)}`);
  }
  return normal;
}

async function checkImages(file: string, folder: string, relatives: readonly string[], field: string): Promise<void> {
  const root = await realpath(folder);
  const check = async (row: number): Promise<void> => {
    const image = path.join(folder, relatives[row] as string);
    const place = { file, row: row + 1, field };
    let target: string;
    try {
      target = await realpath(image);
    } catch (cause) {
      throw new BackcompatError('bad-data', `${file}: row ${row + 1}: ${notFound(image, 'the image', cause).message}`, {
        place,
        remedy: 'Put the image there, or remove the row.',
        cause,
      });
    }
    if (target.startsWith(root.endsWith(path.sep) ? root : root + path.sep)) return;
    throw new BackcompatError(
      'bad-data',
      `${file}: row ${row + 1}: the symbolic link ${image} leads out of the manifest's folder, to ${target}.`,
      { place, remedy: "Copy what it leads to into the manifest's folder." },
    );
  };
  for (let start = 0; start < relatives.length; start += LOOKUPS) {
    const count = Math.min(LOOKUPS, relatives.length - start);
    // Of several bad rows the first is named, whichever look-up ends first.
    const results = await Promise.allSettled(Array.from({ length: count }, (_, index) => check(start + index)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }
}
