import { joinClasses } from '../../src/core/audit/auditInput.ts';
import { makePairSetup, type PairSetup } from '../../src/core/audit/pairSetup.ts';
import { measureRetrieval, type RetrievalFigures, type RetrievalInput } from '../../src/core/audit/retrieval.ts';
import { BlockReader, formFor, loadMatrix, type Matrix } from '../../src/core/audit/vectors.ts';
import type { CellName, Distance } from '../../src/core/contract/report.ts';
import type { Progress } from '../../src/core/contract/runs.ts';
import type { ItemSet } from '../../src/core/data/itemSet.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

export const silent: Progress = {
  phase() {},
  update() {},
  log() {},
  async breathe() {},
};

export interface Side {
  ids: string[];
  labels: string[];
  vectors: Float32Array;
}

export function setupOf(queries: Side, gallery: Side): PairSetup {
  const items = (side: Side, name: string): ItemSet => {
    const classNames = [...new Set(side.labels)];
    return {
      name,
      count: side.ids.length,
      ids: side.ids,
      labelOf: Int32Array.from(side.labels, (label) => classNames.indexOf(label)),
      classNames,
      slices: new Map(),
      images: null,
    };
  };
  const joined = joinClasses(items(queries, 'queries'), items(gallery, 'gallery'));
  return makePairSetup(joined.queries, joined.gallery);
}

export interface CaseOptions {
  blockRows?: number;
  threads?: number;
  scoreBytes?: number;
  edges?: number[];
  triplets?: { count: number; seed: number };
}

/** The product's figures of the cells of one gallery; `newQuery` adds newOld. */
export async function measureCase(
  distance: Distance,
  queries: Side,
  gallery: Side,
  columns: number,
  options: CaseOptions = {},
  newQuery?: Float32Array,
): Promise<RetrievalFigures> {
  const form = formFor(distance, columns);
  const load = (values: Float32Array) => loadMatrix(vectorsInMemory('queries', values, columns), form);
  const cells: { name: CellName; query: Matrix }[] = [{ name: 'oldOld', query: await load(queries.vectors) }];
  if (newQuery) cells.push({ name: 'newOld', query: await load(newQuery) });
  const input: RetrievalInput = {
    distance,
    cells,
    gallery: new BlockReader(vectorsInMemory('gallery', gallery.vectors, columns), form, options.blockRows ?? 1000),
    setup: setupOf(queries, gallery),
    threads: options.threads ?? null,
    ...(options.edges ? { histogramEdges: options.edges } : {}),
    ...(options.triplets ? { triplets: options.triplets } : {}),
    ...(options.scoreBytes ? { scoreBytes: options.scoreBytes } : {}),
  };
  return measureRetrieval(input, { progress: silent });
}

export interface NaiveQuery {
  firstMatchRank: number;
  nearest: number;
  averagePrecision: number;
  mapAtR: number;
  rPrecision: number;
  /** Smallest difference of distance between a match and a neighbour in rank that is none, exact ties aside. */
  gap: number;
}

/** Distances in double straight from the definition. */
export function naiveDistance(distance: Distance, a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, k) => sum + value * (y[k] as number), 0);
  if (distance === 'dot') return -dot(a, b);
  if (distance === 'cosine') return 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  return Math.sqrt(a.reduce((sum, value, k) => sum + (value - (b[k] as number)) ** 2, 0));
}

export function row(vectors: Float32Array, columns: number, i: number): Float32Array {
  return vectors.subarray(i * columns, (i + 1) * columns);
}

/** Retrieval by a full sort in double, written without a look at the product's way. */
export function naiveRetrieval(distance: Distance, queries: Side, gallery: Side, columns: number): NaiveQuery[] {
  return queries.ids.map((id, q) => {
    const list = gallery.ids
      .map((other, j) => ({
        j,
        self: other === id,
        match: gallery.labels[j] === queries.labels[q],
        d: naiveDistance(distance, row(queries.vectors, columns, q), row(gallery.vectors, columns, j)),
      }))
      .filter((item) => !item.self)
      .sort((a, b) => a.d - b.d || a.j - b.j);
    let gap = Number.POSITIVE_INFINITY;
    list.forEach((item, i) => {
      const before = list[i - 1];
      if (before && before.match !== item.match && item.d !== before.d) gap = Math.min(gap, item.d - before.d);
    });
    const total = list.filter((item) => item.match).length;
    if (total === 0) {
      const none = Number.NaN;
      return { firstMatchRank: 0, nearest: -1, averagePrecision: none, mapAtR: none, rPrecision: none, gap };
    }
    const precisionAt = (i: number) => list.slice(0, i + 1).filter((item) => item.match).length / (i + 1);
    let averagePrecision = 0;
    let mapAtR = 0;
    list.forEach((item, i) => {
      if (!item.match) return;
      averagePrecision += precisionAt(i) / total;
      if (i < total) mapAtR += precisionAt(i) / total;
    });
    return {
      firstMatchRank: 1 + list.findIndex((item) => item.match),
      nearest: (list[0] as { j: number }).j,
      averagePrecision,
      mapAtR,
      rPrecision: list.slice(0, total).filter((item) => item.match).length / total,
      gap,
    };
  });
}

export interface RandomCase {
  queries: Side;
  gallery: Side;
  newQuery: Float32Array;
}

/** Classes as clouds around random centres, away from the origin by `offset`. */
export function randomCase(
  seed: number,
  shape: { queries: number; gallery: number; classes: number; columns: number; offset?: number },
): RandomCase {
  const random = createRandom(seed, 'retrieval test');
  const { columns, classes, offset = 0 } = shape;
  const centres = Array.from({ length: classes }, () => Array.from({ length: columns }, () => random.normal()));
  const side = (count: number, prefix: string): Side => {
    const of = Array.from({ length: count }, () => random.integer(classes));
    return {
      ids: of.map((_, i) => `${prefix}${i}`),
      labels: of.map((label) => `class${label}`),
      vectors: Float32Array.from(
        of.flatMap((label) => (centres[label] as number[]).map((value) => offset + value + 2 * random.normal())),
      ),
    };
  };
  const queries = side(shape.queries, 'q');
  const gallery = side(shape.gallery, 'g');
  return { queries, gallery, newQuery: queries.vectors.map((value) => value + random.normal()) };
}
