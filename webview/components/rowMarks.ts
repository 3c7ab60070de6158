/**
 * Marks that stand in the rows of a table: SVG with percentage coordinates, so they resize without script.
 * An upright is an estimate, a broad bar its interval; a bar is never widened to be seen, the text beside says it.
 */
import type { Interval } from '../../src/core/contract/report.ts';
import { s } from './dom.ts';
import { position, type Scale } from './scale.ts';

const BAR_HEIGHT = 6;
const UPRIGHT_HEIGHT = 14;

/** The drawing of one row; `label` says the same in words, null hides it from readers that hear the figures anyway. */
export function rowPlot(label: string | null, ...marks: (SVGElement | null)[]): SVGSVGElement {
  const named = label === null ? { 'aria-hidden': 'true' } : { role: 'img', 'aria-label': label };
  return s('svg', { class: 'row-plot', ...named }, ...marks);
}

const percentOf = (value: number, scale: Pick<Scale, 'low' | 'high'>) => `${position(value, scale).toFixed(3)}%`;

/** Shapes around the origin, placed at a value in the middle of the row: paths cannot take percentages. */
function placed(value: number, scale: Scale, ...children: SVGElement[]): SVGElement {
  return s('svg', { class: 'placed', x: percentOf(value, scale), y: '50%' }, ...children);
}

/** A vertical through the whole row; rows above each other make one line of it. */
export function vertical(value: number, scale: Scale, look: 'grid' | 'zero' | 'floor'): SVGElement {
  const x = percentOf(value, scale);
  return s('line', { class: `vertical-${look}`, x1: x, x2: x, y1: 0, y2: '100%' });
}

/** A horizontal across the row. */
export function track(from: number, to: number, scale: Scale, className = 'track'): SVGElement {
  return s('line', { class: className, x1: percentOf(from, scale), x2: percentOf(to, scale), y1: '50%', y2: '50%' });
}

/** Shading between two values, behind everything. */
export function shade(from: number, to: number, scale: Scale): SVGElement {
  const [low, high] = [position(from, scale), position(to, scale)].sort((a, b) => a - b) as [number, number];
  return s('rect', { class: 'shade', x: `${low}%`, width: `${high - low}%`, y: 0, height: '100%' });
}

/** The broad bar of an interval. */
export function intervalBar(
  interval: Interval | null | undefined,
  scale: Scale,
  ink = 'ink-accent',
): SVGElement | null {
  if (!interval) return null;
  const low = position(interval[0], scale);
  const width = position(interval[1], scale) - low;
  return s(
    'svg',
    { class: 'placed', y: '50%' },
    s('rect', { class: `interval ${ink}`, x: `${low}%`, width: `${width}%`, y: -BAR_HEIGHT / 2, height: BAR_HEIGHT }),
  );
}

/** The upright of an estimate. */
export function upright(value: number, scale: Scale, ink = 'ink-accent'): SVGElement {
  return placed(
    value,
    scale,
    s('rect', { class: `upright ${ink}`, x: -1, width: 2, y: -UPRIGHT_HEIGHT / 2, height: UPRIGHT_HEIGHT }),
  );
}

/** Estimate and interval: the one mark for a figure with an interval. */
export function estimate(
  value: number | null | undefined,
  interval: Interval | null | undefined,
  scale: Scale,
  ink = 'ink-accent',
): SVGElement[] {
  const bar = intervalBar(interval, scale, ink);
  const marks = typeof value === 'number' ? [upright(value, scale, ink)] : [];
  return bar ? [bar, ...marks] : marks;
}

/** A circle: hollow for old or for a second reading, filled for new. */
export function dot(value: number, scale: Scale, filled: boolean, ink: string): SVGElement {
  return placed(value, scale, s('circle', { class: `${filled ? 'point-filled' : 'point-hollow'} ${ink}`, r: 4 }));
}

/** A gate's limit: a bracket that opens towards the allowed side. */
export function bracket(limit: number, scale: Scale, side: 'min' | 'max'): SVGElement {
  const d = side === 'min' ? 'M4-7H0V7H4' : 'M-4-7H0V7H-4';
  return placed(limit, scale, s('path', { class: 'bracket', d }));
}
