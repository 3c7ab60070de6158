import type { CellName, Distance } from '../contract/report.ts';
import type { PairSetup } from './pairSetup.ts';
import { CellMeasure, type CellPlan, type CellSums, type SignedCounts } from './retrievalCell.ts';
import { RowRanker } from './retrievalRow.ts';
import type { ScoredPart } from './retrievalScores.ts';
import { TripletSampler, type TripletSums } from './triplets.ts';
import {
  type VerificationCounts,
  VerificationPass,
  type VerificationPerQuery,
  type VerificationRequest,
  type VerificationSums,
} from './verificationPass.ts';

/** What to count in rows of scores. It can be posted to a thread, and what is written query by query is shared with it. */
export interface CountingPlan {
  distance: Distance;
  setup: PairSetup;
  /** In the order of the rows. */
  cells: readonly CellPlan[];
  histogramEdges?: readonly number[];
  triplets: { sums: TripletSums; seed: number } | null;
  verification: { request: VerificationRequest; perQuery: VerificationPerQuery } | null;
}

/** What a thread counted beside what it wrote query by query. */
export interface CountedSums {
  cells: CellSums[];
  verification: VerificationSums | null;
}

/** Takes rows of scores, query by query and in any order; about 5 ns a pair. */
export class RetrievalCounter {
  readonly #gallery: number;
  readonly #ranker: RowRanker;
  readonly #measures: readonly CellMeasure[];
  readonly #marks: readonly Int32Array[];
  readonly #sampler: TripletSampler | null;
  readonly #verifier: VerificationPass | null;

  constructor(plan: CountingPlan) {
    const { setup, triplets, verification } = plan;
    const mostMatches = setup.matchCount.reduce((most, count) => Math.max(most, count), 0);
    const ranker = new RowRanker(setup.gallery, mostMatches);
    this.#gallery = setup.gallery;
    this.#ranker = ranker;
    this.#measures = plan.cells.map((cell) => new CellMeasure(cell, plan, ranker));
    this.#sampler = triplets && new TripletSampler(setup, triplets.sums, triplets.seed);
    this.#verifier =
      verification && new VerificationPass(this.#measures, ranker, setup, verification.request, verification.perQuery);
    this.#marks = plan.cells.map((_, c) => this.#verifier?.marks[c] ?? new Int32Array(ranker.stretches));
  }

  /**
   * Counts queries [first, end) of a part.
   * @param keyOffsets one a row, see `RowScorer.keyOffsets`
   */
  count({ start, size, keys }: ScoredPart, keyOffsets: Float64Array, first: number, end: number): void {
    const ranker = this.#ranker;
    const measures = this.#measures;
    const oldOld = measures.find(({ name }) => name === 'oldOld');
    const newOld = measures.find(({ name }) => name === 'newOld');
    for (let query = first; query < end; query++) {
      for (let c = 0; c < measures.length; c++) {
        const cell = measures[c] as CellMeasure;
        const row = c * size + query - start;
        cell.turnTo(keys, row * this.#gallery, keyOffsets[row] as number);
        cell.measure(query, ranker, this.#marks[c] as Int32Array);
        this.#verifier?.takeNear(c, query, ranker);
      }
      if (oldOld && newOld) {
        this.#sampler?.judge(query, oldOld.row.keys, oldOld.row.offset, newOld.row.keys, newOld.row.offset);
      }
      this.#verifier?.takeQuery(query);
    }
  }

  get sums(): CountedSums {
    return { cells: this.#measures.map(({ sums }) => sums), verification: this.#verifier?.sums ?? null };
  }

  /** Adds what another counter of the same plan counted of other queries. */
  absorb({ cells, verification }: CountedSums): void {
    this.#measures.forEach((measure, c) => {
      measure.absorb(cells[c] as CellSums);
    });
    if (verification !== null) this.#verifier?.absorb(verification);
  }

  /** What all rows add up to; histograms only with edges, verification only where it was asked for. */
  finish(): { histograms: Map<CellName, SignedCounts>; verification: VerificationCounts | null } {
    const histograms = this.#measures.flatMap((cell) => {
      const histogram = cell.histogram();
      return histogram === null ? [] : [[cell.name, histogram] as const];
    });
    return { histograms: new Map(histograms), verification: this.#verifier?.finish() ?? null };
  }
}
