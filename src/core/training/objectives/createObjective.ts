import { methodOf } from '../../config/objectiveFindings.ts';
import type { TrainingDefinition } from '../../config/schema.ts';
import { BackcompatError } from '../../contract/errors.ts';
import type { ClassStatistics } from '../heads/classStatistics.ts';
import { type Head, headForm, initialHead } from '../heads/head.ts';
import { boundaryTerm } from './boundary.ts';
import { classificationTerm } from './classification.ts';
import { type ContrastiveSettings, contrastiveDefaults, contrastiveTerm } from './contrastive.ts';
import { distanceTerm } from './distance.ts';
import { distillationTerm, influenceTerm } from './influence.ts';
import { DEFAULT_SHARE, mixedVectors } from './mixing.ts';
import type { Objective } from './objective.ts';
import type { OldSpace } from './oldSpace.ts';
import { composeObjective, type ObjectiveTerm } from './term.ts';

export type TrainingMethod = NonNullable<TrainingDefinition['method']>;
export type OldHeadChoice = NonNullable<TrainingDefinition['oldHead']>;

/** What the config says of the loss, defaults filled in. */
export interface ObjectiveSettings {
  method: TrainingMethod;
  /** Weight of the compatibility loss; `independent` and `mixbct` have none. */
  lambda: number;
  oldHead: OldHeadChoice;
  contrastive: ContrastiveSettings;
  mixbct: { share: number };
}

/** What the method measures a new vector against. */
export interface OldSide {
  readonly space: OldSpace;
  /** For `bct`; see `resolveOldHead`. */
  readonly head: Head | null;
  /** For `mixbct` and `advbct-boundary`, over the training items and the new head's classes. */
  readonly statistics: ClassStatistics | null;
}

/**
 * Settings of a training block.
 * @param lambda of this part of a sweep; default: the block's, the first of a list
 */
export function objectiveSettings(
  block: Pick<TrainingDefinition, 'old' | 'method' | 'lambda' | 'oldHead' | 'contrastive' | 'mixbct'>,
  lambda = [block.lambda ?? 1].flat()[0] as number,
): ObjectiveSettings {
  return {
    method: methodOf(block),
    lambda,
    oldHead: block.oldHead ?? 'synthesised',
    contrastive: {
      temperature: block.contrastive?.temperature ?? contrastiveDefaults.temperature,
      hardest: block.contrastive?.hardest ?? contrastiveDefaults.hardest,
    },
    mixbct: { share: block.mixbct?.share ?? DEFAULT_SHARE },
  };
}

/** The new head of a training block before its first step. */
export function newHead(
  block: Pick<TrainingDefinition, 'method' | 'head'>,
  classNames: readonly string[],
  dimension: number,
  seed: number,
): Head {
  const form = headForm(block.head?.kind ?? 'nsoftmax', block.head);
  // Mixed vectors are unit vectors, whatever sees them.
  const unitVectors = form.unitVectors || block.method === 'mixbct';
  return initialHead({ ...form, unitVectors }, classNames, dimension, seed);
}

/** What has to be made of the old model before the objective can be. */
export function neededOfOld({ method }: Pick<ObjectiveSettings, 'method'>): {
  vectors: boolean;
  head: boolean;
  statistics: boolean;
} {
  return {
    vectors: method !== 'independent',
    head: method === 'bct',
    statistics: method === 'mixbct' || method === 'advbct-boundary',
  };
}

/**
 * The loss of a method (training.md, "What is trained"): the new head's own, what the method adds, and `terms` of others (continual
 * sessions: coherence, distillation, penalties on weights).
 * Start values of the new head are in `head`; `trainedHead(head, NEW_HEAD, parameters)` makes a head of what they became.
 * @param head of the model's dimension; its labels are the batch's `labels`. null without labels: then `l2` and a distilled old head
 *   are all that is left
 * @param old null for `independent`
 * @throws BackcompatError `dimension-mismatch` for `mixbct` with an old model of another dimension
 */
export function createObjective(
  settings: ObjectiveSettings,
  { head, old, terms = [] }: { head: Head | null; old: OldSide | null; terms?: readonly ObjectiveTerm[] },
): Objective {
  return composeObjective(settings.method, [...termsOf(settings, head, old), ...terms]);
}

function termsOf(settings: ObjectiveSettings, head: Head | null, old: OldSide | null): ObjectiveTerm[] {
  const { method, lambda } = settings;
  if (method === 'mixbct') {
    const { space, statistics } = needed(old, method, 'old side');
    refuseOtherLength(space);
    const mixed = mixedVectors(needed(statistics, method, 'class statistics'), settings.mixbct.share);
    return [classificationTerm(needed(head, method, 'new head'), mixed)];
  }
  const classification = head === null ? [] : [classificationTerm(head)];
  return method === 'independent'
    ? classification
    : [...classification, compatibilityTerm(settings, method, lambda, needed(old, method, 'old side'))];
}

function compatibilityTerm(
  settings: ObjectiveSettings,
  method: Exclude<TrainingMethod, 'independent' | 'mixbct'>,
  lambda: number,
  { space, head, statistics }: OldSide,
): ObjectiveTerm {
  switch (method) {
    case 'bct': {
      const term = settings.oldHead === 'distilled' ? distillationTerm : influenceTerm;
      return term(needed(head, method, 'old head'), space, lambda);
    }
    case 'l2':
      return distanceTerm(space, lambda);
    case 'contrastive':
      return contrastiveTerm(space, lambda, settings.contrastive);
    case 'advbct-boundary':
      return boundaryTerm(space, needed(statistics, method, 'class statistics'), lambda);
  }
}

function refuseOtherLength({ rule, oldDimension, newDimension }: OldSpace): void {
  if (rule === 'equal') return;
  throw new BackcompatError(
    'dimension-mismatch',
    `The method "mixbct" puts old vectors in the place of new ones, and those have ${oldDimension} components, these ${newDimension}.`,
    { place: { field: 'method' }, remedy: `Train a model of ${oldDimension} components, or choose "bct".` },
  );
}

function needed<V>(value: V | null, method: TrainingMethod, what: string): V {
  if (value === null) throw new BackcompatError('internal', `The method "${method}" was given no ${what}.`);
  return value;
}

/**
 * How new vectors of a training block enter the old space.
 * @throws BackcompatError `dimension-mismatch` naming both lengths and the rule that fits
 */
export function resolveOldSpace(chosen: 'slice' | 'pad' | null, oldDimension: number, newDimension: number): OldSpace {
  if (oldDimension === newDimension) return { rule: 'equal', oldDimension, newDimension };
  const fitting = newDimension > oldDimension ? 'slice' : 'pad';
  if (chosen === fitting) return { rule: fitting, oldDimension, newDimension };
  const meaning =
    fitting === 'slice'
      ? `hold the first ${oldDimension} components of the new vectors against the old ones`
      : `fill the new vectors up with zeros to ${oldDimension} components`;
  const problem =
    chosen === null
      ? 'no rule says how they meet'
      : `the rule "${chosen}" is for ${chosen === 'slice' ? 'longer' : 'shorter'} new vectors`;
  throw new BackcompatError(
    'dimension-mismatch',
    `The old vectors have ${oldDimension} components, the new ones will have ${newDimension}; ${problem}.`,
    {
      place: { field: 'dimensionRule' },
      remedy: `Set "dimensionRule": "${fitting}" in the training block to ${meaning}, or train a model of ${oldDimension} components.`,
    },
  );
}
