/**
 * Whether the intervals of the report cover.
 *
 *   npm run bench -- coverage [draws]
 *   npm run bench -- coverage [draws] class
 *
 * The first: fixed classes and gallery, new queries each draw. Draws 200 queries 2,000 times, computes the 95 % interval of the mAP difference and of the same-class
 * violation rate from 1,000 resamples each, and counts how often it holds the truth: the figure of
 * 100,000 queries. Per-query figures, resamples and intervals come from the code that audits run.
 *
 * `class`: new classes, each as easy or hard as chance has it. Draws 20 of 400 classes, with 10 or 50 queries each, and
 * counts for intervals over queries and over classes (`bootstrap.unit`); only the latter are held to a limit.
 */

import { bootstrap, percentileInterval } from '../src/core/audit/bootstrap.ts';
import { measureInequalities } from '../src/core/audit/inequalities.ts';
import { makePairSetup } from '../src/core/audit/pairSetup.ts';
import { measureRetrieval, type PerQuery } from '../src/core/audit/retrieval.ts';
import { BlockReader, formFor, type Matrix } from '../src/core/audit/vectors.ts';
import type { Interval } from '../src/core/contract/report.ts';
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
/** The mode `class`. */
const MANY_CLASSES = 400;
const DRAWN_CLASSES = 20;
const GALLERY_PER_MANY = 10;
const QUERIES_PER_CLASS = [10, 50];
/** Standard deviation of the logarithm of a class's own factor to its spread, one a model. */
const CLASS_SPREAD = 0.2;

/** Spread of the items around their class centres, a model each. */
const OLD_SPREAD = 1.6;
const NEW_SPREADS = { better: 1, worse: 2.5 };

const silent: Progress = { phase() {}, update() {}, log() {}, async breathe() {} };

function unit(vector: Float64Array): Float64Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / length);
}

/** One unit vector an item: unit(centre + spread N(0, I) / sqrt(dimension)); spreads are one a class. */
function embed(labels: Int32Array, centres: Float64Array[], spreads: Float64Array, random: Random): Float32Array {
  const values = new Float32Array(labels.length * DIMENSION);
  labels.forEach((label, item) => {
    const spread = spreads[label] as number;
    const noisy = (centres[label] as Float64Array).map(
      (value) => value + (spread * random.normal()) / Math.sqrt(DIMENSION),
    );
    values.set(unit(noisy), item * DIMENSION);
  });
  return values;
}

function items(name: string, labelOf: Int32Array, classes: number) {
  return {
    name,
    count: labelOf.length,
    ids: Array.from(labelOf, (_, i) => `${name}${i}`),
    labelOf,
    classNames: Array.from({ length: classes }, (_, c) => `class${c}`),
  };
}

const sum = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);

/** Per-query figures of a pool of queries, whose means are the truth. */
interface Pool {
  labels: Int32Array;
  oldPrecision: Float64Array;
  newPrecision: Float64Array;
  violations: Float64Array;
  pairs: Float64Array;
}

/** @param spreads of the old and of the new model, one a class */
async function measurePool(
  labels: { gallery: Int32Array; pool: Int32Array },
  spreads: { old: Float64Array; new: Float64Array },
  random: Random,
): Promise<Pool> {
  const classes = spreads.old.length;
  const centres = Array.from({ length: classes }, () =>
    unit(Float64Array.from({ length: DIMENSION }, () => random.normal())),
  );
  const matrix = (values: Float32Array): Matrix => ({ rows: labels.pool.length, columns: DIMENSION, values });
  const oldGallery = embed(labels.gallery, centres, spreads.old, random);
  const oldQuery = matrix(embed(labels.pool, centres, spreads.old, random));
  const newQuery = matrix(embed(labels.pool, centres, spreads.new, random));
  const setup = makePairSetup(items('query', labels.pool, classes), items('gallery', labels.gallery, classes));
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
  return {
    labels: labels.pool,
    oldPrecision: (perQuery.get('oldOld') as PerQuery).averagePrecision,
    newPrecision: (perQuery.get('newOld') as PerQuery).averagePrecision,
    violations: positive.violations[0] as Float64Array,
    pairs: positive.pairs,
  };
}

const figures = { difference: 'mAP difference', rate: 'positive rate' } as const;
type Figure = keyof typeof figures;

function truthOf(pool: Pool): Record<Figure, number> {
  return {
    difference: (sum(pool.newPrecision) - sum(pool.oldPrecision)) / pool.labels.length,
    rate: sum(pool.violations) / sum(pool.pairs),
  };
}

/** Both intervals of the drawn queries. `classOf` tells queries of one drawn class from those of another. */
async function intervalsOf(
  pool: Pool,
  picked: Int32Array,
  unitOf: 'query' | 'class',
  classOf: Int32Array,
  seed: number,
): Promise<Record<Figure, Interval | null>> {
  const pick = (values: Float64Array) => Float64Array.from(picked, (query) => values[query] as number);
  const [oldMeans, newMeans, rates] = (await bootstrap(
    {
      unit: unitOf,
      queries: picked.length,
      classOf,
      resamples: RESAMPLES,
      confidence: CONFIDENCE,
      seed,
      threads: null,
    },
    [
      { numerator: pick(pool.oldPrecision), denominator: null },
      { numerator: pick(pool.newPrecision), denominator: null },
      { numerator: pick(pool.violations), denominator: pick(pool.pairs) },
    ],
  )) as [Float64Array, Float64Array, Float64Array];
  return {
    difference: percentileInterval(
      newMeans.map((value, r) => value - (oldMeans[r] as number)),
      CONFIDENCE,
    ),
    rate: percentileInterval(rates, CONFIDENCE),
  };
}

/** How often intervals held the truth, and how wide they were. */
class Tally {
  readonly #truth: Record<Figure, number>;
  readonly #held: Record<Figure, number> = { difference: 0, rate: 0 };
  readonly #width: Record<Figure, number> = { difference: 0, rate: 0 };

  constructor(truth: Record<Figure, number>) {
    this.#truth = truth;
  }

  add(intervals: Record<Figure, Interval | null>): void {
    for (const figure of Object.keys(figures) as Figure[]) {
      const [low, high] = intervals[figure] as Interval;
      if (low <= this.#truth[figure] && this.#truth[figure] <= high) this.#held[figure]++;
      this.#width[figure] += (high - low) / draws;
    }
  }

  /** @param limits the shares between which coverage must lie; null: only shown */
  print(name: string, limits: Interval | null): void {
    for (const figure of Object.keys(figures) as Figure[]) {
      const share = this.#held[figure] / draws;
      const outside = limits !== null && (share < limits[0] || share > limits[1]);
      if (outside) process.exitCode = 1;
      console.log(
        `${name}, ${figures[figure]}: truth ${this.#truth[figure].toFixed(4)}, mean width ${this.#width[figure].toFixed(4)}, ` +
          `held in ${(100 * share).toFixed(2)} % of ${draws} draws${outside ? `  <-- outside ${100 * limits[0]}-${100 * limits[1]} %` : ''}`,
      );
    }
  }
}

async function queryCoverage(name: string, newSpread: number): Promise<void> {
  const random = createRandom(0, `coverage/${name}`);
  const spreads = (spread: number) => new Float64Array(CLASSES).fill(spread);
  const gallery = Int32Array.from({ length: CLASSES * GALLERY_PER_CLASS }, (_, i) => i % CLASSES);
  const pool = await measurePool(
    { gallery, pool: Int32Array.from({ length: POOL }, () => random.integer(CLASSES)) },
    { old: spreads(OLD_SPREAD), new: spreads(newSpread) },
    random,
  );
  const tally = new Tally(truthOf(pool));
  const sampler = createRandom(1, `coverage/${name}/draws`);
  for (let draw = 0; draw < draws; draw++) {
    const picked = Int32Array.from({ length: QUERIES }, () => sampler.integer(POOL));
    tally.add(await intervalsOf(pool, picked, 'query', new Int32Array(QUERIES), draw));
  }
  tally.print(`old against ${name}`, [0.93, 0.97]);
}

async function classCoverage(name: string, newSpread: number): Promise<void> {
  const random = createRandom(0, `coverage/class/${name}`);
  const spreads = (spread: number) =>
    Float64Array.from({ length: MANY_CLASSES }, () => spread * Math.exp(CLASS_SPREAD * random.normal()));
  const perClass = POOL / MANY_CLASSES;
  const gallery = Int32Array.from({ length: MANY_CLASSES * GALLERY_PER_MANY }, (_, i) => i % MANY_CLASSES);
  const pool = await measurePool(
    { gallery, pool: Int32Array.from({ length: POOL }, (_, i) => Math.floor(i / perClass)) },
    { old: spreads(OLD_SPREAD), new: spreads(newSpread) },
    random,
  );
  for (const queries of QUERIES_PER_CLASS) {
    const tallies = { query: new Tally(truthOf(pool)), class: new Tally(truthOf(pool)) };
    const sampler = createRandom(1, `coverage/class/${name}/${queries}`);
    for (let draw = 0; draw < draws; draw++) {
      // A class drawn twice counts as two: classes without end.
      const drawn = Int32Array.from({ length: DRAWN_CLASSES }, () => sampler.integer(MANY_CLASSES));
      const classOf = Int32Array.from({ length: DRAWN_CLASSES * queries }, (_, i) => Math.floor(i / queries));
      const picked = classOf.map((place) => (drawn[place] as number) * perClass + sampler.integer(perClass));
      for (const unitOf of ['query', 'class'] as const) {
        tallies[unitOf].add(await intervalsOf(pool, picked, unitOf, classOf, draw));
      }
    }
    const what = `old against ${name}, ${DRAWN_CLASSES} new classes x ${queries} queries`;
    tallies.query.print(`${what}, over queries`, null);
    // Percentiles of so few classes are a little narrow by nature.
    tallies.class.print(`${what}, over classes`, [0.9, 0.96]);
  }
}

const measure = process.argv[3] === 'class' ? classCoverage : queryCoverage;
for (const [name, spread] of Object.entries(NEW_SPREADS)) await measure(name, spread);
