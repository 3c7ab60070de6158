import { number, percent, signed } from '../../contract/format.ts';
import type { Diagnosis } from '../../contract/report.ts';
import type { ClassHits } from './classMeans.ts';
import type { CauseEvidence } from './evidence.ts';
import { isRotated } from './rotation.ts';

/** Distance between the means, in old spreads, from which an offset is a cause: sampling moves a mean by some .05. */
const SHIFT = 0.4;
/** Loss of hits that centring may leave. */
const LEFT = 0.05;
/** Without labels: correlation of centred vectors from which the offset alone stands between them. */
const ALIGNED = 0.7;

/** Whether the new vectors lie aside by one common vector, and are in place once both sides are centred. */
export function offsetCause({ spread, classes, distance }: CauseEvidence): Diagnosis {
  const { meanShift, alignment } = spread;
  const hits = classes?.hits ?? null;
  const evidence = {
    meanShift,
    distanceShift: spread.distanceShift,
    cosineOfMeans: spread.cosineOfMeans,
    meanLengthOld: spread.old.meanLength,
    meanLengthNew: spread.new.meanLength,
    correlationCentred: alignment.direct,
    nearestClassMean: hits && { oldOld: hits.oldOld, newOld: hits.newOld, centred: hits.centred },
    correlationRotated: alignment.rotated,
    limits: {
      meanShift: SHIFT,
      lossAfterCentring: LEFT,
      correlationCentredWithoutLabels: ALIGNED,
    },
  };
  const where = distance === 'cosine' ? ' (of unit vectors)' : '';
  const figures = `the mean new vector${where} lies ${number(meanShift)} old spreads from the mean old one`;
  const found = isOffset({ spread, classes });
  if (!found) {
    const rest = meanShift >= SHIFT ? ', but that is not all that stands between them' : '';
    return { code: 'offset', found, message: `No offset: ${figures}${rest}.`, evidence };
  }
  const moved = spread.distanceShift === null ? '' : ` by ${signed(spread.distanceShift)} on average`;
  if (hits !== null && !isHurt(hits)) {
    const message = `New vectors are offset by one common vector: ${figures}. Ranking does not suffer from it (${percent(hits.newOld)} of queries are nearest to their own class in the old space), but it moves every distance across the models${moved}: what a threshold decided does not hold.`;
    return { code: 'offset', found, message, evidence };
  }
  const gain =
    hits === null
      ? `centred, vectors of an item correlate by ${number(alignment.direct)}`
      : `centred, ${percent(hits.centred)} of queries are nearest to their own class in the old space, as they are ${percent(hits.newOld)}`;
  const message = `New vectors are offset by one common vector: ${figures}; ${gain}. Subtract the new mean and add the old one before searching, and choose thresholds anew: every distance across the models has moved${moved}.`;
  return { code: 'offset', found, message, evidence };
}

/** Ranking suffers across the models, measured by what either reaches by itself. */
function isHurt({ oldOld, newOld, newNew }: ClassHits): boolean {
  return newOld < Math.min(oldOld, newNew) - LEFT;
}

export function isOffset({ spread, classes }: Pick<CauseEvidence, 'spread' | 'classes'>): boolean {
  const { direct, rotated } = spread.alignment;
  if (spread.meanShift < SHIFT || isRotated(spread)) return false;
  const hits = classes?.hits;
  if (!hits) return direct >= ALIGNED;
  // What only lies aside has nothing to gain from a held-out rotation: it loses by what the fit costs.
  if (isHurt(hits) && rotated !== null && rotated > direct) return false;
  return hits.centred >= Math.min(hits.oldOld, hits.newNew) - LEFT;
}
