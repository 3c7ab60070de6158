import type { Agreement, Estimate } from '../contract/report.ts';
import { quantileOfSorted } from '../numeric/quantile.ts';
import type { AuditInput } from './auditInput.ts';
import type { BootstrapPlan } from './bootstrap.ts';
import { distanceBetween } from './distance.ts';
import type { MeasureHooks } from './measurePair.ts';
import { NEAREST_BLOCK_ROWS, type Neighbours, nearestNeighbours } from './nearest.ts';
import { type PairSample, pickRows } from './pairSample.ts';
import { makePairSetup } from './pairSetup.ts';
import { sampleRows } from './sampling.ts';
import { QueryStatistics, type Statistic } from './statistics.ts';
import { BlockReader, formFor, loadMatrix, type Matrix, type VectorForm } from './vectors.ts';

/** Queries whose neighbours are looked up: their mean share is then known to about .02. */
const NEIGHBOUR_QUERIES = 500;
const NEIGHBOURS = [1, 10, 100];
/** Gallery values read at once: 50 MB. */
const BLOCK_VALUES = 12_800_000;

export interface AgreementFigures {
  agreement: Agreement;
  /** What `nearestOld` is about: rows of `queries`, ascending. */
  rows: Int32Array;
  /** The old model's neighbours in the old gallery, at least one each where there is any, self pairs dropped. */
  nearestOld: Neighbours;
}

/**
 * How far the new model's neighbours and vectors agree with the old one's; needs no labels.
 * Cost: the products of 500 queries with each gallery; one more read of each.
 * @param plan how intervals are resampled
 * @throws BackcompatError `cancelled`, and what the sources throw
 */
export async function measureAgreement(
  input: AuditInput,
  sample: PairSample,
  plan: Omit<BootstrapPlan, 'queries' | 'classOf'>,
  hooks: MeasureHooks,
): Promise<AgreementFigures> {
  const { queries, gallery, vectors, protocol } = input;
  const labels = sample.rows.map((row) => queries.labelOf[row] as number);
  const chosen = sampleRows(labels, NEIGHBOUR_QUERIES, protocol.seed);
  const rows = chosen.map((index) => sample.rows[index] as number);
  const { selfOf } = makePairSetup(queries, gallery, rows);
  const count = rows.length;
  const ks = NEIGHBOURS.filter((k) => k < gallery.count - 1);
  const k = Math.max(1, ...ks);
  const find = (query: Matrix, source: AuditInput['vectors']['oldGallery'], form: VectorForm, exclude: Int32Array) =>
    nearestNeighbours(
      { query, gallery: readerOf(source, form), k, distance: protocol.distance, threads: plan.threads, exclude },
      hooks,
    );

  // Both kinds of query in one pass: the gallery is read once.
  const both = stack(pickRows(sample.old, chosen), pickRows(sample.cross, chosen));
  const onOld = await find(both, vectors.oldGallery, formFor(protocol.distance, both.columns), twice(selfOf));
  const [oldOld, newOld] = [partOf(onOld, 0, count), partOf(onOld, count, count)];
  let newNew: Neighbours | null = null;
  if (vectors.newGallery !== null) {
    const form = formFor(protocol.distance, vectors.newQuery.dimension);
    newNew = await find(await loadMatrix(vectors.newQuery, form, rows), vectors.newGallery, form, selfOf);
  }

  const statistics = new QueryStatistics({
    ...plan,
    queries: count,
    classOf: rows.map((row) => queries.labelOf[row] as number),
  });
  const everyQuery = new Float64Array(count).fill(1);
  const registered = ks.map((size) => ({
    k: size,
    newOld: statistics.mean(overlap(oldOld, newOld, size), everyQuery),
    newNew: newNew && statistics.mean(overlap(oldOld, newNew, size), everyQuery),
  }));
  await statistics.resample(hooks);
  const estimate = (statistic: Statistic | null): Estimate | null => {
    const value = statistic === null ? null : statistics.value(statistic);
    return value === null ? null : { value, interval: statistics.interval(statistic as Statistic) };
  };
  return {
    agreement: {
      queries: count,
      neighbourOverlap: registered.map(({ k: size, newOld: onOldGallery, newNew: onNewGallery }) => ({
        k: size,
        newOld: estimate(onOldGallery),
        newNew: estimate(onNewGallery),
      })),
      displacement: displacementOf(input, sample),
      procrustesResidual: sample.rotated && residualOf(sample.rotated, sample.old),
    },
    rows,
    nearestOld: oldOld,
  };
}

/** Share of the `k` nearest that two lists have in common, per query. */
export function overlap(a: Neighbours, b: Neighbours, k: number): Float64Array {
  return Float64Array.from({ length: a.rows.length / a.k }, (_, query) => {
    const found = new Set(a.rows.subarray(query * a.k, query * a.k + k));
    let shared = 0;
    for (const row of b.rows.subarray(query * b.k, query * b.k + k)) if (found.has(row)) shared++;
    return shared / k;
  });
}

function displacementOf({ protocol }: AuditInput, { old, cross }: PairSample): Agreement['displacement'] {
  const moved = Float64Array.from({ length: old.rows }, (_, row) =>
    distanceBetween(protocol.distance, cross, row, old, row),
  ).sort();
  return {
    mean: moved.reduce((total, value) => total + value, 0) / moved.length,
    median: quantileOfSorted(moved, 0.5),
    p95: quantileOfSorted(moved, 0.95),
  };
}

/** ‖a - b‖² / ‖b‖² over all rows. */
function residualOf(a: Matrix, b: Matrix): number | null {
  let apart = 0;
  let whole = 0;
  for (let i = 0; i < b.values.length; i++) {
    const value = b.values[i] as number;
    apart += ((a.values[i] as number) - value) ** 2;
    whole += value * value;
  }
  return whole === 0 ? null : apart / whole;
}

function readerOf(source: AuditInput['vectors']['oldGallery'], form: VectorForm): BlockReader {
  return new BlockReader(source, form, Math.min(NEAREST_BLOCK_ROWS, Math.floor(BLOCK_VALUES / form.columns)));
}

function stack(a: Matrix, b: Matrix): Matrix {
  const values = new Float32Array(a.values.length + b.values.length);
  values.set(a.values);
  values.set(b.values, a.values.length);
  return { rows: a.rows + b.rows, columns: a.columns, values };
}

function twice(values: Int32Array): Int32Array {
  const doubled = new Int32Array(2 * values.length);
  doubled.set(values);
  doubled.set(values, values.length);
  return doubled;
}

function partOf({ k, rows, distances }: Neighbours, from: number, count: number): Neighbours {
  const [start, end] = [from * k, (from + count) * k];
  return { k, rows: rows.subarray(start, end), distances: distances.subarray(start, end) };
}
