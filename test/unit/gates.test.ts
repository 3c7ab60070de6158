import { describe, expect, it } from 'vitest';
import { BackcompatError } from '../../src/core/contract/errors.ts';
import { exitStatusOfGates } from '../../src/core/contract/gates.ts';
import type { GateLimit, GateResult, Report } from '../../src/core/contract/report.ts';
import { checkGateRule } from '../../src/core/report/gateRules.ts';
import { evaluateGates, type GateDefinitions } from '../../src/core/report/gates.ts';
import { sampleReport } from '../fixtures/report/sampleReport.ts';

function judge(rule: string, limit: GateLimit, change: (report: Report) => void = () => undefined): GateResult {
  const report = sampleReport();
  change(report);
  const { results } = evaluateGates(report, { [rule]: ['error', limit] }, 'report');
  expect(results).toHaveLength(1);
  return results[0] as GateResult;
}

function refusal(rule: string, limit: GateLimit, measured?: { ks: number[]; epsilons: number[] }): BackcompatError {
  try {
    checkGateRule(rule, limit, measured);
  } catch (error) {
    expect(error).toBeInstanceOf(BackcompatError);
    return error as BackcompatError;
  }
  throw new Error(`${rule} was accepted`);
}

const estimate = (value: number, low: number, high: number) => (report: Report) => {
  report.retrieval.newOld.map = { value, interval: [low, high] };
};

describe('limits on values', () => {
  it('passes at the limit itself and fails beyond', () => {
    const set = estimate(0.5, 0.4, 0.6);
    expect(judge('retrieval.newOld.map', { min: 0.5 }, set)).toMatchObject({ state: 'passed', actual: 0.5 });
    expect(judge('retrieval.newOld.map', { min: 0.500001 }, set).state).toBe('failed');
    expect(judge('retrieval.newOld.map', { max: 0.5 }, set).state).toBe('passed');
    expect(judge('retrieval.newOld.map', { max: 0.499999 }, set).state).toBe('failed');
    expect(judge('retrieval.newOld.map', { min: 0.4, max: 0.45 }, set).state).toBe('failed');
  });

  it.each([
    // Hand-made: value, interval, limit, expected.
    ['min below the interval', 0.5, [0.45, 0.55], { min: 0.45, bound: 'lower' }, 'passed'],
    ['min inside, value passes', 0.5, [0.45, 0.55], { min: 0.46, bound: 'lower' }, 'undecided'],
    ['min inside, value fails', 0.5, [0.45, 0.55], { min: 0.52, bound: 'lower' }, 'failed'],
    ['min above the interval', 0.5, [0.45, 0.55], { min: 0.56, bound: 'lower' }, 'failed'],
    ['max above the interval', 0.5, [0.45, 0.55], { max: 0.55, bound: 'upper' }, 'passed'],
    ['max inside, value passes', 0.5, [0.45, 0.55], { max: 0.52, bound: 'upper' }, 'undecided'],
    ['max inside, value fails', 0.5, [0.45, 0.55], { max: 0.47, bound: 'upper' }, 'failed'],
    ['max below the interval', 0.5, [0.45, 0.55], { max: 0.4, bound: 'upper' }, 'failed'],
    ['upper end against a min inside, value fails', 0.4, [0.3, 0.5], { min: 0.5, bound: 'upper' }, 'failed'],
    ['the value alone', 0.5, [0.45, 0.55], { min: 0.46, bound: 'value' }, 'passed'],
  ] as const)('%s', (_, value, [low, high], limit, state) => {
    expect(judge('retrieval.newOld.map', limit, estimate(value, low, high)).state).toBe(state);
  });

  it('takes the interval beside or inside the figure', () => {
    const flips = judge('flips.negativeFlipRate', { max: 0.02, bound: 'upper' }, (report) => {
      report.flips.negativeFlipRate = 0.013;
      report.flips.negativeFlipRateInterval = [0.008, 0.022];
    });
    expect(flips).toMatchObject({ state: 'undecided', interval: [0.008, 0.022] });
    const difference = judge('criterion.map.difference', { min: 0, bound: 'lower' }, (report) => {
      Object.assign(report.criterion.map ?? {}, { difference: 0.1, interval: [0.05, 0.15] });
    });
    expect(difference).toMatchObject({ state: 'passed', actual: 0.1, interval: [0.05, 0.15] });
  });

  it('picks a tolerance with @, the strict one without', () => {
    const set = (report: Report) => {
      report.inequalities.positive.byEpsilon = [
        { epsilon: 1e-6, violations: 9, rate: 0.9, interval: [0.8, 1] },
        { epsilon: 0.01, violations: 2, rate: 0.2, interval: [0.1, 0.3] },
        { epsilon: 0.05, violations: 1, rate: 0.1, interval: [0, 0.2] },
      ];
    };
    expect(judge('inequalities.positive.rate', { max: 0.5 }, set).actual).toBe(0.9);
    expect(judge('inequalities.positive.rate@1e-6', { max: 0.5 }, set).actual).toBe(0.9);
    expect(judge('inequalities.positive.rate@0.01', { max: 0.2 }, set)).toMatchObject({ actual: 0.2, state: 'passed' });
    expect(judge('inequalities.positive.rate@0.050', { max: 0.2 }, set).actual).toBe(0.1);
    expect(judge('inequalities.positive.violations@0.01', { max: 1 }, set)).toMatchObject({
      actual: 2,
      state: 'failed',
    });
  });
});

describe('metric names with @', () => {
  it('reads cmc@1 and map@r as one name', () => {
    const set = (report: Report) => {
      report.retrieval.newOld['cmc@1'] = { value: 0.25, interval: null };
      report.retrieval.newOld['map@r'] = { value: 0.35, interval: null };
    };
    expect(judge('retrieval.newOld.cmc@1', { min: 0 }, set).actual).toBe(0.25);
    expect(judge('retrieval.newOld.map@r', { min: 0 }, set).actual).toBe(0.35);
    expect(judge('retrieval.newOld.map@r.value', { min: 0 }, set).actual).toBe(0.35);
  });
});

describe('states', () => {
  const state = (value: 'compatible' | 'within-margin' | 'undecided' | 'incompatible') => (report: Report) => {
    Object.assign(report.criterion.map ?? {}, { state: value });
  };

  it('passes that state or a better one', () => {
    const limit = { state: 'within-margin' } as const;
    expect(judge('criterion.map', limit, state('compatible')).state).toBe('passed');
    expect(judge('criterion.map', limit, state('within-margin')).state).toBe('passed');
    expect(judge('criterion.map', limit, state('undecided')).state).toBe('undecided');
    expect(judge('criterion.map', limit, state('incompatible')).state).toBe('failed');
    expect(judge('criterion.map', { state: 'compatible' }, state('within-margin')).state).toBe('failed');
  });

  it('takes thresholds that were not measured for unmeasured', () => {
    expect(judge('verdict.thresholds', { state: 'restorable' }).state).toBe('unmeasured');
    expect(judge('verdict.inequalities', { state: 'as-noise' }).state).toBe('failed');
  });
});

describe('figures that are missing', () => {
  it('never passes', () => {
    const gone = judge('retrieval.newNew.map', { min: 0 }, (report) => {
      report.retrieval.newNew = null;
    });
    expect(gone).toMatchObject({ state: 'unmeasured', actual: null });
    const noInterval = judge('retrieval.newOld.map', { min: 0, bound: 'lower' }, (report) => {
      report.retrieval.newOld.map = { value: 0.9, interval: null };
    });
    expect(noInterval.state).toBe('unmeasured');
    expect(judge('classes.no such class.map.difference', { min: -1 }).state).toBe('unmeasured');
    const notANumber = judge('flips.negativeFlipRate', { max: 1 }, (report) => {
      report.flips.negativeFlipRate = Number.NaN;
    });
    expect(notANumber.state).toBe('unmeasured');
  });

  it('asks for enough queries, of the class or of the audit', () => {
    const classes = (queries: number) => (report: Report) => {
      report.classes = report.classes.slice(0, 1).map((entry) => ({ ...entry, label: 'a.b', queries }));
      Object.assign(report.classes[0]?.map ?? {}, { difference: 0.1 });
    };
    const limit = { min: 0, minQueries: 30 };
    expect(judge('classes.a.b.map.difference', limit, classes(30)).state).toBe('passed');
    expect(judge('classes.a.b.map.difference', limit, classes(29)).state).toBe('unmeasured');
    const few = (report: Report) => {
      report.data.queries = 35;
      report.data.queriesWithoutMatch = 6;
    };
    expect(judge('retrieval.newOld.map', { min: 0, minQueries: 30 }, few).state).toBe('unmeasured');
  });
});

describe('stars', () => {
  it('gives a result for each class, named', () => {
    const report = sampleReport();
    report.classes = report.classes.slice(0, 2);
    const [first, second] = report.classes;
    Object.assign(first ?? {}, { label: 'x.y' });
    Object.assign(first?.map ?? {}, { difference: -0.2 });
    Object.assign(second ?? {}, { label: '*' });
    Object.assign(second?.map ?? {}, { difference: 0.2 });
    const { results, exitStatus } = evaluateGates(
      report,
      { 'classes.*.map.difference': ['error', { min: -0.05 }] },
      'report',
    );
    expect(results.map(({ rule, state }) => [rule, state])).toEqual([
      ['classes.x.y.map.difference', 'failed'],
      ['classes.*.map.difference', 'passed'],
    ]);
    expect(exitStatus).toBe(3);
  });

  it('stands for cells and metrics; one that stands for nothing is unmeasured', () => {
    const report = sampleReport();
    report.retrieval.newNew = null;
    report.retrieval.oldNew = null;
    const cells = evaluateGates(report, { 'retrieval.*.map': ['error', { min: 0 }] }, 'report').results;
    expect(cells.map(({ rule, state }) => `${rule} ${state}`)).toEqual([
      'retrieval.oldOld.map passed',
      'retrieval.newOld.map passed',
      'retrieval.newNew.map unmeasured',
      'retrieval.oldNew.map unmeasured',
    ]);
    const states = evaluateGates(report, { 'criterion.*': ['error', { state: 'compatible' }] }, 'report').results;
    expect(states.map(({ rule }) => rule)).toEqual(Object.keys(report.criterion).map((name) => `criterion.${name}`));
    const signs = evaluateGates(report, { 'inequalities.*.rate@0.01': ['error', { max: 1 }] }, 'report').results;
    expect(signs.map(({ rule }) => rule)).toEqual([
      'inequalities.positive.rate@0.01',
      'inequalities.negative.rate@0.01',
    ]);
    report.classes = [];
    const none = evaluateGates(report, { 'classes.*.queries': ['error', { min: 0 }] }, 'report').results;
    expect(none).toMatchObject([{ rule: 'classes.*.queries', state: 'unmeasured' }]);
  });
});

describe('exit status', () => {
  const gate = (state: GateResult['state'], severity: 'error' | 'warn' = 'error') => ({ state, severity });

  it('is decided by failed, then undecided gates of severity error', () => {
    expect(exitStatusOfGates([], 'report')).toBe(0);
    expect(exitStatusOfGates([gate('passed')], 'fail')).toBe(0);
    expect(exitStatusOfGates([gate('undecided')], 'report')).toBe(4);
    expect(exitStatusOfGates([gate('undecided')], 'fail')).toBe(3);
    expect(exitStatusOfGates([gate('undecided')], 'pass')).toBe(0);
    expect(exitStatusOfGates([gate('undecided'), gate('failed')], 'pass')).toBe(3);
    expect(exitStatusOfGates([gate('unmeasured')], 'pass')).toBe(3);
    expect(exitStatusOfGates([gate('failed', 'warn'), gate('undecided', 'warn')], 'fail')).toBe(0);
  });

  it('leaves out gates that are off', () => {
    const gates: GateDefinitions = {
      'retrieval.newOld.map': ['off', { min: 2 }],
      'criterion.map': 'off',
      'tax.map': ['off'],
    };
    expect(evaluateGates(sampleReport(), gates, 'report')).toEqual({ results: [], exitStatus: 0 });
  });
});

describe('rules that make no sense', () => {
  it('names the rule and suggests the nearest', () => {
    const error = refusal('retreival.newOld.mapp', { min: 0 });
    expect(error).toMatchObject({ code: 'bad-config', remedy: 'Did you mean "retrieval.newOld.map"?' });
    expect(error.message).toContain('"retreival.newOld.mapp"');
    expect(error.place.field).toBe('gates.retreival.newOld.mapp');
    expect(refusal('flips.negativeFliprate', { max: 0 }).remedy).toBe('Did you mean "flips.negativeFlipRate"?');
    for (const rule of [
      '',
      'verdict',
      'retrieval.newOld',
      'retrieval.newOld.map.interval',
      'toString',
      'classes.map',
      '__proto__',
    ]) {
      expect(refusal(rule, { min: 0 }).code).toBe('bad-config');
    }
  });

  it('knows what the protocol measures', () => {
    const measured = { ks: [1, 5], epsilons: [1e-6, 0.01] };
    expect(() => checkGateRule('retrieval.newOld.cmc@5', { min: 0 }, measured)).not.toThrow();
    expect(refusal('retrieval.newOld.cmc@10', { min: 0 }, measured).remedy).toContain('"ks"');
    expect(() => checkGateRule('inequalities.positive.rate@1e-2', { max: 1 }, measured)).not.toThrow();
    expect(refusal('inequalities.positive.rate@0.02', { max: 1 }, measured).remedy).toContain('0.01');
  });

  it('holds the limit against the kind of figure', () => {
    expect(refusal('criterion.map', { min: 0 }).remedy).toContain('criterion.map.difference');
    expect(refusal('criterion.map', {}).remedy).toContain('"compatible" and "within-margin"');
    // Nothing can be worse than incompatible: that gate could not fail.
    expect(refusal('criterion.map', { state: 'incompatible' }).code).toBe('bad-config');
    expect(refusal('verdict.inequalities', { state: 'compatible' }).code).toBe('bad-config');
    expect(refusal('retrieval.newOld.map', { state: 'compatible' }).code).toBe('bad-config');
    expect(refusal('retrieval.newOld.map', {}).message).toContain('no limit');
    expect(refusal('retrieval.newOld.map', { min: 0.5, max: 0.4 }).message).toContain('above');
    expect(refusal('inequalities.positive.macroRate', { max: 0.5, bound: 'upper' }).message).toContain('no interval');
    // The interval of a comparison belongs to the difference.
    expect(refusal('criterion.map.old', { min: 0.5, bound: 'lower' }).message).toContain('no interval');
  });

  it('refuses them also when a report is judged', () => {
    expect(() => evaluateGates(sampleReport(), { 'no.such.rule': ['warn', { min: 0 }] }, 'report')).toThrow(
      BackcompatError,
    );
  });
});
