/** Sentences about a training, live or over, from its record. */
import type { Phrase } from './findings.ts';
import type { FollowedTraining, TrainingStep } from './followedTraining.ts';
import { count, durationText, metricLabel, number, percent, sentence, signed } from './format.ts';
import { taxTitle } from './paragonFindings.ts';
import { type EpochFigures, TRAINING_FILES, type TrainingPart, type TrainingRecord } from './training.ts';

/** How the new model stands against the old one on the held-out items, epoch by epoch. */
export type Standing =
  /** `since`: first epoch of the unbroken row that ends now. */
  | { kind: 'better'; since: number }
  /** It was better up to `until`, and is no more. */
  | { kind: 'lost'; until: number }
  | { kind: 'undecided' }
  | { kind: 'worse' }
  /** Nothing held out, or no old vectors. */
  | { kind: 'unknown' };

/** With an interval its state decides, without one the sign of the difference. */
function isBetter(figures: EpochFigures, metric: string): boolean | null {
  if (figures.criterion !== null) return figures.criterion.state === 'compatible';
  const newer = figures.newOld?.[metric];
  const old = figures.oldOld?.[metric];
  return newer === undefined || old === undefined ? null : newer > old;
}

/** @param metric the record's `criterionMetric` */
export function standingOf(epochs: readonly EpochFigures[], metric: string): Standing {
  const judged = epochs.map((figures) => ({ figures, better: isBetter(figures, metric) }));
  const last = judged.at(-1);
  if (last === undefined || last.better === null) return { kind: 'unknown' };
  if (last.better) {
    const before = judged.findLastIndex(({ better }) => better !== true);
    return { kind: 'better', since: judged[before + 1]?.figures.epoch ?? 0 };
  }
  const until = judged.findLast(({ better }) => better === true);
  if (until !== undefined) return { kind: 'lost', until: until.figures.epoch };
  const state = last.figures.criterion?.state;
  return { kind: state === undefined || state === 'incompatible' ? 'worse' : 'undecided' };
}

/** "ranks better than the old model since epoch 3"; null where nothing is known. */
export function standingWords(standing: Standing): string | null {
  switch (standing.kind) {
    case 'better':
      return standing.since === 0
        ? 'ranks better than the old model from the start'
        : `ranks better than the old model since epoch ${standing.since}`;
    case 'lost':
      return `no longer ranks better than the old model (last at epoch ${standing.until})`;
    case 'undecided':
      return 'is not yet clearly better or worse than the old model';
    case 'worse':
      return 'ranks worse than the old model';
    case 'unknown':
      return null;
  }
}

/** The part to look at first: the one that is trained, else the result, else the last that has begun. */
export function partInView({ parts, chosen }: TrainingRecord): TrainingPart | null {
  const running = parts.find(({ state }) => state === 'running');
  const result = chosen === null ? undefined : parts.find(({ folder }) => folder === chosen);
  return running ?? result ?? parts.findLast(({ epochs }) => epochs.length > 0) ?? parts[0] ?? null;
}

/** Figures of the epoch whose weights are the result, else the newest; null before the first. */
export function figuresOf({ epochs, resultEpoch }: TrainingPart): EpochFigures | null {
  return epochs.find(({ epoch }) => epoch === resultEpoch) ?? epochs.at(-1) ?? null;
}

/** "new/old mAP is .701 and ranks better ..." as phrases; empty where nothing was measured. */
function standingPhrases(part: TrainingPart, metric: string): Phrase[] {
  const figures = figuresOf(part);
  const label = metricLabel(metric);
  const value = figures?.newOld?.[metric];
  if (value === undefined) {
    const own = figures?.newNew?.[metric];
    return own === undefined ? [] : [{ text: `new/new ${label} is ` }, { text: number(own), strong: true }];
  }
  const until = part.epochs.filter(({ epoch }) => epoch <= (figures?.epoch ?? 0));
  const words = standingWords(standingOf(until, metric));
  return [
    { text: `new/old ${label} is ${number(value)}` },
    ...(words === null ? [] : [{ text: '; the model ' }, { text: words, strong: true }]),
  ];
}

function place(training: FollowedTraining): string {
  const { record, progress, steps } = training;
  if (progress?.unit === 'steps') return ` at step ${count(progress.done)} of ${count(progress.total)}`;
  const part = record === null ? null : partInView(record);
  if (record === null || part === null || part.state !== 'running') return '';
  const made = Math.max(steps[part.folder]?.at(-1)?.step ?? 0, part.epochs.at(-1)?.step ?? 0);
  return made === 0 ? '' : ` at step ${count(made)} of ${count(record.epochsPlanned * record.stepsPerEpoch)}`;
}

const endings = {
  paused: 'Paused',
  stopped: 'Stopped',
  cancelled: 'Cancelled',
  failed: 'Failed',
} as const;

/** The state of a training in one sentence: what it does, how far it is, and how the model stands. */
export function trainingSentence(training: FollowedTraining): Phrase[] {
  const { state, phase, record, progress } = training;
  const part = record === null ? null : partInView(record);
  const standing = record === null || part === null ? [] : standingPhrases(part, record.criterionMetric);
  const then = standing.length === 0 ? [{ text: '.' }] : [{ text: ': ' }, ...standing, { text: '.' }];
  if (state === 'done') return [{ text: 'Trained', strong: true }, ...then];
  if (state !== 'running') return [{ text: `${endings[state]}${place(training)}`, strong: true }, ...then];
  if (record === null || part === null || progress?.unit !== 'steps') {
    return [{ text: phase ?? 'Starting', strong: true }, ...then];
  }
  const epoch = Math.min(record.epochsPlanned, (part.epochs.at(-1)?.epoch ?? 0) + 1);
  const title = record.parts.length > 1 ? ` ${part.title}` : '';
  return [{ text: `Training${title}`, strong: true }, { text: `, epoch ${epoch} of ${record.epochsPlanned}` }, ...then];
}

/** "New/old passed old/old at epoch 5; new/new is above the paragon". */
export function metricTitle(part: TrainingPart, metric: string, paragon: number | null): string {
  const label = metricLabel(metric);
  const figures = part.epochs.at(-1);
  if (figures === undefined) return `${label} on held-out items`;
  const newNew = figures.newNew?.[metric];
  const beside =
    newNew === undefined || paragon === null
      ? null
      : `new/new is ${newNew >= paragon ? 'not below' : `${number(paragon - newNew)} below`} the paragon`;
  const standing = standingOf(part.epochs, metric);
  const first = {
    better:
      standing.kind === 'better' && standing.since > 0
        ? `new/old passed old/old at epoch ${standing.since}`
        : 'new/old is above old/old from the start',
    lost: standing.kind === 'lost' ? `new/old has fallen back since epoch ${standing.until}` : '',
    undecided: 'new/old is not clearly above or below old/old',
    worse: 'new/old is below old/old',
    unknown: newNew === undefined ? `no ${label} was measured` : `new/new ${label} is ${number(newNew)}`,
  }[standing.kind];
  return sentence([first, beside].filter((text) => text !== null).join('; '));
}

/** "Loss: classification .140, influence .370". */
export function lossTitle(steps: readonly TrainingStep[], epochs: readonly EpochFigures[]): string {
  const last = steps.at(-1) ?? epochs.findLast(({ loss }) => loss !== null);
  if (last === undefined) return 'Loss';
  const terms = Object.entries(last.terms);
  if (terms.length < 2) return `Loss ${number(last.loss)}`;
  return `Loss: ${terms.map(([name, value]) => `${name} ${number(value)}`).join(', ')}`;
}

/** "96 % of same-class distances grew". */
export function violationsTitle(epochs: readonly EpochFigures[]): string {
  const rate = epochs.at(-1)?.positiveRate;
  if (rate === null || rate === undefined) return 'Inequalities were not measured';
  return `${sentence(percent(rate, 0))} of same-class distances grew`;
}

/** ".014 of the queries went from right to wrong". */
export function negativeFlipTitle(epochs: readonly EpochFigures[]): string {
  const rate = epochs.at(-1)?.negativeFlipRate;
  if (rate === null || rate === undefined) return 'Flips were not measured';
  return rate === 0 ? 'No query went from right to wrong' : `${percent(rate)} of queries went from right to wrong`;
}

/** "A step takes 38 ms". */
export function stepTimeTitle(steps: readonly TrainingStep[]): string {
  const last = steps.at(-1);
  return last === undefined ? 'Step time' : `A step takes ${stepTimeText(last.millisecondsPerStep)}`;
}

/** "38 ms", "1.2 s". */
export function stepTimeText(milliseconds: number): string {
  if (milliseconds >= 1000) return durationText(milliseconds / 1000);
  return `${Number(milliseconds.toPrecision(2))} ms`;
}

/**
 * Seconds that are left, audits not counted; null before anything is known. Epochs that have ended say how long one takes, held-out
 * figures included; before the first its steps do. Parts that wait count as long as this one.
 */
export function secondsLeft({
  record,
  progress,
  steps,
}: Pick<FollowedTraining, 'record' | 'progress' | 'steps'>): number | null {
  if (record === null || progress?.unit !== 'steps') return null;
  const part = partInView(record);
  if (part === null || record.stepsPerEpoch === 0) return null;
  const ended = part.epochs.filter(({ epoch }) => epoch > 0).slice(-5);
  const last = steps[part.folder]?.at(-1);
  const perEpoch =
    ended.length > 0
      ? ended.reduce((sum, { seconds }) => sum + seconds, 0) / ended.length
      : last && (last.millisecondsPerStep / 1000) * record.stepsPerEpoch;
  if (perEpoch === undefined) return null;
  const waiting = record.parts.filter(({ state }) => state === 'waiting').length;
  const epochs = (progress.total - progress.done) / record.stepsPerEpoch + waiting * record.epochsPlanned;
  return Math.max(0, epochs * perEpoch);
}

/** M(new/new) of the paragon that the run trained itself; null without one. */
export function paragonOf({ parts, criterionMetric }: TrainingRecord): number | null {
  const part = parts.find(({ folder }) => folder === TRAINING_FILES.paragon);
  return (part && figuresOf(part)?.newNew?.[criterionMetric]) ?? null;
}

/** A model of a sweep where it stands: gain on the old gallery against quality of its own. */
export interface TradeOffPoint {
  folder: string;
  title: string;
  lambda: number;
  newOld: number;
  newNew: number;
}

/** The parts of a sweep that have figures of both cells, smallest lambda first. Audited figures where there are, else held-out ones. */
export function tradeOffOf({ record, audits }: Pick<FollowedTraining, 'record' | 'audits'>): TradeOffPoint[] {
  if (record === null) return [];
  const points = record.parts.flatMap((part): TradeOffPoint[] => {
    const { folder, title, lambda } = part;
    const audit = audits.find((each) => each.folder === folder);
    const figures = figuresOf(part);
    const newOld = audit?.newOld ?? figures?.newOld?.[record.criterionMetric];
    const newNew = audit?.newNew ?? figures?.newNew?.[record.criterionMetric];
    if (lambda === null || newOld === undefined || newNew === undefined) return [];
    return [{ folder, title, lambda, newOld, newNew }];
  });
  return points.sort((a, b) => a.lambda - b.lambda);
}

/** "λ 2 ranks best on the old gallery (mAP .610), λ 0.5 on its own (.720)". */
export function tradeOffTitle(points: readonly TradeOffPoint[], metric: string): string {
  const best = (of: (point: TradeOffPoint) => number) =>
    points.reduce<TradeOffPoint | null>((top, point) => (top === null || of(point) > of(top) ? point : top), null);
  const old = best(({ newOld }) => newOld);
  const own = best(({ newNew }) => newNew);
  if (old === null || own === null) return 'The sweep has no figures yet';
  const label = metricLabel(metric);
  if (old === own)
    return `λ ${old.lambda} ranks best on both galleries (${label} ${number(old.newOld)} and ${number(old.newNew)})`;
  return `λ ${old.lambda} ranks best on the old gallery (${label} ${number(old.newOld)}), λ ${own.lambda} on its own (${number(own.newNew)})`;
}

/** "+.145 above old/old"; null where it was not measured. */
export function differenceText({ criterion }: EpochFigures): string | null {
  return criterion === null ? null : signed(criterion.difference);
}

/** "Compatibility costs .007 mAP against the paragon": of the result, once it is audited. */
export function paragonTitleOf({ record, audits }: Pick<FollowedTraining, 'record' | 'audits'>): string {
  const tax = audits.find(({ folder }) => folder === record?.chosen)?.tax;
  if (record === null || tax === null || tax === undefined) return 'The models side by side';
  return taxTitle(tax, record.criterionMetric);
}
