import type { AgreementFigures } from '../agreement.ts';
import type { AuditInput } from '../auditInput.ts';
import type { MeasureHooks } from '../measurePair.ts';
import { nearestNeighbours } from '../nearest.ts';
import { makePairSetup } from '../pairSetup.ts';
import { BlockReader, formFor, loadMatrix, type Matrix } from '../vectors.ts';

export interface DuplicateEvidence {
  /** Queries looked at, and those with a gallery item of another id that has the same old vector. */
  queries: number;
  duplicated: number;
  /** Some of the pairs, by id. */
  examples: { query: string; gallery: string }[];
}

/**
 * ‖q - g‖² / (‖q‖² + ‖g‖²) up to which two vectors are one; for unit vectors that is 1 - cosine. Above what
 * batch sizes and half precision change (1e-7), below what a re-encoded picture does (1e-3).
 */
export const SAME_VECTOR = 2e-6;
const EXAMPLES = 5;
const BLOCK_VALUES = 4_194_304;

/** Queries whose nearest gallery item, themselves left out, has the same vector under another id. */
export async function duplicateEvidence(
  input: AuditInput,
  { rows, nearestOld }: Pick<AgreementFigures, 'rows' | 'nearestOld'>,
  threads: number | null,
  hooks: MeasureHooks,
): Promise<DuplicateEvidence> {
  const { queries, gallery, vectors, protocol } = input;
  const form = formFor(protocol.distance, vectors.oldQuery.dimension);
  const own = await loadMatrix(vectors.oldQuery, form, rows);
  let found = nearestOld;
  if (protocol.distance === 'dot') {
    // The largest inner product is not the closest vector.
    const reader = new BlockReader(vectors.oldGallery, form, Math.floor(BLOCK_VALUES / form.columns));
    const exclude = makePairSetup(queries, gallery, rows).selfOf;
    found = await nearestNeighbours(
      { query: own, gallery: reader, k: 1, distance: 'euclidean', threads, exclude },
      hooks,
    );
  }
  const nearest = rows.map((_, query) => found.rows[query * found.k] as number);
  const known = Int32Array.from(rows.keys()).filter((query) => (nearest[query] as number) >= 0);
  const examples: DuplicateEvidence['examples'] = [];
  // Ascending rows are read in runs.
  const order = known.slice().sort((a, b) => (nearest[a] as number) - (nearest[b] as number));
  const others = await loadMatrix(
    vectors.oldGallery,
    form,
    order.map((query) => nearest[query] as number),
  );
  let duplicated = 0;
  order.forEach((query, position) => {
    if (relativeSquare(own, query, others, position) > SAME_VECTOR) return;
    duplicated++;
    if (examples.length < EXAMPLES) {
      const item = queries.ids[rows[query] as number] as string;
      examples.push({ query: item, gallery: gallery.ids[nearest[query] as number] as string });
    }
  });
  return { queries: rows.length, duplicated, examples };
}

function relativeSquare(a: Matrix, i: number, b: Matrix, j: number): number {
  const { columns } = a;
  let [apart, whole] = [0, 0];
  for (let k = 0; k < columns; k++) {
    const x = a.values[i * columns + k] as number;
    const y = b.values[j * columns + k] as number;
    apart += (x - y) ** 2;
    whole += x * x + y * y;
  }
  return whole === 0 ? 0 : apart / whole;
}
