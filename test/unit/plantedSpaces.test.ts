import { expect, it } from 'vitest';
import {
  better,
  centres,
  PLANTED_DIMENSION as D,
  type Planted,
  SEEDS,
  type Tally,
  tally,
  tallyLines,
} from './plantedPairs.ts';
import { randomRotation, rotate } from './syntheticPair.ts';

const plants: [name: string, cause: NonNullable<Tally['expected']>, make: (seed: number) => Planted][] = [
  [
    'rotated',
    'rotation',
    (seed) => {
      const pair = better(seed);
      return { ...pair, new: rotate(pair.new, randomRotation(D, pair.random), D) };
    },
  ],
  ['scaled by 3 (euclidean)', 'scale', (seed) => scaled(seed, 3, 'euclidean')],
  ['scaled by 1/3 (dot)', 'scale', (seed) => scaled(seed, 1 / 3, 'dot')],
  ['shifted by 1 (cosine)', 'offset', (seed) => shifted(seed, 1, 'cosine')],
  ['shifted by 1 (euclidean)', 'offset', (seed) => shifted(seed, 1, 'euclidean')],
];

function scaled(seed: number, by: number, distance: 'euclidean' | 'dot'): Planted {
  const pair = better(seed);
  return { ...pair, distance, new: pair.new.map((value) => by * value) };
}

function shifted(seed: number, by: number, distance: 'cosine' | 'euclidean'): Planted {
  const pair = better(seed);
  const direction = centres(pair.random, 1, D);
  return { ...pair, distance, new: pair.new.map((value, i) => value + by * (direction[i % D] as number)) };
}

it('names every planted change of the space and no other', { timeout: 900_000 }, async () => {
  const tallies: Tally[] = [];
  for (const [name, cause, make] of plants) tallies.push(await tally(name, cause, make));
  console.log(tallyLines(tallies));
  for (const { plant, hits, falseAlarms } of tallies) {
    expect({ plant, hits, falseAlarms }).toEqual({ plant, hits: SEEDS, falseAlarms: 0 });
  }
});
