import type { AuditItems } from '../audit/auditInput.ts';
import { hitsAt } from '../audit/cells.ts';
import type { MeasureHooks } from '../audit/measurePair.ts';
import { makePairSetup } from '../audit/pairSetup.ts';
import { measureRetrieval, type PerQuery } from '../audit/retrieval.ts';
import { formFor, loadMatrix, searchReader } from '../audit/vectors.ts';
import { SESSION_KS, type SessionFigures } from '../contract/sessions.ts';
import { vectorsInMemory } from '../data/vectorSource.ts';
import type { GallerySession } from './classCentres.ts';
import { measureSaturation } from './saturation.ts';

/** Held-out items, embedded by the present model. Labels are those of the galleries. */
export interface SessionQueries {
  labelOf: Int32Array;
  /** labelOf.length x dimension, L2-normalised. */
  vectors: Float32Array;
  dimension: number;
}

/**
 * Figures of the model after the last of `sessions` (continual.md, "Evaluation"): its queries search what is stored, every gallery
 * embedded by its own session's model, by cosine. A gallery of fewer components than the queries is compared on its own ones,
 * the queries cut to them and normalised again. Queries of classes that no gallery holds are left out.
 * @param sessions stored galleries, oldest first, at least one; none longer than the queries
 * @param classes labels are 0 ... classes - 1
 * @throws BackcompatError `cancelled`
 */
export async function evaluateSession(
  queries: SessionQueries,
  sessions: readonly GallerySession[],
  classes: number,
  threads: number | null,
  hooks: MeasureHooks,
): Promise<SessionFigures> {
  const seen = sessions.map(({ labelOf }) => new Set(labelOf));
  const before = new Set(seen.slice(0, -1).flatMap((labels) => [...labels]));
  const held = queriesOf(queries, (label) => seen.some((labels) => labels.has(label)));
  const mixed = await search(held, sessions, classes, threads, hooks);
  const isNew = held.labelOf.map((label) => (before.has(label) ? 0 : 1));
  const alone: (number | null)[] = [];
  for (const [k, session] of sessions.entries()) {
    const own = queriesOf(queries, (label) => (seen[k] as Set<number>).has(label));
    const found = sessions.length === 1 ? mixed : await search(own, [session], classes, threads, hooks);
    alone.push(found && meanOf(hitsAt(found, 1)));
  }
  const hits = mixed && hitsAt(mixed, 1);
  return {
    queries: held.labelOf.length,
    gallery: sessions.reduce((sum, { labelOf }) => sum + labelOf.length, 0),
    recall: Object.fromEntries(SESSION_KS.map((k) => [k, mixed && meanOf(hitsAt(mixed, k))])),
    map: mixed && meanOf(mixed.averagePrecision),
    alone,
    newClasses: {
      queries: isNew.reduce((sum, value) => sum + value, 0),
      recall: hits && meanOf(hits.filter((_, query) => isNew[query] === 1)),
    },
    saturation: measureSaturation(held.vectors, held.dimension, held.labelOf),
  };
}

function queriesOf({ labelOf, vectors, dimension }: SessionQueries, isIn: (label: number) => boolean): SessionQueries {
  const rows = [...labelOf.keys()].filter((row) => isIn(labelOf[row] as number));
  const chosen = new Float32Array(rows.length * dimension);
  rows.forEach((row, place) => {
    chosen.set(vectors.subarray(row * dimension, (row + 1) * dimension), place * dimension);
  });
  return { labelOf: Int32Array.from(rows, (row) => labelOf[row] as number), vectors: chosen, dimension };
}

function meanOf(values: Float64Array): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** @returns null without queries */
async function search(
  queries: SessionQueries,
  sessions: readonly GallerySession[],
  classes: number,
  threads: number | null,
  hooks: MeasureHooks,
): Promise<PerQuery | null> {
  const count = queries.labelOf.length;
  if (count === 0) return null;
  const lengths = [...new Set(sessions.map(({ dimension }) => dimension))];
  const starts = new Map(lengths.map((_, k) => [lengths[k] as number, sum(lengths.slice(0, k))]));
  const columns = sum(lengths);
  const total = sum(sessions.map(({ labelOf }) => labelOf.length));
  // A block of components for each length of galleries: a query holds itself cut to each and normalised, an item its own block
  // alone. All queries are then of one length, and products are the cosines.
  const query = new Float32Array(count * columns);
  for (let row = 0; row < count; row++) {
    const vector = queries.vectors.subarray(row * queries.dimension, (row + 1) * queries.dimension);
    for (const [length, start] of starts) {
      const part = vector.subarray(0, length);
      const norm = Math.hypot(...part) || 1;
      for (let k = 0; k < length; k++) query[row * columns + start + k] = (part[k] as number) / norm;
    }
  }
  const gallery = new Float32Array(total * columns);
  const labelOf = new Int32Array(total);
  let at = 0;
  for (const session of sessions) {
    const { dimension, vectors } = session;
    labelOf.set(session.labelOf, at);
    for (let row = 0; row < session.labelOf.length; row++, at++) {
      const own = vectors.subarray(row * dimension, (row + 1) * dimension);
      gallery.set(own, at * columns + (starts.get(dimension) as number));
    }
  }
  const classNames = Array.from({ length: classes }, (_, label) => String(label));
  const itemsOf = (name: string, labels: Int32Array): AuditItems => ({
    name,
    count: labels.length,
    ids: Array.from(labels, (_, row) => `${name}/${row}`),
    labelOf: labels,
    classNames,
  });
  const setup = makePairSetup(itemsOf('query', queries.labelOf), itemsOf('gallery', labelOf));
  const form = formFor('cosine', columns);
  const { perQuery } = await measureRetrieval(
    {
      distance: 'cosine',
      setup,
      cells: [{ name: 'newOld', query: await loadMatrix(vectorsInMemory('queries', query, columns), form) }],
      gallery: searchReader(vectorsInMemory('galleries', gallery, columns), form),
      threads,
    },
    hooks,
  );
  return perQuery.get('newOld') as PerQuery;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
