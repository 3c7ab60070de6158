import path from 'node:path';
import type { EpochFigures, TrainingPart } from '../../contract/training.ts';
import { TRAINING_FILES } from '../../contract/training.ts';
import type { ItemSet } from '../../data/itemSet.ts';
import { writeFileAtomic } from '../../runs/atomicFile.ts';
import type { BatchSource } from '../../training/data/batchSource.ts';
import { createBatchSource } from '../../training/data/createBatchSource.ts';
import { embedInOrder } from '../../training/data/embedInOrder.ts';
import { trainedHead } from '../../training/heads/head.ts';
import { writeHead } from '../../training/heads/headFile.ts';
import { openStates } from '../../training/loop/states/openStates.ts';
import { type LoopResult, type LoopState, trainModel } from '../../training/loop/trainModel.ts';
import { NEW_HEAD } from '../../training/objectives/classification.ts';
import type { Trainer } from '../../training/trainer.ts';
import { openPartTrainer, type PartTrainer } from './openPartTrainer.ts';
import type { OpenTraining } from './openTraining.ts';
import { type PartObjective, partObjective } from './partObjective.ts';
import { identityOf } from './trainingInputs.ts';
import { type PlannedPart, scheduleOf, type TrainingPlan } from './trainingPlan.ts';
import type { TrainHooks, TrainRequest } from './trainRequest.ts';

/** What the run's record is told of a part while it is trained. */
export interface PartTold {
  /** Once the trainer stands. */
  onStart(facts: {
    engine: 'onnx' | 'tfjs';
    stepsPerEpoch: number;
    parameters: { trained: number; frozen: number };
    oldHead: PartObjective['oldHead'];
  }): Promise<void>;
  onEpochs(epochs: readonly EpochFigures[]): Promise<void>;
}

/**
 * Trains one part of a run from its newest state, and writes model, head and checkpoint into its folder.
 * @param paragon M(newNew) of the paragon, for early stop; null: none
 * @returns what the loop ended with; nothing is written when it was paused
 */
export async function trainPart(
  plan: TrainingPlan,
  part: PlannedPart,
  training: OpenTraining,
  paragon: number | null,
  request: TrainRequest,
  hooks: TrainHooks,
  told: PartTold,
): Promise<LoopResult> {
  const { progress, signal, pause } = hooks;
  const opened: { close(): Promise<void> }[] = [];
  try {
    progress.phase(`Preparing ${part.title}`);
    const { dimension } = training.start;
    const made = await partObjective(plan, part, training, dimension, request, hooks);
    const { trainer, inputsOf } = await openPartTrainer(plan, made.objective, training, request, hooks, opened);
    for (const note of trainer.notes) progress.log('info', `${part.title}: ${note}`);
    const { seed, batchSize, itemsPerClass } = plan;
    const source = createBatchSource(training.items, {
      inputs: await inputsOf(training.items, plan.augmentation),
      fields: made.fields,
      batchSize,
      seed,
      itemsPerClass,
    });
    opened.push(source);
    await told.onStart({
      engine: trainer.engine,
      stepsPerEpoch: source.batchesPerEpoch,
      parameters: parameterCounts(trainer),
      oldHead: made.oldHead,
    });
    const evaluate = await heldOutFigures(plan, training, trainer, inputsOf, hooks, opened);
    const folder = path.join(request.directory, part.folder);
    const states = openStates<LoopState>(
      path.join(folder, TRAINING_FILES.states),
      identityOf({ ...training.inputs, 'the part': part.folder }),
    );
    progress.phase(`Training ${part.title}`);
    const result = await trainModel(
      trainer,
      source,
      evaluate,
      {
        epochs: plan.epochs,
        schedule: scheduleOf(plan, source.batchesPerEpoch),
        // The paragon is the measure of the others: it is trained to its end.
        stopEarly: {
          ...plan.stopEarly,
          ...(part.isParagon ? { tax: null } : {}),
          metric: training.criterionMetric,
          paragon,
        },
        ...(hooks.saveEverySeconds === undefined ? {} : { saveEverySeconds: hooks.saveEverySeconds }),
      },
      states,
      {
        progress,
        signal,
        pause,
        onStep: (step) => hooks.event({ type: 'step', part: part.folder, ...step }),
        async onEpoch(figures, all) {
          hooks.event({ type: 'epoch', part: part.folder, figures });
          await told.onEpochs(all);
        },
      },
    );
    if (result.outcome !== 'paused') await writeResult(folder, trainer, made, training);
    return result;
  } finally {
    for (const each of opened.reverse()) await each.close();
  }
}

/** Removes the states of a part that is done and written down as such. */
export async function clearStates(directory: string, part: Pick<TrainingPart, 'folder'>): Promise<void> {
  await openStates(path.join(directory, part.folder, TRAINING_FILES.states), '').clear();
}

/** Held-out figures with the trainer's present weights; null where nothing is held out. */
async function heldOutFigures(
  { batchSize, seed }: TrainingPlan,
  { evaluator }: OpenTraining,
  trainer: Trainer,
  inputsOf: PartTrainer['inputsOf'],
  { progress, signal }: TrainHooks,
  opened: { close(): Promise<void> }[],
) {
  if (evaluator === null) return null;
  const sources = new Map<ItemSet, BatchSource>();
  for (const items of new Set([evaluator.queries, evaluator.gallery])) {
    const inputs = await inputsOf(items, null);
    const source = createBatchSource(items, { inputs, fields: {}, batchSize, seed, itemsPerClass: null });
    opened.push(source);
    sources.set(items, source);
  }
  const between = { signal, breathe: () => progress.breathe() };
  return () =>
    evaluator.evaluate((items) => embedInOrder(sources.get(items) as BatchSource, trainer, between), {
      progress,
      signal,
    });
}

/** Values of a trainer's weights, those of its objective among them. */
export function parameterCounts({ parameters }: Trainer): { trained: number; frozen: number } {
  const of = (isTrained: boolean) =>
    parameters
      .filter((parameter) => parameter.isTrained === isTrained)
      .reduce((sum, { shape }) => sum + shape.reduce((product, axis) => product * axis, 1), 0);
  return { trained: of(true), frozen: of(false) };
}

async function writeResult(
  folder: string,
  trainer: Trainer,
  { head }: PartObjective,
  { start, classNames }: OpenTraining,
): Promise<void> {
  const model = await trainer.save(folder);
  const hasHead = classNames.length > 0;
  if (hasHead) {
    const parameters = await trainer.objectiveParameters();
    await writeHead(path.join(folder, TRAINING_FILES.head), trainedHead(head, NEW_HEAD, parameters));
  }
  const definition = {
    model: path.basename(model),
    ...start.definition,
    ...(hasHead ? { head: { weights: TRAINING_FILES.head } } : {}),
  };
  await writeFileAtomic(path.join(folder, TRAINING_FILES.checkpoint), `${JSON.stringify(definition, null, 2)}\n`);
}
