import { throwIfCancelled } from '../../contract/errors.ts';
import {
  type BackfillOrder,
  type BackfillPoint,
  type BackfillSummary,
  backfillOrders,
  type MetricName,
  type Report,
} from '../../contract/report.ts';
import type { AuditInput } from '../auditInput.ts';
import { hitsAt } from '../cells.ts';
import type { MeasuredPair, MeasureHooks, MeasureOptions } from '../measurePair.ts';
import { makePairSetup, type PairSetup } from '../pairSetup.ts';
import type { PerQuery } from '../retrieval.ts';
import { sampleRows } from '../sampling.ts';
import { BlockReader, formFor, loadMatrix } from '../vectors.ts';
import { fillKeys } from './backfillKeys.ts';
import { orderNames, STEPS, switchSteps } from './backfillOrders.ts';
import { BackfillRow } from './backfillRow.ts';

export interface BackfillFigures {
  backfill: NonNullable<Report['backfill']>;
  summary: NonNullable<Report['backfillSummary']>;
  /** Queries that were measured. */
  queries: number;
}

/**
 * Queries that partial backfill is measured on: at most 500, because all shares of one query cost seven rankings,
 * and fewer where they make more than 1e8 pairs with the gallery, but never below 100.
 */
const MOST_QUERIES = 500;
const MOST_PAIRS = 1e8;
const FEWEST_QUERIES = 100;
/** Keys of old and new gallery held at once; the galleries are read once for each set of queries that fits. */
const KEY_BYTES = 268_435_456;
const BLOCK_VALUES = 2_097_152;
/** Items looked at between two breaths. */
const BREATH_ITEMS = 4_194_304;
/** Figures that differ by less are equal: two ways of adding up. */
const EQUAL = 1e-12;

/**
 * Partial backfill (metrics.md section 9): new queries against a gallery of which a share has new vectors, the rest old
 * ones under the dimension rule. On a seeded sample, stratified by class, of at most 500 of the audited queries
 * that have a match (100 where the gallery has a million items).
 * Cost: two products of queries x gallery, and 20 to 150 ns a pair on one thread (few to a thousand matches).
 * @param rows audited query rows, ascending; `measured` is about them
 * @returns null without the new model's gallery
 * @throws BackcompatError `cancelled`, and what the sources throw
 */
export async function measureBackfill(
  input: AuditInput,
  rows: Int32Array,
  measured: Pick<MeasuredPair, 'setup' | 'cells'>,
  options: MeasureOptions,
  hooks: MeasureHooks,
): Promise<BackfillFigures | null> {
  const { queries, gallery, vectors, protocol } = input;
  if (vectors.newGallery === null) return null;
  const { distance, seed, ks } = protocol;
  const matched = [...rows.keys()].filter((query) => (measured.setup.matchCount[query] as number) > 0);
  const labels = Int32Array.from(matched, (query) => measured.setup.queryLabel[query] as number);
  const wanted = Math.min(MOST_QUERIES, Math.max(FEWEST_QUERIES, Math.floor(MOST_PAIRS / gallery.count)));
  const chosen = sampleRows(labels, wanted, seed).map((index) => matched[index] as number);
  const sampleOfRows = chosen.map((query) => rows[query] as number);
  const setup = makePairSetup(queries, gallery, sampleOfRows);

  const oldForm = formFor(distance, vectors.oldGallery.dimension);
  const newForm = formFor(distance, vectors.newGallery.dimension);
  const old = new BlockReader(vectors.oldGallery, oldForm, Math.ceil(BLOCK_VALUES / oldForm.columns));
  const fresh = new BlockReader(vectors.newGallery, newForm, Math.ceil(BLOCK_VALUES / newForm.columns));
  const cross = new BlockReader(vectors.crossGallery ?? vectors.newGallery, oldForm, old.blockRows);
  const steps = await switchSteps(
    { distance, seed, labelOf: gallery.labelOf, classes: setup.classes, old, cross },
    hooks,
  );
  const crossQuery = vectors.crossQuery ?? vectors.newQuery;
  const width = gallery.count;
  const chunk = Math.max(1, Math.min(setup.queries, Math.floor((options.scoreBytes ?? KEY_BYTES) / (8 * width))));
  const oldKeys = new Float32Array(chunk * width);
  const newKeys = new Float32Array(chunk * width);
  const most = setup.matchCount.reduce((largest, count) => Math.max(largest, count), 0);
  const row = new BackfillRow(steps, most, ks);
  for (let start = 0; start < setup.queries; start += chunk) {
    const part = sampleOfRows.subarray(start, start + chunk);
    const { threads } = options;
    await fillKeys(distance, await loadMatrix(crossQuery, oldForm, part), old, oldKeys, threads, hooks);
    await fillKeys(distance, await loadMatrix(vectors.newQuery, newForm, part), fresh, newKeys, threads, hooks);
    let items = 0;
    for (let query = 0; query < part.length; query++) {
      row.add(oldKeys, newKeys, query * width, matchesOf(setup, start + query), setup.selfOf[start + query] as number);
      items += width;
      if (items < BREATH_ITEMS) continue;
      items = 0;
      throwIfCancelled(hooks.signal);
      hooks.progress.update(start + query + 1, setup.queries, 'queries');
      await hooks.progress.breathe();
    }
  }

  const curves = curvesOf(row, ks);
  const oldOld = measured.cells.get('oldOld') as PerQuery;
  const metrics = Object.keys(curves.random?.[0] ?? {}).filter((name) => name !== 'share') as MetricName[];
  const summary: BackfillFigures['summary'] = {};
  for (const order of backfillOrders) {
    const points = curves[order] as BackfillPoint[];
    summary[order] = Object.fromEntries(
      metrics.map((name) => [name, summaryOf(points, name, meanOf(oldOld, chosen, name))]),
    );
  }
  return { backfill: curves, summary, queries: chosen.length };
}

function matchesOf({ classStart, classRows, queryLabel, selfOf }: PairSetup, query: number): Int32Array {
  const label = queryLabel[query] as number;
  const all = classRows.subarray(classStart[label] as number, classStart[label + 1] as number);
  const self = selfOf[query] as number;
  return self < 0 ? all : all.filter((row) => row !== self);
}

/** Means over queries, and over the seeds of the random order. */
function curvesOf(
  { precision, hits, queries }: BackfillRow,
  ks: readonly number[],
): Record<BackfillOrder, BackfillPoint[]> {
  const columnsOf = (order: BackfillOrder) =>
    orderNames.flatMap((name, column) => (name === order ? [column * (STEPS + 1)] : []));
  const curve = (order: BackfillOrder): BackfillPoint[] => {
    const columns = columnsOf(order);
    const mean = (sums: Float64Array, step: number) =>
      columns.reduce((total, column) => total + (sums[column + step] as number), 0) / columns.length / queries;
    return Array.from({ length: STEPS + 1 }, (_, step) => ({
      share: step / STEPS,
      map: mean(precision, step),
      ...Object.fromEntries(ks.map((k, index) => [`cmc@${k}`, mean(hits[index] as Float64Array, step)])),
    }));
  };
  return { random: curve('random'), displacement: curve('displacement'), outliers: curve('outliers') };
}

function meanOf(cell: PerQuery, queries: Int32Array, name: MetricName): number {
  const values = name === 'map' ? cell.averagePrecision : hitsAt(cell, Number(name.slice(4)));
  return queries.reduce((total, query) => total + (values[query] as number), 0) / queries.length;
}

/** @param oldOld M(oldOld) of the same queries */
export function summaryOf(points: readonly BackfillPoint[], name: MetricName, oldOld: number): BackfillSummary {
  const values = points.map((point) => point[name] as number);
  let area = 0;
  let worst = 0;
  for (let k = 1; k < points.length; k++) {
    const width = (points[k] as BackfillPoint).share - (points[k - 1] as BackfillPoint).share;
    area += (width * ((values[k] as number) + (values[k - 1] as number))) / 2;
    if ((values[k] as number) < (values[worst] as number)) worst = k;
  }
  const reaches = (wanted: number): number | null =>
    points[values.findIndex((value) => value >= wanted - EQUAL)]?.share ?? null;
  return {
    area,
    worst: { share: (points[worst] as BackfillPoint).share, value: values[worst] as number },
    reachesOldOld: reaches(oldOld),
    reachesNewNew: reaches(values[values.length - 1] as number),
  };
}
