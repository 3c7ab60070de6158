/** Whether the figures of two reports may be held against each other. */
import { count, counted, metricLabel, sentence } from './format.ts';
import type { Report } from './report.ts';

/**
 * What keeps two reports' figures from being comparable, a sentence each; empty when nothing does.
 * Intervals' resamples, reference sizes and models may differ: they change how sure a figure is, or
 * are what is compared.
 */
export function comparabilityProblems(here: Report, there: Report): string[] {
  const others = questions(there);
  return questions(here).flatMap(({ name, answer, exact = answer }, index) => {
    const other = others[index];
    if (other === undefined || (other.exact ?? other.answer) === exact) return [];
    const words = other.answer === answer ? `${answer}, but others` : `${answer} here, ${other.answer} there`;
    return [`${sentence(name)}: ${words}.`];
  });
}

interface Question {
  name: string;
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
      answer: [protocol.dimensionRule, protocol.adapter ?? protocol.adapterFile].filter(Boolean).join(' by '),
    },
    { name: 'tolerances', answer: protocol.epsilons.join(', ') },
    { name: 'the k of cmc@k', answer: protocol.ks.join(', ') },
    { name: 'margin', answer: String(protocol.margin) },
    { name: 'deciding metric', answer: metricLabel(protocol.criterionMetric) },
    { name: 'operating FAR', answer: String(protocol.operatingFar) },
    { name: 'bootstrap unit', answer: protocol.bootstrap.unit },
    {
      name: 'queries measured',
      // Which ones were drawn depends on the seed.
      answer: sampledQueries === null ? 'all' : `${count(sampledQueries)} drawn by seed ${protocol.seed}`,
    },
    { name: 'items and labels', answer: sets.join(' and '), exact: provenance.dataset },
  ];
}
