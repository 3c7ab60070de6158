/**
 * The paragraph for a reader who knows none of this: what ranking, distances and thresholds answer for this pair, why
 * the answers may differ, and what to do next. Made from the report's states and figures only.
 */
import { neighbourWords } from './agreementFindings.ts';
import { meanOfBins } from './findings.ts';
import { count, interval, metricLabel, number, percent, sentence } from './format.ts';
import type { AdapterKind, Diagnosis, DiagnosisCode, MetricName, Remedy, RemedyMethod, Report } from './report.ts';
import { farText, operatingTransfer, thresholdOf, whyNoThresholds } from './thresholdFindings.ts';

/** Four to eight sentences. */
export function explain(report: Report): string {
  return explanationParts(report)
    .map(({ text }) => text)
    .join(' ');
}

/** The same sentences by what they are about, for views that have room to set them apart. */
export function explanationParts(report: Report): { topic: string; text: string }[] {
  const parts: [topic: string, sentences: (string | null)[]][] =
    report.data.labelled === false
      ? [['Agreement', [...withoutLabels(report), causeSentence(report)]]]
      : [
          ['Ranking', [rankingSentence(report)]],
          ['Distances', [distanceSentence(report), differenceSentence(report)]],
          ['Thresholds', [thresholdSentence(report)]],
          [
            'What to do',
            [causeSentence(report), actionSentence(report), remedySentence(report), backfillSentence(report)],
          ],
        ];
  return parts
    .map(([topic, sentences]) => ({ topic, text: sentences.filter((text) => text !== null).join(' ') }))
    .filter(({ text }) => text !== '');
}

/** What a metric is, for its first mention. */
function metricWords(metric: MetricName): string {
  const label = metricLabel(metric);
  if (metric === 'map') return `mean average precision (${label}; 1 means all right items come first)`;
  if (metric.startsWith('cmc@')) {
    const k = metric.slice(4);
    return `share of queries with a right item ${k === '1' ? 'in first place' : `among the first ${k}`} (${label})`;
  }
  if (metric === 'rPrecision')
    return `share of right items among as many first results as there are right items (${label})`;
  return `precision of as many first results as there are right items, weighed by their order (${label})`;
}

const adapterWords: Readonly<Record<AdapterKind, string>> = {
  procrustes: 'one fitted matrix that rotates',
  linear: 'one fitted matrix',
  mlp: 'a small fitted network',
};

/** Who searches: under the rule `project`, an adapter is part of what would be shipped. */
function subject({ protocol }: Report): string {
  const queries = 'New queries, those embedded by the new model';
  if (protocol.dimensionRule !== 'project') return queries;
  const { adapter = 'procrustes', adapterFile } = protocol;
  const map = adapterFile === undefined ? adapterWords[adapter] : `the adapter ${adapterFile}`;
  return `${queries} and then mapped into the old space by ${map}`;
}

function rankingSentence(report: Report): string {
  const { metric, state } = report.verdict;
  const entry = report.criterion[metric];
  if (!entry) return 'Whether new queries rank as well as old ones against the old gallery was not measured.';
  const words = metricWords(metric);
  const [before, now] = [number(entry.old), number(entry.new)];
  switch (state) {
    case 'compatible':
      return `${subject(report)}, may search the old gallery: right items come earlier than for old queries, the ${words} is ${now} against ${before}.`;
    case 'within-margin':
      return entry.difference === 0
        ? `${subject(report)}, may search the old gallery: it is ranked as for old queries, the ${words} is ${now} for both.`
        : `${subject(report)}, may search the old gallery: right items come about as early as for old queries, within the margin that was set, the ${words} is ${now} against ${before}.`;
    case 'incompatible':
      return `${subject(report)}, must not search the old gallery: right items come later than for old queries, the ${words} is ${now} against ${before}.`;
    case 'undecided': {
      const range = entry.interval ? `, the difference may lie anywhere in ${interval(entry.interval)}` : '';
      return `Whether ${lower(subject(report))}, may search the old gallery is open: the ${words} is ${now}, for old queries ${before}${range}.`;
    }
  }
}

function distanceSentence(report: Report): string {
  const { inequalities, verdict } = report;
  const rate = inequalities.positive.byEpsilon[0]?.rate ?? null;
  const floor = inequalities.references.jitteredOld.positive.byEpsilon[0]?.rate ?? null;
  if (verdict.inequalities === null || rate === null) return 'How single distances changed was not measured.';
  const noise = floor === null ? '' : ` (noise of 1 % on old vectors would do that to ${percent(floor)})`;
  switch (verdict.inequalities) {
    case 'kept':
      return `Items of one class stand as near to each other as before: only ${percent(rate)} of their distances grew${noise}.`;
    case 'as-noise':
      return `Items of one class stand about as near to each other as before: ${percent(rate)} of their distances grew, but no more than by noise.`;
    case 'violated': {
      const severity = inequalities.positive.severity;
      const by = severity === null ? '' : `, by ${number(severity)} averaged over all of them`;
      return `The distances themselves are another question, and they did change: ${percent(rate)} of those between items of one class grew${by}${noise}.`;
    }
  }
}

/** Distance between different classes up to which old vectors count as a narrow cone, and how much wider the new ones are. */
const NARROW = 0.7;
const WIDER = 0.15;
/** A mean below this change did not move: the bins of the histogram are not finer. */
const MOVED = 0.02;

/** Why order and distances answer differently: shown where ranking holds and distances do not. */
function differenceSentence(report: Report): string | null {
  const { verdict, histograms, protocol } = report;
  if (verdict.inequalities !== 'violated') return null;
  const { edges, oldOld, newOld, newNew } = histograms;
  const mean = (shares: readonly number[] | undefined) => (shares === undefined ? null : meanOfBins(edges, shares));
  const [same, other] = [mean(oldOld.positive), mean(oldOld.negative)];
  const [sameNow, otherNow] = [mean(newOld.positive), mean(newOld.negative)];
  if (same === null || other === null || sameNow === null || otherNow === null) return null;
  const figures = `on average distances went from ${number(same, 2)} to ${number(sameNow, 2)} within a class and from ${number(other, 2)} to ${number(otherNow, 2)} between classes`;
  const ranks = verdict.state === 'compatible' || verdict.state === 'within-margin';
  if (!ranks)
    return sameNow >= otherNow
      ? `${sentence(figures)}: new queries stand no nearer to their own class than to others.`
      : null;
  const both = sameNow - same >= MOVED && otherNow - other >= MOVED;
  const ownSpread = mean(newNew?.negative);
  const cone = protocol.distance === 'cosine' && other <= NARROW && ownSpread !== null && ownSpread - other >= WIDER;
  const why =
    both && cone
      ? `the old vectors lie in a narrow cone (different classes are only ${number(other, 2)} apart), the new ones do not (${number(ownSpread as number, 2)}), so a new query stands farther from every old item`
      : both
        ? 'a new query stands farther from every old item'
        : 'distances within and between classes moved';
  return `That is no contradiction, for ranking asks only which item is nearer, not how near: ${why}; ${figures}.`;
}

function thresholdSentence(report: Report): string {
  const state = report.verdict.thresholds;
  const found = operatingTransfer(report);
  if (state === null || !found)
    return `What a fixed threshold would decide was not measured: ${lower(whyNoThresholds(report))}`;
  const before = thresholdOf(report, 'oldOld', found.far)?.tar ?? null;
  const old = number(found.oldThreshold);
  const allowed = `where ${farText(found.far)} of wrong pairs may pass`;
  switch (state) {
    case 'kept':
      return `A service that accepts pairs up to a fixed distance keeps its threshold, ${old}: it accepts ${percent(found.tarAtOldThreshold)} of right pairs, those of one class (${percent(before)} before), and ${percent(found.farAtOldThreshold, 2)} of wrong ones ${allowed}.`;
    case 'restorable':
      return `A service that accepts pairs up to a fixed distance must move its threshold from ${old} to ${number(found.restoringThreshold)}, ${allowed}: where it is, it accepts ${percent(found.tarAtOldThreshold)} of right pairs, those of one class, and ${percent(found.farAtOldThreshold, 2)} of wrong ones; moved, ${percent(found.tarAtRestoringThreshold)} of right pairs (${percent(before)} before).`;
    case 'broken':
      return `A service that accepts pairs up to a fixed distance has no threshold left that works: its old one, ${old}, accepts ${percent(found.tarAtOldThreshold)} of right pairs, those of one class (${percent(before)} before); ${found.restoringThreshold === null ? 'no other keeps wrong pairs to the same share' : `the best one ${allowed}, ${number(found.restoringThreshold)}, accepts ${percent(found.tarAtRestoringThreshold)}`}.`;
  }
}

const causeWords: Readonly<Record<DiagnosisCode, string>> = {
  rotation: 'the new space is turned against the old one, as those of separately trained models are',
  scale: 'new vectors are on another scale',
  offset: 'all new vectors are displaced by one common vector',
  preprocessing: 'inputs seem to be prepared differently for the two models, or the models are unrelated',
  'label-map': 'classes stand exchanged, by swapped labels or rows',
  duplicates: 'some queries are in the gallery under another id, which flatters both models',
  'few-queries': 'there are too few queries to tell',
  'collapsed-dimensions': 'the new vectors use too little of their space',
};

function causesFound(report: Report, wanted: (cause: Diagnosis) => boolean): Diagnosis[] {
  return report.diagnosis.filter((cause) => cause.found && Object.hasOwn(causeWords, cause.code) && wanted(cause));
}

function causeSentence(report: Report): string | null {
  const found = causesFound(report, () => true).map(({ code }) => causeWords[code]);
  if (found.length === 0) return null;
  return `Found as ${found.length === 1 ? 'a cause' : 'causes'}: ${found.join('; ')}.`;
}

/** Faults of the data: the figures rest on them, so they come before any decision. */
const faults: readonly DiagnosisCode[] = ['label-map', 'duplicates'];

function actionSentence(report: Report): string {
  const { state, thresholds, metric } = report.verdict;
  if (causesFound(report, ({ code }) => faults.includes(code)).length > 0) {
    return 'Correct the data first and audit again, for all figures here rest on it.';
  }
  if (state === 'undecided') {
    const queries = report.criterion[metric]?.queriesToDecide ?? null;
    return `Do not decide on this audit: ${queries === null ? 'give it more queries' : `about ${count(queries)} queries with a match would decide it`}.`;
  }
  if (state === 'incompatible') return 'Do not ship the new model against this gallery as it is.';
  const it =
    report.protocol.dimensionRule === 'project' ? 'It can be shipped together with that map,' : 'It can be shipped';
  if (thresholds === 'kept') return `${it} without embedding the gallery again.`;
  const found = operatingTransfer(report);
  if (thresholds === 'restorable' && found) {
    return `${it} without embedding the gallery again, once the threshold is moved from ${number(found.oldThreshold)} to ${number(found.restoringThreshold)}.`;
  }
  if (thresholds === 'broken') {
    return 'A service that only ranks can ship it without embedding the gallery again; one that compares distances with a threshold must not.';
  }
  return 'A service that only ranks can ship it without embedding the gallery again; one that uses a threshold should measure that first.';
}

const remedyVerbs: Readonly<Record<Exclude<RemedyMethod, 'threshold'>, string>> = {
  procrustes: 'rotating new queries with one fitted matrix',
  linear: 'mapping new queries with one fitted matrix',
  mlp: 'mapping new queries with a small fitted network',
  bct: 'training the new model for compatibility',
  backfill: 'embedding a part of the gallery again',
};

function remedySentence(report: Report): string | null {
  const { state, thresholds, metric } = report.verdict;
  const adapted = report.remedies.filter(
    (remedy): remedy is Remedy & { method: keyof typeof remedyVerbs } =>
      remedy.method !== 'threshold' && Object.hasOwn(remedyVerbs, remedy.method),
  );
  const label = metricLabel(metric);
  if (state === 'incompatible') {
    const cheapest = adapted.find((remedy) => remedy.reachesCriterion === true && remedy.estimated[metric]);
    if (!cheapest)
      return report.remedies.length === 0 ? null : 'None of the remedies that were tried reaches the old model.';
    return `The cheapest remedy that reaches the old model is ${remedyVerbs[cheapest.method]}: estimated ${label} ${number(cheapest.estimated[metric]?.value)} (${cheapest.cost}).`;
  }
  const found = operatingTransfer(report);
  const before = found && (thresholdOf(report, 'oldOld', found.far)?.tar ?? null);
  if (thresholds !== 'broken' || before === null) return null;
  const restoring = adapted.find((remedy) => {
    const tar = remedy.estimated.tar;
    return tar !== undefined && (tar.interval?.[0] ?? tar.value) >= before;
  });
  if (!restoring) return null;
  return `For the threshold the cheapest remedy that was found is ${remedyVerbs[restoring.method]}: with a threshold chosen anew it would accept an estimated ${percent(restoring.estimated.tar?.value)} of right pairs (${restoring.cost}).`;
}

function backfillSentence(report: Report): string | null {
  const { metric } = report.verdict;
  const full = report.retrieval.newNew?.[metric]?.value;
  return full === undefined
    ? null
    : `Embedding the whole gallery again would give ${metricLabel(metric)} ${number(full)}.`;
}

function withoutLabels(report: Report): string[] {
  const words = report.agreement ? neighbourWords(report.agreement) : null;
  const found = words === null ? [] : [`What can be said is how far the models agree: ${words}.`];
  return [
    'There are no labels, so nobody can say which neighbours are right, and whether the new model may search the old gallery is not decided here.',
    ...found,
    'Neighbours that agree change little for those who search; neighbours that do not may be better or worse.',
    'Give labels, even for a part of the items, to have ranking, distances and thresholds judged.',
  ];
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
