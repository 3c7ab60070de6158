import type { Value } from '../../graph.ts';
import type { NodeView, Rule } from '../rule.ts';
import { linearMaps, transposeMaps } from '../separable.ts';

const CARRIED = [
  'mode',
  'coordinate_transformation_mode',
  'cubic_coeff_a',
  'exclude_outside',
  'extrapolation_value',
  'nearest_mode',
  'antialias',
];

/** Resizing is a matrix along each axis, whatever the mode: that of a resized identity. */
function resize(n: NodeView): (Value | null)[] {
  const x = n.input(0);
  const [shape, resized] = [n.shapeOf(x), n.shapeOf(n.output())];
  if (shape === null) throw n.refuse('the rank of its input is not known');
  const scales = n.optional(2);
  const given = scales ?? n.input(3);
  const known = scales === null ? null : n.numbers(scales);
  const axes = n.ints('axes') ?? shape.map((_, axis) => axis);
  const maps = axes.flatMap((named, i) => {
    const axis = named < 0 ? named + shape.length : named;
    const isKept = known?.[i] === 1 || (known === null && shape[axis] !== null && shape[axis] === resized?.[axis]);
    // Free axes that are not said to be resized: items, channels.
    if (isKept || (known === null && axis < 2 && shape[axis] === null)) return [];
    const own = n.node('Slice', [given, n.int64s([i]), n.int64s([i + 1])]);
    const matrix = (identity: Value) => {
      const kept =
        scales === null ? n.node('Shape', [identity], { start: 0, end: 1 }) : n.graph.constant(Float32Array.of(1), [1]);
      const both = n.node('Concat', [kept, own], { axis: 0 });
      const inputs = scales === null ? [identity, null, null, both] : [identity, null, both];
      return n.node('Resize', inputs, n.attributes(CARRIED));
    };
    return [{ axis, matrix }];
  });
  return [transposeMaps(n, n.upstream, x, linearMaps(n, x, maps))];
}

export const resizes: Record<string, Rule> = { Resize: resize };
