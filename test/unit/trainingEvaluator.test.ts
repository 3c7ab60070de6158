import { describe, expect, it } from 'vitest';
import { auditFigures } from '../../src/core/audit/auditFigures.ts';
import { joinClasses } from '../../src/core/audit/auditInput.ts';
import { type AuditProtocol, defaultProtocol } from '../../src/core/contract/protocol.ts';
import type { CriterionEntry, MetricName } from '../../src/core/contract/report.ts';
import type { ItemSet } from '../../src/core/data/itemSet.ts';
import { type VectorSource, vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { createEvaluator } from '../../src/core/training/createEvaluator.ts';
import { errorOf } from '../fixtures/data/make.ts';
import { silentProgress } from './silentProgress.ts';

const CLASSES = 8;
const hooks = { progress: silentProgress };
const bootstrap = { ...defaultProtocol.bootstrap, resamples: 200 };
const protocol: AuditProtocol = {
  ...defaultProtocol,
  ks: [1, 5],
  triplets: 1000,
  referenceQueries: 40,
  bootstrap,
  seed: 9,
};

/** Labels go round; ids begin with the name. */
function itemsOf(name: string, count: number): ItemSet {
  return {
    name,
    count,
    ids: Array.from({ length: count }, (_, item) => `${name}/${item}`),
    labelOf: Int32Array.from({ length: count }, (_, item) => item % CLASSES),
    classNames: Array.from({ length: CLASSES }, (_, label) => `class ${label}`),
    slices: new Map(),
    images: null,
  };
}

/** Class centres plus noise; the same centres for every model. */
function vectorsOf(count: number, columns: number, noise: number, stream: string): Float32Array {
  const centres = createRandom(1, 'centres');
  const means = Array.from({ length: CLASSES * 16 }, () => centres.normal());
  const random = createRandom(1, stream);
  return Float32Array.from({ length: count * columns }, (_, i) => {
    const label = Math.floor(i / columns) % CLASSES;
    return (means[label * 16 + (i % columns)] as number) + noise * random.normal();
  });
}

const queries = itemsOf('digits/query', 96);
const gallery = itemsOf('digits/gallery', 240);
const oldQuery = vectorsOf(96, 8, 1.3, 'old query');
const oldGallery = vectorsOf(240, 8, 1.3, 'old gallery');
const old = {
  query: vectorsInMemory('old', oldQuery, 8),
  gallery: vectorsInMemory('old', oldGallery, 8),
};
const newOf = new Map([
  [queries, vectorsOf(96, 8, 0.9, 'new query')],
  [gallery, vectorsOf(240, 8, 0.9, 'new gallery')],
]);
const give = async (items: ItemSet) => newOf.get(items) as Float32Array;

/** What a whole audit says, in the shape of an epoch's figures. */
async function audited(
  sets: { queries: ItemSet; gallery: ItemSet },
  vectors: Record<'oldQuery' | 'oldGallery' | 'newQuery' | 'newGallery', VectorSource>,
  metric: MetricName = 'map',
) {
  const figures = await auditFigures(
    {
      ...joinClasses(sets.queries, sets.gallery),
      vectors: { ...vectors, paragonQuery: null, paragonGallery: null },
      protocol: { ...protocol, criterionMetric: metric },
    },
    { threads: 2 },
    hooks,
  );
  const values = (cell: (typeof figures.retrieval)['oldOld'] | null) =>
    Object.fromEntries(Object.entries(cell ?? {}).map(([name, entry]) => [name, entry?.value]));
  const { retrieval, inequalities, triplets, flips, criterion } = figures;
  const entry = criterion[metric] as CriterionEntry;
  // The bootstrap's products have other columns in an audit: sums of doubles in another order.
  const near = entry.interval?.map((end) => expect.closeTo(end, 12));
  return {
    oldOld: values(retrieval.oldOld),
    newOld: values(retrieval.newOld),
    newNew: values(retrieval.newNew),
    positiveRate: inequalities.positive.byEpsilon[0]?.rate,
    inverted: triplets.inverted,
    negativeFlipRate: flips.negativeFlipRate,
    criterion: { difference: entry.difference, interval: near, state: entry.state },
  };
}

describe('figures of held-out items', () => {
  it('are those of an audit', async () => {
    const evaluator = await createEvaluator({ queries, gallery, old, protocol, threads: 2 });
    expect(evaluator.note).toBeNull();
    const figures = await evaluator.evaluate(give, hooks);
    const source = (items: ItemSet) => vectorsInMemory('new', newOf.get(items) as Float32Array, 8);
    const vectors = {
      oldQuery: old.query,
      oldGallery: old.gallery,
      newQuery: source(queries),
      newGallery: source(gallery),
    };
    expect(figures).toEqual(await audited({ queries, gallery }, vectors));
    expect(figures.newOld?.map).toBeGreaterThan(figures.oldOld?.map as number);
    // A second time, and by another metric.
    expect(await evaluator.evaluate(give, hooks)).toEqual(figures);
    const metric = 'cmc@3' as const;
    const other = await createEvaluator({
      queries,
      gallery,
      old,
      protocol: { ...protocol, criterionMetric: metric },
      threads: 2,
    });
    expect(await other.evaluate(give, hooks)).toEqual(await audited({ queries, gallery }, vectors, metric));
  });

  it('leave each query out of a gallery that is its own, and embed it once', async () => {
    const evaluator = await createEvaluator({
      queries: gallery,
      gallery,
      old: { query: old.gallery, gallery: old.gallery },
      protocol,
      threads: 2,
    });
    const asked: string[] = [];
    const figures = await evaluator.evaluate((items) => {
      asked.push(items.name);
      return give(items);
    }, hooks);
    expect(asked).toEqual(['digits/gallery']);
    const next = vectorsInMemory('new', newOf.get(gallery) as Float32Array, 8);
    const vectors = { oldQuery: old.gallery, oldGallery: old.gallery, newQuery: next, newGallery: next };
    expect(figures).toEqual(await audited({ queries: gallery, gallery }, vectors));
  });

  it('compare longer new vectors as the rule says', async () => {
    const request = { queries, gallery, old, threads: 2 };
    const long = async (items: ItemSet) => vectorsOf(items.count, 12, 0.9, items.name);
    const refused = await createEvaluator({ ...request, protocol });
    expect((await errorOf(refused.evaluate(long, hooks))).code).toBe('dimension-mismatch');
    const evaluator = await createEvaluator({ ...request, protocol: { ...protocol, dimensionRule: 'slice' } });
    const figures = await evaluator.evaluate(long, hooks);
    const cut = async (items: ItemSet) => (await long(items)).filter((_, i) => i % 12 < 8);
    const equal = await createEvaluator({ ...request, protocol });
    const expected = await equal.evaluate(cut, hooks);
    expect(figures.newOld).toEqual(expected.newOld);
    expect(figures.newNew).not.toEqual(expected.newNew);
  });

  it('without an old model are those of the new one alone', async () => {
    const evaluator = await createEvaluator({ queries, gallery, old: null, protocol, threads: 2 });
    const alone = await evaluator.evaluate(give, hooks);
    const paired = await (await createEvaluator({ queries, gallery, old, protocol, threads: 2 })).evaluate(give, hooks);
    expect(alone).toEqual({
      oldOld: null,
      newOld: null,
      newNew: paired.newNew,
      positiveRate: null,
      inverted: null,
      negativeFlipRate: null,
      criterion: null,
    });
  });

  it('are of a sample where there are many, the same each time, and say so', async () => {
    const many = itemsOf('large/gallery', 5600);
    const some = itemsOf('large/query', 640);
    const request = { queries: some, gallery: many, old: null, protocol, threads: 2 };
    const evaluator = await createEvaluator(request);
    expect(evaluator.note).toBe(
      'Figures of an epoch are of 500 of 640 queries against 5,000 of 5,600 gallery items, sampled by class.',
    );
    expect((await createEvaluator(request)).gallery.ids).toEqual(evaluator.gallery.ids);
    const perClass = new Map<number, number>();
    for (const label of evaluator.queries.labelOf) perClass.set(label, (perClass.get(label) ?? 0) + 1);
    // 500 / 8 = 62.5, to within one.
    for (const times of perClass.values()) expect(Math.abs(times - 62.5)).toBeLessThanOrEqual(1);

    // Rows stay with their items: every vector is the item's own number on a circle of its class.
    const vectors = (items: ItemSet) => {
      const values = new Float32Array(items.count * 2);
      items.ids.forEach((id, row) => {
        const angle = ((items.labelOf[row] as number) * 2 * Math.PI) / CLASSES + Number(id.split('/')[2]) * 1e-6;
        values.set([Math.cos(angle), Math.sin(angle)], row * 2);
      });
      return values;
    };
    const oldVectors = vectorsInMemory('old', vectors(many), 2);
    const own = await createEvaluator({
      ...request,
      queries: many,
      old: { query: oldVectors, gallery: oldVectors },
    });
    expect([own.queries.count, own.gallery.count]).toEqual([500, 5000]);
    const figures = await own.evaluate(async (items) => vectors(items), hooks);
    expect(figures.oldOld?.map).toBe(1);
    expect(figures.newOld).toEqual(figures.oldOld);
    expect(figures.criterion).toEqual({ difference: 0, interval: [0, 0], state: 'within-margin' });
    expect(figures.positiveRate).toBe(0);
  });

  it('are refused for what cannot be judged', async () => {
    const request = { queries, gallery, old: null, protocol, threads: 2 };
    const unlabelled = { ...queries, labelled: false };
    expect((await errorOf(createEvaluator({ ...request, queries: unlabelled }))).message).toContain(
      'digits/query has no labels',
    );
    const foreign = { ...queries, classNames: queries.classNames.map((name) => name.toUpperCase()) };
    expect((await errorOf(createEvaluator({ ...request, queries: foreign }))).message).toContain(
      'No query of digits/query has an item of its class',
    );
    const one = { ...queries, labelOf: new Int32Array(96) };
    const oneGallery = { ...gallery, labelOf: new Int32Array(240) };
    expect((await errorOf(createEvaluator({ ...request, queries: one, gallery: oneGallery }))).message).toContain(
      'are of the class "class 0"',
    );
    const evaluator = await createEvaluator(request);
    const broken = async (items: ItemSet) => {
      const values = (await give(items)).slice();
      values[8 * 3 + 1] = Number.NaN;
      return values;
    };
    const error = await errorOf(evaluator.evaluate(broken, hooks));
    expect([error.code, error.message]).toEqual([
      'bad-data',
      'The model as trained so far gives NaN or infinite values for "digits/gallery/3".',
    ]);
  });
});
