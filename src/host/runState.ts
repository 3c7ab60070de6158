/** What the page shows for a run. Pure but for reading the report. */
import { asBackcompatError } from '../core/contract/errors.ts';
import type { RunState, RunSummary } from '../core/contract/runs.ts';
import { readPreviews } from '../core/report/previewsFile.ts';
import { readReport } from '../core/report/reportFile.ts';
import type { PageState, ReportActions, RunProgress } from '../protocol/messages.ts';
import type { ConfiguredPair } from './configStore.ts';

/** The part of the page's state that only the host knows. */
export interface RunSurroundings {
  /** The pair of the config, when it is still there. */
  pair: ConfiguredPair | null;
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
  const { title, message } = (run.kind === 'train' ? trainingEndings : endings)[run.state];
  // What a cancelled run says of itself is that it was cancelled, a paused one that it is paused.
  const said = run.state === 'cancelled' || run.state === 'paused' ? null : run.message;
  return failed(title, said ?? message, run.remedy, run, around);
}

function progressOf(run: RunSummary, { pair, cancelling }: RunSurroundings): RunProgress {
  return {
    name: run.name,
    oldName: pair?.old ?? null,
    newName: pair?.new ?? null,
    phase: run.phase,
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

const canGoOn = 'Its state is kept: it goes on with backcompat train --resume.';
const trainingEndings: typeof endings = {
  done: {
    title: 'The model is trained',
    message: 'There is no report: the training named no old model, or nothing held out.',
  },
  failed: { title: 'The training failed', message: endings.failed.message },
  cancelled: { title: 'The training was cancelled', message: canGoOn },
  paused: { title: 'The training is paused', message: canGoOn },
  stopped: { title: 'The training stopped', message: `Its process ended without saying why. ${canGoOn}` },
};

function failed(
  title: string,
  message: string,
  remedy: string | null,
  run: RunSummary,
  { actions, trusted }: RunSurroundings,
): PageState {
  const again = trusted && run.kind === 'audit' && run.configFile !== null ? 'Run Again' : null;
  const { openRunFolder, openConfig } = actions;
  const cancelled = run.state === 'cancelled';
  return { kind: 'failed', failure: { title, message, remedy, again, openRunFolder, openConfig, cancelled } };
}
