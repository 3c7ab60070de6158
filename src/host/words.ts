/** How runs and verdicts read in the tree, the status bar and messages. Pure, and in one place. */
import { counted, metricLabel, number } from '../core/contract/format.ts';
import type { RankingState } from '../core/contract/report.ts';
import type { RunState, RunSummary } from '../core/contract/runs.ts';
import type { InspectedFile } from '../protocol/worker.ts';

/** A state in words. */
export const stateWords = {
  running: 'running',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
  paused: 'paused',
  stopped: 'stopped',
} as const satisfies Record<RunState, string>;

/** Codicons: shape and words carry the state, colour only repeats it. */
export const stateIcons = {
  running: { icon: 'sync~spin', color: null },
  done: { icon: 'pass', color: null },
  failed: { icon: 'error', color: 'charts.red' },
  cancelled: { icon: 'circle-slash', color: null },
  paused: { icon: 'debug-pause', color: null },
  stopped: { icon: 'debug-disconnect', color: 'charts.yellow' },
} as const satisfies Record<RunState, { icon: string; color: string | null }>;

export const verdictIcons = {
  compatible: { icon: 'pass', color: 'charts.green' },
  'within-margin': { icon: 'pass', color: 'charts.green' },
  undecided: { icon: 'question', color: null },
  incompatible: { icon: 'error', color: 'charts.red' },
} as const satisfies Record<RankingState, { icon: string; color: string | null }>;

const verdictWords = {
  compatible: 'compatible',
  'within-margin': 'within margin',
  undecided: 'undecided',
  incompatible: 'incompatible',
} as const satisfies Record<RankingState, string>;

export function isRankingState(state: string | null): state is RankingState {
  return state !== null && Object.hasOwn(verdictWords, state);
}

/** The part of a report that the tree shows. */
export interface Headline {
  state: RankingState;
  metric: string;
  old: number;
  new: number;
}

/** "incompatible, mAP .020 of .510": the new model's figure on the old gallery, of the old model's. */
export function headlineWords({ state, metric, old, new: newer }: Headline): string {
  return `${verdictWords[state]}, ${metricLabel(metric)} ${number(newer)} of ${number(old)}`;
}

/** How far a live run is: "pair pass, 43 %"; null before its first phase. */
export function progressWords(run: Pick<RunSummary, 'phase' | 'progress'>): string | null {
  if (run.phase === null) return null;
  if (run.progress === null || run.progress.total <= 0) return run.phase;
  const share = Math.min(1, run.progress.done / run.progress.total);
  return `${run.phase}, ${Math.floor(share * 100)} %`;
}

/** "epoch 3/20, newOld mAP .410"; null unless steps are being made. */
export function trainingWords({ training, progress }: Pick<RunSummary, 'training' | 'progress'>): string | null {
  if (training === null || progress?.unit !== 'steps') return null;
  const { epoch, figures } = training;
  // The total is known in steps: those of the epochs that have ended say how many an epoch has.
  const planned =
    figures !== null && figures.epoch > 0 ? Math.round((progress.total / figures.step) * figures.epoch) : 0;
  const position = planned >= epoch ? `epoch ${epoch}/${planned}` : `epoch ${epoch}`;
  const cell = figures?.newOld ?? figures?.newNew ?? {};
  const metric = 'map' in cell ? 'map' : Object.keys(cell)[0];
  const value = metric === undefined ? undefined : cell[metric];
  if (metric === undefined || value === undefined) return position;
  return `${position}, ${figures?.newOld ? 'newOld' : 'newNew'} ${metricLabel(metric)} ${number(value)}`;
}

/** A training that ended before its end goes on from its last state. */
export function isResumable(run: Pick<RunSummary, 'kind' | 'state'>): boolean {
  return run.kind === 'train' && run.state !== 'running' && run.state !== 'done';
}

/** One line about a run: its progress while it lives, afterwards its verdict or what stopped it. */
export function runWords(run: RunSummary): string {
  if (run.state === 'running') return trainingWords(run) ?? progressWords(run) ?? 'starting';
  if (run.state === 'done' && isRankingState(run.verdict)) return verdictWords[run.verdict];
  if (run.state === 'stopped' && run.training !== null) return `stopped at step ${run.training.step}, resume`;
  return stateWords[run.state];
}

export function runIcon(run: RunSummary): { icon: string; color: string | null } {
  return run.state === 'done' && isRankingState(run.verdict) ? verdictIcons[run.verdict] : stateIcons[run.state];
}

/** A moment as a person reads it beside others: the time of today's, else the date with it. */
export function momentWords(iso: string, now = new Date()): string {
  const moment = new Date(iso);
  if (Number.isNaN(moment.getTime())) return iso;
  const time = moment.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
  if (moment.toDateString() === now.toDateString()) return time;
  return `${moment.toLocaleDateString(undefined, { month: 'short', day: 'numeric' })} ${time}`;
}

/** What a file is, in a few words: "ONNX model, 128-d, opset 17, 100 classes". */
export function recognisedWords(inspection: InspectedFile): string {
  const { format, dimension, count, classNames, facts } = inspection;
  const opset = facts.find(({ name }) => name === 'opset')?.value.match(/\d+/)?.[0];
  const parts = [
    format,
    dimension === null ? null : `${dimension}-d`,
    opset === undefined ? null : `opset ${opset}`,
    count === null ? null : counted(count, inspection.audit.as === 'vectors' ? 'vector' : 'item'),
    classNames === null ? null : counted(classNames.length, 'class', 'classes'),
  ];
  return parts.filter((part) => part !== null).join(', ');
}

/** Whether a model can be trained, in words; null for what is no model. */
export function trainableWords({ training }: Pick<InspectedFile, 'training'>): string | null {
  if (training === null) return null;
  if (!training.possible) return 'not trainable';
  return training.reason === null ? 'trainable' : 'trainable in part';
}
