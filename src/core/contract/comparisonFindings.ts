/** Sentences about reports side by side. */
import type { ComparedDifference, ComparedReport, Comparison } from './comparison.ts';
import { inequalityWords, rankingWords, type Tone, thresholdWords } from './findings.ts';
import { inWords, sentence } from './format.ts';

/** "Nine key figures differ clearly, one not clearly". */
export function comparisonTitle({ differences, reports }: Comparison): string {
  const comparable = reports.slice(1).filter(({ problems }) => problems.length === 0).length;
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

/** What a difference comes to; better or worse is said only of a clear one. */
export function differenceWords({ clarity, better }: ComparedDifference): { word: string; tone: Tone } {
  if (clarity === 'unknown') return { word: 'no interval', tone: 'absent' };
  if (clarity === 'open') return { word: 'not clearly', tone: 'absent' };
  return better ? { word: 'better', tone: 'good' } : { word: 'worse', tone: 'bad' };
}
