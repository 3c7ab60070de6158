import type { CellName, DimensionRule } from '../contract/report.ts';
import type { Progress } from '../contract/runs.ts';
import type { VectorSource } from '../data/vectorSource.ts';
import type { AuditInput } from './auditInput.ts';
import { histogramEdges } from './histogramEdges.ts';
import { type InequalityFigures, measureInequalities } from './inequalities.ts';
import type { PairSetup } from './pairSetup.ts';
import { measureRetrieval, type PerQuery, type RetrievalFigures } from './retrieval.ts';
import type { TripletSums } from './triplets.ts';
import { BlockReader, formFor, loadMatrix, type Matrix, searchReader, type VectorForm } from './vectors.ts';
import { joinVerification, type MeasuredVerification } from './verification.ts';
import type { VerificationCounts } from './verificationPass.ts';
import { measureWithThresholds, type PlannedCell, planVerification } from './verificationPlan.ts';

/** Gallery values read at once: 8 MB, beside blocks of scores of the same order. */
const BLOCK_VALUES = 2_097_152;
/** Rows of each side that show where the distances lie, for the histograms' axis. */
const RANGE_ROWS = 500;
const WORST_PAIRS = 100;

/** Counts of pairs per histogram bin, one list a class relation. */
export interface HistogramCounts {
  positive: Float64Array;
  negative: Float64Array;
}

/** Everything about a pair that needs its vectors, one entry per audited query or a list of the worst. */
export interface MeasuredPair {
  setup: PairSetup;
  inequalities: InequalityFigures;
  cells: Map<CellName, PerQuery>;
  /** Old and new query vectors are the same in the common space, bit by bit. */
  identical: boolean;
  /** The paragon's queries on the old gallery (null when its vectors do not fit there), and on its own. */
  paragon: { newOld: PerQuery | null; newNew: PerQuery } | null;
  triplets: TripletSums;
  /** null where no false accept rate has enough pairs. */
  verification: MeasuredVerification | null;
  histograms: { edges: number[]; counts: Map<CellName, HistogramCounts> };
}

export interface MeasureHooks {
  progress: Progress;
  signal?: AbortSignal;
}

export interface MeasureOptions {
  threads: number | null;
  /** Memory for complete score rows (see retrieval.ts). */
  scoreBytes?: number;
}

/**
 * Measures inequalities, retrieval, triplets and histograms of a pair (metrics.md sections 1-3).
 * The audited queries are held in memory, galleries are read in blocks.
 * @param rows audited query rows (all, or a sample), ascending
 * @param setup of these rows
 * @param rule how new vectors enter the old space
 */
export async function measurePair(
  input: AuditInput,
  rows: Int32Array,
  setup: PairSetup,
  rule: DimensionRule,
  options: MeasureOptions,
  hooks: MeasureHooks,
): Promise<MeasuredPair> {
  const { vectors, protocol } = input;
  const { distance } = protocol;
  const oldForm = formFor(distance, vectors.oldQuery.dimension);
  const newForm = formFor(distance, vectors.newQuery.dimension);
  const edges = await chooseEdges(input, rows, oldForm, newForm);
  const oldQuery = await loadMatrix(vectors.oldQuery, oldForm, rows);
  const newQuery = await loadMatrix(vectors.newQuery, newForm, rows);
  // Under `equal` new vectors already are what meets the old ones.
  const crossSource = vectors.crossQuery ?? vectors.newQuery;
  const crossQuery = rule === 'equal' ? newQuery : await loadMatrix(crossSource, oldForm, rows);

  hooks.progress.phase('Inequalities');
  const inequalities = await measureInequalities(
    {
      distance,
      oldQuery,
      newQuery: crossQuery,
      gallery: blocksOf(vectors.oldGallery, oldForm),
      setup,
      epsilons: protocol.epsilons,
      worstPairs: WORST_PAIRS,
      classPairs: true,
      byItem: true,
      threads: options.threads,
    },
    hooks,
  );

  const retrieve = (gallery: VectorSource, form: VectorForm, cells: { name: CellName; query: Matrix }[]) => ({
    distance,
    setup,
    ...options,
    cells,
    gallery: searchReader(gallery, form),
    histogramEdges: edges,
  });

  const { oldGallery, newGallery } = vectors;
  const crossGallery = vectors.crossGallery ?? newGallery;
  const oldOld = { name: 'oldOld' as const, query: oldQuery };
  const newOld = { name: 'newOld' as const, query: crossQuery };
  const newNew = { name: 'newNew' as const, query: newQuery };
  const oldNew = { name: 'oldNew' as const, query: oldQuery };
  const planned: PlannedCell[] = [oldOld, newOld].map((cell) => ({ ...cell, gallery: oldGallery, form: oldForm }));
  if (newGallery !== null && crossGallery !== null) {
    planned.push(
      { ...newNew, gallery: newGallery, form: newForm },
      { ...oldNew, gallery: crossGallery, form: oldForm },
    );
  }
  const plan = await planVerification(planned, setup, protocol);

  hooks.progress.phase('Retrieval on the old gallery');
  const onOld = await measureWithThresholds(
    {
      ...retrieve(oldGallery, oldForm, [oldOld, newOld]),
      triplets: { count: protocol.triplets, seed: protocol.seed },
    },
    plan,
    null,
    hooks,
  );
  const parts: RetrievalFigures[] = [onOld];

  if (newGallery !== null && crossGallery !== null) {
    hooks.progress.phase('Retrieval on the new gallery');
    const oldThresholds = onOld.verification?.oldThresholds ?? null;
    const measure = async (gallery: VectorSource, form: VectorForm, cells: { name: CellName; query: Matrix }[]) => {
      parts.push(await measureWithThresholds(retrieve(gallery, form, cells), plan, oldThresholds, hooks));
    };
    if (rule === 'equal') {
      await measure(newGallery, newForm, [newNew, oldNew]);
    } else {
      // newNew compares full vectors, oldNew those under the rule: two forms of one gallery.
      await measure(newGallery, newForm, [newNew]);
      await measure(crossGallery, oldForm, [oldNew]);
    }
  }

  let paragon: MeasuredPair['paragon'] = null;
  const { paragonQuery, paragonGallery } = vectors;
  if (paragonQuery !== null && paragonGallery !== null) {
    hooks.progress.phase('Paragon');
    const form = formFor(distance, paragonQuery.dimension);
    const query = await loadMatrix(paragonQuery, form, rows);
    const own = await measureRetrieval(retrieve(paragonGallery, form, [{ name: 'newNew', query }]), hooks);
    let newOld: PerQuery | null = null;
    // The pair's rule speaks of the new model: a paragon of another length has no rule, and no adapter is its own.
    if (paragonQuery.dimension === vectors.newQuery.dimension && rule !== 'project') {
      const cross = rule === 'equal' ? query : await loadMatrix(paragonQuery, oldForm, rows);
      const onOldGallery = await measureRetrieval(
        retrieve(vectors.oldGallery, oldForm, [{ name: 'newOld', query: cross }]),
        hooks,
      );
      newOld = onOldGallery.perQuery.get('newOld') ?? null;
    }
    paragon = { newOld, newNew: own.perQuery.get('newNew') as PerQuery };
  }

  return {
    setup,
    inequalities,
    cells: new Map(parts.flatMap((part) => [...part.perQuery])),
    identical: Buffer.compare(bytesOf(oldQuery), bytesOf(crossQuery)) === 0,
    paragon,
    triplets: onOld.triplets as TripletSums,
    verification:
      plan &&
      joinVerification(
        plan.far,
        parts.map((part) => part.verification as VerificationCounts),
      ),
    histograms: { edges, counts: new Map(parts.flatMap((part) => [...part.histograms])) },
  };
}

function bytesOf({ values }: Matrix): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function blocksOf(source: VectorSource, form: VectorForm): BlockReader {
  return new BlockReader(source, form, Math.floor(BLOCK_VALUES / form.columns));
}

/** The histograms' common axis, from rows spread over both sets. */
async function chooseEdges(
  input: AuditInput,
  rows: Int32Array,
  oldForm: VectorForm,
  newForm: VectorForm,
): Promise<number[]> {
  const { vectors, protocol } = input;
  const spread = (count: number) => {
    const length = Math.min(RANGE_ROWS, count);
    return Int32Array.from({ length }, (_, k) => Math.floor((k * count) / length));
  };
  const queryRows = spread(rows.length).map((k) => rows[k] as number);
  const galleryRows = spread(input.gallery.count);
  const oldGallery = await loadMatrix(vectors.oldGallery, oldForm, galleryRows);
  const cells = [
    { query: await loadMatrix(vectors.oldQuery, oldForm, queryRows), gallery: oldGallery },
    { query: await loadMatrix(vectors.crossQuery ?? vectors.newQuery, oldForm, queryRows), gallery: oldGallery },
  ];
  if (vectors.newGallery !== null) {
    cells.push({
      query: await loadMatrix(vectors.newQuery, newForm, queryRows),
      gallery: await loadMatrix(vectors.newGallery, newForm, galleryRows),
    });
  }
  return histogramEdges(protocol.distance, cells, protocol.seed);
}
