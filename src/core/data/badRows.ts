import { BackcompatError } from '../contract/errors.ts';

export interface BadRows {
  /** Rows from 0, at most five of each. */
  notFinite: number[];
  zero: number[];
  total: number;
}

/** Rows with NaN or infinity, and rows of zeros: neither has a direction, so no cosine. */
export function badRowsOf(
  values: Float32Array,
  dimension: number,
  start: number,
  rows: number,
  checked?: Uint8Array,
): BadRows {
  const bad: BadRows = { notFinite: [], zero: [], total: 0 };
  for (let row = 0; row < rows; row++) {
    if (checked?.[start + row] === 1) continue;
    // Squares of float32 neither overflow nor vanish in double.
    let sum = 0;
    const end = (row + 1) * dimension;
    for (let i = row * dimension; i < end; i++) {
      const value = values[i] as number;
      sum += value * value;
    }
    if (sum > 0 && sum < Number.POSITIVE_INFINITY) continue;
    bad.total++;
    const list = sum === 0 ? bad.zero : bad.notFinite;
    if (list.length < 5) list.push(start + row);
  }
  return bad;
}

/** `bad-data` with the rows' numbers. @param known bad rows found so far, with these */
export function badRowsError(file: string, bad: BadRows, known: number, label = file): BackcompatError {
  const parts: string[] = [];
  const list = (rows: number[]): string => `row${rows.length > 1 ? 's' : ''} ${rows.map((row) => row + 1).join(', ')}`;
  if (bad.notFinite.length > 0) parts.push(`${list(bad.notFinite)} with NaN or infinite values`);
  if (bad.zero.length > 0) parts.push(`${list(bad.zero)} with zeros only`);
  return new BackcompatError(
    'bad-data',
    `${label} has ${parts.join(' and ')} (counted from 1; ${known} bad row${known > 1 ? 's' : ''} known so far).`,
    {
      place: { file, row: Math.min(...bad.notFinite, ...bad.zero) + 1 },
      remedy: 'Export those vectors again, or remove the rows from the vectors and from the label file.',
    },
  );
}
