/** State icons: every state has its own shape, so that none depends on colour. */
import type { Tone } from '../../src/core/contract/findings.ts';
import { s } from './dom.ts';

const circle = { cx: 8, cy: 8, r: 6.25 };

function shapes(tone: Tone | 'info'): SVGElement[] {
  switch (tone) {
    case 'good':
      return [s('circle', circle), s('path', { d: 'M5 8.2 7.2 10.4 11.1 6' })];
    case 'bad':
      return [s('circle', circle), s('path', { d: 'M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4' })];
    case 'warning':
      return [
        s('path', { d: 'M8 2 14.5 13.5H1.5Z', 'stroke-linejoin': 'round' }),
        s('path', { d: 'M8 6v3.6M8 11.3v.6' }),
      ];
    case 'undecided':
      return [
        s('circle', { ...circle, 'stroke-dasharray': '2.4 1.53' }),
        s('path', { d: 'M6.3 6.6a1.75 1.75 0 1 1 2.5 1.6c-.55.28-.8.62-.8 1.1M8 11.1v.5' }),
      ];
    case 'absent':
      return [s('circle', { ...circle, 'stroke-dasharray': '2.4 1.53' }), s('path', { d: 'M5.4 8h5.2' })];
    case 'info':
      return [s('circle', circle), s('path', { d: 'M8 7.2v4M8 4.7v.6' })];
  }
}

export function icon(tone: Tone | 'info'): SVGSVGElement {
  return s('svg', { class: `icon tone-${tone}`, viewBox: '0 0 16 16', 'aria-hidden': 'true' }, ...shapes(tone));
}
