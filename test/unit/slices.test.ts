import { describe, expect, it } from 'vitest';
import { auditFigures } from '../../src/core/audit/auditFigures.ts';
import { type AuditInput, type AuditItems, joinClasses } from '../../src/core/audit/auditInput.ts';
import { type AuditProtocol, defaultProtocol } from '../../src/core/contract/protocol.ts';
import type { Report, SliceEntry } from '../../src/core/contract/report.ts';
import { createItemBuilder } from '../../src/core/data/itemBuilder.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { checkGateRule } from '../../src/core/report/gateRules.ts';
import { evaluateGates } from '../../src/core/report/gates.ts';
import { silentProgress } from './silentProgress.ts';

const hooks = { progress: silentProgress };
const CLASSES = 8;
const COLUMNS = 12;

interface Options {
  /** Query rows; all of them when left out. */
  only?: (row: number) => boolean;
  protocol?: Partial<AuditProtocol>;
  newGallery?: boolean;
  slices?: AuditItems['slices'];
}

const country = (row: number) => (row % 10 < 4 ? 'no.way' : row % 10 < 9 ? 'france' : 'malta');

/** 200 queries against 160 others; the new model is better where the country is "france" and worse elsewhere. */
function pair({ only = () => true, protocol, newGallery = true, slices }: Options = {}): AuditInput {
  const random = createRandom(4, 'slices test');
  const centres = Float64Array.from({ length: CLASSES * COLUMNS }, () => random.normal());
  const table = (count: number, noise: (row: number) => number) =>
    Float32Array.from({ length: count * COLUMNS }, (_, i) => {
      const row = Math.floor(i / COLUMNS);
      return (centres[(row % CLASSES) * COLUMNS + (i % COLUMNS)] as number) + noise(row) * random.normal();
    });
  const oldQuery = table(200, () => 1.3);
  const newQuery = table(200, (row) => (country(row) === 'france' ? 0.6 : 2.5));
  const oldGallery = table(160, () => 1.3);
  const fresh = table(160, () => 0.8);
  const rows = Array.from({ length: 200 }, (_, row) => row).filter(only);
  const chosen = (values: Float32Array) =>
    Float32Array.from(rows.flatMap((row) => [...values.subarray(row * COLUMNS, (row + 1) * COLUMNS)]));
  const set = (name: string, prefix: string, of: readonly number[]): AuditItems => ({
    name,
    count: of.length,
    ids: of.map((row) => `${prefix}${row}`),
    labelOf: Int32Array.from(of, (row) => row % CLASSES),
    classNames: Array.from({ length: CLASSES }, (_, c) => `c${c}`),
  });
  return {
    queries: { ...set('queries', 'q', rows), slices: slices ?? new Map([['country', rows.map(country)]]) },
    gallery: set(
      'gallery',
      'g',
      Array.from({ length: 160 }, (_, row) => row),
    ),
    vectors: {
      oldQuery: vectorsInMemory('old query', chosen(oldQuery), COLUMNS),
      newQuery: vectorsInMemory('new query', chosen(newQuery), COLUMNS),
      oldGallery: vectorsInMemory('old gallery', oldGallery, COLUMNS),
      newGallery: newGallery ? vectorsInMemory('new gallery', fresh, COLUMNS) : null,
      paragonQuery: null,
      paragonGallery: null,
    },
    protocol: { ...defaultProtocol, triplets: 500, ...protocol },
  };
}

const audit = (options?: Options) => auditFigures(pair(options), { threads: 1 }, hooks);
const entryOf = (figures: Pick<Report, 'slices'>, value: string): SliceEntry =>
  figures.slices.country?.find((entry) => entry.value === value) as SliceEntry;

describe('figures by value', () => {
  it('are those of an audit of the queries of that value alone', async () => {
    const figures = await audit();
    for (const value of ['no.way', 'france', 'malta']) {
      const alone = await audit({ only: (row) => country(row) === value });
      const entry = entryOf(figures, value);
      expect(entry.queries).toBe(alone.data.queries);
      for (const name of ['cmc@1', 'cmc@5', 'cmc@10', 'map', 'map@r', 'rPrecision'] as const) {
        const own = entry.criterion[name];
        const wanted = alone.criterion[name];
        expect(own?.old).toBeCloseTo(wanted?.old as number, 9);
        expect(own?.new).toBeCloseTo(wanted?.new as number, 9);
        // The same seed resamples the same number of queries alike.
        expect(own?.interval?.[0]).toBeCloseTo(wanted?.interval?.[0] as number, 9);
        expect(own?.interval?.[1]).toBeCloseTo(wanted?.interval?.[1] as number, 9);
        expect(own?.state).toBe(wanted?.state);
        expect(entry.newNew?.[name]).toBeCloseTo(alone.retrieval.newNew?.[name]?.value as number, 9);
      }
      expect(entry.positiveRate).toBeCloseTo(alone.inequalities.positive.byEpsilon[0]?.rate as number, 12);
      expect(entry.negativeRate).toBeCloseTo(alone.inequalities.negative.byEpsilon[0]?.rate as number, 12);
      expect(entry.negativeFlipRate).toBeCloseTo(alone.flips.negativeFlipRate as number, 12);
    }
  });

  it('tell apart whom the new model serves, worst first, too few undecided', async () => {
    const { slices } = await audit();
    expect(slices.country?.map(({ value, queries }) => [value, queries])).toEqual(
      [
        ['no.way', 80],
        ['malta', 20],
        ['france', 100],
      ].sort(
        ([a], [b]) =>
          (entryOf({ slices }, a as string).criterion.map?.difference ?? 0) -
          (entryOf({ slices }, b as string).criterion.map?.difference ?? 0),
      ),
    );
    expect(entryOf({ slices }, 'france').criterion.map?.state).toBe('compatible');
    expect(entryOf({ slices }, 'no.way').criterion.map?.state).toBe('incompatible');
    expect(entryOf({ slices }, 'malta').criterion.map).toMatchObject({ state: 'undecided' });
  });

  it('add up to the whole', async () => {
    const { slices, retrieval, inequalities } = await audit();
    const entries = slices.country as SliceEntry[];
    const map = entries.reduce((total, entry) => total + entry.queries * (entry.criterion.map?.new as number), 0) / 200;
    expect(map).toBeCloseTo(retrieval.newOld.map?.value as number, 9);
    // Every query has 20 matches.
    const rate = entries.reduce((total, entry) => total + entry.queries * (entry.positiveRate as number), 0) / 200;
    expect(rate).toBeCloseTo(inequalities.positive.byEpsilon[0]?.rate as number, 9);
  });

  it('follow the sampled queries, and do without a new gallery', async () => {
    const { slices, protocol } = await audit({ protocol: { pairBudget: 160 * 100 }, newGallery: false });
    expect(protocol.sampledQueries).toBe(100);
    expect(slices.country?.reduce((total, entry) => total + entry.queries, 0)).toBe(100);
    expect(slices.country?.every(({ newNew }) => newNew === null)).toBe(true);
  });

  it('take column names and values as they come', async () => {
    const slices = new Map([
      ['__proto__', Array.from({ length: 200 }, (_, row) => (row % 2 ? '<b>' : ''))],
      ['a.b', Array.from({ length: 200 }, () => 'x.y')],
    ]);
    const figures = await audit({ slices });
    expect(Object.keys(figures.slices).sort()).toEqual(['__proto__', 'a.b']);
    expect(
      Object.entries(figures.slices)[0]?.[1]
        .map(({ value }) => value)
        .sort(),
    ).toEqual(['', '<b>']);
  });
});

describe('a value without a matched query', () => {
  it('has no figures but its different-class pairs', async () => {
    const input = pair();
    const labelOf = input.queries.labelOf.slice();
    const lonely = CLASSES;
    labelOf.fill(lonely, 0, 1);
    const classNames = [...input.gallery.classNames, 'lonely'];
    const values = Array.from({ length: 200 }, (_, row) => (row === 0 ? 'alone' : 'rest'));
    const { slices } = await auditFigures(
      {
        ...input,
        queries: { ...input.queries, labelOf, classNames, slices: new Map([['kind', values]]) },
        gallery: { ...input.gallery, classNames },
      },
      { threads: 1 },
      hooks,
    );
    expect(slices.kind?.[1]).toMatchObject({
      value: 'alone',
      queries: 1,
      criterion: {},
      newNew: null,
      positiveRate: null,
      negativeFlipRate: null,
    });
    expect(slices.kind?.[1]?.negativeRate).toBeGreaterThan(0);
  });
});

describe('columns of too many values', () => {
  const build = (slices?: string[]) => {
    const builder = createItemBuilder(
      'items.csv',
      ['label', 'part', 'sku'].map((name) => ({ name, nested: false })),
      { name: 'items', idPrefix: 'items', also: [], ...(slices ? { columns: { slices } } : {}) },
    );
    for (let row = 0; row < 60; row++) {
      const values: Record<string, string> = { label: `c${row % 2}`, part: `p${row % 3}`, sku: `s${row}` };
      builder.take(builder.columns.map((column) => values[column] as string));
    }
    return builder.finish('/items.csv');
  };

  it('are left out with a note, unless they are named', async () => {
    const items = build();
    expect([...items.slices.keys()]).toEqual(['part']);
    expect(items.slicesLeftOut).toEqual(['sku']);
    expect(build(['sku']).slices.get('sku')).toHaveLength(60);
    expect(build(['sku'])).not.toHaveProperty('slicesLeftOut');

    const joined = joinClasses(items, items);
    const vectors = vectorsInMemory(
      'v',
      Float32Array.from({ length: 240 }, (_, i) => Math.sin(i * i)),
      4,
    );
    const { slices, notes } = await auditFigures(
      {
        ...joined,
        vectors: {
          oldQuery: vectors,
          newQuery: vectors,
          oldGallery: vectors,
          newGallery: vectors,
          paragonQuery: null,
          paragonGallery: null,
        },
        protocol: { ...defaultProtocol, triplets: 100 },
      },
      { threads: 1 },
      hooks,
    );
    expect(Object.keys(slices)).toEqual(['part']);
    expect(notes).toContain(
      'Figures by value leave out "sku", which has more than 50 values; name a column in "slices" to have them all the same.',
    );
  });
});

describe('gates on slices', () => {
  it('find a value, dots and all, each value, and nothing of a column that is not there', async () => {
    const figures = await audit();
    const report = { ...figures, gates: [] } as unknown as Report;
    const judge = (rule: string, limit: object) =>
      evaluateGates(report, { [rule]: ['error', limit] }, 'report').results;
    expect(judge('slices.country.no.way.criterion.map', { state: 'within-margin' })).toMatchObject([
      { rule: 'slices.country.no.way.criterion.map', state: 'failed', actual: 'incompatible' },
    ]);
    const each = judge('slices.country.*.criterion.map.difference', { min: 0, minQueries: 50 });
    expect(Object.fromEntries(each.map(({ rule, state }) => [rule, state]))).toEqual({
      'slices.country.no.way.criterion.map.difference': 'failed',
      'slices.country.france.criterion.map.difference': 'passed',
      'slices.country.malta.criterion.map.difference': 'unmeasured',
    });
    expect(judge('slices.*.france.positiveRate', { max: 1 })).toMatchObject([{ state: 'passed' }]);
    expect(judge('slices.colour.red.newNew.map', { min: 0 })).toMatchObject([{ state: 'unmeasured', actual: null }]);
    expect(() => checkGateRule('slices.country.*.criterion.cmc@7', { state: 'compatible' }, figures.protocol)).toThrow(
      'cmc@7',
    );
    expect(() => checkGateRule('slices.country.*.criterion.mapp', { state: 'compatible' })).toThrow('names no figure');
  });
});
