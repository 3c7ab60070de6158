import path from 'node:path';
import { TRAINING_FILES, type TrainingRecord } from '../../contract/training.ts';
import { readRecordFile, writeRecordFile } from '../../runs/recordFile.ts';
import type { OpenTraining } from './openTraining.ts';
import type { TrainingPlan } from './trainingPlan.ts';

/** A run's record before its first step. */
export function startRecord(plan: TrainingPlan, { criterionMetric, start }: OpenTraining): TrainingRecord {
  return {
    format: 'backcompat.training',
    formatVersion: 1,
    name: plan.name,
    engine: start.engine,
    epochsPlanned: plan.epochs,
    stepsPerEpoch: 0,
    criterionMetric,
    seed: plan.seed,
    parameters: { trained: 0, frozen: 0 },
    parts: plan.parts.map(({ folder, title, objective }) => ({
      folder,
      title,
      lambda: objective.method === 'independent' ? null : objective.lambda,
      method: objective.method,
      state: 'waiting',
      epochs: [],
      resultEpoch: null,
      model: null,
      report: null,
    })),
    chosen: null,
    oldHead: null,
    secondsPerStep: null,
  };
}

export async function writeRecord(directory: string, record: TrainingRecord): Promise<void> {
  await writeRecordFile(path.join(directory, TRAINING_FILES.record), record);
}

/** The record of a run; null where there is none, or one of another version. */
export function readRecord(directory: string): Promise<TrainingRecord | null> {
  const file = path.join(directory, TRAINING_FILES.record);
  return readRecordFile<TrainingRecord>(file, { format: 'backcompat.training', formatVersion: 1 }, 'parts');
}
