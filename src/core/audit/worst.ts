import type { FlippedQuery, Worst, WorstPair } from '../contract/report.ts';
import type { AuditInput } from './auditInput.ts';
import type { PairDifference } from './inequalities.ts';
import type { MeasuredPair } from './measurePair.ts';

const HUBS = 100;

/**
 * The worst of everything, by name (metrics.md section 10).
 * @param rows audited query rows, as `measurePair` got them
 */
export function worstOf(
  { queries, gallery }: Pick<AuditInput, 'queries' | 'gallery'>,
  rows: Int32Array,
  { inequalities }: Pick<MeasuredPair, 'inequalities'>,
  flippedQueries: FlippedQuery[],
): Worst {
  const named = (pair: PairDifference): WorstPair => {
    const query = rows[pair.query] as number;
    return {
      query: queries.ids[query] as string,
      gallery: gallery.ids[pair.gallery] as string,
      queryLabel: queries.classNames[queries.labelOf[query] as number] as string,
      galleryLabel: gallery.classNames[gallery.labelOf[pair.gallery] as number] as string,
      oldDistance: pair.oldDistance,
      newDistance: pair.newDistance,
    };
  };
  return {
    positivePairs: inequalities.worst.positive.map(named),
    negativePairs: inequalities.worst.negative.map(named),
    flippedQueries,
    hubs: hubsOf(inequalities.byItem ?? new Float64Array(0), gallery.ids),
    classPairs: inequalities.classPairs.map(({ sign, queryClass, galleryClass, pairs, violations, severity }) => ({
      queryLabel: gallery.classNames[queryClass] as string,
      galleryLabel: gallery.classNames[galleryClass] as string,
      sign,
      pairs,
      rate: violations / pairs,
      severity,
    })),
  };
}

/** The gallery items in most violations, whichever the sign; ties by gallery row. */
function hubsOf(violations: Float64Array, ids: readonly string[]): Worst['hubs'] {
  const counts = violations.slice().sort().reverse();
  // All rows that could be among the first: fewer to sort than a million.
  const least = Math.max(1, counts[HUBS - 1] ?? 1);
  const rows: number[] = [];
  violations.forEach((count, row) => {
    if (count >= least) rows.push(row);
  });
  return rows
    .sort((a, b) => (violations[b] as number) - (violations[a] as number) || a - b)
    .slice(0, HUBS)
    .map((row) => ({ gallery: ids[row] as string, violations: violations[row] as number }));
}
