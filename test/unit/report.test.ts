import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Report } from '../../src/core/contract/report.ts';
import { renderHtml } from '../../src/core/report/renderHtml.ts';
import { renderText } from '../../src/core/report/renderText.ts';
import {
  assertFinite,
  MAX_REPORT_BYTES,
  parseReport,
  readReport,
  writeReport,
} from '../../src/core/report/reportFile.ts';
import { clip, displayWidth, wrap } from '../../src/core/report/terminal.ts';
import { fullReport, hostileFullReport, unlabelledReport } from '../fixtures/report/fullReport.ts';
import { bareReport, incompatibleReport, sampleReport } from '../fixtures/report/sampleReport.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-report-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the file', () => {
  const file = () => path.join(folder, 'report.compat-report.json');

  it('reads back what was written, and replaces an older report', async () => {
    const report = sampleReport();
    await writeReport(file(), report);
    expect(await readReport(file())).toEqual(JSON.parse(JSON.stringify(report)));
    report.pair = 'another';
    await writeReport(file(), report);
    expect((await readReport(file())).pair).toBe('another');
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('overwrites nothing else', async () => {
    writeFileSync(file(), '{"format": "something else"}');
    await expect(writeReport(file(), sampleReport())).rejects.toMatchObject({ code: 'in-use' });
    await expect(writeReport(folder, sampleReport())).rejects.toMatchObject({ code: 'in-use' });
    expect(readFileSync(file(), 'utf8')).toBe('{"format": "something else"}');
  });

  it('holds no number that JSON cannot hold', async () => {
    const report = sampleReport();
    (report.classes[1] as Report['classes'][number]).map.difference = Number.NaN;
    await expect(writeReport(file(), report)).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('report.classes[1].map.difference is NaN'),
    });
    expect(readdirSync(folder)).toEqual([]);
    expect(() => assertFinite({ a: [0, Number.POSITIVE_INFINITY] })).toThrow('report.a[1] is Infinity');
    expect(() => assertFinite({ a: [0, null, undefined, 'NaN', -1e300] })).not.toThrow();
  });

  it('refuses a newer format, opens an older report with fields it does not know', () => {
    const report = sampleReport();
    const newer = JSON.stringify({ ...report, formatVersion: 2 });
    expect(() => parseReport(newer, 'r.json')).toThrow('r.json has format version 2; this Backcompat reads up to 1.');
    const older = JSON.parse(JSON.stringify({ ...report, future: { x: 1 } }));
    delete older.inequalities.positive.severityInterval;
    expect(parseReport(JSON.stringify(older), 'r.json').pair).toBe(report.pair);
  });

  it('opens reports without, and with, whatever came later; wrong types are damage', () => {
    const whole = JSON.parse(JSON.stringify(fullReport()));
    const late = [
      ...['notes', 'backfillSummary', 'agreement', 'baseline', 'undecided', 'paragonCells', 'advbct', 'verification'],
      ...['backfill', 'matrix', 'slices', 'remedies'],
    ];
    for (const field of late) {
      const without = { ...whole };
      delete without[field];
      expect(() => parseReport(JSON.stringify(without), 'r.json'), field).not.toThrow();
      expect(() => parseReport(JSON.stringify({ ...whole, [field]: null }), 'r.json'), field).not.toThrow();
      expect(() => parseReport(JSON.stringify({ ...whole, [field]: 7 }), 'r.json'), field).toThrow(`"${field}"`);
      expect(() => parseReport(JSON.stringify({ ...whole, [field]: { x: [7] } }), 'r.json'), field).toThrow(
        `"${field}"`,
      );
    }
    expect(parseReport(JSON.stringify(whole), 'r.json')).toEqual(whole);
    for (const report of [unlabelledReport(), bareReport(), hostileFullReport()])
      expect(() => parseReport(JSON.stringify(report), 'r.json')).not.toThrow();
  });

  it('names what is damaged', async () => {
    await writeReport(file(), sampleReport());
    truncateSync(file(), 1000);
    await expect(readReport(file())).rejects.toMatchObject({ code: 'bad-file' });
    await expect(readReport(path.join(folder, 'gone'))).rejects.toMatchObject({ code: 'not-found' });
    const without = (change: (report: Record<string, never>) => void) => {
      const value = JSON.parse(JSON.stringify(sampleReport()));
      change(value);
      return () => parseReport(JSON.stringify(value), 'r.json');
    };
    expect(without((value) => delete value.criterion)).toThrow('"criterion"');
    expect(without((value) => Object.assign(value, { gates: [{ rule: 7 }] }))).toThrow('"gates"');
    expect(without((value) => Object.assign(value, { format: 'x' }))).toThrow('not a Backcompat report');
    expect(without((value) => Object.assign(value, { formatVersion: 'one' }))).toThrow('"formatVersion"');
    for (const text of ['', 'null', '[]', '7']) expect(() => parseReport(text, 'r.json')).toThrow('r.json');
  });

  it('does not read a file larger than any report', async () => {
    writeFileSync(file(), '{');
    truncateSync(file(), MAX_REPORT_BYTES + 1);
    await expect(readReport(file())).rejects.toThrow(/larger than any report \(256 MB\)/);
  });
});

describe('text', () => {
  const widest = (text: string) => Math.max(...text.split('\n').map(displayWidth));

  it('says the verdict first and fits the terminal', () => {
    for (const width of [80, 100, 120]) {
      const report = sampleReport();
      report.gates = report.gates.map((gate) => ({ ...gate, limit: { max: 0.2 } }));
      const text = renderText(report, { width, colour: false });
      expect(widest(text)).toBeLessThanOrEqual(width);
      expect(text.split('\n')[3]).toMatch(/^Ranks better on the old gallery \(mAP \.740 against \.556\)/);
      for (const words of ['CMC@10', 'R-precision', 'Procrustes', 'Chance', 'Triplets inverted', 'Exit status 3']) {
        expect(text).toContain(words);
      }
    }
  });

  it('shows every part that there is in full, at any width', () => {
    const parts = [
      ['move that threshold from .071 to .523', 'Why: offset', 'Linear adapter', 'TAR then', 'key figures'],
      ['AdvBCT', 'of 1,000 same-class pairs', 'takes part in 104', 'Outliers first', 'student', '3 digits-v2-bct'],
    ];
    const [always = [], long = []] = parts;
    for (const width of [80, 100, 120]) {
      const full = renderText(fullReport(), { width, colour: false, full: true });
      const short = renderText(fullReport(), { width, colour: false });
      const gates = full.indexOf('Gates: ');
      expect(widest(full.slice(0, gates))).toBeLessThanOrEqual(width);
      const said = full.replace(/\s+/g, ' ');
      for (const words of [...always, ...long]) expect(said).toContain(words);
      for (const words of always) expect(short.replace(/\s+/g, ' ')).toContain(words);
      for (const words of long) expect(short).not.toContain(words);
      expect(short).toContain('With --full also: paragon, changed decisions, partial backfill');
      expect(full).not.toMatch(/NaN|null|undefined|Infinity/);
    }
  });

  it('leaves out what there is not', () => {
    for (const report of [sampleReport(), incompatibleReport(), bareReport(), unlabelledReport()]) {
      const text = renderText(report, { width: 100, colour: false, full: true });
      expect(text).not.toMatch(/NaN|null|undefined|Infinity/);
      for (const words of ['--full', 'baseline', 'Remedy', 'AdvBCT', 'Outliers']) expect(text).not.toContain(words);
    }
    const unlabelled = renderText(unlabelledReport(), { width: 100, colour: false });
    expect(unlabelled).toContain('no labels · leave-one-out');
    expect(unlabelled.split('\n')[3]).toMatch(/^Without labels ranking cannot be judged/);
    expect(unlabelled).toContain('Of the 10 nearest items');
    expect(unlabelled).not.toContain('Violated: strict rate');
  });

  it('has the same words with and without colours', () => {
    const coloured = renderText(sampleReport(), { width: 100, colour: true });
    expect(coloured).toContain('\u001b[1m');
    expect(stripVTControlCharacters(coloured)).toBe(renderText(sampleReport(), { width: 100, colour: false }));
  });

  it('shows labels, names and rules as text, whatever they hold', () => {
    const report = sampleReport();
    const hostile = '\u001b]0;owned\u0007\u001b[2J\r\n\u202e\u009b31m<b>';
    report.old.name = hostile;
    report.classes = report.classes.map((entry) => ({ ...entry, label: hostile }));
    report.gates = report.gates.map((gate) => ({ ...gate, rule: `classes.${hostile}.queries`, actual: hostile }));
    report.provenance.tool = hostile;
    const text = renderText(report, { width: 120, colour: false });
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
    expect(text).toContain('\\x1b]0;owned\\x07');
    const all = renderText(hostileFullReport(), { width: 120, colour: false, full: true });
    expect(all.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
  });

  it('says what was not measured instead of a figure', () => {
    const report = sampleReport();
    report.retrieval.newNew = null;
    report.retrieval.oldNew = null;
    report.inequalities.references.procrustes = null;
    report.criterion = {};
    report.classes = [];
    report.gates = [];
    report.flips.negativeFlipRate = null;
    for (const violations of [report.inequalities.positive, report.inequalities.negative]) {
      violations.byEpsilon = violations.byEpsilon.map((entry) => ({ ...entry, rate: null, interval: null }));
    }
    const text = renderText(report, { width: 100, colour: false });
    expect(text).toContain('Ranking was not measured');
    expect(text).not.toMatch(/NaN|null|undefined|Infinity/);
  });
});

describe('layout', () => {
  it('counts columns as terminals do', () => {
    expect(displayWidth('abc')).toBe(3);
    expect(displayWidth('日本')).toBe(4);
    expect(displayWidth('e\u0301')).toBe(1);
    expect(displayWidth('👍')).toBe(2);
    expect(clip('日本語', 5)).toBe('日本…');
    expect(clip('abc', 3)).toBe('abc');
  });

  it('keeps figures whole when it breaks lines', () => {
    expect(wrap('grow by 50 % of [.033, .050] at mAP .740', 10)).toEqual([
      'grow by',
      '50 % of',
      '[.033, .050]',
      'at',
      'mAP .740',
    ]);
    expect(wrap('', 10)).toEqual(['']);
  });
});

describe('page', () => {
  const assets = { script: 'const a = "</script><!-- x";\n', style: 'p::after { content: "</style>"; }' };

  it('lets exactly its own script and style run', () => {
    const html = renderHtml(sampleReport(), assets);
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1] ?? '';
    expect(policy.startsWith("default-src 'none'; ")).toBe(true);
    const script = /<script>([\s\S]*?)<\/script>/.exec(html)?.[1] ?? '';
    const style = /<style>([\s\S]*?)<\/style>/.exec(html)?.[1] ?? '';
    expect(script).toBe('const a = "<\\/script><\\!-- x";\n');
    const hash = (text: string) => createHash('sha256').update(text).digest('base64');
    expect(policy).toContain(`script-src 'sha256-${hash(script)}'`);
    expect(policy).toContain(`style-src 'sha256-${hash(style)}'`);
    expect(policy).not.toContain('unsafe');
  });

  it('keeps hostile labels inside the JSON', () => {
    const report = sampleReport();
    const hostile = '</script><script>alert(1)</script>\u2028<!-- "\'';
    report.pair = hostile;
    report.old.name = hostile;
    const html = renderHtml(report, { script: '', style: '' });
    expect(html.match(/<script/g)).toHaveLength(2);
    const json = /<script type="application\/json" id="backcompat-report">([^<]*)<\/script>/.exec(html)?.[1] ?? '';
    expect(JSON.parse(json).pair).toBe(hostile);
    expect(json).not.toMatch(/[<>&\u2028]/);
    const pictures = renderHtml(report, { script: '', style: '' }, { [hostile]: { text: hostile } });
    expect(pictures.match(/<script/g)).toHaveLength(3);
    const previews = /id="backcompat-previews">([^<]*)<\/script>/.exec(pictures)?.[1] ?? '';
    expect(JSON.parse(previews)).toEqual({ [hostile]: { text: hostile } });
  });
});
