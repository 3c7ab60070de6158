import type { Operations } from '../../engine/operations.ts';
import type { BatchField, Objective, ObjectiveParameter, ObjectiveStep } from './objective.ts';

/** One summand of an objective. Methods are lists of terms, so that those of other methods can join. */
export interface ObjectiveTerm {
  /** "classification", "influence", ...; unique in an objective. */
  readonly name: string;
  readonly fields: readonly BatchField[];
  /** Parameters of its own; names are unique in an objective, so prefix them. */
  readonly parameters: readonly ObjectiveParameter[];
  /** The scalar, its weight included. */
  value<T>(ops: Operations<T>, step: ObjectiveStep<T>): T;
}

/** The sum of `terms`, in that order. Terms may share a parameter: the same name and array. */
export function composeObjective(name: string, terms: readonly ObjectiveTerm[]): Objective {
  const parameters = new Map(terms.flatMap((term) => term.parameters.map((parameter) => [parameter.name, parameter])));
  return {
    name,
    fields: [...new Set(terms.flatMap((term) => term.fields))],
    parameters: [...parameters.values()],
    terms: (ops, step) => Object.fromEntries(terms.map((term) => [term.name, term.value(ops, step)])),
  };
}

/** `weight` times `value`; nothing is computed for a weight of 1. */
export function weighted<T>(ops: Operations<T>, weight: number, value: T): T {
  return weight === 1 ? value : ops.multiply(value, ops.scalar(weight));
}
