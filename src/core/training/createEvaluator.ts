import { type AuditInput, type AuditItems, joinClasses } from '../audit/auditInput.ts';
import { type RegisteredCell, registerCell, withDecidingK } from '../audit/cells.ts';
import { criterionTable } from '../audit/criterionTable.ts';
import { resolveDimensionRule } from '../audit/dimensionRule.ts';
import { registerFlips } from '../audit/flips.ts';
import { type MeasuredPair, type MeasureHooks, measurePair } from '../audit/measurePair.ts';
import { makePairSetup, type PairSetup } from '../audit/pairSetup.ts';
import { projectNewVectors } from '../audit/project.ts';
import { nothingToRetrieve, refuseOneClass } from '../audit/refusals.ts';
import { measureRetrieval, type PerQuery } from '../audit/retrieval.ts';
import { sampleRows } from '../audit/sampling.ts';
import { QueryStatistics, sum } from '../audit/statistics.ts';
import { formFor, loadMatrix, searchReader } from '../audit/vectors.ts';
import { registerViolations } from '../audit/violations.ts';
import { BackcompatError, throwIfCancelled } from '../contract/errors.ts';
import { count, counted } from '../contract/format.ts';
import type { AuditProtocol } from '../contract/protocol.ts';
import type { Progress } from '../contract/runs.ts';
import { badRowsOf } from '../data/badRows.ts';
import { type ItemSet, selectItems } from '../data/itemSet.ts';
import { selectRows, type VectorSource, vectorsInMemory } from '../data/vectorSource.ts';
import type { Evaluator, EvaluatorRequest, HeldOutFigures } from './evaluator.ts';

/** At most so many queries against so many gallery items: rates are known to 2 points, and an epoch waits a second or two. */
const MOST_QUERIES = 500;
const MOST_GALLERY = 5000;

/**
 * Samples the held-out items and reads the old model's vectors of them.
 * @throws BackcompatError `bad-data` (no labels, one class only, no query with a match), and of the old vectors
 */
export async function createEvaluator(request: EvaluatorRequest): Promise<Evaluator> {
  const { old, threads } = request;
  for (const { labelled, name } of [request.queries, request.gallery]) {
    if (labelled !== false) continue;
    throw new BackcompatError('bad-data', `${name} has no labels, so what a model finds in it cannot be judged.`, {
      remedy: 'Name another dataset in "evaluate", or leave "evaluate" out.',
    });
  }
  const protocol = { ...request.protocol, ks: withDecidingK(request.protocol) };
  const sample = sampleItems(request, protocol);
  const { queries, gallery } = joinClasses(sample.queries, sample.gallery);
  refuseOneClass({ queries, gallery });
  const setup = makePairSetup(queries, gallery);
  const matched = Float64Array.from(setup.matchCount, (matches) => (matches > 0 ? 1 : 0));
  if (sum(matched) === 0) throw nothingToRetrieve(queries, gallery);

  const oldQuery = old && (await held(old.query, sample.queryRows));
  const oldGallery = old && (await held(old.gallery, sample.galleryRows));
  const items: HeldOutItems = { queries, gallery, setup, matched, protocol, threads };

  return {
    queries: sample.queries,
    gallery: sample.gallery,
    note: sampleNote(request, sample),
    async evaluate(vectorsOf, hooks) {
      const quiet = { ...hooks, progress: breathingOnly(hooks.progress) };
      const newGallery = await newVectors(sample.gallery, vectorsOf);
      throwIfCancelled(hooks.signal);
      const newQuery = sample.placeInGallery
        ? selectRows(newGallery, sample.placeInGallery)
        : await newVectors(sample.queries, vectorsOf);
      return oldQuery && oldGallery
        ? againstOld(items, { oldQuery, oldGallery, newQuery, newGallery }, quiet)
        : alone(items, newQuery, newGallery, quiet);
    },
  };
}

interface HeldOutItems {
  queries: AuditItems;
  gallery: AuditItems;
  setup: PairSetup;
  /** 1 for queries that have a match. */
  matched: Float64Array;
  protocol: AuditProtocol;
  threads: number | null;
}

interface Sample {
  queries: ItemSet;
  gallery: ItemSet;
  /** Of the request's sets; undefined: all. */
  queryRows: Int32Array | undefined;
  galleryRows: Int32Array | undefined;
  /** Of each query, where queries are the gallery's own: their vectors are taken from the gallery's. */
  placeInGallery: Int32Array | null;
}

function sampleItems({ queries, gallery }: EvaluatorRequest, { seed, pairBudget }: AuditProtocol): Sample {
  const select = (items: ItemSet, rows: Int32Array | undefined) =>
    rows ? selectItems(items, rows, items.name) : items;
  const galleryRows = sampled(gallery, MOST_GALLERY, seed);
  const smaller = select(gallery, galleryRows);
  const most = Math.min(MOST_QUERIES, Math.max(1, Math.floor(pairBudget / smaller.count)));
  if (queries !== gallery) {
    const queryRows = sampled(queries, most, seed);
    return { queries: select(queries, queryRows), gallery: smaller, queryRows, galleryRows, placeInGallery: null };
  }
  const places = sampled(smaller, most, seed);
  return {
    queries: select(smaller, places),
    gallery: smaller,
    queryRows: places && galleryRows ? places.map((place) => galleryRows[place] as number) : (places ?? galleryRows),
    galleryRows,
    placeInGallery: places ?? Int32Array.from({ length: smaller.count }, (_, place) => place),
  };
}

function sampled({ labelOf, count: items }: ItemSet, most: number, seed: number): Int32Array | undefined {
  return items > most ? sampleRows(labelOf, most, seed) : undefined;
}

function sampleNote(request: EvaluatorRequest, { queries, gallery }: Sample): string | null {
  if (queries.count === request.queries.count && gallery.count === request.gallery.count) return null;
  const of = (part: ItemSet, whole: ItemSet) =>
    part.count === whole.count ? count(part.count) : `${count(part.count)} of ${count(whole.count)}`;
  return `Figures of an epoch are of ${of(queries, request.queries)} queries against ${of(gallery, request.gallery)} gallery items, sampled by class.`;
}

async function held(source: VectorSource, rows: Int32Array | undefined): Promise<VectorSource> {
  const { values } = await loadMatrix(source, { columns: source.dimension, normalise: false }, rows);
  return vectorsInMemory(source.name, values, source.dimension);
}

async function newVectors(items: ItemSet, vectorsOf: (items: ItemSet) => Promise<Float32Array>): Promise<VectorSource> {
  const values = await vectorsOf(items);
  const dimension = values.length / items.count;
  if (!Number.isInteger(dimension) || dimension === 0) {
    throw new BackcompatError('internal', `${values.length} numbers for ${counted(items.count, 'item')}.`);
  }
  const bad = badRowsOf(values, dimension, 0, items.count);
  const item = bad.notFinite[0] ?? bad.zero[0];
  if (item !== undefined) {
    throw new BackcompatError(
      'bad-data',
      `The model as trained so far gives ${bad.notFinite.length > 0 ? 'NaN or infinite values' : 'zeros only'} for ${JSON.stringify(items.ids[item])}${bad.total > 1 ? ` and ${counted(bad.total - 1, 'more item')}` : ''}.`,
      { remedy: 'Lower "learningRate", or set "clipNorm".' },
    );
  }
  return vectorsInMemory(`the new model on ${items.name}`, values, dimension);
}

/** The figures of an audit, without its reference rows, causes and remedies. */
async function againstOld(
  { queries, gallery, setup, matched, protocol, threads }: HeldOutItems,
  given: { oldQuery: VectorSource; oldGallery: VectorSource; newQuery: VectorSource; newGallery: VectorSource },
  hooks: MeasureHooks,
): Promise<HeldOutFigures> {
  const vectors = { ...given, paragonQuery: null, paragonGallery: null };
  const rule = resolveDimensionRule(protocol.dimensionRule, given.oldQuery.dimension, given.newQuery.dimension);
  let input: AuditInput = { queries, gallery, vectors, protocol };
  if (rule === 'project') ({ input } = await projectNewVectors(input, threads, hooks));
  const rows = Int32Array.from({ length: setup.queries }, (_, row) => row);
  const measured = await measurePair(input, rows, setup, rule, { threads }, hooks);

  const statistics = statisticsOf(setup, protocol, threads);
  const cell = (name: 'oldOld' | 'newOld' | 'newNew') =>
    registerCell(statistics, measured.cells.get(name) as PerQuery, matched, protocol.ks);
  const [oldOld, newOld, newNew] = [cell('oldOld'), cell('newOld'), cell('newNew')];
  const strict = registerViolations(statistics, measured.inequalities).positive.rates[0];
  const inverted = statistics.ratio(measured.triplets.inverted, measured.triplets.sampled);
  const flips = registerFlips(statistics, measured);
  await statistics.resample(hooks);

  return {
    oldOld: valuesOf(statistics, oldOld),
    newOld: valuesOf(statistics, newOld),
    newNew: valuesOf(statistics, newNew),
    positiveRate: strict === undefined ? null : statistics.value(strict),
    inverted: statistics.value(inverted),
    negativeFlipRate: statistics.value(flips.negative),
    criterion: criterionOf(statistics, oldOld, newOld, matched, measured, protocol),
  };
}

function criterionOf(
  statistics: QueryStatistics,
  oldOld: RegisteredCell,
  newOld: RegisteredCell,
  matched: Float64Array,
  { identical }: MeasuredPair,
  protocol: AuditProtocol,
): HeldOutFigures['criterion'] {
  const entry = criterionTable({ statistics, oldOld, newOld, matched, identical }, protocol)[protocol.criterionMetric];
  if (!entry?.interval) return null;
  const { difference, interval, state } = entry;
  return { difference, interval, state };
}

/** Without an old model: how the new one does on its own. */
async function alone(
  { setup, matched, protocol, threads }: HeldOutItems,
  newQuery: VectorSource,
  newGallery: VectorSource,
  hooks: MeasureHooks,
): Promise<HeldOutFigures> {
  const { distance, ks } = protocol;
  const form = formFor(distance, newQuery.dimension);
  const cells = [{ name: 'newNew' as const, query: await loadMatrix(newQuery, form) }];
  const gallery = searchReader(newGallery, form);
  const { perQuery } = await measureRetrieval({ distance, setup, cells, gallery, threads }, hooks);
  const statistics = statisticsOf(setup, protocol, threads);
  const newNew = registerCell(statistics, perQuery.get('newNew') as PerQuery, matched, ks);
  return {
    oldOld: null,
    newOld: null,
    newNew: valuesOf(statistics, newNew),
    positiveRate: null,
    inverted: null,
    negativeFlipRate: null,
    criterion: null,
  };
}

function statisticsOf(setup: PairSetup, { bootstrap, seed }: AuditProtocol, threads: number | null): QueryStatistics {
  return new QueryStatistics({ ...bootstrap, queries: setup.queries, classOf: setup.queryLabel, seed, threads });
}

function valuesOf(statistics: QueryStatistics, { metrics }: RegisteredCell): Record<string, number> {
  return Object.fromEntries([...metrics].map(([name, statistic]) => [name, statistics.value(statistic) as number]));
}

/** The phases of an audit are none of a training. */
function breathingOnly(progress: Progress): Progress {
  return { phase() {}, update() {}, log() {}, breathe: () => progress.breathe() };
}
