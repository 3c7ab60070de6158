/** What stands around the verdict: the paragraph for newcomers, and how this audit differs from a full one. */
import { explanationParts } from '../../src/core/contract/explanation.ts';
import { visibleText } from '../../src/core/contract/format.ts';
import type { Report } from '../../src/core/contract/report.ts';
import { dataNode, h } from '../components/dom.ts';
import { icon } from '../components/icons.ts';

/** A paragraph a question, where the report's words are this version's; as they stand where they are not. */
export function explanation(report: Report, text: string): HTMLElement {
  const parts = explanationParts(report);
  const whole = parts.map((part) => part.text).join(' ');
  if (whole !== text || parts.length < 2) return h('p', { class: 'explanation' }, visibleText(text));
  return h(
    'div',
    { class: 'explanation' },
    ...parts.map((part) => h('p', {}, h('strong', {}, `${part.topic}. `), visibleText(part.text))),
  );
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
