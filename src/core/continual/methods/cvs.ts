import type { SessionMethodOptions } from '../../contract/sessions.ts';
import type { Head } from '../../training/heads/head.ts';
import { dataCoherenceTerm, modelCoherenceTerm } from '../../training/objectives/coherence.ts';
import type { ObjectiveTerm } from '../../training/objectives/term.ts';
import { centresByLength } from '../centresByLength.ts';
import { plainOptions, type SessionMethod, type SessionsBefore } from './sessionMethod.ts';

/** Continual learning for visual search: model and data coherence with what is stored (continual.md, "Losses"). */
export const cvs: SessionMethod = {
  defaults: { ...plainOptions, alpha: 10, beta: 1, form: 'paper', replay: 'images' },
  isJoint: false,
  terms: coherenceTerms,
};

/**
 * alpha L_m + beta L_d. Where galleries are of several lengths, each class is held to its centre in the components that all
 * galleries with it have.
 */
export function coherenceTerms(
  { alpha, beta, form }: SessionMethodOptions,
  head: Head,
  { space, galleries, stored }: SessionsBefore,
): ObjectiveTerm[] {
  const terms: ObjectiveTerm[] = [];
  if (alpha !== null && alpha > 0) terms.push(modelCoherenceTerm(space, alpha, stored));
  if (beta === null || beta === 0) return terms;
  const centres = centresByLength(galleries, head.classNames.length, form === 'code' ? 'items' : 'sessions');
  const { newDimension } = space;
  for (const means of centres) {
    const { dimension } = means;
    const rule = dimension === newDimension ? 'equal' : 'slice';
    const part = centres.length === 1 ? null : dimension;
    terms.push(dataCoherenceTerm({ rule, oldDimension: dimension, newDimension }, means, beta, form ?? 'paper', part));
  }
  return terms;
}
