/**
 * What the report's page and its host say to each other.
 * The host always sends the whole state; the page sends named intents, never command ids.
 * Both sides distrust what arrives: `parsePageMessage` and `parseHostMessage` return `null` for anything else.
 */
import { parsePreviews } from '../core/contract/previews.ts';
import { type ItemPreviews, REPORT_FORMAT, REPORT_FORMAT_VERSION, type Report } from '../core/contract/report.ts';
import { type BrowseHostMessage, type BrowseMessage, parseBrowseHostMessage, parseBrowseMessage } from './browse.ts';
import { isFigureOrNull, isObject, isTextOrNull } from './checks.ts';
import { type ComparePage, isComparePage } from './compare.ts';
import { isTrainingPage, type TrainingPage } from './training.ts';

/** What the host can do for this report; the page hides the buttons of the rest. */
export interface ReportActions {
  openRunFolder: boolean;
  openConfig: boolean;
  exportHtml: boolean;
  /** The command line that repeats this audit; null when it is not known. */
  cliCommand: string | null;
  /** Whether single queries can be looked at, and why not. Absent: no. */
  browse?: { possible: boolean; why: string | null };
}

export interface RunProgress {
  /** Pair or block. */
  name: string;
  oldName: string | null;
  newName: string | null;
  /** What the run is doing, in words; null before its first phase. */
  phase: string | null;
  /** Position of the phase, from 0. */
  phaseIndex: number | null;
  phaseTotal: number | null;
  done: number | null;
  total: number | null;
  unit: string | null;
  /** ISO 8601, UTC. */
  started: string | null;
  /** Cancellation was asked for and has not happened yet. */
  cancelling: boolean;
}

export interface PageFailure {
  /** What failed, in a few words: "The audit failed", "This report cannot be opened". */
  title: string;
  message: string;
  remedy: string | null;
  /** What the button for another attempt says; null hides it. */
  again: 'Resume' | 'Run Again' | null;
  openRunFolder: boolean;
  openConfig: boolean;
  /** The user wanted it: no failure to be shown as one. */
  cancelled?: boolean;
}

export type PageState =
  | { kind: 'loading'; phase: string | null }
  | { kind: 'running'; run: RunProgress }
  | ({ kind: 'training' } & TrainingPage)
  | ({ kind: 'compare' } & ComparePage)
  /** `previews`: pictures and texts of the items that the report lists, by id. */
  | { kind: 'report'; report: Report; previews?: ItemPreviews; actions: ReportActions }
  | { kind: 'failed'; failure: PageFailure };

/** host -> page: the whole state. */
export interface SnapshotMessage {
  type: 'snapshot';
  state: PageState;
  /** What the page keeps beside its own choices, for the host's panel serializer. */
  restore?: Record<string, string>;
}

/** host -> page */
export type HostMessage = SnapshotMessage | BrowseHostMessage;

/** page -> host */
export type PageMessage =
  | BrowseMessage
  | { type: 'ready' }
  | { type: 'cancelRun' }
  | { type: 'pauseRun' }
  /** The report of the run, in an editor of its own. */
  | { type: 'openReport' }
  /** One of the reports of a comparison, by its position. */
  | { type: 'openCompared'; report: number }
  /** Holds this report, or those of this sweep, against others. */
  | { type: 'compareReports' }
  /** What a comparison shows, as Markdown, to the clipboard. */
  | { type: 'copyMarkdown' }
  | { type: 'resumeOrRestart' }
  | { type: 'openRunFolder' }
  /** Shows the config, at the rule's line when one is named. */
  | { type: 'openConfig'; rule?: string }
  | { type: 'exportHtml' }
  | { type: 'copyText'; text: string }
  | { type: 'saveFile'; name: string; text: string }
  | { type: 'saveFile'; name: string; dataBase64: string };

export type PageMessageType = PageMessage['type'];

/** For `satisfies PageHandlers`: a missing handler does not compile. */
export type PageHandlers = {
  [T in PageMessageType]: (message: Extract<PageMessage, { type: T }>) => void | Promise<void>;
};

/** Characters of copied or saved content: a table of 100,000 rows fits, a runaway page does not. */
export const MAX_TEXT_LENGTH = 64 * 1024 * 1024;
const MAX_RULE_LENGTH = 1000;
const fileNamePattern = /^[\w][\w .()-]{0,118}\.(csv|tsv|png|svg)$/;

function isText(value: unknown, longest: number = MAX_TEXT_LENGTH): value is string {
  return typeof value === 'string' && value.length <= longest;
}

/** A plain file name of an export: no folder, no leading dot, one of the known endings. */
export function isExportFileName(name: unknown): name is string {
  return typeof name === 'string' && fileNamePattern.test(name);
}

/** The message if the page really sent one, with known fields only; otherwise null. */
export function parsePageMessage(value: unknown): PageMessage | null {
  if (!isObject(value)) return null;
  switch (value.type) {
    case 'ready':
    case 'cancelRun':
    case 'pauseRun':
    case 'openReport':
    case 'compareReports':
    case 'copyMarkdown':
    case 'resumeOrRestart':
    case 'openRunFolder':
    case 'exportHtml':
      return { type: value.type };
    case 'openConfig':
      if (value.rule === undefined) return { type: 'openConfig' };
      return isText(value.rule, MAX_RULE_LENGTH) ? { type: 'openConfig', rule: value.rule } : null;
    case 'openCompared':
      return Number.isInteger(value.report) && (value.report as number) >= 0
        ? { type: 'openCompared', report: value.report as number }
        : null;
    case 'copyText':
      return isText(value.text) ? { type: 'copyText', text: value.text } : null;
    case 'saveFile':
      if (!isExportFileName(value.name)) return null;
      if (isText(value.text)) return { type: 'saveFile', name: value.name, text: value.text };
      if (isText(value.dataBase64) && /^[A-Za-z0-9+/]*={0,2}$/.test(value.dataBase64)) {
        return { type: 'saveFile', name: value.name, dataBase64: value.dataBase64 };
      }
      return null;
    case 'browseQueries':
    case 'browseNeighbours':
    case 'browseThumbnails':
    case 'browseStop':
      return parseBrowseMessage(value);
    default:
      return null;
  }
}

const reportObjects = [
  'verdict',
  'old',
  'new',
  'data',
  'protocol',
  'retrieval',
  'criterion',
  'inequalities',
  'flips',
  'worst',
  'histograms',
  'curves',
  'provenance',
] as const satisfies readonly (keyof Report)[];
const reportLists = ['classes', 'diagnosis', 'gates'] as const satisfies readonly (keyof Report)[];

/** Why the value is no report that this page can show, as a sentence; null when it is one. */
export function reportProblem(value: unknown): string | null {
  if (!isObject(value) || value.format !== REPORT_FORMAT) return 'This is not a Backcompat report.';
  if (typeof value.formatVersion !== 'number' || !(value.formatVersion >= 1)) {
    return 'The report does not say which version of the format it has.';
  }
  if (value.formatVersion >= REPORT_FORMAT_VERSION + 1) {
    return `The report has format version ${value.formatVersion}; this page reads versions up to ${REPORT_FORMAT_VERSION}.`;
  }
  for (const field of reportObjects) if (!isObject(value[field])) return `The report has no "${field}".`;
  for (const field of reportLists) if (!Array.isArray(value[field])) return `The report has no "${field}".`;
  return null;
}

function isActions(value: unknown): value is ReportActions {
  return (
    isObject(value) &&
    typeof value.openRunFolder === 'boolean' &&
    typeof value.openConfig === 'boolean' &&
    typeof value.exportHtml === 'boolean' &&
    isTextOrNull(value.cliCommand) &&
    (value.browse === undefined ||
      (isObject(value.browse) && typeof value.browse.possible === 'boolean' && isTextOrNull(value.browse.why)))
  );
}

function isRunProgress(value: unknown): value is RunProgress {
  return (
    isObject(value) &&
    typeof value.name === 'string' &&
    [value.oldName, value.newName, value.phase, value.unit, value.started].every(isTextOrNull) &&
    [value.phaseIndex, value.phaseTotal, value.done, value.total].every(isFigureOrNull) &&
    typeof value.cancelling === 'boolean'
  );
}

function isFailure(value: unknown): value is PageFailure {
  return (
    isObject(value) &&
    typeof value.title === 'string' &&
    typeof value.message === 'string' &&
    isTextOrNull(value.remedy) &&
    (value.again === null || value.again === 'Resume' || value.again === 'Run Again') &&
    typeof value.openRunFolder === 'boolean' &&
    typeof value.openConfig === 'boolean' &&
    (value.cancelled === undefined || typeof value.cancelled === 'boolean')
  );
}

function isPageState(value: unknown): value is PageState {
  if (!isObject(value)) return false;
  switch (value.kind) {
    case 'loading':
      return isTextOrNull(value.phase);
    case 'running':
      return isRunProgress(value.run);
    case 'training':
      return isTrainingPage(value);
    case 'compare':
      return isComparePage(value);
    case 'report':
      // A report that is none still is a snapshot: the page says what is wrong with it.
      return isObject(value.report) && isActions(value.actions);
    case 'failed':
      return isFailure(value.failure);
    default:
      return false;
  }
}

/** The message if the host really sent one; otherwise null. Whether its report can be shown: {@link reportProblem}. */
export function parseHostMessage(value: unknown): HostMessage | null {
  if (!isObject(value)) return null;
  if (value.type !== 'snapshot') return parseBrowseHostMessage(value);
  if (!isPageState(value.state)) return null;
  const { state } = value;
  const message: SnapshotMessage = {
    type: 'snapshot',
    state:
      state.kind === 'report' && state.previews !== undefined
        ? { ...state, previews: parsePreviews(state.previews) }
        : state,
  };
  if (isObject(value.restore)) {
    message.restore = {};
    for (const [key, entry] of Object.entries(value.restore)) {
      if (typeof entry === 'string') message.restore[key] = entry;
    }
  }
  return message;
}
