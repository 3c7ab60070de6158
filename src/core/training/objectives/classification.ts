import type { Operations } from '../../engine/operations.ts';
import { type Head, headParameters } from '../heads/head.ts';
import { classificationLoss, headValues } from '../heads/logits.ts';
import type { BatchField, ObjectiveStep } from './objective.ts';
import type { ObjectiveTerm } from './term.ts';

/** Prefix of the new head's parameters. */
export const NEW_HEAD = 'head';

/** What the new head sees instead of the embedding itself. */
export interface HeadInput {
  readonly fields: readonly BatchField[];
  readonly parameters: ObjectiveTerm['parameters'];
  vectors<T>(ops: Operations<T>, step: ObjectiveStep<T>): T;
}

/** L(head, new): mean cross-entropy of the new head, which is trained with the model, over items with a label. */
export function classificationTerm(head: Head, input: HeadInput | null = null): ObjectiveTerm {
  return {
    name: 'classification',
    fields: ['labels', ...(input?.fields ?? [])],
    parameters: [...headParameters(head, NEW_HEAD, true), ...(input?.parameters ?? [])],
    value(ops, step) {
      const vectors = input === null ? step.embedding : input.vectors(ops, step);
      const values = headValues(step.parameters, NEW_HEAD);
      return classificationLoss(ops, head, values, vectors, step.fields.labels, head.classNames.length);
    },
  };
}
