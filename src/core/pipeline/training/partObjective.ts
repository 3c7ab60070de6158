import { BackcompatError } from '../../contract/errors.ts';
import type { TrainingRecord } from '../../contract/training.ts';
import type { VectorSource } from '../../data/vectorSource.ts';
import { findClassifier } from '../../models/trainable/findClassifier.ts';
import type { ItemFields } from '../../training/data/batchSource.ts';
import { classStatistics } from '../../training/heads/classStatistics.ts';
import type { Head } from '../../training/heads/head.ts';
import { resolveOldHead } from '../../training/heads/oldHead.ts';
import {
  createObjective,
  neededOfOld,
  newHead,
  resolveOldSpace,
  type TrainingMethod,
} from '../../training/objectives/createObjective.ts';
import type { Objective } from '../../training/objectives/objective.ts';
import { needed, type OpenTraining } from './openTraining.ts';
import type { PlannedPart, TrainingPlan } from './trainingPlan.ts';
import type { TrainHooks, TrainRequest } from './trainRequest.ts';

/** The loss of a part, and what of the old model each batch must bring for it. */
export interface PartObjective {
  objective: Objective;
  /** Before the first step. */
  head: Head;
  fields: ItemFields;
  oldHead: TrainingRecord['oldHead'];
}

/**
 * @param dimension of the new embedding
 * @throws BackcompatError of the old head, and for old and new vectors that cannot meet
 */
export async function partObjective(
  plan: TrainingPlan,
  part: PlannedPart,
  training: OpenTraining,
  dimension: number,
  { cacheFolder }: TrainRequest,
  { progress, signal }: TrainHooks,
): Promise<PartObjective> {
  const { block, seed } = plan;
  const { method } = part.objective;
  const { items, labels } = training;
  // Items without labels have no class of the new head; its one row is never trained.
  const classNames = training.classNames.length === 0 ? [''] : training.classNames;
  const head = newHead({ ...block, method }, classNames, dimension, seed);
  const need = neededOfOld(part.objective);
  if (!need.vectors) {
    if (training.classNames.length === 0) throw withoutLabels(items.name, method);
    const objective = createObjective(part.objective, { head, old: null });
    return { objective, head, fields: fieldsOf(objective, labels, null, null), oldHead: null };
  }
  const old = needed(training.old, plan.name);
  const vectors = await old.vectorsOf(items);
  const space = resolveOldSpace(block.dimensionRule ?? null, vectors.dimension, dimension);
  const { checkpoint, named } = old;
  const found = need.head
    ? await resolveOldHead({
        choice: part.objective.oldHead,
        checkpoint: named,
        output: checkpoint.kind === 'table' ? null : checkpoint.output,
        vectors,
        labelOf: labels,
        classNames,
        findClassifier: checkpoint.kind === 'onnx' ? findClassifier : null,
        newHead: head,
        cacheFolder,
        signal,
      })
    : null;
  for (const note of found?.notes ?? []) progress.log('info', note);
  const statistics = need.statistics ? await classStatistics(vectors, labels, classNames.length, signal) : null;
  const objective = createObjective(part.objective, {
    head,
    old: { space, head: found?.head ?? null, statistics },
  });
  const oldLabels = found && labels.map((label) => (label < 0 ? -1 : (found.rowOf[label] as number)));
  return {
    objective,
    head,
    fields: fieldsOf(objective, labels, vectors, oldLabels),
    oldHead: found && { kind: found.origin, classes: found.head.classNames.length, known: found.known },
  };
}

/** Only what the objective asks for: old vectors take memory and time. */
function fieldsOf(
  { fields }: Objective,
  labels: Int32Array,
  vectors: VectorSource | null,
  oldLabels: Int32Array | null,
): ItemFields {
  const wantsVectors = fields.includes('oldVectors') || fields.includes('oldLengths');
  return {
    ...(fields.includes('labels') ? { labels } : {}),
    ...(fields.includes('oldLabels') && oldLabels ? { oldLabels } : {}),
    ...(wantsVectors && vectors ? { oldVectors: vectors } : {}),
    ...(fields.includes('chance') ? { chance: true } : {}),
  };
}

function withoutLabels(items: string, method: TrainingMethod): BackcompatError {
  return new BackcompatError('bad-data', `${items} has no labels, and the method "${method}" is trained with them.`, {
    remedy: 'Name the column with the labels ("label"), or train with "oldHead": "distilled", which needs none.',
  });
}
