/** What the page shows for a run. Pure but for reading the report. */
import { asBackcompatError } from '../core/contract/errors.ts';
import type { RunState, RunSummary } from '../core/contract/runs.ts';
import { readPreviews } from '../core/report/previewsFile.ts';
import { readReport } from '../core/report/reportFile.ts';
import type { PageState, ReportActions, RunProgress } from '../protocol/messages.ts';
import { isResumable, trainingWords } from './words.ts';

/** The part of the page's state that only the host knows. */
export interface RunSurroundings {
  /** Old and new model by their names in the config, when they are still there. */
  pair: { old: string; new: string } | null;
  /** Somebody has asked the run to stop. */
  cancelling: boolean;
  trusted: boolean;
  actions: ReportActions;
}

export async function pageStateOf(run: RunSummary, around: RunSurroundings): Promise<PageState> {
  if (run.state === 'running') return { kind: 'running', run: progressOf(run, around) };
  if (run.state === 'done' && run.report !== null) {
    try {
      const report = await readReport(run.report);
      return { kind: 'report', report, previews: await readPreviews(run.report), actions: around.actions };
    } catch (error) {
      const { message, remedy } = asBackcompatError(error);
      return failed('This report cannot be opened', message, remedy, run, around);
    }
  }
  const { title, message } = endingOf(run);
  return failed(title, message, run.remedy, run, around);
}

function progressOf(run: RunSummary, { pair, cancelling }: RunSurroundings): RunProgress {
  return {
    name: run.name,
    oldName: pair?.old ?? null,
    newName: pair?.new ?? null,
    // The page of an audit has a place for one line.
    phase: trainingWords(run) ?? run.phase,
    phaseIndex: run.phaseIndex,
    phaseTotal: run.phaseTotal,
    done: run.progress?.done ?? null,
    total: run.progress?.total ?? null,
    unit: run.progress?.unit ?? null,
    started: run.created,
    cancelling,
  };
}

const endings: Readonly<Record<Exclude<RunState, 'running'>, { title: string; message: string }>> = {
  done: { title: 'The audit left no report', message: 'Its run directory holds none.' },
  failed: { title: 'The audit failed', message: 'It did not say why; its log may.' },
  cancelled: { title: 'The audit was cancelled', message: 'It left no report; what was measured until then is gone.' },
  paused: { title: 'The run is paused', message: 'It can be resumed where it stands.' },
  stopped: { title: 'The audit stopped', message: 'Its process ended without saying why.' },
};

const canGoOn = 'It can be resumed, and ends with the same weights.';
const trainingEndings: typeof endings = {
  done: {
    title: 'The model is trained',
    message: 'There is no report: the training named no old model, or nothing held out.',
  },
  failed: { title: 'The training failed', message: endings.failed.message },
  cancelled: { title: 'The training was cancelled', message: '' },
  paused: { title: 'The training is paused', message: '' },
  stopped: { title: 'The training stopped', message: endings.stopped.message },
};

/** How a run ended, in its words where it has any, and what it can still do. */
function endingOf(run: RunSummary): { title: string; message: string } {
  const { title, message } = (run.kind === 'train' ? trainingEndings : endings)[
    run.state as Exclude<RunState, 'running'>
  ];
  // What a cancelled run says of itself is that it was cancelled, a paused one that it is paused.
  const isAsked = run.state === 'cancelled' || run.state === 'paused';
  const said = isAsked || (run.kind === 'train' && run.state === 'done') ? null : run.message;
  if (!isResumable(run) || run.state === 'failed') return { title, message: said ?? message };
  const step = run.training === null ? null : `It stands at step ${run.training.step.toLocaleString('en')}.`;
  return { title, message: [said ?? message, step, canGoOn].filter((part) => part !== null && part !== '').join(' ') };
}

function failed(
  title: string,
  message: string,
  remedy: string | null,
  run: RunSummary,
  { actions, trusted }: RunSurroundings,
): PageState {
  const again = !trusted || run.configFile === null ? null : againWords(run);
  const { openRunFolder, openConfig } = actions;
  const cancelled = run.state === 'cancelled' || run.state === 'paused';
  return { kind: 'failed', failure: { title, message, remedy, again, openRunFolder, openConfig, cancelled } };
}

function againWords(run: RunSummary): 'Resume' | 'Run Again' | null {
  if (run.kind === 'audit') return 'Run Again';
  if (run.kind !== 'train' || run.state === 'done') return null;
  // What failed would fail again where it stands.
  return run.state === 'failed' ? 'Run Again' : 'Resume';
}
