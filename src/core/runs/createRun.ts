import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Place } from '../contract/errors.ts';
import {
  type Progress,
  RUN_FILES,
  RUN_FORMAT,
  type RunEvent,
  type RunKind,
  type RunRequest,
} from '../contract/runs.ts';
import { writeFileAtomic, writeFileAtomicSync } from './atomicFile.ts';
import { acquireLock } from './lock.ts';
import {
  claimDirectory,
  clearRun,
  clearTraces,
  isCancelRequested,
  isPauseRequested,
  makeRunDirectory,
} from './runDirectory.ts';

const HEARTBEAT_MS = 1000;
const PROGRESS_MS = 200;
const CANCEL_CHECK_MS = 100;

export interface CreateRunOptions {
  /** A directory that was made for it ({@link makeRunDirectory}), or where to make one. */
  place: { directory: string } | { baseFolder: string; out: string | null };
  kind: RunKind;
  name: string;
  /** Absolute, null without a config. */
  configFile: string | null;
  /** Kept beside the results, null without a config. */
  configText: string | null;
  /** Of the command line. */
  arguments: string[];
  /** `backcompat 0.1.0`. */
  tool: string;
  /** Goes on with the run that the directory holds: what it wrote stays, its request too. */
  resume?: boolean;
}

export interface RunOutcome {
  exitStatus: number;
  /** Verdict sentence, or the error's message. */
  message?: string;
  remedy?: string | null;
  place?: Place;
}

/** An event without its time. */
export type NewRunEvent = RunEvent extends infer E ? (E extends RunEvent ? Omit<E, 'time'> : never) : never;

/** The writing side of a run directory; one process holds it. */
export interface RunWriter {
  readonly directory: string;
  readonly progress: Progress;
  /** Aborted by {@link cancel} or by a cancel file. */
  readonly signal: AbortSignal;
  /** Aborted by a pause file. */
  readonly pause: AbortSignal;
  event(event: NewRunEvent): void;
  /** Writes a file of the run, whole or not at all. */
  writeFile(name: string, content: string | Uint8Array): Promise<void>;
  cancel(): void;
  /** The last event; releases the directory. Further calls do nothing. */
  finish(state: 'done' | 'failed' | 'cancelled' | 'paused', outcome: RunOutcome): void;
}

/**
 * Starts a run: takes its directory, writes what was asked, then the state `running`; or goes on with one.
 * @throws BackcompatError `in-use` when another living process holds the directory
 */
export async function createRun(options: CreateRunOptions): Promise<RunWriter> {
  const { place, kind, name } = options;
  const directory =
    'directory' in place ? path.resolve(place.directory) : (await makeRunDirectory({ ...place, kind, name })).directory;
  if ('directory' in place) await claimDirectory(directory);
  const release = acquireLock(directory);
  try {
    if (options.resume) {
      await clearTraces(directory);
      return openWriter(directory, release);
    }
    await clearRun(directory);
    const request: RunRequest = {
      format: RUN_FORMAT,
      formatVersion: 1,
      kind,
      name,
      configFile: options.configFile,
      arguments: options.arguments,
      created: new Date().toISOString(),
      tool: options.tool,
    };
    if (options.configText !== null) await writeFileAtomic(path.join(directory, RUN_FILES.config), options.configText);
    await writeFileAtomic(path.join(directory, RUN_FILES.request), `${JSON.stringify(request, null, 2)}\n`);
    return openWriter(directory, release);
  } catch (error) {
    release();
    throw error;
  }
}

function openWriter(directory: string, release: () => void): RunWriter {
  const events = openSync(path.join(directory, RUN_FILES.events), 'a+');
  const abort = new AbortController();
  const pause = new AbortController();
  let finished = false;
  // The process before may have died within a line.
  let lineIsOpen = !endsInLineBreak(events);

  function event(entry: NewRunEvent): void {
    if (finished) return;
    const { type, ...rest } = entry;
    // A line that a full disk cut short must not swallow the next one.
    const line = Buffer.from(
      `${lineIsOpen ? '\n' : ''}${JSON.stringify({ type, time: new Date().toISOString(), ...rest })}\n`,
    );
    lineIsOpen = true;
    const written = writeSync(events, line);
    if (written === line.length) lineIsOpen = false;
    else throw Object.assign(new Error(`could not append to ${RUN_FILES.events}`), { code: 'ENOSPC' });
  }

  let lastBeat = 0;
  function beat(): void {
    const now = Date.now();
    if (finished || now - lastBeat < HEARTBEAT_MS * 0.9) return;
    lastBeat = now;
    try {
      writeFileAtomicSync(
        path.join(directory, RUN_FILES.heartbeat),
        JSON.stringify({ pid: process.pid, time: new Date(now).toISOString() }),
      );
    } catch {
      // A missed beat proves nothing to a reader; the work itself meets a full disk soon enough.
    }
  }

  let lastCheck = 0;
  function checkRequests(): void {
    const now = Date.now();
    if (finished || abort.signal.aborted || now - lastCheck < CANCEL_CHECK_MS) return;
    lastCheck = now;
    if (isCancelRequested(directory)) abort.abort();
    if (isPauseRequested(directory)) pause.abort();
  }

  event({ type: 'state', state: 'running' });
  beat();
  const timer = setInterval(() => {
    beat();
    checkRequests();
  }, HEARTBEAT_MS);
  timer.unref();

  let phase = '';
  let lastProgress = 0;
  const progress: Progress = {
    phase(name, index, total) {
      phase = name;
      lastProgress = 0;
      event({
        type: 'phase',
        phase: name,
        ...(index === undefined ? {} : { index }),
        ...(total === undefined ? {} : { total }),
      });
    },
    update(done, total, unit) {
      const now = Date.now();
      if (now - lastProgress < PROGRESS_MS && done < total) return;
      lastProgress = now;
      event({ type: 'progress', phase, done, total, unit });
    },
    log(level, message) {
      event({ type: 'log', level, message });
    },
    async breathe() {
      // A whole turn of the event loop: signals and timers come through.
      await nextTurn();
      beat();
      checkRequests();
    },
  };

  return {
    directory,
    progress,
    signal: abort.signal,
    pause: pause.signal,
    event,
    writeFile: (name, content) => writeFileAtomic(path.join(directory, name), content),
    cancel: () => abort.abort(),
    finish(state, outcome) {
      if (finished) return;
      clearInterval(timer);
      try {
        event({ type: 'state', state, ...outcome });
      } finally {
        finished = true;
        closeSync(events);
        release();
      }
    },
  };
}

function endsInLineBreak(events: number): boolean {
  const { size } = fstatSync(events);
  if (size === 0) return true;
  const last = Buffer.alloc(1);
  readSync(events, last, 0, 1, size - 1);
  return last[0] === 10;
}
