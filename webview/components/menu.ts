/** A small menu button (ARIA menu button pattern): arrows move, Escape closes, focus returns. */
import { freshId, h, s } from './dom.ts';

export interface MenuItem {
  label: () => string;
  run: () => void;
}

export function menuButton(name: string, items: readonly MenuItem[]): HTMLElement {
  const menuId = freshId('menu');
  const dots = [3, 8, 13].map((cx) => s('circle', { cx, cy: 8, r: 1.3 }));
  const button = h(
    'button',
    {
      class: 'menu-button',
      type: 'button',
      'aria-haspopup': 'menu',
      'aria-expanded': 'false',
      'aria-label': name,
      title: 'Table and export',
    },
    s('svg', { viewBox: '0 0 16 16', class: 'glyph', 'aria-hidden': 'true' }, ...dots),
  );
  const frame = h('div', { class: 'menu-frame' }, button);
  let menu: HTMLElement | null = null;

  const close = (focusButton: boolean) => {
    if (!menu) return;
    menu.remove();
    menu = null;
    button.setAttribute('aria-expanded', 'false');
    document.removeEventListener('pointerdown', onOutside, true);
    if (focusButton) button.focus();
  };
  const onOutside = (event: Event) => {
    if (!(event.target instanceof Node) || !frame.contains(event.target)) close(false);
  };
  const open = () => {
    const entries = items.map((item) =>
      h(
        'button',
        {
          class: 'menu-item',
          type: 'button',
          role: 'menuitem',
          tabindex: '-1',
          on: {
            click: () => {
              close(true);
              item.run();
            },
          },
        },
        item.label(),
      ),
    );
    menu = h('div', { class: 'menu', role: 'menu', id: menuId, 'aria-label': name }, ...entries);
    menu.addEventListener('keydown', (event) => {
      const at = entries.indexOf(document.activeElement as HTMLButtonElement);
      const steps: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 };
      const next = steps[event.key];
      if (next !== undefined) {
        entries[(next + entries.length) % entries.length]?.focus();
        event.preventDefault();
      } else if (event.key === 'Escape' || event.key === 'Tab') {
        close(event.key === 'Escape');
      }
    });
    frame.append(menu);
    button.setAttribute('aria-expanded', 'true');
    button.setAttribute('aria-controls', menuId);
    document.addEventListener('pointerdown', onOutside, true);
    entries[0]?.focus();
  };
  button.addEventListener('click', () => (menu ? close(true) : open()));
  button.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown' && !menu) {
      open();
      event.preventDefault();
    }
  });
  return frame;
}
