import { summarise } from '../contract/findings.ts';
import { count, counted } from '../contract/format.ts';
import type { CellName, CriterionEntry, MetricName, Report } from '../contract/report.ts';
import { advBctScores } from './advbct.ts';
import { measureAgreement } from './agreement.ts';
import type { AuditInput, Version } from './auditInput.ts';
import { inputNotes, isLeaveOneOut, isUnlabelled } from './auditNotes.ts';
import { measureBackfill } from './backfill/measureBackfill.ts';
import { cellOf, cmcCurve, metricNames, type RegisteredCell, registerCell, withDecidingK } from './cells.ts';
import { classTable } from './classTable.ts';
import { compatibilityTax, updateGain } from './criterion.ts';
import { criterionTable } from './criterionTable.ts';
import { diagnose } from './diagnosis/diagnose.ts';
import { resolveDimensionRule } from './dimensionRule.ts';
import { flipFigures, registerFlips } from './flips.ts';
import { holdSmallTables } from './heldVectors.ts';
import { type MeasuredPair, type MeasureHooks, type MeasureOptions, measurePair } from './measurePair.ts';
import { loadPairSample } from './pairSample.ts';
import { makePairSetup } from './pairSetup.ts';
import { projectNewVectors } from './project.ts';
import { measureReferences } from './references.ts';
import { nothingToRetrieve, refuseOneClass } from './refusals.ts';
import { estimateRemedies } from './remedies/estimateRemedies.ts';
import { reportedProtocol } from './reportedProtocol.ts';
import { sampleRows } from './sampling.ts';
import { sliceTables } from './slices.ts';
import { QueryStatistics, type Statistic, sum } from './statistics.ts';
import { unlabelledFigures } from './unlabelledFigures.ts';
import { thresholdStateOf, verdictStates } from './verdict.ts';
import { registerVerification, rocOf, verificationOf } from './verification.ts';
import { versionMatrix, versionRules } from './versionMatrix.ts';
import { registerViolations, toleranceCurveOf, violationsOf } from './violations.ts';
import { worstOf } from './worst.ts';

/** The part of a report that the audit itself measures. */
export type AuditFigures = Omit<
  Report,
  'format' | 'formatVersion' | 'pair' | 'old' | 'new' | 'paragon' | 'gates' | 'undecided' | 'provenance'
>;

const CMC_CURVE_LENGTH = 20;
/** Points of the curve of rates against tolerance, from 0 to the largest shift worth drawing: the floor falls near 0. */
const TOLERANCE_POINTS = 201;

/**
 * Audits a pair: all figures of metrics.md that need nothing but the vectors of both models.
 * @throws BackcompatError `bad-data` (one class only, no query with a match), `dimension-mismatch`, `cancelled`
 */
export async function auditFigures(
  given: AuditInput,
  options: MeasureOptions,
  hooks: MeasureHooks,
): Promise<AuditFigures> {
  if (isUnlabelled(given)) return unlabelledFigures(given, options, hooks);
  const { queries, gallery, vectors } = given;
  const protocol = { ...given.protocol, ks: withDecidingK(given.protocol) };
  const rule = resolveDimensionRule(protocol.dimensionRule, vectors.oldQuery.dimension, vectors.newQuery.dimension);
  refuseOneClass(given);
  // Before anything is measured.
  if (given.versions) versionRules(given.versions, protocol.dimensionRule);

  const most = Math.max(1, Math.floor(protocol.pairBudget / gallery.count));
  const exact = queries.count <= most;
  const rows = exact
    ? Int32Array.from({ length: queries.count }, (_, row) => row)
    : sampleRows(queries.labelOf, most, protocol.seed);

  const setup = makePairSetup(queries, gallery, rows);
  const matched = Float64Array.from(setup.matchCount, (count) => (count > 0 ? 1 : 0));
  const matchedQueries = sum(matched);
  if (matchedQueries === 0) throw nothingToRetrieve(queries, gallery);
  const leaveOneOut = isLeaveOneOut(given, setup.selfOf);
  const notes = inputNotes(given, leaveOneOut);
  if (!exact) notes.push(sampledNote(rows.length, queries.count, protocol.pairBudget));
  const fewClasses = protocol.bootstrap.unit === 'class' ? fewClassesNote(setup.queryLabel) : null;
  if (fewClasses !== null) notes.push(fewClasses);
  let input = { ...given, vectors: holdSmallTables(vectors) };
  if (rule === 'project') {
    hooks.progress.phase('Adapter');
    const projected = await projectNewVectors(input, options.threads, hooks);
    input = projected.input;
    notes.push(projected.note);
  }
  const measured = await measurePair({ ...input, protocol }, rows, setup, rule, options, hooks);

  hooks.progress.phase('Reference rows');
  const tolerances = chooseTolerances(measured, protocol.epsilons);
  const references = await measureReferences({ input, rows, tolerances, threads: options.threads }, hooks);

  const plan = {
    unit: protocol.bootstrap.unit,
    queries: setup.queries,
    classOf: setup.queryLabel,
    resamples: protocol.bootstrap.resamples,
    confidence: protocol.bootstrap.confidence,
    seed: protocol.seed,
    threads: options.threads,
  };
  hooks.progress.phase('Agreement');
  const pairSample = await loadPairSample(input, references.rows, references.rotation);
  const agreement = await measureAgreement(input, pairSample, plan, hooks);

  hooks.progress.phase('Partial backfill');
  const backfill = await measureBackfill({ ...input, protocol }, rows, measured, options, hooks);

  hooks.progress.phase('Intervals');
  const statistics = new QueryStatistics(plan);
  const pairViolations = registerViolations(statistics, measured.inequalities);
  const cells = new Map<CellName, RegisteredCell>();
  for (const [name, perQuery] of measured.cells) {
    cells.set(name, registerCell(statistics, perQuery, matched, protocol.ks));
  }
  const paragon = measured.paragon && {
    newOld: measured.paragon.newOld && registerCell(statistics, measured.paragon.newOld, matched, protocol.ks),
    newNew: registerCell(statistics, measured.paragon.newNew, matched, protocol.ks),
  };
  const inverted = statistics.ratio(measured.triplets.inverted, measured.triplets.sampled);
  const repaired = statistics.ratio(measured.triplets.repaired, measured.triplets.sampled);
  const flipRates = registerFlips(statistics, measured);
  const accepted = registerVerification(statistics, measured);
  await statistics.resample(hooks);

  const sampleLabel = Int32Array.from(references.rows, (row) => queries.labelOf[row] as number);
  const sample = new QueryStatistics({ ...plan, queries: references.rows.length, classOf: sampleLabel });
  const registered = {
    jitteredOld: registerViolations(sample, references.jitteredOld),
    permutedNew: registerViolations(sample, references.permutedNew),
    procrustes: references.procrustes && registerViolations(sample, references.procrustes),
  };
  await sample.resample(hooks);
  const ofSample = (violations: typeof registered.jitteredOld) =>
    violationsOf(sample, violations, protocol.epsilons, sampleLabel, setup.classes);
  const inequalities: Report['inequalities'] = {
    ...violationsOf(statistics, pairViolations, protocol.epsilons, setup.queryLabel, setup.classes),
    references: {
      jitteredOld: ofSample(registered.jitteredOld),
      permutedNew: ofSample(registered.permutedNew),
      procrustes: registered.procrustes && ofSample(registered.procrustes),
    },
  };

  const cell = (name: CellName) => {
    const found = cells.get(name);
    return found ? cellOf(statistics, found, matchedQueries) : null;
  };
  const oldOld = cells.get('oldOld') as RegisteredCell;
  const newOld = cells.get('newOld') as RegisteredCell;
  const newNew = cells.get('newNew');
  const names = metricNames(protocol.ks);
  const value = (registeredCell: RegisteredCell, name: MetricName) =>
    statistics.value(registeredCell.metrics.get(name) as Statistic) as number;
  const differenceInterval = (a: RegisteredCell, b: RegisteredCell, name: MetricName) =>
    statistics.differenceInterval(a.metrics.get(name) as Statistic, b.metrics.get(name) as Statistic);

  const { identical } = measured;
  const criterion = criterionTable({ statistics, oldOld, newOld, matched, identical }, protocol);
  const gains: Report['updateGain'] = {};
  const tax: NonNullable<Report['tax']> = {};
  const advbct: NonNullable<Report['advbct']> = {};
  const upgraded = paragon?.newNew ?? newNew;
  for (const name of names) {
    gains[name] = {
      value: upgraded
        ? updateGain(
            value(oldOld, name),
            value(newOld, name),
            value(upgraded, name),
            differenceInterval(upgraded, oldOld, name),
          )
        : null,
      against: paragon ? 'paragon' : 'own-backfill',
    };
    if (paragon && newNew) tax[name] = compatibilityTax(value(paragon.newNew, name), value(newNew, name));
    if (paragon && newNew) {
      advbct[name] = advBctScores({
        oldOld: value(oldOld, name),
        newOld: value(newOld, name),
        newNew: value(newNew, name),
        paragon: value(paragon.newNew, name),
        paragonGainInterval: differenceInterval(paragon.newNew, oldOld, name),
      });
    }
  }

  let matrix: Report['matrix'] = null;
  if (given.versions) {
    hooks.progress.phase('Versions');
    notes.push(versionsNote(given.versions));
    matrix = await versionMatrix({ ...input, protocol }, given.versions, rows, measured, options, hooks);
  }

  hooks.progress.phase('Slices');
  const slices = await sliceTables(queries, rows, measured, matched, plan, protocol, hooks);
  const leftOut = queries.slicesLeftOut ?? [];
  if (leftOut.length > 0) notes.push(leftOutNote(leftOut));

  const verification = verificationOf(measured, statistics, accepted);
  const states = verdictStates(
    protocol.criterionMetric,
    criterion[protocol.criterionMetric] as CriterionEntry,
    thresholdStateOf(verification, protocol.operatingFar),
    inequalities.positive,
    inequalities.references.jitteredOld.positive,
  );
  const flips = flipFigures(input, rows, measured, protocol, (sign, hits, of) =>
    statistics.shareInterval(flipRates[sign], hits, of),
  );
  const curves = (name: CellName) => {
    const found = cells.get(name);
    return found ? { [name]: cmcCurve(found.perQuery, matched, CMC_CURVE_LENGTH) } : {};
  };

  const data: Report['data'] = {
    queries: setup.queries,
    gallery: setup.gallery,
    classes: countClasses(setup.queryLabel, setup.galleryLabel, setup.classes),
    sharedItems: setup.selfOf.reduce((total, self) => total + (self >= 0 ? 1 : 0), 0),
    queriesWithoutMatch: setup.queries - matchedQueries,
    positivePairs: inequalities.positive.pairs,
    negativePairs: inequalities.negative.pairs,
    leaveOneOut,
  };
  const source = { verdict: states, criterion, inequalities, verification, protocol, data };
  hooks.progress.phase('Causes and remedies');
  const deciding = criterion[protocol.criterionMetric] as CriterionEntry;
  const diagnosis = await diagnose(
    {
      input,
      rule,
      sample: pairSample,
      agreement,
      ranking: { criterion: deciding, matchedQueries },
      threads: options.threads,
    },
    hooks,
  );
  const remedies = await estimateRemedies(
    {
      input: { ...input, protocol },
      rows,
      rule,
      measured,
      verdict: states,
      rotation: references.rotation,
      backfill: { backfill: backfill?.backfill ?? null, backfillSummary: backfill?.summary ?? null },
      plan,
      options,
    },
    hooks,
  );
  notes.push(...remedies.notes);

  return {
    verdict: { ...states, summary: summarise(source) },
    data,
    notes,
    protocol: reportedProtocol(protocol, rule, {
      sampledQueries: exact ? null : rows.length,
      referenceQueries: references.rows.length,
    }),
    retrieval: {
      oldOld: cell('oldOld') ?? {},
      newOld: cell('newOld') ?? {},
      newNew: cell('newNew'),
      oldNew: cell('oldNew'),
    },
    criterion,
    updateGain: gains,
    tax: paragon && newNew ? tax : null,
    paragonCells: paragon && {
      newOld: paragon.newOld && cellOf(statistics, paragon.newOld, matchedQueries),
      newNew: cellOf(statistics, paragon.newNew, matchedQueries),
    },
    advbct: paragon && newNew ? advbct : null,
    inequalities,
    triplets: {
      sampled: sum(measured.triplets.sampled),
      inverted: statistics.value(inverted),
      interval: statistics.interval(inverted),
      repaired: statistics.value(repaired),
    },
    flips: flips.figures,
    verification,
    classes: classTable(measured, plan, gallery.classNames, matched),
    worst: worstOf(input, rows, measured, flips.list),
    histograms: histogramsOf(measured),
    curves: {
      cmc: { ...curves('oldOld'), ...curves('newOld'), ...curves('newNew'), ...curves('oldNew') },
      roc: rocOf(measured),
      tolerances,
      tolerance: {
        pair: toleranceCurveOf(references.pair),
        jitteredOld: toleranceCurveOf(references.jitteredOld),
        procrustes: references.procrustes && toleranceCurveOf(references.procrustes),
      },
    },
    backfill: backfill?.backfill ?? null,
    backfillSummary: backfill?.summary ?? null,
    backfillQueries: backfill?.queries ?? null,
    matrix,
    slices,
    agreement: agreement.agreement,
    diagnosis,
    remedies: remedies.remedies,
  };
}

/** Percentile intervals over so many classes hold the truth in 92 instead of 95 of 100 cases (metrics.md section 6). */
const FEW_CLASSES = 20;

function fewClassesNote(queryLabel: Int32Array): string | null {
  const classes = new Set(queryLabel).size;
  if (classes >= FEW_CLASSES) return null;
  return `Intervals are over classes, and only ${counted(classes, 'class has', 'classes have')} queries: so few vary too little, and the intervals come out too narrow.`;
}

function sampledNote(sampled: number, queries: number, pairBudget: number): string {
  return (
    `${count(sampled)} of ${counted(queries, 'query', 'queries')} were sampled, in proportion to their classes, because the ` +
    `pairs exceed the budget of ${count(pairBudget)} ("pairBudget"); every figure is of these queries against the whole ` +
    'gallery, and the intervals include the sampling.'
  );
}

function versionsNote(versions: readonly Version[]): string {
  const [first, last] = [versions[0], versions[versions.length - 1]].map((version) => JSON.stringify(version?.name));
  return `Of ${count(versions.length)} versions the last, ${last}, is held against the first, ${first}; the matrix has them all.`;
}

/** Columns that are no slices by themselves. */
function leftOutNote(columns: readonly string[]): string {
  const [names, have] = [columns.map((name) => JSON.stringify(name)).join(', '), columns.length > 1 ? 'have' : 'has'];
  return `Figures by value leave out ${names}, which ${have} more than 50 values; name a column in "slices" to have them all the same.`;
}

function countClasses(queryLabel: Int32Array, galleryLabel: Int32Array, classes: number): number {
  const present = new Uint8Array(classes);
  for (const label of queryLabel) present[label] = 1;
  for (const label of galleryLabel) present[label] = 1;
  return present.reduce((total, inside) => total + inside, 0);
}

/** From 0 to three times the larger mean shift, or twice the largest tolerance, at a round number. */
function chooseTolerances({ inequalities }: MeasuredPair, epsilons: readonly number[]): number[] {
  const meanOf = ({ severity, pairs }: { severity: Float64Array; pairs: Float64Array }) => {
    const count = sum(pairs);
    return count === 0 ? 0 : sum(severity) / count;
  };
  const shift = Math.max(meanOf(inequalities.positive), meanOf(inequalities.negative));
  const wanted = Math.max(3 * shift, 2 * Math.max(...epsilons), 1e-3);
  const unit = 10 ** Math.floor(Math.log10(wanted));
  const high = unit * ([1, 2, 3, 5, 10].find((factor) => factor * unit >= wanted) ?? 10);
  return Array.from({ length: TOLERANCE_POINTS }, (_, point) => (high * point) / (TOLERANCE_POINTS - 1));
}

/** Shares of pairs per bin. */
function histogramsOf({ histograms }: MeasuredPair): Report['histograms'] {
  const shares = (name: CellName) => {
    const counts = histograms.counts.get(name);
    if (counts === undefined) return null;
    const share = (values: Float64Array) => {
      const total = sum(values);
      return Array.from(values, (count) => (total === 0 ? 0 : count / total));
    };
    return { positive: share(counts.positive), negative: share(counts.negative) };
  };
  const empty = { positive: [], negative: [] };
  return {
    edges: histograms.edges,
    oldOld: shares('oldOld') ?? empty,
    newOld: shares('newOld') ?? empty,
    newNew: shares('newNew'),
  };
}
