import type { AuditProtocol } from '../contract/protocol.ts';
import type { CellName, FlippedQuery, Flips, Interval } from '../contract/report.ts';
import type { AuditInput } from './auditInput.ts';
import { hitsAt } from './cells.ts';
import type { PairSetup } from './pairSetup.ts';
import type { PerQuery } from './retrieval.ts';
import type { QueryStatistics, Statistic } from './statistics.ts';
import { wilsonInterval } from './wilson.ts';

/** A flip is one of hit@k for this k. */
const FLIP_K = 1;
/** Flipped queries that are listed. */
const LISTED = 1000;

/** Registers the rates of `flipFigures`, negative and positive, for intervals over whatever is drawn. */
export function registerFlips(
  statistics: QueryStatistics,
  { setup, cells }: { setup: PairSetup; cells: ReadonlyMap<CellName, PerQuery> },
): { negative: Statistic; positive: Statistic } {
  const matched = Float64Array.from(setup.matchCount, (count) => (count > 0 ? 1 : 0));
  const before = hitsAt(cells.get('oldOld') as PerQuery, FLIP_K);
  const after = hitsAt(cells.get('newOld') as PerQuery, FLIP_K);
  return {
    negative: statistics.mean(
      before.map((hit, query) => hit * (1 - (after[query] as number))),
      matched,
    ),
    positive: statistics.mean(
      after.map((hit, query) => hit * (1 - (before[query] as number))),
      matched,
    ),
  };
}

/**
 * Flips of hit@1 from oldOld to newOld (positive-congruent training, Yan et al., CVPR 2021; metrics.md section 5).
 * Rates are shares of the queries with a match, null without such; a lower negative rate is better.
 * @param rows audited query rows: row of `input.queries` for each query of the setup
 * @param intervalOf of a rate that is `hits` of `queries`; Wilson's when left out
 * @returns the report's figures, and the queries that turned wrong, largest rank loss first, at most 1,000
 */
export function flipFigures(
  input: Pick<AuditInput, 'queries' | 'gallery'>,
  rows: Int32Array,
  measured: { setup: PairSetup; cells: ReadonlyMap<CellName, PerQuery> },
  protocol: Pick<AuditProtocol, 'bootstrap'>,
  intervalOf: (sign: 'negative' | 'positive', hits: number, queries: number) => Interval | null = (_, hits, queries) =>
    wilsonInterval(hits, queries, protocol.bootstrap.confidence),
): { figures: Flips; list: FlippedQuery[] } {
  const { setup } = measured;
  const oldOld = measured.cells.get('oldOld') as PerQuery;
  const newOld = measured.cells.get('newOld') as PerQuery;
  const turned: number[] = [];
  let matched = 0;
  let rightBefore = 0;
  let rightAfter = 0;
  let mended = 0;
  for (let query = 0; query < setup.queries; query++) {
    if (setup.matchCount[query] === 0) continue;
    const before = (oldOld.firstMatchRank[query] as number) <= FLIP_K;
    const after = (newOld.firstMatchRank[query] as number) <= FLIP_K;
    matched++;
    if (before) rightBefore++;
    if (after) rightAfter++;
    if (!before && after) mended++;
    if (before && !after) turned.push(query);
  }
  const loss = (query: number) => (newOld.firstMatchRank[query] as number) - (oldOld.firstMatchRank[query] as number);
  turned.sort((a, b) => loss(b) - loss(a) || a - b);

  const share = (count: number) => (matched === 0 ? null : count / matched);
  const negativeFlipRate = share(turned.length);
  // The rate of a new model whose errors fall on the old model's right and wrong queries alike.
  const expected = matched === 0 ? 0 : (rightBefore / matched) * (1 - rightAfter / matched);
  return {
    figures: {
      k: FLIP_K,
      negativeFlipRate,
      negativeFlipRateInterval: intervalOf('negative', turned.length, matched),
      positiveFlipRate: share(mended),
      positiveFlipRateInterval: intervalOf('positive', mended, matched),
      relativeNegativeFlipRate: negativeFlipRate === null || expected === 0 ? null : negativeFlipRate / expected,
      flippedQueries: turned.length,
    },
    list: turned.slice(0, LISTED).map((query) => {
      const { queries, gallery } = input;
      const item = rows[query] as number;
      const after = newOld.nearest[query] as number;
      return {
        query: queries.ids[item] as string,
        label: queries.classNames[queries.labelOf[item] as number] as string,
        before: gallery.ids[oldOld.nearest[query] as number] as string,
        after: gallery.ids[after] as string,
        afterLabel: gallery.classNames[gallery.labelOf[after] as number] as string,
        rankAfter: newOld.firstMatchRank[query] as number,
      };
    }),
  };
}
