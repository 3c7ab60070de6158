import type { Value } from '../../graph.ts';
import type { NodeView, Rule } from '../rule.ts';
import { linearMaps, transposeMaps } from '../separable.ts';
import { expandLike, ratio, reshape, reshapeLike, zerosLike } from '../shapes.ts';

/** Positions in the whole tensor; each window's gradient goes to its first largest, overlaps add up. */
function maxPool(n: NodeView): (Value | null)[] {
  if (isPooledByTwo(n)) return [pooledByTwo(n)];
  const positions = n.graph.furtherOutput(n.proto, 1);
  const flat = (value: Value) => reshape(n, value, [-1]);
  const x = n.input(0);
  const zeros = n.node('Expand', [n.scalar(0), n.node('Shape', [flat(x)])]);
  const scattered = n.node('ScatterElements', [zeros, flat(positions), flat(n.upstream)], { reduction: 'add' });
  return [reshapeLike(n, scattered, x)];
}

/** Windows of 2 x 2 side by side that cover the image, the usual ones. */
function isPooledByTwo(n: NodeView): boolean {
  const [height, width] = n.shapeOf(n.input(0))?.slice(2) ?? [];
  const all = (name: string, value: number) => (n.ints(name) ?? []).every((each) => each === value);
  return (
    n.rankOf(n.input(0)) === 4 &&
    typeof height === 'number' &&
    typeof width === 'number' &&
    height % 2 === 0 &&
    width % 2 === 0 &&
    all('kernel_shape', 2) &&
    n.ints('strides') !== null &&
    all('strides', 2) &&
    all('pads', 0) &&
    all('dilations', 1) &&
    n.text('auto_pad', 'NOTSET') === 'NOTSET'
  );
}

/**
 * The larger of two neighbours, then the larger of two rows, the first of equals each time: a third less time than by positions, which make
 * the operator itself several times slower.
 */
function pooledByTwo(n: NodeView): Value {
  const x = n.input(0);
  const width = n.shapeOf(x)?.[3] as number;
  const zero = n.scalar(0);
  const halves = (a: Value, axis: number) => n.graph.nodes('Split', [a], { axis, num_outputs: 2 }, 2) as [Value, Value];
  // A gradient to where the first of two was taken, and to where it was not, one behind the other along an axis.
  const given = (isFirst: Value, gradient: Value, axis: number) => {
    const parts = [n.node('Where', [isFirst, gradient, zero]), n.node('Where', [isFirst, zero, gradient])];
    return n.node('Concat', parts, { axis });
  };
  const [left, right] = halves(n.transpose(reshape(n, x, [-1, 2]), [1, 0]), 0);
  const [upper, lower] = halves(reshape(n, n.node('Max', [left, right]), [-1, 2, width / 2]), 1);
  const isUpper = n.node('GreaterOrEqual', [upper, lower]);
  const rows = reshape(n, given(isUpper, reshape(n, n.upstream, [-1, 1, width / 2]), 1), [1, -1]);
  const pairs = given(n.node('GreaterOrEqual', [left, right]), rows, 0);
  return reshapeLike(n, n.transpose(pairs, [1, 0]), x);
}

/** A mean over a window is one along each axis after another; how each counts its padding, the operator says itself. */
function averagePool(n: NodeView): (Value | null)[] {
  const x = n.input(0);
  const kernel = n.ints('kernel_shape') ?? [];
  const depth = kernel.length;
  const maps = kernel.map((_, i) => {
    const alone = (values: readonly number[], other: number) =>
      values.map((value, at) => (at % depth === i ? value : other));
    const attributes: Record<string, number | string | number[]> = { kernel_shape: alone(kernel, 1) };
    for (const [name, other] of [
      ['strides', 1],
      ['dilations', 1],
      ['pads', 0],
    ] as const) {
      const values = n.ints(name);
      if (values !== null) attributes[name] = alone(values, other);
    }
    Object.assign(attributes, n.attributes(['auto_pad', 'ceil_mode', 'count_include_pad']));
    const matrix = (identity: Value) => {
      const axes = kernel.flatMap((_, at) => (at === i ? [] : [at + 2]));
      const image = n.node('Unsqueeze', [identity, n.int64s([1, ...axes])]);
      return n.node('Squeeze', [n.node('AveragePool', [image], attributes), n.int64s([1, ...axes])]);
    };
    return { axis: i + 2, matrix };
  });
  return [transposeMaps(n, n.upstream, x, linearMaps(n, x, maps))];
}

/** The first of equal largest, as PyTorch's adaptive pooling. */
function globalMaxPool(n: NodeView): (Value | null)[] {
  const x = n.input(0);
  const places = reshape(n, x, [0, 0, -1]);
  const first = n.node('ArgMax', [places], { axis: 2, keepdims: 1 });
  const updates = reshape(n, n.upstream, [0, 0, -1]);
  return [reshapeLike(n, n.node('ScatterElements', [zerosLike(n, places), first, updates], { axis: 2 }), x)];
}

/** Rules of pools. */
export const pools: Record<string, Rule> = {
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: (n) => [expandLike(n, n.divide(n.upstream, ratio(n, n.input(0), n.output())), n.input(0))],
  GlobalMaxPool: globalMaxPool,
};
