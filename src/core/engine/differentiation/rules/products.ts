import type { Value } from '../../graph.ts';
import type { NodeView, Rule } from '../rule.ts';
import { reshape, reshapeLike, sizeOf } from '../shapes.ts';
import { unbroadcast } from '../sums.ts';

/** Last two axes swapped. */
function transposed(n: NodeView, a: Value): Value {
  const rank = n.rankOf(a);
  if (rank === null) return n.node('Einsum', [a], { equation: '...ij->...ji' });
  const perm = Array.from({ length: rank }, (_, axis) => axis);
  perm.splice(rank - 2, 2, rank - 1, rank - 2);
  return n.node('Transpose', [a], { perm });
}

/** A product in which a vector takes part: the other operand's axes give the matrix that it stands for. */
function vectorProduct(n: NodeView): (Value | null)[] {
  const [a, b] = [n.input(0), n.input(1)];
  const [rankA, rankB] = [n.rankOf(a), n.rankOf(b)];
  if (rankA === 1 && rankB === 1)
    return n.each(
      () => n.multiply(n.upstream, b),
      () => n.multiply(n.upstream, a),
    );
  if (rankB === 1) {
    const column = n.node('Unsqueeze', [n.upstream, n.int64s([-1])]);
    return n.each(
      () => n.multiply(column, b),
      () => unbroadcast(n, n.multiply(column, a), b, n.shapeOf(a)),
    );
  }
  // a: [k], b: [..., k, m]
  const row = n.node('Unsqueeze', [n.upstream, n.int64s([-2])]);
  const column = n.node('Unsqueeze', [a, n.int64s([-1])]);
  return n.each(
    () => {
      const sums = n.sum(n.multiply(row, b), [-1], 0);
      return unbroadcast(n, sums, a, n.shapeOf(b)?.slice(0, -1));
    },
    () => n.multiply(column, row),
  );
}

function matMul(n: NodeView): (Value | null)[] {
  const [a, b] = [n.input(0), n.input(1)];
  const [rankA, rankB] = [n.rankOf(a), n.rankOf(b)];
  if (rankA === 1 || rankB === 1) return vectorProduct(n);
  if (rankA === 2 && rankB === 2) {
    return n.each(
      () => n.node('Gemm', [n.upstream, b], { transB: 1 }),
      () => n.node('Gemm', [a, n.upstream], { transA: 1 }),
    );
  }
  if (rankB === 2) {
    // A stack of rows against one matrix: one product over all rows.
    const rows = (value: Value, columns: ReturnType<typeof sizeOf>) => reshape(n, value, [-1, columns]);
    const dy = rows(n.upstream, sizeOf(n, b, 1));
    return n.each(
      () => reshapeLike(n, n.node('Gemm', [dy, b], { transB: 1 }), a),
      () => n.node('Gemm', [rows(a, sizeOf(n, b, 0)), dy], { transA: 1 }),
    );
  }
  const stack = n.shapeOf(n.output())?.slice(0, -2);
  const stacked = (like: Value) => {
    const own = n.shapeOf(like);
    return stack && own ? [...stack, ...own.slice(-2)] : null;
  };
  return n.each(
    () => unbroadcast(n, n.node('MatMul', [n.upstream, transposed(n, b)]), a, stacked(a)),
    () => unbroadcast(n, n.node('MatMul', [transposed(n, a), n.upstream]), b, stacked(b)),
  );
}

function gemm(n: NodeView): (Value | null)[] {
  const [a, b] = [n.input(0), n.input(1)];
  const [turnA, turnB] = [n.int('transA', 0), n.int('transB', 0)];
  const alpha = n.float('alpha', 1);
  const product = (x: Value, y: Value, transA: number, transB: number) =>
    n.node('Gemm', [x, y], { transA, transB, ...(alpha === 1 ? {} : { alpha: { float: alpha } }) });
  return n.each(
    () => (turnA ? product(b, n.upstream, turnB, 1) : product(n.upstream, b, 0, 1 - turnB)),
    () => (turnB ? product(n.upstream, a, 1, turnA) : product(a, n.upstream, 1 - turnA, 0)),
    () => n.scale(unbroadcast(n, n.upstream, n.input(2)), n.float('beta', 1)),
  );
}

/** Rules of matrix products. */
export const products: Record<string, Rule> = { MatMul: matMul, Gemm: gemm };
