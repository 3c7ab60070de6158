import path from 'node:path';
import { type LoadedConfig, loadConfig } from '../../config/loadConfig.ts';
import { BackcompatError, isCancellation } from '../../contract/errors.ts';
import type { ItemPreviews, Report } from '../../contract/report.ts';
import { REPORT_FILE_NAME } from '../../contract/report.ts';
import { TRAINING_FILES, type TrainingPart, type TrainingRecord } from '../../contract/training.ts';
import { readReport } from '../../report/reportFile.ts';
import { auditPair } from '../auditPair.ts';
import { choosePart, type JudgedPart } from './choosePart.ts';
import { copyResult } from './copyResult.ts';
import { type OpenTraining, openTraining } from './openTraining.ts';
import { trainedSource } from './trainedSource.ts';
import { checkInputs, writeInputs } from './trainingInputs.ts';
import { findTraining, type PlannedPart, pairOfPart, planTraining, type TrainingPlan } from './trainingPlan.ts';
import { readRecord, startRecord, writeRecord } from './trainingRecord.ts';
import { clearStates, trainPart } from './trainPart.ts';
import type { TrainBlock, TrainHooks, TrainOutcome, TrainRequest } from './trainRequest.ts';

/**
 * Trains a block of a config: the paragon first where one is asked for, then the model, or one for each value of a sweep; audits
 * each. Everything lies in the run's directory: `model.onnx` (or the TF.js model), `head.safetensors`, `checkpoint.json`,
 * `training.json`, the report; parts in folders of their own, and of a sweep the chosen part's files beside them.
 *
 * A run that was paused, cancelled or killed at any instant goes on from its newest state when asked again with `resume`.
 * @throws BackcompatError for anything wrong with what the block names; `diverged`; `in-use` when a run is resumed after what it
 *   depends on has changed; `cancelled`, its state kept
 */
export const trainBlock: TrainBlock = async (request, hooks) => {
  const loaded = await loadConfig(request.configFile);
  const { name, block } = findTraining(loaded, request.name);
  const plan = planTraining(name, block, request.overrides.seed);
  const training = await openTraining(loaded, plan, request, hooks);
  try {
    if (request.resume) await checkInputs(request.directory, training.inputs);
    await writeInputs(request.directory, training.inputs);
    return await trainParts(loaded, plan, training, request, hooks);
  } finally {
    await training.close();
  }
};

async function trainParts(
  loaded: LoadedConfig,
  plan: TrainingPlan,
  training: OpenTraining,
  request: TrainRequest,
  hooks: TrainHooks,
): Promise<TrainOutcome> {
  const { directory } = request;
  const before = request.resume ? await readRecord(directory) : null;
  const record = before ?? startRecord(plan, training);
  const judged: JudgedPart[] = [];
  for (const [index, planned] of plan.parts.entries()) {
    const part = record.parts[index];
    if (part === undefined) throw new BackcompatError('internal', `The record has no part ${planned.folder}.`);
    if (!isTrained(part)) {
      part.state = 'running';
      const result = await trainPart(plan, planned, training, paragonOf(record, training), request, hooks, {
        async onStart(facts) {
          Object.assign(record, facts, { oldHead: facts.oldHead ?? record.oldHead });
          await writeRecord(directory, record);
        },
        async onEpochs(epochs) {
          part.epochs = [...epochs];
          await writeRecord(directory, record);
        },
      });
      if (result.outcome === 'paused') return { state: 'paused' };
      record.secondsPerStep = result.secondsPerStep ?? record.secondsPerStep;
      part.state = result.outcome;
      part.resultEpoch = result.epoch;
      part.model = path.join(part.folder, modelFile(record));
      await writeRecord(directory, record);
    }
    await clearStates(directory, part);
    const audited = await auditPart(loaded, plan, planned, part, request, hooks);
    if (audited === 'paused') return { state: 'paused' };
    if (part.report !== null) await writeRecord(directory, record);
    if (!planned.isParagon) judged.push({ part, report: audited });
  }
  const chosen = choosePart(judged, training.criterionMetric);
  if (chosen.part.folder !== '') await copyResult(directory, chosen.part.folder);
  record.chosen = chosen.part.folder;
  await writeRecord(directory, record);
  return { state: 'done', record, report: chosen.report };
}

function isTrained({ state }: TrainingPart): boolean {
  return state === 'done' || state === 'stopped-early';
}

function modelFile({ engine }: TrainingRecord): string {
  return engine === 'onnx' ? 'model.onnx' : 'model.json';
}

/** M(newNew) of the paragon on the held-out items: of the part that this run has trained before the others, or of the one it names. */
function paragonOf(record: TrainingRecord, { criterionMetric, namedParagon }: OpenTraining): number | null {
  const part = record.parts.find(({ folder }) => folder === TRAINING_FILES.paragon);
  if (part === undefined) return namedParagon;
  const figures = part.epochs.find(({ epoch }) => epoch === part.resultEpoch);
  return figures?.newNew?.[criterionMetric] ?? null;
}

/** @returns null where there is nothing to compare with */
async function auditPart(
  loaded: LoadedConfig,
  plan: TrainingPlan,
  planned: PlannedPart,
  part: TrainingPart,
  { directory, threads, cacheFolder }: TrainRequest,
  hooks: TrainHooks,
): Promise<Report | null | 'paused'> {
  const file = path.join(directory, part.folder, REPORT_FILE_NAME);
  if (part.report !== null) return readReport(file);
  const pair = pairOfPart(plan, planned);
  if (pair === null) return null;
  const { progress, signal, pause } = hooks;
  let previews: ItemPreviews = {};
  try {
    const report = await auditPair(
      { source: await trainedSource(loaded, pair, plan.name, directory), overrides: {}, threads, cacheFolder },
      {
        progress,
        signal: AbortSignal.any([signal, pause]),
        previews: (made) => {
          previews = made;
        },
      },
    );
    await hooks.writeReport(part.folder, report, previews);
    part.report = path.join(part.folder, REPORT_FILE_NAME);
    return report;
  } catch (error) {
    // An audit has no states: it is made again.
    if (isCancellation(error) && pause.aborted && !signal.aborted) return 'paused';
    throw error;
  }
}
