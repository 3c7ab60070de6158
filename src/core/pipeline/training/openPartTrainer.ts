import type { ItemSet } from '../../data/itemSet.ts';
import { splitAtFrozen } from '../../models/trainable/splitAtFrozen.ts';
import type { Augmentation, BatchInputs } from '../../training/data/batchSource.ts';
import { createBatchSource } from '../../training/data/createBatchSource.ts';
import { frozenFeatures } from '../../training/data/frozenFeatures.ts';
import type { Objective } from '../../training/objectives/objective.ts';
import { createOnnxTrainer, openStart, trainGraph } from '../../training/onnxTrainer.ts';
import { createTfjsTrainer } from '../../training/tfjsTrainer.ts';
import type { CreateTrainer, Trainer, TrainerSpec } from '../../training/trainer.ts';
import type { OpenTraining } from './openTraining.ts';
import type { TrainingPlan } from './trainingPlan.ts';
import type { TrainHooks, TrainRequest } from './trainRequest.ts';

/** A trainer, and how items go into it. */
export interface PartTrainer {
  trainer: Trainer;
  inputsOf(items: ItemSet, augmentation: Augmentation | null): Promise<BatchInputs>;
}

type Opened = { close(): Promise<void> }[];

/** What trains each kind of start. */
export const engines: Record<'onnx' | 'tfjs', CreateTrainer> = { onnx: createOnnxTrainer, tfjs: createTfjsTrainer };

/**
 * Opens the trainer of a part. Where a part of an ONNX model stays frozen and images are not varied, what the frozen part gives is
 * computed once for each item and kept by content; the rest is trained on that.
 * @param opened is given what is to be closed, in the order of its opening
 */
export async function openPartTrainer(
  plan: TrainingPlan,
  objective: Objective,
  training: OpenTraining,
  request: TrainRequest,
  hooks: TrainHooks,
  opened: Opened,
): Promise<PartTrainer> {
  const { start } = training;
  const { threads } = request;
  const { trainable, optimizer, clipNorm } = plan;
  const spec: TrainerSpec = {
    start: start.start,
    trainable,
    objective,
    optimizer,
    clipNorm,
    threads,
    lowMemory: false,
  };
  if (hooks.createTrainer === undefined && start.engine === 'onnx' && trainable !== 'all' && !plan.augmentation) {
    const behindTrunk = await openBehindTrunk(spec, training, request, hooks, opened);
    if (behindTrunk !== null) return behindTrunk;
  }
  const trainer = await (hooks.createTrainer ?? engines[start.engine])(spec);
  opened.push(trainer);
  return { trainer, inputsOf: async (items, augmentation) => start.inputsOf(items, augmentation) };
}

/** @returns null where no part of the model stays frozen below everything that is trained */
async function openBehindTrunk(
  spec: TrainerSpec,
  { start }: OpenTraining,
  { threads, cacheFolder }: TrainRequest,
  { progress, signal }: TrainHooks,
  opened: Opened,
): Promise<PartTrainer | null> {
  const model = await openStart(spec);
  const split = await splitAtFrozen(model, { threads });
  if (split === null) {
    await model.close();
    return null;
  }
  const trainer = await trainGraph(split.rest, spec);
  opened.push(trainer);
  const trunk = { ...split.trunk, identity: `${split.trunk.identity}\n${start.identity}` };
  return {
    trainer,
    async inputsOf(items) {
      progress.phase(`Computing the frozen part of the model on ${items.name}`);
      const source = createBatchSource(items, {
        inputs: start.inputsOf(items, null),
        fields: {},
        batchSize: 64,
        seed: 0,
        itemsPerClass: null,
      });
      try {
        const features = await frozenFeatures(items, source, trunk, { cacheFolder, progress, signal });
        opened.push(features.vectors);
        return features;
      } finally {
        await source.close();
        await trunk.close();
      }
    },
  };
}
