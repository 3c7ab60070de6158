import type { Value } from '../../graph.ts';
import type { NodeView, Rule } from '../rule.ts';

function transposed(n: NodeView, a: Value, rank: number): Value {
  const perm = Array.from({ length: rank }, (_, axis) => axis);
  perm.splice(rank - 2, 2, rank - 1, rank - 2);
  return n.node('Transpose', [a], { perm });
}

/** Rules of matrix products. */
export const products: Record<string, Rule> = {
  MatMul: (n) => {
    const [a, b] = [n.input(0), n.input(1)];
    // Without facts both are matrices: losses multiply nothing else.
    const [rankA, rankB] = [n.rankOf(a) ?? 2, n.rankOf(b) ?? 2];
    if (rankA === 2 && rankB === 2) {
      return n.each(
        () => n.node('Gemm', [n.upstream, b], { transB: 1 }),
        () => n.node('Gemm', [a, n.upstream], { transA: 1 }),
      );
    }
    if (rankB === 2) {
      // A stack of rows against one matrix: one product over all rows.
      const rows = (value: Value, like: Value) => {
        const columns = n.shapeOf(like)?.at(-1) ?? null;
        const shape =
          columns === null
            ? n.node('Concat', [n.int64s([-1]), n.node('Shape', [like], { start: -1 })], { axis: 0 })
            : n.int64s([-1, columns]);
        return n.node('Reshape', [value, shape]);
      };
      return n.each(
        () => n.node('MatMul', [n.upstream, transposed(n, b, 2)]),
        () => n.node('Gemm', [rows(a, a), rows(n.upstream, n.output())], { transA: 1 }),
      );
    }
    const stack = n.shapeOf(n.output())?.slice(0, -2);
    const shapeFor = (like: Value) => {
      const own = n.shapeOf(like);
      return stack && own ? [...stack, ...own.slice(-2)] : null;
    };
    return n.each(
      () => n.unbroadcast(n.node('MatMul', [n.upstream, transposed(n, b, rankB)]), a, shapeFor(a)),
      () => n.unbroadcast(n.node('MatMul', [transposed(n, a, rankA), n.upstream]), b, shapeFor(b)),
    );
  },
  Gemm: (n) => {
    const [a, b] = [n.input(0), n.input(1)];
    const [turnA, turnB] = [n.int('transA', 0), n.int('transB', 0)];
    const alpha = n.float('alpha', 1);
    const beta = n.float('beta', 1);
    const product = (x: Value, y: Value, transA: number, transB: number) =>
      n.node('Gemm', [x, y], { transA, transB, ...(alpha === 1 ? {} : { alpha: { float: alpha } }) });
    return n.each(
      () => (turnA ? product(b, n.upstream, turnB, 1) : product(n.upstream, b, 0, turnB ? 0 : 1)),
      () => (turnB ? product(n.upstream, a, 1, turnA) : product(a, n.upstream, turnA ? 0 : 1, 0)),
      () => {
        const sum = n.unbroadcast(n.upstream, n.input(2));
        return beta === 1 ? sum : n.multiply(sum, n.scalar(beta));
      },
    );
  },
};
