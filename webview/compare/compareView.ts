/** The page that holds reports against each other: differences first, then every figure, curves over each other. */
import { comparedCount, comparisonNotes, comparisonSentence } from '../../src/core/contract/comparisonFindings.ts';
import type { ComparePage } from '../../src/protocol/compare.ts';
import { dataNode, h } from '../components/dom.ts';
import { icon } from '../components/icons.ts';
import type { Bridge } from '../report/bridge.ts';
import { finding, guarded } from '../report/parts.ts';
import { overlays } from './comparedCurves.ts';
import { differencesFigure, figuresFigure, flipsFigure, reportsFigure } from './comparedTables.ts';

export function compareView(page: ComparePage, bridge: Bridge): HTMLElement {
  const { comparison, cliCommand } = page;
  const button = (label: string, run: () => void) =>
    h('button', { class: 'button', type: 'button', on: { click: run } }, label);
  return h(
    'div',
    { class: 'report compare' },
    h(
      'header',
      { class: 'page-head' },
      h(
        'h1',
        { class: 'pair' },
        h('strong', {}, 'Comparison'),
        h('span', { class: 'note' }, ` ${comparedCount(comparison.reports)}`),
      ),
      h(
        'div',
        { class: 'actions' },
        button('Copy as Markdown', () => bridge.send({ type: 'copyMarkdown' })),
        button('Copy CLI Command', () => bridge.copyText(cliCommand)),
      ),
    ),
    h(
      'main',
      {},
      finding(comparisonSentence(comparison)),
      notesOf(page),
      guarded('Differences', () => differencesFigure(page, bridge)),
      guarded('Reports', () => reportsFigure(page, bridge)),
      guarded('Curves', () => overlays(page, bridge)),
      guarded('Flips', () => flipsFigure(page, bridge)),
      guarded('Figures', () => figuresFigure(page, bridge)),
    ),
  );
}

/** What differs beside the models, and what cannot be compared therefore. */
function notesOf({ comparison }: ComparePage): HTMLElement | null {
  const notes = comparisonNotes(comparison);
  if (notes.length === 0) return null;
  const hasWarning = notes.some(({ isWarning }) => isWarning);
  return h(
    'div',
    { class: `notes ${hasWarning ? 'notes-warning' : ''}`.trim(), role: 'note' },
    h(
      'div',
      { class: 'notes-head' },
      icon(hasWarning ? 'warning' : 'info'),
      hasWarning ? 'Not everything here can be compared' : 'What else differs',
    ),
    h('ul', {}, ...notes.map(({ text, reach }) => h('li', {}, dataNode(text, 'wraps'), ' ', h('strong', {}, reach)))),
  );
}
