import type { Distance } from '../contract/report.ts';
import type { Matrix } from './vectors.ts';

/**
 * Distance between row `i` of `a` and row `j` of `b`, summed in double (metrics.md, Notation).
 * For cosine both must be normalised already. Smaller is nearer; dot is minus the inner product.
 */
export function distanceBetween(distance: Distance, a: Matrix, i: number, b: Matrix, j: number): number {
  const { columns } = a;
  const x = i * columns;
  const y = j * columns;
  let sum = 0;
  if (distance === 'euclidean') {
    for (let k = 0; k < columns; k++) {
      const difference = (a.values[x + k] as number) - (b.values[y + k] as number);
      sum += difference * difference;
    }
    return Math.sqrt(sum);
  }
  for (let k = 0; k < columns; k++) sum += (a.values[x + k] as number) * (b.values[y + k] as number);
  return distance === 'cosine' ? 1 - sum : -sum;
}
