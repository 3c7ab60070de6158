/** Sentences about thresholds: what a service that compares distances with a limit would notice. */
import type { Phrase } from './findings.ts';
import { cellLabels, counted, inWords, NO_FIGURE, number, percent } from './format.ts';
import type {
  CellName,
  ConsequentialViolations,
  Report,
  ThresholdAtFar,
  ThresholdState,
  ThresholdTransfer,
} from './report.ts';

/** What is said of thresholds is made from these parts of a report. */
export interface ThresholdSource {
  verdict: Pick<Report['verdict'], 'thresholds'>;
  verification: Report['verification'];
  protocol: Pick<Report['protocol'], 'operatingFar'>;
  data: Pick<Report['data'], 'positivePairs' | 'negativePairs' | 'labelled'>;
}

/** A false accept rate as people say it: `1 %`, `0.01 %`. */
export function farText(far: number): string {
  return percent(far, 4);
}

/** Rates come from a config and from powers of ten: equal but for binary rounding. */
export function atFar<Row extends { far: number }>(rows: readonly Row[] | null | undefined, far: number): Row | null {
  return rows?.find((row) => Math.abs(row.far - far) <= 1e-9 * far) ?? null;
}

/** What the old threshold does to new queries at the verdict's FAR; null where that was not measured. */
export function operatingTransfer(
  report: Pick<ThresholdSource, 'verification' | 'protocol'>,
): ThresholdTransfer | null {
  return atFar(report.verification?.transfer.newOld, report.protocol.operatingFar);
}

export function thresholdOf(
  report: Pick<ThresholdSource, 'verification'>,
  cell: CellName,
  far: number,
): ThresholdAtFar | null {
  return atFar(report.verification?.cells[cell], far);
}

export function consequentialAt(
  report: Pick<ThresholdSource, 'verification'>,
  far: number,
): ConsequentialViolations | null {
  return atFar(report.verification?.consequential, far);
}

/** Most of the FAR asked for, and least of the old TAR, at which a threshold still counts as kept (metrics.md section 4). */
const FAR_SLACK = 1.5;
export const TAR_SLACK = 0.02;

/** What the verdict says of its own FAR, said of any: does the old threshold hold in a cell, would another one? */
export function transferState(transfer: ThresholdTransfer, oldTar: number | null): ThresholdState | null {
  const { far, farAtOldThreshold, tarAtOldThreshold, tarAtRestoringThreshold } = transfer;
  if (oldTar === null || farAtOldThreshold === null || tarAtOldThreshold === null) return null;
  if (farAtOldThreshold <= FAR_SLACK * far && tarAtOldThreshold >= oldTar - TAR_SLACK) return 'kept';
  if (tarAtRestoringThreshold === null) return 'broken';
  return tarAtRestoringThreshold >= oldTar - TAR_SLACK ? 'restorable' : 'broken';
}

/** Why there are no thresholds at the verdict's FAR, as a sentence. */
export function whyNoThresholds(report: ThresholdSource): string {
  const { data, protocol, verification } = report;
  if (data.labelled === false) return 'Without labels no pair is known to be right or wrong.';
  if (data.positivePairs === 0) return 'There are no same-class pairs.';
  const asked = verification ? protocol.operatingFar : 0.1;
  if (data.negativePairs * asked < 10)
    return `A threshold at a false accept rate of ${farText(asked)} needs ${counted(Math.ceil(10 / asked), 'different-class pair')}; this audit has ${counted(data.negativePairs, 'different-class pair')}.`;
  return verification
    ? `No threshold has a false accept rate of at most ${farText(asked)}: too many different-class pairs are equal.`
    : 'This report holds no thresholds; audit the pair again to measure them.';
}

/** The one sentence of the thresholds. */
export function thresholdsSentence(report: ThresholdSource): Phrase[] {
  const found = operatingTransfer(report);
  const state = report.verdict.thresholds;
  if (!found || state === null)
    return [{ text: 'Thresholds were not measured', strong: true }, { text: `. ${whyNoThresholds(report)}` }];
  const oldTar = thresholdOf(report, 'oldOld', found.far)?.tar ?? null;
  const standing = `accepts ${percent(found.tarAtOldThreshold)} of same-class pairs of new queries, ${percent(oldTar)} of old ones`;
  switch (state) {
    case 'kept':
      return [
        { text: 'The old threshold holds', strong: true },
        {
          text: `: ${number(found.oldThreshold)} ${standing}, and ${percent(found.farAtOldThreshold, 3)} of different-class pairs where ${farText(found.far)} was allowed.`,
        },
      ];
    case 'restorable':
      return [
        { text: 'The threshold must move', strong: true },
        {
          text: ` from ${number(found.oldThreshold)} to ${number(found.restoringThreshold)}: the old one ${standing}; moved, it accepts ${percent(found.tarAtRestoringThreshold)}.`,
        },
      ];
    case 'broken':
      return [
        { text: 'No threshold restores verification', strong: true },
        {
          text: `: the old one, ${number(found.oldThreshold)}, ${standing}; the best of the same false accept rate, ${number(found.restoringThreshold)}, accepts ${percent(found.tarAtRestoringThreshold)}.`,
        },
      ];
  }
}

/** What the verdict's sentence says of thresholds: "thresholds must move from .31 to .62". */
export function thresholdPhrases(report: ThresholdSource): Phrase[] {
  const found = operatingTransfer(report);
  switch (found && report.verdict.thresholds) {
    case 'kept':
      return [{ text: 'the old threshold holds', strong: true }, { text: ` (${number(found?.oldThreshold)})` }];
    case 'restorable':
      return [
        { text: 'thresholds must move', strong: true },
        { text: ` from ${number(found?.oldThreshold)} to ${number(found?.restoringThreshold)}` },
      ];
    case 'broken': {
      const before = found && thresholdOf(report, 'oldOld', found.far)?.tar;
      return [
        { text: 'no threshold restores verification', strong: true },
        { text: ` (TAR ${number(found?.tarAtRestoringThreshold)} at best, ${number(before)} before)` },
      ];
    }
    case null:
      return [{ text: 'thresholds were not measured' }];
  }
}

/** "The old threshold holds at none of four false accept rates; another one would at all four". */
export function transferTitle(report: Report, cell: 'newOld' | 'newNew' = 'newOld'): string {
  const states = (report.verification?.transfer[cell] ?? [])
    .map((entry) => transferState(entry, thresholdOf(report, 'oldOld', entry.far)?.tar ?? null))
    .filter((state) => state !== null);
  const total = states.length;
  if (total === 0) return 'No threshold was measured';
  const kept = states.filter((state) => state === 'kept').length;
  const broken = states.filter((state) => state === 'broken').length;
  const rates = total === 1 ? 'the one false accept rate' : `${inWords(total)} false accept rates`;
  if (kept === total) return `The old threshold holds at ${total === 1 ? rates : `all ${rates}`}`;
  const lead =
    total === 1
      ? `The old threshold does not hold at ${rates}`
      : `The old threshold holds at ${kept === 0 ? 'none' : inWords(kept)} of ${rates}`;
  const lost = total - kept;
  const moved = lost - broken;
  if (broken === lost) return `${lead}, and no other one would`;
  if (moved === lost) return `${lead}; moved, it would`;
  return `${lead}; moved, it would at ${inWords(moved)}${kept > 0 ? ' more' : ''}`;
}

/** "At FAR 1 % new/old accepts 45.3 % of same-class pairs, old/old 28.7 %". */
export function rocTitle(report: Report): string {
  const { operatingFar } = report.protocol;
  const far = operatingTransfer(report)?.far ?? report.verification?.far[0] ?? operatingFar;
  const said = (['newOld', 'oldOld', 'newNew'] as const).flatMap((cell) => {
    const tar = thresholdOf(report, cell, far)?.tar ?? null;
    return tar === null ? [] : [`${cellLabels[cell]} ${percent(tar)}`];
  });
  if (said.length === 0) return 'Same-class pairs accepted, by false accept rate';
  return `Each at its own threshold for FAR ${farText(far)}: ${said.join(', ')} of same-class pairs accepted`;
}

/** A share as so many of a thousand: `287`, `21`, `1.8`, `.04`. */
export function perThousand(share: number | null | undefined): string {
  if (typeof share !== 'number') return NO_FIGURE;
  if (share === 0) return '0';
  return number(share * 1000, share >= 0.00995 ? 0 : 1).replace(/\.0$/, '');
}

/** "Old threshold: 287 of 1,000 same-class pairs newly refused, 0 of 1,000 different-class pairs newly accepted". */
export function consequentialTitle(report: Report): string {
  const far = operatingTransfer(report)?.far ?? report.verification?.far[0];
  const found = far === undefined ? null : consequentialAt(report, far);
  if (!found) return 'What the old threshold would decide otherwise';
  const { newFalseAccepts, newFalseRejects } = found;
  if (newFalseAccepts === 0 && newFalseRejects === 0) return 'The old threshold would make no new mistakes';
  return `Old threshold: ${perThousand(newFalseRejects)} of 1,000 same-class pairs newly refused, ${perThousand(newFalseAccepts)} of 1,000 different-class pairs newly accepted`;
}
