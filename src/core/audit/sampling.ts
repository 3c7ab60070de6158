import { apportion } from '../data/split.ts';
import { createRandom } from '../numeric/random.ts';

/**
 * A seeded sample of rows, stratified by class: every class keeps its share (rounded by largest
 * remainder).
 * @param labels class of each row, from 0
 * @param count rows wanted; all rows when there are no more
 * @returns row indices, ascending
 */
export function sampleRows(labels: Int32Array, count: number, seed: number): Int32Array {
  if (count >= labels.length) return Int32Array.from(labels, (_, row) => row);
  const members = new Map<number, number[]>();
  labels.forEach((label, row) => {
    const list = members.get(label);
    if (list) list.push(row);
    else members.set(label, [row]);
  });
  const classes = [...members.keys()].sort((a, b) => a - b);
  const sizes = classes.map((label) => members.get(label)?.length ?? 0);
  const counts = apportion(
    count,
    sizes.map((size) => size / labels.length),
  );
  const chosen: number[] = [];
  classes.forEach((label, index) => {
    const rows = members.get(label) ?? [];
    createRandom(seed, `sample/${label}`).shuffle(rows);
    for (const row of rows.slice(0, counts[index])) chosen.push(row);
  });
  return Int32Array.from(chosen).sort();
}
