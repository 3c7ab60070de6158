import { createRandom } from '../../numeric/random.ts';
import type { AuditInput } from '../auditInput.ts';
import { distanceBetween } from '../distance.ts';
import type { PairSetup } from '../pairSetup.ts';
import { formFor, loadMatrix, type Matrix } from '../vectors.ts';

/** Same-class gallery items that are looked at of each query: their share is what counts, not their number. */
const MOST_MATCHES = 50;
/** Gallery values held at once: 32 MB. */
const BLOCK_VALUES = 8_388_608;

/** Distances of queries to some of their matches, one list a query, by position alike in all versions. */
export type MatchDistances = Float64Array[];

/**
 * Distances of each query, in several versions of its vector, to at most 50 of its matches in the old gallery
 * (seeded; all where there are no more).
 * @param versions matrices of one shape, row i for query i of the setup
 * @returns for each version one array a query
 */
export async function matchDistances(
  { vectors, protocol }: AuditInput,
  setup: PairSetup,
  versions: readonly Matrix[],
): Promise<MatchDistances[]> {
  const random = createRandom(protocol.seed, 'same-class pairs');
  const matches: Int32Array[] = [];
  setup.queryLabel.forEach((label, query) => {
    const all = setup.classRows.subarray(setup.classStart[label] as number, setup.classStart[label + 1] as number);
    const others = all.filter((row) => row !== setup.selfOf[query]);
    matches.push(others.length <= MOST_MATCHES ? others : random.shuffle(others).slice(0, MOST_MATCHES));
  });
  const result = versions.map(() => matches.map((rows) => new Float64Array(rows.length)));
  // In the order of the gallery, so that its rows are read in runs, each once.
  const wanted = matches.flatMap((rows, query) => Array.from(rows, (row, place) => ({ row, query, place })));
  wanted.sort((a, b) => a.row - b.row);
  const form = formFor(protocol.distance, vectors.oldGallery.dimension);
  const most = Math.max(1, Math.floor(BLOCK_VALUES / form.columns));
  for (let start = 0; start < wanted.length; ) {
    const rows: number[] = [];
    let end = start;
    while (end < wanted.length && (rows.length < most || rows.at(-1) === wanted[end]?.row)) {
      const { row } = wanted[end++] as { row: number };
      if (rows.at(-1) !== row) rows.push(row);
    }
    const gallery = await loadMatrix(vectors.oldGallery, form, Int32Array.from(rows));
    let at = 0;
    for (const { row, query, place } of wanted.slice(start, end)) {
      while (rows[at] !== row) at++;
      versions.forEach((version, v) => {
        const into = (result[v] as MatchDistances)[query] as Float64Array;
        into[place] = distanceBetween(protocol.distance, version, query, gallery, at);
      });
    }
    start = end;
  }
  return result;
}

/** Share of a query's looked-at matches for which `holds`, times all its matches: the numerator of a rate over pairs. */
export function weighted(
  setup: PairSetup,
  distances: MatchDistances,
  holds: (distance: number, query: number, place: number) => boolean,
): Float64Array {
  return Float64Array.from(distances, (list, query) => {
    if (list.length === 0) return 0;
    let count = 0;
    list.forEach((distance, place) => {
      if (holds(distance, query, place)) count++;
    });
    return (count / list.length) * (setup.matchCount[query] as number);
  });
}
