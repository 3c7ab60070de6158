import type { Distance } from '../contract/report.ts';
import { createRandom } from '../numeric/random.ts';
import type { AuditInput } from './auditInput.ts';
import { type CrossFit, crossFit } from './crossFit.ts';
import { type InequalityFigures, type InequalityHooks, measureInequalities } from './inequalities.ts';
import { makePairSetup } from './pairSetup.ts';
import { sampleRows } from './sampling.ts';
import { BlockReader, formFor, heldSource, loadMatrix, type Matrix } from './vectors.ts';

export interface ReferenceRequest {
  input: AuditInput;
  /** Audited query rows, ascending. */
  rows: Int32Array;
  /** Ascending; for the tolerance curves. */
  tolerances?: readonly number[];
  threads: number | null;
}

/** The pair and its three references (metrics.md section 1), all on the same sample of queries. */
export interface ReferenceFigures {
  /** The sample: query rows, ascending. */
  rows: Int32Array;
  pair: InequalityFigures;
  /** Floor: what noise of 1 % of the old model's length does. */
  jitteredOld: InequalityFigures;
  /** Chance: new vectors that belong to other queries. A model can do worse. */
  permutedNew: InequalityFigures;
  /** What a rotation alone would mend; null where it cannot be fitted. */
  procrustes: InequalityFigures | null;
  /** The rotated new vectors of the sample, in the order of `rows`; null with `procrustes`. */
  procrustesQuery: Matrix | null;
  /** What turned them; null with `procrustes`. */
  rotation: CrossFit | null;
}

/** Gallery vectors read at once. */
const BLOCK_VALUES = 2_097_152;
const JITTER = 0.01;

/**
 * Measures the references on a seeded, stratified sample of the audited queries against the whole
 * old gallery. Reads the gallery once for each, or once where it is small.
 * @throws BackcompatError `cancelled`, and what the sources throw
 */
export async function measureReferences(request: ReferenceRequest, hooks: InequalityHooks): Promise<ReferenceFigures> {
  const { input, tolerances, threads } = request;
  const { queries, gallery, vectors, protocol } = input;
  const { distance, seed } = protocol;
  const labels = request.rows.map((row) => queries.labelOf[row] as number);
  const rows = sampleRows(labels, protocol.referenceQueries, seed).map((index) => request.rows[index] as number);
  const form = formFor(distance, vectors.oldGallery.dimension);
  const oldQuery = await loadMatrix(vectors.oldQuery, form, rows);
  const newQuery = await loadMatrix(vectors.crossQuery ?? vectors.newQuery, form, rows);
  const setup = makePairSetup(queries, gallery, rows);
  const held = await heldSource(vectors.oldGallery, form);
  const measure = (query: Matrix): Promise<InequalityFigures> =>
    measureInequalities(
      {
        distance,
        oldQuery,
        newQuery: query,
        gallery: new BlockReader(held.source, held.form, Math.ceil(BLOCK_VALUES / form.columns)),
        setup,
        epsilons: protocol.epsilons,
        worstPairs: 0,
        classPairs: false,
        threads,
        ...(tolerances ? { tolerances } : {}),
      },
      hooks,
    );
  const rotation = await fitRotations(input, threads, hooks);
  const procrustesQuery = rotation && (await rotation.queriesAt(rows));
  return {
    rows,
    pair: await measure(newQuery),
    jitteredOld: await measure(jitteredOld(oldQuery, distance, seed)),
    permutedNew: await measure(permutedNew(newQuery, seed)),
    procrustes: procrustesQuery && (await measure(procrustesQuery)),
    procrustesQuery,
    rotation,
  };
}

/**
 * Old vectors with a little noise: row + 0.01 ‖row‖ N(0, I) / sqrt(columns); brought back to unit length for cosine.
 * @param oldQuery prepared (normalised for cosine)
 */
export function jitteredOld(oldQuery: Matrix, distance: Distance, seed: number): Matrix {
  const { rows, columns } = oldQuery;
  const random = createRandom(seed, 'jitter');
  const values = new Float32Array(oldQuery.values.length);
  const jittered = new Float64Array(columns);
  for (let start = 0; start < rows * columns; start += columns) {
    const row = oldQuery.values.subarray(start, start + columns);
    const spread = (JITTER * lengthOf(row)) / Math.sqrt(columns);
    for (let k = 0; k < columns; k++) jittered[k] = (row[k] as number) + spread * random.normal();
    const scale = distance === 'cosine' ? 1 / lengthOf(jittered) : 1;
    for (let k = 0; k < columns; k++) values[start + k] = (jittered[k] as number) * scale;
  }
  return { rows, columns, values };
}

/** The rows under a seeded permutation without fixed points; a single row stays where it is. */
export function permutedNew(newQuery: Matrix, seed: number): Matrix {
  const { rows, columns } = newQuery;
  const values = new Float32Array(newQuery.values.length);
  derangement(rows, seed).forEach((from, to) => {
    values.set(newQuery.values.subarray(from * columns, (from + 1) * columns), to * columns);
  });
  return { rows, columns, values };
}

/** A seeded permutation of 0 ... count - 1 in one cycle, hence without fixed points (Sattolo 1986). */
export function derangement(count: number, seed: number): Int32Array {
  const random = createRandom(seed, 'permutation');
  const order = Int32Array.from({ length: count }, (_, index) => index);
  for (let i = count - 1; i > 0; i--) {
    const j = random.integer(i);
    const held = order[i] as number;
    order[i] = order[j] as number;
    order[j] = held;
  }
  return order;
}

/**
 * New vectors rotated onto the old ones, each by a rotation that did not see it (`crossFit`).
 * @returns null where dimensions differ or a half has fewer items than components
 */
export async function fitRotations(
  input: AuditInput,
  threads: number | null,
  hooks: InequalityHooks,
): Promise<CrossFit | null> {
  if (input.vectors.newQuery.dimension !== input.vectors.oldQuery.dimension) return null;
  return crossFit(input, 'procrustes', threads, hooks);
}

/**
 * The new vectors of some queries, rotated.
 * @param rows query rows, ascending
 * @returns one row an entry of `rows`; null as `fitRotations`
 */
export async function procrustesNew(
  input: AuditInput,
  rows: Int32Array,
  threads: number | null,
  hooks: InequalityHooks,
): Promise<Matrix | null> {
  const fitted = await fitRotations(input, threads, hooks);
  return fitted === null ? null : fitted.queriesAt(rows);
}

function lengthOf(vector: Float32Array | Float64Array): number {
  let squared = 0;
  for (const value of vector) squared += value * value;
  return Math.sqrt(squared);
}
