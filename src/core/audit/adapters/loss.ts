import type { Distance } from '../../contract/report.ts';
import type { Matrix } from '../vectors.ts';

/**
 * Mean over rows of 1 - cosine (cosine) or of the squared distance (euclidean, dot) between mapped and old vectors,
 * in double; 0 without rows. A mapped row of zeros has cosine 0.
 */
export function meanLoss(distance: Distance, mapped: Matrix, to: Matrix): number {
  const { rows, columns } = to;
  let total = 0;
  for (let start = 0; start < rows * columns; start += columns) {
    let dot = 0;
    let mappedSquared = 0;
    let toSquared = 0;
    for (let k = start; k < start + columns; k++) {
      const a = mapped.values[k] as number;
      const b = to.values[k] as number;
      dot += a * b;
      mappedSquared += a * a;
      toSquared += b * b;
    }
    if (distance !== 'cosine') total += mappedSquared - 2 * dot + toSquared;
    else total += 1 - (mappedSquared === 0 ? 0 : dot / Math.sqrt(mappedSquared * toSquared));
  }
  return rows === 0 ? 0 : total / rows;
}
