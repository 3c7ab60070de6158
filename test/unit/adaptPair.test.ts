import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../src/core/contract/report.ts';
import { openCheckpoint } from '../../src/core/models/checkpoint.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { type AdaptRequest, adaptPair } from '../../src/core/pipeline/adaptPair.ts';
import { auditPair } from '../../src/core/pipeline/auditPair.ts';
import { errorOf, idxBytes, npyTable, onnxModel } from '../fixtures/data/make.ts';
import { silentProgress } from './silentProgress.ts';

const hooks = { progress: silentProgress, signal: new AbortController().signal };
const count = 120;
let folder: string;
const file = (name: string) => path.join(folder, name);

/** Images of four pixels in three classes; both models are linear in them, so that a linear map leads from one to the other. */
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'adapt-'));
  const random = createRandom(3, 'adapt');
  const centres = [
    [200, 40, 90, 30],
    [60, 180, 40, 120],
    [90, 70, 190, 180],
  ];
  const labels = Array.from({ length: count }, (_, item) => item % 3);
  const pixels = labels.flatMap((label) =>
    (centres[label] as number[]).map((value) => Math.max(0, Math.min(255, Math.round(value + 35 * random.normal())))),
  );
  const weights = (dimension: number) => Float32Array.from({ length: 4 * dimension }, () => random.normal());
  await writeFile(file('images.idx'), idxBytes([count, 2, 2], pixels));
  await writeFile(file('labels.idx'), idxBytes([count], labels));
  await writeFile(file('old.onnx'), onnxModel({ dimension: 4, weights: weights(4) }));
  await writeFile(file('new.onnx'), onnxModel({ dimension: 6, weights: weights(6) }));
  await writeFile(file('new.npy'), npyTable(labels.map((label) => [label + 1, 1])));
  await writeFile(file('items.csv'), `id,label\n${labels.map((label, item) => `${item},${label}`).join('\n')}\n`);
  await writeFile(
    file('backcompat.json'),
    JSON.stringify({
      datasets: {
        items: { items: 'items.csv' },
        digits: {
          idx: { images: 'images.idx', labels: 'labels.idx' },
          splits: { fit: 0.5, gallery: 0.3, query: 0.2 },
        },
      },
      checkpoints: {
        old: { model: 'old.onnx' },
        new: { model: 'new.onnx' },
        stored: { vectors: 'new.npy', labels: 'items.csv' },
      },
      pairs: {
        'old-new': { old: 'old', new: 'new', queries: 'digits/query', gallery: 'digits/gallery' },
        named: {
          old: 'old',
          new: 'new',
          queries: 'digits/query',
          gallery: 'digits/gallery',
          adapterFile: 'with-data.onnx',
        },
        table: { old: 'stored', new: 'stored', gallery: 'items' },
        versions: { versions: ['old', 'new'], gallery: 'digits/gallery' },
      },
      audit: { bootstrap: { resamples: 200 } },
    }),
  );
});

afterAll(() => rm(folder, { recursive: true }));

const request = (change: Partial<AdaptRequest> = {}): AdaptRequest => ({
  config: file('backcompat.json'),
  pair: 'old-new',
  kind: 'linear',
  data: null,
  out: file('adapter.onnx'),
  append: null,
  force: false,
  overrides: {},
  threads: 1,
  cacheFolder: file('cache'),
  ...change,
});

describe('adaptPair', () => {
  it('cannot put anything behind a table', async () => {
    const change = { pair: 'table', out: file('t.onnx'), append: file('ta.onnx') };
    expect(await errorOf(adaptPair(request(change), hooks))).toMatchObject({
      code: 'bad-model',
      message: expect.stringMatching(/"stored" is a table of vectors, behind which nothing can be put/),
    });
    expect(existsSync(file('t.onnx'))).toBe(false);
  });

  it('fits on the pair, and judges others of its kind on the halves they have not seen', async () => {
    const { report, items, description, shared } = await adaptPair(request(), hooks);
    expect(items).toBe(60);
    expect(description).toMatch(/^ridge linear map of 6 to 4 components/);
    expect(shared).toBe(0);
    expect(report.protocol).toMatchObject({ dimensionRule: 'project', adapter: 'linear' });
    expect(report.notes?.join(' ')).toMatch(/two adapters, each fitted on one half/);
    // 30 items a half: nearly the old ranking, where cut vectors are far from it.
    const source = { kind: 'config' as const, file: file('backcompat.json'), pair: 'old-new' };
    const cut = await auditPair(
      { source, overrides: { dimensionRule: 'slice' }, threads: 1, cacheFolder: file('cache') },
      hooks,
    );
    const lost = ({ criterion: { map } }: Report) => (map?.old ?? 1) - (map?.new ?? 0);
    expect(lost(report)).toBeLessThan(0.05);
    expect(lost(cut)).toBeGreaterThan(0.2);
    expect(existsSync(file('adapter.onnx'))).toBe(true);
  });

  it('fits on other items, judges the file itself, and puts it behind the checkpoint', async () => {
    const [out, append] = [file('with-data.onnx'), file('adapted.onnx')];
    const { report, items, shared } = await adaptPair(request({ data: 'digits/fit', out, append }), hooks);
    expect([items, shared]).toEqual([60, 0]);
    expect(report.protocol).toMatchObject({ dimensionRule: 'project', adapterFile: out });
    expect(report.protocol.adapter).toBeUndefined();
    expect(report.notes?.join(' ')).toContain(`by the adapter ${out}; whether it was fitted on some of these`);
    // Named by a pair, it gives the same figures.
    const source = { kind: 'config' as const, file: file('backcompat.json'), pair: 'named' };
    const named = await auditPair({ source, overrides: {}, threads: 1, cacheFolder: file('cache') }, hooks);
    expect(named.criterion).toEqual(report.criterion);
    expect(named.protocol.adapterFile).toBe('with-data.onnx');
    // Appended it is a checkpoint of the old length, under the name of the output as it was.
    const checkpoint = await openCheckpoint('v2', { model: append }, folder, { threads: 1 });
    expect(checkpoint).toMatchObject({ dimension: 4, output: 'embedding' });
    await checkpoint.close();
  });

  it('says how many items it was fitted on and judged by', async () => {
    const out = file('shared.onnx');
    const { shared } = await adaptPair(request({ data: 'digits/query', out, kind: 'procrustes' }), hooks);
    expect(shared).toBe(24);
  });

  it('overwrites nothing unless told so, and refuses what it cannot do before it writes', async () => {
    await writeFile(file('there.onnx'), 'x');
    expect(await errorOf(adaptPair(request({ out: file('there.onnx') }), hooks))).toMatchObject({ code: 'in-use' });
    await adaptPair(request({ out: file('there.onnx'), force: true }), hooks);
    expect((await errorOf(adaptPair(request({ pair: 'versions', out: file('a.onnx') }), hooks))).message).toMatch(
      /compares many versions; an adapter is for two models/,
    );
    const versions = { kind: 'config' as const, file: file('backcompat.json'), pair: 'versions' };
    const overrides = { adapterFile: file('adapter.onnx') };
    const many = auditPair({ source: versions, overrides, threads: 1, cacheFolder: file('cache') }, hooks);
    expect(await errorOf(many)).toMatchObject({ code: 'usage', message: expect.stringMatching(/compares many/) });
    expect(existsSync(file('a.onnx'))).toBe(false);
  });
});
