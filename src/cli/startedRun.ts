import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BackcompatError, cancelledError } from '../core/contract/errors.ts';
import { RUN_FILES, type RunKind, type RunSummary } from '../core/contract/runs.ts';
import { SESSIONS_FILES } from '../core/contract/sessions.ts';
import { TRAINING_FILES } from '../core/contract/training.ts';
import { inUseError, isLocked } from '../core/runs/lock.ts';
import { followRun } from '../core/runs/readRun.ts';
import { discardRun, makeRunDirectory, type RunPlace, requestCancel } from '../core/runs/runDirectory.ts';
import { RunReader } from '../core/runs/runReader.ts';
import { type Output, problemLines, shownPath } from './output.ts';
import { createProgressView } from './progressView.ts';

/** How long after its process's end a run may still be unread. */
const LAST_WORD_MS = 1000;
const FOLLOW_MS = 100;
/** Of a log that is shown because a process died without a word. */
const LOG_TAIL_BYTES = 4000;

/** What a run is started from. */
export interface RunJob {
  kind: RunKind;
  /** Pair or block. */
  name: string;
  /** Folder beside whose `.backcompat` the run is listed. */
  baseFolder: string;
  /** Where the run shall live; null: below `baseFolder`. */
  out: string | null;
  configFile: string | null;
  configText: string | null;
  /** Of a command line that repeats it. */
  arguments: string[];
}

export interface StartedRun {
  place: RunPlace;
  /** Has read what a run that is resumed had told before; null for a new one. */
  past: RunReader | null;
  child: ChildProcess;
  exited: Promise<void>;
}

export interface StartOptions {
  threads: number | null;
  debug: boolean;
  /** Absolute, null for none. */
  json: string | null;
  /** Absolute directory of the run to go on with; null: a new run. */
  resume: string | null;
}

/** Starts the process that computes, in a session of its own, so that it outlives this one's terminal. */
export async function startRun(job: RunJob, options: StartOptions): Promise<StartedRun> {
  const { resume } = options;
  if (resume !== null && isLocked(resume)) throw inUseError(resume);
  const place = resume === null ? await makeRunDirectory(job) : { directory: resume, link: null };
  const past = resume === null ? null : new RunReader(resume);
  await past?.read();
  const log = openSync(path.join(place.directory, RUN_FILES.log), resume === null ? 'w' : 'a');
  const args = [
    ...process.execArgv.filter((argument) => !argument.startsWith('--inspect')),
    process.argv[1] as string,
    ...job.arguments,
    ...(options.threads === null ? [] : ['--threads', String(options.threads)]),
    ...(options.json === null ? [] : ['--json', options.json]),
    ...(options.debug ? ['--debug'] : []),
    ...(resume === null ? [] : ['--go-on']),
    '--run-directory',
    place.directory,
  ];
  try {
    const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', log, log], windowsHide: true });
    const exited = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    return { place, past, child, exited };
  } finally {
    closeSync(log);
  }
}

/** Waits until the run has begun. @returns its first summary, null when its process ended before */
export async function awaitStart({ place, past, exited }: StartedRun): Promise<RunSummary | null> {
  const following = new AbortController();
  let first: RunSummary | null = null;
  void exited.then(() => delay(LAST_WORD_MS, undefined, { ref: false })).then(() => following.abort());
  await followRun(
    place.directory,
    (summary) => {
      first ??= summary;
      following.abort();
    },
    { intervalMs: 50, signal: following.signal, ...(past === null ? {} : { past }) },
  );
  return first;
}

export type FollowedRun = { place: RunPlace } & (
  | { summary: RunSummary; cancelled: false }
  /** Ended by a signal, before or after it began. */
  | { summary: RunSummary | null; cancelled: true }
);

/**
 * Follows a run that was started here, showing its progress. SIGINT and SIGTERM cancel it, a second
 * one kills it; SIGHUP ends this process only.
 * @throws BackcompatError `internal` when its process died without a word
 */
export async function followStarted(started: StartedRun, output: Output): Promise<FollowedRun> {
  const { place, past, child, exited } = started;
  const view = createProgressView(process.stderr, output.quiet);
  const following = new AbortController();
  let interrupts = 0;
  const interrupt = () => {
    interrupts++;
    if (interrupts === 1) {
      view.clear();
      if (!output.quiet) output.note('Cancelling. Press Ctrl-C again to kill the run.');
      // The file reaches it on every system, the signal at once.
      void requestCancel(place.directory).catch(() => undefined);
      if (process.platform !== 'win32') child.kill('SIGTERM');
      return;
    }
    view.clear();
    child.kill('SIGKILL');
    process.exit(130);
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  void exited.then(() => delay(LAST_WORD_MS, undefined, { ref: false })).then(() => following.abort());
  try {
    const summary = await followRun(place.directory, (current) => view.summary(current), {
      intervalMs: FOLLOW_MS,
      signal: following.signal,
      ...(past === null ? {} : { past }),
      onEvent: (event) => view.event(event),
    });
    view.clear();
    if (interrupts > 0 && (summary === null || summary.state !== 'done')) return { place, summary, cancelled: true };
    if (summary === null || summary.state === 'stopped') {
      // Its lock may tell that it is gone before the system tells how.
      await Promise.race([exited, delay(LAST_WORD_MS, undefined, { ref: false })]);
      throw diedError(place, child);
    }
    return { place, summary, cancelled: false };
  } finally {
    view.clear();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

/** What is known of a process that ended without writing its end. */
export function diedError({ directory }: RunPlace, child: ChildProcess): BackcompatError {
  const how = child.signalCode !== null ? `was killed (${child.signalCode})` : `ended (exit status ${child.exitCode})`;
  const log = path.join(directory, RUN_FILES.log);
  const tail = logTail(directory);
  const message = tail === '' ? `The run's process ${how}.` : `The run's process ${how}. Its log ends: ${tail}`;
  return new BackcompatError('internal', message, {
    place: { file: directory },
    remedy:
      child.signalCode === 'SIGKILL'
        ? 'It may have run out of memory: try again with fewer --threads or a smaller --pair-budget.'
        : `Its log is ${log}`,
  });
}

/** The end of a run's log; empty when there is none. */
export function logTail(directory: string): string {
  try {
    return readFileSync(path.join(directory, RUN_FILES.log), 'utf8').slice(-LOG_TAIL_BYTES).trim();
  } catch {
    return '';
  }
}

/** Takes back the directory of a run that came to nothing for a reason that was told already. */
export async function discardFailed(place: RunPlace): Promise<void> {
  await discardRun(place).catch(() => undefined);
}

/** Starts a run, prints its directory and leaves it. @throws BackcompatError `internal` when its process died at once */
export async function detachRun(job: RunJob, options: StartOptions, output: Output): Promise<number> {
  const started = await startRun(job, options);
  const summary = await awaitStart(started);
  if (summary === null) {
    const error = diedError(started.place, started.child);
    // What was to be resumed stays: its states are somebody's hours.
    if (options.resume === null) await discardFailed(started.place);
    throw error;
  }
  started.child.unref();
  output.data(`${started.place.directory}\n`);
  return 0;
}

/** How a run ended that was followed; `record` and `report` only where it is done. */
export interface FollowedEnd<T> {
  directory: string;
  record: T | null;
  report: string | null;
  exitStatus: number;
}

/**
 * Starts a run that can be resumed, and follows it to its end; says why it failed, or how to go on with it.
 * @param readRecord what a run leaves from its first step on
 * @throws BackcompatError `cancelled`, the run kept where it has a record; `internal` for one that is done and has none
 */
export async function followResumable<T>(
  job: RunJob,
  options: StartOptions,
  readRecord: (directory: string) => Promise<T | null>,
  output: Output,
): Promise<FollowedEnd<T>> {
  const { place, summary, cancelled } = await followStarted(await startRun(job, options), output);
  const { directory } = place;
  const goOn = `Go on with: backcompat ${job.arguments[0]} --resume ${shownPath(directory)}`;
  const record = await readRecord(directory);
  if (cancelled || summary.state === 'cancelled') {
    if (record === null) await discardFailed(place);
    else output.note(goOn);
    throw cancelledError();
  }
  const ended = { directory, record: null, report: null, exitStatus: summary.exitStatus ?? 0 };
  if (summary.state === 'paused') {
    output.text(`Paused. ${goOn}\n`);
    return ended;
  }
  if (summary.state !== 'done') return { ...ended, exitStatus: await reportFailure(place, summary, output) };
  if (record === null) throw new BackcompatError('internal', `The run ${summary.id} left no record.`);
  return { ...ended, record, report: summary.report };
}

/**
 * Says why a run failed. Bad input leaves nothing behind; other failures leave a directory to look into.
 * @returns the exit status
 */
export async function reportFailure(place: RunPlace, summary: RunSummary, output: Output): Promise<number> {
  const exitStatus = summary.exitStatus ?? 1;
  const lines = problemLines({
    code: summary.kind,
    message: summary.message ?? 'The run failed without saying why.',
    place: summary.place ?? {},
    remedy: summary.remedy,
  });
  output.note(lines.join('\n'));
  if (exitStatus === 2 && !output.debug && !hasStates(place.directory)) await discardFailed(place);
  else output.note(`  log: ${path.join(place.directory, RUN_FILES.log)}`);
  if (output.debug) output.note(logTail(place.directory));
  return exitStatus;
}

/** Whether a training or sessions have come so far that they can be resumed. */
function hasStates(directory: string): boolean {
  return [TRAINING_FILES.record, SESSIONS_FILES.record].some((file) => existsSync(path.join(directory, file)));
}
