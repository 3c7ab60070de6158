import { expect, it } from 'vitest';
import { type Operations, unitRows } from '../../src/core/engine/operations.ts';
import type { Tensor } from '../../src/core/engine/session.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

const random = createRandom(3, 'graph operations');
const table = (rows: number, columns: number): Tensor & { data: Float32Array } => ({
  shape: [rows, columns],
  data: Float32Array.from({ length: rows * columns }, () => random.normal()),
});
const a = table(4, 5);
const b = table(4, 5);
const indices: Tensor = { shape: [4], data: Int32Array.of(2, -1, 0, 7) };
const at = (tensor: Tensor, i: number, j: number) => Number(tensor.data[i * (tensor.shape[1] as number) + j]);
const map = (of: (i: number, j: number) => number, rows = 4, columns = 5) =>
  Array.from({ length: rows * columns }, (_, at) => of(Math.floor(at / columns), at % columns));
const row = (tensor: Tensor, i: number) => map((_, j) => at(tensor, i, j), 1, tensor.shape[1]);
const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

export type Build = <T>(ops: Operations<T>, a: T, b: T, indices: T) => T;
/** What an interpreter makes of it. */
export type Run = (
  build: Build,
  feeds: Record<'a' | 'b' | 'indices', Tensor>,
  type: 'float32' | 'int32',
) => Promise<{ shape: number[]; values: number[] }>;

/** Each operation of the vocabulary against plain JavaScript, inside a `describe`. */
export function testOperations(interpreter: Run): void {
  const run = (build: Build, feeds: Record<string, Tensor> = {}, type: 'float32' | 'int32' = 'float32') =>
    interpreter(build, { a, b, indices, ...feeds }, type);

  /** float32 against double: sums of five products. */
  const tolerance = 1e-5;
  async function holds(build: Build, shape: number[], expected: number[], feeds?: Record<string, Tensor>) {
    const found = await run(build, feeds);
    expect(found.shape).toEqual(shape);
    expect(found.values).toHaveLength(expected.length);
    expected.forEach((value, i) => {
      expect(Math.abs((found.values[i] as number) - value), `value ${i}`).toBeLessThan(
        tolerance * (1 + Math.abs(value)),
      );
    });
  }

  const elementwise: [string, Build, (x: number, y: number) => number][] = [
    ['add', (ops, a, b) => ops.add(a, b), (x, y) => x + y],
    ['subtract', (ops, a, b) => ops.subtract(a, b), (x, y) => x - y],
    ['multiply', (ops, a, b) => ops.multiply(a, b), (x, y) => x * y],
    ['divide', (ops, a, b) => ops.divide(a, b), (x, y) => x / y],
    ['negate', (ops, a) => ops.negate(a), (x) => -x],
    ['maximum', (ops, a, b) => ops.maximum(a, b), Math.max],
    ['minimum', (ops, a, b) => ops.minimum(a, b), Math.min],
    ['relu', (ops, a) => ops.relu(a), (x) => Math.max(0, x)],
    ['exp', (ops, a) => ops.exp(a), Math.exp],
    ['log', (ops, a) => ops.log(ops.abs(a)), (x) => Math.log(Math.abs(x))],
    ['sqrt', (ops, a) => ops.sqrt(ops.abs(a)), (x) => Math.sqrt(Math.abs(x))],
    ['square', (ops, a) => ops.square(a), (x) => x * x],
    ['abs', (ops, a) => ops.abs(a), Math.abs],
    ['stopGradient', (ops, a) => ops.stopGradient(a), (x) => x],
    ['a scalar', (ops, a) => ops.multiply(a, ops.scalar(0.5)), (x) => x / 2],
    ['greater', (ops, a, b) => ops.toFloat(ops.greater(a, b)), (x, y) => Number(x > y)],
    ['greaterEqual', (ops, a) => ops.toFloat(ops.greaterEqual(a, a)), () => 1],
    ['equal', (ops, a, b) => ops.toFloat(ops.equal(a, b)), () => 0],
    [
      'and, or, not',
      (ops, a, b) => {
        const [p, q] = [ops.greater(a, ops.scalar(0)), ops.greater(b, ops.scalar(0))];
        return ops.add(ops.toFloat(ops.and(p, ops.not(q))), ops.multiply(ops.scalar(2), ops.toFloat(ops.or(p, q))));
      },
      (x, y) => Number(x > 0 && !(y > 0)) + 2 * Number(x > 0 || y > 0),
    ],
    ['where', (ops, a, b) => ops.where(ops.greater(a, ops.scalar(0)), a, b), (x, y) => (x > 0 ? x : y)],
  ];
  it.each(elementwise)('%s', (_, build, formula) =>
    holds(
      build,
      [4, 5],
      map((i, j) => formula(at(a, i, j), at(b, i, j))),
    ),
  );

  it('multiplies matrices', async () => {
    const product =
      (inner: number, x: (i: number, k: number) => number, y: (k: number, j: number) => number) =>
      (i: number, j: number) =>
        total(Array.from({ length: inner }, (_, k) => x(i, k) * y(k, j)));
    const [rowsA, columnsA] = [(i: number, k: number) => at(a, i, k), (i: number, k: number) => at(a, k, i)];
    const [rowsB, columnsB] = [(k: number, j: number) => at(b, k, j), (k: number, j: number) => at(b, j, k)];
    await holds((ops, a, b) => ops.matmul(a, b, { transposeB: true }), [4, 4], map(product(5, rowsA, columnsB), 4, 4));
    await holds((ops, a, b) => ops.matmul(a, b, { transposeA: true }), [5, 5], map(product(4, columnsA, rowsB), 5, 5));
    await holds(
      (ops, a, b) => ops.matmul(ops.matmul(a, b, { transposeB: true }), a),
      [4, 5],
      map(
        product(4, (i, k) => product(5, rowsA, columnsB)(i, k), rowsA),
        4,
        5,
      ),
    );
  });

  it('reduces', async () => {
    const sums = map((i) => total(row(a, i)), 4, 1);
    await holds((ops, a) => ops.sum(a, -1), [4], sums);
    await holds((ops, a) => ops.sum(a, 1, true), [4, 1], sums);
    await holds((ops, a) => ops.sum(a, null), [], [total(sums)]);
    await holds((ops, a) => ops.mean(a, null), [], [total(sums) / 20]);
    await holds(
      (ops, a) => ops.mean(a, 0),
      [5],
      map((_, j) => total(map((i) => at(a, i, j), 4, 1)) / 4, 1, 5),
    );
    await holds(
      (ops, a) => ops.max(a, -1),
      [4],
      map((i) => Math.max(...row(a, i)), 4, 1),
    );
    await holds(
      (ops, a) => ops.max(a, 0, true),
      [1, 5],
      map((_, j) => Math.max(...map((i) => at(a, i, j), 4, 1)), 1, 5),
    );
    const normaliser = (i: number) => Math.log(total(row(a, i).map(Math.exp)));
    await holds(
      (ops, a) => ops.logSoftmax(a, -1),
      [4, 5],
      map((i, j) => at(a, i, j) - normaliser(i)),
    );
  });

  it('looks up rows and classes; an index outside is no class', async () => {
    const looked = { ...{ a, b }, indices: { shape: [3], data: Int32Array.of(3, 0, 3) } };
    await holds((ops, a, _, at) => ops.gatherRows(a, at), [3, 5], [...row(a, 3), ...row(a, 0), ...row(a, 3)], looked);
    await holds((ops, _, __, at) => ops.oneHot(at, 3), [4, 3], [0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
  });

  it('finds positions and the largest; of equals the first', async () => {
    const ties: Tensor = { shape: [2, 4], data: Float32Array.of(1, 3, 3, -1, 2, 0, 0, 2) };
    const feeds = { a: ties, b: ties, indices };
    expect(await run((ops, a) => ops.argMax(a, -1), feeds, 'int32')).toEqual({ shape: [2], values: [1, 0] });
    expect(await run((ops, a) => ops.argMin(a, -1), feeds, 'int32')).toEqual({ shape: [2], values: [3, 1] });
    await holds((ops, a) => ops.topK(a, 3), [2, 3], [3, 3, 1, 2, 2, 0], feeds);
    await holds(
      (ops, a) => ops.gatherRows(a, ops.argMax(a, 0)),
      [4, 4],
      [2, 0, 0, 2, 1, 3, 3, -1, 1, 3, 3, -1, 2, 0, 0, 2],
      feeds,
    );
  });

  it('shapes', async () => {
    await holds(
      (ops, a, b) => ops.concat([a, b], -1),
      [4, 10],
      map((i, j) => (j < 5 ? at(a, i, j) : at(b, i, j - 5)), 4, 10),
    );
    await holds((ops, a) => ops.reshape(a, [-1, 2]), [10, 2], [...a.data]);
    await holds(
      (ops, a) => ops.slice(a, -1, 1, 4),
      [4, 3],
      map((i, j) => at(a, i, j + 1), 4, 3),
    );
    await holds(
      (ops, a) => ops.add(a, ops.constant({ data: Float32Array.of(1, 2, 3, 4, 5), shape: [5] })),
      [4, 5],
      map((i, j) => at(a, i, j) + j + 1),
    );
  });

  it('unit rows: a row of zeros stays', async () => {
    const rows: Tensor = { shape: [2, 2], data: Float32Array.of(3, 4, 0, 0) };
    await holds((ops, a) => unitRows(ops, a), [2, 2], [0.6, 0.8, 0, 0], { a: rows, b: rows, indices });
  });

  it('not a number comes through a maximum, as it does in plain arithmetic', async () => {
    const broken: Tensor = { shape: [1, 1], data: Float32Array.of(Number.NaN) };
    const feeds = { a: broken, b: broken, indices };
    expect((await run((ops, a) => ops.maximum(a, ops.scalar(1)), feeds)).values).toEqual([Number.NaN]);
    expect((await run((ops, a) => ops.minimum(a, ops.scalar(1)), feeds)).values).toEqual([Number.NaN]);
  });
}
