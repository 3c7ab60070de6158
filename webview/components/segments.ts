/** A few choices of which one holds (ARIA radio group): arrows move and choose. */
import { h } from './dom.ts';

export interface Segment<Value extends string> {
  value: Value;
  label: string;
  count?: string;
  title?: string;
}

export function segments<Value extends string>(options: {
  name: string;
  entries: readonly Segment<Value>[];
  chosen: Value;
  choose: (value: Value) => void;
}): HTMLElement {
  const { entries } = options;
  const buttons = entries.map((entry, index) =>
    h(
      'button',
      {
        class: 'segment',
        type: 'button',
        role: 'radio',
        title: entry.title,
        on: {
          click: () => choose(index),
          keydown: (event) => {
            const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
            if (step === undefined) return;
            event.preventDefault();
            choose((index + step + entries.length) % entries.length);
          },
        },
      },
      entry.label,
      entry.count !== undefined && h('span', { class: 'segment-count' }, ` ${entry.count}`),
    ),
  );
  const mark = (chosen: number) => {
    buttons.forEach((button, index) => {
      button.setAttribute('aria-checked', String(index === chosen));
      button.setAttribute('tabindex', index === chosen ? '0' : '-1');
    });
  };
  function choose(index: number): void {
    mark(index);
    buttons[index]?.focus();
    const entry = entries[index];
    if (entry) options.choose(entry.value);
  }
  mark(entries.findIndex(({ value }) => value === options.chosen));
  return h('div', { class: 'segments', role: 'radiogroup', 'aria-label': options.name }, ...buttons);
}
