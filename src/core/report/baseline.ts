import { comparabilityProblems } from '../contract/comparability.ts';
import { keyFigures } from '../contract/keyFigures.ts';
import type { Baseline, Report } from '../contract/report.ts';

/** A committed report, and its path as the user gave it. */
export interface NamedBaseline {
  path: string;
  report: Report;
}

/** What `report` says of the baseline it is compared with: its key figures, where they may be compared. */
export function describeBaseline(report: Report, { path, report: earlier }: NamedBaseline): Baseline {
  const differences = comparabilityProblems(report, earlier);
  const comparable = differences.length === 0;
  const figures = comparable ? keyFigures(earlier).map(({ rule, value }) => [rule, value] as const) : [];
  return {
    path,
    created: earlier.provenance.created,
    tool: earlier.provenance.tool,
    comparable,
    differences,
    figures: Object.fromEntries(figures),
  };
}
