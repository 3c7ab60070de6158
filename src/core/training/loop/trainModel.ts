import { BackcompatError, isCancellation, throwIfCancelled } from '../../contract/errors.ts';
import type { Progress, RunEvent } from '../../contract/runs.ts';
import type { EpochFigures } from '../../contract/training.ts';
import type { BatchSource } from '../data/batchSource.ts';
import type { HeldOutFigures } from '../evaluator.ts';
import type { StepResult, Trainer } from '../trainer.ts';
import { type EarlyStop, isBetter, meetsTax, runsOutOfPatience, scoreOf } from './earlyStop.ts';
import { learningRateAt, type Schedule } from './schedule.ts';
import type { TrainingStates } from './states/openStates.ts';

/** Between states that are written in the middle of an epoch. */
const SAVE_EVERY_SECONDS = 30;
/** Between two events of steps: a quarter of a second at first, a thousandth of the time so far later on. */
const STEP_EVENT_MS = 250;

/** What the loop keeps beside the trainer's tensors. Batches and chances follow from seed, epoch and position alone. */
export interface LoopState {
  /** In which the next step lies, from 1; one more than planned when all is done. */
  epoch: number;
  /** Steps of it that are done. */
  position: number;
  /** Sums over them. */
  sums: { loss: number; terms: Record<string, number>; seconds: number };
  figures: EpochFigures[];
  best: { epoch: number; score: number } | null;
  isOver: boolean;
}

export interface LoopSettings {
  epochs: number;
  schedule: Schedule;
  stopEarly: EarlyStop;
  /** Default 30; 0 after every step. */
  saveEverySeconds?: number;
}

export type StepEvent = Omit<Extract<RunEvent, { type: 'step' }>, 'type' | 'time' | 'part'>;

export interface LoopHooks {
  progress: Progress;
  /** Aborted: a state is written, then `cancelled` thrown. */
  signal: AbortSignal;
  /** Aborted: a state is written and the outcome is `paused`. */
  pause: AbortSignal;
  onStep(step: StepEvent): void;
  /** After an epoch, and before the first (epoch 0); the last one known again when a training is resumed. */
  onEpoch(figures: EpochFigures, all: readonly EpochFigures[]): Promise<void>;
}

export interface LoopResult {
  outcome: 'done' | 'stopped-early' | 'paused';
  figures: readonly EpochFigures[];
  /** The epoch whose weights the trainer holds. */
  epoch: number;
  /** Of the steps that this call made; null for none. */
  secondsPerStep: number | null;
}

/**
 * Trains to the end, from the newest state where there is one. A training that was killed at any instant and is
 * trained on ends with the same weights as one left alone (same machine and threads).
 *
 * Held-out figures are taken before the first step and after each epoch. With patience the weights of the best epoch
 * are the result, else those of the last step. A state is written after each epoch and every `saveEverySeconds`.
 * @param evaluate null: nothing is measured
 * @throws BackcompatError `diverged` for a loss, gradient or weight that is not finite, naming step and tensor: the last
 *   good state stays; `write-failed`; `cancelled`; what trainer, batches and evaluation throw
 */
export async function trainModel(
  trainer: Trainer,
  source: Pick<BatchSource, 'batchesPerEpoch' | 'batches'>,
  evaluate: (() => Promise<HeldOutFigures>) | null,
  settings: LoopSettings,
  states: TrainingStates<LoopState>,
  hooks: LoopHooks,
): Promise<LoopResult> {
  const { epochs, schedule, stopEarly } = settings;
  const { progress, signal, pause } = hooks;
  const totalSteps = epochs * source.batchesPerEpoch;
  const saved = await states.latest((message) => progress.log('warning', message));
  let loop: LoopState = startState();
  let savedStep = -1;
  if (saved !== null) {
    await trainer.restore(saved.trainer);
    loop = saved.extra;
    savedStep = stepOf(loop);
    progress.log('info', `Resumed after step ${savedStep} of ${totalSteps}.`);
    const known = loop.figures.at(-1);
    if (known !== undefined) await hooks.onEpoch(known, loop.figures);
  }
  let lastSave = performance.now();
  const started = performance.now();
  let lastEvent = Number.NEGATIVE_INFINITY;
  let stepSeconds = 0;
  let steps = 0;

  function stepOf({ epoch, position }: LoopState): number {
    return (epoch - 1) * source.batchesPerEpoch + position;
  }

  async function save(): Promise<void> {
    await states.save({ trainer: await trainer.state(), extra: loop });
    savedStep = stepOf(loop);
    lastSave = performance.now();
  }

  /** @returns whether to end here, paused */
  async function comeUp(): Promise<boolean> {
    await progress.breathe();
    throwIfCancelled(signal);
    if (!pause.aborted) return false;
    await save();
    return true;
  }

  function told(outcome: LoopResult['outcome'], epoch: number): LoopResult {
    return { outcome, figures: loop.figures, epoch, secondsPerStep: steps === 0 ? null : stepSeconds / steps };
  }

  async function measure(epoch: number, learningRate: number): Promise<EpochFigures> {
    const measureStart = performance.now();
    const heldOut = evaluate === null ? nothingMeasured : await evaluate();
    const { loss, terms, seconds } = loop.sums;
    const count = source.batchesPerEpoch;
    return {
      epoch,
      step: stepOf(loop),
      seconds: seconds + (performance.now() - measureStart) / 1000,
      learningRate,
      loss: epoch === 0 ? null : loss / count,
      terms: Object.fromEntries(Object.entries(terms).map(([name, sum]) => [name, sum / count])),
      ...heldOut,
    };
  }

  async function close(figures: EpochFigures): Promise<void> {
    loop.figures.push(figures);
    const score = scoreOf(figures, stopEarly.metric);
    if (stopEarly.patience !== null && score !== null && figures.epoch > 0 && isBetter(score, loop.best)) {
      loop.best = { epoch: figures.epoch, score };
      await states.saveBest({ trainer: await trainer.state(), extra: loop });
    }
  }

  function take(result: StepResult, seconds: number, learningRate: number): void {
    const { loss, terms } = result;
    const step = stepOf(loop) + 1;
    const bad = result.notFinite ?? (Number.isFinite(loss) ? null : 'loss');
    if (bad !== null) throw divergedError(step, loop.epoch, bad, savedStep);
    loop.position++;
    loop.sums.loss += loss;
    loop.sums.seconds += seconds;
    for (const [name, value] of Object.entries(terms)) loop.sums.terms[name] = (loop.sums.terms[name] ?? 0) + value;
    steps++;
    stepSeconds += seconds;
    const now = performance.now();
    if (step === totalSteps || now - lastEvent >= Math.max(STEP_EVENT_MS, (now - started) / 1000)) {
      lastEvent = now;
      const millisecondsPerStep = (1000 * stepSeconds) / steps;
      hooks.onStep({ epoch: loop.epoch, step, loss, terms, learningRate, millisecondsPerStep });
    }
    progress.update(step, totalSteps, 'steps');
  }

  async function train(): Promise<LoopResult> {
    if (loop.figures.length === 0) {
      const figures = await measure(0, learningRateAt(schedule, 0));
      await close(figures);
      await save();
      await hooks.onEpoch(figures, loop.figures);
    }
    const saveEvery = 1000 * (settings.saveEverySeconds ?? SAVE_EVERY_SECONDS);
    while (!loop.isOver && loop.epoch <= epochs) {
      if (await comeUp()) return told('paused', loop.epoch - 1);
      for await (const batch of source.batches(loop.epoch, loop.position, signal)) {
        const learningRate = learningRateAt(schedule, stepOf(loop));
        const stepStart = performance.now();
        const result = await trainer.step(batch, learningRate);
        take(result, (performance.now() - stepStart) / 1000, learningRate);
        if (await comeUp()) return told('paused', loop.epoch - 1);
        if (performance.now() - lastSave >= saveEvery && loop.position < source.batchesPerEpoch) await save();
      }
      if (loop.position !== source.batchesPerEpoch) {
        throw new BackcompatError('internal', `Epoch ${loop.epoch} ended after ${loop.position} steps.`);
      }
      const figures = await measure(loop.epoch, learningRateAt(schedule, stepOf(loop) - 1));
      await close(figures);
      loop.isOver = meetsTax(figures, stopEarly) || runsOutOfPatience(figures.epoch, loop.best, stopEarly);
      loop.epoch++;
      loop.position = 0;
      loop.sums = { loss: 0, terms: {}, seconds: 0 };
      // The state first: figures that were told are never taken back by a kill.
      await save();
      await hooks.onEpoch(figures, loop.figures);
    }
    const last = loop.epoch - 1;
    const outcome = loop.isOver && last < epochs ? 'stopped-early' : 'done';
    const best = stopEarly.patience === null ? null : await states.best();
    if (best !== null && loop.best !== null && !meetsTax(loop.figures.at(-1) as EpochFigures, stopEarly)) {
      await trainer.restore(best.trainer);
      return told(outcome, loop.best.epoch);
    }
    return told(outcome, last);
  }

  try {
    return await train();
  } catch (error) {
    // Also while it waited for a batch or measured: what was trained since the last state counts.
    if (isCancellation(error) && stepOf(loop) > savedStep) await save();
    throw error;
  }
}

const nothingMeasured: HeldOutFigures = {
  oldOld: null,
  newOld: null,
  newNew: null,
  positiveRate: null,
  inverted: null,
  negativeFlipRate: null,
  criterion: null,
};

function startState(): LoopState {
  return {
    epoch: 1,
    position: 0,
    sums: { loss: 0, terms: {}, seconds: 0 },
    figures: [],
    best: null,
    isOver: false,
  };
}

function divergedError(step: number, epoch: number, tensor: string, savedStep: number): BackcompatError {
  const kept = savedStep < 0 ? 'There is no state before it.' : `The last good state is that of step ${savedStep}.`;
  return new BackcompatError(
    'diverged',
    `The training came to NaN or infinite values in step ${step} (epoch ${epoch}); the first is in ${JSON.stringify(tensor)}. ${kept}`,
    { remedy: 'Lower "learningRate" of the optimizer, or set its "clipNorm" or "warmup", and train again.' },
  );
}
