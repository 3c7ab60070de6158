import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../src/core/contract/report.ts';
import { auditPair } from '../../src/core/pipeline/auditPair.ts';
import { evaluateGates } from '../../src/core/report/gates.ts';
import { renderText } from '../../src/core/report/renderText.ts';
import { parseReport, serialiseReport } from '../../src/core/report/reportFile.ts';
import { silentProgress } from './silentProgress.ts';
import { makeSyntheticPair } from './syntheticPair.ts';

const columns = 64;
const count = 400;
let folder: string;

/** A version 1.0 npy file of little-endian float32. */
function npy(values: Float32Array): Buffer {
  const rows = values.length / columns;
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`;
  const header = `${text.padEnd(128 - 10 - 1)}\n`;
  const head = Buffer.from(`\x93NUMPY\x01\x00\x00\x00${header}`, 'latin1');
  head.writeUInt16LE(header.length, 8);
  return Buffer.concat([head, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]);
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'backcompat-unlabelled-'));
  const pair = makeSyntheticPair(5);
  const write = (name: string, values: Float32Array) =>
    writeFile(path.join(folder, name), npy(values.subarray(0, count * columns)));
  await write('old.npy', pair.old);
  await write('better.npy', pair.better);
  await write('rotated.npy', pair.betterRotated);
  const rows = Array.from({ length: count }, (_, item) => `i${item},${pair.items.labelOf[item]}`);
  await writeFile(path.join(folder, 'items.csv'), `id,label\n${rows.join('\n')}\n`);
  await writeFile(path.join(folder, 'others.csv'), 'id,label\nx0,1\nx1,1\nx2,2\n');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const file = (name: string) => path.join(folder, name);
const hooks = { progress: silentProgress, signal: new AbortController().signal };

function withoutLabels(next: string): Promise<Report> {
  return auditPair(
    {
      source: {
        kind: 'tables',
        oldGallery: file('old.npy'),
        newGallery: file(next),
        galleryLabels: null,
        oldQuery: null,
        newQuery: null,
        queryLabels: null,
      },
      overrides: { resamples: 200 },
      threads: 1,
      cacheFolder: file('cache'),
    },
    hooks,
  );
}

describe('an audit without labels', () => {
  it('says what it cannot judge and how far the models agree', async () => {
    const report = await withoutLabels('better.npy');
    expect(report.data).toMatchObject({ labelled: false, leaveOneOut: true, queries: count, gallery: count });
    expect(report.verdict).toMatchObject({ state: 'undecided', thresholds: null, inequalities: null });
    const ten = report.agreement?.neighbourOverlap.find(({ k }) => k === 10);
    expect(ten?.newOld?.value).toBeGreaterThan(0.2);
    expect(report.verdict.summary).toContain('Without labels ranking cannot be judged');
    expect(report.verdict.summary).toContain('of the 10 nearest gallery items');
    expect(report.notes?.join(' ')).toMatch(/No labels were given.*leave-one-out/);
    expect(report.criterion).toEqual({});
    expect(report.inequalities.positive.byEpsilon.map(({ rate }) => rate)).toEqual([null, null, null]);
    expect(report.remedies).toEqual([]);
    expect(report.diagnosis.filter(({ found }) => found)).toEqual([]);
    expect(report.diagnosis.map(({ code }) => code)).toHaveLength(8);
  });

  it('still finds what vectors alone show', async () => {
    const { diagnosis } = await withoutLabels('rotated.npy');
    expect(diagnosis.filter(({ found }) => found).map(({ code }) => code)).toEqual(['rotation']);
  });

  it('is written, read and rendered as every report', async () => {
    const report = await withoutLabels('better.npy');
    expect(parseReport(serialiseReport(report), 'report')).toEqual(report);
    const text = renderText(report, { width: 100, colour: false });
    expect(text).toContain('Without labels ranking cannot be judged');
    expect(text).not.toMatch(/NaN|undefined|null/);
  });

  it('passes no gate on what was not measured', async () => {
    const report = await withoutLabels('better.npy');
    const { results } = evaluateGates(
      report,
      {
        'criterion.map': ['error', { state: 'within-margin' }],
        'retrieval.newOld.map': ['error', { min: 0 }],
        'inequalities.positive.rate@0.01': ['error', { max: 1 }],
        'flips.negativeFlipRate': ['error', { max: 1 }],
        'agreement.neighbourOverlap.newOld@10': ['error', { min: 0.1 }],
      },
      'pass',
    );
    expect(results.map(({ rule, state }) => [rule, state])).toEqual([
      ['criterion.map', 'unmeasured'],
      ['retrieval.newOld.map', 'unmeasured'],
      ['inequalities.positive.rate@0.01', 'unmeasured'],
      ['flips.negativeFlipRate', 'unmeasured'],
      ['agreement.neighbourOverlap.newOld@10', 'passed'],
    ]);
  });
});

describe('an audit without the old model', () => {
  const config = (pair: Record<string, string>) =>
    writeFile(
      file('backcompat.json'),
      JSON.stringify({
        datasets: { gallery: { items: 'items.csv' }, queries: { items: 'others.csv' } },
        checkpoints: {
          stored: { vectors: 'old.npy', labels: 'items.csv' },
          v2: { vectors: 'better.npy', labels: 'items.csv' },
        },
        pairs: { stored: { old: 'stored', new: 'v2', ...pair } },
        audit: { bootstrap: { resamples: 200 }, triplets: 100 },
      }),
    );
  const run = () =>
    auditPair(
      {
        source: { kind: 'config', file: file('backcompat.json'), pair: 'stored' },
        overrides: {},
        threads: 1,
        cacheFolder: file('cache'),
      },
      hooks,
    );

  it('asks the stored gallery itself, item by item', async () => {
    await config({ gallery: 'gallery' });
    const report = await run();
    expect(report.data).toMatchObject({ queries: count, gallery: count, sharedItems: count, leaveOneOut: true });
    expect(report.notes?.join(' ')).toContain('each compared with all others (leave-one-out)');
    expect(report.verdict.state).toBe('compatible');
  });

  it('is what the error proposes when the stored vectors are of the gallery only', async () => {
    await config({ gallery: 'gallery', queries: 'queries' });
    await expect(run()).rejects.toMatchObject({
      code: 'bad-data',
      remedy: expect.stringContaining('leave "queries" out of the pair'),
    });
  });
});
