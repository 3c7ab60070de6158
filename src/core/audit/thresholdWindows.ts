import type { CellName, Distance } from '../contract/report.ts';
import type { Progress } from '../contract/runs.ts';
import { vectorsInMemory } from '../data/vectorSource.ts';
import { type FineAxis, MOST_KEPT } from './distanceCounts.ts';
import { histogramEdges } from './histogramEdges.ts';
import { RowScorer } from './retrievalScores.ts';
import { BINS, type BinAxis, fillBins, largestKeyOf } from './scoreBins.ts';
import { BlockReader, type Matrix } from './vectors.ts';
import type { CellWindows } from './verificationPass.ts';
import { joinWindows, WHOLE, type Window } from './windowedCounts.ts';

/** Bins a unit of cosine distance, or in the spread of other distances: thresholds are exact to 1e-6 of it. */
const FINE = 1_048_576;
/** The same where all pairs are kept one by one, and bins only make them quick to find. */
const COARSE = 16_384;
/** A window reaches so many standard errors of the sample's FAR to each side; beyond, another pass is needed. */
const STANDARD_ERRORS = 6;
/** Random pairs that show where a sample's distances lie. */
const AXIS_PAIRS = 4000;
/** Memory for the sample's scores. */
const SCORE_BYTES = 67_108_864;

/** Some rows of one cell's vectors, and their classes. */
export interface CellSample {
  query: Matrix;
  queryLabel: Int32Array;
  gallery: Matrix;
  galleryLabel: Int32Array;
}

export interface WindowOptions {
  /** Rates, descending. */
  far: readonly number[];
  /** Pairs of a cell; few are counted wherever they lie. */
  pairs: number;
  /** Count wherever they lie whatever their number. */
  open: boolean;
  /** Of oldOld, where they are known. */
  oldThresholds: readonly (number | null)[] | null;
  threads: number | null;
}

/**
 * Where the distances of each cell are counted one by one: around its own threshold and that of oldOld at each FAR, as
 * the pairs of a sample tell.
 */
export async function thresholdWindows(
  distance: Distance,
  samples: ReadonlyMap<CellName, CellSample>,
  options: WindowOptions,
  hooks: { progress: Progress; signal?: AbortSignal },
): Promise<Map<CellName, CellWindows>> {
  const few = options.pairs <= MOST_KEPT;
  const own = new Map<CellName, { whole: FineAxis; windows: Window[] }>();
  for (const [name, sample] of samples) {
    const pairs = await scoreSample(distance, sample, options.threads, hooks);
    const whole = wholeAxis(distance, pairs, few ? COARSE : FINE);
    own.set(name, { whole, windows: few || options.open ? [WHOLE] : options.far.map((far) => windowAt(far, pairs)) });
  }
  const ofOld =
    options.oldThresholds?.flatMap((threshold) => (threshold === null ? [] : [{ low: threshold, high: threshold }])) ??
    own.get('oldOld')?.windows ??
    [];
  return new Map(
    Array.from(own, ([name, { whole, windows: found }]) => {
      const windows = joinWindows(name === 'oldNew' ? found : [...found, ...ofOld]);
      const end = windows.at(-1)?.high ?? 0;
      const bins = Math.ceil((end - whole.low) * whole.perUnit) + 1;
      const axis = bins < whole.bins ? { ...whole, bins: Math.max(1, bins), open: false } : whole;
      return [name, { axis, windows }];
    }),
  );
}

/** The pairs of a sample by bins of their distance. */
interface SamplePairs {
  axis: BinAxis;
  /** Bin of each pair, queries x gallery. */
  bins: Uint16Array;
  queryLabel: Int32Array;
  galleryLabel: Int32Array;
  /** Pairs in each bin: all, and those of different classes. */
  all: Float64Array;
  different: Float64Array;
}

async function scoreSample(
  distance: Distance,
  { query, queryLabel, gallery, galleryLabel }: CellSample,
  threads: number | null,
  hooks: { progress: Progress; signal?: AbortSignal },
): Promise<SamplePairs> {
  const edges = histogramEdges(distance, [{ query, gallery }], 0, AXIS_PAIRS);
  const low = edges[0] as number;
  const axis = { low, perUnit: BINS / ((edges.at(-1) as number) - low) };
  const source = vectorsInMemory('sample', gallery.values, gallery.columns);
  const reader = new BlockReader(source, { columns: gallery.columns, normalise: false }, gallery.rows);
  const scorer = await RowScorer.open({
    distance,
    cells: [{ query }],
    gallery: reader,
    first: gallery,
    threads,
    scoreBytes: SCORE_BYTES,
  });
  const width = gallery.rows;
  const bins = new Uint16Array(query.rows * width);
  try {
    const keys = new Float32Array(scorer.partLength);
    for (let start = 0; start < query.rows; start += scorer.partQueries) {
      const part = { start, size: Math.min(scorer.partQueries, query.rows - start), keys };
      await scorer.score([part], hooks);
      scorer.keyOffsets(part).forEach((keyOffset, row) => {
        const reading = { keyOffset, squared: distance === 'euclidean', largestKey: largestKeyOf(distance) };
        const at = (start + row) * width;
        fillBins(keys, row * width, axis, reading, bins.subarray(at, at + width));
      });
    }
  } finally {
    await scorer.release();
  }
  const all = new Float64Array(BINS);
  const different = new Float64Array(BINS);
  for (let row = 0; row < query.rows; row++) {
    const label = queryLabel[row] as number;
    for (let column = 0; column < width; column++) {
      const bin = bins[row * width + column] as number;
      all[bin] = (all[bin] as number) + 1;
      if (galleryLabel[column] !== label) different[bin] = (different[bin] as number) + 1;
    }
  }
  return { axis, bins, queryLabel, galleryLabel, all, different };
}

/**
 * Distances between which the threshold at a FAR lies, unless the sample errs by many standard errors. Pairs share
 * rows and columns, so the error is that of the rows' FARs, and of the columns'.
 */
function windowAt(far: number, { axis, bins, queryLabel, galleryLabel, different }: SamplePairs): Window {
  const middle = binAt(different, far);
  const width = galleryLabel.length;
  const row = new Float64Array(queryLabel.length);
  const column = new Float64Array(width);
  queryLabel.forEach((label, i) => {
    for (let j = 0; j < width; j++) {
      if ((bins[i * width + j] as number) > middle || galleryLabel[j] === label) continue;
      row[i] = (row[i] as number) + 1;
      column[j] = (column[j] as number) + 1;
    }
  });
  const error = Math.sqrt(
    squaredError(row, othersOf(queryLabel, galleryLabel)) + squaredError(column, othersOf(galleryLabel, queryLabel)),
  );
  const room = STANDARD_ERRORS * error + 1 / bins.length;
  const first = binAt(different, far - room);
  const last = binAt(different, far + room);
  return {
    low: first <= 0 ? WHOLE.low : axis.low + first / axis.perUnit,
    high: last >= BINS - 1 ? WHOLE.high : axis.low + (last + 1) / axis.perUnit,
  };
}

/** For each of `labels` how many of `others` are of another class. */
function othersOf(labels: Int32Array, others: Int32Array): Float64Array {
  const counts = new Map<number, number>();
  for (const label of others) counts.set(label, (counts.get(label) ?? 0) + 1);
  return Float64Array.from(labels, (label) => others.length - (counts.get(label) ?? 0));
}

/** The bin in which a share of the counted pairs is reached; -1 for none, the last for more than all. */
function binAt(counts: Float64Array, share: number): number {
  if (share <= 0) return -1;
  const wanted = share * counts.reduce((sum, count) => sum + count, 0);
  let sum = 0;
  for (let bin = 0; bin < BINS; bin++) {
    sum += counts[bin] as number;
    if (sum >= wanted && sum > 0) return bin;
  }
  return BINS - 1;
}

/** Of the mean of the shares near / total over entries that have a total. */
function squaredError(near: Float64Array, total: Float64Array): number {
  const shares = Array.from(near, (count, i) => count / (total[i] as number)).filter((share) => !Number.isNaN(share));
  if (shares.length < 2) return 1;
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  const squares = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0);
  return squares / (shares.length - 1) / shares.length;
}

/**
 * An axis for all distances of a cell. Cosine distances have known ends; of others it reaches on both sides of 98 % of
 * the sample as far again, because a few outliers must not cost the rest its resolution.
 */
function wholeAxis(distance: Distance, { axis, all }: SamplePairs, resolution: number): FineAxis {
  if (distance === 'cosine') return { low: 0, perUnit: resolution, bins: 2 * resolution, open: true };
  const near = axis.low + binAt(all, 0.01) / axis.perUnit;
  const far = axis.low + (binAt(all, 0.99) + 1) / axis.perUnit;
  // Equal distances still need bins of some width.
  const spread = Math.max(far - near, 1e-6 * Math.abs(far), 1e-30);
  const low = distance === 'euclidean' ? Math.max(0, near - spread) : near - spread;
  const perUnit = resolution / spread;
  return { low, perUnit, bins: Math.ceil((far + spread - low) * perUnit), open: true };
}
