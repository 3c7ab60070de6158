import type { AuditPair } from '../core/pipeline/auditRequest.ts';
import type { RunSessions } from '../core/pipeline/sessions/sessionsRequest.ts';
import type { Staleness } from '../core/pipeline/staleness.ts';
import type { TrainBlock } from '../core/pipeline/training/trainRequest.ts';

/** What the commands call but do not decide; tests put others in its place. */
export interface CliServices {
  auditPair: AuditPair;
  stalenessOf: Staleness;
  trainBlock: TrainBlock;
  runSessions: RunSessions;
  /** Folder of the build, with a trailing slash: the page's script and style, the sample. */
  assets: URL;
}
