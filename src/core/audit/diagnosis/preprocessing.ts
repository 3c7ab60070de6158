import { number, percent } from '../../contract/format.ts';
import type { Diagnosis } from '../../contract/report.ts';
import { isCollapsed } from './collapsedDimensions.ts';
import type { CauseEvidence } from './evidence.ts';
import { exchangesOf } from './labelMap.ts';
import { isOffset } from './offset.ts';
import { isRotated } from './rotation.ts';

/** Across the models hits fall below this share of what either reaches by itself; models that are aligned, however loosely, stay well above. */
const LOST = 0.5;
/** Items a component that a rotation must have been fitted on, before its failure says anything. */
const ITEMS_PER_COMPONENT = 5;
/** Cosine of the two mean vectors from which the same network seems to be behind both. */
const SAME_NETWORK = 0.5;

/**
 * Whether each model ranks well by itself, yet not across, and neither rotation nor offset nor anything else that
 * was looked for explains it: most often one network that was fed in two ways. Another network that is fed wrongly
 * cannot be told from one that is fed rightly by its vectors alone.
 */
export function preprocessingCause(all: CauseEvidence): Diagnosis {
  const { spread, classes, rotationItems } = all;
  const hits = classes?.hits ?? null;
  const { rotated } = spread.alignment;
  const evidence = {
    nearestClassMean: hits,
    correlationDirect: spread.alignment.direct,
    correlationRotated: rotated,
    cosineOfMeans: spread.cosineOfMeans,
    limits: { shareOfOwn: LOST, itemsPerComponent: ITEMS_PER_COMPONENT, cosineOfMeans: SAME_NETWORK },
  };
  const not = (message: string): Diagnosis => ({ code: 'preprocessing', found: false, message, evidence });
  if (hits === null) return not('Not looked for: it needs labels, and classes with at least 3 items.');
  const own = Math.min(hits.oldOld, hits.newNew);
  const figures = `${percent(hits.newOld)} of new queries are nearest to their own class in the old space, where each model reaches ${percent(hits.oldOld)} (old) and ${percent(hits.newNew)} (new) by itself`;
  if (hits.newOld >= LOST * own) return not(`No sign of it: ${figures}.`);
  if (isRotated(spread) || isOffset(all) || isCollapsed(all) || exchangesOf(all).length > 0) {
    return not(`${figures[0]?.toUpperCase()}${figures.slice(1)}, which another cause explains.`);
  }
  if (rotated === null || (rotationItems ?? 0) < ITEMS_PER_COMPONENT * spread.old.components) {
    return not('Not looked for: a rotation could not be ruled out, which needs equal lengths and more items.');
  }
  const same = (spread.cosineOfMeans ?? 0) >= SAME_NETWORK;
  const hint = same
    ? `The mean vectors still point the same way (cosine ${number(spread.cosineOfMeans)}), as when one network is fed in two ways: compare channel order, value range, mean and standard deviation, size and cropping of both.`
    : 'Compare the preprocessing of both models; if they are right, the models are unrelated, and only training for compatibility or a backfill helps.';
  const message = `Each model ranks well by itself but not across, and no rotation (correlation ${number(rotated)}, directly ${number(spread.alignment.direct)}) or offset explains it: ${figures}. ${hint}`;
  return { code: 'preprocessing', found: true, message, evidence };
}
