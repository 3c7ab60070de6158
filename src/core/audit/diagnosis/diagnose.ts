import type { CriterionEntry, Diagnosis, DimensionRule } from '../../contract/report.ts';
import type { AgreementFigures } from '../agreement.ts';
import type { AuditInput } from '../auditInput.ts';
import type { MeasureHooks } from '../measurePair.ts';
import type { PairSample } from '../pairSample.ts';
import { formFor, loadMatrix } from '../vectors.ts';
import { classEvidence } from './classMeans.ts';
import { collapsedDimensionsCause } from './collapsedDimensions.ts';
import { duplicatesCause } from './duplicates.ts';
import type { CauseEvidence } from './evidence.ts';
import { fewQueriesCause } from './fewQueries.ts';
import { labelMapCause } from './labelMap.ts';
import { duplicateEvidence } from './nearDuplicates.ts';
import { offsetCause } from './offset.ts';
import { preprocessingCause } from './preprocessing.ts';
import { rotationCause } from './rotation.ts';
import { scaleCause } from './scale.ts';
import { medianLength, spreadEvidence } from './spread.ts';

export interface DiagnosisRequest {
  input: AuditInput;
  rule: DimensionRule;
  sample: PairSample;
  agreement: AgreementFigures;
  /** null without labels. */
  ranking: { criterion: CriterionEntry; matchedQueries: number } | null;
  threads: number | null;
}

/**
 * Looks for every known cause (metrics.md section 10); the list also holds what was not found. Measured on the
 * sample of the reference rows and on at most 32 MB of each table, whatever their length.
 * @throws BackcompatError `cancelled`, and what the sources throw
 */
export async function diagnose(request: DiagnosisRequest, hooks: MeasureHooks): Promise<Diagnosis[]> {
  return causesOf(await measureEvidence(request, hooks));
}

/** The decisions alone, found ones first. */
export function causesOf(evidence: CauseEvidence): Diagnosis[] {
  const all = [
    labelMapCause(evidence),
    duplicatesCause(evidence),
    fewQueriesCause(evidence),
    rotationCause(evidence),
    offsetCause(evidence),
    scaleCause(evidence),
    preprocessingCause(evidence),
    collapsedDimensionsCause(evidence),
  ];
  return [...all.filter(({ found }) => found), ...all.filter(({ found }) => !found)];
}

export async function measureEvidence(request: DiagnosisRequest, hooks: MeasureHooks): Promise<CauseEvidence> {
  const { input, sample, ranking, threads } = request;
  const { vectors, protocol } = input;
  const stored = (source: AuditInput['vectors']['oldQuery']) =>
    loadMatrix(source, { columns: source.dimension, normalise: false }, sample.rows);
  const own =
    request.rule === 'equal'
      ? sample.cross
      : await loadMatrix(vectors.newQuery, formFor(protocol.distance, vectors.newQuery.dimension), sample.rows);
  const lengths = {
    old: medianLength(await stored(vectors.oldQuery)),
    new: medianLength(await stored(vectors.newQuery)),
  };
  const interval = ranking?.criterion.interval ?? null;
  return {
    distance: protocol.distance,
    rule: request.rule,
    queries: sample.rows.length,
    spread: await spreadEvidence(sample, own, lengths, protocol.distance, threads),
    rotationItems: sample.rotationItems,
    classes: ranking === null ? null : await classEvidence(input, sample, own, threads),
    duplicates: await duplicateEvidence(input, request.agreement, threads, hooks),
    ranking: ranking && {
      matchedQueries: ranking.matchedQueries,
      state: ranking.criterion.state,
      halfWidth: interval && (interval[1] - interval[0]) / 2,
    },
  };
}
