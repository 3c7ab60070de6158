import type { Value } from '../../graph.ts';
import { putBack, putBackOne } from '../putBack.ts';
import type { NodeView, Rule, Size } from '../rule.ts';
import { product, reshape, reshapeLike, sizesFrom, sizeValue, zerosLike } from '../shapes.ts';

/** ScatterElements adds repeats exactly and in order; ScatterND with add is wrong with two threads. */
function scatterAdd(n: NodeView, like: Value, indices: Value, updates: Value, axis: number): Value {
  return n.node('ScatterElements', [zerosLike(n, like), indices, updates], { axis, reduction: 'add' });
}

function gather(n: NodeView): (Value | null)[] {
  const [x, indices] = [n.input(0), n.input(1)];
  const axis = n.int('axis', 0);
  const only = n.numbers(indices);
  if (only?.length === 1) {
    const single = n.rankOf(indices) === 0 ? n.node('Unsqueeze', [n.upstream, n.int64s([axis])]) : n.upstream;
    if ((n.rankOf(indices) ?? 2) <= 1) return [putBackOne(n, single, x, axis, only[0] as number), null];
  }
  return [putBack(n, n.upstream, x, axis, indices), null];
}

/** Positions in several axes become one in all of them together. */
function gatherND(n: NodeView): (Value | null)[] {
  const [x, indices] = [n.input(0), n.input(1)];
  const batch = n.int('batch_dims', 0);
  const depth = n.shapeOf(indices)?.at(-1);
  if (typeof depth !== 'number') throw n.refuse('how many axes its positions have is not known');
  const along = sizesFrom(n, x, batch, depth);
  let flat: Value | null = null;
  for (const [i, size] of along.entries()) {
    const own = n.node('Gather', [indices, n.graph.constant(BigInt64Array.of(BigInt(i)), [])], { axis: -1 });
    const length = n.node('CastLike', [sizeValue(n, size), indices]);
    // Negative positions count from the end.
    const isBehind = n.node('Less', [own, n.node('CastLike', [n.int64s([0]), indices])]);
    const position = n.node('Where', [isBehind, n.add(own, length), own]);
    flat = flat === null ? position : n.add(n.multiply(flat, length), position);
  }
  const items = product(n, sizesFrom(n, x, 0, batch));
  const rows: Value = reshape(n, flat as Value, [items, -1, 1]);
  const updates = n.node('Reshape', [
    n.upstream,
    n.node('Concat', [n.node('Shape', [rows], { start: 0, end: 2 }), n.int64s([-1])], { axis: 0 }),
  ]);
  const wide = n.node('Expand', [rows, n.node('Shape', [updates])]);
  const behind = n.node('Shape', [updates], { start: 2 });
  const shape = n.node('Concat', [sizeValue(n, items), sizeValue(n, product(n, along) as Size), behind], { axis: 0 });
  const zeros = n.node('Expand', [n.scalar(0), shape]);
  const sum = n.node('ScatterElements', [zeros, wide, updates], { axis: 1, reduction: 'add' });
  return [reshapeLike(n, sum, x), null];
}

/** What was overwritten gets nothing; what was added gets what its place gets. */
function scatter(n: NodeView, pick: () => Value, overwrite: () => Value): (Value | null)[] {
  const reduction = n.text('reduction', 'none');
  if (reduction !== 'none' && reduction !== 'add') throw n.refuse(`its reduction is "${reduction}"`);
  return n.each(
    () => (reduction === 'add' ? n.upstream : overwrite()),
    () => null,
    pick,
  );
}

/** Rules of operators that pick values by their positions. */
export const gathers: Record<string, Rule> = {
  Gather: gather,
  GatherND: gatherND,
  GatherElements: (n) => [scatterAdd(n, n.input(0), n.input(1), n.upstream, n.int('axis', 0)), null],
  TopK: (n) => [scatterAdd(n, n.input(0), n.output(1), n.upstream, n.int('axis', -1)), null],
  ScatterElements: (n) => {
    const axis = n.int('axis', 0);
    return scatter(
      n,
      () => n.node('GatherElements', [n.upstream, n.input(1)], { axis }),
      () => n.node('ScatterElements', [n.upstream, n.input(1), zerosLike(n, n.input(2))], { axis }),
    );
  },
  ScatterND: (n) =>
    scatter(
      n,
      () => n.node('GatherND', [n.upstream, n.input(1)]),
      () => n.node('ScatterND', [n.upstream, n.input(1), zerosLike(n, n.input(2))]),
    ),
};
