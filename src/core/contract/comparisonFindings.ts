/** Sentences about reports side by side: what the page, the terminal and Markdown say. */
import { reachWords } from './comparability.ts';
import type { ComparedCurves, ComparedDifference, ComparedReport, Comparison } from './comparison.ts';
import { inequalityWords, type Phrase, rankingWords, type Tone, thresholdWords } from './findings.ts';
import {
  cellLabels,
  count,
  counted,
  interval,
  inWords,
  momentText,
  number,
  percent,
  sentence,
  signed,
} from './format.ts';
import type { CellName } from './report.ts';

const isComparable = ({ problems }: ComparedReport) => !problems.some(({ reach }) => reach === 'everything');

/** "Nine key figures differ clearly, one not clearly". */
export function comparisonTitle({ differences, reports }: Comparison): string {
  const comparable = reports.slice(1).filter(isComparable).length;
  if (comparable === 0)
    return reports.length === 2 ? 'These reports answer different questions' : 'No report answers the question of A';
  const clear = differences.filter(({ clarity }) => clarity === 'clear').length;
  const open = differences.length - clear;
  if (differences.length === 0) return 'No key figure differs';
  const verb = (figures: number) => (figures === 1 ? 'differs' : 'differ');
  if (clear === 0) return `No key figure differs clearly; ${inWords(open)} ${verb(open)}, but not clearly`;
  const rest = open === 0 ? '' : `, ${inWords(open)} not clearly`;
  return sentence(`${inWords(clear)} key figure${clear === 1 ? '' : 's'} ${verb(clear)} clearly${rest}`);
}

/** The largest clear difference in words, and how many there are for better and for worse. */
export function comparisonSentence(comparison: Comparison): Phrase[] {
  const { differences, reports } = comparison;
  const [largest] = differences;
  if (largest === undefined) return [{ text: comparisonTitle(comparison), strong: true }, { text: '.' }];
  const key = reports[largest.report]?.key ?? '';
  const { title, from, to, clarity } = largest;
  const figure = `${title}, ${number(from)} in A, ${number(to)} in ${key}`;
  if (clarity !== 'clear')
    return [
      { text: 'No key figure differs clearly', strong: true },
      { text: `. The largest difference is ${figure}${endsWords(largest, ', but the intervals overlap')}.` },
    ];
  const clear = differences.filter((difference) => difference.clarity === 'clear');
  const better = clear.filter((difference) => difference.better).length;
  const worse = clear.length - better;
  const counts =
    clear.length === 1
      ? 'No other key figure differs clearly.'
      : `Of ${inWords(clear.length)} clear differences ${
          worse === 0 ? 'all are' : better === 0 ? 'none is' : `${inWords(better)} ${better === 1 ? 'is' : 'are'}`
        } for the better${better === 0 || worse === 0 ? '' : `, ${inWords(worse)} for the worse`}.`;
  return [
    {
      text: `${title} ${number(from)} \u2192 ${number(to)}, ${largest.better ? 'better' : 'worse'} in ${key}`,
      strong: true,
    },
    { text: ` than in A${endsWords(largest, '')}. ${counts}` },
  ];
}

/** ": [.135, .146] against [.724, .754]", or why nothing can be said. */
function endsWords({ fromInterval, toInterval, clarity }: ComparedDifference, overlap: string): string {
  if (clarity === 'unknown' || fromInterval === null || toInterval === null) return ', without intervals to judge by';
  return `${overlap}: ${interval(fromInterval)} against ${interval(toInterval)}`;
}

/** "mAP, all old .556 → .600 (+.044), better, intervals [.540, .570] and [.590, .610]". */
export function differenceText(difference: ComparedDifference): string {
  const { title, from, to, change, fromInterval, toInterval } = difference;
  const ends =
    fromInterval === null || toInterval === null
      ? ''
      : `, intervals ${interval(fromInterval)} and ${interval(toInterval)}`;
  return `${title} ${number(from)} \u2192 ${number(to)} (${signed(change)}), ${differenceWords(difference).word}${ends}`;
}

/** What "clearly" means, and what it does not. */
export const CLARITY_NOTE =
  'Clearly: the intervals of both reports do not overlap. They are not paired: with the same queries in both, a difference may be real though the intervals overlap.';

/** What a table of the reports says of one: three states in words. */
export function statesText({ states }: ComparedReport): string {
  const { ranking, thresholds, inequalities } = states;
  const parts = [
    rankingWords[ranking].word,
    thresholds === null ? 'thresholds not measured' : `thresholds ${thresholdWords[thresholds].word}`,
    inequalities === null ? 'inequalities not measured' : `inequalities ${inequalityWords[inequalities].word}`,
  ];
  return parts.join(', ');
}

/** "13 queries became wrong, 4 of them in A, too". */
export function flippedText({ flipped, flippedInA }: ComparedReport): string {
  if (flipped === null) return 'flips not measured';
  const became = `${counted(flipped, 'query', 'queries')} became wrong`;
  return flippedInA === null || flipped === 0 ? became : `${became}, ${inWords(flippedInA)} of them in A, too`;
}

/** What a difference comes to; better or worse is said only of a clear one. */
export function differenceWords({ clarity, better }: ComparedDifference): { word: string; tone: Tone } {
  if (clarity === 'unknown') return { word: 'no interval', tone: 'absent' };
  if (clarity === 'open') return { word: 'not clearly', tone: 'absent' };
  return better ? { word: 'better', tone: 'good' } : { word: 'worse', tone: 'bad' };
}

/** When each report was made, to the minute, or to the second where two would read the same. */
export function momentsOf(reports: readonly Pick<ComparedReport, 'created'>[]): string[] {
  const minutes = reports.map(({ created }) => momentText(created));
  const isShared = (text: string) => minutes.filter((other) => other === text).length > 1;
  return reports.map(({ created }, index) => {
    const text = minutes[index] as string;
    const seconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)/.exec(created)?.[1];
    return seconds !== undefined && isShared(text) ? text.replace(/ UTC$/, `${seconds} UTC`) : text;
  });
}

/** A warning, or (`isWarning` false) a remark on what is compared. */
export interface ComparisonNote {
  /** What differs. */
  text: string;
  /** What cannot be compared therefore. */
  reach: string;
  isWarning: boolean;
}

/** What differs between each report's question and that of A, in the order of the reports. */
export function comparisonNotes({ reports }: Comparison): ComparisonNote[] {
  return reports.flatMap(({ key, problems }) =>
    problems.map(({ text, reach }) => ({
      text,
      reach: reach === 'nothing' ? reachWords[reach] : `${key} against A: ${lowerFirst(reachWords[reach])}`,
      isWarning: reach !== 'nothing',
    })),
  );
}

function lowerFirst(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}

/** "5 reports, B to E against A". */
export function comparedCount(reports: readonly ComparedReport[]): string {
  const last = reports.at(-1)?.key ?? '';
  return `${count(reports.length)} reports, ${reports.length === 2 ? 'B' : `B to ${last}`} against A`;
}

/** More are said by their ends. */
const NAMED_VALUES = 4;

/** "A .099, B .919"; of more than four reports the ends: ".099 (A) to .919 (C)". Reports without a value are left out, and what all have is said once: ".964 in all". */
export function acrossReports(
  reports: readonly Pick<ComparedReport, 'key'>[],
  values: readonly (number | null | undefined)[],
  show: (value: number) => string = number,
): string {
  const known = reports.flatMap(({ key }, index) => {
    const value = values[index];
    return typeof value === 'number' ? [{ key, value }] : [];
  });
  if (known.length === 0) return 'not measured';
  const texts = new Set(known.map(({ value }) => show(value)));
  if (known.length === reports.length && known.length > 1 && texts.size === 1) return `${[...texts][0]} in all`;
  if (known.length <= NAMED_VALUES) return known.map(({ key, value }) => `${key} ${show(value)}`).join(', ');
  const sorted = known.toSorted((a, b) => a.value - b.value);
  const [low, high] = [sorted[0], sorted.at(-1)] as [(typeof sorted)[0], (typeof sorted)[0]];
  return `${show(low.value)} (${low.key}) to ${show(high.value)} (${high.key})`;
}

type Named = readonly Pick<ComparedReport, 'key'>[];

/** "First hit of new/old: A .099, B .919". */
export function cmcOverlayTitle(reports: Named, curves: readonly ComparedCurves[], cell: CellName): string {
  const values = curves.map(({ cmc }) => cmc[cell]?.[0]);
  return `First hit of ${cellLabels[cell]}: ${acrossReports(reports, values)}`;
}

/** The false accept rate at which curves are put into words. */
const WORDED_FAR = 0.01;

/** The true accept rate of a curve at the largest of its false accept rates that is not above `far`; null where there is none. */
export function tarAt(curve: { far: number[]; tar: number[] } | undefined, far: number): number | null {
  const at = curve?.far.findLastIndex((each) => each <= far * (1 + 1e-9)) ?? -1;
  return curve?.tar[at] ?? null;
}

/** "Accepted at FAR 1 % in new/old: A .512, B .634". */
export function rocOverlayTitle(reports: Named, curves: readonly ComparedCurves[], cell: CellName): string {
  const values = curves.map(({ roc }) => tarAt(roc[cell], WORDED_FAR));
  return `Accepted at FAR ${percent(WORDED_FAR)} in ${cellLabels[cell]}: ${acrossReports(reports, values)}`;
}

/** "Same class violated: A 1.000, B .964", at the first tolerance that is drawn. */
export function toleranceOverlayTitle(
  reports: Named,
  curves: readonly ComparedCurves[],
  sign: 'positive' | 'negative',
): string {
  const values = curves.map((curve) => curve[sign][0]);
  const relation = sign === 'positive' ? 'Same class' : 'Different class';
  return `${relation} violated: ${acrossReports(reports, values)}`;
}

/** "Right to wrong: A 77.1 %, B 1.3 %". */
export function flipsOverlayTitle({ reports, figures }: Comparison): string {
  const values = figures.find(({ rule }) => rule === 'flips.negativeFlipRate')?.values.map(({ value }) => value) ?? [];
  return `Right to wrong: ${acrossReports(reports, values, (value) => percent(value))}`;
}
