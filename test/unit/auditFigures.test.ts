import { describe, expect, it } from 'vitest';
import { type AuditFigures, auditFigures } from '../../src/core/audit/auditFigures.ts';
import type { AuditInput, AuditItems } from '../../src/core/audit/auditInput.ts';
import { sampleRows } from '../../src/core/audit/sampling.ts';
import { loadMatrix } from '../../src/core/audit/vectors.ts';
import { type AuditProtocol, defaultProtocol } from '../../src/core/contract/protocol.ts';
import type { Interval } from '../../src/core/contract/report.ts';
import { type VectorSource, vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { silentProgress } from './silentProgress.ts';

const classes = 12;
const dimension = 16;

interface Options {
  items?: number;
  newDimension?: number;
  protocol?: Partial<AuditProtocol>;
  labels?: (item: number) => number;
  /** Same vectors for old and new. */
  identical?: boolean;
  newGallery?: boolean;
}

/** A leave-one-out pair: class centres plus noise, less noise in the new model. */
function pair(options: Options = {}): AuditInput {
  const { items = 240, newDimension = dimension, labels = (item: number) => item % classes } = options;
  const random = createRandom(5, 'auditFigures');
  const centres = Float32Array.from({ length: classes * 64 }, () => random.normal());
  const table = (name: string, columns: number, noise: number) => {
    const values = new Float32Array(items * columns);
    for (let i = 0; i < values.length; i++) {
      const item = Math.floor(i / columns);
      values[i] = (centres[(item % classes) * 64 + (i % columns)] as number) + noise * random.normal();
    }
    return vectorsInMemory(name, values, columns);
  };
  const old = table('old', dimension, 1.2);
  const next = options.identical ? old : table('new', newDimension, 0.8);
  const set: AuditItems = {
    name: 'items',
    count: items,
    ids: Array.from({ length: items }, (_, item) => `item-${item}`),
    labelOf: Int32Array.from({ length: items }, (_, item) => labels(item)),
    classNames: Array.from({ length: items }, (_, label) => `class ${label}`),
  };
  return {
    queries: set,
    gallery: set,
    vectors: {
      oldQuery: old,
      newQuery: next,
      oldGallery: old,
      newGallery: options.newGallery === false ? null : next,
      paragonQuery: null,
      paragonGallery: null,
    },
    protocol: { ...defaultProtocol, triplets: 5000, ...options.protocol },
  };
}

/** Some rows of a source, as a source. */
async function picked(source: VectorSource, rows: Int32Array): Promise<VectorSource> {
  const { values } = await loadMatrix(source, { columns: dimension, normalise: false }, rows);
  return vectorsInMemory('picked', values, dimension);
}

const audit = (options?: Options): Promise<AuditFigures> =>
  auditFigures(pair(options), { threads: 2 }, { progress: silentProgress });

describe('an audit of one pair', () => {
  it('counts what it looked at', async () => {
    const { data, protocol } = await audit();
    expect(data).toEqual({
      queries: 240,
      gallery: 240,
      classes: 12,
      sharedItems: 240,
      queriesWithoutMatch: 0,
      positivePairs: 240 * 19,
      negativePairs: 240 * 220,
      leaveOneOut: true,
    });
    expect(protocol).toMatchObject({ exact: true, sampledQueries: null, dimensionRule: 'equal' });
  });

  it('is the same again, and another with another seed only where chance enters', async () => {
    const [first, again, other] = [await audit(), await audit(), await audit({ protocol: { seed: 1 } })];
    expect(again).toEqual(first);
    expect(other.retrieval.newOld.map?.value).toBe(first.retrieval.newOld.map?.value);
    expect(other.inequalities.positive.byEpsilon[0]?.rate).toBe(first.inequalities.positive.byEpsilon[0]?.rate);
    expect(other.retrieval.newOld.map?.interval).not.toEqual(first.retrieval.newOld.map?.interval);
  });

  it('finds identical models within margin and nothing violated', async () => {
    const figures = await audit({ identical: true });
    expect(figures.verdict.state).toBe('within-margin');
    expect(figures.criterion.map).toMatchObject({ difference: 0, interval: [0, 0], queriesToDecide: null });
    expect(figures.inequalities.positive.byEpsilon.map(({ violations }) => violations)).toEqual([0, 0, 0]);
    expect(figures.inequalities.negative.severity).toBe(0);
    expect(figures.verdict.inequalities).toBe('kept');
    expect(figures.worst.positivePairs).toEqual([]);
    expect(figures.flips.flippedQueries).toBe(0);
  });

  it('samples queries, stratified, when the pairs exceed the budget', async () => {
    const figures = await audit({ protocol: { pairBudget: 240 * 60 } });
    expect(figures.protocol).toMatchObject({ exact: false, sampledQueries: 60 });
    expect(figures.data).toMatchObject({ queries: 60, gallery: 240 });
    expect(figures.classes.map(({ queries }) => queries)).toEqual(Array(classes).fill(5));
    const whole = await audit();
    const [low, high] = figures.retrieval.newOld.map?.interval ?? [1, 0];
    expect(whole.retrieval.newOld.map?.value).toBeGreaterThan(low - 0.05);
    expect(whole.retrieval.newOld.map?.value).toBeLessThan(high + 0.05);
  });

  it('measures a sample as it measures these queries alone', async () => {
    const protocol = { pairBudget: 240 * 60, triplets: 5000 };
    const sampled = await audit({ protocol });
    const whole = pair();
    const rows = sampleRows(whole.queries.labelOf, 60, 0);
    const alone = await auditFigures(
      {
        ...whole,
        queries: {
          ...whole.queries,
          count: 60,
          ids: Array.from(rows, (row) => whole.queries.ids[row] as string),
          labelOf: rows.map((row) => whole.queries.labelOf[row] as number),
        },
        vectors: {
          ...whole.vectors,
          oldQuery: await picked(whole.vectors.oldQuery, rows),
          newQuery: await picked(whole.vectors.newQuery, rows),
        },
      },
      { threads: 2 },
      { progress: silentProgress },
    );
    // Alone, the queries are a part of the gallery, no longer the gallery itself.
    expect(sampled.data).toEqual({ ...alone.data, leaveOneOut: true });
    for (const part of ['retrieval', 'criterion', 'triplets', 'flips', 'verification', 'classes', 'worst'] as const) {
      expect(sampled[part], part).toEqual(alone[part]);
    }
    const { references: _, ...inequalities } = sampled.inequalities;
    expect(alone.inequalities).toMatchObject(inequalities);
    expect(sampled.notes).toEqual([
      expect.stringContaining('leave-one-out'),
      expect.stringMatching(/^60 of 240 queries were sampled/),
      ...(alone.notes ?? []),
    ]);
  });

  it('leaves out the cells of a new gallery that is not given', async () => {
    const { retrieval, updateGain, histograms } = await audit({ newGallery: false });
    expect(retrieval.newNew).toBeNull();
    expect(retrieval.oldNew).toBeNull();
    expect(updateGain.map?.value).toBeNull();
    expect(histograms.newNew).toBeNull();
  });

  it('measures the k of the metric that decides', async () => {
    const { verdict, criterion } = await audit({ protocol: { criterionMetric: 'cmc@3' } });
    expect(verdict.metric).toBe('cmc@3');
    expect(criterion['cmc@3']).toBeDefined();
  });

  it('adds up: class rates, pairs and histograms agree with the totals', async () => {
    const { classes: entries, inequalities, histograms, worst, retrieval } = await audit();
    const mean = entries.reduce((total, entry) => total + (entry.positiveRate ?? 0), 0) / entries.length;
    expect(inequalities.positive.macroRate).toBeCloseTo(mean, 12);
    const map = entries.reduce((total, entry) => total + (entry.map.new ?? 0) * entry.queries, 0) / 240;
    expect(retrieval.newOld.map?.value).toBeCloseTo(map, 12);
    for (const shares of [histograms.oldOld.positive, histograms.newOld.negative, histograms.newNew?.positive ?? []]) {
      expect(shares.reduce((total, share) => total + share, 0)).toBeCloseTo(1, 12);
    }
    for (const { oldDistance, newDistance, queryLabel, galleryLabel } of worst.positivePairs) {
      expect(newDistance).toBeGreaterThan(oldDistance);
      expect(queryLabel).toBe(galleryLabel);
    }
  });
});

describe('intervals over classes', () => {
  /** All intervals by path; those of single classes are over their own queries whatever is drawn. */
  function intervals(value: unknown, path = '', into = new Map<string, Interval>()): Map<string, Interval> {
    if (path === '.classes') return into;
    if (typeof value !== 'object' || value === null) return into;
    for (const [key, entry] of Object.entries(value)) {
      if (/interval$/i.test(key) && entry !== null) into.set(`${path}.${key}`, entry as Interval);
      else intervals(entry, `${path}.${key}`, into);
    }
    return into;
  }
  const bootstrap = (unit: 'query' | 'class') => ({ unit, resamples: 300, confidence: 0.95 });

  it('are others than those over queries, all of them', async () => {
    const [byQuery, byClass] = [
      await audit({ protocol: { bootstrap: bootstrap('query') } }),
      await audit({ protocol: { bootstrap: bootstrap('class') } }),
    ];
    const [before, after] = [intervals(byQuery), intervals(byClass)];
    expect([...after.keys()]).toEqual([...before.keys()]);

    // Rates of a pair or two, or of none, take so few values that both may agree.
    const varying = [...before].filter(([, interval]) => interval[0] !== 0 && interval[0] !== interval[1]);
    expect(varying.length).toBeGreaterThan(60);
    const same = varying.filter(([path, interval]) => JSON.stringify(after.get(path)) === JSON.stringify(interval));
    // Shares of queries get at least Wilson's interval, which may be the wider one.
    expect(same.map(([path]) => path).filter((path) => !/cmc@|FlipRate/.test(path))).toEqual([]);
    const wilson = byQuery.retrieval.oldOld['cmc@1']?.interval as [number, number];
    const hull = byClass.retrieval.oldOld['cmc@1']?.interval as [number, number];
    expect(hull[0]).toBeLessThanOrEqual(wilson[0]);
    expect(hull[1]).toBeGreaterThanOrEqual(wilson[1]);
    const said = expect.stringContaining('only 12 classes have queries');
    expect(byQuery.notes).not.toContainEqual(said);
    expect(byClass.notes).toContainEqual(said);
  });

  it('decide nothing when all queries are of one class', async () => {
    const whole = pair({ protocol: { bootstrap: bootstrap('class') } });
    const rows = Int32Array.from({ length: 20 }, (_, k) => k * classes);
    const figures = await auditFigures(
      {
        ...whole,
        queries: {
          ...whole.queries,
          count: 20,
          ids: Array.from(rows, (row) => `item-${row}`),
          labelOf: new Int32Array(20),
        },
        vectors: {
          ...whole.vectors,
          oldQuery: await picked(whole.vectors.oldQuery, rows),
          newQuery: await picked(whole.vectors.newQuery, rows),
        },
      },
      { threads: 2 },
      { progress: silentProgress },
    );
    expect(figures.criterion.map).toMatchObject({ interval: null, state: 'undecided' });
    expect(figures.inequalities.positive.byEpsilon[0]?.interval).toBeNull();
    expect(figures.verification?.transfer.newOld[0]?.tarInterval).toBeNull();
  });
});

describe('old and new vectors of different length', () => {
  it('names both lengths and the rule that fits when none is chosen', async () => {
    await expect(audit({ newDimension: 24 })).rejects.toMatchObject({
      code: 'dimension-mismatch',
      message: expect.stringContaining('16 components, the new ones 24'),
      remedy: expect.stringContaining('"slice"'),
    });
  });

  it('refuses the rule for the other direction', async () => {
    await expect(audit({ newDimension: 24, protocol: { dimensionRule: 'pad' } })).rejects.toMatchObject({
      code: 'dimension-mismatch',
    });
    await expect(audit({ newDimension: 8, protocol: { dimensionRule: 'slice' } })).rejects.toMatchObject({
      code: 'dimension-mismatch',
    });
  });

  it('slices where the models meet and uses whole vectors elsewhere', async () => {
    const sliced = await audit({ newDimension: 24, protocol: { dimensionRule: 'slice' } });
    expect(sliced.protocol.dimensionRule).toBe('slice');
    expect(sliced.inequalities.references.procrustes).toBeNull();
    const input = pair({ newDimension: 24 });
    const raw = new Float32Array(240 * 24);
    await input.vectors.newQuery.read(0, 240, raw);
    const cut = vectorsInMemory(
      'cut',
      Float32Array.from({ length: 240 * 16 }, (_, i) => raw[Math.floor(i / 16) * 24 + (i % 16)] as number),
      16,
    );
    const equal = await auditFigures(
      { ...input, vectors: { ...input.vectors, newQuery: cut, newGallery: cut } },
      { threads: 2 },
      { progress: silentProgress },
    );
    expect(sliced.retrieval.newOld).toEqual(equal.retrieval.newOld);
    expect(sliced.retrieval.oldNew).toEqual(equal.retrieval.oldNew);
    expect(sliced.inequalities.positive).toEqual(equal.inequalities.positive);
    expect(sliced.retrieval.newNew?.map?.value).not.toBe(equal.retrieval.newNew?.map?.value);
  });

  it('pads shorter new vectors with zeros', async () => {
    const { protocol, verdict } = await audit({ newDimension: 8, protocol: { dimensionRule: 'pad' } });
    expect(protocol.dimensionRule).toBe('pad');
    expect(['compatible', 'undecided', 'incompatible']).toContain(verdict.state);
  });
});

describe('sets that cannot be audited', () => {
  it('names the only class', async () => {
    await expect(audit({ labels: () => 0 })).rejects.toMatchObject({
      code: 'bad-data',
      message: expect.stringContaining('"class 0"'),
    });
  });

  it('says that no query has a match', async () => {
    await expect(audit({ labels: (item) => item })).rejects.toMatchObject({
      code: 'bad-data',
      message: expect.stringContaining('No query'),
    });
  });

  it('stops between blocks when it is cancelled', async () => {
    const cancel = new AbortController();
    cancel.abort();
    await expect(
      auditFigures(pair(), { threads: 2 }, { progress: silentProgress, signal: cancel.signal }),
    ).rejects.toMatchObject({ code: 'cancelled' });
  });
});
