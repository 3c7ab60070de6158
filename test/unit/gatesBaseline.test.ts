import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkConfig } from '../../src/core/config/checkConfig.ts';
import { comparabilityProblems } from '../../src/core/contract/comparability.ts';
import { keyFigures } from '../../src/core/contract/keyFigures.ts';
import type { GateLimit, GateResult, Report } from '../../src/core/contract/report.ts';
import { loadBaseline } from '../../src/core/pipeline/loadBaseline.ts';
import { describeBaseline } from '../../src/core/report/baseline.ts';
import { checkGateRule } from '../../src/core/report/gateRules.ts';
import { evaluateGates } from '../../src/core/report/gates.ts';
import { writeReport } from '../../src/core/report/reportFile.ts';
import { fullReport } from '../fixtures/report/fullReport.ts';
import { sampleReport } from '../fixtures/report/sampleReport.ts';

function judge(
  limit: GateLimit,
  value: number,
  baseline: Report | null,
  { rule = 'retrieval.newOld.map', stale = [] as string[] } = {},
): GateResult {
  const report = sampleReport();
  report.retrieval.newOld.map = { value, interval: [value - 0.02, value + 0.02] };
  const [result] = evaluateGates(report, { [rule]: ['error', limit] }, 'pass', { baseline, stale }).results;
  return result as GateResult;
}

function baselineOf(value: number, change: (report: Report) => void = () => undefined): Report {
  const report = sampleReport();
  report.retrieval.newOld.map = { value, interval: null };
  change(report);
  return report;
}

describe('changes against a baseline', () => {
  it.each([
    // .49 - .5 is -.010000000000000009 in binary: the limit itself passes.
    [{ minChange: -0.01 }, 0.49, 0.5, 'passed'],
    [{ minChange: -0.01 }, 0.4899, 0.5, 'failed'],
    [{ minChange: 0 }, 0.5, 0.5, 'passed'],
    [{ minChange: 0.01 }, 0.505, 0.5, 'failed'],
    [{ maxChange: 0.01 }, 0.51, 0.5, 'passed'],
    [{ maxChange: 0.01 }, 0.52, 0.5, 'failed'],
    [{ minChange: -0.01, maxChange: 0.01 }, 0.485, 0.5, 'failed'],
    // Both must hold: the value's own limit and the change's.
    [{ minChange: -0.1, min: 0.6 }, 0.5, 0.5, 'failed'],
    [{ minChange: 0.1, min: 0.4 }, 0.5, 0.5, 'failed'],
    [{ minChange: -0.1, min: 0.49, bound: 'lower' }, 0.5, 0.5, 'undecided'],
    [{ minChange: 0.1, min: 0.49, bound: 'lower' }, 0.5, 0.5, 'failed'],
  ] as [GateLimit, number, number, GateResult['state']][])('%j: %d after %d %s', (limit, now, before, state) => {
    expect(judge(limit, now, baselineOf(before))).toMatchObject({ state, actual: now, baseline: before });
  });

  it('says what changed by how much', () => {
    expect(judge({ minChange: -0.01 }, 0.48, baselineOf(0.5)).message).toBe(
      "retrieval.newOld.map is .480 [.460, .500], −.020 against the baseline's .500, the limit is change ≥ −.010: failed.",
    );
  });

  it('never passes without a comparable figure there', () => {
    const limit = { minChange: -1 };
    const without = judge(limit, 0.5, null);
    expect(without).toMatchObject({ state: 'unmeasured', message: expect.stringContaining('there is no baseline') });
    expect(without).not.toHaveProperty('baseline');
    const gone = baselineOf(0.5, (report) => {
      report.retrieval.newOld = {};
    });
    expect(judge(limit, 0.5, gone)).toMatchObject({ state: 'unmeasured', baseline: null });
    const other = baselineOf(0.5, ({ provenance }) => {
      provenance.dataset = 'other';
    });
    expect(judge(limit, 0.5, other)).toMatchObject({ state: 'unmeasured', message: expect.stringContaining('labels') });
    // A gate on the value alone needs no baseline.
    expect(judge({ min: 0.4 }, 0.5, other).state).toBe('passed');
  });

  it('compares each figure of a star with its own', () => {
    const report = sampleReport();
    const baseline = sampleReport();
    const lost = baseline.classes[3];
    Object.assign(lost?.map ?? {}, { difference: (lost?.map.difference ?? 0) + 0.2 });
    baseline.classes.reverse();
    const { results } = evaluateGates(
      report,
      { 'classes.*.map.difference': ['error', { minChange: -0.1 }] },
      'report',
      {
        baseline,
      },
    );
    expect(results.filter(({ state }) => state !== 'passed').map(({ rule }) => rule)).toEqual([
      `classes.${lost?.label}.map.difference`,
    ]);
  });

  it('holds no gain over the paragon against one without', () => {
    const report = fullReport();
    const gate = { 'updateGain.map': ['error', { minChange: -10 }] } as const;
    const state = (baseline: Report) => evaluateGates(report, gate, 'report', { baseline }).results[0]?.state;
    expect([state(fullReport()), state(sampleReport())]).toEqual(['passed', 'unmeasured']);
  });

  it('measures nothing of a stale report', () => {
    const stale = ['The checkpoint "v2" has changed.'];
    const result = judge({ min: 0 }, 0.5, null, { stale });
    expect(result).toMatchObject({ state: 'unmeasured', actual: null });
    expect(result.message).toContain('The checkpoint "v2" has changed.');
  });

  it('refuses limits that make no sense', () => {
    const refused = (rule: string, limit: GateLimit) => () => checkGateRule(rule, limit);
    expect(refused('criterion.map', { minChange: 0 })).toThrow('is a state');
    expect(refused('retrieval.newOld.map', { minChange: 0.1, maxChange: 0 })).toThrow('above its "maxChange"');
    expect(refused('retrieval.newOld.map', { minChange: 0, bound: 'lower' })).toThrow('has a "bound"');
    expect(refused('retrieval.newOld.map', { minChange: 0, min: 0, bound: 'lower' })).not.toThrow();
  });
});

describe('what may be compared', () => {
  const problems = (change: (report: Report) => void) => {
    const other = sampleReport();
    change(other);
    return comparabilityProblems(sampleReport(), other);
  };

  it('needs the same questions and the same items', () => {
    expect(problems(() => undefined)).toEqual([]);
    const changes: [(report: Report) => void, string][] = [
      [({ protocol }) => Object.assign(protocol, { distance: 'dot' }), 'Distance: cosine here, dot there.'],
      [
        ({ protocol }) => Object.assign(protocol, { dimensionRule: 'project', adapter: 'mlp' }),
        'Dimension rule: equal here, project by mlp there.',
      ],
      [({ protocol }) => Object.assign(protocol, { ks: [1] }), 'The k of cmc@k: 1, 5, 10 here, 1 there.'],
      [({ protocol }) => Object.assign(protocol, { margin: 0.1 }), 'Margin: 0 here, 0.1 there.'],
      [({ protocol }) => Object.assign(protocol, { epsilons: [0] }), 'Tolerances: 0.000001, 0.01, 0.05 here, 0 there.'],
      [({ protocol }) => Object.assign(protocol, { operatingFar: 0.1 }), 'Operating FAR: 0.01 here, 0.1 there.'],
      [
        ({ protocol }) => Object.assign(protocol, { sampledQueries: 500 }),
        'Queries measured: all here, 500 drawn by seed 0 there.',
      ],
      [({ provenance }) => Object.assign(provenance, { dataset: 'other' }), 'but others.'],
    ];
    for (const [change, words] of changes) expect(problems(change).join(' ')).toContain(words);
  });

  it('lets differ what does not change a figure, and what is compared', () => {
    const allowed = problems((report) => {
      report.protocol.seed = 7;
      report.protocol.bootstrap.resamples = 100;
      report.new.fingerprint = 'other';
      report.provenance.config = null;
    });
    expect(allowed).toEqual([]);
  });

  it('takes key figures along only when they may be compared', () => {
    const report = fullReport();
    const baseline = describeBaseline(report, { path: 'b.json', report: fullReport() });
    expect(baseline).toMatchObject({ path: 'b.json', comparable: true, differences: [] });
    expect(baseline.figures?.['retrieval.newOld.map']).toBe(0.74);
    const other = fullReport();
    other.protocol.distance = 'dot';
    expect(describeBaseline(report, { path: 'b.json', report: other })).toMatchObject({
      comparable: false,
      figures: {},
      differences: ['Distance: cosine here, dot there.'],
    });
  });

  it('names key figures by rules that gates understand, and reads the same', () => {
    const report = fullReport();
    const figures = keyFigures(report);
    expect(figures.length).toBeGreaterThan(14);
    for (const { rule, value, interval } of figures) {
      const [result] = evaluateGates(report, { [rule]: ['error', { min: -10 }] }, 'report').results;
      expect([rule, result?.actual, result?.interval]).toEqual([rule, value, interval]);
    }
  });
});

describe('the baseline of a config', () => {
  let folder: string;
  const file = (name: string) => path.join(folder, name);

  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-baseline-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function request(baseline: unknown, pair = 'one') {
    const config = {
      datasets: { items: { items: 'l.csv' } },
      checkpoints: { v1: { vectors: 'v.npy' }, v2: { vectors: 'v.npy' } },
      pairs: {
        one: { old: 'v1', new: 'v2', queries: 'items', gallery: 'items' },
        two: { old: 'v1', new: 'v2', queries: 'items', gallery: 'items' },
      },
      ...(baseline === undefined ? {} : { baseline }),
    };
    writeFileSync(file('backcompat.json'), JSON.stringify(config, null, 2));
    return { source: { kind: 'config' as const, file: file('backcompat.json'), pair } };
  }

  it('is one for all pairs, or one for each', async () => {
    await writeReport(file('b.json'), { ...sampleReport(), pair: 'before' });
    expect(await loadBaseline(request(undefined))).toBeNull();
    expect(await loadBaseline(request('b.json'))).toMatchObject({ path: 'b.json', report: { pair: 'before' } });
    expect(await loadBaseline(request({ one: 'b.json' }))).toMatchObject({ path: 'b.json' });
    expect(await loadBaseline(request({ one: 'b.json' }, 'two'))).toBeNull();
    const given = { ...request('gone.json'), baseline: file('b.json') };
    expect(await loadBaseline(given)).toMatchObject({ report: { pair: 'before' } });
  });

  it('is an error of the config when it is missing or damaged', async () => {
    await expect(loadBaseline(request('gone.json'))).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringMatching(/The baseline cannot be used: There is no report .*gone\.json/),
      remedy: expect.stringContaining('report RUN --format json'),
      place: { line: expect.any(Number), field: 'baseline' },
    });
    writeFileSync(file('b.json'), '{"format":"backcompat.report","formatVersion":1,');
    await expect(loadBaseline(request({ one: 'b.json' }))).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringContaining('damaged'),
      place: { field: 'baseline.one' },
    });
  });

  it('names pairs that there are', () => {
    const { problems } = checkConfig(
      JSON.stringify({ pairs: {}, baseline: { oen: 'b.json' }, gates: { 'tax.map': ['warn', { maxChange: 0.1 }] } }),
    );
    expect(problems.map(({ message }) => message)).toEqual([expect.stringContaining('there is no pair "oen"')]);
  });
});
