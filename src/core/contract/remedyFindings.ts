/** Remedies and causes in words, for readers who know none of the methods. */
import { inWords, metricLabel, number, percent, sentence } from './format.ts';
import type { Diagnosis, DiagnosisCode, Remedy, RemedyMethod, Report } from './report.ts';
import { atFar, TAR_SLACK } from './thresholdFindings.ts';

/** `name` heads a row, `noun` stands in a sentence. */
export const remedyWords: Readonly<Record<RemedyMethod, { name: string; noun: string; what: string }>> = {
  threshold: {
    name: 'Move the threshold',
    noun: 'another threshold',
    what: 'Accept pairs up to another distance; both models and the gallery stay.',
  },
  procrustes: {
    name: 'Rotate new queries',
    noun: 'a rotation of new queries',
    what: 'One fitted rotation turns each new vector into the old space.',
  },
  linear: {
    name: 'Linear adapter',
    noun: 'a linear adapter',
    what: 'One fitted matrix maps each new vector into the old space.',
  },
  mlp: {
    name: 'Small network as adapter',
    noun: 'a small network as adapter',
    what: 'A fitted network with one hidden layer maps each new vector into the old space.',
  },
  backfill: {
    name: 'Backfill in part',
    noun: 'a backfill in part',
    what: 'A part of the gallery is embedded again; old and new vectors stand side by side.',
  },
  bct: {
    name: 'Train for compatibility',
    noun: 'training for compatibility',
    what: 'The new model is trained again, with the old model in its loss.',
  },
};

export const causeNames: Readonly<Record<DiagnosisCode, string>> = {
  rotation: 'Rotation',
  scale: 'Scale',
  offset: 'Offset',
  preprocessing: 'Preprocessing',
  'label-map': 'Swapped labels',
  duplicates: 'Duplicates',
  'few-queries': 'Too few queries',
  'collapsed-dimensions': 'Collapsed dimensions',
};

/** A report of a later version may know more causes: their code then is their name. */
export function causeName(code: string): string {
  return Object.hasOwn(causeNames, code) ? causeNames[code as DiagnosisCode] : sentence(code.replaceAll('-', ' '));
}

export function remedyName(method: string): string {
  return Object.hasOwn(remedyWords, method) ? remedyWords[method as RemedyMethod].name : sentence(method);
}

/** "Why: rotation" / "Why: no known cause was found". */
export function causesTitle(report: Report): string {
  const found = report.diagnosis.filter((cause) => cause.found).map((cause) => causeName(cause.code).toLowerCase());
  if (found.length === 0) return 'Why: no known cause was found';
  const last = found.pop();
  return `Why: ${found.length === 0 ? last : `${found.join(', ')} and ${last}`}`;
}

/** `heldOutResidual` as `held out residual`. */
function fieldWords(field: string): string {
  return field
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replaceAll(/[-_]/g, ' ')
    .toLowerCase();
}

function evidenceText(value: unknown): string {
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : number(value);
  if (value === null || value === undefined) return 'not measured';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.map(evidenceText).join(', ');
  if (typeof value === 'object')
    return Object.entries(value)
      .map(([field, entry]) => `${fieldWords(field)} ${evidenceText(entry)}`)
      .join(', ');
  return String(value);
}

/** The figures that decided a cause, one row each. */
export function evidenceRows(cause: Diagnosis): { name: string; value: string }[] {
  return Object.entries(cause.evidence ?? {}).map(([field, value]) => ({
    name: sentence(fieldWords(field)),
    value: evidenceText(value),
  }));
}

/** Of the criterion's metric, where a remedy was estimated for it. */
export function remedyValue(report: Report, remedy: Remedy): number | null {
  return remedy.estimated[report.verdict.metric]?.value ?? null;
}

/** The cheapest that gives verification back what a fixed threshold lost; null where nothing is lost, or none does. */
function restoringRemedy({ verdict, verification, protocol, remedies }: Report) {
  const oldTar = atFar(verification?.cells.oldOld, protocol.operatingFar)?.tar ?? null;
  if (verdict.thresholds === null || verdict.thresholds === 'kept' || oldTar === null) return null;
  for (const remedy of remedies) {
    const tar = remedy.estimated.tar?.value;
    if (tar !== undefined && tar >= oldTar - TAR_SLACK) return { remedy, tar, oldTar };
  }
  return null;
}

/** What the remedies come to: which is the cheapest that helps. */
export function remediesTitle(report: Report): string {
  const { remedies, verdict } = report;
  if (remedies.length === 0) return 'No remedy was estimated';
  const metric = metricLabel(verdict.metric);
  const noun = ({ method }: Remedy) => (Object.hasOwn(remedyWords, method) ? remedyWords[method].noun : method);
  const adapted = remedies.filter((remedy) => remedyValue(report, remedy) !== null && remedy.method !== 'threshold');
  const best = adapted.reduce<Remedy | null>(
    (a, b) => (a === null || (remedyValue(report, b) ?? 0) > (remedyValue(report, a) ?? 0) ? b : a),
    null,
  );
  if (verdict.state === 'compatible' || verdict.state === 'within-margin') {
    const restored = restoringRemedy(report);
    if (restored)
      return `Ranking needs no remedy; ${noun(restored.remedy)} restores verification: TAR ${number(restored.tar)} against ${number(restored.oldTar)}`;
    const now = report.retrieval.newOld[verdict.metric]?.value ?? null;
    const value = best === null ? null : remedyValue(report, best);
    return best !== null && value !== null && now !== null && value > now
      ? `Ranking needs no remedy; ${noun(best)} would still gain: ${metric} ${number(value)} against ${number(now)}`
      : 'Ranking needs no remedy';
  }
  const reaching = remedies.find((remedy) => remedy.reachesCriterion === true);
  const old = report.retrieval.oldOld[verdict.metric]?.value;
  if (!reaching) {
    const value = best === null ? null : remedyValue(report, best);
    return value === null || best === null
      ? 'No estimated remedy reaches the old model'
      : `No estimated remedy reaches the old model; ${noun(best)} comes nearest: ${metric} ${number(value)} against ${number(old)}`;
  }
  const count = remedies.filter((remedy) => remedy.reachesCriterion === true).length;
  const others = count > 1 ? `, the cheapest of ${inWords(count)} that do` : '';
  return `${sentence(noun(reaching))} ranks better than the old model: ${metric} ${number(remedyValue(report, reaching))} against ${number(old)}${others}`;
}

/** "half of the gallery", "all of it". */
export function shareOfGallery(share: number): string {
  return share >= 1 ? 'the whole gallery' : `${percent(share)} of the gallery`;
}
