import { describe, expect, it } from 'vitest';
import { comparedCurves } from '../../src/core/contract/comparison.ts';
import { compareReports } from '../../src/core/report/compareReports.ts';
import {
  isExportFileName,
  MAX_TEXT_LENGTH,
  type PageMessage,
  parseHostMessage,
  parsePageMessage,
  reportProblem,
} from '../../src/protocol/messages.ts';
import { bareReport, sampleReport } from '../fixtures/report/sampleReport.ts';

describe('parsePageMessage', () => {
  it.each<PageMessage>([
    { type: 'ready' },
    { type: 'cancelRun' },
    { type: 'pauseRun' },
    { type: 'openReport' },
    { type: 'openRunFolder' },
    { type: 'openCompared', report: 1 },
    { type: 'compareReports' },
    { type: 'copyMarkdown' },
    { type: 'openConfig' },
    { type: 'openConfig', rule: 'criterion.map' },
    { type: 'exportHtml' },
    { type: 'copyText', text: 'a\tb' },
    { type: 'saveFile', name: 'cmc.csv', text: 'k,old/old' },
    { type: 'saveFile', name: 'cmc.png', dataBase64: 'iVBORw0KGgo=' },
  ])('knows $type', (message) => {
    expect(parsePageMessage(structuredClone(message))).toEqual(message);
  });

  it('keeps known fields only', () => {
    expect(parsePageMessage({ type: 'ready', command: 'workbench.action.quit' })).toEqual({ type: 'ready' });
  });

  it.each([
    undefined,
    null,
    'ready',
    [],
    {},
    { type: 'runCommand', command: 'x' },
    { type: 'constructor' },
    { type: 'copyText' },
    { type: 'copyText', text: 7 },
    { type: 'openConfig', rule: 'x'.repeat(1001) },
    { type: 'openCompared' },
    { type: 'openCompared', report: -1 },
    { type: 'openCompared', report: 0.5 },
    { type: 'saveFile', name: 'cmc.csv' },
    { type: 'saveFile', name: 'cmc.png', dataBase64: 'not base64!' },
    { type: 'saveFile', name: '../../.bashrc', text: '' },
    { type: 'saveFile', name: 'run.sh', text: '' },
  ])('refuses %j', (value) => {
    expect(parsePageMessage(value)).toBeNull();
  });

  it('refuses text beyond the limit', () => {
    expect(parsePageMessage({ type: 'copyText', text: 'x'.repeat(MAX_TEXT_LENGTH + 1) })).toBeNull();
  });
});

describe('isExportFileName', () => {
  it.each(['cmc.csv', 'same-class-pairs.csv', 'cmc.png', 'class rates (1).tsv'])('takes %s', (name) => {
    expect(isExportFileName(name)).toBe(true);
  });
  it.each([
    '',
    '.csv',
    '../cmc.csv',
    'a/b.csv',
    'a\\b.csv',
    'a:b.csv',
    'cmc.csv\n',
    'cmc.html',
    `${'x'.repeat(200)}.csv`,
    7,
  ])('refuses %j', (name) => {
    expect(isExportFileName(name)).toBe(false);
  });
});

describe('parseHostMessage', () => {
  const actions = { openRunFolder: true, openConfig: true, exportHtml: true, cliCommand: null };
  const run = {
    name: 'digits',
    oldName: null,
    newName: null,
    phase: null,
    phaseIndex: null,
    phaseTotal: null,
    done: null,
    total: null,
    unit: null,
    started: null,
    cancelling: false,
  };

  it.each([
    { kind: 'loading', phase: null },
    { kind: 'running', run },
    { kind: 'report', report: bareReport(), actions },
    { kind: 'report', report: bareReport(), previews: { a: { text: 'b' } }, actions },
    {
      kind: 'failed',
      failure: { title: 'a', message: 'b', remedy: null, again: null, openRunFolder: false, openConfig: false },
    },
  ])('takes $kind', (state) => {
    expect(parseHostMessage({ type: 'snapshot', state })).toEqual({ type: 'snapshot', state });
  });

  it('leaves out previews that are none', () => {
    const previews = { a: { image: 'https://example.org/a.png' }, b: { text: 'b' } };
    const message = parseHostMessage({
      type: 'snapshot',
      state: { kind: 'report', report: bareReport(), previews, actions },
    });
    expect(message).toMatchObject({ state: { previews: { b: { text: 'b' } } } });
    expect(message).not.toHaveProperty('state.previews.a');
  });

  it.each([
    { kind: 'loading' },
    { kind: 'running', run: { ...run, done: Number.NaN } },
    { kind: 'running', run: { ...run, cancelling: 'no' } },
    { kind: 'report', report: null, actions },
    { kind: 'report', report: bareReport(), actions: {} },
    { kind: 'report', report: bareReport(), actions: { ...actions, browse: { possible: 'yes', why: null } } },
    { kind: 'failed', failure: { title: 'a' } },
    { kind: 'other' },
    null,
  ])('refuses %j', (state) => {
    expect(parseHostMessage({ type: 'snapshot', state })).toBeNull();
  });

  it('keeps strings of restore only', () => {
    const message = parseHostMessage({
      type: 'snapshot',
      state: { kind: 'loading', phase: 'a' },
      restore: { run: '/r', bad: 7 },
    });
    expect(message).toMatchObject({ restore: { run: '/r' } });
    expect(message).not.toHaveProperty('restore.bad');
  });
});

describe('the page of a comparison', () => {
  const reports = [sampleReport(), bareReport()];
  const state = {
    kind: 'compare',
    comparison: compareReports(reports),
    curves: reports.map(comparedCurves),
    cliCommand: 'backcompat compare a b',
  };
  const parsed = (change: (copy: typeof state) => void) => {
    const copy = structuredClone(state);
    change(copy);
    return parseHostMessage({ type: 'snapshot', state: copy });
  };

  it('is taken', () => {
    expect(parsed(() => {})).toEqual({ type: 'snapshot', state });
  });

  it.each<(copy: typeof state) => void>([
    (copy) => copy.curves.pop(),
    (copy) => copy.comparison.reports.splice(1),
    (copy) => copy.comparison.figures[0]?.values.pop(),
    (copy) => Object.assign(copy.comparison.reports[0] ?? {}, { label: 7 }),
    (copy) => Object.assign(copy.comparison.figures[0]?.values[0] ?? {}, { value: 'high' }),
    (copy) => Object.assign(copy.curves[0] ?? {}, { roc: { newOld: { far: [0.1] } } }),
    (copy) => Object.assign(copy, { cliCommand: null }),
    (copy) => copy.comparison.differences.push({ ...copy.comparison.differences[0], report: 2 } as never),
  ])('is refused in another shape: %#', (change) => {
    expect(parsed(change)).toBeNull();
  });
});

describe('questions about single queries', () => {
  const question = { search: 'a', filter: 'lost', offset: 0, limit: 100 };

  it.each([
    { type: 'browseQueries', request: 1, question },
    { type: 'browseNeighbours', request: 2, query: '__proto__', k: 12 },
    { type: 'browseThumbnails', request: 3, ids: ['a', 'b'] },
    { type: 'browseStop', request: 0 },
  ])('$type is taken, with known fields only', (message) => {
    expect(parsePageMessage({ ...message, command: 'workbench.action.quit' })).toEqual(message);
  });

  it.each([
    { type: 'browseQueries', request: 1 },
    { type: 'browseQueries', request: 1, question: { ...question, filter: 'constructor' } },
    { type: 'browseQueries', request: 1, question: { ...question, limit: 201 } },
    { type: 'browseQueries', request: 1, question: { ...question, offset: -1 } },
    { type: 'browseQueries', request: 1, question: { ...question, search: 'x'.repeat(1001) } },
    { type: 'browseNeighbours', request: 2, query: 7, k: 12 },
    { type: 'browseNeighbours', request: 2, query: 'a', k: 101 },
    { type: 'browseNeighbours', request: 2.5, query: 'a', k: 12 },
    { type: 'browseThumbnails', request: 3, ids: Array.from({ length: 201 }, () => 'a') },
    { type: 'browseThumbnails', request: 3, ids: ['a', null] },
    { type: 'browseStop' },
  ])('%j is refused', (message) => {
    expect(parsePageMessage(message)).toBeNull();
  });
});

describe('answers about single queries', () => {
  const entry = { id: 'a', label: null, change: null };
  const pair = { name: 'p', queries: 1, gallery: 1, labelled: false, changes: [] };
  const page = { total: 1, offset: 0, entries: [entry], sampledFrom: null };
  const ranked = { id: 'b', label: null, right: null, distance: 0.5, rankBefore: 1 };
  const rankings = [{ cell: 'oldOld', right: null, items: [ranked] }];
  const answers = (answer: unknown) => parseHostMessage({ type: 'browseAnswer', request: 1, answer });

  it.each([
    { kind: 'queries', pair, page },
    { kind: 'neighbours', neighbours: { query: entry, rankings, depth: 1 } },
    { kind: 'thumbnails', previews: { a: { text: 'b' } } },
  ])('$kind are taken', (answer) => {
    expect(answers(answer)).toEqual({ type: 'browseAnswer', request: 1, answer });
  });

  it('are refused in another shape', () => {
    expect(answers({ kind: 'queries', pair, page: { ...page, entries: [{ id: 7 }] } })).toBeNull();
    expect(answers({ kind: 'queries', page })).toBeNull();
    expect(answers({ kind: 'neighbours', neighbours: { query: entry, rankings: [{ cell: 'oldNew' }] } })).toBeNull();
    expect(answers({ kind: 'other' })).toBeNull();
    expect(answers({ kind: 'thumbnails', previews: { a: { image: 'https://example.org/a.png' } } })).toMatchObject({
      answer: { previews: {} },
    });
  });

  it.each([
    { type: 'browseProgress', request: 1, phase: 'Embedding', done: 1, total: null },
    { type: 'browseFailure', request: 1, message: 'a', remedy: null },
  ])('$type is taken', (message) => {
    expect(parseHostMessage(message)).toEqual(message);
    expect(parseHostMessage({ ...message, request: 'a' })).toBeNull();
  });
});

describe('reportProblem', () => {
  it('finds none in reports', () => {
    expect(reportProblem(sampleReport())).toBeNull();
    expect(reportProblem(bareReport())).toBeNull();
  });

  it.each([
    [null, 'not a Backcompat report'],
    [{ format: 'other' }, 'not a Backcompat report'],
    [{ ...sampleReport(), formatVersion: 2 }, 'format version 2'],
    [{ ...sampleReport(), formatVersion: 'x' }, 'which version'],
    [{ ...sampleReport(), worst: undefined }, 'no "worst"'],
    [{ ...sampleReport(), gates: {} }, 'no "gates"'],
  ])('names it: %#', (value, words) => {
    expect(reportProblem(value)).toContain(words);
  });

  it('reads minor versions of its own major', () => {
    expect(reportProblem({ ...sampleReport(), formatVersion: 1.4 })).toBeNull();
  });
});
