import { durationText, metricLabel, number } from '../core/contract/format.ts';
import type { RunEvent, RunSummary } from '../core/contract/runs.ts';
import type { EpochFigures } from '../core/contract/training.ts';

/** Before that an estimate of the time left jumps about. */
const FIRST_ESTIMATE_MS = 3000;

/** What a training tells of itself while it runs, in few words. */
export interface TrainingWords {
  event(event: RunEvent): void;
  /** For the line of progress: epoch, loss, held-out figures, time left; empty while nothing is trained. */
  now(summary: RunSummary): string;
}

export function createTrainingWords(): TrainingWords {
  let step: Extract<RunEvent, { type: 'step' }> | null = null;
  let figures: EpochFigures | null = null;
  let begun: { time: number; done: number } | null = null;
  return {
    event(event) {
      if (event.type === 'phase') {
        step = null;
        figures = null;
        begun = null;
      }
      if (event.type === 'step') step = event;
      if (event.type === 'epoch') figures = event.figures;
    },
    now({ progress }) {
      if (progress?.unit !== 'steps') return '';
      const time = Date.now();
      begun ??= { time, done: progress.done };
      const elapsed = time - begun.time;
      const rate = (progress.done - begun.done) / elapsed;
      const left =
        elapsed > FIRST_ESTIMATE_MS && rate > 0 ? durationText((progress.total - progress.done) / rate / 1000) : null;
      const parts = [
        step && `epoch ${step.epoch}`,
        step && `loss ${number(step.loss)}`,
        figures && cellsText(figures),
        left && `${left} left`,
      ];
      return parts.filter((part) => part).join('  ');
    },
  };
}

/** A line for a log: the losses of an epoch and what held-out items gave after it; null for nothing to tell. */
export function epochLine(figures: EpochFigures): string | null {
  const { epoch, loss, terms } = figures;
  const names = Object.keys(terms);
  const each = names.length > 1 ? ` (${names.map((name) => `${name} ${number(terms[name])}`).join(', ')})` : '';
  const head = epoch === 0 ? 'before the first step' : `epoch ${epoch}`;
  const parts = [loss === null ? '' : `loss ${number(loss)}${each}`, cellsText(figures)].filter((part) => part !== '');
  return parts.length === 0 ? null : `${head}: ${parts.join('; ')}`;
}

function cellsText({ newOld, newNew, oldOld }: EpochFigures): string {
  const metric = newNew === null ? undefined : 'map' in newNew ? 'map' : Object.keys(newNew)[0];
  if (metric === undefined) return '';
  const cells = [
    ['new/old', newOld],
    ['new/new', newNew],
    ['old/old', oldOld],
  ] as const;
  const known = cells.filter(([, cell]) => cell?.[metric] !== undefined);
  return `${metricLabel(metric)} ${known.map(([name, cell]) => `${name} ${number(cell?.[metric])}`).join(', ')}`;
}
