import { describe, expect, it } from 'vitest';
import type { GateLimit, GateResult, Report } from '../../src/core/contract/report.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { allGateRules, checkGateRule } from '../../src/core/report/gateRules.ts';
import { evaluateGates } from '../../src/core/report/gates.ts';
import { fullReport } from '../fixtures/report/fullReport.ts';

/** A gate never passes on a figure that is missing: for every rule there is, over everything that can go missing. */

type Json = Record<string, unknown> | unknown[];
type Path = (string | number)[];

/** Every state good, so that a gate on it passes as long as it is there. */
function goodReport(): Report {
  const report = fullReport();
  Object.assign(report.verdict, { state: 'compatible', thresholds: 'kept', inequalities: 'kept' });
  for (const entry of Object.values(report.criterion)) Object.assign(entry ?? {}, { state: 'compatible' });
  for (const entry of Object.values(report.slices).flat()) {
    for (const one of Object.values(entry.criterion)) Object.assign(one ?? {}, { state: 'compatible' });
  }
  return report;
}

function isState(rule: string): boolean {
  try {
    checkGateRule(rule, { min: 0 });
    return false;
  } catch {
    return true;
  }
}

function hasInterval(rule: string): boolean {
  try {
    checkGateRule(rule, { min: 0, bound: 'lower' });
    return true;
  } catch {
    return false;
  }
}

/** Figures of a kind with an interval that have none themselves. */
const withoutInterval = new Set<string>();

/** A limit that whatever is there keeps. */
function loose(rule: string): GateLimit {
  if (!isState(rule)) {
    const bounded = hasInterval(rule) && !withoutInterval.has(rule);
    return bounded ? { min: -1e9, bound: 'lower' } : { min: -1e9, minChange: -1e9 };
  }
  return {
    state: rule.endsWith('thresholds') ? 'restorable' : rule.endsWith('inequalities') ? 'as-noise' : 'within-margin',
  };
}

const baseline = fullReport();

function judge(report: Report, rule: string, limit = loose(rule)): GateResult[] {
  return evaluateGates(report, { [rule]: ['error', limit] }, 'pass', { baseline }).results;
}

/** Where a rule's figure lies, found by its words and the data alone: independent of the tree that rules are read by. */
function locate(value: unknown, rule: string): Path | null {
  if (typeof value !== 'object' || value === null) return null;
  const [, field, at] = /^([a-zA-Z]+)(?:@([\d.e-]+))?$/.exec(rule) ?? [];
  const list = Array.isArray(value) ? value : (value as { byEpsilon?: unknown[] }).byEpsilon;
  if (Array.isArray(list) && field !== undefined) {
    const index = list.findIndex((entry) => {
      if (typeof entry !== 'object' || entry === null) return false;
      const { epsilon, far, k } = entry as Record<string, number>;
      if (at === undefined) return far === undefined || far === 0.01;
      return Math.abs((epsilon ?? far ?? k ?? -1) - Number(at)) < 1e-12;
    });
    const entry = list[index] as Record<string, unknown> | undefined;
    if (entry && field in entry) {
      const deeper = typeof entry[field] === 'object' && entry[field] !== null ? ['value'] : [];
      return [...(Array.isArray(value) ? [] : ['byEpsilon']), index, field, ...deeper];
    }
  }
  const steps: [string | number, string][] = Array.isArray(value)
    ? value.map((entry, index) => [index, String(entry?.label ?? entry?.value)])
    : Object.keys(value).map((key) => [key, key]);
  for (const [step, name] of steps) {
    const below = (value as Record<string | number, unknown>)[step];
    if (rule === name) {
      if (typeof below !== 'object' || below === null) return [step];
      const inner = ['value', 'state'].find((key) => key in below);
      return inner === undefined ? null : [step, inner];
    }
    if (!rule.startsWith(`${name}.`)) continue;
    const rest = locate(below, rule.slice(name.length + 1));
    if (rest !== null) return [step, ...rest];
  }
  return null;
}

function at(root: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, step) => (value as Record<string | number, unknown> | undefined)?.[step], root);
}

const rules = allGateRules([1, 5, 10]);
const known = rules.flatMap((rule) => judge(goodReport(), rule)).filter(({ actual }) => actual !== null);
for (const { rule, interval } of known) if (hasInterval(rule) && interval === null) withoutInterval.add(rule);
const measured = known.flatMap(({ rule }) => judge(goodReport(), rule));

/** Parts that whoever judges relies on: a report without them is not read (reportFile.ts). */
const frame: readonly string[] = ['protocol', 'data', 'verdict', 'format', 'updateGain', 'provenance', 'formatVersion'];

describe('every rule', () => {
  it('passes while its figure is there, and names it', () => {
    expect(rules.length).toBeGreaterThan(150);
    expect(measured.length).toBeGreaterThan(150);
    const report = goodReport();
    for (const { rule, actual, state } of measured) {
      expect([rule, state]).toEqual([rule, 'passed']);
      const path = locate(report, rule);
      expect([rule, path === null ? 'nowhere' : at(report, path)]).toEqual([rule, actual]);
    }
  });

  it('does not pass once its figure, or anything around it, is gone, empty or of another kind', () => {
    const report = goodReport();
    let tried = 0;
    for (const { rule } of measured) {
      const path = locate(report, rule) as Path;
      for (let depth = 1; depth <= path.length; depth++) {
        if (depth === 1 && frame.includes(String(path[0]))) continue;
        const holder = at(report, path.slice(0, depth - 1)) as Record<string | number, unknown>;
        const key = path[depth - 1] as string | number;
        const before = holder[key];
        for (const put of [undefined, null, Number.NaN, Number.POSITIVE_INFINITY, 'nonsense', {}, []]) {
          holder[key] = put;
          const results = judge(report, rule);
          expect([rule, depth, put, results.filter(({ state }) => state === 'passed')]).toEqual([rule, depth, put, []]);
          expect(results.length).toBeGreaterThan(0);
          tried++;
        }
        holder[key] = before;
      }
    }
    expect(tried).toBeGreaterThan(3000);
    expect(report).toEqual(goodReport());
  });

  it('does not pass once the interval of its bound is gone', () => {
    const bounded = measured.filter(({ rule }) => hasInterval(rule));
    expect(bounded.length).toBeGreaterThan(40);
    const report = goodReport();
    for (const { rule } of bounded) {
      const path = locate(report, rule) as Path;
      const holder = at(report, path.slice(0, -1)) as Record<string, unknown>;
      const above = at(report, path.slice(0, -2)) as Record<string, unknown>;
      for (const place of [holder, above]) {
        for (const key of Object.keys(place).filter((name) => /interval$/i.test(name))) {
          const before = place[key];
          for (const put of [undefined, null, [], [0.1], [null, 1], [Number.NaN, 1], 'x']) {
            place[key] = put;
            const [result] = judge(report, rule);
            if (result?.state === 'passed') expect(result.interval?.every(Number.isFinite)).toBe(true);
            else expect(result?.state).toBe('unmeasured');
          }
          place[key] = before;
        }
      }
    }
  });
});

describe('random holes', () => {
  it('let pass only what is still there', () => {
    const random = createRandom(5, 'holes');
    let passed = 0;
    let held = 0;
    for (let round = 0; round < 60; round++) {
      const report = goodReport();
      for (let hole = 0; hole < 40; hole++) dig(report as unknown as Json, random, 0);
      for (const rule of measured.map((result) => result.rule)) {
        if (random.integer(8) !== 0) continue;
        for (const result of judge(report, rule)) {
          if (result.state !== 'passed') {
            held++;
            continue;
          }
          passed++;
          const path = locate(report, rule);
          const found = path === null ? null : at(report, path);
          expect([rule, found]).toEqual([rule, result.actual]);
          expect(typeof found === 'string' || Number.isFinite(found)).toBe(true);
        }
      }
    }
    expect(Math.min(passed, held)).toBeGreaterThan(200);
  });
});

/** Takes something away at a random depth; the frame stays. */
function dig(value: Json, random: ReturnType<typeof createRandom>, depth: number): void {
  const keys = Object.keys(value).filter((key) => depth > 0 || !frame.includes(key));
  const key = keys[random.integer(Math.max(1, keys.length))];
  if (key === undefined) return;
  const holder = value as Record<string, unknown>;
  const below = holder[key];
  const isOpen = typeof below === 'object' && below !== null && Object.keys(below).length > 0;
  if (isOpen && random.integer(4) !== 0) dig(below as Json, random, depth + 1);
  else holder[key] = [undefined, null, Number.NaN, 'nonsense', {}, []][random.integer(6)];
}
