import { throwIfCancelled } from '../contract/errors.ts';
import type { Progress } from '../contract/runs.ts';

/** Between two blocks of arithmetic: lets the event loop turn. @throws BackcompatError `cancelled` */
export async function pause(hooks: { progress: Progress; signal?: AbortSignal }): Promise<void> {
  throwIfCancelled(hooks.signal);
  await hooks.progress.breathe();
  throwIfCancelled(hooks.signal);
}
