/** What the page shows of a training. Reads the run's record and its reports, and gathers its steps. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import {
  type FollowedTraining,
  type TrainingAudit,
  TrainingSteps,
  trainingAudit,
} from '../core/contract/followedTraining.ts';
import type { RunEvent, RunSummary } from '../core/contract/runs.ts';
import { TRAINING_FILES, type TrainingRecord } from '../core/contract/training.ts';
import { readRecord } from '../core/pipeline/training/trainingRecord.ts';
import { readReport } from '../core/report/reportFile.ts';
import type { PageState, ReportActions } from '../protocol/messages.ts';
import type { TrainingActions } from '../protocol/training.ts';

/** The part of the page's state that only the host knows. */
export interface TrainingSurroundings {
  /** The old model of the training, when the config still says it. */
  oldName: string | null;
  asked: TrainingActions['asked'];
  trusted: boolean;
  actions: ReportActions;
}

/** Follows one training: give it every event, then ask for the page. */
export class TrainingFollower {
  readonly #directory: string;
  readonly #steps = new TrainingSteps();
  readonly #audits = new Map<string, TrainingAudit>();
  #record: TrainingRecord | null = null;
  #recordStamp = '';
  #oldName: string | null = null;
  #version = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  add(event: RunEvent): void {
    this.#steps.add(event);
    if (event.type === 'step') this.#version++;
  }

  /** Reads what the run has written meanwhile. The number changes when the page may have. */
  async refresh(): Promise<number> {
    try {
      const { mtimeMs, size } = await stat(path.join(this.#directory, TRAINING_FILES.record));
      const stamp = `${mtimeMs} ${size}`;
      if (stamp !== this.#recordStamp) {
        this.#recordStamp = stamp;
        this.#version++;
        await this.#readRecord();
      }
    } catch {
      // Not written yet.
    }
    return this.#version;
  }

  /** The page as {@link refresh} has left it; null where the run is over and has no record to show. */
  page(run: RunSummary, around: TrainingSurroundings): PageState | null {
    if (this.#record === null && run.state === 'done') return null;
    const { name, state, phase, progress, created, updated, message, remedy } = run;
    const training: FollowedTraining = {
      name,
      oldName: around.oldName ?? this.#oldName,
      state,
      phase,
      progress,
      started: created,
      updated,
      message,
      remedy,
      record: this.#record,
      steps: this.#steps.byPart(),
      audits: [...this.#audits.values()],
    };
    return { kind: 'training', training, actions: actionsOf(run, around) };
  }

  async #readRecord(): Promise<void> {
    this.#record = await readRecord(this.#directory);
    for (const { folder, report } of this.#record?.parts ?? []) {
      if (report === null || this.#audits.has(folder)) continue;
      try {
        const read = await readReport(path.join(this.#directory, report));
        this.#oldName = read.old.name;
        this.#audits.set(folder, trainingAudit(folder, read, this.#record?.criterionMetric ?? ''));
      } catch {
        // Held-out figures stand in its place; opening the report says what is wrong with it.
      }
    }
  }
}

function actionsOf(run: RunSummary, { asked, trusted, actions }: TrainingSurroundings): TrainingActions {
  const { openRunFolder, openConfig, cliCommand } = actions;
  const canStart = trusted && run.configFile !== null;
  // What failed would fail again where it stands.
  const again = run.state === 'failed' ? 'Run Again' : 'Resume';
  return {
    asked: run.state === 'running' ? asked : null,
    again: !canStart || run.state === 'running' || run.state === 'done' ? null : again,
    openReport: run.report !== null,
    openRunFolder,
    openConfig,
    cliCommand,
  };
}
