import { count, counted, number } from '../../contract/format.ts';
import type { Diagnosis } from '../../contract/report.ts';
import type { CauseEvidence } from './evidence.ts';

/** Below, the criterion is undecided whatever the interval (metrics.md section 4). */
const FEWEST = 30;
/** Half width of the difference's interval beyond which an undecided outcome is for want of queries, not of a difference. */
const HALF_WIDTH = 0.05;

/** Whether the audit has too few queries to tell a difference that matters. */
export function fewQueriesCause({ ranking }: CauseEvidence): Diagnosis {
  const evidence = {
    matchedQueries: ranking?.matchedQueries ?? null,
    intervalHalfWidth: ranking?.halfWidth ?? null,
    limits: { matchedQueries: FEWEST, intervalHalfWidth: HALF_WIDTH },
  };
  if (ranking === null) {
    const message = 'Not looked for: without labels ranking is not judged.';
    return { code: 'few-queries', found: false, message, evidence };
  }
  const { matchedQueries, state, halfWidth } = ranking;
  const few = matchedQueries < FEWEST;
  const wide = state === 'undecided' && halfWidth !== null && halfWidth > HALF_WIDTH;
  const known = halfWidth === null ? '' : `, the difference is known to within ${number(halfWidth)}`;
  const queries = counted(matchedQueries, 'query with a match', 'queries with a match');
  const message =
    few || wide
      ? `There are too few queries to decide: ${queries}${known}. ${few ? `Give at least ${count(FEWEST)}, better some hundreds` : 'Give more of them'}.`
      : `Enough queries: ${queries}${known}.`;
  return { code: 'few-queries', found: few || wide, message, evidence };
}
