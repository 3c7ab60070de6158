/** What the page shows while there is no report: loading, a live run, a failure. */
import { count } from '../../src/core/contract/format.ts';
import type { PageFailure, PageMessage, RunProgress } from '../../src/protocol/messages.ts';
import { dataNode, dataText, h } from '../components/dom.ts';
import { icon } from '../components/icons.ts';

type Send = (message: PageMessage) => void;

/** Bars where the report's parts will stand. */
export function loadingView(phase: string | null): HTMLElement {
  const bars = ['60%', '42%', '100%', '100%', '100%'].map((width, index) => {
    const bar = h('div', { class: index < 2 ? 'skeleton tall' : 'skeleton' });
    bar.style.width = width;
    return bar;
  });
  return h(
    'main',
    { class: 'waiting', 'aria-busy': 'true' },
    h('h1', { class: 'heard-only' }, 'Report'),
    h('p', { class: 'phase', role: 'status' }, `${phase ?? 'Loading the report'}\u2026`),
    h('div', { 'aria-hidden': 'true' }, ...bars),
  );
}

export interface RunningView {
  element: HTMLElement;
  /** Shows newer progress without taking the focus from Cancel. */
  update: (run: RunProgress) => void;
}

function stepWords(run: RunProgress): string {
  return run.phaseIndex !== null && run.phaseTotal ? `Step ${run.phaseIndex + 1} of ${run.phaseTotal}` : '';
}

function amountWords(run: RunProgress): string {
  if (run.done === null) return '';
  const unit = run.unit ? ` ${dataText(run.unit)}` : '';
  return run.total ? `${count(run.done)} of ${count(run.total)}${unit}` : `${count(run.done)}${unit}`;
}

export function runningView(first: RunProgress, send: Send): RunningView {
  const phase = h('p', { class: 'finding' });
  const live = h('p', { class: 'heard-only', role: 'status' });
  const step = h('span', {});
  const amount = h('span', {});
  const fill = h('div', { class: 'progress-fill' });
  const bar = h('div', { class: 'progress', role: 'progressbar', 'aria-label': 'Progress of this step' }, fill);
  const cancel = h('button', { class: 'button', type: 'button', on: { click: () => send({ type: 'cancelRun' }) } });
  const pair =
    first.oldName !== null && first.newName !== null
      ? [
          dataNode(first.oldName, 'strong'),
          h('span', { class: 'arrow' }, ' \u2192 '),
          dataNode(first.newName, 'strong'),
        ]
      : [dataNode(first.name, 'strong')];
  const element = h(
    'main',
    { class: 'waiting' },
    h('h1', { class: 'pair' }, ...pair),
    phase,
    live,
    bar,
    h('div', { class: 'progress-words' }, step, amount),
    h(
      'div',
      { class: 'actions' },
      cancel,
      h(
        'button',
        { class: 'button', type: 'button', on: { click: () => send({ type: 'openRunFolder' }) } },
        'Open Run Folder',
      ),
    ),
    h(
      'p',
      { class: 'caption' },
      'The audit is a process of its own: it goes on when this panel or the window is closed.',
    ),
  );
  let heard = '';
  function update(run: RunProgress): void {
    const words = run.cancelling ? 'Cancelling' : dataText(run.phase ?? 'Starting');
    phase.textContent = `${words}\u2026`;
    if (words !== heard) live.textContent = words;
    heard = words;
    step.textContent = stepWords(run);
    amount.textContent = amountWords(run);
    cancel.textContent = run.cancelling ? 'Cancelling' : 'Cancel';
    cancel.toggleAttribute('disabled', run.cancelling);
    const known = run.done !== null && run.total !== null && run.total > 0;
    bar.classList.toggle('endless', !known);
    if (known) {
      const share = Math.min(1, Math.max(0, (run.done ?? 0) / (run.total ?? 1)));
      fill.style.width = `${share * 100}%`;
      bar.setAttribute('aria-valuenow', String(Math.round(share * 100)));
      bar.setAttribute('aria-valuemin', '0');
      bar.setAttribute('aria-valuemax', '100');
      bar.setAttribute('aria-valuetext', amountWords(run));
    } else {
      fill.style.removeProperty('width');
      for (const name of ['aria-valuenow', 'aria-valuetext']) bar.removeAttribute(name);
    }
  }
  update(first);
  return { element, update };
}

export function failedView(failure: PageFailure, send: Send): HTMLElement {
  const button = (label: string, message: PageMessage, primary = false) =>
    h(
      'button',
      { class: primary ? 'button primary' : 'button', type: 'button', on: { click: () => send(message) } },
      label,
    );
  return h(
    'main',
    { class: 'waiting' },
    h(
      'div',
      { role: 'alert' },
      h('h1', { class: 'failed-title' }, icon(failure.cancelled ? 'absent' : 'bad'), failure.title),
      h('p', { class: 'failed-message' }, failure.message),
      failure.remedy !== null && h('p', { class: 'failed-remedy' }, failure.remedy),
    ),
    h(
      'div',
      { class: 'actions' },
      failure.again !== null && button(failure.again, { type: 'resumeOrRestart' }, true),
      failure.openConfig && button('Open Config', { type: 'openConfig' }),
      failure.openRunFolder && button('Open Run Folder', { type: 'openRunFolder' }),
    ),
  );
}
