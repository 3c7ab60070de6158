import { createRandom } from '../../src/core/numeric/random.ts';
import type { Objective, ObjectiveStep } from '../../src/core/training/objectives/objective.ts';
import { type Plain, plain, plainOperations } from './plainOperations.ts';

/** One step's numbers, as plain lists. */
export interface StepData {
  embedding: Plain;
  fields: Record<string, Plain>;
  /** Instead of the objective's start values. */
  parameters?: Record<string, Plain>;
}

export function stepOf(objective: Objective, { embedding, fields, parameters = {} }: StepData): ObjectiveStep<Plain> {
  return {
    embedding,
    fields: fields as ObjectiveStep<Plain>['fields'],
    parameters: {
      ...Object.fromEntries(objective.parameters.map(({ name, shape, data }) => [name, plain(data, shape)])),
      ...parameters,
    },
    modelParameters: { weights: embedding },
  };
}

/** Every term in double precision. */
export function plainTerms(objective: Objective, data: StepData): Record<string, number> {
  const terms = objective.terms(plainOperations, stepOf(objective, data));
  return Object.fromEntries(Object.entries(terms).map(([name, { values }]) => [name, values[0] as number]));
}

export function plainLoss(objective: Objective, data: StepData): number {
  return Object.values(plainTerms(objective, data)).reduce((sum, value) => sum + value, 0);
}

export function gaussians(rows: number, columns: number, seed: number, size = 1): Plain {
  const random = createRandom(seed, 'objective data');
  // Rounded to float32, so that engines see the same numbers.
  return plain(
    Float32Array.from({ length: rows * columns }, () => size * random.normal()),
    [rows, columns],
  );
}

/** Rows at unit length, rounded to float32. */
export function unit({ shape, values }: Plain): Plain {
  const [rows, columns] = shape as [number, number];
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const line = values.subarray(row * columns, (row + 1) * columns);
    const length = Math.sqrt(line.reduce((sum, value) => sum + value * value, 0));
    line.forEach((value, k) => {
      result[row * columns + k] = value / length;
    });
  }
  return plain(result, shape);
}

/** Rows as lists, for formulas. */
export function rowsOf({ shape, values }: Plain): number[][] {
  const columns = shape[1] as number;
  return Array.from({ length: shape[0] as number }, (_, row) => [
    ...values.subarray(row * columns, (row + 1) * columns),
  ]);
}
