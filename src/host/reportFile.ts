import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { RUN_FILES, RUN_FORMAT, type RunRequest } from '../core/contract/runs.ts';
import { readReport } from '../core/report/reportFile.ts';
import type { Headline } from './words.ts';

const MAX_REQUEST_BYTES = 2 ** 20;

/** What the tree shows of a report; null when the report cannot be read. */
export async function readHeadline(file: string): Promise<Headline | null> {
  try {
    const { verdict, criterion } = await readReport(file);
    const entry = criterion[verdict.metric];
    return entry ? { state: verdict.state, metric: verdict.metric, old: entry.old, new: entry.new } : null;
  } catch {
    return null;
  }
}

/** What was asked of the run that lives in `directory`; null when it is no run directory. */
export async function readRequest(directory: string): Promise<RunRequest | null> {
  const file = path.join(directory, RUN_FILES.request);
  try {
    if ((await stat(file)).size > MAX_REQUEST_BYTES) return null;
    const request = JSON.parse(await readFile(file, 'utf8')) as RunRequest;
    return request.format === RUN_FORMAT && Array.isArray(request.arguments) ? request : null;
  } catch {
    return null;
  }
}
