import { stat } from 'node:fs/promises';
import type { InspectedFile } from '../protocol/worker.ts';
import type { Services } from './services.ts';

type Inspecting = Pick<Services, 'worker' | 'log'>;

interface Known {
  stamp: string;
  inspection: Promise<InspectedFile | null>;
}

/** What was found out about files, until they change. */
const known = new Map<string, Known>();

/**
 * What these files or folders are, in their order; null where one is missing or cannot be looked at. The worker does it: the
 * host loads nothing native and reads no large file. What has not changed is not looked at again.
 */
export async function inspectFiles(services: Inspecting, files: readonly string[]): Promise<(InspectedFile | null)[]> {
  const found: (InspectedFile | null)[] = [];
  // One after the other: the worker answers so, and a question that waits behind many runs out of time.
  for (const file of files) found.push(await inspectFile(services, file));
  return found;
}

async function inspectFile(services: Inspecting, file: string): Promise<InspectedFile | null> {
  const stamp = await stat(file).then(
    ({ mtimeMs, size }) => `${mtimeMs} ${size}`,
    () => null,
  );
  if (stamp === null) return null;
  const before = known.get(file);
  if (before?.stamp === stamp) return before.inspection;
  const inspection = services.worker.ask('inspect', { file }).catch((error: unknown) => {
    services.log.warn(`${file}: ${error}`);
    // Asked again next time: the worker may have died of another file.
    known.delete(file);
    return null;
  });
  known.set(file, { stamp, inspection });
  return inspection;
}
