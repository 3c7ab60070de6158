import type { CellName, Distance } from '../contract/report.ts';
import { createRandom } from '../numeric/random.ts';
import { distanceBetween } from './distance.ts';
import { type FineAxis, MOST_KEPT } from './distanceCounts.ts';
import type { Matrix } from './vectors.ts';

/** Bins a unit of cosine distance, or in the spread of other distances: thresholds are exact to 1e-6 of it. */
const FINE = 1_048_576;
/** The same where all pairs are kept one by one, and bins only make them quick to find. */
const COARSE = 16_384;
const DRAWN_PAIRS = 20_000;
/** Axes reach as far as the drawn pairs' FAR is so many times the largest asked for, because a sample errs. */
const HEADROOM = 1.4;

/** Some rows of one cell's vectors, and their classes. */
export interface CellSample {
  query: Matrix;
  queryLabel: Int32Array;
  gallery: Matrix;
  galleryLabel: Int32Array;
}

/**
 * Where the distances of each cell are counted finely: as far as its own threshold and that of oldOld at the largest
 * FAR seem to lie, by pairs drawn at random.
 * @param farthest the largest false accept rate
 * @param pairs pairs of a cell; few are counted wherever they lie
 * @param open count wherever they lie whatever their number
 */
export function fineAxes(
  distance: Distance,
  samples: ReadonlyMap<CellName, CellSample>,
  options: { farthest: number; pairs: number; open: boolean; seed: number },
): Map<CellName, FineAxis> {
  const few = options.pairs <= MOST_KEPT;
  const random = createRandom(options.seed, 'fine axes');
  const drawn = new Map<CellName, { whole: FineAxis; far: number }>();
  for (const [name, sample] of samples) {
    const all = new Float64Array(DRAWN_PAIRS);
    const different = new Float64Array(DRAWN_PAIRS);
    let size = 0;
    for (let pair = 0; pair < DRAWN_PAIRS; pair++) {
      const i = random.integer(sample.query.rows);
      const j = random.integer(sample.gallery.rows);
      all[pair] = distanceBetween(distance, sample.query, i, sample.gallery, j);
      if (sample.queryLabel[i] !== sample.galleryLabel[j]) different[size++] = all[pair] as number;
    }
    const sorted = different.subarray(0, size).sort();
    const far = sorted[Math.ceil(HEADROOM * options.farthest * size)] ?? Number.POSITIVE_INFINITY;
    drawn.set(name, { whole: wholeAxis(distance, all.sort(), few ? COARSE : FINE), far });
  }
  const ofOld = drawn.get('oldOld')?.far ?? Number.NEGATIVE_INFINITY;
  return new Map(
    Array.from(drawn, ([name, { whole, far }]) => {
      const end = name === 'oldNew' ? far : Math.max(far, ofOld);
      const bins = Math.ceil((end - whole.low) * whole.perUnit);
      return [
        name,
        few || options.open || bins >= whole.bins ? whole : { ...whole, bins: Math.max(1, bins), open: false },
      ];
    }),
  );
}

/**
 * An axis for all distances of a cell. Cosine distances have known ends; of others it reaches on both sides of 98 % of
 * the sample as far again, because a few outliers must not cost the rest its resolution.
 */
function wholeAxis(distance: Distance, sorted: Float64Array, resolution: number): FineAxis {
  if (distance === 'cosine') return { low: 0, perUnit: resolution, bins: 2 * resolution, open: true };
  const near = sorted[Math.floor(0.01 * sorted.length)] as number;
  const far = sorted[Math.floor(0.99 * sorted.length)] as number;
  // Equal distances still need bins of some width.
  const spread = Math.max(far - near, 1e-6 * Math.abs(far), 1e-30);
  const low = distance === 'euclidean' ? Math.max(0, near - spread) : near - spread;
  const perUnit = resolution / spread;
  return { low, perUnit, bins: Math.ceil((far + spread - low) * perUnit), open: true };
}
