import path from 'node:path';
import { type OpenedAdapter, openAdapter } from '../audit/adapters/adapterFile.ts';
import { type AuditInput, type AuditItems, joinClasses } from '../audit/auditInput.ts';
import { resolveDimensionRule } from '../audit/dimensionRule.ts';
import { holdSmallTables } from '../audit/heldVectors.ts';
import { nearestNeighbours } from '../audit/nearest.ts';
import { makePairSetup } from '../audit/pairSetup.ts';
import { projectNewVectors } from '../audit/project.ts';
import { sampleRows } from '../audit/sampling.ts';
import { formFor, loadMatrix, type Matrix, searchReader, type VectorForm } from '../audit/vectors.ts';
import {
  type BrowsedCell,
  type BrowsedPair,
  type CellRanking,
  MAX_NEIGHBOURS,
  MAX_PREVIEW_ITEMS,
  MAX_QUERY_ROWS,
  type QueryChange,
  type QueryEntry,
  type QueryFilter,
  type QueryNeighbours,
  type QueryPage,
  type QueryQuestion,
  RANK_DEPTH,
} from '../contract/browsing.ts';
import { BackcompatError, throwIfCancelled } from '../contract/errors.ts';
import type { ItemPreviews, Report } from '../contract/report.ts';
import type { ItemSet } from '../data/itemSet.ts';
import type { VectorSource } from '../data/vectorSource.ts';
import type { AuditHooks, AuditRequest } from './auditRequest.ts';
import { hashItems, loadPair } from './loadPair.ts';
import { previewsOf } from './previews.ts';

/** Queries that are judged in one pass over the gallery: their vectors of both models are held meanwhile. */
const JUDGED_AT_ONCE = 4096;

/** A pair with its vectors open, to be asked about single queries; several questions may be under way. */
export interface PairBrowser {
  readonly pair: BrowsedPair;
  /**
   * The `k` (1 ... `MAX_NEIGHBOURS`) nearest gallery items of a query in each cell, its own item left out, exactly;
   * by the audit's distance and dimension rule. Cost: one read of each gallery, and its product with two vectors.
   * @throws BackcompatError `not-found` for an unknown id; `cancelled`
   */
  neighbours(id: string, k: number, hooks: AuditHooks): Promise<QueryNeighbours>;
  /**
   * A page of the queries that pass a search and a filter, in their order. A filter needs every query's (or the
   * audit's sample's) first hit with both models: judged once, when it is first asked for.
   * Cost of that: one product of all those queries with the old gallery.
   */
  queries(question: QueryQuestion, hooks: AuditHooks): Promise<QueryPage>;
  /** Pictures and texts of at most `MAX_PREVIEW_ITEMS` items of the gallery or the queries, of those that have any. */
  previews(ids: readonly string[], hooks: AuditHooks): Promise<ItemPreviews>;
  close(): Promise<void>;
}

/**
 * Opens a pair for browsing. Vectors come from the embedding cache, or are computed now.
 * Memory: ids and labels of all items, small tables of vectors (256 MB at most), one block of a gallery.
 * @param report of the pair, whose items and models are compared with today's; null: nothing to compare with
 * @throws BackcompatError as an audit of the pair; `cancelled`
 */
export async function browsePair(
  request: AuditRequest,
  report: Report | null,
  hooks: AuditHooks,
): Promise<PairBrowser> {
  const loaded = await loadPair(request, hooks);
  let adapter: OpenedAdapter | null = null;
  const close = async () => {
    await adapter?.close();
    await loaded.close();
  };
  try {
    const { protocol, queries, gallery } = loaded;
    const held = holdSmallTables(loaded.vectors);
    const { oldQuery, newQuery } = held;
    const rule = resolveDimensionRule(protocol.dimensionRule, oldQuery.dimension, newQuery.dimension);
    let input: AuditInput = { ...joinClasses(queries, gallery), vectors: held, protocol };
    if (rule === 'project') {
      if (protocol.adapterFile !== undefined) {
        const folder = request.source.kind === 'tables' ? '' : path.dirname(request.source.file);
        const shape = { newColumns: newQuery.dimension, oldColumns: oldQuery.dimension };
        adapter = await openAdapter(path.resolve(folder, protocol.adapterFile), shape, request.threads);
        input = { ...input, adapter };
      }
      hooks.progress.phase('Adapter');
      input = (await projectNewVectors(input, request.threads, hooks)).input;
    }
    const pair: BrowsedPair = {
      name: loaded.name,
      queries: queries.count,
      gallery: gallery.count,
      labelled: queries.labelled !== false && gallery.labelled !== false,
      changes: report === null ? [] : changesSince(report, loaded),
    };
    const sampled = report?.protocol.sampledQueries ?? null;
    return new OpenPair(pair, input, [gallery, queries], sampled, request.threads, close);
  } catch (error) {
    await close();
    throw error;
  }
}

function changesSince(report: Report, pair: Awaited<ReturnType<typeof loadPair>>): string[] {
  const changes = (['old', 'new'] as const)
    .filter((role) => pair.models[role].fingerprint !== report[role].fingerprint)
    .map((role) => `The ${role} model gives other vectors than when it was audited.`);
  if (hashItems(pair.queries, pair.gallery) === report.provenance.dataset) return changes;
  return [...changes, 'The items or labels of the queries or the gallery have changed since the audit.'];
}

class OpenPair implements PairBrowser {
  readonly pair: BrowsedPair;
  readonly close: () => Promise<void>;
  readonly #input: AuditInput;
  readonly #sets: readonly ItemSet[];
  /** Of the audit; null: all queries were. */
  readonly #sampledQueries: number | null;
  readonly #threads: number | null;
  readonly #rowOf: Map<string, number>;
  /** One a query once they are judged. */
  #changes: (QueryChange | null)[] | null = null;

  constructor(
    pair: BrowsedPair,
    input: AuditInput,
    sets: readonly ItemSet[],
    sampledQueries: number | null,
    threads: number | null,
    close: () => Promise<void>,
  ) {
    this.pair = pair;
    this.close = close;
    this.#input = input;
    this.#sets = sets;
    this.#sampledQueries = sampledQueries;
    this.#threads = threads;
    this.#rowOf = new Map(input.queries.ids.map((id, row) => [id, row]));
  }

  async neighbours(id: string, k: number, hooks: AuditHooks): Promise<QueryNeighbours> {
    const row = this.#rowOf.get(id);
    if (row === undefined) {
      throw new BackcompatError(
        'not-found',
        `There is no query ${JSON.stringify(id)} among the ${this.pair.queries}.`,
        {
          remedy: this.pair.changes.length > 0 ? 'Run the audit again: its items have changed.' : undefined,
        },
      );
    }
    const { vectors } = this.#input;
    const rows = Int32Array.of(row);
    const { selfOf } = makePairSetup(this.#input.queries, this.#input.gallery, rows);
    const listed = Math.max(1, Math.min(k, MAX_NEIGHBOURS));
    const onOld = await this.#searchOld(rows, selfOf, RANK_DEPTH, hooks);
    const [oldOld, newOld] = [onOld.rows.subarray(0, onOld.k), onOld.rows.subarray(onOld.k)];
    const rankBefore = new Map<number, number>();
    oldOld.forEach((item, place) => {
      if (item >= 0) rankBefore.set(item, place + 1);
    });
    const ranking = (cell: BrowsedCell, items: Int32Array, distances: Float32Array): CellRanking =>
      this.#ranking(cell, row, items.subarray(0, listed), distances, rankBefore);
    const rankings = [
      ranking('oldOld', oldOld, onOld.distances),
      ranking('newOld', newOld, onOld.distances.subarray(onOld.k)),
    ];
    if (vectors.newGallery !== null) {
      const form = this.#formOf(vectors.newQuery);
      const query = await loadMatrix(vectors.newQuery, form, rows);
      const found = await this.#search(query, vectors.newGallery, form, listed, selfOf, hooks);
      rankings.push(ranking('newNew', found.rows, found.distances));
    }
    return { query: this.#entry(row), rankings, depth: onOld.k };
  }

  async queries(question: QueryQuestion, hooks: AuditHooks): Promise<QueryPage> {
    const { search, filter } = question;
    if (filter !== 'all' && this.#changes === null) this.#changes = await this.#judge(hooks);
    const { queries } = this.#input;
    const wanted = search.trim().toLowerCase();
    const labelFits = queries.classNames.map((name) => name.toLowerCase().includes(wanted));
    const fits = (row: number) =>
      (wanted === '' ||
        (this.pair.labelled && labelFits[queries.labelOf[row] as number]) ||
        (queries.ids[row] as string).toLowerCase().includes(wanted)) &&
      passes(filter, this.#changes?.[row] ?? null);
    const offset = Math.max(0, question.offset);
    const limit = Math.max(0, Math.min(question.limit, MAX_QUERY_ROWS));
    const entries: QueryEntry[] = [];
    let total = 0;
    for (let row = 0; row < queries.count; row++) {
      if (!fits(row)) continue;
      if (total >= offset && entries.length < limit) entries.push(this.#entry(row));
      total++;
    }
    const isSample = filter !== 'all' && this.#sampledQueries !== null && this.#sampledQueries < queries.count;
    return { total, offset, entries, sampledFrom: isSample ? this.#sampledQueries : null };
  }

  previews(ids: readonly string[], hooks: AuditHooks): Promise<ItemPreviews> {
    return previewsOf(ids.slice(0, MAX_PREVIEW_ITEMS), this.#sets, hooks);
  }

  #entry(row: number): QueryEntry {
    const { queries } = this.#input;
    return {
      id: queries.ids[row] as string,
      label: this.#label(queries, row),
      change: this.#changes?.[row] ?? null,
    };
  }

  #label(items: AuditItems, row: number): string | null {
    return this.pair.labelled ? (items.classNames[items.labelOf[row] as number] as string) : null;
  }

  #ranking(
    cell: BrowsedCell,
    query: number,
    rows: Int32Array,
    distances: Float32Array,
    rankBefore: ReadonlyMap<number, number>,
  ): CellRanking {
    const { queries, gallery } = this.#input;
    const items: CellRanking['items'] = [];
    rows.forEach((row, place) => {
      // A gallery of fewer items than places.
      if (row < 0) return;
      items.push({
        id: gallery.ids[row] as string,
        label: this.#label(gallery, row),
        right: this.pair.labelled ? gallery.labelOf[row] === queries.labelOf[query] : null,
        distance: distances[place] as number,
        rankBefore: rankBefore.get(row) ?? null,
      });
    });
    return { cell, items, right: this.pair.labelled ? items.filter(({ right }) => right).length : null };
  }

  /** What the first hits of all queries (or of the audit's sample) became. */
  async #judge(hooks: AuditHooks): Promise<(QueryChange | null)[]> {
    const { queries, gallery, protocol } = this.#input;
    const changes = new Array<QueryChange | null>(queries.count).fill(null);
    if (!this.pair.labelled) return changes;
    hooks.progress.phase('Comparing the first hits of all queries');
    const all = sampleRows(queries.labelOf, this.#sampledQueries ?? queries.count, protocol.seed);
    for (let start = 0; start < all.length; start += JUDGED_AT_ONCE) {
      throwIfCancelled(hooks.signal);
      hooks.progress.update(start, all.length, 'queries');
      const rows = all.slice(start, start + JUDGED_AT_ONCE);
      const { selfOf, matchCount } = makePairSetup(queries, gallery, rows);
      const nearest = await this.#searchOld(rows, selfOf, 1, hooks);
      const isRight = (query: number, model: 0 | 1) => {
        const hit = nearest.rows[model * rows.length + query] as number;
        return hit >= 0 && gallery.labelOf[hit] === queries.labelOf[rows[query] as number];
      };
      rows.forEach((row, query) => {
        if ((matchCount[query] as number) > 0) changes[row] = changeOf(isRight(query, 0), isRight(query, 1));
      });
    }
    return changes;
  }

  /** Neighbours in the old gallery: of the old queries, then of the new ones, in one read of it. */
  async #searchOld(rows: Int32Array, selfOf: Int32Array, k: number, hooks: AuditHooks) {
    const { vectors } = this.#input;
    const form = this.#formOf(vectors.oldQuery);
    const both = stack(
      await loadMatrix(vectors.oldQuery, form, rows),
      await loadMatrix(vectors.crossQuery ?? vectors.newQuery, form, rows),
    );
    const selfOfBoth = new Int32Array(2 * rows.length);
    selfOfBoth.set(selfOf);
    selfOfBoth.set(selfOf, rows.length);
    return this.#search(both, vectors.oldGallery, form, k, selfOfBoth, hooks);
  }

  #search(
    query: Matrix,
    gallery: VectorSource,
    form: VectorForm,
    k: number,
    exclude: Int32Array,
    { progress, signal }: AuditHooks,
  ) {
    const { distance } = this.#input.protocol;
    const input = { query, gallery: searchReader(gallery, form), k, distance, threads: this.#threads, exclude };
    return nearestNeighbours(input, { progress, signal });
  }

  #formOf(source: VectorSource): VectorForm {
    return formFor(this.#input.protocol.distance, source.dimension);
  }
}

function changeOf(rightBefore: boolean, rightAfter: boolean): QueryChange {
  if (rightBefore) return rightAfter ? 'right' : 'lost';
  return rightAfter ? 'gained' : 'wrong';
}

function passes(filter: QueryFilter, change: QueryChange | null): boolean {
  if (filter === 'all') return true;
  if (filter === 'flipped') return change === 'lost' || change === 'gained';
  if (filter === 'wrong') return change === 'wrong' || change === 'lost';
  return change === filter;
}

function stack(a: Matrix, b: Matrix): Matrix {
  const values = new Float32Array(a.values.length + b.values.length);
  values.set(a.values);
  values.set(b.values, a.values.length);
  return { rows: a.rows + b.rows, columns: a.columns, values };
}
