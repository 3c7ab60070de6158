import type { SessionMethodName, SessionMethodOptions } from '../../contract/sessions.ts';
import type { Head } from '../../training/heads/head.ts';
import { classificationTerm } from '../../training/objectives/classification.ts';
import type { Objective } from '../../training/objectives/objective.ts';
import { composeObjective } from '../../training/objectives/term.ts';
import { bct } from './bct.ts';
import { cvs } from './cvs.ts';
import { consolidationTerms, ewc } from './ewc.ts';
import { expansion } from './expansion.ts';
import { fineTuning } from './fineTuning.ts';
import { joint } from './joint.ts';
import { forgettingTerms, lwf } from './lwf.ts';
import type { SessionMethod, SessionsBefore } from './sessionMethod.ts';

export const sessionMethods: Readonly<Record<SessionMethodName, SessionMethod>> = {
  'fine-tuning': fineTuning,
  bct,
  cvs,
  lwf,
  ewc,
  expansion,
  joint,
};

/**
 * The loss of one session of a method: the head's own, what the method adds, and consolidation and distillation where its options
 * ask for them.
 * @param head of this session, grown, before its first step; labels of a batch are its rows
 * @param before null for a session that goes on from nothing: the first, and every one of `joint`
 */
export function sessionObjective(
  method: SessionMethodName,
  options: SessionMethodOptions,
  head: Head,
  before: SessionsBefore | null,
): Objective {
  const added =
    before === null
      ? []
      : [
          ...sessionMethods[method].terms(options, head, before),
          ...forgettingTerms(options, before),
          ...consolidationTerms(options, before),
        ];
  return composeObjective(method, [classificationTerm(head), ...added]);
}
