import { realpath } from 'node:fs/promises';
import path from 'node:path';

/**
 * The absolute path of a file that another file names, if it lies in `folder`: also after symbolic links, and
 * read by the rules of every system, so that a file is safe wherever it is opened. Null when it leaves the folder.
 * A file that does not exist is judged by its name.
 */
export async function insideFolder(folder: string, location: string): Promise<string | null> {
  const root = path.resolve(folder);
  const absolute = path.resolve(root, location);
  // A Windows path is a plain name on other systems, and would leave the folder on Windows.
  if (location === '' || path.isAbsolute(location) || /^[A-Za-z]:|\\|\0/.test(location)) return null;
  if (!isBelow(root, absolute)) return null;
  try {
    return isBelow(await realpath(root), await realpath(absolute)) ? absolute : null;
  } catch {
    return absolute;
  }
}

function isBelow(root: string, file: string): boolean {
  const relative = path.relative(root, file);
  return relative !== '' && relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}
