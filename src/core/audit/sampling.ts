import { createRandom } from '../numeric/random.ts';

/**
 * A seeded sample of rows, stratified by class: each class gets its share to within one row, and
 * every row has the same chance, however small its class (systematic sampling of a list that is
 * shuffled within classes).
 * @param labels class of each row
 * @param count rows wanted; all rows when there are no more
 * @returns rows, ascending
 */
export function sampleRows(labels: Int32Array, count: number, seed: number): Int32Array {
  if (count >= labels.length) return Int32Array.from(labels, (_, row) => row);
  const random = createRandom(seed, 'sample');
  const shuffled = random.shuffle(Int32Array.from(labels, (_, row) => row));
  const byClass = shuffled.sort((a, b) => (labels[a] as number) - (labels[b] as number));
  const start = random.uniform();
  const step = labels.length / count;
  const chosen = new Int32Array(count);
  for (let k = 0; k < count; k++) {
    chosen[k] = byClass[Math.min(labels.length - 1, Math.floor((k + start) * step))] as number;
  }
  return chosen.sort();
}

/**
 * Splits rows at random into two halves, each class as evenly as it can be.
 * @returns 0 or 1 for each row
 */
export function splitInHalves(labels: Int32Array, classes: number, seed: number): Uint8Array {
  const random = createRandom(seed, 'halves');
  // An odd item goes to either half by chance; were it always the same, one half could stay empty.
  const next = Uint8Array.from({ length: classes }, () => random.integer(2));
  const halves = new Uint8Array(labels.length);
  for (const row of random.shuffle(Int32Array.from(labels, (_, index) => index))) {
    const label = labels[row] as number;
    halves[row] = next[label] as number;
    next[label] = 1 - (next[label] as number);
  }
  return halves;
}
