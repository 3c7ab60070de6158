import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Absolute path of a file or folder of `test/fixtures/models`, which bench/reference/makeModelFixtures.py writes. */
export function modelFixture(...parts: string[]): string {
  return path.join(fileURLToPath(new URL('../fixtures/models', import.meta.url)), ...parts);
}

export function readFixture<T>(...parts: string[]): T {
  return JSON.parse(readFileSync(modelFixture(...parts), 'utf8')) as T;
}

export function largestDifference(values: ArrayLike<number>, reference: readonly (readonly number[])[]): number {
  return Math.max(...reference.flat().map((value, index) => Math.abs(value - (values[index] as number))));
}
