import { GraphBuilder } from '../../engine/graph.ts';
import { createSession } from '../../engine/session.ts';
import { createRandom, type Random } from '../../numeric/random.ts';
import type { InequalityHooks } from '../inequalities.ts';
import { pickRows } from '../pairSample.ts';
import { pause } from '../pause.ts';
import type { MapShape } from '../procrustes.ts';
import type { Matrix } from '../vectors.ts';
import type { AdapterOptions, FittingBlocks } from './adapter.ts';
import { comparableBlocks } from './unitRows.ts';

/** Element type of ONNX for Cast. */
const DOUBLE = 11;
const HELD_OUT = 5;

/** Rows of the same items. */
export interface Pairs {
  from: Matrix;
  to: Matrix;
}

/** X'X and X'Y of X (rows x newColumns) and Y (rows x oldColumns), row-major, summed in double. */
export interface Moments {
  gram: Float64Array;
  cross: Float64Array;
}

/**
 * Parts the fitting items: of every five in their order one, picked by chance, is held out. The same seed
 * parts the same items alike.
 */
export class HeldOutSplit {
  readonly #random: Random;
  #position = 0;
  #picked = 0;

  constructor(seed: number) {
    this.#random = createRandom(seed, 'adapter/held out');
  }

  /** The next block's rows. */
  split({ from, to }: Pairs): { fit: Pairs; held: Pairs } {
    const fit: number[] = [];
    const held: number[] = [];
    for (let row = 0; row < from.rows; row++) {
      if (this.#position === 0) this.#picked = this.#random.integer(HELD_OUT);
      (this.#position === this.#picked ? held : fit).push(row);
      this.#position = (this.#position + 1) % HELD_OUT;
    }
    const pick = (rows: readonly number[]): Pairs => ({ from: pickRows(from, rows), to: pickRows(to, rows) });
    return { fit: pick(fit), held: pick(held) };
  }
}

export function stacked(parts: readonly Matrix[], columns: number): Matrix {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const values = new Float32Array(rows * columns);
  let at = 0;
  for (const part of parts) {
    values.set(part.values, at);
    at += part.values.length;
  }
  return { rows, columns, values };
}

/** Moments of four fifths of the items, of all, and the held-out fifth itself. */
export async function fittingData(
  blocks: FittingBlocks,
  shape: MapShape,
  options: AdapterOptions,
  hooks: InequalityHooks,
): Promise<{ fit: Moments; all: Moments; held: Pairs }> {
  const split = new HeldOutSplit(options.seed);
  const session = await createSession(momentsGraph(shape), options);
  const total = {
    gram: new Float64Array(shape.newColumns * shape.newColumns),
    cross: new Float64Array(shape.newColumns * shape.oldColumns),
  };
  const add = async ({ from, to }: Pairs): Promise<void> => {
    if (from.rows === 0) return;
    const { gram, cross } = await session.run({
      from: { shape: [from.rows, from.columns], data: from.values },
      to: { shape: [to.rows, to.columns], data: to.values },
    });
    addTo(total.gram, gram?.data as Float64Array);
    addTo(total.cross, cross?.data as Float64Array);
  };
  const from: Matrix[] = [];
  const to: Matrix[] = [];
  try {
    for await (const block of comparableBlocks(blocks, options.distance)) {
      await pause(hooks);
      const { fit, held } = split.split(block);
      await add(fit);
      from.push(held.from);
      to.push(held.to);
    }
    const fit = { gram: total.gram.slice(), cross: total.cross.slice() };
    const held = { from: stacked(from, shape.newColumns), to: stacked(to, shape.oldColumns) };
    await add(held);
    return { fit, all: total, held };
  } finally {
    await session.release();
  }
}

/** X'X and X'Y in double. */
function momentsGraph({ newColumns, oldColumns }: MapShape): Uint8Array {
  const graph = new GraphBuilder('moments');
  const double = (name: string, columns: number) =>
    graph.node('Cast', [graph.input(name, 'float32', ['n', columns])], { to: DOUBLE });
  const x = double('from', newColumns);
  const turned = graph.node('Transpose', [x], { perm: [1, 0] });
  graph.output('gram', graph.node('MatMul', [turned, x]), 'float64', [newColumns, newColumns]);
  const cross = graph.node('MatMul', [turned, double('to', oldColumns)]);
  graph.output('cross', cross, 'float64', [newColumns, oldColumns]);
  return graph.build();
}

function addTo(total: Float64Array, values: Float64Array): void {
  for (let k = 0; k < total.length; k++) total[k] = (total[k] as number) + (values[k] as number);
}
