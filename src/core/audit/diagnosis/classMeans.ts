import { GraphBuilder } from '../../engine/graph.ts';
import { createSession } from '../../engine/session.ts';
import type { AuditInput, AuditItems } from '../auditInput.ts';
import type { PairSample } from '../pairSample.ts';
import { makePairSetup } from '../pairSetup.ts';
import { sampleRows } from '../sampling.ts';
import { formFor, loadMatrix, type Matrix } from '../vectors.ts';
import { meanOf } from './spread.ts';

/** Two classes whose means stand exchanged. */
export interface Exchange {
  labels: [string, string];
  /** Cosine between the two classes' difference on the query side and that on the gallery side: -1 is an exchange. */
  cosine: number;
}

/** Shares of queries whose own class mean is the nearest, by query and gallery. */
export interface ClassHits {
  oldOld: number;
  newOld: number;
  newNew: number;
  centred: number;
  rotated: number | null;
}

export interface ClassEvidence {
  /** Classes looked at: those with at least 3 items in both sets, the largest first, at most 1,000. */
  classes: number;
  /**
   * Share of sampled queries of these classes whose class mean is the nearest, themselves left out: a quick look at
   * ranking that tells where a loss comes from. `centred`: new queries and old gallery each moved to the origin.
   */
  hits: ClassHits | null;
  /** Share of classes whose query mean is nearest to their own gallery mean, among the old vectors and across. */
  ownMean: { old: number; new: number } | null;
  /** Exchanged among the old vectors themselves: the labels are; and only across: the new vectors are. */
  exchanged: { old: Exchange[]; new: Exchange[] };
}

/** Values read of each table: 32 MB. */
const SAMPLE_VALUES = 8_388_608;
const MOST_CLASSES = 1000;
/** Items of a class below which its mean says little. */
const FEWEST_ITEMS = 3;
/** Cosine of the differences at which two means count as exchanged; chance alone stays within ±.5 from some 20 components on. */
const EXCHANGED = -0.5;

/** Compares class means of both models; see `ClassEvidence`. Reads at most 32 MB of each table. */
export async function classEvidence(
  input: AuditInput,
  sample: PairSample,
  own: Matrix,
  threads: number | null,
): Promise<ClassEvidence> {
  const { queries, gallery, vectors, protocol } = input;
  const oldForm = formFor(protocol.distance, vectors.oldQuery.dimension);
  const newForm = formFor(protocol.distance, vectors.newQuery.dimension);
  const most = Math.floor(SAMPLE_VALUES / Math.max(oldForm.columns, newForm.columns));
  const galleryRows = sampleRows(gallery.labelOf, most, protocol.seed);
  const queryRows = sampleRows(queries.labelOf, most, protocol.seed);
  const labelsOf = (items: AuditItems, rows: Int32Array) => rows.map((row) => items.labelOf[row] as number);
  const [galleryLabels, queryLabels] = [labelsOf(gallery, galleryRows), labelsOf(queries, queryRows)];
  const slots = chooseClasses(queryLabels, galleryLabels, gallery.classNames.length);
  const names = slots.labels.map((label) => gallery.classNames[label] as string);
  if (names.length < 2) return { classes: names.length, hits: null, ownMean: null, exchanged: { old: [], new: [] } };

  const oldGallery = await loadMatrix(vectors.oldGallery, oldForm, galleryRows);
  const oldSums = sumsOf(oldGallery, slots.of(galleryLabels), names.length);
  const oldQueries = sumsOf(
    await loadMatrix(vectors.oldQuery, oldForm, queryRows),
    slots.of(queryLabels),
    names.length,
  );
  const newQueries = sumsOf(
    await loadMatrix(vectors.crossQuery ?? vectors.newQuery, oldForm, queryRows),
    slots.of(queryLabels),
    names.length,
  );
  const across = async (sums: ClassSums) => exchangesBetween(sums, oldSums, names, threads);
  const [old, next] = [await across(oldQueries), await across(newQueries)];

  // Row of the gallery's sample that is the query itself, or -1.
  const { selfOf } = makePairSetup(queries, gallery, sample.rows);
  const placeOf = new Map(Array.from(galleryRows, (row, place) => [row, place] as const));
  const self = selfOf.map((row) => placeOf.get(row) ?? -1);
  const slotOf = slots.of(labelsOf(queries, sample.rows));
  const origin = meanOf(oldGallery);
  const hits = (query: Matrix, items: Matrix, sums: ClassSums, selves: Int32Array) =>
    meanHits(protocol.distance === 'cosine', query, slotOf, sums, { items, self: selves }, threads);
  const newOwn =
    vectors.newGallery === null
      ? { items: own, slots: slotOf, self: Int32Array.from(sample.rows.keys()) }
      : { items: await loadMatrix(vectors.newGallery, newForm, galleryRows), slots: slots.of(galleryLabels), self };
  const centredGallery = shifted(oldGallery, origin);
  return {
    classes: names.length,
    hits: {
      oldOld: await hits(sample.old, oldGallery, oldSums, self),
      newOld: await hits(sample.cross, oldGallery, oldSums, self),
      newNew: await hits(own, newOwn.items, sumsOf(newOwn.items, newOwn.slots, names.length), newOwn.self),
      centred: await hits(
        shifted(sample.cross, meanOf(sample.cross)),
        centredGallery,
        sumsOf(centredGallery, slots.of(galleryLabels), names.length),
        self,
      ),
      rotated: sample.rotated && (await hits(sample.rotated, oldGallery, oldSums, self)),
    },
    ownMean: { old: old.ownMean, new: next.ownMean },
    exchanged: {
      old: old.exchanges,
      new: next.exchanges.filter(({ labels }) => !old.exchanges.some((other) => other.labels.join() === labels.join())),
    },
  };
}

interface ClassSums {
  columns: number;
  /** classes x columns. */
  sums: Float64Array;
  counts: Int32Array;
}

/** The classes with enough items in both sets, those with most queries first; `of` gives their numbers, -1 for others. */
function chooseClasses(queryLabels: Int32Array, galleryLabels: Int32Array, classes: number) {
  const count = (labels: Int32Array) => {
    const counts = new Int32Array(classes);
    for (const label of labels) counts[label] = (counts[label] as number) + 1;
    return counts;
  };
  const [inQueries, inGallery] = [count(queryLabels), count(galleryLabels)];
  const labels = Array.from(inQueries.keys())
    .filter((label) => Math.min(inQueries[label] as number, inGallery[label] as number) >= FEWEST_ITEMS)
    .sort((a, b) => (inQueries[b] as number) - (inQueries[a] as number) || a - b)
    .slice(0, MOST_CLASSES);
  const slot = new Int32Array(classes).fill(-1);
  labels.forEach((label, index) => {
    slot[label] = index;
  });
  return { labels, of: (given: Int32Array) => given.map((label) => slot[label] as number) };
}

function sumsOf({ columns, values }: Matrix, slots: Int32Array, classes: number): ClassSums {
  const sums = new Float64Array(classes * columns);
  const counts = new Int32Array(classes);
  slots.forEach((slot, row) => {
    if (slot < 0) return;
    counts[slot] = (counts[slot] as number) + 1;
    for (let k = 0; k < columns; k++) {
      const at = slot * columns + k;
      sums[at] = (sums[at] as number) + (values[row * columns + k] as number);
    }
  });
  return { columns, sums, counts };
}

/** Class means about the mean of means, which takes a common offset out of the comparison. */
function centredMeans({ columns, sums, counts }: ClassSums): Float32Array {
  const classes = counts.length;
  const means = sums.map((sum, i) => sum / (counts[Math.floor(i / columns)] as number));
  const centre = new Float64Array(columns);
  means.forEach((value, i) => {
    const k = i % columns;
    centre[k] = (centre[k] as number) + value / classes;
  });
  return Float32Array.from(means, (value, i) => value - (centre[i % columns] as number));
}

/**
 * Pairs of classes that are each nearest to the other's mean, (a_q - b_q).(a_g - b_g) clearly negative. Only where
 * most classes find themselves: otherwise nothing is exchanged, all is lost.
 */
async function exchangesBetween(
  query: ClassSums,
  gallery: ClassSums,
  names: readonly string[],
  threads: number | null,
): Promise<{ ownMean: number; exchanges: Exchange[] }> {
  const classes = names.length;
  const { columns } = query;
  const [a, b] = [centredMeans(query), centredMeans(gallery)];
  const lengths = Float64Array.from({ length: classes }, (_, c) => lengthOf(b, c * columns, columns));
  const products = await productsOf(a, b, columns, threads);
  const nearest = new Int32Array(classes);
  for (let c = 0; c < classes; c++) {
    let best = Number.NEGATIVE_INFINITY;
    for (let other = 0; other < classes; other++) {
      const cosine = (products[c * classes + other] as number) / Math.max(lengths[other] as number, 1e-30);
      if (cosine <= best) continue;
      best = cosine;
      nearest[c] = other;
    }
  }
  const own = nearest.reduce((count, other, c) => count + (other === c ? 1 : 0), 0);
  const exchanges: Exchange[] = [];
  const at = (c: number, other: number) => products[c * classes + other] as number;
  for (let c = 0; c < classes; c++) {
    const other = nearest[c] as number;
    if (other <= c || nearest[other] !== c) continue;
    const apart = (values: Float32Array) => {
      let squared = 0;
      for (let k = 0; k < columns; k++) {
        squared += ((values[c * columns + k] as number) - (values[other * columns + k] as number)) ** 2;
      }
      return Math.sqrt(squared);
    };
    const product = at(c, c) + at(other, other) - at(c, other) - at(other, c);
    const cosine = product / Math.max(apart(a) * apart(b), 1e-30);
    if (cosine <= EXCHANGED) exchanges.push({ labels: [names[c] as string, names[other] as string], cosine });
  }
  return { ownMean: own / classes, exchanges: own >= classes / 2 ? exchanges : [] };
}

/** Share of queries (slot >= 0) whose own class mean is the nearest, the query's own part taken out of it. */
async function meanHits(
  normalise: boolean,
  query: Matrix,
  slotOf: Int32Array,
  { columns, sums, counts }: ClassSums,
  without: { items: Matrix; self: Int32Array },
  threads: number | null,
): Promise<number> {
  const classes = counts.length;
  const mean = (slot: number, self: number): Float64Array => {
    const n = (counts[slot] as number) - (self < 0 ? 0 : 1);
    const vector = sums.slice(slot * columns, (slot + 1) * columns);
    for (let k = 0; k < columns; k++) {
      const taken = self < 0 ? 0 : (without.items.values[self * columns + k] as number);
      vector[k] = ((vector[k] as number) - taken) / Math.max(n, 1);
    }
    return vector;
  };
  // Nearest mean: the largest q.m - |m|²/2, for cosine the largest q.m of unit means.
  const scored = (vector: Float64Array): { vector: Float64Array; bias: number } => {
    const squared = vector.reduce((total, value) => total + value * value, 0);
    if (!normalise) return { vector, bias: -squared / 2 };
    const scale = squared > 0 ? 1 / Math.sqrt(squared) : 0;
    return { vector: vector.map((value) => value * scale), bias: 0 };
  };
  const means = new Float32Array(classes * columns);
  const biases = new Float64Array(classes);
  for (let slot = 0; slot < classes; slot++) {
    const { vector, bias } = scored(mean(slot, -1));
    means.set(vector, slot * columns);
    biases[slot] = bias;
  }
  const products = await productsOf(query.values, means, columns, threads);
  let [seen, right] = [0, 0];
  for (let row = 0; row < query.rows; row++) {
    const slot = slotOf[row] as number;
    if (slot < 0) continue;
    const own = scored(mean(slot, without.self[row] as number));
    let score = own.bias;
    for (let k = 0; k < columns; k++) score += (query.values[row * columns + k] as number) * (own.vector[k] as number);
    let best = true;
    for (let other = 0; best && other < classes; other++) {
      if (other !== slot) best = (products[row * classes + other] as number) + (biases[other] as number) < score;
    }
    seen++;
    if (best) right++;
  }
  return seen === 0 ? 0 : right / seen;
}

/** a b' of two row-major matrices. */
async function productsOf(
  a: Float32Array,
  b: Float32Array,
  columns: number,
  threads: number | null,
): Promise<Float32Array> {
  const graph = new GraphBuilder('class means');
  const inputs = ['a', 'b'].map((name) => graph.input(name, 'float32', [`${name} rows`, columns]));
  graph.output('products', graph.node('Gemm', inputs, { transB: 1 }), 'float32', ['a rows', 'b rows']);
  const session = await createSession(graph.build(), { threads });
  try {
    const tensor = (data: Float32Array) => ({ shape: [data.length / columns, columns], data });
    // One buffer must not be fed twice.
    const { products } = await session.run({ a: tensor(a), b: tensor(a === b ? b.slice() : b) });
    return products?.data as Float32Array;
  } finally {
    await session.release();
  }
}

function shifted({ rows, columns, values }: Matrix, by: Float64Array): Matrix {
  return { rows, columns, values: values.map((value, i) => value - (by[i % columns] as number)) };
}

function lengthOf(values: Float32Array, start: number, columns: number): number {
  let squared = 0;
  for (let k = start; k < start + columns; k++) squared += (values[k] as number) ** 2;
  return Math.sqrt(squared);
}
