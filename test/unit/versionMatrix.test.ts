import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { auditFigures } from '../../src/core/audit/auditFigures.ts';
import type { AuditInput, AuditItems, Version } from '../../src/core/audit/auditInput.ts';
import { matrixFigures } from '../../src/core/audit/versionMatrix.ts';
import { type AuditProtocol, defaultProtocol } from '../../src/core/contract/protocol.ts';
import type { Report, VersionMatrix } from '../../src/core/contract/report.ts';
import { writeNpy } from '../../src/core/data/npy.ts';
import { type VectorSource, vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { auditPair } from '../../src/core/pipeline/auditPair.ts';
import { errorOf, temporaryFolder } from '../fixtures/data/make.ts';
import { silentProgress } from './silentProgress.ts';

const hooks = { progress: silentProgress };
const CLASSES = 6;
const QUERIES = 60;
const GALLERY = 90;
/** The last so many queries are the first gallery items. */
const SHARED = 20;

/** Row i of every table is item i: the queries, then the rest of the gallery. Later versions are less noisy. */
function tables(dimensions: readonly number[]): Float32Array[] {
  const random = createRandom(8, 'versions test');
  const centres = Float64Array.from({ length: CLASSES * 32 }, () => random.normal());
  return dimensions.map((dimension, version) =>
    Float32Array.from({ length: (QUERIES + GALLERY - SHARED) * dimension }, (_, i) => {
      const item = Math.floor(i / dimension);
      const noise = 1.6 - 0.3 * version;
      return (centres[(item % CLASSES) * 32 + (i % dimension)] as number) + noise * random.normal();
    }),
  );
}

const set = (name: string, start: number, count: number): AuditItems => ({
  name,
  count,
  ids: Array.from({ length: count }, (_, i) => `item ${start + i}`),
  labelOf: Int32Array.from({ length: count }, (_, i) => (start + i) % CLASSES),
  classNames: Array.from({ length: CLASSES }, (_, c) => `class ${c}`),
});

function pair(
  dimensions: readonly number[],
  protocol: Partial<AuditProtocol> = {},
): AuditInput & { versions: Version[] } {
  const versions = tables(dimensions).map((values, v): Version => {
    const columns = dimensions[v] as number;
    const part = (start: number, count: number) =>
      vectorsInMemory(`v${v + 1}`, values.subarray(start * columns, (start + count) * columns), columns);
    return { name: `v${v + 1}`, query: part(0, QUERIES), gallery: part(QUERIES - SHARED, GALLERY) };
  });
  const [first, last] = [versions[0] as Version, versions[versions.length - 1] as Version];
  return {
    queries: set('queries', 0, QUERIES),
    gallery: set('gallery', QUERIES - SHARED, GALLERY),
    vectors: {
      oldQuery: first.query,
      newQuery: last.query,
      oldGallery: first.gallery,
      newGallery: last.gallery,
      paragonQuery: null,
      paragonGallery: null,
    },
    versions,
    protocol: { ...defaultProtocol, triplets: 200, ...protocol },
  };
}

async function rowsOf(source: VectorSource): Promise<number[][]> {
  const values = new Float32Array(source.count * source.dimension);
  await source.read(0, source.count, values);
  return Array.from({ length: source.count }, (_, row) => [
    ...values.subarray(row * source.dimension, (row + 1) * source.dimension),
  ]);
}

/** By sorting: mean average precision and cmc@1 of cosine, the shared components where lengths differ. */
async function independent(input: AuditInput, t: Version, k: Version): Promise<{ map: number; 'cmc@1': number }> {
  const queries = await rowsOf(t.query);
  const gallery = await rowsOf(k.gallery);
  const cosine = (a: number[], b: number[]) => {
    const cut = t === k ? a : a.slice(0, b.length);
    const filled = b.map((_, i) => cut[i] ?? 0);
    return (
      b.reduce((sum, value, i) => sum + value * (filled[i] as number), 0) / Math.hypot(...filled) / Math.hypot(...b)
    );
  };
  let map = 0;
  let hits = 0;
  queries.forEach((query, q) => {
    const ranking = gallery
      .map((vector, item) => ({ item, similarity: cosine(query, vector) }))
      .filter(({ item }) => input.gallery.ids[item] !== input.queries.ids[q])
      .sort((a, b) => b.similarity - a.similarity || a.item - b.item);
    const ranks = ranking.flatMap(({ item }, place) =>
      input.gallery.labelOf[item] === input.queries.labelOf[q] ? [place + 1] : [],
    );
    map += ranks.reduce((sum, rank, i) => sum + (i + 1) / rank, 0) / ranks.length;
    hits += ranks[0] === 1 ? 1 : 0;
  });
  return { map: map / queries.length, 'cmc@1': hits / queries.length };
}

async function matrixOf(input: AuditInput): Promise<VersionMatrix> {
  return (await auditFigures(input, { threads: 1 }, hooks)).matrix as VersionMatrix;
}

describe('the triangle in one number each', () => {
  it('by hand', () => {
    // AC: .6 > .5 yes, .55 > .5 yes, .4 > .7 no. BC: (.55 - .5 + .4 - .7) / 2. FC: (.6 - .7 + .4 - .9) / 2.
    const figures = matrixFigures([[0.5], [0.6, 0.7], [0.55, 0.4, 0.9]]);
    expect(figures.ac).toBeCloseTo(2 / 3, 12);
    expect(figures.am).toBeCloseTo((0.5 + 0.6 + 0.7 + 0.55 + 0.4 + 0.9) / 6, 12);
    expect(figures.bc).toBeCloseTo(-0.125, 12);
    expect(figures.fc).toBeCloseTo(-0.3, 12);
  });

  it('counts an equal figure as no gain, and has no updates in a single version', () => {
    expect(matrixFigures([[0.5], [0.5, 0.7]]).ac).toBe(0);
    expect(matrixFigures([[0.5]])).toEqual({ ac: null, am: 0.5, bc: null, fc: null });
  });
});

describe('the matrix of an audit', () => {
  it('holds every version on every older gallery, as sorting gives it', async () => {
    for (const [dimensions, dimensionRule] of [
      [[12, 12, 12, 12], null],
      [[8, 12, 12, 20], 'slice'],
      [[20, 12, 12, 8], 'pad'],
    ] as const) {
      const input = pair(dimensions, { dimensionRule });
      const matrix = await matrixOf(input);
      expect(matrix.versions).toEqual(['v1', 'v2', 'v3', 'v4']);
      for (const t of [0, 1, 2, 3]) {
        expect(matrix.map?.[t]).toHaveLength(t + 1);
        for (let k = 0; k <= t; k++) {
          const wanted = await independent(input, input.versions[t] as Version, input.versions[k] as Version);
          expect(matrix.map?.[t]?.[k]).toBeCloseTo(wanted.map, 6);
          expect(matrix['cmc@1']?.[t]?.[k]).toBeCloseTo(wanted['cmc@1'], 12);
        }
      }
      expect(matrixFigures(matrix.map as number[][])).toEqual({
        ac: matrix.ac,
        am: matrix.am,
        bc: matrix.bc,
        fc: matrix.fc,
      });
    }
  });

  it('agrees with the pair of the first and the last, and is of the deciding metric', async () => {
    const input = pair([12, 12, 12], { criterionMetric: 'map@r' });
    const figures = await auditFigures(input, { threads: 1 }, hooks);
    const matrix = figures.matrix as VersionMatrix;
    expect(matrix.map?.[0]?.[0]).toBeCloseTo(figures.retrieval.oldOld.map?.value as number, 12);
    expect(matrix.map?.[2]?.[0]).toBeCloseTo(figures.retrieval.newOld.map?.value as number, 12);
    expect(matrix.map?.[2]?.[2]).toBeCloseTo(figures.retrieval.newNew?.map?.value as number, 12);
    expect(matrix.am).toBe(matrixFigures(matrix['map@r'] as number[][]).am);
    const { versions: _, ...two } = input;
    expect((await auditFigures(two, { threads: 1 }, hooks)).matrix).toBeNull();
  });

  it('maps each version onto each older space under "project"', async () => {
    const [adapter, dimensionRule] = ['linear', 'project'] as const;
    const matrix = await matrixOf(pair([12, 20, 8], { adapter, dimensionRule }));
    const input = pair([12, 20, 8]);
    const [first, second] = input.versions as [Version, Version];
    const { versions: _, ...two } = input;
    const middle = await auditFigures(
      {
        ...two,
        vectors: { ...two.vectors, newQuery: second.query, newGallery: second.gallery, oldQuery: first.query },
        protocol: { ...two.protocol, adapter, dimensionRule },
      },
      { threads: 1 },
      hooks,
    );
    expect(matrix.map?.[1]?.[0]).toBeCloseTo(middle.retrieval.newOld.map?.value as number, 9);
    expect(matrix.map?.[1]?.[1]).toBeCloseTo(middle.retrieval.newNew?.map?.value as number, 9);
  });

  it('names the two versions that the rule does not fit, before anything is measured', async () => {
    const error = await errorOf(() => matrixOf(pair([8, 12, 8], { dimensionRule: 'slice' })));
    expect(error).toMatchObject({
      code: 'dimension-mismatch',
      message: expect.stringContaining('Queries of "v3" cannot search the gallery of "v2": The old vectors have 12'),
      remedy: expect.stringContaining('"project" fits any lengths'),
    });
    expect(await errorOf(() => matrixOf(pair([8, 12, 8])))).toMatchObject({
      message: expect.stringContaining('Queries of "v2" cannot search the gallery of "v1"'),
    });
  });
});

describe('a config that lists versions', () => {
  async function workspace(): Promise<string> {
    const folder = temporaryFolder();
    const labels = (start: number, count: number) =>
      ['id,label', ...Array.from({ length: count }, (_, i) => `i${start + i},c${(start + i) % CLASSES}`)].join('\n');
    await writeFile(path.join(folder, 'queries.csv'), labels(0, QUERIES));
    await writeFile(path.join(folder, 'gallery.csv'), labels(QUERIES - SHARED, GALLERY));
    await writeFile(path.join(folder, 'all.csv'), labels(0, QUERIES + GALLERY - SHARED));
    for (const [v, values] of tables([12, 12, 12]).entries()) {
      await writeNpy(path.join(folder, `v${v + 1}.npy`), vectorsInMemory('v', values, 12));
    }
    const rest = vectorsInMemory('gallery', (tables([12])[0] as Float32Array).subarray((QUERIES - SHARED) * 12), 12);
    await writeNpy(path.join(folder, 'stored.npy'), rest);
    const table = (name: string) => ({ vectors: `${name}.npy`, labels: 'all.csv' });
    await writeFile(
      path.join(folder, 'backcompat.json'),
      JSON.stringify({
        datasets: { queries: { items: 'queries.csv' }, gallery: { items: 'gallery.csv' } },
        checkpoints: {
          v1: table('v1'),
          v2: table('v2'),
          v3: table('v3'),
          stored: { vectors: 'stored.npy', labels: 'gallery.csv' },
        },
        pairs: {
          all: { versions: ['v1', 'v2', 'v3'], queries: 'queries', gallery: 'gallery' },
          unserved: { versions: ['stored', 'v2', 'v3'], queries: 'queries', gallery: 'gallery' },
        },
        audit: { triplets: 200 },
        gates: { 'matrix.ac': ['error', { min: 0.5 }], 'matrix.fc': ['warn', { min: 1 }] },
      }),
    );
    return folder;
  }

  async function audit(name: string): Promise<Report> {
    const folder = await workspace();
    return auditPair(
      {
        source: { kind: 'config', file: path.join(folder, 'backcompat.json'), pair: name },
        overrides: {},
        threads: 1,
        cacheFolder: path.join(folder, 'cache'),
      },
      { progress: silentProgress, signal: new AbortController().signal },
    );
  }

  it('is audited, the last against the first, with its gates', async () => {
    const report = await audit('all');
    expect([report.old.name, report.new.name]).toEqual(['v1', 'v3']);
    expect(report.notes).toContain(
      'Of 3 versions the last, "v3", is held against the first, "v1"; the matrix has them all.',
    );
    const input = pair([12, 12, 12]);
    const wanted = await independent(input, input.versions[1] as Version, input.versions[0] as Version);
    expect(report.matrix?.map?.[1]?.[0]).toBeCloseTo(wanted.map, 6);
    expect(report.gates).toMatchObject([
      { rule: 'matrix.ac', actual: report.matrix?.ac },
      { rule: 'matrix.fc', actual: report.matrix?.fc, state: 'failed' },
    ]);
  });

  it('says what a version without vectors of the queries lacks', async () => {
    expect(await errorOf(() => audit('unserved'))).toMatchObject({
      code: 'bad-data',
      message: expect.stringMatching(
        /"stored" has no vector for the item "i0".*Every version needs vectors of the queries/,
      ),
      remedy: expect.stringContaining('leave "stored" out of "versions"'),
    });
  });
});
