import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { MAX_PREVIEWS_LENGTH, parsePreviews } from '../contract/previews.ts';
import type { ItemPreviews } from '../contract/report.ts';
import { RUN_FILES } from '../contract/runs.ts';

/** A character may take four bytes, and quotes and braces stand around each preview. */
const MAX_FILE_BYTES = 5 * MAX_PREVIEWS_LENGTH;

/** The previews beside a report's file; empty where there are none or they cannot be read: a report stands without pictures. */
export async function readPreviews(reportFile: string): Promise<ItemPreviews> {
  const file = path.join(path.dirname(reportFile), RUN_FILES.previews);
  try {
    if ((await stat(file)).size > MAX_FILE_BYTES) return {};
    return parsePreviews(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return {};
  }
}
