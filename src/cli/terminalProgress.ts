import type { Progress, RunSummary } from '../core/contract/runs.ts';
import type { ProgressView } from './progressView.ts';

/** Progress of work that this process does itself, shown as that of a run is. */
export function terminalProgress(view: ProgressView): Progress {
  const summary: RunSummary = {
    directory: '',
    id: '',
    kind: 'embed',
    name: '',
    configFile: null,
    created: '',
    state: 'running',
    phase: null,
    phaseIndex: null,
    phaseTotal: null,
    progress: null,
    training: null,
    message: null,
    remedy: null,
    place: null,
    verdict: null,
    exitStatus: null,
    report: null,
    updated: '',
  };
  const time = () => new Date().toISOString();
  return {
    phase(phase) {
      summary.phase = phase;
      summary.progress = null;
      view.event({ type: 'phase', time: time(), phase });
      view.summary(summary);
    },
    update(done, total, unit) {
      summary.progress = { done, total, unit };
      view.summary(summary);
    },
    log: (level, message) => view.event({ type: 'log', time: time(), level, message }),
    // Lets signals through between blocks of work.
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
  };
}
