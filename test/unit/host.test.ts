import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunSummary } from '../../src/core/contract/runs.ts';
import { commandText, environmentFor, runCommandLine } from '../../src/host/commandLine.ts';
import { pageHtml } from '../../src/host/pageHtml.ts';
import { readHeadline, readRequest } from '../../src/host/reportFile.ts';
import { pageStateOf } from '../../src/host/runState.ts';
import { headlineWords, momentWords, progressWords, runIcon, runWords } from '../../src/host/words.ts';
import { sampleReport } from '../fixtures/report/sampleReport.ts';

const run: RunSummary = {
  directory: '/w/.backcompat/runs/1',
  id: '1',
  kind: 'audit',
  name: 'v1-v2',
  configFile: '/w/backcompat.json',
  created: '2026-11-01T10:00:00.000Z',
  state: 'running',
  phase: null,
  phaseIndex: null,
  phaseTotal: null,
  progress: null,
  message: null,
  remedy: null,
  place: null,
  verdict: null,
  exitStatus: null,
  report: null,
  updated: '2026-11-01T10:00:00.000Z',
};

const around = {
  pair: { name: 'v1-v2', old: 'v1', new: 'v2' },
  cancelling: false,
  trusted: true,
  actions: { openRunFolder: true, openConfig: true, exportHtml: true, cliCommand: null },
};

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'host-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('words', () => {
  it('say the verdict and both figures', () => {
    const headline = { state: 'incompatible', metric: 'map', old: 0.5104, new: 0.0196 } as const;
    expect(headlineWords(headline)).toBe('incompatible, mAP .020 of .510');
  });

  it('say how far a run is, and never more than 100 %', () => {
    expect(progressWords({ phase: null, progress: null })).toBeNull();
    expect(progressWords({ phase: 'pair pass', progress: null })).toBe('pair pass');
    const progress = { done: 43, total: 99, unit: 'queries' };
    expect(progressWords({ phase: 'pair pass', progress })).toBe('pair pass, 43 %');
    expect(progressWords({ phase: 'x', progress: { ...progress, done: 200 } })).toBe('x, 100 %');
    expect(progressWords({ phase: 'x', progress: { ...progress, total: 0 } })).toBe('x');
  });

  it('tell a dead run from a living one', () => {
    expect(runWords(run)).toBe('starting');
    expect(runWords({ ...run, state: 'stopped', phase: 'pair pass' })).toBe('stopped');
    expect(runIcon({ ...run, state: 'stopped' }).icon).not.toBe(runIcon(run).icon);
    expect(runWords({ ...run, state: 'done', verdict: 'within-margin' })).toBe('within margin');
    expect(runWords({ ...run, state: 'done', verdict: 'something newer' })).toBe('done');
  });

  it('leave out the date of today only', () => {
    const now = new Date(2026, 10, 2, 15, 0);
    expect(momentWords(new Date(2026, 10, 2, 9, 5).toISOString(), now)).not.toMatch(/Nov|2026/);
    expect(momentWords(new Date(2026, 10, 1, 9, 5).toISOString(), now)).toMatch(/1/);
    expect(momentWords('not a time', now)).toBe('not a time');
  });
});

describe('pageHtml', () => {
  const html = pageHtml({
    script: 'https://host/report.js?a="b"',
    style: 'https://host/report.css',
    source: 'https://*.host',
    nonce: 'abc123',
    title: '<img src=x onerror=alert(1)>',
  });

  it('lets nothing in but its own script, style sheet and pictures', () => {
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1]?.split('; ');
    expect(policy).toEqual([
      "default-src 'none'",
      "script-src 'nonce-abc123'",
      'style-src https://*.host',
      'img-src data: https://*.host',
      "font-src 'none'",
    ]);
    expect(html).not.toMatch(/unsafe|<style|style=|\son\w+=(?!alert)/);
  });

  it('keeps names and paths text', () => {
    expect(html).toContain('&lt;img src=x onerror=alert(1)&gt;');
    expect(html).toContain('report.js?a=&quot;b&quot;');
  });
});

describe('commandText', () => {
  it('quotes what a shell would split or expand', () => {
    expect(commandText(['audit', '/w/my config.json', '--pair', 'v1-v2'])).toBe(
      "backcompat audit '/w/my config.json' --pair v1-v2",
    );
    expect(commandText(["it's", '$HOME', ''])).toBe("backcompat 'it'\\''s' '$HOME' ''");
  });
});

describe('environmentFor', () => {
  it('keeps what concerns the extension host alone from the process', () => {
    const inherited = { PATH: '/bin', VSCODE_PID: '1', NODE_OPTIONS: '--inspect', ELECTRON_NO_ASAR: '1', HOME: '/h' };
    expect(environmentFor({ env: { ELECTRON_RUN_AS_NODE: '1' } }, inherited)).toEqual({
      PATH: '/bin',
      HOME: '/h',
      ELECTRON_RUN_AS_NODE: '1',
    });
  });
});

describe('runCommandLine', () => {
  const script = () => path.join(folder, 'script.mjs');
  const runtime = () => ({ command: process.execPath, script: script(), env: {} });

  it('gives status and both streams', async () => {
    writeFileSync(script(), "console.log('out', process.argv[2]); console.error('err'); process.exitCode = 3;");
    expect(await runCommandLine(runtime(), ['a b'], { timeoutMs: 10_000 })).toEqual({
      exitStatus: 3,
      stdout: 'out a b\n',
      stderr: 'err\n',
    });
  });

  it('settles when the process hangs', async () => {
    writeFileSync(script(), "console.error('hanging'); setInterval(() => {}, 1000);");
    await expect(runCommandLine(runtime(), [], { timeoutMs: 1000 })).rejects.toThrow(/ended by SIGTERM: hanging/);
  });

  it('settles when the process cannot start, and when it is aborted', async () => {
    const missing = { command: path.join(folder, 'missing'), script: 'x', env: {} };
    await expect(runCommandLine(missing, [], { timeoutMs: 1000 })).rejects.toThrow(/ENOENT/);
    writeFileSync(script(), 'setInterval(() => {}, 1000);');
    const signal = AbortSignal.timeout(300);
    await expect(runCommandLine(runtime(), [], { timeoutMs: 10_000, signal })).rejects.toThrow(/abort/);
  });
});

describe('readHeadline', () => {
  it('takes the figures of the verdict, and nothing from what is no report', async () => {
    const file = path.join(folder, 'report.compat-report.json');
    expect(await readHeadline(file)).toBeNull();
    writeFileSync(file, '{}');
    expect(await readHeadline(file)).toBeNull();
    const report = sampleReport();
    writeFileSync(file, JSON.stringify(report));
    const { old, new: newer } = report.criterion[report.verdict.metric] ?? {};
    const { state, metric } = report.verdict;
    expect(await readHeadline(file)).toEqual({ state, metric, old, new: newer });
  });
});

describe('readRequest', () => {
  it('takes only what a run wrote', async () => {
    expect(await readRequest(folder)).toBeNull();
    writeFileSync(path.join(folder, 'run.json'), '{"format":"other","arguments":[]}');
    expect(await readRequest(folder)).toBeNull();
    const request = { format: 'backcompat.run', formatVersion: 1, arguments: ['audit'], name: 'v1-v2' };
    writeFileSync(path.join(folder, 'run.json'), JSON.stringify(request));
    expect(await readRequest(folder)).toEqual(request);
  });
});

describe('pageStateOf', () => {
  it('shows progress while the run lives', async () => {
    const state = await pageStateOf({ ...run, phase: 'pair pass', phaseIndex: 2, phaseTotal: 5 }, around);
    expect(state).toMatchObject({
      kind: 'running',
      run: { oldName: 'v1', newName: 'v2', phaseIndex: 2, phaseTotal: 5 },
    });
  });

  it.each([
    ['failed', 'The audit failed', 'Because.'],
    ['cancelled', 'The audit was cancelled', 'It left no report; what was measured until then is gone.'],
    ['stopped', 'The audit stopped', 'Because.'],
    ['done', 'The audit left no report', 'Because.'],
  ] as const)('says that a run is %s and offers another attempt', async (state, title, message) => {
    const shown = await pageStateOf({ ...run, state, message: 'Because.', remedy: 'Do that.' }, around);
    expect(shown).toMatchObject({
      kind: 'failed',
      failure: { title, message, remedy: 'Do that.', again: 'Run Again' },
    });
  });

  it('offers no attempt in a folder that is not trusted, or for tables without a config', async () => {
    for (const [changed, where] of [
      [run, { ...around, trusted: false }],
      [{ ...run, configFile: null }, around],
    ] as const) {
      const shown = await pageStateOf({ ...changed, state: 'failed' }, where);
      expect(shown).toMatchObject({ kind: 'failed', failure: { again: null } });
    }
  });

  it('carries the previews that lie beside the report', async () => {
    const report = path.join(folder, 'previewed', 'report.compat-report.json');
    mkdirSync(path.dirname(report));
    writeFileSync(report, JSON.stringify(sampleReport()));
    const previews = { a: { text: 'words' } };
    const show = () => pageStateOf({ ...run, state: 'done', report }, around);
    expect(await show()).toMatchObject({ kind: 'report', previews: {} });
    writeFileSync(path.join(folder, 'previewed', 'previews.json'), JSON.stringify(previews));
    expect(await show()).toMatchObject({ kind: 'report', previews });
  });

  it('shows why a report cannot be opened', async () => {
    const report = path.join(folder, 'report.compat-report.json');
    writeFileSync(report, '{}');
    const shown = await pageStateOf({ ...run, state: 'done', report }, around);
    expect(shown).toMatchObject({ kind: 'failed', failure: { title: 'This report cannot be opened' } });
  });
});
