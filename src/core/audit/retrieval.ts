import { throwIfCancelled } from '../contract/errors.ts';
import type { CellName, Distance } from '../contract/report.ts';
import type { Progress } from '../contract/runs.ts';
import type { PairSetup } from './pairSetup.ts';
import { CellMeasure, type PerQuery, type SignedCounts } from './retrievalCell.ts';
import { RowRanker } from './retrievalRow.ts';
import { RowScorer } from './retrievalScores.ts';
import { TripletSampler, type TripletSums } from './triplets.ts';
import type { BlockReader, Matrix } from './vectors.ts';
import { type VerificationCounts, VerificationPass, type VerificationRequest } from './verificationPass.ts';

export type { PerQuery } from './retrievalCell.ts';

export interface RetrievalInput {
  distance: Distance;
  /** Cells that search this gallery. Queries x columns, in the gallery's form; row i is query i of `setup`. */
  cells: readonly { name: CellName; query: Matrix }[];
  gallery: BlockReader;
  setup: PairSetup;
  /** Equal bins of distance, ascending; the end bins collect what lies beyond. Left out: no histograms. */
  histogramEdges?: readonly number[];
  /** Wanted when the cells include oldOld and newOld. */
  triplets?: { count: number; seed: number };
  verification?: VerificationRequest;
  /** null: one a core. */
  threads: number | null;
  /** Memory for complete rows of scores; the gallery is read once for each set of rows that fits. Default 512 MB. */
  scoreBytes?: number;
}

export interface RetrievalFigures {
  perQuery: Map<CellName, PerQuery>;
  /** Pairs per bin and class relation, self pairs dropped; empty without edges. */
  histograms: Map<CellName, SignedCounts>;
  triplets: TripletSums | null;
  /** null unless asked for. */
  verification: VerificationCounts | null;
}

const SCORE_BYTES = 536_870_912;
/** Pairs looked at between two breaths. */
const BREATH_PAIRS = 8_388_608;

/**
 * Ranks the whole gallery for every query of every cell (metrics.md sections 2 and 3): nearest first,
 * ties by gallery position, bitwise equal gallery rows tie exactly, self pairs dropped.
 * Cost: products of queries x gallery x columns on all threads, then about 2 ns a pair on one.
 */
export async function measureRetrieval(
  input: RetrievalInput,
  hooks: { progress: Progress; signal?: AbortSignal },
): Promise<RetrievalFigures> {
  const { cells, gallery, setup, distance, triplets, verification } = input;
  const width = setup.gallery;
  const mostMatches = setup.matchCount.reduce((most, count) => Math.max(most, count), 0);
  const ranker = new RowRanker(width, mostMatches);
  const first = await gallery.read(0);
  const measures = cells.map((cell) => new CellMeasure(cell, input, first, ranker));
  const oldOld = measures.find(({ name }) => name === 'oldOld');
  const newOld = measures.find(({ name }) => name === 'newOld');
  const sampler = triplets && oldOld && newOld ? new TripletSampler(setup, triplets.count, triplets.seed) : null;
  const verifier = verification ? new VerificationPass(measures, ranker, setup, verification) : null;
  const marks = measures.map((_, c) => verifier?.marks[c] ?? new Int32Array(ranker.stretches));

  const scorer = await RowScorer.open({
    distance,
    cells: measures,
    gallery,
    first,
    threads: input.threads,
    scoreBytes: input.scoreBytes ?? SCORE_BYTES,
  });
  try {
    for (let start = 0; start < setup.queries; start += scorer.runQueries) {
      const size = Math.min(scorer.runQueries, setup.queries - start);
      const scores = await scorer.score(start, size, hooks);
      let pairs = 0;
      for (let query = start; query < start + size; query++) {
        for (let c = 0; c < measures.length; c++) {
          const cell = measures[c] as CellMeasure;
          cell.turnTo(scores[c] as Float32Array, (query - start) * width, scorer.keyOffset(c, query));
          cell.measure(query, ranker, marks[c] as Int32Array);
          verifier?.takeNear(c, query, ranker);
        }
        if (sampler && oldOld && newOld) {
          sampler.judge(query, oldOld.row.keys, oldOld.row.offset, newOld.row.keys, newOld.row.offset);
        }
        verifier?.takeQuery(query);
        pairs += cells.length * width;
        if (pairs >= BREATH_PAIRS) {
          pairs = 0;
          throwIfCancelled(hooks.signal);
          await hooks.progress.breathe();
        }
      }
      hooks.progress.update(start + size, setup.queries, 'queries');
    }
  } finally {
    await scorer.release();
  }
  return {
    perQuery: new Map(measures.map((cell) => [cell.name, cell.figures])),
    histograms: new Map(
      measures.flatMap((cell) => {
        const histogram = cell.histogram();
        return histogram === null ? [] : [[cell.name, histogram] as const];
      }),
    ),
    triplets: sampler?.sums ?? null,
    verification: verifier?.finish() ?? null,
  };
}
