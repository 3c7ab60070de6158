import { comparability, isReached } from '../contract/comparability.ts';
import type {
  Clarity,
  ComparedDifference,
  ComparedFigure,
  ComparedReport,
  Comparison,
} from '../contract/comparison.ts';
import { keyFigures } from '../contract/keyFigures.ts';
import type { Interval, Report } from '../contract/report.ts';

/** Rounding of sums that are added in another order. */
const SAME = 1e-9;

/** More are no comparison that anybody reads. */
export const MAX_COMPARED_REPORTS = 26;

/**
 * Holds reports against the first of them: their key figures, and where these differ. Pure.
 * @param reports at least two; the first is what the others are compared with
 * @param labels what tells reports of one pair apart, one a report: the values of a sweep; null: nothing
 */
export function compareReports(reports: readonly Report[], labels: readonly (string | null)[] = []): Comparison {
  const compared = reports.map((report, index) => ({
    ...describe(report, index, reports[0] as Report),
    label: labels[index] ?? null,
  }));
  const figures = figuresOf(reports);
  return { reports: compared, differences: differencesOf(figures, compared), figures };
}

function describe(report: Report, index: number, first: Report): Omit<ComparedReport, 'label'> {
  const { verdict, flips } = report;
  const key = letterOf(index);
  const problems = index === 0 ? [] : comparability(first, report, ['in A', `in ${key}`]);
  const isMeasured = flips.negativeFlipRate !== null;
  const isSameQuestion = index > 0 && !problems.some(({ reach }) => reach === 'everything');
  return {
    key,
    pair: report.pair,
    old: report.old.name,
    new: report.new.name,
    created: report.provenance.created,
    metric: verdict.metric,
    states: { ranking: verdict.state, thresholds: verdict.thresholds, inequalities: verdict.inequalities },
    summary: verdict.summary,
    flipped: isMeasured ? flips.flippedQueries : null,
    flippedInA: isMeasured && isSameQuestion ? commonFlips(first, report) : null,
    problems,
  };
}

/** Queries that became wrong in both; null where a list is cut, or A has none. */
function commonFlips(first: Report, report: Report): number | null {
  if (first.flips.negativeFlipRate === null) return null;
  for (const { worst, flips } of [first, report]) if (worst.flippedQueries.length !== flips.flippedQueries) return null;
  const inFirst = new Set(first.worst.flippedQueries.map(({ query }) => query));
  return report.worst.flippedQueries.filter(({ query }) => inFirst.has(query)).length;
}

/** A ... Z, AA, AB ... */
function letterOf(index: number): string {
  const letter = String.fromCharCode(65 + (index % 26));
  return index < 26 ? letter : letterOf(Math.floor(index / 26) - 1) + letter;
}

/** Figures that at least one report has, each in all columns. */
function figuresOf(reports: readonly Report[]): ComparedFigure[] {
  const byRule = new Map<string, ComparedFigure>();
  reports.forEach((report, index) => {
    for (const { rule, title, better, value, interval } of keyFigures(report)) {
      if (value === null) continue;
      const empty = reports.map(() => ({ value: null, interval: null }));
      const figure = byRule.get(rule) ?? { rule, title, better, values: empty };
      figure.values[index] = { value, interval };
      byRule.set(rule, figure);
    }
  });
  return [...byRule.values()];
}

function differencesOf(figures: readonly ComparedFigure[], reports: readonly ComparedReport[]): ComparedDifference[] {
  const differences = figures.flatMap(({ rule, title, better, values }) => {
    const [first, ...others] = values;
    return others.flatMap((other, position): ComparedDifference[] => {
      const report = position + 1;
      const problems = reports[report]?.problems ?? [];
      if (problems.some(({ reach }) => isReached(rule, reach))) return [];
      if (!first || first.value === null || other.value === null) return [];
      const change = other.value - first.value;
      if (Math.abs(change) <= SAME) return [];
      const isBetter = change > 0 === (better === 'higher');
      const clarity = problems.some(({ reach }) => reach === 'clarity')
        ? 'unknown'
        : clarityOf(first.interval, other.interval);
      const [from, to] = [first.value, other.value];
      const intervals = { fromInterval: first.interval, toInterval: other.interval };
      return [{ rule, title, report, from, to, ...intervals, change, better: isBetter, clarity }];
    });
  });
  const rank = ({ clarity }: ComparedDifference) => (clarity === 'clear' ? 0 : 1);
  return differences.sort((a, b) => rank(a) - rank(b) || Math.abs(b.change) - Math.abs(a.change));
}

function clarityOf(one: Interval | null, other: Interval | null): Clarity {
  if (one === null || other === null) return 'unknown';
  return other[0] > one[1] || other[1] < one[0] ? 'clear' : 'open';
}
