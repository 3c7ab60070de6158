import { stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BackcompatError } from '../contract/errors.ts';
import type { RunEvent, RunSummary } from '../contract/runs.ts';
import { RunReader } from './runReader.ts';

/**
 * A run as its directory tells it. A half-written last line counts for nothing; a run whose process
 * is gone without a last word reads `stopped`.
 * @throws BackcompatError `not-found` for a missing directory, `bad-file` for one that holds no run
 */
export async function readRun(directory: string): Promise<RunSummary> {
  const summary = await new RunReader(directory).read();
  if (summary !== null) return summary;
  const place = { file: path.resolve(directory) };
  const there = await stat(directory).then(
    () => true,
    () => false,
  );
  if (!there) throw new BackcompatError('not-found', `There is no run directory ${place.file}.`, { place });
  throw new BackcompatError('bad-file', `${place.file} is not a run directory.`, {
    place,
    remedy: 'Name a directory below .backcompat/runs, or one that was given with --out.',
  });
}

export interface FollowOptions {
  /** How often the directory is looked at; default 250. */
  intervalMs?: number;
  /** A reader that has read the run's past: only what comes after its next start counts. For a run that is resumed. */
  past?: RunReader;
  /** Ends following, not the run. */
  signal?: AbortSignal;
  onEvent?: (event: RunEvent) => void;
}

/**
 * Follows a run to its end, reading only what is appended. Waits for one that has not begun.
 * @param onSummary told at first and on every change
 * @returns the last summary, its state not `running`; null when `signal` ended the following before
 */
export async function followRun(
  directory: string,
  onSummary: (summary: RunSummary) => void,
  { intervalMs = 250, signal, past, onEvent }: FollowOptions = {},
): Promise<RunSummary | null> {
  const reader = past ?? new RunReader(directory);
  let hasBegun = past === undefined;
  const take = (event: RunEvent) => {
    if (event.type === 'state' && event.state === 'running') hasBegun = true;
    onEvent?.(event);
  };
  let known = '';
  while (!signal?.aborted) {
    const found = await reader.read(take);
    const summary = hasBegun ? found : null;
    const text = JSON.stringify(summary);
    if (summary !== null && text !== known) {
      known = text;
      onSummary(summary);
      if (summary.state !== 'running') return summary;
    }
    await delay(intervalMs, undefined, { signal }).catch(() => undefined);
  }
  return null;
}
