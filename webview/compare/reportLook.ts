/** How the reports of a comparison look and are called, everywhere on its page. */
import type { ComparedReport } from '../../src/core/contract/comparison.ts';
import type { CellLook, Ink, PointShape } from '../components/cellLook.ts';
import { lineKey } from '../components/cellLook.ts';
import { dataNode, h } from '../components/dom.ts';

export type ReportLook = Pick<CellLook, 'colour' | 'width' | 'dash' | 'point'>;

const colours: readonly Ink[] = ['foreground', 'accent', 'orange', 'purple'];
/** One more than colours: neighbours differ in both, and no two of twenty reports look alike. */
const dashes: readonly number[][] = [[], [8, 3], [2, 2.5], [10, 3, 2, 3], [5, 2]];
const points: readonly PointShape[] = ['hollow', 'filled', 'diamond', 'square'];

/** A line of its own for the report at a position. */
export function reportLook(index: number): ReportLook {
  return {
    colour: colours[index % colours.length] as Ink,
    width: 2,
    dash: dashes[index % dashes.length] as number[],
    point: points[index % points.length] as PointShape,
  };
}

/** "v1 → v2-bct, λ 0.5": the models, and what tells them from others of their pair. */
export function modelsOf({ old, new: next, label }: ComparedReport): HTMLElement {
  return h(
    'span',
    { class: 'compared-models' },
    dataNode(old),
    ' \u2192 ',
    dataNode(next, 'strong'),
    ...(label === null ? [] : [', ', dataNode(label)]),
  );
}

/** The letter beside the report's line. */
export function reportKey(report: Pick<ComparedReport, 'key'>, index: number): HTMLElement {
  return h('span', { class: 'keyed' }, lineKey(reportLook(index)), h('strong', {}, report.key));
}
