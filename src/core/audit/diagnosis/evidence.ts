import type { DimensionRule, Distance, RankingState } from '../../contract/report.ts';
import type { ClassEvidence } from './classMeans.ts';
import type { DuplicateEvidence } from './nearDuplicates.ts';
import type { SpreadEvidence } from './spread.ts';

/** What the causes are decided on: figures of a sample of queries, measured once. */
export interface CauseEvidence {
  distance: Distance;
  rule: DimensionRule;
  /** Sampled queries. */
  queries: number;
  spread: SpreadEvidence;
  /** Items that the rotation was fitted on; null where none could be. */
  rotationItems: number | null;
  /** null without labels. */
  classes: ClassEvidence | null;
  duplicates: DuplicateEvidence;
  /** null without labels. */
  ranking: { matchedQueries: number; state: RankingState; halfWidth: number | null } | null;
}
