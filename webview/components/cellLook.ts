/** A cell looks the same everywhere: name, words, line and point. Colour is never the only carrier. */
import { cellLabels } from '../../src/core/contract/format.ts';
import type { CellName } from '../../src/core/contract/report.ts';
import { s } from './dom.ts';

export type PointShape = 'hollow' | 'filled' | 'diamond' | 'square';

/** Which theme colour strokes have. */
export type Ink = 'secondary' | 'accent' | 'foreground' | 'orange' | 'purple';

export interface CellLook {
  label: string;
  /** What the cell means for a service. */
  meaning: string;
  colour: Ink;
  width: number;
  dash: number[];
  point: PointShape;
}

export const cellLooks: Readonly<Record<CellName, CellLook>> = {
  oldOld: {
    label: cellLabels.oldOld,
    meaning: 'to beat',
    colour: 'secondary',
    width: 1.5,
    dash: [5, 3],
    point: 'hollow',
  },
  newOld: { label: cellLabels.newOld, meaning: 'no backfill', colour: 'accent', width: 2.5, dash: [], point: 'filled' },
  newNew: {
    label: cellLabels.newNew,
    meaning: 'full backfill',
    colour: 'foreground',
    width: 1.25,
    dash: [],
    point: 'diamond',
  },
  oldNew: {
    label: cellLabels.oldNew,
    meaning: 'backfill first',
    colour: 'secondary',
    width: 1.5,
    dash: [1.5, 3],
    point: 'square',
  },
};

/** The point of a cell, 9 px wide, around the origin. */
export function pointMark(shape: PointShape): SVGElement {
  const className = `point-${shape}`;
  if (shape === 'diamond') return s('path', { class: className, d: 'M0-4.5 4.5 0 0 4.5-4.5 0Z' });
  if (shape === 'square') return s('rect', { class: className, x: -3.5, y: -3.5, width: 7, height: 7 });
  return s('circle', { class: className, r: 4 });
}

/** A line as a small key, 22 x 8. */
export function lineKey({ colour, width, dash }: Pick<CellLook, 'colour' | 'width' | 'dash'>): SVGSVGElement {
  return s(
    'svg',
    { class: `line-key ink-${colour}`, viewBox: '0 0 22 8', 'aria-hidden': 'true' },
    s('line', { x1: 0, x2: 22, y1: 4, y2: 4, 'stroke-width': width, 'stroke-dasharray': dash.join(' ') || undefined }),
  );
}

/** Line and point as a small key, 28 x 12. */
export function cellKey(name: CellName): SVGSVGElement {
  const look = cellLooks[name];
  const line = { y1: 6, y2: 6, 'stroke-width': look.width, 'stroke-dasharray': look.dash.join(' ') || undefined };
  return s(
    'svg',
    { class: `cell-key ink-${look.colour}`, viewBox: '0 0 28 12', 'aria-hidden': 'true' },
    s('line', { ...line, x1: 1, x2: 9 }),
    s('line', { ...line, x1: 19, x2: 27 }),
    s('g', { transform: 'translate(14 6)' }, pointMark(look.point)),
  );
}
