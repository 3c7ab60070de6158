import type { AuditHooks } from '../core/pipeline/auditRequest.ts';

/** For work that is over before anybody asks how far it is. */
export function silentHooks(signal: AbortSignal = new AbortController().signal): AuditHooks {
  return {
    signal,
    progress: {
      phase: () => undefined,
      update: () => undefined,
      log: () => undefined,
      breathe: async () => undefined,
    },
  };
}
