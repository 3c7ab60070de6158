import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { QueryChange, QueryFilter } from '../../src/core/contract/browsing.ts';
import { REPORT_FILE_NAME, type Report } from '../../src/core/contract/report.ts';
import { RUN_FORMAT, type RunRequest } from '../../src/core/contract/runs.ts';
import { writeNpy } from '../../src/core/data/npy.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { auditPair } from '../../src/core/pipeline/auditPair.ts';
import type { AuditRequest } from '../../src/core/pipeline/auditRequest.ts';
import { browsePair, type PairBrowser } from '../../src/core/pipeline/browsePair.ts';
import { requestOfReport } from '../../src/core/pipeline/requestOfReport.ts';
import { writeReport } from '../../src/core/report/reportFile.ts';
import { silentProgress } from './silentProgress.ts';

const ITEMS = 120;
const CLASSES = 6;
const OLD = 5;
const NEW = 7;
const hooks = { progress: silentProgress, signal: new AbortController().signal };
const question = { search: '', filter: 'all' as QueryFilter, offset: 0, limit: 200 };

let folder: string;
const at = (name: string) => path.join(folder, name);
let old: Float32Array;
let next: Float32Array;
const label = (item: number) => item % CLASSES;

async function table(name: string, dimension: number, spread: number): Promise<Float32Array> {
  const random = createRandom(3, name);
  const values = Float32Array.from({ length: ITEMS * dimension }, (_, index) => {
    const [item, k] = [Math.floor(index / dimension), index % dimension];
    return (k === label(item) % dimension ? 1.5 : 0) + spread * random.normal();
  });
  await writeNpy(at(name), vectorsInMemory(name, values, dimension));
  return values;
}

const request = (pair = 'all'): AuditRequest => ({
  source: { kind: 'config', file: at('backcompat.json'), pair },
  overrides: {},
  threads: 1,
  cacheFolder: at('cache'),
});

/** By sorting the whole gallery in double precision: [item, distance] of all but `self`. */
function ranking(query: number[], gallery: number[][], self: number): [number, number][] {
  const unit = (vector: number[]) => vector.map((value) => value / Math.hypot(...vector));
  const q = unit(query);
  return gallery
    .map((vector, item): [number, number] => [item, 1 - unit(vector).reduce((sum, v, k) => sum + v * (q[k] ?? 0), 0)])
    .filter(([item]) => item !== self)
    .sort((a, b) => a[1] - b[1] || a[0] - b[0]);
}

const rowsOf = (values: Float32Array, dimension: number, columns = dimension) =>
  Array.from({ length: ITEMS }, (_, item) => [...values.subarray(item * dimension, item * dimension + columns)]);

let report: Report;
let browser: PairBrowser;

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-browse-'));
  old = await table('old.npy', OLD, 0.7);
  next = await table('new.npy', NEW, 0.6);
  const lines = Array.from({ length: ITEMS }, (_, item) => `item${item},class ${label(item)}`);
  writeFileSync(at('items.csv'), `id,label\n${lines.join('\n')}\n`);
  const checkpoint = (vectors: string) => ({ vectors, labels: 'items.csv' });
  const pair = { old: 'a', new: 'b', queries: 'items', gallery: 'items' };
  writeFileSync(
    at('backcompat.json'),
    JSON.stringify({
      datasets: { items: { items: 'items.csv' } },
      checkpoints: { a: checkpoint('old.npy'), b: checkpoint('new.npy') },
      pairs: {
        all: { ...pair, dimensionRule: 'slice' },
        mapped: { ...pair, dimensionRule: 'project', adapter: 'linear' },
      },
      audit: { bootstrap: { resamples: 100 }, triplets: 100 },
    }),
  );
  report = await auditPair(request(), hooks);
  browser = await browsePair(request(), report, hooks);
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('neighbours of a query', () => {
  it.each([0, 17, 119])('are those of sorting the whole gallery, query %i', async (query) => {
    const { rankings, depth, query: entry } = await browser.neighbours(`item${query}`, 12, hooks);
    expect(entry).toMatchObject({ id: `item${query}`, label: `class ${label(query)}` });
    expect(depth).toBe(ITEMS);
    const oldRows = rowsOf(old, OLD);
    const newRows = rowsOf(next, NEW);
    const expected = [
      ranking(oldRows[query] as number[], oldRows, query),
      // Rule "slice": the first components of the new query.
      ranking(rowsOf(next, NEW, OLD)[query] as number[], oldRows, query),
      ranking(newRows[query] as number[], newRows, query),
    ];
    const before = new Map(expected[0]?.map(([item], place) => [item, place + 1]));
    expect(rankings.map(({ cell }) => cell)).toEqual(['oldOld', 'newOld', 'newNew']);
    rankings.forEach(({ items, right }, cell) => {
      const nearest = expected[cell]?.slice(0, 12) ?? [];
      expect(items.map(({ id }) => id)).toEqual(nearest.map(([item]) => `item${item}`));
      items.forEach((item, place) => {
        const [row, distance] = nearest[place] as [number, number];
        // Products of five and seven float32 terms of unit vectors.
        expect(Math.abs(item.distance - distance)).toBeLessThan(1e-6);
        expect(item.right).toBe(label(row) === label(query));
        expect(item.label).toBe(`class ${label(row)}`);
        expect(item.rankBefore).toBe(before.get(row));
      });
      expect(right).toBe(nearest.filter(([row]) => label(row) === label(query)).length);
    });
  });

  it('refuse an id that is no query', async () => {
    await expect(browser.neighbours('nobody', 5, hooks)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('are never more than an answer may hold', async () => {
    const { rankings } = await browser.neighbours('item0', 5000, hooks);
    expect(rankings[0]?.items).toHaveLength(100);
  });

  it('meet through the adapter where the pair projects', async () => {
    const mapped = await browsePair(request('mapped'), null, hooks);
    const own = await mapped.neighbours('item3', 12, hooks);
    const sliced = await browser.neighbours('item3', 12, hooks);
    const ids = (cell: number, from = own) => from.rankings[cell]?.items.map(({ id }) => id);
    expect(ids(0)).toEqual(ids(0, sliced));
    expect(ids(1)).not.toEqual(ids(1, sliced));
    expect(ids(2)).toEqual(ids(2, sliced));
    await mapped.close();
  });
});

describe('the list of queries', () => {
  it('has all of them at first, a page at a time, not yet judged', async () => {
    const fresh = await browsePair(request(), report, hooks);
    const page = await fresh.queries({ ...question, offset: 110, limit: 50 }, hooks);
    expect(page).toMatchObject({ total: ITEMS, offset: 110, sampledFrom: null });
    expect(page.entries.map(({ id }) => id)).toEqual(Array.from({ length: 10 }, (_, k) => `item${110 + k}`));
    expect(page.entries.every(({ change }) => change === null)).toBe(true);
    await fresh.close();
  });

  it('is searched by id and class, in any case', async () => {
    const ids = async (search: string) =>
      (await browser.queries({ ...question, search }, hooks)).entries.map(({ id }) => id);
    expect(await ids('ITEM11 ')).toEqual(['item11', ...Array.from({ length: 10 }, (_, k) => `item11${k}`)]);
    expect(await ids('Class 4')).toHaveLength(ITEMS / CLASSES);
    expect(await ids('nothing of that')).toEqual([]);
  });

  it('is judged as the audit judged: by sorting, and by the report', async () => {
    const change = (query: number): QueryChange => {
      const isRight = (vector: number[]) =>
        label(ranking(vector, rowsOf(old, OLD), query)[0]?.[0] as number) === label(query);
      const [before, after] = [
        isRight(rowsOf(old, OLD)[query] as number[]),
        isRight(rowsOf(next, NEW, OLD)[query] as number[]),
      ];
      return before ? (after ? 'right' : 'lost') : after ? 'gained' : 'wrong';
    };
    const changes = Array.from({ length: ITEMS }, (_, query) => change(query));
    const filters: [QueryFilter, QueryChange[]][] = [
      ['lost', ['lost']],
      ['gained', ['gained']],
      ['flipped', ['lost', 'gained']],
      ['wrong', ['wrong', 'lost']],
    ];
    for (const [filter, wanted] of filters) {
      const page = await browser.queries({ ...question, filter }, hooks);
      const expected = changes.flatMap((is, query) => (wanted.includes(is) ? [`item${query}`] : []));
      expect(expected.length).toBeGreaterThan(0);
      expect(page.entries.map(({ id }) => id)).toEqual(expected);
      expect(page.total).toBe(expected.length);
    }
    const lost = await browser.queries({ ...question, filter: 'lost' }, hooks);
    expect(lost.total).toBe(report.flips.flippedQueries);
    expect(new Set(lost.entries.map(({ id }) => id))).toEqual(
      new Set(report.worst.flippedQueries.map(({ query }) => query)),
    );
    // Now every entry says what became of it.
    const all = await browser.queries(question, hooks);
    expect(all.entries.map((entry) => entry.change)).toEqual(changes);
  });

  it('stops when it is called off', async () => {
    const fresh = await browsePair(request(), report, hooks);
    const controller = new AbortController();
    const progress = { ...silentProgress, phase: () => controller.abort() };
    const asked = fresh.queries({ ...question, filter: 'lost' }, { progress, signal: controller.signal });
    await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
    await fresh.close();
  });
});

describe('what has changed since the report', () => {
  it('is nothing at first, then said', async () => {
    expect(browser.pair).toEqual({ name: 'all', queries: ITEMS, gallery: ITEMS, labelled: true, changes: [] });
    const other = structuredClone(report);
    other.new.fingerprint = 'another';
    other.provenance.dataset = 'another';
    const changed = await browsePair(request(), other, hooks);
    expect(changed.pair.changes).toEqual([
      'The new model gives other vectors than when it was audited.',
      'The items or labels of the queries or the gallery have changed since the audit.',
    ]);
    await changed.close();
  });
});

describe('the request of a report', () => {
  const run = (configFile: string | null, given: string[]): RunRequest => ({
    format: RUN_FORMAT,
    formatVersion: 1,
    kind: 'audit',
    name: 'all',
    configFile,
    arguments: given,
    created: '2026-01-01T00:00:00.000Z',
    tool: 'test',
  });
  async function inRun(name: string, request: RunRequest, of = report): Promise<string> {
    mkdirSync(at(name));
    writeFileSync(path.join(at(name), 'run.json'), JSON.stringify(request));
    const file = path.join(at(name), REPORT_FILE_NAME);
    await writeReport(file, of);
    return file;
  }
  const firstIds = async (asked: AuditRequest) => {
    const opened = await browsePair(asked, null, hooks);
    const { rankings } = await opened.neighbours('item5', 5, hooks);
    await opened.close();
    return rankings.map(({ items }) => items.map(({ id }) => id));
  };

  it('measures by what the report was measured by, whatever the config says now', async () => {
    const dotted = structuredClone(report);
    dotted.protocol.distance = 'dot';
    const file = await inRun('run-dot', run(at('backcompat.json'), []), dotted);
    const { request: asked } = await requestOfReport({ report: file, config: null }, 1);
    expect(asked.overrides).toMatchObject({ distance: 'dot', dimensionRule: 'slice' });
    expect(await firstIds(asked)).not.toEqual(await firstIds(request()));
  });

  it('finds the tables of a run without a config', async () => {
    const given = ['audit', '--old', at('old.npy'), '--new', at('new.npy'), '--labels', at('items.csv'), '--seed', '1'];
    const file = await inRun('run-tables', run(null, given));
    const { request: asked } = await requestOfReport({ report: file, config: null }, 1);
    expect(await firstIds(asked)).toEqual(await firstIds(request()));
  });

  it('takes the pair of a config where the report lies in no run, and says what it needs without one', async () => {
    const file = at('kept.compat-report.json');
    await writeReport(file, report);
    const { request: asked } = await requestOfReport({ report: file, config: at('backcompat.json') }, 1);
    expect(await firstIds(asked)).toEqual(await firstIds(request()));
    await expect(requestOfReport({ report: file, config: null }, 1)).rejects.toMatchObject({
      code: 'not-found',
      remedy: expect.stringContaining('run directory'),
    });
  });
});
