import { measureAgreement } from '../../src/core/audit/agreement.ts';
import type { AuditInput, AuditItems } from '../../src/core/audit/auditInput.ts';
import { registerCell } from '../../src/core/audit/cells.ts';
import { criterionEntry } from '../../src/core/audit/criterion.ts';
import { diagnose } from '../../src/core/audit/diagnosis/diagnose.ts';
import { loadPairSample } from '../../src/core/audit/pairSample.ts';
import { makePairSetup } from '../../src/core/audit/pairSetup.ts';
import { fitRotations } from '../../src/core/audit/references.ts';
import { measureRetrieval, type PerQuery } from '../../src/core/audit/retrieval.ts';
import { QueryStatistics, type Statistic } from '../../src/core/audit/statistics.ts';
import { BlockReader, formFor, loadMatrix } from '../../src/core/audit/vectors.ts';
import { defaultProtocol } from '../../src/core/contract/protocol.ts';
import type { Diagnosis, DiagnosisCode, DimensionRule, Distance } from '../../src/core/contract/report.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom, type Random } from '../../src/core/numeric/random.ts';
import { silentProgress } from './silentProgress.ts';

export const PLANTED_DIMENSION = 64;
export const SEEDS = 20;
const hooks = { progress: silentProgress };

/** Vectors of two models for queries and gallery, class centres shared; queries first, then the gallery. */
export interface Planted {
  distance?: Distance;
  rule?: DimensionRule;
  columns?: { old: number; new: number };
  /** Labels as the label files have them. */
  queryLabels: Int32Array;
  galleryLabels: Int32Array;
  /** Row-major; queries then gallery. */
  old: Float32Array;
  new: Float32Array;
}

export interface Shape {
  classes: number;
  queriesPerClass: number;
  galleryPerClass: number;
}

export const plantedShape: Shape = { classes: 25, queriesPerClass: 8, galleryPerClass: 32 };

export function labelsOf(shape: Shape): { queryLabels: Int32Array; galleryLabels: Int32Array } {
  const repeat = (per: number) => Int32Array.from({ length: shape.classes * per }, (_, i) => Math.floor(i / per));
  return { queryLabels: repeat(shape.queriesPerClass), galleryLabels: repeat(shape.galleryPerClass) };
}

/** Random class centres of unit length, classes x columns. */
export function centres(random: Random, classes: number, columns: number): Float64Array {
  const values = Float64Array.from({ length: classes * columns }, () => random.normal());
  for (let c = 0; c < classes; c++) unit(values.subarray(c * columns, (c + 1) * columns));
  return values;
}

/** Unit vectors: class centre + spread N(0, I) / sqrt(columns), noise of its own on every call. */
export function model(
  random: Random,
  means: Float64Array,
  labels: readonly Int32Array[],
  spread: number,
  columns: number,
): Float32Array {
  const all = labels.flatMap((list) => [...list]);
  const values = new Float32Array(all.length * columns);
  const vector = new Float64Array(columns);
  all.forEach((label, item) => {
    for (let k = 0; k < columns; k++) {
      vector[k] = (means[label * columns + k] as number) + (spread * random.normal()) / Math.sqrt(columns);
    }
    unit(vector);
    values.set(vector, item * columns);
  });
  return values;
}

/** What the audit's diagnosis says about a planted pair; the criterion is measured as the audit does. */
export async function diagnosePlanted(planted: Planted, seed: number): Promise<Diagnosis[]> {
  const columns = planted.columns ?? { old: PLANTED_DIMENSION, new: PLANTED_DIMENSION };
  const rule = planted.rule ?? 'equal';
  const queries = itemsOf('query', planted.queryLabels);
  const gallery = itemsOf('gallery', planted.galleryLabels);
  const part = (values: Float32Array, width: number, name: string, from: number, to: number) =>
    vectorsInMemory(name, values.subarray(from * width, to * width), width);
  const [cut, end] = [queries.count, queries.count + gallery.count];
  const input: AuditInput = {
    queries,
    gallery,
    vectors: {
      oldQuery: part(planted.old, columns.old, 'old queries', 0, cut),
      newQuery: part(planted.new, columns.new, 'new queries', 0, cut),
      oldGallery: part(planted.old, columns.old, 'old gallery', cut, end),
      newGallery: part(planted.new, columns.new, 'new gallery', cut, end),
      paragonQuery: null,
      paragonGallery: null,
    },
    protocol: { ...defaultProtocol, distance: planted.distance ?? 'cosine', seed },
  };
  const rows = Int32Array.from({ length: cut }, (_, row) => row);
  const plan = {
    unit: 'query' as const,
    queries: cut,
    classOf: queries.labelOf,
    resamples: 100,
    confidence: 0.95,
    seed,
    threads: 1,
  };
  const rotation = rule === 'equal' ? await fitRotations(input, 1, hooks) : null;
  const sample = await loadPairSample(input, rows, rotation);
  const agreement = await measureAgreement(input, sample, plan, hooks);
  const setup = makePairSetup(queries, gallery, rows);
  const form = formFor(input.protocol.distance, columns.old);
  const { perQuery } = await measureRetrieval(
    {
      distance: input.protocol.distance,
      cells: [
        { name: 'oldOld', query: sample.old },
        { name: 'newOld', query: await loadMatrix(input.vectors.newQuery, form, rows) },
      ],
      gallery: new BlockReader(input.vectors.oldGallery, form, 5000),
      setup,
      threads: 1,
    },
    hooks,
  );
  const statistics = new QueryStatistics(plan);
  const matched = Float64Array.from(setup.matchCount, (count) => (count > 0 ? 1 : 0));
  const matchedQueries = matched.reduce((total, value) => total + value, 0);
  const [before, after] = ['oldOld', 'newOld'].map(
    (name) =>
      registerCell(statistics, perQuery.get(name as 'oldOld') as PerQuery, matched, [1]).metrics.get(
        'map',
      ) as Statistic,
  ) as [Statistic, Statistic];
  await statistics.resample();
  const criterion = criterionEntry({
    old: statistics.value(before) as number,
    new: statistics.value(after) as number,
    interval: statistics.differenceInterval(after, before),
    matchedQueries,
    margin: 0,
    identical: planted.old === planted.new,
    unchangedHits: false,
    confidence: 0.95,
  });
  return diagnose({ input, rule, sample, agreement, ranking: { criterion, matchedQueries }, threads: 1 }, hooks);
}

/** An aligned, better new model: what causes are planted into. */
export function better(seed: number, shape = plantedShape): Planted & { random: Random } {
  const random = randomOf(seed);
  const labels = labelsOf(shape);
  const means = centres(random, shape.classes, PLANTED_DIMENSION);
  const both = [labels.queryLabels, labels.galleryLabels];
  return {
    ...labels,
    old: model(random, means, both, 1.6, PLANTED_DIMENSION),
    new: model(random, means, both, 1, PLANTED_DIMENSION),
    random,
  };
}

export function foundIn(diagnosis: readonly Diagnosis[]): DiagnosisCode[] {
  return diagnosis.filter(({ found }) => found).map(({ code }) => code);
}

export interface Tally {
  plant: string;
  expected: DiagnosisCode | null;
  hits: number;
  /** Seeds with a cause that was not planted, and how often each was named. */
  falseAlarms: number;
  others: Record<string, number>;
}

/** Diagnoses a planted pair under every seed and counts what is named. */
export async function tally(
  plant: string,
  expected: DiagnosisCode | null,
  make: (seed: number) => Planted | Promise<Planted>,
): Promise<Tally> {
  const result: Tally = { plant, expected, hits: 0, falseAlarms: 0, others: {} };
  for (let seed = 0; seed < SEEDS; seed++) {
    const found = foundIn(await diagnosePlanted(await make(seed), seed));
    if (expected !== null && found.includes(expected)) result.hits++;
    const others = found.filter((code) => code !== expected);
    if (others.length > 0) result.falseAlarms++;
    for (const code of others) result.others[code] = (result.others[code] ?? 0) + 1;
  }
  return result;
}

/** The tallies as lines of a table, for the test's output. */
export function tallyLines(tallies: readonly Tally[]): string {
  const line = (...cells: string[]) => `| ${cells.join(' | ')} |`;
  const named = (others: Record<string, number>) =>
    Object.entries(others)
      .map(([code, times]) => `${code} ${times}`)
      .join(', ');
  return [
    line('planted', 'named', 'hits', 'false alarms', 'which'),
    line('---', '---', '---:', '---:', '---'),
    ...tallies.map(({ plant, expected, hits, falseAlarms, others }) =>
      line(
        plant,
        expected ?? 'nothing',
        expected === null ? '' : `${hits}/${SEEDS}`,
        `${falseAlarms}/${SEEDS}`,
        named(others),
      ),
    ),
  ].join('\n');
}

export function randomOf(seed: number): Random {
  return createRandom(seed, 'planted causes');
}

function itemsOf(name: string, labelOf: Int32Array): AuditItems {
  const classes = labelOf.reduce((most, label) => Math.max(most, label), 0) + 1;
  return {
    name,
    count: labelOf.length,
    ids: Array.from(labelOf, (_, i) => `${name}/${i}`),
    labelOf,
    classNames: Array.from({ length: classes }, (_, c) => `class ${c}`),
  };
}

function unit(vector: Float64Array): void {
  const length = Math.sqrt(vector.reduce((total, value) => total + value * value, 0));
  for (let k = 0; k < vector.length; k++) vector[k] = (vector[k] as number) / length;
}
