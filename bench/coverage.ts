/**
 * Whether the intervals of the report cover: fixed classes and gallery, new queries each draw.
 *
 *   npm run bench -- coverage [draws]
 *
 * Draws 200 queries 2,000 times, computes the 95 % interval of the mAP difference and of the same-class
 * violation rate from 1,000 resamples each, and counts how often it holds the truth: the figure of
 * 100,000 queries. Per-query figures, resamples and intervals come from the code that audits run.
 */

import { bootstrap, percentileInterval } from '../src/core/audit/bootstrap.ts';
import { measureInequalities } from '../src/core/audit/inequalities.ts';
import { makePairSetup } from '../src/core/audit/pairSetup.ts';
import { measureRetrieval, type PerQuery } from '../src/core/audit/retrieval.ts';
import { BlockReader, formFor, type Matrix } from '../src/core/audit/vectors.ts';
import type { Progress } from '../src/core/contract/runs.ts';
import { vectorsInMemory } from '../src/core/data/vectorSource.ts';
import { createRandom, type Random } from '../src/core/numeric/random.ts';

const POOL = 100_000;
const QUERIES = 200;
const RESAMPLES = 1000;
const CONFIDENCE = 0.95;
const draws = Number(process.argv[2] ?? 2000);

const CLASSES = 50;
const GALLERY_PER_CLASS = 40;
const DIMENSION = 64;
/** Spread of the items around their class centres, a model each. */
const OLD_SPREAD = 1.6;
const NEW_SPREADS = { better: 1, worse: 2.5 };

const silent: Progress = { phase() {}, update() {}, log() {}, async breathe() {} };

function unit(vector: Float64Array): Float64Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / length);
}

/** One unit vector an item: unit(centre + spread N(0, I) / sqrt(dimension)). */
function embed(labels: Int32Array, centres: Float64Array[], spread: number, random: Random): Float32Array {
  const values = new Float32Array(labels.length * DIMENSION);
  labels.forEach((label, item) => {
    const noisy = (centres[label] as Float64Array).map(
      (value) => value + (spread * random.normal()) / Math.sqrt(DIMENSION),
    );
    values.set(unit(noisy), item * DIMENSION);
  });
  return values;
}

function items(name: string, labelOf: Int32Array) {
  return {
    name,
    count: labelOf.length,
    ids: Array.from(labelOf, (_, i) => `${name}${i}`),
    labelOf,
    classNames: Array.from({ length: CLASSES }, (_, c) => `class${c}`),
  };
}

const sum = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);

async function coverage(name: string, newSpread: number): Promise<void> {
  const random = createRandom(0, `coverage/${name}`);
  const centres = Array.from({ length: CLASSES }, () =>
    unit(Float64Array.from({ length: DIMENSION }, () => random.normal())),
  );
  const galleryLabels = Int32Array.from({ length: CLASSES * GALLERY_PER_CLASS }, (_, i) => i % CLASSES);
  const poolLabels = Int32Array.from({ length: POOL }, () => random.integer(CLASSES));
  const matrix = (values: Float32Array): Matrix => ({ rows: POOL, columns: DIMENSION, values });
  const oldGallery = embed(galleryLabels, centres, OLD_SPREAD, random);
  const oldQuery = matrix(embed(poolLabels, centres, OLD_SPREAD, random));
  const newQuery = matrix(embed(poolLabels, centres, newSpread, random));
  const setup = makePairSetup(items('query', poolLabels), items('gallery', galleryLabels));
  const gallery = () =>
    new BlockReader(vectorsInMemory('gallery', oldGallery, DIMENSION), formFor('cosine', DIMENSION), 4096);

  const { perQuery } = await measureRetrieval(
    {
      distance: 'cosine',
      cells: [
        { name: 'oldOld', query: oldQuery },
        { name: 'newOld', query: newQuery },
      ],
      gallery: gallery(),
      setup,
      threads: null,
    },
    { progress: silent },
  );
  const { positive } = await measureInequalities(
    {
      distance: 'cosine',
      oldQuery,
      newQuery,
      gallery: gallery(),
      setup,
      epsilons: [1e-6],
      worstPairs: 0,
      classPairs: false,
      threads: null,
    },
    { progress: silent },
  );
  const oldPrecision = (perQuery.get('oldOld') as PerQuery).averagePrecision;
  const newPrecision = (perQuery.get('newOld') as PerQuery).averagePrecision;
  const violations = positive.violations[0] as Float64Array;
  const truth = {
    difference: (sum(newPrecision) - sum(oldPrecision)) / POOL,
    rate: sum(violations) / sum(positive.pairs),
  };

  const held = { difference: 0, rate: 0 };
  const width = { difference: 0, rate: 0 };
  const sampler = createRandom(1, `coverage/${name}/draws`);
  for (let draw = 0; draw < draws; draw++) {
    const picked = Int32Array.from({ length: QUERIES }, () => sampler.integer(POOL));
    const pick = (values: Float64Array) => Float64Array.from(picked, (query) => values[query] as number);
    const [oldMeans, newMeans, rates] = (await bootstrap(
      {
        unit: 'query',
        queries: QUERIES,
        classOf: new Int32Array(QUERIES),
        resamples: RESAMPLES,
        confidence: CONFIDENCE,
        seed: draw,
        threads: null,
      },
      [
        { numerator: pick(oldPrecision), denominator: null },
        { numerator: pick(newPrecision), denominator: null },
        { numerator: pick(violations), denominator: pick(positive.pairs) },
      ],
    )) as [Float64Array, Float64Array, Float64Array];
    const intervals = {
      difference: percentileInterval(
        newMeans.map((value, r) => value - (oldMeans[r] as number)),
        CONFIDENCE,
      ),
      rate: percentileInterval(rates, CONFIDENCE),
    };
    for (const figure of ['difference', 'rate'] as const) {
      const [low, high] = intervals[figure] as [number, number];
      if (low <= truth[figure] && truth[figure] <= high) held[figure]++;
      width[figure] += (high - low) / draws;
    }
  }
  for (const [figure, words] of [
    ['difference', 'mAP difference'],
    ['rate', 'positive rate'],
  ] as const) {
    const share = held[figure] / draws;
    console.log(
      `old against ${name}, ${words}: truth ${truth[figure].toFixed(4)}, mean width ${width[figure].toFixed(4)}, ` +
        `held in ${(100 * share).toFixed(2)} % of ${draws} draws${share >= 0.93 && share <= 0.97 ? '' : '  <-- outside 93-97 %'}`,
    );
    if (share < 0.93 || share > 0.97) process.exitCode = 1;
  }
}

for (const [name, spread] of Object.entries(NEW_SPREADS)) await coverage(name, spread);
