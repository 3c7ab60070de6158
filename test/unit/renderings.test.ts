import { describe, expect, it } from 'vitest';
import type { GateResult, Report } from '../../src/core/contract/report.ts';
import { codeMark, paragraphMark, textMark } from '../../src/core/report/markdown/escape.ts';
import { renderGithub } from '../../src/core/report/renderGithub.ts';
import { renderJunit } from '../../src/core/report/renderJunit.ts';
import { MAX_MARKDOWN_BYTES, renderMarkdown } from '../../src/core/report/renderMarkdown.ts';
import { renderText } from '../../src/core/report/renderText.ts';
import { fullReport, hostileFullReport, unlabelledReport } from '../fixtures/report/fullReport.ts';
import {
  bareReport,
  hostileReport,
  incompatibleReport,
  largeReport,
  sampleReport,
} from '../fixtures/report/sampleReport.ts';
import { expectGolden } from './golden.ts';

const places: Record<string, number> = { 'inequalities.positive.rate@0.01': 41, 'flips.negativeFlipRate': 42 };
const placeOf = ({ rule }: GateResult) => ({
  key: rule,
  file: 'ml/backcompat.json',
  line: places[rule] ?? 40,
  column: 5,
});

describe('golden files', () => {
  it.each([
    ['report.txt', (report: Report) => renderText(report, { width: 100, colour: false })],
    ['report-full.txt', (report: Report) => renderText(report, { width: 80, colour: false, full: true })],
    ['report.md', (report: Report) => renderMarkdown([report])],
    ['report.xml', (report: Report) => renderJunit([{ report }])],
    ['report.github.txt', (report: Report) => renderGithub(report, placeOf)],
  ])('%s', (name, render) => {
    expectGolden(name, render(fullReport()));
  });

  it('first reports read as they did', () => {
    expectGolden('report-first.txt', renderText(sampleReport(), { width: 100, colour: false }));
    expectGolden('report-first.md', renderMarkdown([sampleReport()]));
  });
});

describe('any report', () => {
  it.each([
    ['sample', sampleReport],
    ['full', fullReport],
    ['bare', bareReport],
    ['unlabelled', unlabelledReport],
    ['incompatible', incompatibleReport],
    ['hostile', hostileReport],
    ['hostile full', hostileFullReport],
    ['large', largeReport],
  ])('%s: every rendering tells no missing figure', (_, make) => {
    const report = make();
    for (const text of [renderMarkdown([report]), renderJunit([{ report }]), renderGithub(report, () => null)]) {
      expect(text).not.toMatch(/\bNaN\b|\bundefined\b|\bInfinity\b|\bnull\b/);
      expect(text.endsWith('\n')).toBe(true);
    }
  });
});

describe('Markdown', () => {
  it('stays below the limit whatever the reports hold', () => {
    const wide = hostileFullReport();
    // What takes the most bytes: four of each character, and none that needs no escape.
    const long = '|😀`'.repeat(3000);
    wide.verdict.explanation = long;
    wide.notes = Array.from({ length: 500 }, () => long);
    wide.pair = long;
    wide.gates = Array.from({ length: 3000 }, (_value, index) => ({
      rule: `${long}${index}`,
      severity: 'error',
      limit: { min: 0.5 },
      actual: long,
      interval: null,
      state: 'failed',
      message: long,
    }));
    wide.classes = wide.classes.map((entry) => ({ ...entry, label: long }));
    wide.remedies = wide.remedies.map((remedy) => ({ ...remedy, cost: long, basis: long }));
    wide.diagnosis = wide.diagnosis.map((cause) => ({ ...cause, found: true, message: long }));
    const size = (reports: Report[]) => Buffer.byteLength(renderMarkdown(reports), 'utf8');
    expect(size([wide])).toBeLessThan(MAX_MARKDOWN_BYTES);
    expect(renderMarkdown([wide])).toContain('_Left out for length: ');
    expect(size([largeReport()])).toBeLessThan(MAX_MARKDOWN_BYTES);
    const full = fullReport();
    for (const pairs of [2, 5, 40, 2000]) {
      expect(size(Array.from({ length: pairs }, () => full))).toBeLessThan(MAX_MARKDOWN_BYTES);
      expect(size(Array.from({ length: pairs }, () => wide))).toBeLessThan(MAX_MARKDOWN_BYTES);
      // An at sign takes the most.
      const calling = { ...unlabelledReport(), verdict: { ...wide.verdict, summary: '@'.repeat(9999) } };
      expect(size(Array.from({ length: pairs }, () => calling))).toBeLessThan(MAX_MARKDOWN_BYTES);
    }
  });

  it('keeps text from data text', () => {
    expect(textMark('@team #12 a@b <b> [x](y) `c` *d* _e_ ~f~ a|b $g$ \\')).toBe(
      '&#64;&#8203;team &#35;&#8203;12 a&#64;&#8203;b &#60;b&#62; &#91;x&#93;(y) &#96;c&#96; &#42;d&#42; ' +
        '&#95;e&#95; &#126;f&#126; a&#124;b &#36;g&#36; &#92;',
    );
    expect(textMark('https://x.org www.x.org :smile: time: 3')).toBe(
      'https&#58;//x.org www&#46;x.org &#58;smile: time: 3',
    );
    expect(textMark('a\nb\u202e')).toBe('a&#92;nb&#92;u202e');
    expect(paragraphMark('- item')).toBe('&#45; item');
    expect(paragraphMark('1. item')).toBe('&#49;. item');
    expect(codeMark('a|b`@c</code>')).toBe('<code>a&#124;b&#96;&#64;c&#60;&#47;code&#62;</code>');
    expect(codeMark('x'.repeat(300), 10)).toBe(`<code>${'x'.repeat(9)}…</code>`);
  });

  it('has as many cells in each row of a table, and no foreign element', () => {
    for (const report of [hostileReport(), hostileFullReport(), fullReport()]) {
      const text = renderMarkdown([report]);
      const rows = text.split('\n');
      rows.forEach((row, index) => {
        if (!row.startsWith('| ---')) return;
        const cells = row.split('|').length;
        for (let other = index - 1; rows[other]?.startsWith('|'); other++) {
          expect(rows[other]?.split('|').length).toBe(cells);
        }
      });
      expect([...new Set(text.match(/<[^>]*>/g))].sort()).toEqual(['<!-- backcompat report -->', '</code>', '<code>']);
      expect(text).not.toMatch(/(?<![\w])@\w/);
    }
  });

  it('puts the worst first', () => {
    const text = renderMarkdown([fullReport()]);
    const at = (words: string) => text.indexOf(words);
    const order = ['Ranks better', 'move that threshold', 'Gates:', 'Five of six', 'both galleries', 'must move from'];
    const positions = [...order, 'stand farther', 'Why:', 'Linear adapter', 'Nine of ten', 'key figures'].map(at);
    expect(positions).not.toContain(-1);
    expect([...positions].sort((a, b) => a - b)).toEqual(positions);
    const states = [...text.matchAll(/^\| (?:\*\*)?[✓✗?!] ([a-z ]+?)(?:\*\*)? /gm)].map((match) => match[1]);
    expect(states.slice(0, 4)).toEqual(['failed', 'failed', 'undecided', 'passed']);
  });
});

describe('JUnit', () => {
  const gate = (state: GateResult['state'], severity: 'error' | 'warn' = 'error'): GateResult => ({
    rule: `${severity}.${state}`,
    severity,
    limit: { min: 1 },
    actual: 0.5,
    interval: null,
    state,
    message: `was ${state}`,
  });
  const all = (['passed', 'failed', 'undecided', 'unmeasured'] as const).flatMap((state) => [
    gate(state),
    gate(state, 'warn'),
  ]);
  const suite = (undecided: Report['undecided']) =>
    renderJunit([{ report: { ...sampleReport(), gates: all, undecided } }]);
  const caseOf = (xml: string, rule: string) =>
    new RegExp(`<testcase [^>]*name="${rule}"(?:/>|>([\\s\\S]*?)</testcase>)`).exec(xml)?.[1]?.trim() ?? '';

  it('tells a broken limit from a missing figure', () => {
    const xml = suite('report');
    expect(xml).toContain('tests="8" failures="2" errors="1" skipped="0"');
    expect(caseOf(xml, 'error.passed')).toBe('');
    expect(caseOf(xml, 'error.failed')).toMatch(/^<failure type="failed" message="was failed">/);
    expect(caseOf(xml, 'error.undecided')).toMatch(/^<failure type="undecided"/);
    expect(caseOf(xml, 'error.unmeasured')).toMatch(/^<error type="unmeasured"/);
    for (const state of ['failed', 'undecided', 'unmeasured'])
      expect(caseOf(xml, `warn.${state}`)).toBe(`<system-out>warning: was ${state}</system-out>`);
  });

  it('follows what the config makes of undecided gates', () => {
    expect(caseOf(suite('fail'), 'error.undecided')).toMatch(/^<failure type="undecided"/);
    expect(caseOf(suite('pass'), 'error.undecided')).toBe('<skipped message="was undecided"/>');
    expect(suite('pass')).toContain('failures="1" errors="1" skipped="1"');
  });

  it('holds nothing that XML cannot', () => {
    const report = hostileFullReport();
    report.pair = 'a\u0000\u001b\ud800\ufffe]]> "x" &amp;';
    const xml = renderJunit([{ report }, { name: '<b>', error: 'two\nlines & more' }]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is what is tested.
    expect(xml).not.toMatch(/[\u0000-\u0008\u000b-\u001f\ufffe\uffff]/);
    expect(xml).toContain('name="a\\x00\\x1b\ufffd\ufffd]]&gt; &quot;x&quot; &amp;amp;"');
    expect(xml).toContain('<testcase classname="&lt;b&gt;" name="audit">');
    const stack: string[] = [];
    for (const [, close, name, rest] of xml.matchAll(/<(\/?)([a-z-]+)([^<>]*)>/g)) {
      if (close) expect(stack.pop()).toBe(name);
      else if (!rest?.endsWith('/')) stack.push(name as string);
    }
    expect(stack).toEqual([]);
  });
});

describe('GitHub annotations', () => {
  const failing = (rules: string[]): Report => {
    const gates = rules.map((rule, index): GateResult => {
      const severity = index === 0 ? 'warn' : 'error';
      return { rule, severity, limit: {}, actual: null, interval: null, state: 'failed', message: `${rule} is bad` };
    });
    return { ...sampleReport(), gates };
  };

  it('is one line a rule, worst first, at most ten', () => {
    const report = failing(Array.from({ length: 30 }, (_, index) => `rule${index}`));
    const lines = renderGithub(report, placeOf).trimEnd().split('\n');
    expect(lines).toHaveLength(10);
    expect(lines[0]).toBe(
      '::error file=ml/backcompat.json,line=40,col=5,title=Gate failed::digits-v1-to-v2-bct: rule1 is bad',
    );
    const one = renderGithub(report, (gate) => ({ ...placeOf(gate), key: 'the same' }));
    expect(one).toMatch(/rule1 is bad \(and 29 more figures of this rule\)\n$/);
  });

  it('warns where the exit status does not change', () => {
    expect(renderGithub(failing(['a']), () => null)).toMatch(/^::warning title=Gate failed::/);
    const undecided = sampleReport();
    undecided.gates = undecided.gates.filter(({ state }) => state === 'undecided');
    expect(renderGithub(undecided, () => null)).toMatch(/^::error title=Gate undecided::/);
    expect(renderGithub({ ...undecided, undecided: 'pass' }, () => null)).toMatch(/^::warning/);
    expect(renderGithub({ ...undecided, gates: [] }, () => null)).toMatch(/^::notice title=Backcompat::.*Ranks better/);
  });

  it('escapes what ends a message, a property or a line', () => {
    const report = failing(['x', '100%\r\n::error::b']);
    const text = renderGithub(report, (gate) => ({ ...placeOf(gate), key: gate.rule, file: 'a,b:c%\n.json' }));
    expect(text.split('\n').filter((line) => line.startsWith('::'))).toHaveLength(2);
    expect(text).toContain('file=a%2Cb%3Ac%25%0A.json,');
    expect(text).toContain(': 100%25\\r\\n::error::b is bad');
  });
});
