import { availableParallelism } from 'node:os';
import { throwIfCancelled } from '../contract/errors.ts';
import type { CellName, Distance } from '../contract/report.ts';
import type { Progress } from '../contract/runs.ts';
import { bundledCountingWorker, CountingThread } from './countingThread.ts';
import type { PairSetup } from './pairSetup.ts';
import { type PerQuery, planCell, type SignedCounts } from './retrievalCell.ts';
import { type CountingPlan, RetrievalCounter } from './retrievalCounter.ts';
import { stretchShift } from './retrievalRow.ts';
import { RowScorer, type ScoredPart } from './retrievalScores.ts';
import { drawTriplets, type TripletSums } from './triplets.ts';
import type { BlockReader, Matrix } from './vectors.ts';
import { planVerificationPerQuery, type VerificationCounts, type VerificationRequest } from './verificationPass.ts';

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
  /** Threads that count beside this one; left out: as many as pay. */
  counting?: { threads: number; workerFile: string };
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
/** Fewer pairs are counted before another thread has started. */
const FEWEST_SHARED_PAIRS = 67_108_864;
/** Each counter needs memory for its rows, 32 MB, and its counts. */
const MOST_COUNTERS = 4;

/**
 * Ranks the whole gallery for every query of every cell (metrics.md sections 2 and 3): nearest first,
 * ties by gallery position, bitwise equal gallery rows tie exactly, self pairs dropped.
 * Cost: products of queries x gallery x columns, and about 5 ns a pair, both on all threads. What is counted does not depend on
 * their number.
 */
export async function measureRetrieval(
  input: RetrievalInput,
  hooks: { progress: Progress; signal?: AbortSignal },
): Promise<RetrievalFigures> {
  const { cells, gallery, setup, distance, triplets, verification } = input;
  const names = cells.map(({ name }) => name);
  const first = await gallery.read(0);
  const sums =
    triplets && names.includes('oldOld') && names.includes('newOld')
      ? drawTriplets(setup, triplets.count, triplets.seed)
      : null;
  const plan: CountingPlan = {
    distance,
    setup,
    cells: cells.map((cell) => planCell(cell, input, first, stretchShift(setup.gallery))),
    ...(input.histogramEdges ? { histogramEdges: input.histogramEdges } : {}),
    triplets: sums && triplets ? { sums, seed: triplets.seed } : null,
    verification: verification
      ? { request: verification, perQuery: planVerificationPerQuery(cells, setup, verification) }
      : null,
  };
  const counter = new RetrievalCounter(plan);
  const threads = await startThreads(input, plan);
  try {
    await countAll(input, first, counter, threads, hooks);
    for (const thread of threads) counter.absorb(await thread.sums());
  } finally {
    for (const thread of threads) await thread.close();
  }
  return {
    perQuery: new Map(plan.cells.map(({ name, figures }) => [name, ownFigures(figures)])),
    ...counter.finish(),
    triplets: sums && {
      sampled: sums.sampled.slice(),
      inverted: sums.inverted.slice(),
      repaired: sums.repaired.slice(),
    },
  };
}

/** Scores all queries, run by run, and counts a part of each run in each thread and in this one. */
async function countAll(
  input: RetrievalInput,
  first: Matrix,
  counter: RetrievalCounter,
  threads: readonly CountingThread[],
  hooks: { progress: Progress; signal?: AbortSignal },
): Promise<void> {
  const { cells, setup, scoreBytes = SCORE_BYTES } = input;
  const scorer = await RowScorer.open({ ...input, first, scoreBytes, parts: threads.length + 1 });
  try {
    const memory: Float32Array[] = Array.from(
      { length: threads.length + 1 },
      () => new Float32Array(scorer.partLength),
    );
    const breathQueries = Math.max(1, Math.floor(BREATH_PAIRS / (cells.length * setup.gallery)));
    const runQueries = memory.length * scorer.partQueries;
    for (let start = 0; start < setup.queries; start += runQueries) {
      const end = Math.min(setup.queries, start + runQueries);
      const parts = cutRun(start, end, memory);
      await scorer.score(parts, hooks);
      const [own, ...others] = parts as [ScoredPart, ...ScoredPart[]];
      const elsewhere = Promise.all(
        others.map((part, k) => (threads[k] as CountingThread).count(part, scorer.keyOffsets(part))),
      );
      // Awaited below, unless this thread stops before.
      elsewhere.catch(() => {});
      const keyOffsets = scorer.keyOffsets(own);
      const ownEnd = own.start + own.size;
      for (let query = own.start; query < ownEnd; query += breathQueries) {
        throwIfCancelled(hooks.signal);
        counter.count(own, keyOffsets, query, Math.min(ownEnd, query + breathQueries));
        await hooks.progress.breathe();
      }
      (await elsewhere).forEach((keys, k) => {
        memory[k + 1] = keys;
      });
      hooks.progress.update(end, setup.queries, 'queries');
    }
  } finally {
    await scorer.release();
  }
}

/** Queries [start, end) in parts of nearly equal size, none empty, one in each memory. */
function cutRun(start: number, end: number, memory: readonly Float32Array[]): ScoredPart[] {
  const size = end - start;
  const count = Math.min(memory.length, size);
  return Array.from({ length: count }, (_, k) => {
    const from = start + Math.floor((k * size) / count);
    const to = start + Math.floor(((k + 1) * size) / count);
    return { start: from, size: to - from, keys: memory[k] as Float32Array };
  });
}

/** Threads that count beside this one: none for few pairs, or where none can start. */
async function startThreads(input: RetrievalInput, plan: CountingPlan): Promise<CountingThread[]> {
  const { cells, setup, threads, counting } = input;
  const workerFile = counting?.workerFile ?? bundledCountingWorker();
  const pays = cells.length * setup.queries * setup.gallery >= FEWEST_SHARED_PAIRS;
  const fitting = pays ? Math.min(MOST_COUNTERS, threads ?? availableParallelism()) - 1 : 0;
  const wanted = counting?.threads ?? fitting;
  if (workerFile === null || wanted === 0) return [];
  const starting = Array.from({ length: wanted }, () => CountingThread.start(plan, workerFile));
  return (await Promise.all(starting)).filter((thread) => thread !== null);
}

/** In memory of its own, for ONNX Runtime. */
function ownFigures(figures: PerQuery): PerQuery {
  return {
    firstMatchRank: figures.firstMatchRank.slice(),
    nearest: figures.nearest.slice(),
    averagePrecision: figures.averagePrecision.slice(),
    mapAtR: figures.mapAtR.slice(),
    rPrecision: figures.rPrecision.slice(),
  };
}
