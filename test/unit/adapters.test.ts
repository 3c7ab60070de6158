import { Matrix as Dense, EigenvalueDecomposition, inverse, solve } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { type Adapter, type AdapterOptions, fitAdapter } from '../../src/core/audit/adapters/adapter.ts';
import { fittingData, HeldOutSplit } from '../../src/core/audit/adapters/fittingData.ts';
import { chooseRidge } from '../../src/core/audit/adapters/linearAdapter.ts';
import { meanLoss } from '../../src/core/audit/adapters/loss.ts';
import { stepGraph } from '../../src/core/audit/adapters/networkGraph.ts';
import { createProducts, positiveInverse } from '../../src/core/audit/adapters/positiveInverse.ts';
import { comparable } from '../../src/core/audit/adapters/unitRows.ts';
import { polarFactor } from '../../src/core/audit/procrustes.ts';
import type { Matrix } from '../../src/core/audit/vectors.ts';
import { type AdapterKind, adapterKinds, type Distance } from '../../src/core/contract/report.ts';
import { createSession, type Tensor } from '../../src/core/engine/session.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { silentProgress } from './silentProgress.ts';
import { randomRotation, rotate } from './syntheticPair.ts';

const hooks = { progress: silentProgress };

function gaussian(rows: number, columns: number, seed: number, size = 1): Matrix {
  const random = createRandom(seed, 'adapters test');
  return { rows, columns, values: Float32Array.from({ length: rows * columns }, () => size * random.normal()) };
}

function part({ columns, values }: Matrix, start: number, end: number): Matrix {
  return { rows: end - start, columns, values: values.subarray(start * columns, end * columns) };
}

/** Plain loops in double. */
function product(a: Matrix, b: Matrix): Matrix {
  const values = new Float32Array(a.rows * b.columns);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < b.columns; j++) {
      let sum = 0;
      for (let k = 0; k < a.columns; k++) {
        sum += (a.values[i * a.columns + k] as number) * (b.values[k * b.columns + j] as number);
      }
      values[i * b.columns + j] = sum;
    }
  }
  return { rows: a.rows, columns: b.columns, values };
}

function fitted(
  kind: AdapterKind,
  from: Matrix,
  to: Matrix,
  options: Partial<AdapterOptions> & { blockRows?: number } = {},
): Promise<Adapter> {
  const { blockRows = 512, ...rest } = options;
  async function* blocks() {
    for (let start = 0; start < from.rows; start += blockRows) {
      const end = Math.min(from.rows, start + blockRows);
      yield { from: part(from, start, end), to: part(to, start, end) };
    }
  }
  const shape = { newColumns: from.columns, oldColumns: to.columns };
  return fitAdapter(kind, blocks, shape, { seed: 1, threads: 1, distance: 'euclidean', ...rest }, hooks);
}

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((largest, value, k) => Math.max(largest, Math.abs(value - (b[k] as number))), 0);

/** Rows 0 ... 1,500 fit, 500 more judge. */
async function lossOf(kind: AdapterKind, from: Matrix, to: Matrix, distance: Distance): Promise<number> {
  const adapter = await fitted(kind, part(from, 0, 1500), part(to, 0, 1500), { distance });
  return meanLoss(distance, await adapter.apply(part(from, 1500, 2000)), part(to, 1500, 2000));
}

describe('procrustes', () => {
  it('turns a quarter by hand, and keeps the length only where the distance sees it', async () => {
    // (2, 0) -> (0, 1) and (0, 2) -> (-1, 0): R = [[0, 1], [-1, 0]] whatever the lengths.
    const from = { rows: 2, columns: 2, values: Float32Array.of(2, 0, 0, 2) };
    const to = { rows: 2, columns: 2, values: Float32Array.of(0, 1, -1, 0) };
    const some = { rows: 1, columns: 2, values: Float32Array.of(3, 4) };
    const euclidean = await (await fitted('procrustes', from, to)).apply(some);
    expect(largestDifference(euclidean.values, [-4, 3])).toBeLessThan(1e-6);
    const cosine = await (await fitted('procrustes', from, to, { distance: 'cosine' })).apply(some);
    expect(largestDifference(cosine.values, [-0.8, 0.6])).toBeLessThan(1e-6);
  });

  it('recovers a planted rotation for every distance', async () => {
    const from = gaussian(400, 24, 2);
    const to = { ...from, values: rotate(from.values, randomRotation(24, createRandom(2, 'planted')), 24) };
    for (const distance of ['cosine', 'euclidean', 'dot'] as const) {
      const adapter = await fitted('procrustes', from, to, { distance });
      expect(largestDifference((await adapter.apply(from)).values, comparable(to, distance).values)).toBeLessThan(1e-5);
    }
  });

  it('recovers a planted embedding of shorter vectors, and its transpose of longer ones', async () => {
    const planted = part(
      { rows: 24, columns: 24, values: Float32Array.from(randomRotation(24, createRandom(3, 'p'))) },
      0,
      10,
    );
    const short = gaussian(500, 10, 4);
    const long = product(short, planted);
    const up = await fitted('procrustes', short, long);
    expect(largestDifference((await up.apply(short)).values, long.values)).toBeLessThan(1e-5);
    const down = await fitted('procrustes', long, short);
    expect(largestDifference((await down.apply(long)).values, short.values)).toBeLessThan(1e-5);
    expect(up.description).toBe('semi-orthogonal map of 10 to 24 components');
  });
});

describe('polarFactor', () => {
  it('is U V of the singular value decomposition, for wide and tall matrices', async () => {
    for (const [newColumns, oldColumns] of [
      [7, 4],
      [4, 7],
      [5, 5],
    ] as const) {
      const matrix = Float64Array.from(gaussian(newColumns, oldColumns, 5).values);
      const factor = await polarFactor(matrix, { newColumns, oldColumns }, { seed: 0, threads: 1 }, hooks);
      // It is the only F with orthonormal columns (rows) for which F'A (A F') is symmetric and positive definite.
      const f = new Dense(
        Array.from({ length: newColumns }, (_, row) => [...factor.subarray(row * oldColumns, (row + 1) * oldColumns)]),
      );
      const a = new Dense(
        Array.from({ length: newColumns }, (_, row) => [...matrix.subarray(row * oldColumns, (row + 1) * oldColumns)]),
      );
      const small = newColumns < oldColumns ? f.mmul(f.transpose()) : f.transpose().mmul(f);
      expect(small.sub(Dense.eye(small.rows)).norm()).toBeLessThan(1e-11);
      const root = newColumns < oldColumns ? a.mmul(f.transpose()) : f.transpose().mmul(a);
      expect(root.clone().sub(root.transpose()).norm()).toBeLessThan(1e-8);
      expect(Math.min(...new EigenvalueDecomposition(root).realEigenvalues)).toBeGreaterThan(0);
    }
  });
});

describe('positiveInverse', () => {
  it('is the inverse below and above the size that is split', async () => {
    const products = await createProducts({ threads: 1 });
    for (const size of [1, 2, 63, 64, 65, 131]) {
      const root = gaussian(size + 5, size, size);
      const gram = new Dense(size, size);
      for (let i = 0; i < size; i++) {
        for (let j = 0; j < size; j++) {
          let sum = i === j ? 0.1 : 0;
          for (let row = 0; row < root.rows; row++) {
            sum += (root.values[row * size + i] as number) * (root.values[row * size + j] as number);
          }
          gram.set(i, j, sum);
        }
      }
      const found = await positiveInverse(Float64Array.from(gram.to1DArray()), size, products);
      expect(largestDifference(found, inverse(gram).to1DArray())).toBeLessThan(1e-9);
    }
    await products.release();
  });
});

describe('linear', () => {
  it('by hand: one component, strength and all', async () => {
    // Ten items x = 1, y = 3: X'X = 10, X'Y = 30, w = 30 / (10 + 10 s); the weakest strength s = 1e-6 fits best.
    const from = { rows: 10, columns: 1, values: new Float32Array(10).fill(1) };
    const to = { rows: 10, columns: 1, values: new Float32Array(10).fill(3) };
    const adapter = await fitted('linear', from, to);
    expect(adapter.description).toBe('ridge linear map of 1 to 1 components, strength 0.000001');
    const { values } = await adapter.apply({ rows: 1, columns: 1, values: Float32Array.of(2) });
    expect(values[0]).toBeCloseTo(6 / (1 + 1e-6), 5);
  });

  it('recovers a planted linear map that no rotation is', async () => {
    const from = gaussian(2000, 20, 6);
    for (const oldColumns of [20, 12, 30]) {
      const to = product(from, gaussian(20, oldColumns, 7));
      expect(await lossOf('linear', from, to, 'euclidean')).toBeLessThan(1e-8);
      expect(await lossOf('procrustes', from, to, 'euclidean')).toBeGreaterThan(1);
      // Rows of unit length are no longer a linear image of each other.
      expect(await lossOf('linear', from, to, 'cosine')).toBeLessThan(0.01);
    }
  });

  it('is the ridge solution of the four fifths, at the strength that the held-out fifth likes best', async () => {
    // Forty items of thirty components: without a ridge the map follows the noise.
    const from = gaussian(40, 30, 8);
    const noise = gaussian(40, 4, 9, 3);
    const to = product(from, gaussian(30, 4, 10, 0.3));
    to.values.forEach((value, k) => {
      to.values[k] = value + (noise.values[k] as number);
    });
    const shape = { newColumns: 30, oldColumns: 4 };
    const options = { seed: 3, threads: 1, distance: 'euclidean' as const };
    async function* blocks() {
      yield { from, to };
    }
    const data = await fittingData(blocks(), shape, options, hooks);
    const products = await createProducts(options);
    const chosen = await chooseRidge(data.fit, data.held, shape, options, products, hooks);
    await products.release();

    const { fit: pairs, held } = new HeldOutSplit(3).split({ from, to });
    expect([pairs.from.rows, held.from.rows]).toEqual([32, 8]);
    const dense = ({ rows, columns, values }: Matrix) => Dense.from1DArray(rows, columns, [...values]);
    const x = dense(pairs.from);
    const gram = x.transpose().mmul(x);
    const losses = [100, 10, 1, 0.1, 0.01, 1e-3, 1e-4, 1e-6].map((strength) => {
      const raised = gram.clone().add(Dense.eye(30).mul((strength * gram.trace()) / 30));
      const map = solve(raised, x.transpose().mmul(dense(pairs.to)));
      const loss = dense(held.from).mmul(map).sub(dense(held.to)).norm() ** 2 / 8;
      return { strength, loss, map };
    });
    const best = losses.reduce((least, entry) => (entry.loss < least.loss ? entry : least));
    expect(best.strength).toBeGreaterThan(1e-3);
    expect(chosen.strength).toBe(best.strength);
    expect(chosen.loss).toBeCloseTo(best.loss, 4);
    expect(largestDifference(chosen.map, best.map.to1DArray())).toBeLessThan(1e-6);
  });
});

describe('mlp', () => {
  /** y = x A + relu(x U) V. */
  function planted(rows: number) {
    const from = gaussian(rows, 16, 11);
    const to = product(from, gaussian(16, 16, 12, 0.25));
    const units = product(from, gaussian(16, 20, 13, 0.25));
    const bent = product(
      { ...units, values: units.values.map((value) => Math.max(0, value)) },
      gaussian(20, 16, 14, 0.4),
    );
    return { from, to: { ...to, values: to.values.map((value, k) => value + (bent.values[k] as number)) } };
  }

  it('gets a planted nonlinear map that no linear one is', async () => {
    const { from, to } = planted(2000);
    for (const distance of ['cosine', 'euclidean'] as const) {
      const losses: number[] = [];
      for (const kind of adapterKinds) losses.push(await lossOf(kind, from, to, distance));
      const [procrustes, linear, mlp] = losses as [number, number, number];
      expect(linear).toBeLessThan(procrustes);
      expect(mlp).toBeLessThan(0.25 * linear);
    }
  });

  it('stays with the linear map where there is nothing else to learn', async () => {
    const from = gaussian(2000, 16, 15);
    const to = product(from, gaussian(16, 16, 16));
    expect(await lossOf('mlp', from, to, 'euclidean')).toBeLessThan(1e-6);
  });

  it('steps by the gradient of the loss', async () => {
    const [rows, newColumns, oldColumns, hidden] = [6, 5, 4, 7];
    const x = gaussian(rows, newColumns, 17);
    const z = gaussian(rows, oldColumns, 18);
    const y = gaussian(rows, oldColumns, 19);
    const first = gaussian(newColumns, hidden, 20);
    const second = gaussian(hidden, oldColumns, 21);
    const tensor = ({ rows: height, columns, values }: Matrix): Tensor => ({ shape: [height, columns], data: values });
    const zeros = ({ rows: height, columns }: Matrix): Tensor => ({
      shape: [height, columns],
      data: new Float32Array(height * columns),
    });
    const rate = { shape: [], data: Float32Array.of(0.5) };
    /** The loss by plain loops in double. */
    const lossAt = (distance: Distance, one: Float64Array, two: Float64Array) => {
      let total = 0;
      for (let row = 0; row < rows; row++) {
        const units = Array.from({ length: hidden }, (_, h) => {
          let sum = 0;
          for (let k = 0; k < newColumns; k++)
            sum += (x.values[row * newColumns + k] as number) * (one[k * hidden + h] as number);
          return Math.max(0, sum);
        });
        const f = Array.from({ length: oldColumns }, (_, k) =>
          units.reduce(
            (sum, unit, h) => sum + unit * (two[h * oldColumns + k] as number),
            z.values[row * oldColumns + k] as number,
          ),
        );
        const target = [...y.values.subarray(row * oldColumns, (row + 1) * oldColumns)];
        if (distance === 'euclidean')
          total += f.reduce((sum, value, k) => sum + (value - (target[k] as number)) ** 2, 0);
        else
          total +=
            1 -
            f.reduce((sum, value, k) => sum + value * (target[k] as number), 0) /
              Math.hypot(...f) /
              Math.hypot(...target);
      }
      return total / rows;
    };
    for (const distance of ['cosine', 'euclidean'] as const) {
      const session = await createSession(stepGraph(distance, { newColumns, oldColumns }, hidden), { threads: 1 });
      const results = await session.run({
        x: tensor(x),
        y: tensor(y),
        z: tensor(z),
        first: tensor(first),
        second: tensor(second),
        firstMean: zeros(first),
        firstSquare: zeros(first),
        secondMean: zeros(second),
        secondSquare: zeros(second),
        firstRate: rate,
        secondRate: rate,
      });
      await session.release();
      const one = Float64Array.from(first.values);
      const two = Float64Array.from(second.values);
      expect(results.loss?.data[0]).toBeCloseTo(lossAt(distance, one, two), 4);
      for (const [name, weights] of [
        ['first', one],
        ['second', two],
      ] as const) {
        const gradient = results[`${name}Gradient`]?.data as Float32Array;
        const next = results[`next${name === 'first' ? 'First' : 'Second'}`]?.data as Float32Array;
        for (let k = 0; k < weights.length; k++) {
          const held = weights[k] as number;
          weights[k] = held + 1e-6;
          const above = lossAt(distance, one, two);
          weights[k] = held - 1e-6;
          const slope = (above - lossAt(distance, one, two)) / 2e-6;
          weights[k] = held;
          expect(Math.abs((gradient[k] as number) - slope)).toBeLessThan(1e-4 * (1 + Math.abs(slope)));
          // Adam's first step by hand: mean .1 g, square .001 g^2.
          const g = gradient[k] as number;
          const moved = held - (0.5 * 0.1 * g) / (Math.sqrt(0.001 * g * g) + 1e-8);
          expect(Math.abs((next[k] as number) - moved)).toBeLessThan(1e-4);
        }
      }
    }
  });
});

describe('every adapter', () => {
  it('is the same again, whatever the blocks, and another with another seed only where chance enters', async () => {
    const from = gaussian(300, 8, 22);
    const to = product(from, gaussian(8, 6, 23));
    to.values.forEach((value, k) => {
      to.values[k] = value ** 2;
    });
    for (const kind of adapterKinds) {
      const apply = async (options: { seed?: number; blockRows?: number }) =>
        (await (await fitted(kind, from, to, { distance: 'cosine', ...options })).apply(from)).values;
      const once = await apply({});
      expect(await apply({})).toEqual(once);
      expect(largestDifference(await apply({ blockRows: 77 }), once)).toBeLessThan(1e-4);
      const other = largestDifference(await apply({ seed: 9 }), once);
      if (kind === 'mlp') expect(other).toBeGreaterThan(1e-3);
      if (kind === 'procrustes') expect(other).toBeLessThan(1e-6);
    }
  });

  it('keeps a row of zeros, and gives unit rows under cosine', async () => {
    const from = gaussian(200, 8, 24);
    const to = gaussian(200, 5, 25);
    const rows = gaussian(3, 8, 26);
    rows.values.fill(0, 8, 16);
    for (const kind of adapterKinds) {
      const { values } = await (await fitted(kind, from, to, { distance: 'cosine' })).apply(rows);
      const lengths = [0, 1, 2].map((row) => Math.hypot(...values.subarray(5 * row, 5 * row + 5)));
      expect(largestDifference(lengths, [1, 0, 1])).toBeLessThan(1e-6);
    }
  });

  it('stops when it is cancelled', async () => {
    const cancel = new AbortController();
    cancel.abort();
    const blocks = async function* () {
      yield { from: gaussian(50, 4, 27), to: gaussian(50, 4, 28) };
    };
    for (const kind of adapterKinds) {
      const fitting = fitAdapter(
        kind,
        blocks,
        { newColumns: 4, oldColumns: 4 },
        { seed: 1, threads: 1, distance: 'dot' },
        { ...hooks, signal: cancel.signal },
      );
      await expect(fitting).rejects.toMatchObject({ code: 'cancelled' });
    }
  });
});
