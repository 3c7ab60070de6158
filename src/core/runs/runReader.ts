import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Place } from '../contract/errors.ts';
import { REPORT_FILE_NAME } from '../contract/report.ts';
import {
  RUN_FILES,
  RUN_FORMAT,
  type RunEvent,
  type RunKind,
  type RunRequest,
  type RunState,
  type RunSummary,
  type TrainingProgress,
} from '../contract/runs.ts';
import { isLocked } from './lock.ts';

/** A request is some lines; anything larger is no file of ours. */
const MAX_REQUEST_BYTES = 2 ** 20;
/** An event is a line of some hundred bytes; a longer line is damage and is skipped. */
const MAX_LINE_BYTES = 2 ** 20;
const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 10;

const kinds: readonly string[] = ['audit', 'train', 'sessions', 'embed'] satisfies RunKind[];

/**
 * Reads one run directory again and again; each time only what was appended since. Opens nothing
 * for longer than one read, and distrusts every line.
 */
export class RunReader {
  readonly #directory: string;
  readonly #id: string;
  #request: RunRequest | null = null;
  /** Tells another `run.json` or `events.jsonl` in the same place: a run that was started anew. */
  #requestStamp = '';
  #eventsInode = -1;
  #offset = 0;
  #rest = Buffer.alloc(0);
  #skippingLine = false;
  #events = emptyState();

  /** @param id name of the directory or of the link that leads to it */
  constructor(directory: string, id = path.basename(directory)) {
    this.#directory = path.resolve(directory);
    this.#id = id;
  }

  /**
   * The run as it is now; null while the directory holds none.
   * @param onEvent told every event that is new since the last call, in order
   */
  async read(onEvent?: (event: RunEvent) => void): Promise<RunSummary | null> {
    // Before the events: a run that ends in between has then written its last state.
    let alive = isLocked(this.#directory);
    const request = await this.request();
    if (request === null) return null;
    await this.#readEvents(onEvent);
    if (!alive && this.#events.final === null) {
      // It may have begun since the first look: a run that was never seen alive must not read as dead.
      alive = isLocked(this.#directory);
      await this.#readEvents(onEvent);
    }
    const events = this.#events;
    const state: RunState = events.final ?? (alive ? 'running' : 'stopped');
    return {
      directory: this.#directory,
      id: this.#id,
      kind: request.kind,
      name: request.name,
      configFile: request.configFile,
      created: request.created,
      state,
      phase: events.phase,
      phaseIndex: events.phaseIndex,
      phaseTotal: events.phaseTotal,
      progress: events.progress,
      message: events.message,
      remedy: events.remedy,
      place: events.place,
      verdict: events.verdict,
      exitStatus: events.exitStatus,
      report: await existing(path.join(this.#directory, REPORT_FILE_NAME)),
      training: events.training,
      updated: events.updated ?? request.created,
    };
  }

  /** What was asked of the run; null while the directory holds none. */
  async request(): Promise<RunRequest | null> {
    const file = path.join(this.#directory, RUN_FILES.request);
    try {
      const { mtimeMs, ino, size } = await stat(file);
      const stamp = `${mtimeMs} ${ino} ${size}`;
      if (stamp === this.#requestStamp) return this.#request;
      if (size > MAX_REQUEST_BYTES) return null;
      this.#request = parseRequest(await readFile(file, 'utf8'));
      this.#requestStamp = stamp;
      // Another run in the same place: its events begin anew, even if the file's number is the same.
      this.#eventsInode = -1;
      return this.#request;
    } catch {
      return null;
    }
  }

  async #readEvents(onEvent?: (event: RunEvent) => void): Promise<void> {
    let handle: FileHandle;
    try {
      handle = await open(path.join(this.#directory, RUN_FILES.events), 'r');
    } catch {
      return;
    }
    try {
      const { size, ino } = await handle.stat();
      if (ino !== this.#eventsInode || size < this.#offset) {
        this.#eventsInode = ino;
        this.#offset = 0;
        this.#rest = Buffer.alloc(0);
        this.#skippingLine = false;
        this.#events = emptyState();
      }
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, Math.max(1, size - this.#offset)));
      for (;;) {
        const { bytesRead } = await handle.read(chunk, 0, chunk.length, this.#offset);
        if (bytesRead === 0) return;
        this.#offset += bytesRead;
        this.#take(chunk.subarray(0, bytesRead), onEvent);
      }
    } finally {
      await handle.close();
    }
  }

  /** Whole lines become events; what follows the last line break waits for the rest of its line. */
  #take(bytes: Buffer, onEvent?: (event: RunEvent) => void): void {
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([this.#rest, bytes.subarray(start, end)]);
      this.#rest = Buffer.alloc(0);
      start = end + 1;
      const skipped = this.#skippingLine;
      this.#skippingLine = false;
      const event = skipped ? null : parseEvent(line.toString('utf8'));
      if (event === null) continue;
      applyEvent(this.#events, event);
      onEvent?.(event);
    }
    this.#rest = Buffer.concat([this.#rest, bytes.subarray(start)]);
    if (this.#rest.length > MAX_LINE_BYTES) {
      this.#rest = Buffer.alloc(0);
      this.#skippingLine = true;
    }
  }
}

interface EventState {
  final: Exclude<RunState, 'running' | 'stopped'> | null;
  phase: string | null;
  phaseIndex: number | null;
  phaseTotal: number | null;
  progress: RunSummary['progress'];
  message: string | null;
  remedy: string | null;
  place: Place | null;
  verdict: string | null;
  exitStatus: number | null;
  training: TrainingProgress | null;
  updated: string | null;
}

function emptyState(): EventState {
  return {
    final: null,
    phase: null,
    phaseIndex: null,
    phaseTotal: null,
    progress: null,
    message: null,
    remedy: null,
    place: null,
    verdict: null,
    exitStatus: null,
    training: null,
    updated: null,
  };
}

function applyEvent(state: EventState, event: RunEvent): void {
  state.updated = event.time;
  switch (event.type) {
    case 'state':
      state.final = event.state === 'running' ? null : event.state;
      // A run that goes on has not said yet how it will end.
      if (event.state === 'running') state.message = null;
      if (event.message !== undefined) state.message = event.message;
      state.remedy = event.remedy ?? null;
      state.place = event.place ?? null;
      state.exitStatus = event.exitStatus ?? null;
      break;
    case 'phase':
      state.phase = event.phase;
      state.phaseIndex = event.index ?? null;
      state.phaseTotal = event.total ?? null;
      state.progress = null;
      // Parts of a training begin anew; its audit keeps what the training came to.
      if (event.phase.startsWith('Training')) state.training = null;
      break;
    case 'progress':
      state.phase = event.phase;
      state.progress = { done: event.done, total: event.total, unit: event.unit };
      break;
    case 'verdict':
      state.verdict = event.state;
      state.message = event.summary;
      break;
    case 'step':
      state.training = { epoch: event.epoch, step: event.step, figures: state.training?.figures ?? null };
      break;
    case 'epoch': {
      const { epoch, step } = event.figures;
      state.training = { epoch: state.training?.epoch ?? Math.max(1, epoch), step, figures: event.figures };
      break;
    }
    case 'session':
    case 'metric':
    case 'log':
      break;
  }
}

type Fields = Record<string, unknown>;
const isText = (value: unknown): value is string => typeof value === 'string';
const isFigure = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isOfSession = ({ method, session }: Fields) => isOptional(method, isText) && isOptional(session, isFigure);
const isOptional = (value: unknown, test: (value: unknown) => boolean) => value === undefined || test(value);

function parseJson(text: string): Fields | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    return null;
  }
}

function parseRequest(text: string): RunRequest | null {
  const fields = parseJson(text);
  if (fields === null || fields.format !== RUN_FORMAT) return null;
  const { kind, name, configFile, created, tool } = fields;
  if (!isText(kind) || !kinds.includes(kind) || !isText(name) || !isText(created)) return null;
  return {
    format: RUN_FORMAT,
    formatVersion: 1,
    kind: kind as RunKind,
    name,
    configFile: isText(configFile) ? configFile : null,
    arguments: Array.isArray(fields.arguments) ? fields.arguments.filter(isText) : [],
    created,
    tool: isText(tool) ? tool : '',
  };
}

const states: unknown[] = ['running', 'done', 'failed', 'cancelled', 'paused'];

/** Which fields an event must have to be believed. */
const eventChecks: Readonly<Record<RunEvent['type'], (fields: Fields) => boolean>> = {
  state: (fields) =>
    states.includes(fields.state) &&
    isOptional(fields.exitStatus, isFigure) &&
    isOptional(fields.message, isText) &&
    isOptional(fields.remedy, (value) => value === null || isText(value)) &&
    isOptional(fields.place, (value) => typeof value === 'object' && value !== null),
  phase: (fields) => isText(fields.phase) && isOptional(fields.index, isFigure) && isOptional(fields.total, isFigure),
  progress: (fields) => isText(fields.phase) && isFigure(fields.done) && isFigure(fields.total) && isText(fields.unit),
  metric: (fields) => isText(fields.name) && isFigure(fields.value) && isOptional(fields.step, isFigure),
  step: (fields) =>
    isText(fields.part) &&
    isOfSession(fields) &&
    [fields.epoch, fields.step, fields.loss, fields.learningRate, fields.millisecondsPerStep].every(isFigure) &&
    isObject(fields.terms),
  epoch: (fields) =>
    isText(fields.part) &&
    isOfSession(fields) &&
    isObject(fields.figures) &&
    isFigure(fields.figures.epoch) &&
    isFigure(fields.figures.step),
  session: (fields) =>
    isText(fields.method) &&
    isObject(fields.result) &&
    isFigure(fields.result.session) &&
    isObject(fields.result.figures) &&
    isObject(fields.result.storage),
  verdict: (fields) => isText(fields.state) && isText(fields.summary),
  log: (fields) => isText(fields.message) && ['info', 'warning', 'error'].includes(String(fields.level)),
};

function parseEvent(line: string): RunEvent | null {
  const fields = parseJson(line);
  if (fields === null || !isText(fields.time) || !isText(fields.type)) return null;
  if (!Object.hasOwn(eventChecks, fields.type)) return null;
  return eventChecks[fields.type as RunEvent['type']](fields) ? (fields as unknown as RunEvent) : null;
}

async function existing(file: string): Promise<string | null> {
  return stat(file).then(
    (found) => (found.isFile() ? file : null),
    () => null,
  );
}
