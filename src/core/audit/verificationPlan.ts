import { tabulatedFars } from '../contract/protocol.ts';
import type { CellName, Distance } from '../contract/report.ts';
import type { Progress } from '../contract/runs.ts';
import type { VectorSource } from '../data/vectorSource.ts';
import { createRandom, type Random } from '../numeric/random.ts';
import type { PairSetup } from './pairSetup.ts';
import { measureRetrieval, type RetrievalFigures, type RetrievalInput } from './retrieval.ts';
import { type CellSample, thresholdWindows } from './thresholdWindows.ts';
import { loadMatrix, type Matrix, type VectorForm } from './vectors.ts';
import { countPairs, MOST_WAITING } from './verificationPass.ts';

/** Different-class pairs that a rate must allow to be accepted. */
const FEWEST_ACCEPTED = 10;
/** Rows of each side that show where a cell's distances lie. */
const SAMPLE_ROWS = 1500;

/** Rates whose thresholds are worth tabulating, descending (metrics.md section 3). */
export function measurableFars(operatingFar: number, negativePairs: number): number[] {
  const asked = tabulatedFars.some((far) => Math.abs(far - operatingFar) <= 1e-9 * far) ? [] : [operatingFar];
  // A hair of room: 0.1 x 100 must not fall below 10.
  return [...tabulatedFars, ...asked]
    .filter((far) => far * negativePairs >= FEWEST_ACCEPTED * (1 - 1e-12))
    .sort((a, b) => b - a);
}

/** What one cell compares. */
export interface PlannedCell {
  name: CellName;
  query: Matrix;
  gallery: VectorSource;
  form: VectorForm;
}

export interface VerificationPlan {
  /** Descending; at least one. */
  far: number[];
  samples: Map<CellName, CellSample>;
  pairs: { positive: number; negative: number };
}

/** @returns null where no rate has enough different-class pairs */
export async function planVerification(
  cells: readonly PlannedCell[],
  setup: PairSetup,
  { operatingFar, seed }: { operatingFar: number; seed: number },
): Promise<VerificationPlan | null> {
  const pairs = countPairs(setup);
  const far = measurableFars(operatingFar, pairs.negative);
  if (far.length === 0) return null;
  const random = createRandom(seed, 'verification sample');
  const queryRows = pickRows(setup.queries, random);
  const galleryRows = pickRows(setup.gallery, random);
  const samples = new Map<CellName, CellSample>();
  for (const { name, query, gallery, form } of cells) {
    samples.set(name, {
      query: pickFrom(query, queryRows),
      queryLabel: queryRows.map((row) => setup.queryLabel[row] as number),
      gallery: await loadMatrix(gallery, form, galleryRows),
      galleryLabel: galleryRows.map((row) => setup.galleryLabel[row] as number),
    });
  }
  return { far, samples, pairs };
}

/**
 * Retrieval with the counts that thresholds are made from. One pass as a rule; another where the thresholds lie
 * beyond what a sample had shown, and one over oldOld before where too many same-class pairs would wait for its thresholds.
 * @param oldThresholds those of oldOld where it was measured before
 */
export async function measureWithThresholds(
  input: RetrievalInput & { distance: Distance },
  plan: VerificationPlan | null,
  oldThresholds: readonly (number | null)[] | null,
  hooks: { progress: Progress; signal?: AbortSignal },
): Promise<RetrievalFigures> {
  if (plan === null) return measureRetrieval(input, hooks);
  const { far, pairs, samples } = plan;
  let known = oldThresholds;
  if (known === null && input.cells.length > 1 && pairs.positive > MOST_WAITING) {
    const { triplets: _, histogramEdges: __, ...bare } = input;
    const oldOld = input.cells.filter(({ name }) => name === 'oldOld');
    const { verification } = await measureWithThresholds({ ...bare, cells: oldOld }, plan, null, hooks);
    known = verification?.oldThresholds ?? null;
  }
  const measure = async (open: boolean) => {
    const asked = new Map([...samples].filter(([name]) => input.cells.some((cell) => cell.name === name)));
    const windows = await thresholdWindows(
      input.distance,
      asked,
      { far, pairs: pairs.positive + pairs.negative, open, oldThresholds: known, threads: input.threads },
      hooks,
    );
    return measureRetrieval({ ...input, verification: { far, windows, oldThresholds: known } }, hooks);
  };
  const figures = await measure(false);
  return figures.verification?.missed ? measure(true) : figures;
}

function pickRows(count: number, random: Random): Int32Array {
  if (count <= SAMPLE_ROWS) return Int32Array.from({ length: count }, (_, row) => row);
  return Int32Array.from({ length: SAMPLE_ROWS }, () => random.integer(count)).sort();
}

function pickFrom({ columns, values }: Matrix, rows: Int32Array): Matrix {
  const picked = new Float32Array(rows.length * columns);
  rows.forEach((row, i) => {
    picked.set(values.subarray(row * columns, (row + 1) * columns), i * columns);
  });
  return { rows: rows.length, columns, values: picked };
}
