import { describe, expect, it } from 'vitest';
import {
  type CriterionInput,
  compatibilityTax,
  criterionEntry,
  rankingStateOf,
  updateGain,
} from '../../src/core/audit/criterion.ts';
import type { Interval } from '../../src/core/contract/report.ts';

function entry(changes: Partial<CriterionInput>) {
  return criterionEntry({
    old: 0.5,
    new: 0.6,
    interval: [0.05, 0.15],
    matchedQueries: 200,
    margin: 0,
    identical: false,
    unchangedHits: false,
    confidence: 0.95,
    ...changes,
  });
}

describe('rankingStateOf', () => {
  it.each<[Interval | null, number, string]>([
    [[0.01, 0.1], 0, 'compatible'],
    [[0.01, 0.1], 0.05, 'compatible'],
    [[0, 0.1], 0, 'within-margin'],
    [[0, 0], 0, 'within-margin'],
    [[-0.01, 0.1], 0, 'undecided'],
    [[-0.01, 0.1], 0.01, 'within-margin'],
    [[-0.04, -0.01], 0.05, 'within-margin'],
    [[-0.04, -0.01], 0.02, 'undecided'],
    [[-0.04, -0.01], 0, 'incompatible'],
    [[-0.04, 0], 0, 'undecided'],
    [[-0.2, -0.1], 0.05, 'incompatible'],
    [[-0.2, -0.05], 0.05, 'undecided'],
    [null, 0, 'undecided'],
  ])('interval %j, margin %d: %s', (interval, margin, state) => {
    expect(rankingStateOf(interval, margin)).toBe(state);
  });
});

describe('criterionEntry', () => {
  it('carries figures through', () => {
    expect(entry({})).toEqual({
      old: 0.5,
      new: 0.6,
      difference: 0.6 - 0.5,
      interval: [0.05, 0.15],
      state: 'compatible',
      queriesToDecide: null,
    });
  });

  it('trusts no interval of fewer than 30 queries, identical vectors excepted', () => {
    expect(entry({ matchedQueries: 30 }).state).toBe('compatible');
    expect(entry({ matchedQueries: 29 }).state).toBe('undecided');
    expect(entry({ matchedQueries: 3, new: 0.5, identical: true, interval: [0, 0] }).state).toBe('within-margin');
    expect(entry({ matchedQueries: 29, old: 0.9, new: 0.1, interval: [-0.9, -0.7] }).state).toBe('undecided');
  });

  it('says how many queries would decide', () => {
    // ceil(200 (1.43 * .06 / .02)^2) = ceil(200 * 18.4041) = 3681.
    expect(entry({ new: 0.52, interval: [-0.04, 0.08] }).queriesToDecide).toBe(3681);
    // With a margin of .04 the limit is farther: interval [-.09, .03], difference -.02: ceil(200 (1.43 * .06 / .02)^2).
    expect(entry({ new: 0.48, interval: [-0.09, 0.03], margin: 0.04 }).queriesToDecide).toBe(3681);
    expect(entry({ new: 0.5, interval: [-0.06, 0.06] }).queriesToDecide).toBeNull();
    // A clear difference of few queries: 30 are asked for at least.
    expect(entry({ matchedQueries: 10 }).queriesToDecide).toBe(30);
    expect(entry({ interval: null }).queriesToDecide).toBeNull();
  });

  it('gives an unchanged cmc the width of what may have been missed', () => {
    const found = entry({ new: 0.5, interval: [0, 0], unchangedHits: true });
    // 1 - .025^(1/200) = .018275: with that share of changing queries, none among 200 has a chance of 2.5 %.
    expect(found.interval?.[1]).toBeCloseTo(0.018275, 6);
    expect((1 - (found.interval?.[1] ?? 0)) ** 200).toBeCloseTo(0.025, 12);
    expect(found.interval?.[0]).toBe(-(found.interval?.[1] ?? 0));
    expect(found.state).toBe('undecided');
    expect(found.queriesToDecide).toBeNull();
    expect(entry({ new: 0.5, interval: [0, 0], unchangedHits: true, margin: 0.02 }).state).toBe('within-margin');
    expect(entry({ new: 0.5, interval: [0, 0], unchangedHits: true, identical: true }).interval).toEqual([0, 0]);
  });
});

describe('gain and tax', () => {
  it('is the share of the full upgrade', () => {
    expect(updateGain(0.5, 0.6, 0.9, [0.3, 0.5])).toBeCloseTo(0.25, 12);
    expect(updateGain(0.5, 0.4, 0.9, [0.3, 0.5])).toBeCloseTo(-0.25, 12);
  });

  it('does not exist without a sure upgrade', () => {
    expect(updateGain(0.5, 0.6, 0.5, [-0.1, 0.1])).toBeNull();
    expect(updateGain(0.5, 0.6, 0.4, [-0.2, -0.05])).toBeNull();
    expect(updateGain(0.5, 0.6, 0.55, [-0.01, 0.11])).toBeNull();
    expect(updateGain(0.5, 0.6, 0.55, [0, 0.11])).toBeNull();
    expect(updateGain(0.5, 0.6, 0.55, null)).toBeNull();
  });

  it('tax is what the paragon reaches more', () => {
    expect(compatibilityTax(0.9, 0.85)).toBeCloseTo(0.05, 12);
  });
});
