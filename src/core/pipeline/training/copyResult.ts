import { constants } from 'node:fs';
import { copyFile, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { REPORT_FILE_NAME } from '../../contract/report.ts';
import { isLeftover } from '../../runs/atomicFile.ts';

/**
 * Copies the files of a part into the run's directory, each whole, the report last: where a report is, everything is.
 * Blocks are shared where the file system can.
 */
export async function copyResult(directory: string, folder: string): Promise<void> {
  const from = path.join(directory, folder);
  const entries = await readdir(from, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile() && !isLeftover(entry.name)).map(({ name }) => name);
  names.sort((a, b) => Number(a === REPORT_FILE_NAME) - Number(b === REPORT_FILE_NAME));
  for (const name of names) {
    const temporary = path.join(directory, `.${name}.${process.pid}-copy.tmp`);
    try {
      await copyFile(path.join(from, name), temporary, constants.COPYFILE_FICLONE);
      await rename(temporary, path.join(directory, name));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }
}
