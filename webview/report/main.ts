/** The report's page, in a panel of the workbench and in a file of its own. */
import '../styles/report.css';
import '../styles/browser.css';
import '../styles/compare.css';
import '../styles/training.css';
import { parsePreviews } from '../../src/core/contract/previews.ts';
import { type PageFailure, type PageState, parseHostMessage, reportProblem } from '../../src/protocol/messages.ts';
import { disposeCharts, rebuildCharts } from '../charts/chart.ts';
import { onThemeChange } from '../charts/theme.ts';
import { compareView } from '../compare/compareView.ts';
import { h } from '../components/dom.ts';
import { type TrainingView, trainingView } from '../training/trainingView.ts';
import { type Bridge, makeBridge } from './bridge.ts';
import { reportView } from './reportView.ts';
import { failedView, loadingView, type RunningView, runningView } from './states.ts';

const REPORT_ELEMENT = 'backcompat-report';
const PREVIEWS_ELEMENT = 'backcompat-previews';
const unreadable = (message: string): PageFailure => ({
  title: 'This report cannot be shown',
  message,
  remedy: 'Run the audit again with this version of Backcompat.',
  again: null,
  openRunFolder: false,
  openConfig: false,
});

function makePage(bridge: Bridge): (state: PageState, standAlone?: boolean) => void {
  const root = h('div', { class: 'page' });
  document.body.prepend(root);
  let running: RunningView | null = null;
  let training: TrainingView | null = null;

  const put = (element: HTMLElement) => {
    const { scrollX, scrollY } = globalThis;
    root.replaceChildren(element);
    scrollTo(scrollX, scrollY);
  };

  return (state, standAlone = false) => {
    if (state.kind === 'running' && running) {
      running.update(state.run);
      return;
    }
    if (state.kind === 'training' && training) {
      training.update(state);
      return;
    }
    disposeCharts();
    running = null;
    training = null;
    switch (state.kind) {
      case 'loading':
        return put(loadingView(state.phase));
      case 'running':
        running = runningView(state.run, bridge.send);
        return put(running.element);
      case 'training':
        training = trainingView(state, bridge);
        return put(training.element);
      case 'compare':
        return put(compareView(state, bridge));
      case 'failed':
        return put(failedView(state.failure, bridge.send));
      case 'report': {
        const problem = reportProblem(state.report);
        if (problem !== null) return put(failedView(unreadable(problem), bridge.send));
        try {
          return put(reportView(state.report, state.previews ?? {}, standAlone ? null : state.actions, bridge));
        } catch (error) {
          return put(failedView(unreadable(error instanceof Error ? error.message : String(error)), bridge.send));
        }
      }
    }
  };
}

/** What lies in the page itself; undefined where it has none, null where it cannot be read. */
function embedded(id: string): unknown {
  const element = document.getElementById(id);
  if (!element) return undefined;
  try {
    return JSON.parse(element.textContent ?? '');
  } catch {
    return null;
  }
}

function start(): void {
  const bridge = makeBridge();
  const show = makePage(bridge);
  onThemeChange(rebuildCharts);
  const found = embedded(REPORT_ELEMENT);
  if (!bridge.hosted || found !== undefined) {
    const problem = reportProblem(found);
    if (problem !== null) show({ kind: 'failed', failure: unreadable(problem) });
    else {
      const actions = { openRunFolder: false, openConfig: false, exportHtml: false, cliCommand: null };
      // Checked a line above; the page guards each section against what is missing inside.
      const report = found as Extract<PageState, { kind: 'report' }>['report'];
      show({ kind: 'report', report, previews: parsePreviews(embedded(PREVIEWS_ELEMENT)), actions }, true);
    }
    return;
  }
  show({ kind: 'loading', phase: null });
  addEventListener('message', (event) => {
    const message = parseHostMessage(event.data);
    if (!message) return;
    if (message.type !== 'snapshot') {
      bridge.channel?.receive(message);
      return;
    }
    if (message.restore) bridge.remember(message.restore);
    show(message.state);
  });
  bridge.send({ type: 'ready' });
}

start();
