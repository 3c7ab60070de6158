/** What the page of a training is shown. */
import type { FollowedTraining } from '../core/contract/followedTraining.ts';
import { isFigure, isObject, isTextOrNull } from './checks.ts';

/** What the host can do for this training; the page hides the buttons of the rest. */
export interface TrainingActions {
  /** Somebody has asked the run to stop or to pause, and it has not happened yet. */
  asked: 'cancel' | 'pause' | null;
  /** What the button for going on says; null hides it. */
  again: 'Resume' | 'Run Again' | null;
  openReport: boolean;
  openRunFolder: boolean;
  openConfig: boolean;
  cliCommand: string | null;
}

export interface TrainingPage {
  training: FollowedTraining;
  actions: TrainingActions;
}

const states: unknown[] = ['running', 'done', 'failed', 'cancelled', 'paused', 'stopped'];

function isPart(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value.folder === 'string' &&
    typeof value.title === 'string' &&
    typeof value.state === 'string' &&
    Array.isArray(value.epochs) &&
    value.epochs.every((each) => isObject(each) && isFigure(each.epoch) && isFigure(each.step) && isObject(each.terms))
  );
}

function isRecord(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value.criterionMetric === 'string' &&
    isFigure(value.epochsPlanned) &&
    isFigure(value.stepsPerEpoch) &&
    Array.isArray(value.parts) &&
    value.parts.every(isPart)
  );
}

function isSteps(value: unknown): boolean {
  const isStep = (each: unknown) =>
    isObject(each) && [each.step, each.loss, each.millisecondsPerStep].every(isFigure) && isObject(each.terms);
  return isObject(value) && Object.values(value).every((list) => Array.isArray(list) && list.every(isStep));
}

function isTraining(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value.name === 'string' &&
    states.includes(value.state) &&
    typeof value.started === 'string' &&
    typeof value.updated === 'string' &&
    [value.oldName, value.phase, value.message, value.remedy].every(isTextOrNull) &&
    (value.progress === null ||
      (isObject(value.progress) && isFigure(value.progress.done) && isFigure(value.progress.total))) &&
    (value.record === null || isRecord(value.record)) &&
    isSteps(value.steps) &&
    Array.isArray(value.audits) &&
    value.audits.every((audit) => isObject(audit) && typeof audit.folder === 'string')
  );
}

function isActions(value: unknown): boolean {
  return (
    isObject(value) &&
    [null, 'cancel', 'pause'].includes(value.asked as null) &&
    [null, 'Resume', 'Run Again'].includes(value.again as null) &&
    [value.openReport, value.openRunFolder, value.openConfig].every((flag) => typeof flag === 'boolean') &&
    isTextOrNull(value.cliCommand)
  );
}

/** Whether a host really sent what a training's page shows. */
export function isTrainingPage(value: unknown): value is TrainingPage {
  return isObject(value) && isTraining(value.training) && isActions(value.actions);
}
