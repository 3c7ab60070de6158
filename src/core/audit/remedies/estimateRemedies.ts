import { count, counted } from '../../contract/format.ts';
import type { AdapterKind, DimensionRule, Remedy, Report, Verdict } from '../../contract/report.ts';
import type { AuditInput } from '../auditInput.ts';
import type { BootstrapPlan } from '../bootstrap.ts';
import { type CrossFit, crossFit } from '../crossFit.ts';
import type { MeasuredPair, MeasureHooks, MeasureOptions } from '../measurePair.ts';
import { makePairSetup } from '../pairSetup.ts';
import type { PerQuery } from '../retrieval.ts';
import { sampleRows } from '../sampling.ts';
import { formFor, loadMatrix, type Matrix, searchReader } from '../vectors.ts';
import { backfillRemedy } from './backfillRemedy.ts';
import { type JudgedQueries, judgeMapped, pickQueries } from './judgeQueries.ts';
import { matchDistances } from './sameClassPairs.ts';
import { thresholdRemedy } from './thresholdRemedy.ts';

/** Queries that remedies are judged on, at most: against the whole old gallery each time. */
const MOST_QUERIES = 1000;
/** Items that one adapter is fitted on, at most, or 4 a component: enough for an estimate, a service would fit on all. */
const MOST_ITEMS = 4000;

export interface RemedyRequest {
  input: AuditInput;
  /** Audited query rows, ascending; `measured` is about them. */
  rows: Int32Array;
  rule: DimensionRule;
  measured: Pick<MeasuredPair, 'setup' | 'cells'>;
  verdict: Pick<Verdict, 'state' | 'thresholds'>;
  /** Rotations that were fitted already; null where none could be, or lengths differ. */
  rotation: CrossFit | null;
  backfill: Pick<Report, 'backfill' | 'backfillSummary'>;
  /** How intervals are resampled. */
  plan: Omit<BootstrapPlan, 'queries' | 'classOf'>;
  options: MeasureOptions;
}

/**
 * What each remedy would give, cheapest first, on queries that it was not fitted on, unless none is needed: a moved threshold, a rotation, a
 * linear map, a small network where nothing cheaper reaches the criterion, and a backfill of a part of the gallery.
 * Judged on a seeded sample of at most 1,000 matched queries against the whole old gallery.
 * @returns also why one could not be estimated, as sentences for the report
 * @throws BackcompatError `cancelled`, and what the sources throw
 */
export async function estimateRemedies(
  request: RemedyRequest,
  hooks: MeasureHooks,
): Promise<{ remedies: Remedy[]; notes: string[] }> {
  const { input, measured, verdict, rule, options } = request;
  const { protocol } = input;
  const ranks = verdict.state === 'compatible' || verdict.state === 'within-margin';
  if (ranks && verdict.thresholds === 'kept') {
    return { remedies: [], notes: ['No remedy was estimated: ranking and threshold hold without one.'] };
  }
  const { judged, rows, indices } = judgedQueries(request);
  const crossForm = formFor(protocol.distance, input.vectors.oldGallery.dimension);
  const oldQuery = await loadMatrix(input.vectors.oldQuery, crossForm, rows);
  const newQuery = await loadMatrix(input.vectors.crossQuery ?? input.vectors.newQuery, crossForm, rows);
  const [oldDistances, newDistances] = (await matchDistances(input, judged.setup, [oldQuery, newQuery])) as [
    JudgedQueries['oldDistances'],
    JudgedQueries['oldDistances'],
  ];
  const all: JudgedQueries = {
    ...judged,
    gallery: searchReader(input.vectors.oldGallery, crossForm),
    oldDistances,
    oldOld: pickQueries(measured.cells.get('oldOld') as PerQuery, indices),
  };
  const remedies: Remedy[] = [];
  const notes: string[] = [];
  const add = (remedy: Remedy | null) => {
    if (remedy !== null) remedies.push(remedy);
  };
  if (verdict.thresholds !== 'kept') add(await thresholdRemedy(all, rows, newQuery, newDistances, hooks));

  const most = Math.max(MOST_ITEMS, 4 * Math.max(input.vectors.newQuery.dimension, oldQuery.columns));
  const ridges = [{ fitted: null }, { fitted: null }] as const;
  const adapters: AdapterKind[] = ['procrustes', 'linear', 'mlp'];
  for (const kind of adapters) {
    // Under `project` the audit itself is about this adapter.
    if (rule === 'project' && protocol.adapterFile === undefined && kind === protocol.adapter) continue;
    if (kind === 'mlp' && (ranks || remedies.some(({ reachesCriterion }) => reachesCriterion === true))) continue;
    const fitted =
      kind === 'procrustes' && request.rotation !== null
        ? request.rotation
        : await crossFit(input, kind, options.threads, hooks, most, ridges);
    if (fitted === null) {
      notes.push(missingNote(kind, input));
      continue;
    }
    const mapped = await fitted.queriesAt(rows);
    const [distances] = (await matchDistances(input, all.setup, [mapped])) as [JudgedQueries['oldDistances']];
    const items = Math.min(...fitted.fits.map((fit) => fit.items));
    add({
      method: kind,
      ...(await judgeMapped(all, mapped, distances, hooks)),
      basis: `fitted on ${count(items)} held-out items, judged on ${counted(rows.length, 'other query', 'other queries')} against the whole old gallery`,
      cost: adapterCost(kind, newQuery, input),
    });
  }
  add(backfillRemedy(request.backfill, protocol.criterionMetric, input.gallery.count));
  return { remedies, notes };
}

/** The queries that remedies are judged on: a sample of those with a match, and their places among the audited ones. */
function judgedQueries({ input, rows, measured, plan, options }: RemedyRequest) {
  const { queries, gallery, protocol } = input;
  const matched = Int32Array.from(rows.keys()).filter((query) => (measured.setup.matchCount[query] as number) > 0);
  const labels = matched.map((query) => measured.setup.queryLabel[query] as number);
  const indices = sampleRows(labels, MOST_QUERIES, protocol.seed).map((index) => matched[index] as number);
  const chosen = indices.map((index) => rows[index] as number);
  const setup = makePairSetup(queries, gallery, chosen);
  const whole = { ...plan, queries: chosen.length, classOf: setup.queryLabel };
  return { judged: { input, setup, plan: whole, options }, rows: chosen, indices };
}

function adapterCost(kind: AdapterKind, { columns }: Matrix, { vectors }: AuditInput): string {
  const product = `one ${vectors.newQuery.dimension} x ${columns} product a query`;
  const what =
    kind === 'mlp' ? `a network of one hidden layer a query (${product}, and two through the layer)` : product;
  return `${what}; gallery untouched`;
}

function missingNote(kind: AdapterKind, { vectors }: AuditInput): string {
  const name = { procrustes: 'a rotation', linear: 'a linear map', mlp: 'a small network' }[kind];
  const needs =
    kind === 'procrustes'
      ? `twice as many items with both vectors as components (${Math.min(vectors.oldQuery.dimension, vectors.newQuery.dimension)})`
      : 'at least 20 items with both vectors';
  return `Among the remedies, ${name} was not estimated: it needs ${needs}.`;
}
