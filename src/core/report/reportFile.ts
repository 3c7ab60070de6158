import { open, readFile, stat } from 'node:fs/promises';
import { BackcompatError } from '../contract/errors.ts';
import { REPORT_FORMAT, REPORT_FORMAT_VERSION, type Report } from '../contract/report.ts';
import { writeFileAtomic } from '../runs/atomicFile.ts';

/** Ten thousand classes and all lists full are some 10 MB; more is no report of ours. */
export const MAX_REPORT_BYTES = 256 * 2 ** 20;

/**
 * Throws when a number that JSON cannot hold is about to be written: it would read back as null, as
 * if it had not been measured.
 * @throws BackcompatError `internal` naming the path
 */
export function assertFinite(value: unknown, where = 'report'): void {
  if (typeof value === 'number') {
    if (!Number.isFinite(value))
      throw new BackcompatError('internal', `${where} is ${value}, which no report may hold.`);
  } else if (Array.isArray(value)) {
    value.forEach((entry, index) => {
      assertFinite(entry, `${where}[${index}]`);
    });
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, entry] of Object.entries(value)) assertFinite(entry, `${where}.${key}`);
  }
}

/** The report as the text of its file. @throws BackcompatError `internal`, see {@link assertFinite} */
export function serialiseReport(report: Report): string {
  assertFinite(report);
  return `${JSON.stringify(report, null, 2)}\n`;
}

/**
 * Writes a report, whole or not at all.
 * @throws BackcompatError `in-use` when the file exists and is not a report
 */
export async function writeReport(file: string, report: Report): Promise<void> {
  const text = serialiseReport(report);
  await checkReportTarget(file);
  await writeFileAtomic(file, text);
}

/**
 * Whether a report may be written there: nothing is overwritten but an older report.
 * @throws BackcompatError `in-use`
 */
export async function checkReportTarget(file: string): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (found === null) return;
  if (found.isFile() && (await holdsReport(file, found.size))) return;
  const what = found.isDirectory() ? 'is a directory' : 'exists and is not a report';
  throw new BackcompatError('in-use', `${file} ${what}; it stays as it is.`, {
    place: { file },
    remedy: 'Choose another file for the report.',
  });
}

async function holdsReport(file: string, size: number): Promise<boolean> {
  // The format is the first key we write; the head of the file is enough.
  const head = Buffer.alloc(Math.min(size, 256));
  const handle = await open(file, 'r');
  try {
    await handle.read(head, 0, head.length, 0);
  } finally {
    await handle.close();
  }
  return /^\s*\{\s*"format"\s*:\s*"backcompat\.report"/.test(head.toString('utf8'));
}

/**
 * Reads a report of this version of the format or an older one.
 * @throws BackcompatError `not-found`, `bad-file` for anything else
 */
export async function readReport(file: string): Promise<Report> {
  const found = await stat(file).catch(() => null);
  const place = { file };
  if (found === null) throw new BackcompatError('not-found', `There is no report ${file}.`, { place });
  if (!found.isFile()) throw new BackcompatError('bad-file', `${file} is not a file.`, { place });
  if (found.size > MAX_REPORT_BYTES) {
    const limit = MAX_REPORT_BYTES / 2 ** 20;
    throw new BackcompatError('bad-file', `${file} is larger than any report (${limit} MB).`, { place });
  }
  return parseReport(await readFile(file, 'utf8'), file);
}

/**
 * The report in a text; `file` is for messages.
 * @throws BackcompatError `bad-file`
 */
export function parseReport(text: string, file: string): Report {
  const place = { file };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new BackcompatError('bad-file', `${file} is damaged: it is not valid JSON.`, {
      place,
      remedy: 'Run the audit again.',
      cause,
    });
  }
  if (!isObject(value) || value.format !== REPORT_FORMAT) {
    throw new BackcompatError('bad-file', `${file} is not a Backcompat report.`, { place });
  }
  const version = value.formatVersion;
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1) {
    throw damaged(file, 'formatVersion');
  }
  if (version > REPORT_FORMAT_VERSION) {
    const message = `${file} has format version ${version}; this Backcompat reads up to ${REPORT_FORMAT_VERSION}.`;
    throw new BackcompatError('bad-file', message, { place, remedy: 'Update Backcompat.' });
  }
  const problem = findProblem(value);
  if (problem !== null) throw damaged(file, problem);
  return value as unknown as Report;
}

function damaged(file: string, field: string): BackcompatError {
  return new BackcompatError('bad-file', `${file} is damaged: "${field}" is missing or has the wrong type.`, {
    place: { file, field },
    remedy: 'Run the audit again.',
  });
}

type Fields = Record<string, unknown>;

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

type Test = (value: unknown) => boolean;
const text: Test = (value) => typeof value === 'string';
const number: Test = (value) => typeof value === 'number';
const optional =
  (test: Test): Test =>
  (value) =>
    value === null || value === undefined || test(value);
const figure = optional(number);
const range = optional((value) => Array.isArray(value) && value.length === 2 && value.every(number));
const listOf =
  (test: Test): Test =>
  (value) =>
    Array.isArray(value) && value.every(test);
const object =
  (fields: Readonly<Record<string, Test>>): Test =>
  (value) =>
    isObject(value) && Object.entries(fields).every(([field, test]) => test(value[field]));
const mapOf =
  (test: Test): Test =>
  (value) =>
    isObject(value) && Object.values(value).every(test);

const model = object({ name: text, kind: text, path: text, dimension: number });
const cell = mapOf(object({ value: number, interval: range }));
const violations = object({
  pairs: number,
  byEpsilon: listOf(object({ epsilon: number, violations: number, rate: figure, interval: range })),
  severity: figure,
  macroRate: figure,
});
const signed = object({ positive: violations, negative: violations });
const flag = optional((value) => typeof value === 'boolean');
const change = object({ old: figure, new: figure, difference: figure, interval: range });

const criterion = mapOf(
  object({ old: number, new: number, difference: number, interval: range, state: text, queriesToDecide: figure }),
);
const transfer = listOf(
  object({
    far: number,
    oldThreshold: figure,
    farAtOldThreshold: figure,
    tarAtOldThreshold: figure,
    restoringThreshold: figure,
    tarAtRestoringThreshold: figure,
    tarInterval: range,
  }),
);
const estimate = optional(object({ value: number, interval: range }));

/** `ac` ... are figures, `versions` names, whatever else is the triangle of a metric. */
const matrix: Test = (value) =>
  isObject(value) &&
  Object.entries(value).every(([field, entry]) => {
    if (field === 'versions') return listOf(text)(entry);
    return ['ac', 'am', 'bc', 'fc'].includes(field) ? figure(entry) : listOf(listOf(number))(entry);
  }) &&
  value.versions !== undefined;

/** What came after the first reports; absent in those. */
const later: Readonly<Record<string, Test>> = {
  notes: listOf(text),
  paragonCells: object({ newOld: optional(cell), newNew: cell }),
  advbct: mapOf(object({ comp: figure, up: figure, one: figure })),
  verification: object({
    far: listOf(number),
    cells: mapOf(listOf(object({ far: number, threshold: figure, tar: figure }))),
    consequential: listOf(
      object({
        far: number,
        newFalseAccepts: figure,
        mendedFalseAccepts: figure,
        newFalseRejects: figure,
        mendedFalseRejects: figure,
      }),
    ),
    transfer: object({ newOld: transfer, newNew: optional(transfer) }),
  }),
  backfill: mapOf(listOf(mapOf(number))),
  backfillQueries: number,
  backfillSummary: mapOf(
    mapOf(
      object({
        area: number,
        worst: object({ share: number, value: number }),
        reachesOldOld: figure,
        reachesNewNew: figure,
      }),
    ),
  ),
  matrix,
  slices: mapOf(
    listOf(
      object({
        value: text,
        queries: number,
        criterion,
        positiveRate: figure,
        negativeRate: figure,
        negativeFlipRate: figure,
      }),
    ),
  ),
  agreement: object({
    queries: number,
    neighbourOverlap: listOf(object({ k: number, newOld: estimate, newNew: estimate })),
    displacement: optional(object({ mean: number, median: number, p95: number })),
    procrustesResidual: figure,
  }),
  remedies: listOf(
    object({ method: text, estimated: mapOf(estimate), basis: text, cost: text, reachesCriterion: flag }),
  ),
  baseline: object({
    path: text,
    created: text,
    tool: text,
    comparable: (value) => typeof value === 'boolean',
    differences: optional(listOf(text)),
    figures: optional(mapOf(figure)),
  }),
  undecided: text,
};

/** What the renderings rely on, by path. */
const shape: Readonly<Record<string, Test>> = {
  verdict: object({
    state: text,
    metric: text,
    thresholds: optional(text),
    inequalities: optional(text),
    summary: text,
    explanation: optional(text),
  }),
  pair: text,
  old: model,
  new: model,
  paragon: optional(model),
  data: object({
    queries: number,
    gallery: number,
    classes: number,
    sharedItems: number,
    queriesWithoutMatch: number,
    positivePairs: number,
    negativePairs: number,
    labelled: flag,
    leaveOneOut: flag,
  }),
  protocol: object({
    distance: text,
    dimensionRule: text,
    epsilons: listOf(number),
    margin: number,
    ks: listOf(number),
    seed: number,
    sampledQueries: figure,
    bootstrap: object({ unit: text, resamples: number, confidence: number }),
  }),
  retrieval: object({ oldOld: cell, newOld: cell, newNew: optional(cell), oldNew: optional(cell) }),
  criterion,
  updateGain: mapOf(object({ value: figure, against: text })),
  tax: optional(mapOf(number)),
  inequalities: object({
    positive: violations,
    negative: violations,
    references: object({ jitteredOld: signed, permutedNew: signed, procrustes: optional(signed) }),
  }),
  triplets: object({ sampled: number, inverted: figure, interval: range, repaired: figure }),
  flips: object({ k: number, negativeFlipRate: figure, positiveFlipRate: figure, flippedQueries: number }),
  classes: listOf(object({ label: text, queries: number, positiveRate: figure, negativeRate: figure, map: change })),
  worst: object({
    positivePairs: listOf(isObject),
    negativePairs: listOf(isObject),
    flippedQueries: listOf(isObject),
    hubs: listOf(object({ gallery: text, violations: number })),
    classPairs: listOf(isObject),
  }),
  histograms: object({ edges: listOf(number), oldOld: isObject, newOld: isObject }),
  curves: object({ cmc: isObject, tolerances: listOf(number), tolerance: isObject }),
  diagnosis: listOf(object({ code: text, message: text, found: flag, evidence: optional(isObject) })),
  gates: listOf(object({ rule: text, severity: text, limit: isObject, state: text, interval: range, message: text })),
  provenance: object({ tool: text, created: text, dataset: text, seconds: number }),
};

/** The first field that is not what renderings rely on; null when all are. */
function findProblem(value: Fields): string | null {
  const problem = Object.keys(shape).find((field) => !shape[field]?.(value[field]));
  return problem ?? Object.keys(later).find((field) => !optional(later[field] as Test)(value[field])) ?? null;
}
