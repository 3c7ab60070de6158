import { describe, expect, it } from 'vitest';
import { distanceBetween } from '../../src/core/audit/distance.ts';
import { drawTriplets, TripletSampler, type TripletSums } from '../../src/core/audit/triplets.ts';
import { formFor, loadMatrix } from '../../src/core/audit/vectors.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { measureCase, randomCase, type Side, setupOf } from './retrievalReference.ts';

function side(prefix: string, labels: string): Side {
  return {
    ids: Array.from(labels, (_, i) => `${prefix}${i}`),
    labels: Array.from(labels),
    vectors: new Float32Array(labels.length),
  };
}

const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);

describe('TripletSampler', () => {
  it('spreads draws over queries that have both kinds of item', () => {
    const setup = setupOf(side('q', 'aabcd'), side('g', 'aabbd'));
    const sums = drawTriplets(setup, 9000, 1);
    expect(sum(sums.sampled)).toBe(9000);
    expect(sums.sampled[3]).toBe(0);
    // Four queries, 2,250 each, deviation 41.
    for (const q of [0, 1, 2, 4]) expect(Math.abs((sums.sampled[q] as number) - 2250)).toBeLessThan(165);
  });

  it('has no draws when there is nothing to compare', () => {
    expect(sum(drawTriplets(setupOf(side('q', 'aa'), side('g', 'aaa')), 50, 1).sampled)).toBe(0);
    expect(sum(drawTriplets(setupOf(side('q', 'aa'), side('g', 'bbb')), 50, 1).sampled)).toBe(0);
  });

  it('reaches every match but the query itself, and every other item, equally often', () => {
    // The query is g3; matches g0, g6; others g1, g2, g4, g5.
    const queries = side('q', 'a');
    queries.ids[0] = 'g3';
    const setup = setupOf(queries, side('g', 'abbabba'));
    const count = 8000;
    /** How often an item is drawn: only triplets with it turn when it alone moves from behind to front. */
    const drawn = (match: number, other: number) => {
      const sampler = new TripletSampler(setup, drawTriplets(setup, count, 5), 5);
      const before = Float32Array.from({ length: 7 }, () => 1);
      const after = before.slice();
      // The match is nearer than that one item before, and tied after: a tie is wrong, so it is inverted.
      before.fill(0);
      before[match] = -1;
      after.fill(0);
      after[match] = -1;
      after[other] = -1;
      sampler.judge(0, before, 0, after, 0);
      return sampler.sums.inverted[0] as number;
    };
    for (const match of [0, 6]) {
      // 1/2 x 1/4 of 8,000 = 1,000, deviation 30.
      for (const other of [1, 2, 4, 5]) expect(Math.abs(drawn(match, other) - 1000)).toBeLessThan(120);
      expect(drawn(match, 3)).toBe(0);
    }
    expect(drawn(3, 1)).toBe(0);
  });

  it('tells inverted from repaired', () => {
    const setup = setupOf(side('q', 'a'), side('g', 'ab'));
    const judge = (before: number[], after: number[]): TripletSums => {
      const sampler = new TripletSampler(setup, drawTriplets(setup, 10, 1), 1);
      sampler.judge(0, Float32Array.from([9, ...before]), 1, Float32Array.from(after), 0);
      return sampler.sums;
    };
    // Keys of match and other; lower is nearer.
    const outcomes = [
      { before: [1, 2], after: [2, 1], inverted: 10, repaired: 0 },
      { before: [1, 2], after: [1, 1], inverted: 10, repaired: 0 },
      { before: [2, 1], after: [1, 2], inverted: 0, repaired: 10 },
      { before: [1, 1], after: [1, 2], inverted: 0, repaired: 10 },
      { before: [1, 2], after: [3, 4], inverted: 0, repaired: 0 },
      { before: [2, 1], after: [1, 1], inverted: 0, repaired: 0 },
    ];
    for (const { before, after, inverted, repaired } of outcomes) {
      const sums = judge(before, after);
      expect([sums.inverted[0], sums.repaired[0]]).toEqual([inverted, repaired]);
    }
  });

  it('estimates the share over all triplets', async () => {
    const { queries, gallery, newQuery } = randomCase(20, { queries: 40, gallery: 120, classes: 4, columns: 6 });
    const found = await measureCase('cosine', queries, gallery, 6, { triplets: { count: 100_000, seed: 2 } }, newQuery);
    const form = formFor('cosine', 6);
    const load = (values: Float32Array) => loadMatrix(vectorsInMemory('all', values, 6), form);
    const [old, current, other] = await Promise.all([queries.vectors, newQuery, gallery.vectors].map(load));
    if (!old || !current || !other) throw new Error('unreachable');
    // Mean over queries of the share among their own triplets.
    let inverted = 0;
    let repaired = 0;
    queries.labels.forEach((label, q) => {
      let turned = 0;
      let mended = 0;
      let triplets = 0;
      gallery.labels.forEach((matchLabel, p) => {
        if (matchLabel !== label) return;
        gallery.labels.forEach((otherLabel, n) => {
          if (otherLabel === label) return;
          const right = (query: typeof old) =>
            distanceBetween('cosine', query, q, other, p) < distanceBetween('cosine', query, q, other, n);
          triplets++;
          if (right(old) && !right(current)) turned++;
          if (!right(old) && right(current)) mended++;
        });
      });
      inverted += turned / triplets / 40;
      repaired += mended / triplets / 40;
    });
    const sums = found.triplets as TripletSums;
    expect(sum(sums.sampled)).toBe(100_000);
    // Deviation of a share of 100,000 draws: at most .0016.
    expect(sum(sums.inverted) / 100_000).toBeCloseTo(inverted, 2);
    expect(Math.abs(sum(sums.inverted) / 100_000 - inverted)).toBeLessThan(0.006);
    expect(Math.abs(sum(sums.repaired) / 100_000 - repaired)).toBeLessThan(0.006);
    expect(inverted).toBeGreaterThan(0.02);
  });
});
