import type { Distance } from '../contract/report.ts';
import { createRandom } from '../numeric/random.ts';
import { distanceBetween } from './distance.ts';
import type { Matrix } from './vectors.ts';

const BINS = 60;
/** Random pairs a cell that show where the distances lie. */
const SAMPLED_PAIRS = 20_000;
/** Room at both ends, as a share of the observed range: the ends collect what lies beyond. */
const MARGIN = 0.05;

/**
 * Edges of one histogram axis for several cells: equal bins over the observed range of all of them,
 * widened a little; cosine and euclidean axes start at 0 when the range nearly reaches it.
 * @param pairs drawn of each cell
 * @returns BINS + 1 ascending values
 */
export function histogramEdges(
  distance: Distance,
  cells: readonly { query: Matrix; gallery: Matrix }[],
  seed: number,
  pairs = SAMPLED_PAIRS,
): number[] {
  const random = createRandom(seed, 'histogram');
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const { query, gallery } of cells) {
    for (let pair = 0; pair < pairs; pair++) {
      const d = distanceBetween(distance, query, random.integer(query.rows), gallery, random.integer(gallery.rows));
      if (d < low) low = d;
      if (d > high) high = d;
    }
  }
  const room = Math.max((high - low) * MARGIN, 1e-6);
  low -= room;
  high += room;
  if (distance !== 'dot' && low < (high - low) * 0.25) low = 0;
  if (distance === 'cosine') high = Math.min(high, 2);
  return Array.from({ length: BINS + 1 }, (_, edge) => low + ((high - low) * edge) / BINS);
}
