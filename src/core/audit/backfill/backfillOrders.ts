import type { BackfillOrder, Distance } from '../../contract/report.ts';
import { createRandom } from '../../numeric/random.ts';
import { distanceBetween } from '../distance.ts';
import type { MeasureHooks } from '../measurePair.ts';
import { pause } from '../pause.ts';
import type { BlockReader, Matrix } from '../vectors.ts';

/** Shares 0, .05, ... 1 of the gallery: step t is the share t / STEPS. */
export const STEPS = 20;
const RANDOM_ORDERS = 5;
/** The order that each of the measured re-embeddings is one of. */
export const orderNames = [
  ...Array.from({ length: RANDOM_ORDERS }, () => 'random' as const),
  'displacement',
  'outliers',
] as const satisfies readonly BackfillOrder[];
export const ORDERS = orderNames.length;

/** Sums of class means held at once: 64 MB. */
const MEAN_VALUES = 8_388_608;

export interface OrderInput {
  distance: Distance;
  seed: number;
  /** Class of each gallery row. */
  labelOf: Int32Array;
  classes: number;
  /** The old gallery, and the new one as it meets old vectors; same form, same rows. */
  old: BlockReader;
  cross: BlockReader;
}

/**
 * When each gallery item is re-embedded (metrics.md section 9): random (five seeded orders), largest d(old, new) first,
 * farthest from its class mean in the old space first; ties by gallery position.
 * @returns first step at which the item has its new vector, 1 ... 20; item x ORDERS, row-major
 */
export async function switchSteps(input: OrderInput, hooks: MeasureHooks): Promise<Uint8Array> {
  const count = input.labelOf.length;
  const steps = new Uint8Array(count * ORDERS);
  const enter = (order: Int32Array, column: number): void => {
    let step = 1;
    order.forEach((row, position) => {
      while (position >= Math.round((step * count) / STEPS)) step++;
      steps[row * ORDERS + column] = step;
    });
  };
  for (let column = 0; column < RANDOM_ORDERS; column++) {
    await pause(hooks);
    const random = createRandom(input.seed, `backfill/random/${column}`);
    enter(random.shuffle(Int32Array.from({ length: count }, (_, row) => row)), column);
  }
  enter(largestFirst(await displacements(input, hooks)), RANDOM_ORDERS);
  enter(largestFirst(await outliers(input, hooks)), RANDOM_ORDERS + 1);
  return steps;
}

function largestFirst(values: Float64Array): Int32Array {
  return Int32Array.from(values, (_, row) => row).sort(
    (a, b) => (values[b] as number) - (values[a] as number) || a - b,
  );
}

/** d(old, new) of each gallery item, after the dimension rule. */
export async function displacements({ distance, old, cross }: OrderInput, hooks: MeasureHooks): Promise<Float64Array> {
  const moved = new Float64Array(old.source.count);
  for (let start = 0; start < moved.length; start += old.blockRows) {
    await pause(hooks);
    const before = await old.read(start);
    const after = await cross.read(start);
    for (let row = 0; row < before.rows; row++) {
      moved[start + row] = distanceBetween(distance, after, row, before, row);
    }
  }
  return moved;
}

/** Distance of each gallery item from the mean of its class (at unit length for cosine), in the old space. */
export async function outliers(
  { distance, old, labelOf, classes }: OrderInput,
  hooks: MeasureHooks,
): Promise<Float64Array> {
  const { columns } = old.form;
  const distances = new Float64Array(labelOf.length);
  const together = Math.max(1, Math.min(classes, Math.floor(MEAN_VALUES / columns)));
  for (let first = 0; first < classes; first += together) {
    const held = Math.min(together, classes - first);
    const sums = new Float64Array(held * columns);
    const counts = new Float64Array(held);
    const each = async (take: (block: Matrix, row: number, label: number, item: number) => void): Promise<void> => {
      for (let start = 0; start < labelOf.length; start += old.blockRows) {
        await pause(hooks);
        const block = await old.read(start);
        for (let row = 0; row < block.rows; row++) {
          const label = (labelOf[start + row] as number) - first;
          if (label >= 0 && label < held) take(block, row, label, start + row);
        }
      }
    };
    await each(({ values }, row, label) => {
      counts[label] = (counts[label] as number) + 1;
      const from = row * columns;
      const into = label * columns;
      for (let k = 0; k < columns; k++) sums[into + k] = (sums[into + k] as number) + (values[from + k] as number);
    });
    const means = meansOf(sums, counts, columns, distance === 'cosine');
    await each((block, row, label, item) => {
      distances[item] = distanceBetween(distance, block, row, means, label);
    });
  }
  return distances;
}

function meansOf(sums: Float64Array, counts: Float64Array, columns: number, unit: boolean): Matrix {
  const values = new Float32Array(sums.length);
  counts.forEach((count, label) => {
    const sum = sums.subarray(label * columns, (label + 1) * columns);
    let squared = 0;
    for (const value of sum) squared += value * value;
    // Vectors that cancel out have no direction: their mean stays zero, at distance 1 of all.
    const divisor = unit ? Math.sqrt(squared) : count;
    if (divisor > 0) for (let k = 0; k < columns; k++) values[label * columns + k] = (sum[k] as number) / divisor;
  });
  return { rows: counts.length, columns, values };
}
