import type { Distance } from '../../contract/report.ts';
import type { Matrix } from '../vectors.ts';
import type { FittingBlocks } from './adapter.ts';

/** The rows at unit length for cosine (zero rows stay zero), unchanged otherwise. A new matrix where anything changes. */
export function comparable(matrix: Matrix, distance: Distance): Matrix {
  if (distance !== 'cosine') return matrix;
  const { rows, columns } = matrix;
  const values = new Float32Array(matrix.values.length);
  for (let start = 0; start < rows * columns; start += columns) {
    let squared = 0;
    for (let k = start; k < start + columns; k++) squared += (matrix.values[k] as number) ** 2;
    const scale = squared === 0 ? 0 : 1 / Math.sqrt(squared);
    for (let k = start; k < start + columns; k++) values[k] = (matrix.values[k] as number) * scale;
  }
  return { rows, columns, values };
}

export async function* comparableBlocks(blocks: FittingBlocks, distance: Distance): FittingBlocks {
  for await (const { from, to } of blocks) {
    yield { from: comparable(from, distance), to: comparable(to, distance) };
  }
}
