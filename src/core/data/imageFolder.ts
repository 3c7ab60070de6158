import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { quotedList } from '../config/closest.ts';
import { BackcompatError } from '../contract/errors.ts';
import { notFound } from './files.ts';
import type { ItemSet } from './itemSet.ts';

/** What the image library decodes everywhere. */
export const imageExtensions = ['.png', '.jpg', '.jpeg', '.webp', '.gif', '.tif', '.tiff'] as const;

const LAYOUT_REMEDY = `Make one folder a class with the images (${imageExtensions.join(', ')}) in it.`;

/**
 * Reads class folders: every folder in `folder` is a class, every image below it an item
 * `<name>/<relative path>` with forward slashes. Classes and items are in code unit order, the same
 * on every machine. Hidden files and files of other kinds are passed over.
 * @throws BackcompatError `not-found`; `bad-data` when there are no class folders or no images, or when
 *   a symbolic link leads out of the folder
 */
export async function readImageFolder(folder: string, name: string): Promise<ItemSet> {
  const root = path.resolve(folder);
  let entries: Dirent[];
  let realRoot: string;
  try {
    realRoot = await realpath(root);
    entries = await sortedEntries(root);
  } catch (cause) {
    throw (cause as { code?: string }).code === 'ENOTDIR'
      ? new BackcompatError('bad-file', `${folder} is a file, not a folder of class folders.`, {
          place: { file: root },
        })
      : notFound(folder, 'The image folder', cause);
  }

  const relativePaths: string[] = [];
  const labels: number[] = [];
  const classNames: string[] = [];
  const walk = async (relative: string, list: Dirent[]): Promise<void> => {
    for (const entry of list) {
      if (entry.name.startsWith('.')) continue;
      const below = `${relative}/${entry.name}`;
      const absolute = path.join(root, below);
      let isFolder = entry.isDirectory();
      let isFile = entry.isFile();
      if (entry.isSymbolicLink()) {
        const target = await linkTarget(absolute, realRoot);
        isFile = target.isFile();
        isFolder = false;
      }
      if (isFolder) await walk(below, await sortedEntries(absolute));
      else if (isFile && isImageName(entry.name)) {
        relativePaths.push(below);
        labels.push(classNames.length - 1);
      }
    }
  };
  let folders = 0;
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    if (entry.isSymbolicLink()) await linkTarget(path.join(root, entry.name), realRoot);
    if (!entry.isDirectory()) continue;
    folders++;
    const before = relativePaths.length;
    classNames.push(entry.name);
    await walk(entry.name, await sortedEntries(path.join(root, entry.name)));
    // A class without items is no class of this dataset.
    if (relativePaths.length === before) classNames.pop();
  }
  if (relativePaths.length === 0) {
    const images = entries.filter((entry) => isImageName(entry.name)).length;
    const found =
      folders > 0
        ? `has ${folders} folders but no images in them`
        : images > 0
          ? `has ${images} images but no class folders`
          : entries.length === 0
            ? 'is empty'
            : `has no class folders (it has ${quotedList(
                entries.map((entry) => entry.name),
                4,
              )})`;
    throw new BackcompatError('bad-data', `The image folder ${folder} ${found}.`, {
      place: { file: root },
      remedy: LAYOUT_REMEDY,
    });
  }
  return {
    name,
    count: relativePaths.length,
    ids: relativePaths.map((relative) => `${name}/${relative}`),
    labelOf: Int32Array.from(labels),
    classNames,
    slices: new Map(),
    images: { source: (item) => ({ kind: 'file', path: path.join(root, relativePaths[item] as string) }) },
  };
}

export function isImageName(name: string): boolean {
  return (imageExtensions as readonly string[]).includes(path.extname(name).toLowerCase());
}

async function sortedEntries(folder: string): Promise<Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.sort((x, y) => (x.name < y.name ? -1 : x.name > y.name ? 1 : 0));
}

/** What a link leads to, if that lies in the dataset's folder. */
async function linkTarget(link: string, realRoot: string): Promise<{ isFile(): boolean }> {
  let target: string;
  try {
    target = await realpath(link);
  } catch (cause) {
    throw new BackcompatError('bad-data', `The symbolic link ${link} leads nowhere.`, {
      place: { file: link },
      remedy: 'Remove it.',
      cause,
    });
  }
  const relative = path.relative(realRoot, target);
  if (relative === '..' || relative.startsWith(`..${path.sep}`) || path.isAbsolute(relative)) {
    throw new BackcompatError(
      'bad-data',
      `The symbolic link ${link} leads out of the dataset's folder, to ${target}.`,
      {
        place: { file: link },
        remedy: "Copy what it leads to into the dataset's folder.",
      },
    );
  }
  const stats = await stat(target);
  if (stats.isDirectory()) {
    throw new BackcompatError(
      'bad-data',
      `The symbolic link ${link} leads to a folder; its images would count twice.`,
      {
        place: { file: link },
        remedy: 'Remove it.',
      },
    );
  }
  return stats;
}
