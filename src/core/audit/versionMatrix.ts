import { BackcompatError } from '../contract/errors.ts';
import type { CellName, DimensionRule, MetricName, VersionMatrix } from '../contract/report.ts';
import type { AuditInput, Version } from './auditInput.ts';
import { hitsAt } from './cells.ts';
import { resolveDimensionRule } from './dimensionRule.ts';
import type { MeasuredPair, MeasureHooks, MeasureOptions } from './measurePair.ts';
import { projectNewVectors } from './project.ts';
import { measureRetrieval, type PerQuery } from './retrieval.ts';
import { BlockReader, formFor, loadMatrix } from './vectors.ts';

/** Gallery values read at once: 8 MB. */
const BLOCK_VALUES = 2_097_152;

/**
 * The rule under which queries of version t meet the gallery of version k, for k < t; `[t][k]`.
 * @throws BackcompatError `dimension-mismatch` naming the two versions, where the pair's rule does not fit them
 */
export function versionRules(
  versions: readonly Version[],
  chosen: AuditInput['protocol']['dimensionRule'],
): DimensionRule[][] {
  return versions.map(({ name, query }, t) =>
    versions.slice(0, t).map((older) => {
      try {
        return resolveDimensionRule(chosen, older.query.dimension, query.dimension);
      } catch (error) {
        if (!(error instanceof BackcompatError)) throw error;
        throw new BackcompatError(
          error.code,
          `Queries of ${JSON.stringify(name)} cannot search the gallery of ${JSON.stringify(older.name)}: ${error.message}`,
          {
            place: error.place,
            remedy: `${error.remedy ?? ''} One rule holds for all versions: "project" fits any lengths.`.trim(),
            cause: error,
          },
        );
      }
    }),
  );
}

/**
 * M(queries of t, gallery of k) for k <= t, by every version in place of the old and the new model (metrics.md
 * section 8). The first version is the pair's old model, the last its new one: their cells are taken from `measured`.
 * Cost: a retrieval pass for each of the other cells; under `project` also an adapter.
 * @param input `vectors` are those of the first and the last version
 * @param versions at least two, oldest first
 * @param rows audited query rows, ascending; at least one has a match
 * @throws BackcompatError as {@link versionRules}; `cancelled`
 */
export async function versionMatrix(
  input: AuditInput,
  versions: readonly Version[],
  rows: Int32Array,
  measured: Pick<MeasuredPair, 'setup' | 'cells'>,
  options: MeasureOptions,
  hooks: MeasureHooks,
): Promise<VersionMatrix> {
  const { protocol } = input;
  const { setup, cells } = measured;
  const rules = versionRules(versions, protocol.dimensionRule);
  const last = versions.length - 1;
  const known = (t: number, k: number): PerQuery | undefined => {
    const corner: CellName | null =
      t === 0 ? 'oldOld' : t !== last ? null : k === 0 ? 'newOld' : k === last ? 'newNew' : null;
    return corner === null ? undefined : cells.get(corner);
  };
  const names = [
    ...new Set<MetricName>(['map', ...protocol.ks.map((k) => `cmc@${k}` as const), protocol.criterionMetric]),
  ];
  const triangles = new Map(names.map((name) => [name, versions.map((): number[] => [])]));
  for (const t of versions.keys()) {
    for (let k = 0; k <= t; k++) {
      const cell =
        known(t, k) ??
        (await measureCell(input, versions, [t, k], rules[t]?.[k] ?? 'equal', rows, setup, options, hooks));
      for (const name of names) triangles.get(name)?.[t]?.push(meanOf(cell, setup.matchCount, name));
    }
  }
  const deciding = triangles.get(protocol.criterionMetric) as number[][];
  return {
    versions: versions.map(({ name }) => name),
    ...matrixFigures(deciding),
    ...(Object.fromEntries(triangles) as Partial<Record<MetricName, number[][]>>),
  };
}

async function measureCell(
  input: AuditInput,
  versions: readonly Version[],
  [t, k]: readonly [number, number],
  rule: DimensionRule,
  rows: Int32Array,
  setup: MeasuredPair['setup'],
  options: MeasureOptions,
  hooks: MeasureHooks,
): Promise<PerQuery> {
  const newer = versions[t] as Version;
  const older = versions[k] as Version;
  const { distance } = input.protocol;
  const form = formFor(distance, older.gallery.dimension);
  let source = newer.query;
  if (rule === 'project') {
    const between = {
      ...input.vectors,
      oldQuery: older.query,
      newQuery: newer.query,
      oldGallery: older.gallery,
      newGallery: newer.gallery,
    };
    const projected = await projectNewVectors({ ...input, vectors: between }, options.threads, hooks);
    source = projected.input.vectors.crossQuery ?? source;
  }
  const gallery = new BlockReader(older.gallery, form, Math.floor(BLOCK_VALUES / form.columns));
  const query = await loadMatrix(source, form, rows);
  const figures = await measureRetrieval(
    { distance, setup, ...options, cells: [{ name: 'newOld', query }], gallery },
    hooks,
  );
  return figures.perQuery.get('newOld') as PerQuery;
}

/** Mean over the queries that have a match. */
function meanOf(cell: PerQuery, matchCount: Int32Array, name: MetricName): number {
  const values = valuesOf(cell, name);
  let total = 0;
  let count = 0;
  matchCount.forEach((matches, query) => {
    if (matches === 0) return;
    total += values[query] as number;
    count++;
  });
  return total / count;
}

function valuesOf(cell: PerQuery, name: MetricName): Float64Array {
  if (name === 'map') return cell.averagePrecision;
  if (name === 'map@r') return cell.mapAtR;
  return name === 'rPrecision' ? cell.rPrecision : hitsAt(cell, Number(name.slice(4)));
}

/**
 * What the lower triangle C says in one number each (metrics.md section 8); more is better in all.
 * - `ac`: share of the pairs t > k with C[t][k] > C[k][k], strictly: updates that meet the criterion.
 * - `am`: mean of the triangle with its diagonal.
 * - `bc`: what the latest queries gain on older galleries, mean over k < T of C[T][k] - C[k][k].
 * - `fc`: what a version loses on the gallery just before its own, mean over t > 1 of C[t][t-1] - C[t][t]; every
 *   version embeds the same gallery items here.
 * @returns null where a mean has nothing to run over
 */
export function matrixFigures(
  triangle: readonly (readonly number[])[],
): Pick<VersionMatrix, 'ac' | 'am' | 'bc' | 'fc'> {
  const at = (t: number, k: number) => triangle[t]?.[k] as number;
  const mean = (values: readonly number[]) =>
    values.length === 0 ? null : values.reduce((total, value) => total + value, 0) / values.length;
  const last = triangle.length - 1;
  const updates = triangle.flatMap((row, t) => row.slice(0, t).map((value, k) => (value > at(k, k) ? 1 : 0)));
  const older = Array.from({ length: Math.max(0, last) }, (_, k) => k);
  return {
    ac: mean(updates),
    am: mean(triangle.flat()),
    bc: mean(older.map((k) => at(last, k) - at(k, k))),
    fc: mean(older.map((k) => at(k + 1, k) - at(k + 1, k + 1))),
  };
}
