/** Whether the figures of two reports may be held against each other. */
import { count, counted, metricLabel, sentence } from './format.ts';
import type { Report } from './report.ts';

/**
 * What of two reports a difference keeps from being held against each other. `nothing`: it is a part of what is
 * compared, as the models are.
 */
export type Reach = 'everything' | 'clarity' | 'ranking states' | 'cmc' | 'thresholds' | 'inequalities' | 'nothing';

export interface ComparabilityProblem {
  /** "Distance: cosine in A, dot in B." */
  text: string;
  reach: Reach;
}

/**
 * What differs between the questions that two reports answer, and what that keeps from being compared.
 * Intervals' resamples, reference sizes and models may differ: they change how sure a figure is, or
 * are what is compared.
 * @param where words for the two reports: "here", "in A"
 */
export function comparability(here: Report, there: Report, where: readonly [string, string]): ComparabilityProblem[] {
  const others = questions(there);
  return questions(here).flatMap(({ name, answer, exact = answer, reach = 'everything' }, index) => {
    const other = others[index];
    if (other === undefined || (other.exact ?? other.answer) === exact) return [];
    const words =
      other.answer === answer ? `${answer}, but others` : `${answer} ${where[0]}, ${other.answer} ${where[1]}`;
    return [{ text: `${sentence(name)}: ${words}.`, reach }];
  });
}

/** The same for gates, which are held against a report of the very same question: every difference, a sentence each. */
export function comparabilityProblems(here: Report, there: Report): string[] {
  return comparability(here, there, ['here', 'there']).map(({ text }) => text);
}

/** Whether a key figure, by its rule, is kept from being compared. */
export function isReached(rule: string, reach: Reach): boolean {
  switch (reach) {
    case 'everything':
      return true;
    case 'thresholds':
      return rule.startsWith('verification.');
    case 'inequalities':
      return rule.startsWith('inequalities.');
    // Figures at other k, and of another metric, are other figures: nothing of theirs is mixed up.
    case 'cmc':
    case 'clarity':
    case 'ranking states':
    case 'nothing':
      return false;
  }
}

/** What a problem comes to, for a sentence of its own. */
export const reachWords: Readonly<Record<Reach, string>> = {
  everything: 'No figure can be compared.',
  clarity: 'Intervals mean something else, so no difference can be called clear.',
  'ranking states': 'Verdicts on ranking cannot be compared; figures can.',
  cmc: 'CMC can be compared only at the k that both have.',
  thresholds: 'Figures of thresholds cannot be compared.',
  inequalities: 'Violations cannot be compared.',
  nothing: 'It is a part of what is compared.',
};

interface Question {
  name: string;
  /** Absent: `everything`. */
  reach?: Reach;
  /** As text, so that lists compare too. */
  answer: string;
  /** What is compared, where that says nothing to people. */
  exact?: string;
}

function questions({ protocol, data, provenance, formatVersion }: Report): Question[] {
  const { sampledQueries } = protocol;
  const sets = [counted(data.queries, 'query', 'queries'), counted(data.gallery, 'gallery item')];
  return [
    { name: 'format version', answer: String(formatVersion) },
    { name: 'distance', answer: protocol.distance },
    {
      name: 'dimension rule',
      reach: 'nothing',
      answer: [protocol.dimensionRule, protocol.adapter ?? protocol.adapterFile].filter(Boolean).join(' by '),
    },
    { name: 'tolerances', reach: 'inequalities', answer: protocol.epsilons.join(', ') },
    { name: 'the k of cmc@k', reach: 'cmc', answer: protocol.ks.join(', ') },
    { name: 'margin', reach: 'ranking states', answer: String(protocol.margin) },
    { name: 'deciding metric', reach: 'ranking states', answer: metricLabel(protocol.criterionMetric) },
    { name: 'operating FAR', reach: 'thresholds', answer: String(protocol.operatingFar) },
    { name: 'bootstrap unit', reach: 'clarity', answer: protocol.bootstrap.unit },
    {
      name: 'queries measured',
      // Which ones were drawn depends on the seed.
      answer: sampledQueries === null ? 'all' : `${count(sampledQueries)} drawn by seed ${protocol.seed}`,
    },
    { name: 'items and labels', answer: sets.join(' and '), exact: provenance.dataset },
  ];
}
