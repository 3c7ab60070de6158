import { createRandom, type Random } from '../../numeric/random.ts';

export interface OrderOptions {
  /** Class of each item. */
  labelOf: Int32Array;
  batchSize: number;
  batches: number;
  /** Items of each class of a batch, at least; null: plain shuffling. */
  itemsPerClass: number | null;
  seed: number;
}

/**
 * The items of an epoch, batch behind batch (batches x batchSize): a pure function of its arguments.
 * Plain: a shuffle of all items, cut after whole batches. By class (P x K batches of metric learning): classes come in
 * shuffled rounds, every one as often as any other, and deal the items of their own shuffled pile; no class twice in a
 * batch, and no item, unless the class has fewer than are dealt. With too few classes for the batch each deals more.
 */
export function epochOrder(
  epoch: number,
  { labelOf, batchSize, batches, itemsPerClass, seed }: OrderOptions,
): Int32Array {
  const random = createRandom(seed, `order/${epoch}`);
  const all = random.shuffle(Int32Array.from(labelOf, (_, item) => item));
  if (itemsPerClass === null) return all.slice(0, batches * batchSize);

  const piles = new Map<number, ClassPile>();
  for (const item of all) {
    const label = labelOf[item] as number;
    const pile = piles.get(label);
    if (pile) pile.items.push(item);
    else piles.set(label, { items: [item], next: 0 });
  }
  const classes = [...piles.values()];
  const perBatch = Math.max(1, Math.min(classes.length, Math.floor(batchSize / itemsPerClass)));
  const order = new Int32Array(batches * batchSize);
  let round: ClassPile[] = [];
  for (let batch = 0; batch < batches; batch++) {
    const chosen = round.splice(0, perBatch);
    if (chosen.length < perBatch) {
      round = random.shuffle(classes.slice());
      // The rest of a round comes first; its classes wait for the next batch.
      const more = round.filter((pile) => !chosen.includes(pile)).slice(0, perBatch - chosen.length);
      round = round.filter((pile) => !more.includes(pile));
      chosen.push(...more);
    }
    let at = batch * batchSize;
    chosen.forEach((pile, place) => {
      const share = Math.floor(batchSize / perBatch) + (place < batchSize % perBatch ? 1 : 0);
      for (const item of deal(pile, share, random)) order[at++] = item;
    });
  }
  return order;
}

interface ClassPile {
  items: number[];
  /** Dealt so far. */
  next: number;
}

/** The next items of a pile; one that has too few left is shuffled anew. */
function deal(pile: ClassPile, count: number, random: Random): number[] {
  const { items } = pile;
  if (items.length < count) {
    random.shuffle(items);
    return Array.from({ length: count }, (_, k) => items[k % items.length] as number);
  }
  if (pile.next + count > items.length) {
    random.shuffle(items);
    pile.next = 0;
  }
  pile.next += count;
  return items.slice(pile.next - count, pile.next);
}
