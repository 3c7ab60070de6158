import { inequalitiesCaption, inequalitiesSentence, plain } from '../../contract/findings.ts';
import { count, interval, number, toleranceText } from '../../contract/format.ts';
import type { SignedViolations, Violations } from '../../contract/report.ts';
import {
  consequentialTitle,
  farText,
  perThousand,
  thresholdOf,
  thresholdsSentence,
  transferTitle,
} from '../../contract/thresholdFindings.ts';
import { dataText, padEnd, tableLines } from '../terminal.ts';
import { type Canvas, titled } from './canvas.ts';

export function inequalities(canvas: Canvas): string[] {
  const { report, paint } = canvas;
  if (report.data.labelled === false) return [];
  const { references } = report.inequalities;
  const tolerances = report.protocol.epsilons.slice(1);
  const rows: [name: string, signed: SignedViolations | null][] = [
    ['This pair', report.inequalities],
    ['Floor: old + 1 % noise', references.jitteredOld],
    ['Procrustes: best rotation', references.procrustes],
    ['Chance: shuffled queries', references.permutedNew],
  ];
  const table = (title: string, sign: keyof SignedViolations) =>
    tableLines(
      [
        { title, align: 'left' },
        { title: 'Violated', align: 'right' },
        { title: 'Interval', align: 'left' },
        ...tolerances.map((epsilon) => ({ title: `at ${toleranceText(epsilon)}`, align: 'right' as const })),
        { title: 'Severity', align: 'right' },
      ],
      rows.map(([name, both], index) => {
        const violations: Violations | undefined = both?.[sign];
        const ink = index === 0 ? ('bold' as const) : null;
        return [
          { text: padEnd(name, 25), ink },
          { text: number(violations?.byEpsilon[0]?.rate), ink },
          { text: padEnd(interval(violations?.byEpsilon[0]?.interval), 14), ink: 'dim' },
          ...tolerances.map((_, position) => ({ text: number(violations?.byEpsilon[position + 1]?.rate), ink })),
          { text: number(violations?.severity), ink },
        ];
      }),
      paint,
    );
  const missing =
    references.procrustes === null
      ? [`  ${paint('dim', 'Procrustes needs equal dimensions and at least as many items as dimensions.')}`]
      : [];
  return [
    ...titled(canvas, plain(inequalitiesSentence(report)), inequalitiesCaption(report)),
    '',
    ...table('Same class: grew', 'positive'),
    '',
    ...table('Different class: shrank', 'negative'),
    ...missing,
  ];
}

/** What the old system's thresholds do to new queries, and where they would have to move. */
export function thresholds(canvas: Canvas): string[] {
  const { report, width, paint } = canvas;
  const rows = report.verification?.transfer.newOld ?? [];
  if (rows.length === 0) return [];
  const wide = width >= 100;
  const fitting = <T>(cells: T[]) => (wide ? cells : cells.filter((_, index) => index !== 5));
  return [
    ...titled(
      canvas,
      plain(thresholdsSentence(report)),
      `${transferTitle(report)}. TAR: share of same-class pairs accepted; FAR: of different-class pairs. New queries, old gallery.`,
    ),
    '',
    ...tableLines(
      fitting([
        { title: 'FAR', align: 'right' },
        { title: 'Old TAR', align: 'right' },
        { title: 'Threshold', align: 'right' },
        { title: 'its FAR', align: 'right' },
        { title: 'its TAR', align: 'right' },
        { title: 'Interval', align: 'left' },
        { title: 'Move to', align: 'right' },
        { title: 'TAR then', align: 'right' },
      ]),
      rows.map((row) => {
        const ink = row.far === report.protocol.operatingFar ? ('bold' as const) : null;
        return fitting([
          { text: farText(row.far), ink },
          { text: number(thresholdOf(report, 'oldOld', row.far)?.tar), ink },
          { text: number(row.oldThreshold), ink },
          { text: number(row.farAtOldThreshold, 4), ink },
          { text: number(row.tarAtOldThreshold), ink },
          { text: interval(row.tarInterval), ink: 'dim' as const },
          { text: number(row.restoringThreshold), ink },
          { text: number(row.tarAtRestoringThreshold), ink },
        ]);
      }),
      paint,
    ),
  ];
}

/** What a service that keeps its threshold would decide otherwise. */
export function consequential(canvas: Canvas): string[] {
  const { report, paint } = canvas;
  const rows = report.verification?.consequential ?? [];
  if (rows.length === 0) return [];
  return [
    ...titled(
      canvas,
      consequentialTitle(report),
      'Pairs that the old threshold decides otherwise for new queries: of 1,000 same-class and different-class pairs, by its FAR.',
    ),
    '',
    ...tableLines(
      [
        { title: 'FAR', align: 'right' },
        { title: 'Same: refused', align: 'right' },
        { title: 'accepted', align: 'right' },
        { title: 'Different: accepted', align: 'right' },
        { title: 'refused', align: 'right' },
      ],
      rows.map((row) => [
        { text: farText(row.far) },
        { text: perThousand(row.newFalseRejects) },
        { text: perThousand(row.mendedFalseRejects) },
        { text: perThousand(row.newFalseAccepts) },
        { text: perThousand(row.mendedFalseAccepts) },
      ]),
      paint,
    ),
  ];
}

const HUBS = 5;

/** Gallery items in most violations. */
export function hubs(canvas: Canvas): string[] {
  const { report, width, paint } = canvas;
  const shown = report.worst.hubs.slice(0, HUBS);
  const [first] = shown;
  if (!first) return [];
  const total = report.inequalities.positive.byEpsilon[0]?.violations ?? 0;
  const all = total + (report.inequalities.negative.byEpsilon[0]?.violations ?? 0);
  return [
    ...titled(
      canvas,
      `One gallery item takes part in ${count(first.violations)} violations, the most`,
      `The ${shown.length} gallery items in most violations, of ${count(all)} in all.`,
    ),
    '',
    ...tableLines(
      [
        { title: 'Gallery item', align: 'left' },
        { title: 'Violations', align: 'right' },
      ],
      shown.map(({ gallery, violations }) => [{ text: dataText(gallery, width - 20) }, { text: count(violations) }]),
      paint,
    ),
  ];
}
