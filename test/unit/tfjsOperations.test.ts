import { beforeAll, describe, expect, it } from 'vitest';
import type { Operations } from '../../src/core/engine/operations.ts';
import type { Tensor } from '../../src/core/engine/session.ts';
import { tfjsOperations } from '../../src/core/engine/tfjsOperations.ts';
import { type TfjsRuntime, tfjsRuntime } from '../../src/core/engine/tfjsRuntime.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { type Run, testOperations } from './operationsSuite.ts';

type Core = TfjsRuntime['core'];
type CoreTensor = ReturnType<Core['tensor']>;
type Build = <T>(ops: Operations<T>, a: T, b: T) => T;

let tf: Core;
beforeAll(async () => {
  const runtime = await tfjsRuntime();
  expect(runtime.native).not.toBeNull();
  tf = runtime.core;
});

const run: Run = async (build, feeds) => {
  const result = tf.tidy(() => {
    const [a, b, indices] = [feeds.a, feeds.b, feeds.indices].map(({ data, shape }) =>
      tf.tensor(data as Float32Array, [...shape], data instanceof Int32Array ? 'int32' : 'float32'),
    ) as [CoreTensor, CoreTensor, CoreTensor];
    return build(tfjsOperations(tf), a, b, indices);
  });
  const values = Array.from(result.dataSync(), Number);
  const { shape } = result;
  result.dispose();
  return { shape, values };
};

describe('operations of TensorFlow.js', () => testOperations(run));

/** Gradients of sum(weights * build(a, b)) by a and b. */
function gradients(build: Build, a: Tensor, b: Tensor): number[][] {
  const [da, db] = tf.tidy(() => {
    const inputs = [a, b].map(({ data, shape }) => tf.tensor(data as Float32Array, [...shape]));
    const loss = (...[x, y]: CoreTensor[]) => {
      const value = build(tfjsOperations(tf), x as CoreTensor, y as CoreTensor);
      // Both are always used: TensorFlow.js wants a way from each.
      const unused = tf.mul(tf.add(tf.sum(x as CoreTensor), tf.sum(y as CoreTensor)), 0);
      return tf.add(tf.sum(tf.mul(value, weightsOf(value.shape))), unused);
    };
    return tf.grads(loss)(inputs);
  });
  const found = [da, db].map((tensor) => Array.from(tensor?.dataSync() ?? []));
  tf.dispose([da, db].filter((tensor) => tensor !== undefined));
  return found;
}

/** Different for each place: equal ones hide transposed gradients. */
function weightsOf(shape: number[]): CoreTensor {
  const size = shape.reduce((product, length) => product * length, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => 1 + ((i * 7) % 5) / 4),
    shape,
  );
}

const random = createRandom(7, 'tfjs gradients');
const table = (shape: number[]): Tensor => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((product, length) => product * length, 1) }, () => random.normal()),
});

describe('gradients of the operations of TensorFlow.js', () => {
  const x = table([4, 5]);
  const y = table([4, 5]);
  const row = table([5]);
  const cases: [string, Build, Tensor?][] = [
    ['add, to a row', (ops, a, b) => ops.add(a, b), row],
    ['subtract', (ops, a, b) => ops.subtract(a, b)],
    ['multiply, by a row', (ops, a, b) => ops.multiply(a, b), row],
    ['divide', (ops, a, b) => ops.divide(a, ops.add(ops.square(b), ops.scalar(1)))],
    ['negate', (ops, a) => ops.negate(a)],
    ['maximum', (ops, a, b) => ops.maximum(a, b)],
    ['maximum, with a row', (ops, a, b) => ops.maximum(a, b), row],
    ['minimum', (ops, a, b) => ops.minimum(a, b)],
    ['relu', (ops, a) => ops.relu(a)],
    ['exp', (ops, a) => ops.exp(a)],
    ['log, sqrt', (ops, a) => ops.log(ops.sqrt(ops.add(ops.square(a), ops.scalar(0.5))))],
    ['abs', (ops, a) => ops.abs(a)],
    ['matmul', (ops, a, b) => ops.matmul(ops.matmul(a, b, { transposeB: true }), a)],
    ['matmul, transposed', (ops, a, b) => ops.matmul(a, b, { transposeA: true })],
    ['sum', (ops, a) => ops.multiply(ops.sum(a, 1, true), a)],
    ['mean', (ops, a) => ops.multiply(ops.mean(a, 0), ops.mean(a, null))],
    ['max of rows', (ops, a) => ops.max(a, -1)],
    ['max of columns, kept', (ops, a) => ops.subtract(a, ops.max(a, 0, true))],
    ['logSoftmax', (ops, a) => ops.logSoftmax(a, -1)],
    ['logSoftmax of columns', (ops, a) => ops.logSoftmax(a, 0)],
    ['where', (ops, a, b) => ops.where(ops.greater(a, ops.scalar(0)), ops.square(a), b)],
    ['where, with a scalar', (ops, a) => ops.where(ops.greater(a, ops.scalar(0)), ops.square(a), ops.scalar(-1))],
    ['masks', (ops, a) => ops.multiply(ops.toFloat(ops.not(ops.greater(a, ops.scalar(0)))), a)],
    ['gatherRows', (ops, a) => ops.gatherRows(a, ops.constant({ data: Int32Array.of(3, 0, 3), shape: [3] }))],
    ['topK', (ops, a) => ops.topK(a, 3)],
    ['concat, reshape', (ops, a, b) => ops.reshape(ops.concat([a, ops.square(b)], -1), [-1, 4])],
    ['slice', (ops, a) => ops.slice(a, -1, 1, 4)],
  ];
  it.each(cases)('%s', (_, build, b = y) => {
    const found = gradients(build, x, b);
    for (const [which, base] of [x, b].entries()) {
      const data = base.data as Float32Array;
      data.forEach((value, place) => {
        const at = (moved: number): number => {
          const changed = { shape: base.shape, data: Float32Array.from(data) };
          changed.data[place] = moved;
          return tf.tidy(() => {
            const [left, right] = (which === 0 ? [changed, b] : [x, changed]).map((tensor) =>
              tf.tensor(tensor.data as Float32Array, [...tensor.shape]),
            ) as [CoreTensor, CoreTensor];
            const result = build(tfjsOperations(tf), left, right);
            const weights = weightsOf(result.shape).dataSync();
            return Array.from(result.dataSync()).reduce((sum, entry, i) => sum + entry * (weights[i] as number), 0);
          });
        };
        // Rounding of float32 is 1e-7 of values of about 10, divided by a step of 1e-2.
        const step = 1e-2;
        const slope = (at(value + step) - at(value - step)) / (2 * step);
        expect(Math.abs((found[which]?.[place] as number) - slope), `${which}, ${place}`).toBeLessThan(
          3e-3 * (1 + Math.abs(slope)),
        );
      });
    }
  });

  const ties: Tensor = { shape: [1, 3], data: Float32Array.of(2, 2, 0) };
  const others: Tensor = { shape: [1, 3], data: Float32Array.of(2, 1, 0) };
  it.each<[string, Build, number[], number[]]>([
    // weightsOf gives 1, 1.5, 2 for three places, 1 for one.
    ['maximum: to the first operand', (ops, a, b) => ops.maximum(a, b), [1, 1.5, 2], [0, 0, 0]],
    ['minimum: to the first operand', (ops, a, b) => ops.minimum(a, b), [1, 0, 2], [0, 1.5, 0]],
    ['max: to the first place', (ops, a) => ops.max(a, -1), [1, 0, 0], [0, 0, 0]],
    ['topK: to the first place', (ops, a) => ops.topK(a, 1), [1, 0, 0], [0, 0, 0]],
    ['abs and relu: nothing at 0', (ops, a) => ops.add(ops.abs(a), ops.relu(a)), [2, 3, 0], [0, 0, 0]],
    ['stopGradient', (ops, a, b) => ops.multiply(a, ops.stopGradient(b)), [2, 1.5, 0], [0, 0, 0]],
  ])('of equals, %s', (_, build, expectedA, expectedB) => {
    expect(gradients(build, ties, others)).toEqual([expectedA, expectedB]);
  });

  it('where lets no NaN of the branch that was not taken through', () => {
    const zero: Tensor = { shape: [1, 2], data: Float32Array.of(0, 4) };
    const guarded: Build = (ops, a) => {
      const isPositive = ops.greater(a, ops.scalar(0));
      return ops.where(isPositive, ops.log(a), ops.scalar(0));
    };
    const [found] = gradients(guarded, zero, zero);
    expect(found?.[1]).toBeCloseTo(1.5 / 4, 6);
    const broken: Build = (ops, a, b) => ops.where(ops.greater(a, ops.scalar(10)), ops.log(ops.negate(b)), a);
    expect(gradients(broken, ties, others)[0]).toEqual([1, 1.5, 2]);
  });
});
