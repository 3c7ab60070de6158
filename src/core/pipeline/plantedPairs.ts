import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { writeNpy } from '../data/npy.ts';
import { vectorsInMemory } from '../data/vectorSource.ts';
import { createRandom } from '../numeric/random.ts';

const CLASSES = 12;
const ITEMS_A_CLASS = 20;
const DIMENSION = 32;
/** Deviation of an item from its class's centre, as metrics.md calibrates with. */
const OLD_NOISE = 1.6;
const NEW_NOISE = 1;

/** What the gates ask for: each holds for the good pair, and none for the bad one. */
const gates = {
  'criterion.map': ['error', { state: 'within-margin' }],
  'retrieval.newOld.cmc@1': ['error', { min: 0.5, bound: 'lower' }],
  'inequalities.positive.rate@0.05': ['error', { max: 0.5, bound: 'upper' }],
} as const;

/** A rule whose figure no planted pair has: there is no paragon. */
export const UNMEASURED_RULE = 'paragonCells.newNew.map';

/**
 * Writes a config with a planted good and a planted bad pair, and their tables. Good: the new model puts
 * classes where the old one has them, with less noise. Bad: as good in itself, in a space of its own.
 * @param folder an empty one
 */
export async function writePlantedPairs(folder: string, seed: number): Promise<{ configFile: string; words: string }> {
  const centres = classCentres(seed, 'shared');
  await writeVectors(folder, 'old.npy', centres, OLD_NOISE, seed);
  await writeVectors(folder, 'good.npy', centres, NEW_NOISE, seed);
  await writeVectors(folder, 'bad.npy', classCentres(seed, 'own'), NEW_NOISE, seed);
  const rows = Array.from({ length: CLASSES * ITEMS_A_CLASS }, (_, item) => `item ${item},class ${item % CLASSES}`);
  await writeFile(path.join(folder, 'items.csv'), `id,label\n${rows.join('\n')}\n`);
  const table = (vectors: string) => ({ vectors, labels: 'items.csv' });
  const pair = (next: string) => ({ old: 'old', new: next, queries: 'items', gallery: 'items' });
  const config = {
    datasets: { items: { items: 'items.csv' } },
    checkpoints: { old: table('old.npy'), good: table('good.npy'), bad: table('bad.npy') },
    pairs: { good: pair('good'), bad: pair('bad') },
    audit: { bootstrap: { resamples: 200 }, triplets: 10_000 },
    gates,
  };
  const configFile = path.join(folder, 'backcompat.json');
  await writeFile(configFile, JSON.stringify(config, null, 2));
  return {
    configFile,
    words: `${CLASSES} classes of ${ITEMS_A_CLASS} items, ${DIMENSION} components, seed ${seed}`,
  };
}

/** Unit vectors, row-major. */
function classCentres(seed: number, name: string): Float64Array {
  const random = createRandom(seed, `planted centres ${name}`);
  const centres = Float64Array.from({ length: CLASSES * DIMENSION }, () => random.normal());
  for (let row = 0; row < CLASSES; row++) normalise(centres.subarray(row * DIMENSION, (row + 1) * DIMENSION));
  return centres;
}

async function writeVectors(
  folder: string,
  name: string,
  centres: Float64Array,
  noise: number,
  seed: number,
): Promise<void> {
  const random = createRandom(seed, `planted noise ${name}`);
  const values = new Float32Array(CLASSES * ITEMS_A_CLASS * DIMENSION);
  const item = new Float64Array(DIMENSION);
  for (let row = 0; row < CLASSES * ITEMS_A_CLASS; row++) {
    const centre = (row % CLASSES) * DIMENSION;
    for (let k = 0; k < DIMENSION; k++) {
      item[k] = (centres[centre + k] as number) + (noise * random.normal()) / Math.sqrt(DIMENSION);
    }
    normalise(item);
    values.set(item, row * DIMENSION);
  }
  await writeNpy(path.join(folder, name), vectorsInMemory(name, values, DIMENSION));
}

function normalise(vector: Float64Array): void {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  for (let k = 0; k < vector.length; k++) vector[k] = (vector[k] as number) / length;
}
