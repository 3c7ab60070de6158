import type { DimensionRule } from '../contract/report.ts';
import type { Progress } from '../contract/runs.ts';
import { createRandom } from '../numeric/random.ts';
import type { AuditInput } from './auditInput.ts';
import { type InequalityFigures, measureInequalities } from './inequalities.ts';
import { makePairSetup } from './pairSetup.ts';
import { sampleRows } from './sampling.ts';
import { BlockReader, formFor, loadMatrix, type Matrix } from './vectors.ts';

// Interim: without Procrustes. Replaced by the full room.
export interface References {
  rows: Int32Array;
  pair: InequalityFigures;
  jitteredOld: InequalityFigures;
  permutedNew: InequalityFigures;
  procrustes: InequalityFigures | null;
}

export async function measureReferences(
  request: { input: AuditInput; rows: Int32Array; rule: DimensionRule; tolerances: number[]; threads: number | null },
  hooks: { progress: Progress; signal?: AbortSignal },
): Promise<References> {
  const { input, tolerances, threads } = request;
  const { protocol, vectors } = input;
  const picked = sampleRows(
    Int32Array.from(request.rows, (row) => input.queries.labelOf[row] as number),
    Math.min(protocol.referenceQueries, request.rows.length),
    protocol.seed,
  );
  const rows = picked.map((index) => request.rows[index] as number);
  const form = formFor(protocol.distance, vectors.oldQuery.dimension);
  const oldQuery = await loadMatrix(vectors.oldQuery, form, rows);
  const newQuery = await loadMatrix(vectors.newQuery, form, rows);
  const setup = makePairSetup(input.queries, input.gallery, rows);
  const measure = (query: Matrix) =>
    measureInequalities(
      {
        distance: protocol.distance,
        oldQuery,
        newQuery: query,
        gallery: new BlockReader(vectors.oldGallery, form, Math.floor(2_097_152 / form.columns)),
        setup,
        epsilons: protocol.epsilons,
        worstPairs: 0,
        classPairs: false,
        tolerances,
        threads,
      },
      hooks,
    );
  const random = createRandom(protocol.seed, 'jitter');
  const jittered = oldQuery.values.slice();
  for (let i = 0; i < jittered.length; i++) jittered[i] = (jittered[i] as number) + (0.01 * random.normal()) / Math.sqrt(form.columns);
  const order = Int32Array.from({ length: rows.length }, (_, i) => (i + 1) % rows.length);
  return {
    rows,
    pair: await measure(newQuery),
    jitteredOld: await measure({ ...oldQuery, values: jittered }),
    permutedNew: await measure(await loadMatrix(vectors.newQuery, form, order.map((i) => rows[i] as number))),
    procrustes: null,
  };
}
