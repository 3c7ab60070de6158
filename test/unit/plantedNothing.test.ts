import { expect, it } from 'vitest';
import { jitteredOld } from '../../src/core/audit/references.ts';
import type { Matrix } from '../../src/core/audit/vectors.ts';
import {
  better,
  centres,
  PLANTED_DIMENSION as D,
  labelsOf,
  model,
  type Planted,
  plantedShape,
  randomOf,
  type Tally,
  tally,
  tallyLines,
} from './plantedPairs.ts';

/** Old and new of the given spreads around common centres. */
function aligned(seed: number, oldSpread: number, newSpread: number): Planted {
  const random = randomOf(seed);
  const labels = labelsOf(plantedShape);
  const means = centres(random, plantedShape.classes, D);
  const both = [labels.queryLabels, labels.galleryLabels];
  return { ...labels, old: model(random, means, both, oldSpread, D), new: model(random, means, both, newSpread, D) };
}

const clean: [name: string, make: (seed: number) => Planted][] = [
  ['better', better],
  ['worse', (seed) => aligned(seed, 1.6, 2.5)],
  ['much better', (seed) => aligned(seed, 2, 0.3)],
  [
    'jittered old',
    (seed) => {
      const pair = better(seed);
      const old: Matrix = { rows: pair.old.length / D, columns: D, values: pair.old };
      return { ...pair, new: jitteredOld(old, 'cosine', seed).values };
    },
  ],
  [
    'identical',
    (seed) => {
      const pair = better(seed);
      return { ...pair, new: pair.old };
    },
  ],
  [
    'aligned but noisier, as compatible training leaves it',
    (seed) => {
      // New centres keep three quarters of the old ones' direction.
      const random = randomOf(seed);
      const labels = labelsOf(plantedShape);
      const means = centres(random, plantedShape.classes, D);
      const other = centres(random, plantedShape.classes, D);
      const moved = means.map((value, i) => 0.75 * value + Math.sqrt(1 - 0.75 ** 2) * (other[i] as number));
      const both = [labels.queryLabels, labels.galleryLabels];
      return { ...labels, old: model(random, means, both, 1.2, D), new: model(random, moved, both, 1.8, D) };
    },
  ],
  [
    'longer new vectors under slice',
    (seed) => {
      const random = randomOf(seed);
      const labels = labelsOf(plantedShape);
      const wide = D + 32;
      const means = centres(random, plantedShape.classes, wide);
      const both = [labels.queryLabels, labels.galleryLabels];
      const old = model(random, means, both, 1.6, wide);
      const cut = Float32Array.from(
        { length: (old.length / wide) * D },
        (_, i) => old[Math.floor(i / D) * wide + (i % D)] as number,
      );
      const columns = { old: D, new: wide };
      return { ...labels, columns, rule: 'slice', old: cut, new: model(random, means, both, 1, wide) };
    },
  ],
];

it('names nothing on clean pairs', { timeout: 900_000 }, async () => {
  const tallies: Tally[] = [];
  for (const [name, make] of clean) tallies.push(await tally(name, null, make));
  console.log(tallyLines(tallies));
  for (const { plant, others } of tallies) expect({ plant, others }).toEqual({ plant, others: {} });
});
