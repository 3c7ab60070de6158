/** The head of a training's page: what it is, how far it is, how the model stands, and what can be done. */
import { plain } from '../../src/core/contract/findings.ts';
import type { FollowedTraining } from '../../src/core/contract/followedTraining.ts';
import { count, durationText, metricLabel, number, percent, signedInterval } from '../../src/core/contract/format.ts';
import {
  differenceText,
  figuresOf,
  partInView,
  secondsLeft,
  stepTimeText,
  trainingSentence,
} from '../../src/core/contract/trainingFindings.ts';
import type { PageMessage } from '../../src/protocol/messages.ts';
import type { TrainingActions, TrainingPage } from '../../src/protocol/training.ts';
import { dataNode, dataText, h } from '../components/dom.ts';
import { icon } from '../components/icons.ts';
import { type MenuItem, menuButton } from '../components/menu.ts';
import type { Bridge } from '../report/bridge.ts';
import { finding } from '../report/parts.ts';

export interface TrainingHead {
  header: HTMLElement;
  /** What follows it: how far, how it stands. */
  standing: HTMLElement[];
  update: (page: TrainingPage) => void;
}

function actionButtons(training: FollowedTraining, actions: TrainingActions, bridge: Bridge): HTMLElement[] {
  const button = (label: string, message: PageMessage, isPrimary = false) =>
    h(
      'button',
      {
        class: isPrimary ? 'button primary' : 'button',
        type: 'button',
        on: { click: () => bridge.send(message) },
      },
      label,
    );
  const asked = (label: string) => h('button', { class: 'button', type: 'button', disabled: true }, label);
  const items: MenuItem[] = [];
  const { cliCommand } = actions;
  if (cliCommand !== null) items.push({ label: () => 'Copy CLI Command', run: () => bridge.copyText(cliCommand) });
  if (actions.openConfig) items.push({ label: () => 'Open Config', run: () => bridge.send({ type: 'openConfig' }) });
  if (actions.openRunFolder)
    items.push({ label: () => 'Open Run Folder', run: () => bridge.send({ type: 'openRunFolder' }) });
  const isLive = training.state === 'running';
  return [
    ...(isLive && actions.asked !== 'cancel'
      ? [actions.asked === 'pause' ? asked('Pausing') : button('Pause', { type: 'pauseRun' })]
      : []),
    ...(isLive ? [actions.asked === 'cancel' ? asked('Cancelling') : button('Cancel', { type: 'cancelRun' })] : []),
    ...(!isLive && actions.again !== null ? [button(actions.again, { type: 'resumeOrRestart' }, true)] : []),
    ...(actions.openReport ? [button('Open Report', { type: 'openReport' }, true)] : []),
    ...(items.length > 0 ? [menuButton('More actions', items)] : []),
  ];
}

/** The figures below the sentence: value, and what it is. */
function factsOf(training: FollowedTraining): { value: string; note?: string; word: string }[] {
  const { record, progress, state, steps, started, updated } = training;
  const facts: { value: string; note?: string; word: string }[] = [];
  const part = record === null ? null : partInView(record);
  if (progress !== null && progress.total > 0 && state !== 'done') {
    const amount = `${count(progress.done)} of ${count(progress.total)}`;
    const word = progress.unit === 'steps' ? `step ${amount}` : `${amount} ${dataText(progress.unit)}`;
    facts.push({ value: percent(Math.min(1, progress.done / progress.total), 0), word });
  }
  const gone = (Date.parse(updated) - Date.parse(started)) / 1000;
  if (Number.isFinite(gone) && gone > 0)
    facts.push({ value: durationText(Math.round(gone)), word: state === 'running' ? 'gone' : 'until it ended' });
  const left = state === 'running' ? secondsLeft(training) : null;
  if (left !== null) facts.push({ value: `about ${durationText(Math.round(left))}`, word: 'left, without audits' });
  if (record === null || part === null) return facts;
  const last = steps[part.folder]?.at(-1);
  if (last !== undefined) facts.push({ value: stepTimeText(last.millisecondsPerStep), word: 'a step' });
  const figures = figuresOf(part);
  const metric = record.criterionMetric;
  const newOld = figures?.newOld?.[metric];
  if (newOld !== undefined) facts.push({ value: number(newOld), word: `new/old ${metricLabel(metric)}` });
  const difference = figures === null ? null : differenceText(figures);
  if (difference !== null)
    facts.push({ value: difference, note: signedInterval(figures?.criterion?.interval), word: 'over old/old' });
  return facts;
}

const endTones = { failed: 'bad', stopped: 'warning', paused: 'absent', cancelled: 'absent', done: 'good' } as const;

/** What a run that is over says of itself. */
function endWords({ state, message, remedy }: FollowedTraining): string[] {
  switch (state) {
    case 'running':
    case 'done':
      return [];
    case 'stopped':
      return [message ?? 'The process ended without saying why.', 'Its state is kept: it can be resumed.'];
    case 'failed':
      return [message ?? 'It did not say why; its log may.', ...(remedy === null ? [] : [remedy])];
    case 'paused':
    case 'cancelled':
      return ['Its state is kept: resumed, it ends with the same weights as a training left alone.'];
  }
}

export function trainingHead(first: TrainingPage, bridge: Bridge): TrainingHead {
  const note = h('span', { class: 'note' });
  const actions = h('div', { class: 'actions' });
  const fill = h('div', { class: 'progress-fill' });
  const bar = h('div', { class: 'progress', role: 'progressbar', 'aria-label': 'Progress of this part' }, fill);
  const sentence = h('div', { class: 'training-sentence' });
  const heard = h('p', { class: 'heard-only', role: 'status' });
  const end = h('div', { class: 'training-end' });
  const facts = h('dl', { class: 'training-facts' });
  const header = h(
    'header',
    { class: 'page-head' },
    h('h1', { class: 'pair' }, 'Training ', dataNode(first.training.name, 'strong'), note),
    actions,
  );

  let shown = { actions: '', said: '', heard: '' };
  function update({ training, actions: possible }: TrainingPage): void {
    const { state, record, progress, oldName } = training;
    const about = [
      oldName === null ? null : `to be compatible with ${dataText(oldName)}`,
      record === null ? null : `${count(record.parameters.trained)} trained weights`,
      record === null ? null : `seed ${record.seed}`,
    ];
    note.textContent = ` ${about.filter((text) => text !== null).join(' · ')}`;
    const buttons = JSON.stringify([possible, state]);
    if (buttons !== shown.actions) actions.replaceChildren(...actionButtons(training, possible, bridge));
    const phrases = trainingSentence(training);
    const said = `${state} ${plain(phrases)}`;
    if (said !== shown.said) {
      const mark = state === 'running' ? null : icon(endTones[state]);
      sentence.replaceChildren(...(mark === null ? [] : [mark]), finding(phrases));
      end.replaceChildren(...endWords(training).map((text) => h('p', {}, text)));
    }
    // Once an epoch, and when the state changes: not with every step.
    const part = record === null ? null : partInView(record);
    const moment = `${state} ${part?.folder} ${part?.epochs.length ?? 0}`;
    if (moment !== shown.heard) heard.textContent = plain(phrases);
    shown = { actions: buttons, said, heard: moment };
    const isLive = state === 'running';
    bar.hidden = !isLive;
    const isKnown = progress !== null && progress.total > 0;
    bar.classList.toggle('endless', isLive && !isKnown);
    if (isKnown) {
      const share = Math.min(1, progress.done / progress.total);
      fill.style.width = `${share * 100}%`;
      bar.setAttribute('aria-valuenow', String(Math.round(share * 100)));
    } else {
      fill.style.removeProperty('width');
      bar.removeAttribute('aria-valuenow');
    }
    facts.replaceChildren(
      ...factsOf(training).map(({ value, note: beside, word }) =>
        h(
          'div',
          {},
          h('dt', {}, word),
          h('dd', {}, value, beside ? h('span', { class: 'interval-text' }, ` ${beside}`) : null),
        ),
      ),
    );
  }
  update(first);
  return { header, standing: [bar, sentence, heard, end, facts], update };
}
