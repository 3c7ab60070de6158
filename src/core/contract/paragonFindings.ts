/** Sentences about the paragon: the new model trained without any compatibility loss. */
import { cellMetrics } from './findings.ts';
import { metricLabel, number } from './format.ts';
import type { MetricName, Report } from './report.ts';

/** Metrics that the paragon was measured by; none without one. */
export function paragonMetrics(report: Report): MetricName[] {
  const { tax, advbct, paragonCells } = report;
  return cellMetrics(report).filter(
    (metric) =>
      tax?.[metric] !== undefined || advbct?.[metric] !== undefined || paragonCells?.newNew[metric] !== undefined,
  );
}

/** "Compatibility costs .054 mAP against the paragon". */
export function paragonTitle(report: Report): string {
  const { metric } = report.verdict;
  const tax = report.tax?.[metric];
  return tax === undefined ? 'Against the paragon' : taxTitle(tax, metric);
}

/** What a compatibility tax says, in words; below what three decimals show it is none. */
export function taxTitle(tax: number, metric: string): string {
  const label = metricLabel(metric);
  if (Math.abs(tax) < 0.0005) return `Compatibility costs no ${label} against the paragon`;
  return tax > 0
    ? `Compatibility costs ${number(tax)} ${label} against the paragon`
    : `The new model ranks better than the paragon, by ${number(-tax)} ${label}`;
}
