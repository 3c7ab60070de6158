import type { SessionMethodOptions } from '../../contract/sessions.ts';
import { distillationTerm } from '../../training/objectives/influence.ts';
import type { ObjectiveTerm } from '../../training/objectives/term.ts';
import { plainOptions, type SessionMethod, type SessionsBefore } from './sessionMethod.ts';

const TEMPERATURE = 2;

/** Learning without forgetting (Li and Hoiem, ECCV 2016): new items keep what the head before says of them. */
export const lwf: SessionMethod = { defaults: { ...plainOptions, lwf: 1 }, isJoint: false, terms: () => [] };

/** Its loss, which any method may have: `lwf` times the cross-entropy of the head before on the old and on the new vector, temperature 2. */
export function forgettingTerms(
  { lwf: weight }: SessionMethodOptions,
  { head, space }: SessionsBefore,
): ObjectiveTerm[] {
  if (weight === null || weight === 0) return [];
  return [{ ...distillationTerm(head, space, weight, TEMPERATURE), name: 'distillation' }];
}
