import type { SessionMethodOptions } from '../../contract/sessions.ts';
import type { ObjectiveTerm } from '../../training/objectives/term.ts';
import { weightPenaltyTerm } from '../../training/objectives/weightPenalty.ts';
import { plainOptions, type SessionMethod, type SessionsBefore } from './sessionMethod.ts';

/** Elastic weight consolidation (Kirkpatrick et al., PNAS 2017): weights that mattered to earlier sessions are held. */
export const ewc: SessionMethod = { defaults: { ...plainOptions, ewc: 100 }, isJoint: false, terms: () => [] };

/** Its penalty, which any method may have. */
export function consolidationTerms(
  { ewc: strength }: SessionMethodOptions,
  { memory }: SessionsBefore,
): ObjectiveTerm[] {
  return strength === null || strength === 0 || memory === null ? [] : [weightPenaltyTerm(memory, strength)];
}
