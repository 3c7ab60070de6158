import { counted, number } from '../../contract/format.ts';
import type { Remedy } from '../../contract/report.ts';
import type { MeasureHooks } from '../measurePair.ts';
import { pickRows } from '../pairSample.ts';
import { makePairSetup } from '../pairSetup.ts';
import type { RetrievalFigures } from '../retrieval.ts';
import { splitInHalves } from '../sampling.ts';
import { QueryStatistics } from '../statistics.ts';
import type { Matrix } from '../vectors.ts';
import { countPairs } from '../verificationPass.ts';
import { type JudgedQueries, restoringThreshold, retrieveFromOld } from './judgeQueries.ts';
import { type MatchDistances, weighted } from './sameClassPairs.ts';

/**
 * Moving the threshold: chosen for the operating FAR on one half of the queries, judged on the other, both ways.
 * @param rows of the judged queries in `input.queries`
 * @param query the new queries as they are, row i for query i of the setup, and their distances to matches
 * @returns null where a half has too few different-class pairs to choose from
 */
export async function thresholdRemedy(
  judged: JudgedQueries,
  rows: Int32Array,
  query: Matrix,
  distances: MatchDistances,
  hooks: MeasureHooks,
): Promise<Remedy | null> {
  const { input, setup, plan } = judged;
  const { queries, gallery, protocol } = input;
  const halves = splitInHalves(setup.queryLabel, setup.classes, protocol.seed);
  const measured: { threshold: number; figures: RetrievalFigures; negative: number }[] = [];
  for (const half of [0, 1]) {
    const own = Int32Array.from(halves.keys()).filter((index) => halves[index] === half);
    const ownSetup = makePairSetup(
      queries,
      gallery,
      own.map((index) => rows[index] as number),
    );
    const part = { ...judged, setup: ownSetup };
    const figures = await retrieveFromOld(part, pickRows(query, own), hooks);
    const threshold = restoringThreshold(part, figures);
    if (threshold === null) return null;
    measured.push({ threshold, figures, negative: countPairs(ownSetup).negative });
  }
  const [first, second] = measured as [(typeof measured)[0], (typeof measured)[0]];
  const falselyAccepted = (of: typeof first, threshold: number) =>
    of.figures.verification?.cells.get('newOld')?.negative.atMost(threshold) ?? 0;
  const far =
    (falselyAccepted(first, second.threshold) + falselyAccepted(second, first.threshold)) /
    (first.negative + second.negative);

  const statistics = new QueryStatistics(plan);
  const accepted = weighted(setup, distances, (distance, index) => {
    const other = halves[index] === 0 ? second : first;
    return distance <= other.threshold;
  });
  const tar = statistics.ratio(accepted, Float64Array.from(setup.matchCount));
  await statistics.resample(hooks);
  const value = statistics.value(tar);
  return {
    method: 'threshold',
    estimated: value === null ? {} : { tar: { value, interval: statistics.interval(tar) } },
    basis: `chosen on one half of ${counted(rows.length, 'query', 'queries')}, judged on the other: thresholds ${number(first.threshold)} and ${number(second.threshold)}, false accept rate ${number(far)}`,
    cost: 'one number in the service; models and gallery untouched, ranking unchanged',
    reachesCriterion: null,
  };
}
