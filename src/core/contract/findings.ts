/**
 * Sentences and titles that state a finding, made from states and figures only: nothing here says
 * what only a person could see in the data. Every view takes its words from this module.
 */
import {
  count,
  counted,
  interval,
  inWords,
  metricLabel,
  NO_FIGURE,
  number,
  percent,
  sentence,
  signed,
  signedInterval,
  toleranceText,
} from './format.ts';
import { exitStatusOfGates } from './gates.ts';
import type {
  Cell,
  ClassEntry,
  CriterionEntry,
  Estimate,
  GateResult,
  InequalityState,
  MetricName,
  RankingState,
  Report,
  SignedHistogram,
  SignedViolations,
  ThresholdState,
  Verdict,
  Violations,
  WorstPair,
} from './report.ts';
import {
  farText,
  type ThresholdSource,
  thresholdPhrases,
  thresholdsSentence,
  whyNoThresholds,
} from './thresholdFindings.ts';

/** A piece of a sentence; the strong ones are its key phrases. */
export interface Phrase {
  text: string;
  strong?: boolean;
}

/** The sentence without emphasis. */
export function plain(phrases: readonly Phrase[]): string {
  return phrases.map((phrase) => phrase.text).join('');
}

/** How a state is drawn: always an icon shape and a word, never colour alone. */
export type Tone = 'good' | 'bad' | 'warning' | 'undecided' | 'absent';

export const rankingWords: Readonly<Record<RankingState, { word: string; tone: Tone }>> = {
  compatible: { word: 'compatible', tone: 'good' },
  'within-margin': { word: 'within margin', tone: 'good' },
  undecided: { word: 'undecided', tone: 'undecided' },
  incompatible: { word: 'incompatible', tone: 'bad' },
};

export const thresholdWords: Readonly<Record<ThresholdState, { word: string; tone: Tone }>> = {
  kept: { word: 'kept', tone: 'good' },
  restorable: { word: 'restorable', tone: 'warning' },
  broken: { word: 'broken', tone: 'bad' },
};

export const inequalityWords: Readonly<Record<InequalityState, { word: string; tone: Tone }>> = {
  kept: { word: 'kept', tone: 'good' },
  'as-noise': { word: 'as noise', tone: 'good' },
  violated: { word: 'violated', tone: 'bad' },
};

export const gateWords: Readonly<Record<GateResult['state'], { word: string; tone: Tone }>> = {
  passed: { word: 'passed', tone: 'good' },
  failed: { word: 'failed', tone: 'bad' },
  undecided: { word: 'undecided', tone: 'undecided' },
  unmeasured: { word: 'not measured', tone: 'bad' },
};

/** What the verdict's sentence is made from; a report is one. */
export interface SummarySource extends ThresholdSource {
  verdict: Omit<Verdict, 'summary'>;
  criterion: Report['criterion'];
  inequalities: Report['inequalities'];
}

/** The verdict's one sentence as text: ranking, thresholds, inequalities. */
export function summarise(source: SummarySource): string {
  return plain(verdictSentence(source));
}

/** The verdict's one sentence; three questions, three answers, none stands for another. */
export function verdictSentence(source: SummarySource): Phrase[] {
  return [
    ...rankingPhrases(source),
    { text: '; ' },
    ...thresholdPhrases(source),
    { text: '; ' },
    ...inequalityPhrases(source),
    { text: '.' },
  ];
}

function rankingPhrases({ verdict, criterion }: SummarySource): Phrase[] {
  const metric = metricLabel(verdict.metric);
  const entry = criterion[verdict.metric];
  if (!entry) return [{ text: 'Ranking was not measured', strong: true }];
  const figures = `${metric} ${number(entry.new)} against ${number(entry.old)}`;
  switch (verdict.state) {
    case 'compatible':
      return [{ text: 'Ranks better', strong: true }, { text: ` on the old gallery (${figures})` }];
    case 'within-margin':
      return entry.difference === 0
        ? [
            { text: 'Ranks as well', strong: true },
            { text: ` on the old gallery (${metric} ${number(entry.new)} both)` },
          ]
        : [{ text: 'Ranks within the margin', strong: true }, { text: ` on the old gallery (${figures})` }];
    case 'incompatible':
      return [{ text: 'Ranks worse', strong: true }, { text: ` on the old gallery (${figures})` }];
    case 'undecided':
      return [{ text: 'Ranking is undecided', strong: true }, { text: ` on the old gallery (${figures})` }];
  }
}

function inequalityPhrases({ verdict, inequalities }: SummarySource): Phrase[] {
  const rate = strictRate(inequalities.positive)?.rate ?? null;
  const floor = strictRate(inequalities.references.jitteredOld.positive)?.rate ?? null;
  if (rate === null) return [{ text: 'same-class distances were not measured' }];
  const noise = floor === null ? '' : `, where noise alone would grow ${percent(floor)}`;
  switch (verdict.inequalities) {
    case 'kept':
      return [{ text: `only ${percent(rate)} of same-class distances grew`, strong: true }, { text: noise }];
    case 'as-noise':
      return [
        { text: 'same-class distances grew no more than by noise', strong: true },
        { text: ` (${percent(rate)} of them)` },
      ];
    case 'violated':
      return [{ text: `${percent(rate)} of same-class distances grew`, strong: true }, { text: noise }];
    case null:
      return [{ text: 'same-class distances were not measured' }];
  }
}

/** The rate at the first, the strict, tolerance. */
function strictRate(violations: Violations) {
  return violations.byEpsilon[0];
}

export interface VerdictRow {
  part: 'Ranking' | 'Thresholds' | 'Inequalities';
  /** State in words, capitalised. */
  word: string;
  tone: Tone;
  text: string;
}

/** The three parts of the verdict, one row each. */
export function verdictRows(report: Report): VerdictRow[] {
  const { verdict } = report;
  const ranking = rankingWords[verdict.state];
  const absent: { word: string; tone: Tone } = { word: 'not measured', tone: 'absent' };
  const thresholds = verdict.thresholds === null ? absent : thresholdWords[verdict.thresholds];
  const inequalities = verdict.inequalities === null ? absent : inequalityWords[verdict.inequalities];
  return [
    { part: 'Ranking', word: sentence(ranking.word), tone: ranking.tone, text: rankingDetail(report) },
    { part: 'Thresholds', word: sentence(thresholds.word), tone: thresholds.tone, text: thresholdDetail(report) },
    {
      part: 'Inequalities',
      word: sentence(inequalities.word),
      tone: inequalities.tone,
      text: `${signDetail('Same class', report, 'positive')} ${signDetail('Different class', report, 'negative')}`,
    },
  ];
}

function rankingDetail(report: Report): string {
  const { metric, state } = report.verdict;
  const entry = report.criterion[metric];
  if (!entry) {
    return report.data.labelled === false
      ? 'Without labels nothing says which items match.'
      : 'No query has a match in the gallery.';
  }
  const change = [metricLabel(metric), signed(entry.difference), signedInterval(entry.interval)]
    .filter((part) => part !== '')
    .join(' ');
  if (state === 'undecided') return `${change}: ${deciding(entry, report)}.`;
  if (state === 'incompatible') return `New queries must not search the old gallery: ${change}.`;
  const gain = report.updateGain[metric];
  const share =
    state === 'compatible' && gain?.value !== null && gain?.value !== undefined
      ? `, ${gainShare(gain.value)} a full backfill${gain.against === 'paragon' ? ' with the paragon' : ''} would gain`
      : '';
  return `New queries may search the old gallery: ${change}${share}.`;
}

function thresholdDetail(report: Report): string {
  if (report.verdict.thresholds === null) return whyNoThresholds(report);
  const said = plain(thresholdsSentence(report));
  return `At a false accept rate of ${farText(report.protocol.operatingFar)}, ${said.charAt(0).toLowerCase()}${said.slice(1)}`;
}

function deciding(entry: CriterionEntry, report: Report): string {
  const queries = matchedQueries(report);
  if (queries !== null && queries < 30)
    return `${counted(queries, 'query', 'queries')} with a match are too few to decide`;
  if (entry.queriesToDecide === null) return 'the interval holds both outcomes';
  const has = queries === null ? '' : `; this audit has ${count(queries)}`;
  const of = report.protocol.bootstrap.unit === 'class' ? ', of as many more classes,' : '';
  return `about ${count(entry.queriesToDecide)} queries${of} would decide it${has}`;
}

function signDetail(name: string, report: Report, sign: keyof SignedViolations): string {
  const strict = strictRate(report.inequalities[sign]);
  if (!strict || strict.rate === null) return `${name}: not measured.`;
  const floor = strictRate(report.inequalities.references.jitteredOld[sign])?.rate;
  const range = strict.interval ? ` ${interval(strict.interval)}` : '';
  return `${name} ${number(strict.rate)} violated${range}, floor ${number(floor)}.`;
}

/** Queries that retrieval figures are means of; null when a sample of unknown matches was used. */
export function matchedQueries(report: Report): number | null {
  if (report.protocol.sampledQueries !== null) return null;
  return report.data.queries - report.data.queriesWithoutMatch;
}

/** `digits-v1 → digits-v2`. */
export function pairTitle(report: Report): string {
  return `${report.old.name} → ${report.new.name}`;
}

/** `32-d, ONNX`. */
export function modelNote(model: Report['old']): string {
  const kinds = { onnx: 'ONNX', 'tfjs-layers': 'TF.js layers', 'tfjs-graph': 'TF.js graph', table: 'table' };
  return `${model.dimension}-d, ${kinds[model.kind]}`;
}

/** `1,000 queries · 3,000 gallery items · 10 classes · exact`. */
export function dataLine(report: Report): string {
  const { data, protocol } = report;
  const parts = [
    counted(data.queries, 'query', 'queries'),
    counted(data.gallery, 'gallery item'),
    data.labelled === false ? 'no labels' : counted(data.classes, 'class', 'classes'),
  ];
  if (data.leaveOneOut) parts.push('leave-one-out');
  else if (data.sharedItems > 0) parts.push(`${count(data.sharedItems)} shared`);
  if (data.queriesWithoutMatch > 0)
    parts.push(`${counted(data.queriesWithoutMatch, 'query', 'queries')} without a match`);
  parts.push(
    protocol.exact || protocol.sampledQueries === null ? 'exact' : `${count(protocol.sampledQueries)} queries sampled`,
  );
  return parts.join(' · ');
}

type CriterionRow = [metric: MetricName, entry: CriterionEntry];

/** The criterion's rows: the deciding metric first, then as the report has them. */
export function criterionRows(report: Report): CriterionRow[] {
  const rows = Object.entries(report.criterion).filter((row) => row[1] !== undefined) as CriterionRow[];
  const decides = (row: CriterionRow) => row[0] === report.verdict.metric;
  return [...rows.filter(decides), ...rows.filter((row) => !decides(row))];
}

/** "Five of six metrics rank better than the old model against itself". */
export function criterionTitle(report: Report): string {
  const states = criterionRows(report).map(([, entry]) => entry.state);
  const total = states.length;
  if (total === 0) return 'No metric was measured';
  const having = (state: RankingState) => states.filter((other) => other === state).length;
  const better = having('compatible');
  const worse = having('incompatible');
  const undecided = having('undecided');
  const all = total === 1 ? 'The one metric' : `All ${inWords(total)} metrics`;
  const verb = total === 1 ? 'ranks' : 'rank';
  const against = 'than the old model against itself';
  if (better === total) return `${all} ${verb} better ${against}`;
  if (worse === total) return `${all} ${verb} worse ${against}`;
  if (undecided === total) return total === 1 ? `${all} is undecided` : `None of ${inWords(total)} metrics is decided`;
  if (better + worse + undecided === 0) return `${all} ${total === 1 ? 'stays' : 'stay'} within the margin`;
  const share = (count: number) => `${inWords(count)} of ${inWords(total)} metrics ${count === 1 ? 'ranks' : 'rank'}`;
  if (better > 0 && worse > 0) return sentence(`${share(better)} better ${against}, ${inWords(worse)} worse`);
  if (better > 0) return sentence(`${share(better)} better ${against}`);
  if (worse > 0) return sentence(`${share(worse)} worse ${against}`);
  return `No metric ranks better ${against}, ${inWords(undecided)} of ${inWords(total)} ${undecided === 1 ? 'is' : 'are'} undecided`;
}

/** What the criterion's table draws, for the grey line below its title. */
export function criterionCaption(report: Report): string {
  const { margin, bootstrap } = report.protocol;
  return `New query on old gallery minus old on old, paired, ${percent(bootstrap.confidence)} interval. Above 0 is compatible; the margin is ${margin === 0 ? '0' : number(margin)}.`;
}

/** One line for each undecided metric: what would decide it. */
export function criterionNotes(report: Report): string[] {
  return criterionRows(report)
    .filter(([, entry]) => entry.state === 'undecided')
    .map(([metric, entry]) => `${metricLabel(metric)}: ${deciding(entry, report)}.`);
}

const namedShares: [number, string][] = [
  [0.25, 'a quarter of what'],
  [1 / 3, 'a third of what'],
  [0.5, 'half of what'],
  [2 / 3, 'two thirds of what'],
  [0.75, 'three quarters of what'],
];

/** A share of a gain in words, to be followed by "a full backfill would". */
function gainShare(share: number): string {
  if (share >= 1.02) return 'more than';
  if (share >= 0.98) return 'all that';
  const named = namedShares.find(([value]) => Math.abs(value - share) < 0.02);
  return named ? named[1] : `${percent(share)} of what`;
}

/** "Without re-embedding, new queries gain half of what a full backfill would: ...". */
export function retrievalSentence(report: Report): Phrase[] {
  const { metric, state } = report.verdict;
  const label = metricLabel(metric);
  const before = report.retrieval.oldOld[metric]?.value;
  const shipped = report.retrieval.newOld[metric]?.value;
  const full = report.retrieval.newNew?.[metric]?.value;
  if (before === undefined || shipped === undefined) return [{ text: 'Retrieval was not measured.' }];
  const start: Phrase = { text: 'Without re-embedding, new queries ' };
  const between = `: ${label} ${number(shipped)}, ${number(before)} all old`;
  const end = full === undefined ? `${between}; all new was not measured.` : `${between}, ${number(full)} all new.`;
  if (state === 'incompatible') return [start, { text: 'rank worse than old ones', strong: true }, { text: end }];
  if (state !== 'compatible') {
    const words = state === 'undecided' ? 'gain or lose too little to tell' : 'rank as well as old ones';
    return [start, { text: words, strong: true }, { text: end }];
  }
  if (full === undefined) return [start, { text: 'rank better than old ones', strong: true }, { text: end }];
  if (full <= before) return [start, { text: 'rank better than a full backfill', strong: true }, { text: end }];
  const share = gainShare((shipped - before) / (full - before));
  return [start, { text: `gain ${share} a full backfill would`, strong: true }, { text: end }];
}

/** Whether estimate `a` is better than `b` beyond both intervals; null when that cannot be told. */
function clearlyBetter(a: Estimate | undefined, b: Estimate | undefined): boolean | null {
  if (!a?.interval || !b?.interval) return null;
  if (a.interval[0] > b.interval[1]) return true;
  return a.interval[1] < b.interval[0] ? false : null;
}

/** Title of the 2x2 table. */
export function cellsTitle(report: Report): string {
  const { metric, state } = report.verdict;
  const onNew = report.retrieval.newNew
    ? clearlyBetter(report.retrieval.newNew[metric], report.retrieval.oldOld[metric])
    : null;
  if (state === 'compatible') {
    return onNew === true ? 'New queries rank better on both galleries' : 'New queries rank better on the old gallery';
  }
  if (state === 'incompatible') {
    if (onNew === true) return 'New queries rank better only on a re-embedded gallery';
    if (onNew === false) return 'New queries rank worse on both galleries';
    return 'New queries rank worse on the old gallery';
  }
  const old =
    state === 'undecided'
      ? 'New queries may rank better or worse on the old gallery'
      : 'New queries rank as well on the old gallery';
  return onNew === true ? `${old}, better on a re-embedded one` : old;
}

/** "The gain is largest at the first hit, no longer measurable at the tenth". */
export function cmcTitle(report: Report): string {
  const rows = report.protocol.ks
    .map((k) => ({ k, entry: report.criterion[`cmc@${k}`] }))
    .filter((row): row is { k: number; entry: CriterionEntry } => row.entry !== undefined);
  const decided = rows.filter(({ entry }) => entry.state === 'compatible' || entry.state === 'incompatible');
  const [first] = decided;
  if (!first) return 'No measurable change among the nearest';
  const sign = Math.sign(first.entry.difference);
  if (decided.some(({ entry }) => Math.sign(entry.difference) !== sign))
    return 'The gain depends on how many nearest count';
  const largest = decided.reduce((a, b) => (Math.abs(b.entry.difference) > Math.abs(a.entry.difference) ? b : a));
  const word = sign > 0 ? 'gain' : 'loss';
  const last = rows[rows.length - 1];
  const at = (k: number) => (k === 1 ? 'the first hit' : `the first ${inWords(k)}`);
  const fades = last && !decided.includes(last) ? `, no longer measurable among ${at(last.k)}` : '';
  return rows.length === 1 ? `A ${word} at ${at(first.k)}` : `The ${word} is largest at ${at(largest.k)}${fades}`;
}

/** Whether a class gains or loses mAP: by its interval, where it has one. */
export function classState(entry: ClassEntry): 'gain' | 'loss' | 'undecided' {
  const { difference, interval } = entry.map;
  if (difference === null || difference === 0) return 'undecided';
  if (!interval) return 'undecided';
  if (interval[0] > 0) return 'gain';
  return interval[1] < 0 ? 'loss' : 'undecided';
}

/** "Nine of ten classes gain; class 4 may lose". */
export function classesTitle(report: Report): string {
  const { classes } = report;
  if (classes.length === 0) return 'No class was measured';
  const gain = classes.filter((entry) => classState(entry) === 'gain');
  const loss = classes.filter((entry) => classState(entry) === 'loss');
  const open = classes.filter((entry) => classState(entry) === 'undecided');
  const total = classes.length;
  const listed = total < report.data.classes ? ' listed' : '';
  const of = (count: number) => `${inWords(count)} of ${inWords(total)}${listed} classes`;
  const one = (entry: ClassEntry) => `class ${entry.label}`;
  if (gain.length === total) return total === 1 ? `The one class gains` : `All ${inWords(total)}${listed} classes gain`;
  if (loss.length === total) return total === 1 ? `The one class loses` : `All ${inWords(total)}${listed} classes lose`;
  if (gain.length + loss.length === 0) return `No class gains or loses measurably`;
  const parts: string[] = [];
  if (gain.length > 0) parts.push(`${of(gain.length)} ${gain.length === 1 ? 'gains' : 'gain'}`);
  const [loser] = loss;
  if (loss.length === 1 && loser && gain.length > 0) parts.push(`${one(loser)} loses`);
  else if (loss.length > 0) {
    const who = gain.length > 0 ? inWords(loss.length) : of(loss.length);
    parts.push(`${who} ${loss.length === 1 ? 'loses' : 'lose'}`);
  }
  const [unsure] = open;
  if (open.length === 1 && unsure) {
    const mean = unsure.map.difference ?? 0;
    parts.push(mean < 0 ? `${one(unsure)} may lose` : `${one(unsure)} is undecided`);
  } else if (open.length > 1) parts.push(`${inWords(open.length)} are undecided`);
  return sentence(parts.join('; '));
}

/** "Flips: 74 queries became right, 13 became wrong". */
export function flipsTitle(report: Report): string {
  const { flips } = report;
  if (flips.negativeFlipRate === null) return 'Flips were not measured';
  const queries = matchedQueries(report);
  const right = queries === null || flips.positiveFlipRate === null ? null : flips.positiveFlipRate * queries;
  const wrong = flips.flippedQueries;
  if (right === null || Math.abs(right - Math.round(right)) > 1e-6 * Math.max(1, right)) {
    return `Flips: ${percent(flips.positiveFlipRate ?? 0)} became right, ${percent(flips.negativeFlipRate)} became wrong`;
  }
  if (right < 0.5 && wrong === 0) return 'Flips: no query became right or wrong';
  return `Flips: ${counted(Math.round(right), 'query', 'queries')} became right, ${count(wrong)} became wrong`;
}

type Side = 'above' | 'below' | 'level';

/** Where a strict rate lies relative to the rate that noise alone gives. */
function besideFloor(report: Report, sign: keyof SignedViolations): Side {
  const pair = strictRate(report.inequalities[sign]);
  const floor = strictRate(report.inequalities.references.jitteredOld[sign])?.rate;
  if (!pair || pair.rate === null || floor === null || floor === undefined) return 'level';
  const [low, high] = pair.interval ?? [pair.rate, pair.rate];
  if (low > floor) return 'above';
  return high < floor ? 'below' : 'level';
}

/** "New queries stand farther from everything: 96 % of same-class distances grew, ...". */
export function inequalitiesSentence(report: Report): Phrase[] {
  const positive = strictRate(report.inequalities.positive)?.rate ?? null;
  const negative = strictRate(report.inequalities.negative)?.rate ?? null;
  if (positive === null) return [{ text: 'The inequalities were not measured.' }];
  const sides = `${besideFloor(report, 'positive')} ${besideFloor(report, 'negative')}`;
  const lead: Record<string, string> = {
    'above below': 'stand farther from everything',
    'below above': 'stand closer to everything',
    'above above': 'tell the classes apart less well',
    'below below': 'tell the classes apart better',
    'above level': 'stand farther from their own class',
    'below level': 'stand closer to their own class',
    'level above': 'stand closer to other classes',
    'level below': 'stand farther from other classes',
  };
  const words =
    report.verdict.inequalities === 'as-noise'
      ? 'stand where noise would put them'
      : (lead[sides] ?? 'break as many inequalities as noise would');
  const shrank = negative === null ? '' : `, ${percent(negative)} of different-class distances shrank`;
  const floor = strictRate(report.inequalities.references.jitteredOld.positive)?.rate ?? null;
  const other = strictRate(report.inequalities.references.jitteredOld.negative)?.rate ?? null;
  let noise = '';
  if (floor !== null && other !== null) {
    const [a, b] = [percent(floor), percent(other)];
    noise = a === b ? ` Noise alone gives ${a} of each.` : ` Noise alone gives ${a} and ${b}.`;
  }
  return [
    { text: 'New queries ' },
    { text: words, strong: true },
    { text: `: ${percent(positive)} of same-class distances grew${shrank}.${noise}` },
  ];
}

/** What the inequality table draws. */
export function inequalitiesCaption(report: Report): string {
  const { data, protocol } = report;
  const strict = protocol.epsilons[0];
  const last = protocol.epsilons[protocol.epsilons.length - 1];
  const tolerance = strict === undefined ? '' : ` (tolerance ${toleranceText(strict)})`;
  const larger =
    last === undefined || last === strict
      ? ''
      : ` A rate that falls to 0 at tolerance ${toleranceText(last)} is noise, one that stays is a shift.`;
  return `Violated: strict rate${tolerance} of ${count(data.positivePairs)} same-class and ${count(data.negativePairs)} different-class pairs.${larger}`;
}

/** Mean of a histogram from the middles of its bins; null for an empty one. */
export function meanOfBins(edges: readonly number[], shares: readonly number[]): number | null {
  let sum = 0;
  let weight = 0;
  shares.forEach((share, bin) => {
    sum += share * (((edges[bin] ?? 0) + (edges[bin + 1] ?? 0)) / 2);
    weight += share;
  });
  return weight > 0 ? sum / weight : null;
}

/** "Both distributions moved right". A move below the width of a bin is none. */
export function histogramTitle(report: Report): string {
  const { edges, oldOld, newOld } = report.histograms;
  const width = (edges[1] ?? 0) - (edges[0] ?? 0);
  const move = (sign: keyof SignedHistogram): 'right' | 'left' | 'none' | null => {
    const before = meanOfBins(edges, oldOld[sign]);
    const after = meanOfBins(edges, newOld[sign]);
    if (before === null || after === null) return null;
    if (Math.abs(after - before) < width) return 'none';
    return after > before ? 'right' : 'left';
  };
  const same = move('positive');
  const different = move('negative');
  if (same === null || different === null) return 'Distances by class relation';
  if (same === different) return same === 'none' ? 'Neither distribution moved' : `Both distributions moved ${same}`;
  if (different === 'none') return `Same-class distances moved ${same}, different-class ones stayed`;
  if (same === 'none') return `Different-class distances moved ${different}, same-class ones stayed`;
  return `Same-class distances moved ${same}, different-class ones ${different}`;
}

/** "Half of the same-class pairs grew by more than .330". */
export function toleranceTitle(report: Report): string {
  const { tolerances, tolerance } = report.curves;
  const rates = tolerance.pair.positive;
  const first = rates[0];
  if (first === undefined) return 'Rate against tolerance';
  const crossing = rates.findIndex((rate) => rate < 0.5);
  if (first >= 0.5 && crossing > 0) {
    // Linear between the two tolerances around one half.
    const [x0, x1] = [tolerances[crossing - 1] ?? 0, tolerances[crossing] ?? 0];
    const [y0, y1] = [rates[crossing - 1] ?? 0.5, rates[crossing] ?? 0.5];
    const half = y0 === y1 ? x0 : x0 + ((y0 - 0.5) / (y0 - y1)) * (x1 - x0);
    return half < 1e-3
      ? 'No more than noise: half of the same-class pairs grew by less than .001'
      : `Half of the same-class pairs grew by more than ${number(half)}`;
  }
  const end = tolerances[tolerances.length - 1];
  const last = rates[rates.length - 1];
  if (first >= 0.5 && end !== undefined)
    return `More than half of the same-class pairs grew by more than ${number(end)}`;
  if (end === undefined || last === undefined) return 'Rate against tolerance';
  const middle = tolerances.findIndex((value) => value >= 0.05);
  const at = middle > 0 ? middle : rates.length - 1;
  return `${percent(rates[at] ?? 0)} of the same-class pairs grew by more than ${toleranceText(tolerances[at] ?? 0)}`;
}

/** "Worst same-class pairs: class 4 takes 38 of 100". */
export function worstPairsTitle(sign: keyof SignedViolations, pairs: readonly WorstPair[]): string {
  const name = sign === 'positive' ? 'Worst same-class pairs' : 'Worst different-class pairs';
  if (pairs.length === 0)
    return sign === 'positive' ? 'No same-class pair grew apart' : 'No different-class pair came closer';
  const counts = new Map<string, { count: number; pair: WorstPair }>();
  for (const pair of pairs) {
    // Both directions of a confusion are one: 4 against 9, 9 against 4.
    const key = JSON.stringify([pair.queryLabel, pair.galleryLabel].sort());
    const entry = counts.get(key) ?? { count: 0, pair };
    entry.count++;
    counts.set(key, entry);
  }
  const top = [...counts.values()].reduce((a, b) => (b.count > a.count ? b : a));
  if (counts.size === 1 || top.count * 5 < pairs.length || top.count < 2) {
    return counts.size === 1 && pairs.length > 1 ? `${name}: all between ${between(top.pair)}` : name;
  }
  const who = sign === 'positive' ? `class ${top.pair.queryLabel} takes` : `${between(top.pair)} take`;
  return `${name}: ${who} ${top.count} of ${pairs.length}`;
}

function between(pair: WorstPair): string {
  return pair.queryLabel === pair.galleryLabel
    ? `items of ${pair.queryLabel}`
    : `${pair.queryLabel} and ${pair.galleryLabel}`;
}

/** "Gates: one failed, one undecided". */
export function gatesTitle(gates: readonly GateResult[]): string {
  if (gates.length === 0) return 'No gates are set';
  const having = (state: GateResult['state']) => gates.filter((gate) => gate.state === state).length;
  const passed = having('passed');
  if (passed === gates.length) return passed === 1 ? 'The one gate passed' : `All ${inWords(passed)} gates passed`;
  const parts = (['failed', 'unmeasured', 'undecided'] as const)
    .filter((state) => having(state) > 0)
    .map((state) => `${inWords(having(state))} ${gateWords[state].word}`);
  return `Gates: ${parts.join(', ')}`;
}

/** Exit status that the report's gates ask for. */
export function gatesExitStatus(report: Report): number {
  return exitStatusOfGates(report.gates, report.undecided ?? 'report');
}

/** The limit of a gate: `≥ .500, lower end`, `within margin or better`. */
export function limitText(limit: GateResult['limit']): string {
  const parts: string[] = [];
  if (limit.state !== undefined) parts.push(`${limit.state} or better`);
  if (limit.min !== undefined) parts.push(`≥ ${number(limit.min)}`);
  if (limit.max !== undefined) parts.push(`≤ ${number(limit.max)}`);
  if (limit.bound === 'lower' || limit.bound === 'upper') parts.push(`${limit.bound} end`);
  if (limit.minChange !== undefined) parts.push(`change ≥ ${signed(limit.minChange)}`);
  if (limit.maxChange !== undefined) parts.push(`change ≤ ${signed(limit.maxChange)}`);
  if (limit.minQueries !== undefined) parts.push(`at least ${counted(limit.minQueries, 'query', 'queries')}`);
  return parts.join(', ');
}

/** What a gate found, as text. */
export function actualText(actual: GateResult['actual']): string {
  if (actual === null) return NO_FIGURE;
  return typeof actual === 'string' ? actual : number(actual);
}

/** What the intervals cover and what they do not. */
export function intervalsNote(report: Report): string {
  const { unit, resamples, confidence } = report.protocol.bootstrap;
  const how = `Intervals: ${percent(confidence)}, bootstrap over ${unit === 'class' ? 'classes' : 'queries'} (${count(resamples)} resamples)`;
  return unit === 'class'
    ? `${how}: other classes like these and their queries, against this gallery.`
    : `${how}: other queries of these classes against this gallery. They say nothing about new classes.`;
}

/** Metrics of a cell in the order of the criterion. */
export function cellMetrics(report: Report): MetricName[] {
  const known = criterionRows(report).map(([metric]) => metric);
  const rest = Object.keys(report.retrieval.oldOld as Cell) as MetricName[];
  return [...new Set([...known, ...rest])];
}
