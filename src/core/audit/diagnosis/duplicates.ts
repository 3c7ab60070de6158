import { count, percent, visibleText } from '../../contract/format.ts';
import type { Diagnosis } from '../../contract/report.ts';
import type { CauseEvidence } from './evidence.ts';
import { SAME_VECTOR } from './nearDuplicates.ts';

/** A pair of equal items happens in any collection; from this share of queries on, figures are flattered. */
const SHARE = 0.01;
const FEWEST = 2;

/** Whether queries are in the gallery under other ids: then the first hit is the query itself. */
export function duplicatesCause({ duplicates }: CauseEvidence): Diagnosis {
  const { queries, duplicated, examples } = duplicates;
  const share = queries === 0 ? 0 : duplicated / queries;
  const evidence = {
    queries,
    duplicated,
    examples,
    limits: { share: SHARE, queries: FEWEST, relativeSquaredDistance: SAME_VECTOR },
  };
  const found = duplicated >= FEWEST && share >= SHARE;
  const [first] = examples;
  const such = first ? ` (such as "${visibleText(first.query)}" and "${visibleText(first.gallery)}")` : '';
  const message = found
    ? `${count(duplicated)} of ${count(queries)} sampled queries (${percent(share)}) have a gallery item with the same old vector under another id${such}: they find themselves, and both models look better than they are. Remove the copies, or give an item one id in both sets.`
    : `${duplicated === 0 ? 'None' : count(duplicated)} of ${count(queries)} sampled queries ${duplicated === 1 ? 'has' : 'have'} the same old vector as a gallery item of another id${duplicated > 0 ? such : ''}.`;
  return { code: 'duplicates', found, message, evidence };
}
