/** Sentences about the change against a committed report. */
import type { Tone } from './findings.ts';
import { inWords, sentence } from './format.ts';
import { type KeyFigure, keyFigures } from './keyFigures.ts';
import type { Report } from './report.ts';

/** `within`: the earlier value lies inside this report's interval; `open`: there is no interval. */
export type Change = 'better' | 'worse' | 'within' | 'same' | 'open';

export const changeWords: Readonly<Record<Change, { word: string; tone: Tone }>> = {
  better: { word: 'better', tone: 'good' },
  worse: { word: 'worse', tone: 'bad' },
  within: { word: 'in interval', tone: 'absent' },
  same: { word: 'same', tone: 'absent' },
  open: { word: '', tone: 'absent' },
};

export interface BaselineRow {
  rule: string;
  title: string;
  before: number;
  now: number;
  change: number;
  judgement: Change;
}

/** Rounding of sums that are added in another order. */
const SAME = 1e-9;

function judge({ interval, better }: KeyFigure, before: number, change: number): Change {
  if (Math.abs(change) <= SAME) return 'same';
  if (interval === null) return 'open';
  if (before >= interval[0] && before <= interval[1]) return 'within';
  return change > 0 === (better === 'higher') ? 'better' : 'worse';
}

/** Key figures that both reports have, in the order of {@link keyFigures}; empty without a comparable baseline. */
export function baselineRows(report: Report): BaselineRow[] {
  const earlier = report.baseline?.comparable ? (report.baseline.figures ?? {}) : {};
  return keyFigures(report).flatMap((figure) => {
    const { rule, title, value } = figure;
    const before = Object.hasOwn(earlier, rule) ? earlier[rule] : undefined;
    if (typeof before !== 'number' || value === null) return [];
    const change = value - before;
    return [{ rule, title, before, now: value, change, judgement: judge(figure, before, change) }];
  });
}

/** "Against the baseline: two figures are better, one is worse". */
export function baselineTitle(report: Report): string {
  if (!report.baseline) return 'No baseline was named';
  if (!report.baseline.comparable) return 'The baseline answers another question, so nothing is compared with it';
  const rows = baselineRows(report);
  if (rows.length === 0) return 'The baseline holds none of the key figures';
  const having = (judgement: Change) => rows.filter((row) => row.judgement === judgement).length;
  if (having('same') === rows.length) return 'No key figure changed against the baseline';
  const parts = (['better', 'worse'] as const)
    .filter((judgement) => having(judgement) > 0)
    .map((judgement) => `${inWords(having(judgement))} ${having(judgement) === 1 ? 'is' : 'are'} ${judgement}`);
  return parts.length === 0
    ? 'Against the baseline no key figure moved beyond its interval'
    : sentence(`against the baseline, of ${inWords(rows.length)} key figures ${parts.join(', ')}`);
}
