import type { Head } from '../../training/heads/head.ts';
import type { Objective } from '../../training/objectives/objective.ts';
import type { Trainer } from '../../training/trainer.ts';
import { engines } from '../training/openPartTrainer.ts';
import type { OpenSessions } from './openSessions.ts';
import type { SessionsHooks, SessionsRequest } from './sessionsRequest.ts';
import type { PlannedMethod } from './sessionsSettings.ts';

/** One session of one method. */
export interface SessionTask {
  run: OpenSessions;
  planned: PlannedMethod;
  /** From 0. */
  session: number;
  isJoint: boolean;
  request: SessionsRequest;
  hooks: SessionsHooks;
}

/** A model that stands where its session starts, or ended. */
export interface SessionTrainer {
  trainer: Trainer;
  /** Before the first step. */
  head: Head;
  /** Names of the objective's trained parameters. */
  ofObjective: readonly string[];
}

/** Components of the embedding in the task's session. */
export function dimensionOf({ run, planned, session }: SessionTask): number {
  return run.start.dimension + session * (planned.options.growth ?? 0);
}

/** A trainer with the initial weights. */
export async function createSessionTrainer(
  task: SessionTask,
  head: Head,
  objective: Objective,
): Promise<SessionTrainer> {
  const { run, request, hooks } = task;
  const { start, engine } = run.start;
  const { optimizer, clipNorm } = run.settings;
  const trainer = await (hooks.createTrainer ?? engines[engine])({
    start: start.kind === 'builtin' ? { ...start, dimension: dimensionOf(task) } : start,
    trainable: 'all',
    objective,
    optimizer,
    clipNorm,
    threads: request.threads,
    lowMemory: false,
  });
  return {
    trainer,
    head,
    ofObjective: objective.parameters.filter(({ isTrained }) => isTrained).map(({ name }) => name),
  };
}

/** Whether there is something to measure where items search each other: several classes, and two items of one of them. */
export function canSearchEachOther(labels: Int32Array): boolean {
  const classes = new Set(labels).size;
  return classes > 1 && classes < labels.length;
}

/** For measuring within a session, whose phases are none of the run's. */
export function withoutPhases({ progress, signal }: SessionsHooks): Pick<SessionsHooks, 'progress' | 'signal'> {
  return { progress: { ...progress, phase() {}, update() {} }, signal };
}
