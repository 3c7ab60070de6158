/** Tabs (ARIA tabs pattern): arrows, Home and End move and choose; panels are made when they are first chosen. */
import { h } from './dom.ts';

export interface Tab {
  id: string;
  label: string;
  /** Beside the label: how many there are to see. */
  count?: string;
  render: () => HTMLElement;
}

export interface Tablist {
  bar: HTMLElement;
  panels: HTMLElement;
  choose: (id: string, focus: boolean) => void;
}

export function tablist(tabs: readonly Tab[], first: string, name: string, onChoose: (id: string) => void): Tablist {
  const panels = h('div', { class: 'panels' });
  const made = new Map<string, HTMLElement>();
  const buttons = tabs.map((tab, index) =>
    h(
      'button',
      {
        class: 'tab',
        type: 'button',
        role: 'tab',
        id: `tab-${tab.id}`,
        'aria-controls': `panel-${tab.id}`,
        on: {
          click: () => choose(tab.id, true),
          keydown: (event) => {
            const steps: Record<string, number> = {
              ArrowRight: index + 1,
              ArrowLeft: index - 1,
              Home: 0,
              End: tabs.length - 1,
            };
            const next = steps[event.key];
            if (next === undefined) return;
            event.preventDefault();
            const target = tabs[(next + tabs.length) % tabs.length];
            if (target) choose(target.id, true);
          },
        },
      },
      tab.label,
      tab.count !== undefined && h('span', { class: 'tab-count' }, ` ${tab.count}`),
    ),
  );
  // Every tab controls a panel that exists; its content is made when it is first seen.
  for (const tab of tabs) {
    panels.append(
      h('div', {
        class: 'panel',
        role: 'tabpanel',
        id: `panel-${tab.id}`,
        'aria-labelledby': `tab-${tab.id}`,
        tabindex: '-1',
        hidden: true,
      }),
    );
  }
  const bar = h('div', { class: 'tabs', role: 'tablist', 'aria-label': name }, ...buttons);

  function choose(id: string, focus: boolean): void {
    const index = Math.max(
      0,
      tabs.findIndex((tab) => tab.id === id),
    );
    tabs.forEach((tab, other) => {
      const chosen = other === index;
      const button = buttons[other];
      button?.setAttribute('aria-selected', String(chosen));
      button?.setAttribute('tabindex', chosen ? '0' : '-1');
      const panel = panels.children[other] as HTMLElement;
      panel.hidden = !chosen;
      if (chosen && !made.has(tab.id)) {
        const content = tab.render();
        made.set(tab.id, content);
        panel.append(content);
      }
    });
    if (focus) buttons[index]?.focus();
    const chosen = tabs[index];
    if (chosen) onChoose(chosen.id);
  }
  choose(first, false);
  return { bar, panels, choose };
}
