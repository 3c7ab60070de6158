/** The figures that a report is held against another by: its baseline, or a second candidate. */
import { metricLabel, percent } from './format.ts';
import type { Estimate, Interval, MetricName, Report, SignedViolations, ThresholdTransfer } from './report.ts';

export interface KeyFigure {
  /** The gate rule that names it: a dotted path into the report. */
  rule: string;
  /** For people: "mAP, new query on old gallery". */
  title: string;
  better: 'higher' | 'lower';
  value: number | null;
  interval: Interval | null;
}

type Read = Pick<KeyFigure, 'value' | 'interval'>;

const none: Read = { value: null, interval: null };
const plain = (value: number | null | undefined, interval: Interval | null = null): Read => ({
  value: value ?? null,
  interval,
});
const estimated = (estimate: Estimate | null | undefined): Read => estimate ?? none;

/** What a report's gates measure most: one list for every view, in the order of the three questions. */
export function keyFigures(report: Report): KeyFigure[] {
  const { metric } = report.verdict;
  const firstK = report.protocol.ks.map((k): MetricName => `cmc@${k}`).find((name) => name !== metric);
  const figures = [
    ...retrievalFigures(report, metric),
    ...(firstK === undefined ? [] : retrievalFigures(report, firstK).slice(0, 1)),
    ...flipFigures(report),
    ...thresholdFigures(report),
    ...inequalityFigures(report),
    ...agreementFigures(report),
  ];
  return figures.map(([rule, title, better, read]) => ({ rule, title, better, ...read }));
}

type Row = [rule: string, title: string, better: KeyFigure['better'], read: Read];

function retrievalFigures(report: Report, metric: MetricName): Row[] {
  const label = metricLabel(metric);
  const { retrieval, criterion } = report;
  const entry = criterion[metric];
  return [
    [`retrieval.newOld.${metric}`, `${label}, new query on old gallery`, 'higher', estimated(retrieval.newOld[metric])],
    [
      `criterion.${metric}.difference`,
      `${label}, gain over the old model`,
      'higher',
      plain(entry?.difference, entry?.interval),
    ],
    [`retrieval.oldOld.${metric}`, `${label}, all old`, 'higher', estimated(retrieval.oldOld[metric])],
    [`retrieval.newNew.${metric}`, `${label}, all new`, 'higher', estimated(retrieval.newNew?.[metric])],
  ];
}

function flipFigures({ flips, triplets }: Report): Row[] {
  return [
    [
      'flips.negativeFlipRate',
      'Right to wrong',
      'lower',
      plain(flips.negativeFlipRate, flips.negativeFlipRateInterval),
    ],
    [
      'flips.positiveFlipRate',
      'Wrong to right',
      'higher',
      plain(flips.positiveFlipRate, flips.positiveFlipRateInterval),
    ],
    ['triplets.inverted', 'Triplets inverted', 'lower', plain(triplets.inverted, triplets.interval)],
  ];
}

function thresholdFigures({ verification, protocol }: Report): Row[] {
  const far = protocol.operatingFar;
  const entry = verification?.transfer.newOld.find((other) => Math.abs(other.far - far) <= 1e-9 * far);
  if (!entry) return [];
  const at = `FAR ${percent(far)}`;
  const row = (
    field: keyof ThresholdTransfer,
    title: string,
    better: KeyFigure['better'],
    interval?: Interval | null,
  ) =>
    [
      `verification.transfer.newOld.${field}@${far}`,
      `${title} (${at})`,
      better,
      plain(entry[field] as number | null, interval ?? null),
    ] satisfies Row;
  return [
    row('tarAtOldThreshold', 'TAR at the old threshold', 'higher', entry.tarInterval),
    row('farAtOldThreshold', 'FAR at the old threshold', 'lower'),
    row('tarAtRestoringThreshold', 'TAR at the restoring threshold', 'higher'),
  ];
}

function inequalityFigures({ inequalities }: Report): Row[] {
  const rows = (sign: keyof SignedViolations, title: string): Row[] => {
    const strict = inequalities[sign].byEpsilon[0];
    return [
      [`inequalities.${sign}.rate`, title, 'lower', plain(strict?.rate, strict?.interval)],
      [
        `inequalities.${sign}.severity`,
        `${title}, severity`,
        'lower',
        // Absent in the first reports.
        plain(inequalities[sign].severity, inequalities[sign].severityInterval ?? null),
      ],
    ];
  };
  return [...rows('positive', 'Same class: grew'), ...rows('negative', 'Different class: shrank')];
}

function agreementFigures({ agreement }: Report): Row[] {
  const rows = agreement?.neighbourOverlap ?? [];
  const chosen = rows.find(({ k }) => k === 10) ?? rows[0];
  if (!chosen) return [];
  const { k, newOld } = chosen;
  const row: Row = [
    `agreement.neighbourOverlap.newOld@${k}`,
    `Neighbours in common with old/old, first ${k}`,
    'higher',
    estimated(newOld),
  ];
  return [row];
}
