import type { Interval } from '../contract/report.ts';
import { fullGain } from './criterion.ts';

/** One metric M of the cells that the scores compare. */
export interface AdvBctInput {
  oldOld: number;
  newOld: number;
  newNew: number;
  /** Of the paragon's own queries and gallery. */
  paragon: number;
  /** Of `paragon - oldOld`, paired. */
  paragonGainInterval: Interval | null;
}

/**
 * The scores of AdvBCT (Pan et al., CVPR 2023; metrics.md section 4), each in 0 ... 1, more is better:
 * `comp` of the cross test, .5 where it equals the old model; `up` of the new model alone, .5 where it equals the
 * paragon; `one` their harmonic mean.
 * @returns `comp` null as the update gain, `up` null for a paragon at 0, `one` null with either
 */
export function advBctScores(input: AdvBctInput): { comp: number | null; up: number | null; one: number | null } {
  const { oldOld, newOld, newNew, paragon } = input;
  const gain = fullGain(oldOld, paragon, input.paragonGainInterval);
  const comp = gain === null ? null : sigmoid((newOld - oldOld) / gain);
  const up = paragon > 0 ? sigmoid((newNew - paragon) / paragon) : null;
  return { comp, up, one: comp === null || up === null ? null : (2 * comp * up) / (comp + up) };
}

function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}
