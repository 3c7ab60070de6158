import { describe, expect, it } from 'vitest';
import { epochOrder, type OrderOptions } from '../../src/core/training/data/epochOrder.ts';

const options = (changes: Partial<OrderOptions> = {}): OrderOptions => ({
  labelOf: Int32Array.from({ length: 40 }, (_, item) => item % 4),
  batchSize: 8,
  batches: 5,
  itemsPerClass: null,
  seed: 3,
  ...changes,
});

/** How often each value comes. */
function counts(values: Iterable<number>): Map<number, number> {
  const found = new Map<number, number>();
  for (const value of values) found.set(value, (found.get(value) ?? 0) + 1);
  return found;
}

function batchesOf(order: Int32Array, size: number): Int32Array[] {
  return Array.from({ length: order.length / size }, (_, batch) => order.slice(batch * size, (batch + 1) * size));
}

describe('the order of an epoch', () => {
  it('shuffles every item in once, otherwise by epoch and by seed', () => {
    const first = epochOrder(0, options());
    expect([...first].sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, item) => item));
    expect(epochOrder(0, options())).toEqual(first);
    expect(epochOrder(1, options())).not.toEqual(first);
    expect(epochOrder(0, options({ seed: 4 }))).not.toEqual(first);
  });

  it('drops what does not fill a batch, other items each time', () => {
    const labelOf = new Int32Array(43);
    const used = [0, 1, 2].map((epoch) => new Set(epochOrder(epoch, options({ labelOf }))));
    expect(used.map((set) => set.size)).toEqual([40, 40, 40]);
    expect(new Set(used.flatMap((set) => [...set])).size).toBe(43);
  });

  it('gives each class of a batch as many items as asked for', () => {
    const labelOf = Int32Array.from({ length: 120 }, (_, item) => item % 12);
    const order = epochOrder(0, options({ labelOf, batchSize: 8, batches: 15, itemsPerClass: 4 }));
    for (const batch of batchesOf(order, 8)) {
      expect(new Set(batch).size).toBe(8);
      expect([...counts(batch.map((item) => labelOf[item] as number)).values()]).toEqual([4, 4]);
    }
    // 30 places for 12 classes: each two or three times.
    const dealt = counts(batchesOf(order, 4).map((items) => labelOf[items[0] as number] as number));
    expect(new Set(dealt.values())).toEqual(new Set([2, 3]));
    // Piles of 10 deal 4, 4, then are shuffled: within two turns nothing is repeated.
    const ofClass = [...order].filter((item) => labelOf[item] === 0).slice(0, 8);
    expect(new Set(ofClass).size).toBe(8);
  });

  it('spreads few classes over the whole batch, and repeats only items of classes that have too few', () => {
    const labelOf = Int32Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2]);
    const order = epochOrder(0, options({ labelOf, batchSize: 10, batches: 1, itemsPerClass: 2 }));
    const perClass = counts(order.map((item) => labelOf[item] as number));
    expect([...perClass.values()].sort()).toEqual([3, 3, 4]);
    const repeated = [...counts(order)].filter(([, times]) => times > 1).map(([item]) => labelOf[item]);
    expect(new Set(repeated)).toEqual(new Set([1]));
  });

  it('shows rare classes as often as common ones', () => {
    const labelOf = Int32Array.from({ length: 200 }, (_, item) => (item < 170 ? 0 : item < 190 ? 1 : 2));
    const order = epochOrder(5, options({ labelOf, batchSize: 4, batches: 50, itemsPerClass: 2 }));
    const perClass = counts(order.map((item) => labelOf[item] as number));
    for (const times of perClass.values()) expect(Math.abs(times - 200 / 3)).toBeLessThanOrEqual(2);
  });
});
