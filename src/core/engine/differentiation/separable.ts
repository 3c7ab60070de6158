import type { Value } from '../graph.ts';
import type { NodeView, Size } from './rule.ts';
import { product, reshape, reshapeLike, sizes, sizesFrom } from './shapes.ts';

/** An operator that acts along one axis as a matrix: `matrix` is what it makes of the rows of an identity, [along, along']. */
export interface LinearMap {
  readonly axis: number;
  readonly matrix: Value;
}

/** Asks the operator itself what it does along each axis: it is run on identities. */
export function linearMaps(
  n: NodeView,
  x: Value,
  maps: readonly { axis: number; matrix: (identity: Value) => Value }[],
): LinearMap[] {
  return maps.map(({ axis, matrix }) => {
    const along = sizesFrom(n, x, axis, 1)[0] as Size;
    const zeros = n.node('Expand', [n.scalar(0), sizes(n, [along, along])]);
    return { axis, matrix: matrix(n.node('EyeLike', [zeros])) };
  });
}

/**
 * The gradient of a result that such maps were applied to, one after another, axis by axis, in the shape of `x`: each transposed.
 * Axes count from the first; the rank must be known.
 */
export function transposeMaps(n: NodeView, gradient: Value, x: Value, maps: readonly LinearMap[]): Value {
  const rank = n.rankOf(x);
  if (rank === null) throw n.refuse('the rank of its input is not known');
  const shape = sizesFrom(n, n.output(), 0, rank);
  const own = sizesFrom(n, x, 0, rank);
  let result = gradient;
  for (const { axis, matrix } of maps) {
    const [along, behind] = [shape[axis] as Size, shape.slice(axis + 1)];
    result =
      behind.length === 0
        ? n.node('Gemm', [reshape(n, result, [-1, along]), matrix], { transB: 1 })
        : n.node('MatMul', [matrix, reshape(n, result, [-1, along, product(n, behind)])]);
    shape[axis] = own[axis] as Size;
  }
  return reshapeLike(n, result, x);
}
