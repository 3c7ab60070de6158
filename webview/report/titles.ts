/**
 * Words of this page only: titles of its tables and the names of its drawings, which say their figures to people
 * who do not see them. Everything that other views say too is in `src/core/contract/findings.ts`.
 */
import { classState } from '../../src/core/contract/findings.ts';
import {
  cellLabels,
  count,
  inWords,
  metricLabel,
  number,
  percent,
  sentence,
  visibleText,
} from '../../src/core/contract/format.ts';
import { backfillOrderWords } from '../../src/core/contract/migrationFindings.ts';
import {
  backfillOrders,
  type CellName,
  type ClassEntry,
  cellNames,
  type GateResult,
  type Report,
  type SignedHistogram,
  type SignedViolations,
  type WorstClassPair,
} from '../../src/core/contract/report.ts';
import { farText, thresholdOf } from '../../src/core/contract/thresholdFindings.ts';

/** Cells that have a CMC curve, in the order of their names. */
export function cellsWithCmc(report: Report): CellName[] {
  return cellNames.filter((cell) => (report.curves.cmc[cell]?.length ?? 0) > 0);
}

export function cmcLabel(report: Report): string {
  const parts = cellsWithCmc(report).map((cell) => {
    const curve = report.curves.cmc[cell] ?? [];
    return `${cellLabels[cell]} ${number(curve[0])} at 1, ${number(curve[curve.length - 1])} at ${curve.length}`;
  });
  return `CMC, share of queries with a right item among the k nearest: ${parts.join('; ')}.`;
}

export function rocLabel(report: Report): string {
  const rates = report.verification?.far ?? [];
  const parts = cellNames.flatMap((cell) => {
    const said = rates.flatMap((far) => {
      const tar = thresholdOf(report, cell, far)?.tar ?? null;
      return tar === null ? [] : [`${number(tar)} at ${farText(far)}`];
    });
    return said.length === 0 ? [] : [`${cellLabels[cell]} ${said.join(', ')}`];
  });
  return `True accept rate by false accept rate: ${parts.join('; ')}.`;
}

export function backfillLabel(report: Report): string {
  const { metric } = report.verdict;
  const parts = backfillOrders.flatMap((order) => {
    const curve = report.backfill?.[order] ?? [];
    const said = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => {
      const value = curve.find((point) => Math.abs(point.share - share) < 1e-9)?.[metric];
      return value === undefined ? [] : [`${number(value)} at ${percent(share)}`];
    });
    return said.length === 0 ? [] : [`${backfillOrderWords[order].name} ${said.join(', ')}`];
  });
  return `${metricLabel(metric)} by the share of the gallery that is re-embedded: ${parts.join('; ')}.`;
}

/** The distance that half of the pairs lie below, at the resolution of the bins; null for no pairs. */
export function medianOfBins(edges: readonly number[], shares: readonly number[]): number | null {
  const total = shares.reduce((sum, share) => sum + share, 0);
  let sum = 0;
  for (const [bin, share] of shares.entries()) {
    const low = edges[bin] ?? 0;
    if (share > 0 && sum + share >= total / 2) {
      const high = edges[bin + 1] ?? low;
      return low + ((total / 2 - sum) / share) * (high - low);
    }
    sum += share;
  }
  return null;
}

export function histogramLabel(report: Report, sign: keyof SignedHistogram): string {
  const { edges, oldOld, newOld } = report.histograms;
  const name = sign === 'positive' ? 'Same class' : 'Different class';
  const half = (shares: number[]) => number(medianOfBins(edges, shares));
  return `${name}, distances to the old gallery: half of the pairs lie below ${half(oldOld[sign])} old/old and below ${half(newOld[sign])} new/old.`;
}

export function toleranceLabel(report: Report, sign: keyof SignedHistogram): string {
  const { tolerances, tolerance } = report.curves;
  const end = tolerances[tolerances.length - 1];
  const name = sign === 'positive' ? 'Same class' : 'Different class';
  const says = (words: string, rates: number[] | undefined) =>
    rates && rates.length > 0 ? [`${words} ${number(rates[0])} to ${number(rates[rates.length - 1])}`] : [];
  const parts = [
    ...says('this pair', tolerance.pair[sign]),
    ...says('Procrustes', tolerance.procrustes?.[sign]),
    ...says('floor', tolerance.jitteredOld[sign]),
  ];
  return `${name}, share violated from tolerance 0 to ${number(end)}: ${parts.join('; ')}.`;
}

export function scatterLabel(classes: readonly ClassEntry[]): string {
  const of = (state: ReturnType<typeof classState>) => classes.filter((entry) => classState(entry) === state).length;
  return `${count(classes.length)} classes by mAP, old against new: ${count(of('gain'))} gain, ${count(of('loss'))} lose, ${count(of('undecided'))} are undecided.`;
}

/** "CMC@1 of new/old .919, 95 % interval .898 to .938". */
export function estimateLabel(
  name: string,
  value: number | null | undefined,
  ends: readonly [number, number] | null | undefined,
): string {
  return ends
    ? `${name} ${number(value)}, interval ${number(ends[0])} to ${number(ends[1])}`
    : `${name} ${number(value)}`;
}

/** "Worst class 4: 99.7 % of its same-class distances grew". */
export function worstClassesTitle(report: Report): string {
  const measured = report.classes.filter((entry) => entry.positiveRate !== null);
  if (measured.length === 0) return 'Classes: no rates were measured';
  const worst = measured.reduce((a, b) => ((b.positiveRate ?? 0) > (a.positiveRate ?? 0) ? b : a));
  const floor = report.inequalities.references.jitteredOld.positive.byEpsilon[0]?.rate ?? null;
  if (floor === null) return `Classes: ${visibleText(worst.label)} is violated most, ${percent(worst.positiveRate)}`;
  const above = measured.filter((entry) => (entry.positiveRate ?? 0) > floor).length;
  const of = `of ${measured.length < 11 ? inWords(measured.length) : count(measured.length)} classes`;
  if (above === 0) return `No class is violated more than by noise`;
  if (above === measured.length)
    return above === 1 ? 'The one class is violated more than by noise' : 'All classes are violated more than by noise';
  return sentence(
    `${above < 11 ? inWords(above) : count(above)} ${of} ${above === 1 ? 'is' : 'are'} violated more than by noise`,
  );
}

/** "Worst class pair: 4 against 9, 41 % of 30,000 violated". */
export function classPairsTitle(pairs: readonly WorstClassPair[]): string {
  const worst = pairs[0];
  if (!worst) return 'No class pair is violated';
  return `Worst class pair: ${visibleText(worst.queryLabel)} against ${visibleText(worst.galleryLabel)}, ${percent(worst.rate)} violated`;
}

export function hubsTitle(hubs: Report['worst']['hubs'], queries: number): string {
  const top = hubs[0];
  if (!top) return 'No gallery item stands out';
  return `Hubs: one gallery item is in ${count(top.violations)} violations of ${count(queries)} queries`;
}

const gateOrder: Record<GateResult['state'], number> = { failed: 0, unmeasured: 1, undecided: 2, passed: 3 };

/** Worst first; errors before warnings of the same state. */
export function gatesWorstFirst(gates: readonly GateResult[]): GateResult[] {
  const rank = (gate: GateResult) => gateOrder[gate.state] * 2 + (gate.severity === 'error' ? 0 : 1);
  return gates
    .map((gate, index) => ({ gate, index }))
    .sort((a, b) => rank(a.gate) - rank(b.gate) || a.index - b.index)
    .map(({ gate }) => gate);
}

/** Names of the four rows of the inequality table with what they are. */
export const referenceRows: readonly {
  key: 'pair' | 'jitteredOld' | 'procrustes' | 'permutedNew';
  name: string;
  note: string;
}[] = [
  { key: 'pair', name: 'This pair', note: 'new query, old gallery' },
  { key: 'jitteredOld', name: 'Floor', note: 'old query + 1 % noise' },
  { key: 'procrustes', name: 'Procrustes', note: 'held-out rotation' },
  { key: 'permutedNew', name: 'Chance', note: 'new vectors shuffled' },
];

export function referenceOf(report: Report, key: (typeof referenceRows)[number]['key']): SignedViolations | null {
  return key === 'pair' ? report.inequalities : report.inequalities.references[key];
}
