import { createRandom } from '../numeric/random.ts';

/**
 * Cuts items into named parts, each class by the same shares (stratified), reproducibly.
 *
 * Each class is shuffled with a random stream of its own, so that adding a class moves no item of
 * another. Counts are the shares times the class size, rounded by largest remainder; what shares
 * that sum below 1 leave over belongs to no part.
 *
 * @param labelOf class index per item
 * @param classNames names of the classes; the stream of a class depends on its name, not its index
 * @param shares part name to share, each above 0, with a sum of at most 1
 * @param seed any integer
 * @returns part name to item indices, ascending
 */
export function splitItems(
  labelOf: Int32Array,
  classNames: readonly string[],
  shares: Readonly<Record<string, number>>,
  seed: number,
): Map<string, Int32Array> {
  const parts = Object.keys(shares);
  const members: number[][] = classNames.map(() => []);
  labelOf.forEach((label, item) => {
    members[label]?.push(item);
  });
  const chosen = new Map<string, number[]>(parts.map((part) => [part, []]));
  members.forEach((items, label) => {
    createRandom(seed, `split/${classNames[label]}`).shuffle(items);
    const counts = apportion(
      items.length,
      parts.map((part) => shares[part] ?? 0),
    );
    let start = 0;
    parts.forEach((part, index) => {
      const end = start + (counts[index] ?? 0);
      chosen.get(part)?.push(...items.slice(start, end));
      start = end;
    });
  });
  return new Map(parts.map((part) => [part, Int32Array.from(chosen.get(part) ?? []).sort()]));
}

/**
 * Whole numbers nearest to `total * share` whose sum is the rounded sum of them
 * (largest remainder, the earlier part first on a tie).
 */
export function apportion(total: number, shares: readonly number[]): number[] {
  const exact = shares.map((share) => share * total);
  // 1e-9: 0.6 * 5 must floor to 3, not to 2 because of binary rounding.
  const counts = exact.map((value) => Math.floor(value + 1e-9));
  const target = Math.min(total, Math.round(exact.reduce((sum, value) => sum + value, 0)));
  const order = exact
    .map((value, index) => ({ index, remainder: value - (counts[index] ?? 0) }))
    .sort((x, y) => y.remainder - x.remainder || x.index - y.index);
  let missing = target - counts.reduce((sum, value) => sum + value, 0);
  for (const { index } of order) {
    if (missing <= 0) break;
    counts[index] = (counts[index] ?? 0) + 1;
    missing--;
  }
  return counts;
}
