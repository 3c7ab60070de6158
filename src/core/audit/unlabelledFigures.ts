import { unlabelledSummary } from '../contract/agreementFindings.ts';
import type { SignedViolations, Violations } from '../contract/report.ts';
import { measureAgreement } from './agreement.ts';
import type { AuditFigures } from './auditFigures.ts';
import type { AuditInput } from './auditInput.ts';
import { inputNotes, isLeaveOneOut } from './auditNotes.ts';
import { diagnose } from './diagnosis/diagnose.ts';
import { resolveDimensionRule } from './dimensionRule.ts';
import type { MeasureHooks, MeasureOptions } from './measurePair.ts';
import { loadPairSample } from './pairSample.ts';
import { makePairSetup } from './pairSetup.ts';
import { projectNewVectors } from './project.ts';
import { fitRotations } from './references.ts';
import { reportedProtocol } from './reportedProtocol.ts';
import { sampleRows } from './sampling.ts';

/**
 * Audits a pair without labels as far as that goes: agreement of neighbours and vectors, and the causes that vectors
 * alone show. All that needs classes is null or empty, and the verdict is undecided.
 * @throws BackcompatError `dimension-mismatch`, `cancelled`, and what the sources throw
 */
export async function unlabelledFigures(
  given: AuditInput,
  options: MeasureOptions,
  hooks: MeasureHooks,
): Promise<AuditFigures> {
  const { queries, gallery, vectors, protocol } = given;
  const { threads } = options;
  const rule = resolveDimensionRule(protocol.dimensionRule, vectors.oldQuery.dimension, vectors.newQuery.dimension);
  const rows = sampleRows(queries.labelOf, protocol.referenceQueries, protocol.seed);
  const { selfOf } = makePairSetup(queries, gallery);
  const leaveOneOut = isLeaveOneOut(given, selfOf);
  const notes = inputNotes(given, leaveOneOut);
  let input = given;
  if (rule === 'project') {
    hooks.progress.phase('Adapter');
    const projected = await projectNewVectors(given, threads, hooks);
    input = projected.input;
    notes.push(projected.note);
  }

  hooks.progress.phase('Agreement');
  const sample = await loadPairSample(input, rows, await fitRotations(input, threads, hooks));
  const { resamples, confidence } = protocol.bootstrap;
  // Without labels there are no classes to resample.
  const plan = { unit: 'query' as const, resamples, confidence, seed: protocol.seed, threads };
  const agreement = await measureAgreement(input, sample, plan, hooks);
  hooks.progress.phase('Causes');
  const diagnosis = await diagnose({ input, rule, sample, agreement, ranking: null, threads }, hooks);

  const none = noViolations(protocol.epsilons);
  const reported = reportedProtocol(protocol, rule, { sampledQueries: null, referenceQueries: rows.length });
  return {
    verdict: {
      state: 'undecided',
      metric: protocol.criterionMetric,
      thresholds: null,
      inequalities: null,
      summary: unlabelledSummary(agreement.agreement),
    },
    data: {
      queries: queries.count,
      gallery: gallery.count,
      classes: 0,
      sharedItems: selfOf.reduce((total, self) => total + (self >= 0 ? 1 : 0), 0),
      queriesWithoutMatch: 0,
      positivePairs: 0,
      negativePairs: 0,
      labelled: false,
      leaveOneOut,
    },
    notes,
    protocol: { ...reported, triplets: 0, bootstrap: { ...reported.bootstrap, unit: 'query' } },
    retrieval: { oldOld: {}, newOld: {}, newNew: null, oldNew: null },
    criterion: {},
    updateGain: {},
    tax: null,
    paragonCells: null,
    advbct: null,
    inequalities: { ...none, references: { jitteredOld: none, permutedNew: none, procrustes: null } },
    triplets: { sampled: 0, inverted: null, interval: null, repaired: null },
    flips: {
      k: 1,
      negativeFlipRate: null,
      negativeFlipRateInterval: null,
      positiveFlipRate: null,
      positiveFlipRateInterval: null,
      relativeNegativeFlipRate: null,
      flippedQueries: 0,
    },
    verification: null,
    classes: [],
    worst: { positivePairs: [], negativePairs: [], flippedQueries: [], hubs: [], classPairs: [] },
    histograms: {
      edges: [],
      oldOld: { positive: [], negative: [] },
      newOld: { positive: [], negative: [] },
      newNew: null,
    },
    curves: {
      cmc: {},
      tolerances: [],
      tolerance: {
        pair: { positive: [], negative: [] },
        jitteredOld: { positive: [], negative: [] },
        procrustes: null,
      },
    },
    backfill: null,
    matrix: null,
    slices: {},
    agreement: agreement.agreement,
    diagnosis,
    remedies: [],
  };
}

function noViolations(epsilons: readonly number[]): SignedViolations {
  const sign = (): Violations => ({
    pairs: 0,
    byEpsilon: epsilons.map((epsilon) => ({ epsilon, violations: 0, rate: null, interval: null })),
    severity: null,
    severityInterval: null,
    macroRate: null,
  });
  return { positive: sign(), negative: sign() };
}
