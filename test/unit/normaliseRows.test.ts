import { expect, it } from 'vitest';
import { normaliseRows } from '../../src/core/numeric/normaliseRows.ts';

it('brings rows to length 1, says what their lengths were, and leaves rows of zeros', () => {
  const rows = Float32Array.of(3, 4, 0, 0, -5, 12);
  expect([...normaliseRows(rows, 2)]).toEqual([5, 0, 13]);
  expect([...rows]).toEqual([...Float32Array.of(3 / 5, 4 / 5, 0, 0, -5 / 13, 12 / 13)]);
});
