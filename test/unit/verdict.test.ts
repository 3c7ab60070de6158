import { describe, expect, it } from 'vitest';
import { inequalityStateOf, verdictStates } from '../../src/core/audit/verdict.ts';
import type { Interval, Violations } from '../../src/core/contract/report.ts';

function violations(rate: number | null, interval: Interval | null, severity: number | null): Violations {
  return {
    pairs: rate === null ? 0 : 1000,
    byEpsilon: [
      { epsilon: 1e-6, violations: 1000 * (rate ?? 0), rate, interval },
      { epsilon: 0.05, violations: 0, rate: 0, interval: [0, 0] },
    ],
    severity,
    severityInterval: null,
    macroRate: rate,
  };
}

describe('inequalityStateOf', () => {
  const floor = violations(0.5, [0.49, 0.51], 0.0005);

  it.each<[string, Violations, string]>([
    ['upper end below the floor', violations(0.23, [0.2, 0.26], 0.0175), 'kept'],
    ['identical vectors', violations(0, [0, 0], 0), 'kept'],
    ['rate below, upper end above', violations(0.48, [0.45, 0.51], 0.0175), 'violated'],
    ['upper end at the floor', violations(0.48, [0.46, 0.5], 0.0175), 'violated'],
    ['many but slight', violations(0.7, [0.6, 0.8], 0.0015), 'as-noise'],
    ['just more than three times the floor', violations(0.7, [0.6, 0.8], 0.00151), 'violated'],
    ['no interval, slight', violations(0.1, null, 0.001), 'as-noise'],
    ['no same-class pairs', violations(null, null, null), 'kept'],
  ])('%s', (_, positive, state) => {
    expect(inequalityStateOf(positive, floor)).toBe(state);
  });

  it('enters the verdict with the ranking', () => {
    const criterion = {
      old: 0.5,
      new: 0.4,
      difference: -0.1,
      interval: [-0.2, -0.05] as Interval,
      state: 'incompatible' as const,
      queriesToDecide: null,
    };
    expect(verdictStates('map', criterion, null, violations(0.9, [0.8, 1], 0.3), floor)).toEqual({
      state: 'incompatible',
      metric: 'map',
      thresholds: null,
      inequalities: 'violated',
    });
  });
});
