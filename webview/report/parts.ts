/** Pieces that all tabs share. */
import type { Phrase, Tone } from '../../src/core/contract/findings.ts';
import { visibleText } from '../../src/core/contract/format.ts';
import { h } from '../components/dom.ts';
import { icon } from '../components/icons.ts';

/** The one sentence at the head of a tab; its key phrases stand out. */
export function finding(phrases: readonly Phrase[]): HTMLElement {
  return h(
    'p',
    { class: 'finding' },
    ...phrases.map(({ text, strong }) => (strong ? h('strong', {}, visibleText(text)) : visibleText(text))),
  );
}

/** A state: icon shape, word and colour together. */
export function stateMark({ word, tone }: { word: string; tone: Tone }): HTMLElement {
  return h('span', { class: 'state' }, icon(tone), h('span', {}, word));
}

/** What stands where nothing was measured: why, in words. */
export function emptyState(why: string): HTMLElement {
  return h('section', { class: 'figure empty-state' }, icon('absent'), h('p', {}, why));
}

/** A drawing with its figures as a tooltip. */
export function titled(text: string, drawing: SVGElement): HTMLElement {
  return h('span', { class: 'plot-box', title: text.trim() }, drawing);
}

/** Two sections beside each other; one column on a narrow page. */
export function columns(shape: 'wide-left' | 'wide-right' | 'even', ...sections: (Node | null)[]): HTMLElement {
  return h('div', { class: `columns ${shape}` }, ...sections);
}

/** A section that cannot be drawn says so and leaves the others standing. */
export function guarded(name: string, draw: () => HTMLElement): HTMLElement {
  try {
    return draw();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return h(
      'section',
      { class: 'figure failed-section' },
      h('h2', {}, name),
      h('p', { class: 'caption' }, `This part of the report could not be drawn: ${reason}`),
    );
  }
}
