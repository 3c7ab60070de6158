import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkConfig } from '../../src/core/config/checkConfig.ts';
import type { RunSummary } from '../../src/core/contract/runs.ts';
import { auditEntries, nameOfFile, problemOfName } from '../../src/host/auditDraft.ts';
import { commandText, environmentFor, runCommandLine } from '../../src/host/commandLine.ts';
import { changeBetween, editConfig, freeName } from '../../src/host/configEdits.ts';
import { namedBlocks, namedFiles } from '../../src/host/configFiles.ts';
import { pageHtml } from '../../src/host/pageHtml.ts';
import { readHeadline, readRequest } from '../../src/host/reportFile.ts';
import { pageStateOf } from '../../src/host/runState.ts';
import {
  headlineWords,
  isResumable,
  momentWords,
  progressWords,
  recognisedWords,
  runIcon,
  runWords,
  trainingWords,
} from '../../src/host/words.ts';
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
  training: null,
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

  it('say where a training is', () => {
    const figures = {
      epoch: 2,
      step: 100,
      seconds: 1,
      learningRate: 0.1,
      loss: 1,
      terms: {},
      oldOld: { map: 0.5 },
      newOld: { 'cmc@1': 0.1, map: 0.41234 },
      newNew: { map: 0.6 },
      positiveRate: null,
      inverted: null,
      negativeFlipRate: null,
      criterion: null,
    };
    const progress = { done: 120, total: 1000, unit: 'steps' };
    // 100 steps were 2 epochs, so 1,000 are 20.
    expect(trainingWords({ training: { epoch: 3, step: 120, figures }, progress })).toBe('epoch 3/20, newOld mAP .412');
    expect(trainingWords({ training: { epoch: 3, step: 120, figures: { ...figures, newOld: null } }, progress })).toBe(
      'epoch 3/20, newNew mAP .600',
    );
    // Before the first epoch has ended nobody knows how many steps one has.
    const start = { ...figures, epoch: 0, step: 0 };
    expect(trainingWords({ training: { epoch: 1, step: 3, figures: start }, progress })).toBe(
      'epoch 1, newOld mAP .412',
    );
    expect(trainingWords({ training: { epoch: 1, step: 3, figures: null }, progress })).toBe('epoch 1');
    expect(trainingWords({ training: null, progress })).toBeNull();
    // Its audit is one of steps no more.
    expect(
      trainingWords({ training: { epoch: 3, step: 120, figures }, progress: { ...progress, unit: 'pairs' } }),
    ).toBeNull();
    const stopped = { ...run, kind: 'train', state: 'stopped', training: { epoch: 3, step: 120, figures } } as const;
    expect(runWords(stopped)).toBe('stopped at step 120, resume');
    expect(runWords({ ...stopped, state: 'running', progress })).toBe('epoch 3/20, newOld mAP .412');
  });

  it('offer to resume only trainings that ended before their end', () => {
    const states = ['running', 'done', 'failed', 'cancelled', 'paused', 'stopped'] as const;
    expect(states.filter((state) => isResumable({ kind: 'train', state }))).toEqual(states.slice(2));
    expect(states.filter((state) => isResumable({ kind: 'audit', state }))).toEqual([]);
  });

  it('say what a file was recognised as', () => {
    const inspection = {
      path: 'v1.onnx',
      kind: 'onnx',
      format: 'ONNX model',
      bytes: 10,
      facts: [{ name: 'opset', value: 'ai.onnx 17' }],
      dimension: 128,
      count: null,
      classNames: ['a', 'b', 'c'],
      audit: { possible: true, as: 'checkpoint', reason: null, remedy: null },
      training: { possible: true, reason: null, remedy: null },
      notes: [],
    } as const;
    const given = { ...inspection, facts: [...inspection.facts], classNames: [...inspection.classNames], notes: [] };
    expect(recognisedWords(given)).toBe('ONNX model, 128-d, opset 17, 3 classes');
    const table = { ...given, format: 'NumPy array (npy)', facts: [], classNames: null, count: 2000 };
    expect(recognisedWords({ ...table, audit: { ...given.audit, as: 'vectors' } })).toBe(
      'NumPy array (npy), 128-d, 2,000 vectors',
    );
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

describe('editConfig', () => {
  const text = `{
    // what we have
    "pairs": {
        "a": { "old": "v1", "new": "v2" }, // released
    }
}
`;

  it('adds keys behind the others, and leaves comments, indentation and trailing commas alone', () => {
    const added = editConfig(text, [
      { path: ['pairs', 'b'], value: { old: 'v1', new: 'v3' } },
      { path: ['datasets', 'd'], value: { images: 'x' } },
    ]);
    expect(added).toBe(`{
    // what we have
    "pairs": {
        "a": { "old": "v1", "new": "v2" }, // released
        "b": { "old": "v1", "new": "v3" },
    },
    "datasets": { "d": { "images": "x" } }
}
`);
    // Removed again, nothing is left of them but the comma that the last section needed.
    const remove = (...path: string[]) => ({ path, value: undefined });
    expect(editConfig(added, [remove('pairs', 'b'), remove('datasets')])).toBe(text);
  });

  it('removes a key with its comma, wherever it stands', () => {
    const remove = (from: string, ...path: string[]) => editConfig(from, [{ path, value: undefined }]);
    expect(remove('{ "h": { "t": 1, "s": 2 } }', 'h', 's')).toBe('{ "h": { "t": 1 } }');
    expect(remove('{ "h": { "t": 1, "s": 2 } }', 'h', 't')).toBe('{ "h": { "s": 2 } }');
    expect(remove('{ "h": { "t": 1 } }', 'h', 't')).toBe('{ "h": { } }');
    expect(remove('{\n  "a": 1, // one\n  "b": 2\n}\n', 'b')).toBe('{\n  "a": 1 // one\n}\n');
    expect(remove('{\n  "a": 1, // one\n  "b": 2,\n  "c": 3\n}\n', 'b')).toBe('{\n  "a": 1, // one\n  "c": 3\n}\n');
  });

  it('is one small change for the editor', () => {
    expect(changeBetween('abcd', 'abXcd')).toEqual({ offset: 2, length: 0, text: 'X' });
    expect(changeBetween('aXb', 'ab')).toEqual({ offset: 1, length: 1, text: '' });
    expect(changeBetween('aa', 'aaa')).toEqual({ offset: 2, length: 0, text: 'a' });
    expect(changeBetween('same', 'same')).toEqual({ offset: 4, length: 0, text: '' });
  });

  it('keeps a comment with the key that it is about, and objects on one line whole', () => {
    const entry = { path: ['pairs', 'c'], value: { old: 'x' } };
    expect(editConfig('{\n  "pairs": {\n    "a": 1 // one\n  }\n}\n', [entry])).toBe(
      '{\n  "pairs": {\n    "a": 1, // one\n    "c": { "old": "x" }\n  }\n}\n',
    );
    const line = editConfig('{ "pairs": { "a": 1 } }', [entry]);
    expect(JSON.parse(line)).toEqual({ pairs: { a: 1, c: { old: 'x' } } });
    expect(JSON.parse(editConfig('{ "pairs": {} }', [entry]))).toEqual({ pairs: { c: { old: 'x' } } });
    expect(JSON.parse(editConfig('{\r\n  "a": 1\r\n}', [{ path: ['b'], value: 'x'.repeat(120) }]))).toHaveProperty('b');
  });

  it('makes a config from nothing', () => {
    const made = editConfig('', [{ path: ['pairs', 'a', 'old'], value: 'v1' }]);
    expect(JSON.parse(made)).toEqual({ pairs: { a: { old: 'v1' } } });
  });

  it('finds a name that is free', () => {
    expect(freeName('v1', [])).toBe('v1');
    expect(freeName('v1', ['v1', 'v1-2'])).toBe('v1-3');
    expect(freeName('a/b', [])).toBe('a-b');
  });
});

describe('namedFiles and namedBlocks', () => {
  const text = `{
  "datasets": { "d": { "idx": { "images": "i", "labels": "l" }, "splits": { "images": 0.5 } } },
  "checkpoints": { "t": { "vectors": ["a.npy", "b.npy"], "labels": "c.csv" }, "m": { "model": "m.onnx", "output": "o" } },
  "pairs": { "images": { "old": "m", "new": "t", "adapterFile": "a.onnx" } },
  "training": { "block": { "from": "m" } }
}`;

  it('find what must be there, and where it stands in the text', () => {
    const files = namedFiles(text);
    expect(files.map(({ file }) => file)).toEqual(['i', 'l', 'a.npy', 'b.npy', 'c.csv', 'm.onnx', 'a.onnx']);
    for (const { file, offset, length } of files)
      expect(text.slice(offset, offset + length)).toBe(JSON.stringify(file));
  });

  it('find pairs and blocks at their keys', () => {
    const blocks = namedBlocks(text);
    expect(blocks.map(({ kind, name }) => [kind, name])).toEqual([
      ['pair', 'images'],
      ['training', 'block'],
    ]);
    for (const { name, offset } of blocks) expect(text.slice(offset)).toMatch(new RegExp(`^"${name}"`));
    expect(namedBlocks('{ "pairs": [] }')).toEqual([]);
    expect(namedBlocks('')).toEqual([]);
  });
});

describe('auditEntries', () => {
  it('names what is there, and adds models and data with paths as the config sees them', () => {
    const entries = auditEntries(
      {
        old: { kind: 'named', name: 'v1', isTable: false },
        new: { kind: 'model', file: '/w/models/v2.onnx' },
        gallery: { kind: 'images', folder: '/w/photos' },
        queries: null,
        dimensionRule: 'slice',
        name: 'v1-v2',
      },
      '/w/configs',
      { datasets: ['photos'], checkpoints: ['v1', 'v2'] },
    );
    expect(entries).toEqual([
      { path: ['checkpoints', 'v2-2'], value: { model: '../models/v2.onnx' } },
      { path: ['datasets', 'photos-2'], value: { images: '../photos' } },
      { path: ['pairs', 'v1-v2'], value: { old: 'v1', new: 'v2-2', gallery: 'photos-2', dimensionRule: 'slice' } },
    ]);
  });

  it('takes tables with their labels, and items from the same file', () => {
    const labels = '/w/labels.csv';
    const entries = auditEntries(
      {
        old: { kind: 'table', file: '/w/old.npy', labels },
        new: { kind: 'table', file: '/w/new.npy', labels },
        gallery: { kind: 'labels', file: labels },
        queries: null,
        dimensionRule: null,
        name: 'p',
      },
      '/w',
      { datasets: [], checkpoints: [] },
    );
    const config = entries.reduce((text, entry) => editConfig(text, [entry]), '');
    expect(checkConfig(config).problems).toEqual([]);
    expect(JSON.parse(config)).toEqual({
      checkpoints: {
        old: { vectors: 'old.npy', labels: 'labels.csv' },
        new: { vectors: 'new.npy', labels: 'labels.csv' },
      },
      datasets: { labels: { items: 'labels.csv' } },
      pairs: { p: { old: 'old', new: 'new', gallery: 'labels' } },
    });
  });

  it('finds names for files and faults in names', () => {
    expect(nameOfFile('/w/v1.onnx')).toBe('v1');
    expect(nameOfFile('/w/tfjs/model.json')).toBe('tfjs');
    expect(nameOfFile('/w/t10k-images.idx3-ubyte')).toBe('t10k-images');
    expect(problemOfName('', [])).not.toBeNull();
    expect(problemOfName('a/b', [])).not.toBeNull();
    expect(problemOfName('a', ['a'])).not.toBeNull();
    expect(problemOfName('b', ['a'])).toBeNull();
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

  it('offers to resume a training that was cancelled, paused or stopped, and says where it stands', async () => {
    const training = { epoch: 2, step: 1200, figures: null };
    for (const state of ['cancelled', 'paused', 'stopped'] as const) {
      const shown = await pageStateOf({ ...run, kind: 'train', state, training }, around);
      expect(shown).toMatchObject({ kind: 'failed', failure: { again: 'Resume' } });
      if (shown.kind !== 'failed') throw new Error(shown.kind);
      expect(shown.failure.title).toMatch(/^The training /);
      expect(shown.failure.message).toMatch(/stands at step 1,200\. It can be resumed/);
    }
    const failed = await pageStateOf({ ...run, kind: 'train', state: 'failed', message: 'It diverged.' }, around);
    expect(failed).toMatchObject({ failure: { message: 'It diverged.', again: 'Run Again' } });
    const done = await pageStateOf({ ...run, kind: 'train', state: 'done' }, around);
    expect(done).toMatchObject({ failure: { title: 'The model is trained', again: null } });
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
