import type { LoadedConfig, Pair } from '../../config/loadConfig.ts';
import type { TrainingDefinition } from '../../config/schema.ts';
import { partFolder, TRAINING_FILES } from '../../contract/training.ts';
import type { Augmentation } from '../../training/data/batchSource.ts';
import type { Schedule } from '../../training/loop/schedule.ts';
import { type ObjectiveSettings, objectiveSettings } from '../../training/objectives/createObjective.ts';
import type { OptimizerSettings, TrainableChoice } from '../../training/trainer.ts';
import { namedBlock } from '../namedBlock.ts';

const DEFAULT_EPOCHS = 10;
const DEFAULT_BATCH = 64;
/** Of `balanced`: so that losses find pairs in a batch. */
const ITEMS_PER_CLASS = 4;

/** One model that a run trains. */
export interface PlannedPart {
  /** See `TrainingPart`. */
  folder: string;
  title: string;
  /** As a checkpoint: `v2-bct`, `v2-bct/paragon`. */
  name: string;
  objective: ObjectiveSettings;
  isParagon: boolean;
}

/** How weights are updated, by which chance, with the config's defaults filled in. */
export interface LearningSettings {
  seed: number;
  epochs: number;
  batchSize: number;
  optimizer: OptimizerSettings;
  clipNorm: number | null;
  learningRate: number;
  schedule: { kind: 'cosine' | 'step' | 'constant'; warmupEpochs: number; stepEpochs: number };
}

/** A training block with its defaults filled in. */
export interface TrainingPlan extends LearningSettings {
  name: string;
  block: TrainingDefinition;
  itemsPerClass: number | null;
  trainable: TrainableChoice;
  augmentation: Augmentation | null;
  stopEarly: { tax: number | null; patience: number | null };
  /** In the order in which they are trained: the paragon first, since the tax of the others is measured against it. */
  parts: PlannedPart[];
}

/**
 * The training block called `name`, or the only one.
 * @throws BackcompatError `usage` for an unknown name or one that is missing, `bad-config` when there is no block
 */
export function findTraining(loaded: LoadedConfig, name: string | null): { name: string; block: TrainingDefinition } {
  return namedBlock(loaded, 'training', loaded.config.training ?? {}, name, {
    one: 'training block',
    many: 'training blocks',
    remedy: 'Add "training" with a block that names a start, an old model and data.',
  });
}

/** @param seed of the command line, instead of the block's */
export function planTraining(name: string, block: TrainingDefinition, seed: number | undefined): TrainingPlan {
  const isBalanced = block.balanced ?? block.method === 'contrastive';
  return {
    name,
    block,
    ...learningSettings(block, seed),
    itemsPerClass: isBalanced ? ITEMS_PER_CLASS : null,
    trainable: block.trainable ?? 'all',
    augmentation: augmentationOf(block.augmentation),
    stopEarly: { tax: block.stopEarly?.tax ?? null, patience: block.stopEarly?.patience ?? null },
    parts: partsOf(name, block),
  };
}

/** @param seed of the command line, instead of the block's */
export function learningSettings(
  block: Pick<TrainingDefinition, 'seed' | 'epochs' | 'batchSize' | 'optimizer'>,
  seed: number | undefined,
): LearningSettings {
  const { epochs = DEFAULT_EPOCHS, optimizer: given = {} } = block;
  return {
    seed: seed ?? block.seed ?? 0,
    epochs,
    batchSize: block.batchSize ?? DEFAULT_BATCH,
    optimizer: optimizerSettings(given),
    clipNorm: given.clipNorm ?? null,
    learningRate: given.learningRate ?? (given.name === 'sgd' ? 0.05 : 0.001),
    schedule: {
      kind: given.schedule ?? 'cosine',
      warmupEpochs: given.warmup ?? 0,
      stepEpochs: given.stepEpochs ?? Math.max(1, Math.ceil(epochs / 3)),
    },
  };
}

/** The course of the learning rate over the steps of a training. */
export function scheduleOf({ schedule, learningRate, epochs }: LearningSettings, stepsPerEpoch: number): Schedule {
  return {
    kind: schedule.kind,
    learningRate,
    totalSteps: epochs * stepsPerEpoch,
    warmupSteps: schedule.warmupEpochs * stepsPerEpoch,
    stepSteps: schedule.stepEpochs * stepsPerEpoch,
  };
}

function optimizerSettings(given: NonNullable<TrainingDefinition['optimizer']>): OptimizerSettings {
  const { name = 'adamw', weightDecay = 1e-4 } = given;
  return name === 'sgd'
    ? { name, weightDecay, momentum: given.momentum ?? 0.9, nesterov: given.nesterov ?? false }
    : { name, weightDecay, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
}

function augmentationOf(given: TrainingDefinition['augmentation']): Augmentation | null {
  const { crop = 0, flip = false, colour = 0 } = given ?? {};
  return crop === 0 && !flip && colour === 0 ? null : { crop, flip, colour };
}

function partsOf(name: string, block: TrainingDefinition): PlannedPart[] {
  const parts: PlannedPart[] = [];
  if (block.paragon === true) {
    const objective = { ...objectiveSettings(block), method: 'independent' as const };
    const folder = TRAINING_FILES.paragon;
    parts.push({ folder, title: 'paragon', name: `${name}/${folder}`, objective, isParagon: true });
  }
  if (!Array.isArray(block.lambda)) {
    const settings = objectiveSettings(block);
    // Without an old model there is nothing to be compatible with.
    const objective = block.old === undefined ? { ...settings, method: 'independent' as const } : settings;
    return [...parts, { folder: '', title: name, name, objective, isParagon: false }];
  }
  for (const lambda of block.lambda) {
    const folder = partFolder(lambda);
    const objective = objectiveSettings(block, lambda);
    parts.push({ folder, title: `lambda ${lambda}`, name: `${name}/${folder}`, objective, isParagon: false });
  }
  return parts;
}

/**
 * The pair that a part's result is audited as.
 * @returns null where the block names no old model or no held-out items
 */
export function pairOfPart({ name, block }: Pick<TrainingPlan, 'name' | 'block'>, part: PlannedPart): Pair | null {
  const { old, evaluate, paragon, dimensionRule } = block;
  if (old === undefined || evaluate === undefined) return null;
  const own = paragon === true ? `${name}/${TRAINING_FILES.paragon}` : paragon || null;
  return {
    name: part.name,
    old,
    new: part.name,
    paragon: part.isParagon ? null : own,
    versions: null,
    queries: evaluate.queries ?? evaluate.gallery,
    gallery: evaluate.gallery,
    dimensionRule: dimensionRule ?? null,
    adapter: null,
  };
}
