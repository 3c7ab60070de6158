import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from './atomicFile.ts';

interface RunRecord {
  format: string;
  formatVersion: number;
}

/** Writes what a run has come to so far, whole or not at all. */
export async function writeRecordFile(file: string, record: RunRecord): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify(record, null, 2)}\n`);
}

/**
 * The record that {@link writeRecordFile} left.
 * @param list a field that holds a list in every record of the kind
 * @returns null where there is none, or one of another kind or version
 */
export async function readRecordFile<T extends RunRecord>(
  file: string,
  { format, formatVersion }: Pick<T, 'format' | 'formatVersion'>,
  list: keyof T,
): Promise<T | null> {
  try {
    const record = JSON.parse(await readFile(file, 'utf8')) as Partial<T> | null;
    const isOurs = record?.format === format && record.formatVersion === formatVersion;
    return isOurs && Array.isArray(record[list]) ? (record as T) : null;
  } catch {
    return null;
  }
}
