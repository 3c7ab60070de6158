import { number } from '../../contract/format.ts';
import type { Diagnosis } from '../../contract/report.ts';
import type { CauseEvidence } from './evidence.ts';

/** Ratio of spreads from which scale is a cause: models of one kind stay well within it, whatever their noise. */
const RATIO = 2;

/** Whether new vectors are longer or shorter than old ones, where the distance minds: cosine does not. */
export function scaleCause({ spread, distance }: CauseEvidence): Diagnosis {
  const ratio = spread.old.spread > 0 && spread.new.spread > 0 ? spread.new.spread / spread.old.spread : null;
  const evidence = {
    spreadRatio: ratio,
    medianLengthOld: spread.old.medianLength,
    medianLengthNew: spread.new.medianLength,
    limits: { spreadRatio: [1 / RATIO, RATIO] },
  };
  const lengths = `median length ${number(spread.new.medianLength)}, the old ones ${number(spread.old.medianLength)}`;
  if (distance === 'cosine' || ratio === null) {
    const message = `No matter here: cosine compares directions only (new vectors have ${lengths}).`;
    return { code: 'scale', found: false, message, evidence };
  }
  const found = ratio >= RATIO || ratio <= 1 / RATIO;
  const figures = `they spread ${number(ratio)} times as widely (${lengths})`;
  const message = found
    ? `New vectors are on another scale: ${figures}, so every distance changes with it. Bring both models' vectors to unit length, use cosine, or divide the new ones by that ratio.`
    : `No other scale: ${figures}.`;
  return { code: 'scale', found, message, evidence };
}
