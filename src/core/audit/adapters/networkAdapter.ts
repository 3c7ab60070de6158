import { createSession, type Session, type Tensor } from '../../engine/session.ts';
import { createRandom } from '../../numeric/random.ts';
import type { InequalityHooks } from '../inequalities.ts';
import { pickRows } from '../pairSample.ts';
import { pause } from '../pause.ts';
import { applyRotation, createRotation, type MapShape, polarFactor } from '../procrustes.ts';
import type { Matrix } from '../vectors.ts';
import type { Adapter, AdapterOptions, FittingBlocks } from './adapter.ts';
import { fittingData, HeldOutSplit, type Pairs, stacked } from './fittingData.ts';
import { chooseRidge, type RidgeFit } from './linearAdapter.ts';
import { meanLoss } from './loss.ts';
import { ADAM, networkGraph, stepGraph } from './networkGraph.ts';
import { createProducts } from './positiveInverse.ts';
import { comparable, comparableBlocks } from './unitRows.ts';

const MOST_HIDDEN = 256;
const BATCH = 256;
/** Bounds the time: about 2 s at 512 components on two cores. */
const MOST_STEPS = 300;
const STEPS_A_LOOK = 20;
/** Looks at the held-out items without a gain after which training ends. */
const PATIENCE = 4;
/** What one step may change of a hidden unit's input, and of an output, as a share of its usual size. */
const STEP_SHARE = 0.2;
/** Values of the fitting items held in memory: 134 MB. Beyond, one row in so many is taken. */
const HELD_VALUES = 33_554_432;

interface Weights {
  first: Float32Array;
  second: Float32Array;
}

/** The residual network on top of the better linear map. See `fitAdapter`. */
export async function fitNetwork(
  blocks: () => FittingBlocks,
  shape: MapShape,
  options: AdapterOptions,
  hooks: InequalityHooks,
): Promise<Adapter> {
  const { distance } = options;
  const ridge = options.ridge?.fitted ?? (await fitRidge(blocks(), shape, options, hooks));
  const { held } = ridge;
  const start = await linearStart(ridge, shape, options, hooks);
  const rows = await fittingRows(blocks(), 4 * held.from.rows, shape, options, hooks);
  const hidden = Math.min(MOST_HIDDEN, 2 * shape.oldColumns);
  const session = await createSession(networkGraph(shape, hidden), options);
  const { weights, steps } = await train({ start, rows, held, shape, hidden, apply: session, options, hooks });
  const rotation = await createRotation(start, shape.newColumns, options);
  return {
    kind: 'mlp',
    async apply(matrix) {
      const x = comparable(matrix, distance);
      return comparable(await mapped(session, x, await rotation.apply(x), weights, hidden), distance);
    },
    description: `residual network of ${hidden} hidden units on a linear map of ${shape.newColumns} to ${shape.oldColumns} components, ${steps} steps`,
    map: { ...shape, normalises: distance === 'cosine', linear: start, network: { hidden, ...weights } },
  };
}

async function fitRidge(
  blocks: FittingBlocks,
  shape: MapShape,
  options: AdapterOptions,
  hooks: InequalityHooks,
): Promise<RidgeFit> {
  const { fit, held } = await fittingData(blocks, shape, options, hooks);
  const products = await createProducts(options);
  try {
    return { ...(await chooseRidge(fit, held, shape, options, products, hooks)), cross: fit.cross, held };
  } finally {
    await products.release();
  }
}

/**
 * Models are turned against each other, so x itself is no start in the old space: the ridge map or the polar
 * factor is, whichever does better on the items held out.
 */
async function linearStart(
  ridge: RidgeFit,
  shape: MapShape,
  options: AdapterOptions,
  hooks: InequalityHooks,
): Promise<Float64Array> {
  const { held } = ridge;
  const polar = await polarFactor(ridge.cross, shape, options, hooks);
  const loss = meanLoss(options.distance, await applyRotation(held.from, polar, options), held.to);
  return loss < ridge.loss ? polar : ridge.map;
}

/**
 * The rows that are not held out, or one in so many of them.
 * @param count how many they are, roughly
 */
async function fittingRows(
  blocks: FittingBlocks,
  count: number,
  { newColumns, oldColumns }: MapShape,
  options: AdapterOptions,
  hooks: InequalityHooks,
): Promise<Pairs> {
  const split = new HeldOutSplit(options.seed);
  const stride = Math.max(1, Math.ceil((count * (newColumns + 2 * oldColumns)) / HELD_VALUES));
  const from: Matrix[] = [];
  const to: Matrix[] = [];
  let seen = 0;
  for await (const block of comparableBlocks(blocks, options.distance)) {
    await pause(hooks);
    const { fit } = split.split(block);
    const kept = Array.from({ length: fit.from.rows }, (_, row) => row).filter((row) => (seen + row) % stride === 0);
    seen += fit.from.rows;
    from.push(pickRows(fit.from, kept));
    to.push(pickRows(fit.to, kept));
  }
  return { from: stacked(from, newColumns), to: stacked(to, oldColumns) };
}

interface Training {
  start: Float64Array;
  rows: Pairs;
  held: Pairs;
  shape: MapShape;
  hidden: number;
  apply: Session;
  options: AdapterOptions;
  hooks: InequalityHooks;
}

interface Look {
  weights: Weights;
  steps: number;
  loss: number;
}

/** Adam with a rate that falls to zero along a cosine; the weights of the best look win, step 0 included. */
async function train(training: Training): Promise<Look> {
  const { start, rows, held, shape, hidden, apply, options, hooks } = training;
  const { newColumns, oldColumns } = shape;
  const random = createRandom(options.seed, 'adapter/network');
  const z = await applyRotation(rows.from, start, options);
  const heldStart = await applyRotation(held.from, start, options);
  const size = meanLength(rows.from);
  const targetSize = meanLength(rows.to);
  // Unit inputs to the hidden layer whatever the length of the vectors.
  const first = Float32Array.from({ length: newColumns * hidden }, () => random.normal() / size);
  const second = new Float32Array(hidden * oldColumns);
  // Adam moves every weight by up to its rate at once. A hidden unit adds up |x|_1 of it, about
  // .8 |x| sqrt(newColumns); an output the mean of relu, .4, times hidden.
  const firstRate = STEP_SHARE / (0.8 * size * Math.sqrt(newColumns));
  const secondRate = (STEP_SHARE * targetSize) / Math.sqrt(oldColumns) / (0.4 * hidden);

  const session = await createSession(stepGraph(options.distance, shape, hidden), options);
  try {
    let state: Record<string, Tensor> = {};
    for (const [name, values, dimensions] of [
      ['first', first, [newColumns, hidden]],
      ['second', second, [hidden, oldColumns]],
    ] as const) {
      state[name] = { shape: dimensions, data: values };
      state[`${name}Mean`] = { shape: dimensions, data: new Float32Array(values.length) };
      state[`${name}Square`] = { shape: dimensions, data: new Float32Array(values.length) };
    }
    const names = Object.keys(state);
    const fetches = names.map((name) => `next${name[0]?.toUpperCase()}${name.slice(1)}`);
    let best: Look = { weights: { first, second }, steps: 0, loss: meanLoss(options.distance, heldStart, held.to) };
    const batches = new Batches({ ...rows, z }, random);
    for (let step = 1; step <= MOST_STEPS && rows.from.rows > 0; step++) {
      const corrected = Math.sqrt(1 - ADAM.second ** step) / (1 - ADAM.first ** step);
      const rate = 0.5 * (1 + Math.cos((Math.PI * (step - 1)) / MOST_STEPS)) * corrected;
      const results = await session.run(
        {
          ...state,
          ...batches.next(),
          firstRate: { shape: [], data: Float32Array.of(firstRate * rate) },
          secondRate: { shape: [], data: Float32Array.of(secondRate * rate) },
        },
        fetches,
      );
      state = Object.fromEntries(names.map((name, index) => [name, results[fetches[index] as string] as Tensor]));
      if (step % STEPS_A_LOOK !== 0) continue;
      await pause(hooks);
      const weights = { first: state.first?.data as Float32Array, second: state.second?.data as Float32Array };
      const output = await mapped(apply, held.from, heldStart, weights, hidden);
      const loss = meanLoss(options.distance, output, held.to);
      if (loss < best.loss) best = { weights, steps: step, loss };
      else if (step - best.steps >= PATIENCE * STEPS_A_LOOK) break;
    }
    return best;
  } finally {
    await session.release();
  }
}

async function mapped(session: Session, x: Matrix, z: Matrix, weights: Weights, hidden: number): Promise<Matrix> {
  const results = await session.run({
    x: { shape: [x.rows, x.columns], data: x.values },
    z: { shape: [z.rows, z.columns], data: z.values },
    first: { shape: [x.columns, hidden], data: weights.first },
    second: { shape: [hidden, z.columns], data: weights.second },
  });
  return { rows: z.rows, columns: z.columns, values: results.mapped?.data as Float32Array };
}

/** Rows in a new order each time all were used. */
class Batches {
  readonly #rows: Pairs & { z: Matrix };
  readonly #order: Int32Array;
  readonly #random: ReturnType<typeof createRandom>;
  #at = 0;

  constructor(rows: Pairs & { z: Matrix }, random: ReturnType<typeof createRandom>) {
    this.#rows = rows;
    this.#random = random;
    this.#order = Int32Array.from({ length: rows.from.rows }, (_, row) => row);
  }

  next(): Record<'x' | 'y' | 'z', Tensor> {
    const { from, to, z } = this.#rows;
    if (this.#at === 0) this.#random.shuffle(this.#order);
    const picked = this.#order.subarray(this.#at, this.#at + BATCH);
    this.#at = this.#at + BATCH >= this.#order.length ? 0 : this.#at + BATCH;
    const tensor = (matrix: Matrix): Tensor => {
      const { rows, columns, values } = pickRows(matrix, picked);
      return { shape: [rows, columns], data: values };
    };
    return { x: tensor(from), y: tensor(to), z: tensor(z) };
  }
}

/** Root of the mean squared length of the rows. */
function meanLength({ rows, values }: Matrix): number {
  let squared = 0;
  for (const value of values) squared += value * value;
  return rows === 0 || squared === 0 ? 1 : Math.sqrt(squared / rows);
}
