import type { ItemPreviews, Report } from '../../contract/report.ts';
import type { TrainingRecord } from '../../contract/training.ts';
import type { NewRunEvent } from '../../runs/createRun.ts';
import type { CreateTrainer } from '../../training/trainer.ts';
import type { AuditHooks } from '../auditRequest.ts';

/** What one run of training makes: a block of a config. Paths are absolute. */
export interface TrainRequest {
  configFile: string;
  /** Of the training block. */
  name: string;
  overrides: { seed?: number };
  /** Threads for arithmetic and decoding; null: as many as the machine has. */
  threads: number | null;
  /** Where embeddings are kept, by content. */
  cacheFolder: string;
  /** The run's. */
  directory: string;
  /** Goes on with what the directory holds. */
  resume: boolean;
}

export interface TrainHooks extends Pick<AuditHooks, 'progress' | 'signal'> {
  /** Aborted to ask for a pause. */
  pause: AbortSignal;
  event(event: NewRunEvent): void;
  /** Writes a report and its page into a folder below the run's directory ('': the directory itself). */
  writeReport(folder: string, report: Report, previews: ItemPreviews): Promise<void>;
  /** For tests: how often states are written; default 30. */
  saveEverySeconds?: number;
  /** For tests: other engines than the real ones. */
  createTrainer?: CreateTrainer;
}

export type TrainOutcome =
  | { state: 'paused' }
  /** `report`: of the part that became the run's result; null without an old model or held-out items. */
  | { state: 'done'; record: TrainingRecord; report: Report | null };

export type TrainBlock = (request: TrainRequest, hooks: TrainHooks) => Promise<TrainOutcome>;
