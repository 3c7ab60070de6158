import { number, percent } from '../../contract/format.ts';
import type { Diagnosis } from '../../contract/report.ts';
import type { CauseEvidence } from './evidence.ts';

/** Correlation that the rotated vectors must reach: unrelated ones stay below .05 when held out. */
const ALIGNED = 0.1;
/** Direct correlation below this share of the rotated one: what is aligned loses by a held-out rotation, it never gains threefold. */
const TURNED = 1 / 3;
/** Share of a vector's typical length from which the mean shows a direction, and cosine of both means that says they kept it. */
const LONG_MEAN = 0.5;
const SAME_MEAN = 0.95;

/** Whether the new space is the old one turned: what a held-out rotation aligns, though directly it is not. */
export function rotationCause({ spread, classes, rotationItems }: CauseEvidence): Diagnosis {
  const { direct, rotated } = spread.alignment;
  const evidence = {
    correlationDirect: direct,
    correlationRotated: rotated,
    cosineOfMeans: spread.cosineOfMeans,
    nearestClassMean: classes?.hits?.newOld ?? null,
    nearestClassMeanRotated: classes?.hits?.rotated ?? null,
    fittedItems: rotationItems,
    limits: { correlationRotated: ALIGNED, directShareOfRotated: TURNED, cosineOfMeans: SAME_MEAN },
  };
  if (rotated === null) {
    const message =
      'Not looked for: a rotation needs vectors of equal length and at least as many items with both vectors as components.';
    return { code: 'rotation', found: false, message, evidence };
  }
  const figures = `directly old and new vectors of an item correlate by ${number(direct)}, after the rotation that fits other items best by ${number(rotated)}`;
  const found = isRotated(spread);
  if (!found) {
    return { code: 'rotation', found, message: `No rotation: ${figures}.`, evidence };
  }
  const hits = classes?.hits;
  const gain =
    hits && hits.rotated !== null
      ? `; ${percent(hits.rotated)} of queries are then nearest to their own class in the old space, without it ${percent(hits.newOld)}`
      : '';
  const message = `The new space is turned against the old one, as spaces of separately trained models are: ${figures}${gain}. Rotate new queries with a fitted matrix, or train the new model for compatibility.`;
  return { code: 'rotation', found, message, evidence };
}

/** A rotation turns the mean as well: where both means are long and point the same way, the space is not turned. */
export function isRotated({ alignment, cosineOfMeans, old, new: next }: CauseEvidence['spread']): boolean {
  const { direct, rotated } = alignment;
  if (rotated === null || rotated < ALIGNED || direct >= TURNED * rotated) return false;
  const long = [old, next].every(({ meanLength, spread }) => meanLength >= LONG_MEAN * Math.hypot(meanLength, spread));
  return !(long && (cosineOfMeans ?? 0) >= SAME_MEAN);
}
