import { expect, it } from 'vitest';
import { better, PLANTED_DIMENSION as D, type Planted, SEEDS, type Tally, tally, tallyLines } from './plantedPairs.ts';
import { randomRotation, rotate } from './syntheticPair.ts';

/** Exchanges two labels. */
const swapped = (labels: Int32Array, a: number, b: number) =>
  labels.map((label) => (label === a ? b : label === b ? a : label));

/** Exchanges the vectors of two classes of the same size: their rows stand in each other's places. */
function exchangedRows(pair: Planted, a: number, b: number): Float32Array {
  const values = pair.new.slice();
  const place = (labels: Int32Array, offset: number) => {
    const rows = (label: number) =>
      Array.from(labels.keys())
        .filter((row) => labels[row] === label)
        .map((row) => row + offset);
    const [left, right] = [rows(a), rows(b)];
    left.forEach((row, i) => {
      const other = right[i] as number;
      values.set(pair.new.subarray(other * D, (other + 1) * D), row * D);
      values.set(pair.new.subarray(row * D, (row + 1) * D), other * D);
    });
  };
  place(pair.queryLabels, 0);
  place(pair.galleryLabels, pair.queryLabels.length);
  return values;
}

const plants: [name: string, cause: NonNullable<Tally['expected']>, make: (seed: number) => Planted][] = [
  [
    'two labels swapped, queries against gallery',
    'label-map',
    (seed) => {
      const pair = better(seed);
      return { ...pair, queryLabels: swapped(pair.queryLabels, 3, 17) };
    },
  ],
  [
    'two labels swapped, old against new table',
    'label-map',
    (seed) => {
      const pair = better(seed);
      return { ...pair, new: exchangedRows(pair, 5, 9) };
    },
  ],
  [
    'a twentieth of the queries in the gallery',
    'duplicates',
    (seed) => {
      const pair = better(seed);
      const [first, old, next] = [pair.queryLabels.length, pair.old.slice(), pair.new.slice()];
      for (let query = 0; query < first; query += 20) {
        // A gallery item of the same class becomes the query itself.
        const row = first + pair.galleryLabels.indexOf(pair.queryLabels[query] as number) + (query % 24);
        for (const values of [old, next]) values.set(values.subarray(query * D, (query + 1) * D), row * D);
      }
      return { ...pair, old, new: next };
    },
  ],
  [
    'collapsed to 3 directions',
    'collapsed-dimensions',
    (seed) => {
      const pair = better(seed);
      const basis = randomRotation(D, pair.random);
      const turned = rotate(pair.new, basis, D).map((value, i) => (i % D < 3 ? value : 0.02 * value));
      return { ...pair, new: rotate(turned, transposed(basis), D) };
    },
  ],
  [
    'half of the components constant',
    'collapsed-dimensions',
    (seed) => {
      const pair = better(seed);
      return { ...pair, new: pair.new.map((value, i) => (i % 2 === 0 ? value : 0)) };
    },
  ],
  ['20 queries', 'few-queries', (seed) => better(seed, { classes: 10, queriesPerClass: 2, galleryPerClass: 40 })],
];

function transposed(matrix: Float64Array): Float64Array {
  return matrix.map((_, i) => matrix[(i % D) * D + Math.floor(i / D)] as number);
}

it('names every planted fault of items and components and no other', { timeout: 900_000 }, async () => {
  const tallies: Tally[] = [];
  for (const [name, cause, make] of plants) tallies.push(await tally(name, cause, make));
  console.log(tallyLines(tallies));
  for (const { plant, hits, falseAlarms } of tallies) {
    expect({ plant, hits, falseAlarms }).toEqual({ plant, hits: SEEDS, falseAlarms: 0 });
  }
});
