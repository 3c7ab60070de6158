import { GraphBuilder } from '../engine/graph.ts';
import { createSession } from '../engine/session.ts';
import { createRandom } from '../numeric/random.ts';
import type { InequalityHooks } from './inequalities.ts';
import { pause } from './pause.ts';
import type { Matrix } from './vectors.ts';

/** Element type of ONNX for Cast. */
const DOUBLE = 11;
/** Share of noise that settles what the data leave open; see `polarFactor`. */
const NOISE = 1e-10;
/** Smallest singular value, as a share of the largest, that a round of the iteration reckons with. */
const SMALLEST = 1e-4;
/** Sum of squares of R'R - I above which a singular value has not come near 1 yet. */
const UNFINISHED = 0.25;
const MAX_STEPS = 200;
/** Mean squared entry of R'R - I at which R counts as orthogonal. */
const TOLERANCE = 1e-26;

/** Lengths of new and old vectors. */
export interface MapShape {
  newColumns: number;
  oldColumns: number;
}

/**
 * The orthogonal R that minimises ‖X R - Y‖ (Frobenius): R = U V' where X'Y = U S V' (Schönemann, "A generalized
 * solution of the orthogonal Procrustes problem", 1966). No centring, no scale.
 * @param blocks pairs of blocks (X: new, Y: old), all of `columns` columns, consumed in turn
 * @returns R row-major, columns x columns, double
 */
export function fitRotation(
  blocks: AsyncIterable<{ from: Matrix; to: Matrix }>,
  columns: number,
  options: { seed: number; threads: number | null },
  hooks: InequalityHooks,
): Promise<Float64Array> {
  return fitSemiOrthogonal(blocks, { newColumns: columns, oldColumns: columns }, options, hooks);
}

/**
 * The R with orthonormal rows (shorter new vectors: R R' = I) or columns (longer: R'R = I) that maximises
 * tr(R' X'Y): the polar factor of X'Y. For shorter and equal new vectors it is the minimiser of ‖X R - Y‖; for longer
 * ones that problem has no closed form (‖X R‖ is not ‖X‖), and this is its solution where new vectors spread alike
 * in all directions.
 * @param blocks pairs of blocks (X: rows x newColumns, Y: rows x oldColumns), consumed in turn
 * @returns R row-major, newColumns x oldColumns, double
 */
export async function fitSemiOrthogonal(
  blocks: AsyncIterable<{ from: Matrix; to: Matrix }>,
  { newColumns, oldColumns }: MapShape,
  options: { seed: number; threads: number | null },
  hooks: InequalityHooks,
): Promise<Float64Array> {
  const product = new Float64Array(newColumns * oldColumns);
  const cross = await createSession(crossProductGraph(newColumns, oldColumns), options);
  try {
    for await (const { from, to } of blocks) {
      await pause(hooks);
      const { product: added } = await cross.run({
        from: { shape: [from.rows, newColumns], data: from.values },
        to: { shape: [to.rows, oldColumns], data: to.values },
      });
      const values = added?.data as Float64Array;
      for (let k = 0; k < product.length; k++) product[k] = (product[k] as number) + (values[k] as number);
    }
  } finally {
    await cross.release();
  }
  return polarFactor(product, { newColumns, oldColumns }, options, hooks);
}

/** `matrix` times R (matrix.columns x any), in double, rounded to float32. */
export async function applyRotation(
  matrix: Matrix,
  rotation: Float64Array,
  options: { threads: number | null },
): Promise<Matrix> {
  const { apply, release } = await createRotation(rotation, matrix.columns, options);
  try {
    return await apply(matrix);
  } finally {
    await release();
  }
}

/** The same for many matrices of `columns` columns. */
export async function createRotation(
  rotation: Float64Array,
  columns: number,
  options: { threads: number | null },
): Promise<{ apply(matrix: Matrix): Promise<Matrix>; release(): Promise<void> }> {
  const target = rotation.length / columns;
  const graph = new GraphBuilder('rotate');
  const input = graph.node('Cast', [graph.input('rows', 'float32', ['n', columns])], { to: DOUBLE });
  const turned = graph.node('MatMul', [input, graph.input('rotation', 'float64', [columns, target])]);
  graph.output('rotated', graph.node('Cast', [turned], { to: 1 }), 'float32', ['n', target]);
  const session = await createSession(graph.build(), options);
  return {
    async apply({ rows, values }) {
      const { rotated } = await session.run({
        rows: { shape: [rows, columns], data: values },
        rotation: { shape: [columns, target], data: rotation },
      });
      return { rows, columns: target, values: rotated?.data as Float32Array };
    },
    release: () => session.release(),
  };
}

/**
 * U V' of a matrix U S V' (newColumns x oldColumns), found by the Newton-Schulz iteration with the scaling of
 * Chen and Chow ("A stable scaling of Newton-Schulz for improving the sign function computation of a
 * Hermitian matrix", 2014), which takes matrix products only. Where the matrix lacks rank, the factor is not unique:
 * noise of 1e-10 of its norm picks one.
 */
export async function polarFactor(
  matrix: Float64Array,
  { newColumns, oldColumns }: MapShape,
  options: { seed: number; threads: number | null },
  hooks: InequalityHooks,
): Promise<Float64Array> {
  // The iteration wants the Gram matrix of full rank: at least as many rows as columns.
  const wide = newColumns < oldColumns;
  const [rows, columns] = wide ? [oldColumns, newColumns] : [newColumns, oldColumns];
  const product = wide ? transposed(matrix, newColumns, oldColumns) : matrix;
  const random = createRandom(options.seed, 'procrustes');
  const bound = spectralBound(product, columns);
  // Gaussian rows x columns has norm of at most about 2 sqrt(rows).
  const noise = NOISE / (2 * Math.sqrt(rows));
  let current = product.map((value) => ((bound > 0 ? value / bound : 0) + noise * random.normal()) / (1 + 10 * NOISE));
  const identity = new Float64Array(columns * columns);
  for (let k = 0; k < columns; k++) identity[k * (columns + 1)] = 1;
  const session = await createSession(stepGraph(rows, columns), options);
  try {
    let smallest = SMALLEST;
    for (let step = 0; step < MAX_STEPS; step++) {
      await pause(hooks);
      // x -> alpha x (3 - alpha^2 x^2) / 2 brings [smallest, 1] as near to 1 as a cubic can.
      const alpha = Math.sqrt(3 / (1 + smallest + smallest * smallest));
      const results = await session.run({
        current: { shape: [rows, columns], data: current },
        identity: { shape: [columns, columns], data: identity },
        linear: { shape: [], data: Float64Array.of(1.5 * alpha) },
        cubic: { shape: [], data: Float64Array.of(0.5 * alpha ** 3) },
      });
      const residual = results.residual?.data[0] as number;
      if (residual / identity.length < TOLERANCE) break;
      current = results.next?.data as Float64Array as Float64Array<ArrayBuffer>;
      // Smaller ones have grown as much as the smallest reckoned with: another round brings them up.
      if (smallest > 0.999 && residual > UNFINISHED) smallest = SMALLEST;
      smallest = Math.min(1, 0.5 * alpha * smallest * (3 - alpha * alpha * smallest * smallest));
    }
  } finally {
    await session.release();
  }
  return wide ? transposed(current, rows, columns) : current;
}

/** Row-major rows x columns to columns x rows. */
export function transposed(matrix: Float64Array, rows: number, columns: number): Float64Array<ArrayBuffer> {
  const result = new Float64Array(matrix.length);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < columns; k++) result[k * rows + row] = matrix[row * columns + k] as number;
  }
  return result;
}

/** sqrt(largest column sum x largest row sum) of absolute values: at least the largest singular value. */
function spectralBound(matrix: Float64Array, columns: number): number {
  const columnSums = new Float64Array(columns);
  let largestRow = 0;
  for (let row = 0; row * columns < matrix.length; row++) {
    let sum = 0;
    for (let k = 0; k < columns; k++) {
      const size = Math.abs(matrix[row * columns + k] as number);
      sum += size;
      columnSums[k] = (columnSums[k] as number) + size;
    }
    largestRow = Math.max(largestRow, sum);
  }
  return Math.sqrt(largestRow * columnSums.reduce((largest, sum) => Math.max(largest, sum), 0));
}

/** X'Y in double. */
function crossProductGraph(newColumns: number, oldColumns: number): Uint8Array {
  const graph = new GraphBuilder('cross product');
  const double = (name: string, columns: number) =>
    graph.node('Cast', [graph.input(name, 'float32', ['n', columns])], { to: DOUBLE });
  const turned = graph.node('Transpose', [double('from', newColumns)], { perm: [1, 0] });
  const product = graph.node('MatMul', [turned, double('to', oldColumns)]);
  graph.output('product', product, 'float64', [newColumns, oldColumns]);
  return graph.build();
}

/** next = linear X - cubic X X'X; residual = sum of squares of X'X - I, of the X that went in. */
function stepGraph(rows: number, columns: number): Uint8Array {
  const graph = new GraphBuilder('Newton-Schulz step');
  const x = graph.input('current', 'float64', [rows, columns]);
  const gram = graph.node('MatMul', [graph.node('Transpose', [x], { perm: [1, 0] }), x]);
  const deviation = graph.node('Sub', [gram, graph.input('identity', 'float64', [columns, columns])]);
  const squares = graph.node('ReduceSum', [graph.node('Mul', [deviation, deviation]), graph.int64s([0, 1])], {
    keepdims: 0,
  });
  graph.output('residual', squares, 'float64', []);
  const next = graph.node('Sub', [
    graph.node('Mul', [x, graph.input('linear', 'float64', [])]),
    graph.node('Mul', [graph.node('MatMul', [x, gram]), graph.input('cubic', 'float64', [])]),
  ]);
  graph.output('next', next, 'float64', [rows, columns]);
  return graph.build();
}
