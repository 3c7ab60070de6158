/** The report itself: header, tabs, footer. */
import { dataLine, intervalsNote, modelNote } from '../../src/core/contract/findings.ts';
import { count, durationText, momentText } from '../../src/core/contract/format.ts';
import type { ItemPreviews, ModelDescription, Report } from '../../src/core/contract/report.ts';
import type { ReportActions } from '../../src/protocol/messages.ts';
import { dataNode, dataText, h } from '../components/dom.ts';
import { type MenuItem, menuButton } from '../components/menu.ts';
import { tablist } from '../components/tablist.ts';
import type { Bridge } from './bridge.ts';
import { dataTab } from './dataTab.ts';
import { flipsTab } from './flipsTab.ts';
import { inequalitiesTab } from './inequalitiesTab.ts';
import type { PageContext } from './pageContext.ts';
import { guarded } from './parts.ts';
import { retrievalTab } from './retrievalTab.ts';
import { thresholdsTab } from './thresholdsTab.ts';
import { verdictTab } from './verdictTab.ts';

const tabs = [
  { id: 'verdict', label: 'Verdict', render: verdictTab },
  { id: 'retrieval', label: 'Retrieval', render: retrievalTab },
  { id: 'inequalities', label: 'Inequalities', render: inequalitiesTab },
  { id: 'flips', label: 'Flips', render: flipsTab },
  { id: 'thresholds', label: 'Thresholds', render: thresholdsTab },
  { id: 'data', label: 'Data and protocol', render: dataTab },
];

function model(description: ModelDescription): HTMLElement {
  return h(
    'span',
    { class: 'model' },
    dataNode(description.name, 'strong'),
    h('span', { class: 'note' }, ` ${modelNote(description)}`),
  );
}

function header(report: Report, actions: ReportActions | null, bridge: Bridge): HTMLElement {
  const button = (label: string, run: () => void) =>
    h('button', { class: 'button', type: 'button', on: { click: run } }, label);
  const command = actions?.cliCommand ?? null;
  const items: MenuItem[] = [];
  if (actions?.openConfig) items.push({ label: () => 'Open Config', run: () => bridge.send({ type: 'openConfig' }) });
  if (actions?.openRunFolder)
    items.push({ label: () => 'Open Run Folder', run: () => bridge.send({ type: 'openRunFolder' }) });
  return h(
    'header',
    { class: 'page-head' },
    h(
      'h1',
      { class: 'pair' },
      model(report.old),
      h('span', { class: 'arrow', 'aria-hidden': 'true' }, '\u2192'),
      h('span', { class: 'heard-only' }, 'to'),
      model(report.new),
    ),
    h('span', { class: 'data-line' }, dataLine(report)),
    h(
      'div',
      { class: 'actions' },
      command !== null && button('Copy CLI Command', () => bridge.copyText(command)),
      actions?.exportHtml && button('Export HTML\u2026', () => bridge.send({ type: 'exportHtml' })),
      items.length > 0 && menuButton('More actions', items),
    ),
  );
}

function footer(report: Report): HTMLElement {
  const { provenance, protocol } = report;
  const facts = [
    dataText(provenance.tool),
    dataText(momentText(provenance.created)),
    durationText(provenance.seconds),
    `${protocol.distance} distance`,
    `seed ${protocol.seed}`,
  ];
  return h(
    'footer',
    { class: 'page-foot' },
    h('p', {}, intervalsNote(report), ' Shares of queries (CMC, flips) have Wilson intervals.'),
    h('p', {}, facts.join(' · ')),
  );
}

/** The whole report; `actions` are null in a file of its own. */
export function reportView(
  report: Report,
  previews: ItemPreviews,
  actions: ReportActions | null,
  bridge: Bridge,
): HTMLElement {
  const chosen = bridge.chosenTab();
  const choose = (tab: string) => {
    list.choose(tab, true);
    scrollTo(0, 0);
  };
  const { channel } = bridge;
  const browse: PageContext['browse'] = channel && {
    channel,
    open: null,
    show: (query) => {
      choose('retrieval');
      browse?.open?.(query);
    },
    recall: () => bridge.recall('query'),
    remember: (query) => bridge.remember({ query }),
  };
  const context: PageContext = {
    report,
    previews,
    tools: bridge,
    actions,
    browse,
    send: bridge.send,
    choose,
  };
  const first = tabs.find((tab) => tab.id === chosen)?.id ?? 'verdict';
  const list = tablist(
    tabs.map((tab) => ({
      ...tab,
      ...(tab.id === 'flips' && report.flips.flippedQueries > 0 ? { count: count(report.flips.flippedQueries) } : {}),
      render: () => guarded(tab.label, () => tab.render(context)),
    })),
    first,
    'Parts of the report',
    (tab) => {
      if (tab !== bridge.chosenTab()) bridge.rememberTab(tab);
    },
  );
  if (!bridge.hosted) {
    addEventListener('hashchange', () => {
      const asked = tabs.find((tab) => tab.id === bridge.chosenTab());
      if (asked) list.choose(asked.id, false);
    });
  }
  return h(
    'div',
    { class: 'report' },
    header(report, actions, bridge),
    h('main', {}, list.bar, list.panels),
    footer(report),
  );
}
