import type { MetricName, Remedy } from '../../contract/report.ts';
import type { AuditInput } from '../auditInput.ts';
import type { BootstrapPlan } from '../bootstrap.ts';
import { cellOf, registerCell } from '../cells.ts';
import type { MeasureHooks, MeasureOptions } from '../measurePair.ts';
import type { PairSetup } from '../pairSetup.ts';
import type { PerQuery, RetrievalFigures } from '../retrieval.ts';
import { QueryStatistics, type Statistic } from '../statistics.ts';
import type { BlockReader, Matrix } from '../vectors.ts';
import { countPairs, pairsWithin } from '../verificationPass.ts';
import { measurableFars, measureWithThresholds, planVerification } from '../verificationPlan.ts';
import { type MatchDistances, weighted } from './sameClassPairs.ts';

/** The queries on which all remedies are judged, and what the old model makes of them. */
export interface JudgedQueries {
  input: AuditInput;
  /** The old gallery. */
  gallery: BlockReader;
  setup: PairSetup;
  /** Retrieval of the old queries on the old gallery, for these queries. */
  oldOld: PerQuery;
  /** Distances to some matches under the old model, see `matchDistances`. */
  oldDistances: MatchDistances;
  plan: BootstrapPlan;
  options: MeasureOptions;
}

/** Retrieval of queries on the whole old gallery, with counts for a threshold at the operating FAR. */
export async function retrieveFromOld(
  { input, gallery, setup, options }: Pick<JudgedQueries, 'input' | 'gallery' | 'setup' | 'options'>,
  query: Matrix,
  hooks: MeasureHooks,
): Promise<RetrievalFigures> {
  const { vectors, protocol } = input;
  const cell = { name: 'newOld' as const, query };
  const plan = await planVerification([{ ...cell, gallery: vectors.oldGallery, form: gallery.form }], setup, protocol);
  const asked = {
    distance: protocol.distance,
    cells: [cell],
    gallery,
    setup,
    ...options,
  };
  // No old thresholds: what they decide was measured already.
  return measureWithThresholds(asked, plan, plan?.far.map(() => null) ?? null, hooks);
}

/** The threshold of newOld at the operating FAR; null where so few pairs cannot tell it. */
export function restoringThreshold(
  { input, setup }: Pick<JudgedQueries, 'input' | 'setup'>,
  figures: RetrievalFigures,
) {
  const { operatingFar } = input.protocol;
  const negative = countPairs(setup).negative;
  const counts = figures.verification?.cells.get('newOld')?.negative;
  if (counts === undefined || !measurableFars(operatingFar, negative).includes(operatingFar)) return null;
  return counts.largestWithin(pairsWithin(operatingFar, negative)) ?? null;
}

/**
 * What mapped queries reach: the criterion's metric, mAP, CMC@1, the strict same-class rate, and TAR at the threshold
 * that restores the operating FAR.
 * @param distances of the mapped queries to the matches of `judged.oldDistances`
 */
export async function judgeMapped(
  judged: JudgedQueries,
  query: Matrix,
  distances: MatchDistances,
  hooks: MeasureHooks,
): Promise<Pick<Remedy, 'estimated' | 'reachesCriterion'>> {
  const { input, setup, oldOld, oldDistances, plan } = judged;
  const { protocol } = input;
  const figures = await retrieveFromOld(judged, query, hooks);
  const threshold = restoringThreshold(judged, figures);
  const [epsilon = 0] = protocol.epsilons;
  const statistics = new QueryStatistics(plan);
  const matched = Float64Array.from(setup.matchCount, (count) => (count > 0 ? 1 : 0));
  const pairs = Float64Array.from(setup.matchCount);
  const before = registerCell(statistics, oldOld, matched, protocol.ks);
  const after = registerCell(statistics, figures.perQuery.get('newOld') as PerQuery, matched, protocol.ks);
  const violated = weighted(
    setup,
    distances,
    (distance, i, place) => distance > ((oldDistances[i] as Float64Array)[place] as number) + epsilon,
  );
  const rate = statistics.ratio(violated, pairs);
  const tar =
    threshold === null
      ? null
      : statistics.ratio(
          weighted(setup, distances, (distance) => distance <= threshold),
          pairs,
        );
  await statistics.resample(hooks);

  const cell = cellOf(
    statistics,
    after,
    matched.reduce((a, b) => a + b, 0),
  );
  const names = new Set<MetricName>([protocol.criterionMetric, 'map', 'cmc@1']);
  const estimated: Remedy['estimated'] = {};
  for (const name of names) {
    const estimate = cell[name];
    if (estimate) estimated[name] = estimate;
  }
  const estimate = (statistic: Statistic | null) => {
    const value = statistic === null ? null : statistics.value(statistic);
    return value === null ? null : { value, interval: statistics.interval(statistic as Statistic) };
  };
  const positiveRate = estimate(rate);
  if (positiveRate) estimated.positiveRate = positiveRate;
  const accepted = estimate(tar);
  if (accepted) estimated.tar = accepted;
  const [old, fresh] = [before, after].map(({ metrics }) => metrics.get(protocol.criterionMetric)) as [
    Statistic,
    Statistic,
  ];
  const difference = statistics.differenceInterval(fresh, old);
  return { estimated, reachesCriterion: difference === null ? null : difference[0] > 0 };
}

/** The figures of some of the queries that were measured. */
export function pickQueries(figures: PerQuery, queries: Int32Array): PerQuery {
  return {
    firstMatchRank: queries.map((query) => figures.firstMatchRank[query] as number),
    nearest: queries.map((query) => figures.nearest[query] as number),
    averagePrecision: Float64Array.from(queries, (query) => figures.averagePrecision[query] as number),
    mapAtR: Float64Array.from(queries, (query) => figures.mapAtR[query] as number),
    rPrecision: Float64Array.from(queries, (query) => figures.rPrecision[query] as number),
  };
}
