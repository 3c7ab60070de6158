/** What stands around the verdict: the paragraph for newcomers, and how this audit differs from a full one. */
import { visibleText } from '../../src/core/contract/format.ts';
import type { Report } from '../../src/core/contract/report.ts';
import { dataNode, h } from '../components/dom.ts';
import { icon } from '../components/icons.ts';

export function explanation({ verdict }: Report): HTMLElement | null {
  return verdict.explanation ? h('p', { class: 'explanation' }, visibleText(verdict.explanation)) : null;
}

export function notesList({ notes = [] }: Report): HTMLElement | null {
  if (notes.length === 0) return null;
  return h(
    'div',
    { class: 'notes' },
    h('div', { class: 'notes-head' }, icon('info'), 'How this audit differs from a full one'),
    h('ul', {}, ...notes.map((note) => h('li', {}, dataNode(note, 'wraps')))),
  );
}
