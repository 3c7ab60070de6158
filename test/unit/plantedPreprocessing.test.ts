import { expect, it } from 'vitest';
import { colourImages, colourNetwork, embedColours, type Preparation, rightPreparation } from './colourModel.ts';
import {
  PLANTED_DIMENSION as D,
  labelsOf,
  type Planted,
  plantedShape,
  SEEDS,
  type Tally,
  tally,
  tallyLines,
} from './plantedPairs.ts';

interface Fed {
  images: Float32Array;
  old: Float32Array;
}
/** By seed: all plants share images and old vectors. */
const known = new Map<number, Fed>();

async function oldOf(seed: number): Promise<Fed> {
  const found = known.get(seed);
  if (found !== undefined) return found;
  const { queryLabels, galleryLabels } = labelsOf(plantedShape);
  const images = colourImages(seed, Int32Array.from([...queryLabels, ...galleryLabels]));
  const made = { images, old: await embedColours(colourNetwork(seed, D), images, rightPreparation, D) };
  known.set(seed, made);
  return made;
}

/** Coloured images through real networks: the new one is the old one, or another, fed in some way. */
async function fed(seed: number, preparation: Preparation, sameNetwork: boolean): Promise<Planted> {
  const { images, old } = await oldOf(seed);
  const network = colourNetwork(sameNetwork ? seed : seed + 1000, D);
  return { ...labelsOf(plantedShape), old, new: await embedColours(network, images, preparation, D) };
}

const swapped = { ...rightPreparation, swapped: true };

it('names wrong preprocessing of one network, and cannot tell it of another', { timeout: 900_000 }, async () => {
  const plants: [name: string, cause: Tally['expected'], preparation: Preparation, sameNetwork: boolean][] = [
    ['red and blue swapped', 'preprocessing', swapped, true],
    ['not normalised, 0 ... 255', 'preprocessing', { mean: 0, std: 1 }, true],
    ['not normalised, 0 ... 1', 'preprocessing', { mean: 0, std: 255 }, true],
    ['another network, prepared rightly', 'rotation', rightPreparation, false],
    // Its vectors rank as those of the row before: nothing in them tells the two apart.
    ['another network, red and blue swapped', 'rotation', swapped, false],
  ];
  const tallies: Tally[] = [];
  for (const [name, cause, preparation, sameNetwork] of plants) {
    tallies.push(await tally(name, cause, (seed) => fed(seed, preparation, sameNetwork)));
  }
  console.log(tallyLines(tallies));
  for (const { plant, hits, falseAlarms } of tallies) {
    expect({ plant, hits, falseAlarms }).toEqual({ plant, hits: SEEDS, falseAlarms: 0 });
  }
});
