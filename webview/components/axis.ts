/** The axis in the head of a plot column. */
import { s } from './dom.ts';
import { position, type Scale } from './scale.ts';

export interface AxisLabel {
  at: number;
  text: string;
}

/** Labels at their positions, anchored so that those at the ends stay inside. */
export function axisHead(scale: Scale, label: (value: number) => string, labels?: AxisLabel[]): SVGSVGElement {
  const entries = labels ?? scale.ticks.map((tick) => ({ at: tick, text: label(tick) }));
  const texts = entries.map(({ at, text }) => {
    const x = position(at, scale);
    const room = Math.max(4, text.length * 1.7);
    const anchor = x < room ? 'start' : x > 100 - room ? 'end' : 'middle';
    return s('text', { x: `${x.toFixed(2)}%`, y: 12, 'text-anchor': anchor }, text);
  });
  return s('svg', { class: 'axis-head', 'aria-hidden': 'true' }, ...texts);
}
