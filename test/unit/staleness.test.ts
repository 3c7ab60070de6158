import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../src/core/contract/report.ts';
import { writeNpy } from '../../src/core/data/npy.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { auditPair } from '../../src/core/pipeline/auditPair.ts';
import { stalenessOf } from '../../src/core/pipeline/staleness.ts';
import { silentProgress } from './silentProgress.ts';

/** A pair of three versions, audited once; then one thing after the other changes. */
let folder: string;
let report: Report;
const at = (name: string) => path.join(folder, name);
const hooks = { progress: silentProgress, signal: new AbortController().signal };

async function table(name: string, seed: number): Promise<void> {
  const random = createRandom(seed, name);
  const values = Float32Array.from({ length: 60 * 4 }, (_, index) => (index % 20 < 8 ? 2 : 0) + random.normal());
  await writeNpy(at(name), vectorsInMemory(name, values, 4));
}

function config(versions: string[]): void {
  const checkpoint = (vectors: string) => ({ vectors, labels: 'items.csv' });
  const value = {
    datasets: { items: { items: 'items.csv' } },
    checkpoints: { a: checkpoint('a.npy'), b: checkpoint('b.npy'), c: checkpoint('c.npy'), d: checkpoint('b.npy') },
    pairs: { all: { versions, queries: 'items', gallery: 'items' } },
    audit: { bootstrap: { resamples: 100 }, triplets: 100 },
  };
  writeFileSync(at('backcompat.json'), JSON.stringify(value));
}

const request = () => ({
  source: { kind: 'config' as const, file: at('backcompat.json'), pair: 'all' },
  overrides: {},
  threads: 1,
  cacheFolder: at('cache'),
});
const changes = (other = report) => stalenessOf(other, request(), hooks);

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-stale-'));
  for (const name of ['a.npy', 'b.npy', 'c.npy']) await table(name, 1);
  writeFileSync(at('items.csv'), `id,label\n${Array.from({ length: 60 }, (_, i) => `${i},${i % 5}`).join('\n')}\n`);
  config(['a', 'b', 'c']);
  report = await auditPair(request(), hooks);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a report of three versions', () => {
  it('is fresh while nothing has changed', async () => {
    expect(Object.keys(report.provenance.versions ?? {})).toEqual(['a', 'b', 'c']);
    expect(await changes()).toEqual([]);
  });

  it('notices each version, also those between', async () => {
    for (const [name, words] of [
      ['a', 'The old checkpoint "a" gives other vectors'],
      ['b', 'The middle checkpoint "b" gives other vectors'],
      ['c', 'The new checkpoint "c" gives other vectors'],
    ]) {
      await table(`${name}.npy`, 2);
      expect(await changes()).toEqual([expect.stringContaining(words as string)]);
      await table(`${name}.npy`, 1);
    }
    config(['a', 'd', 'c']);
    expect(await changes()).toEqual(['The middle checkpoint of the pair is "d"; the report is of none.']);
    config(['a', 'c']);
    expect(await changes()).toEqual([expect.stringContaining('have changed')]);
    config(['a', 'b', 'c']);
  });

  it('says when another version of the tool may read the config otherwise', async () => {
    const older = structuredClone(report);
    older.provenance.config = 'another';
    expect(await changes(older)).toEqual([expect.stringMatching(/audit block of the config have changed\.$/)]);
    older.provenance.tool = 'backcompat 0.0.1';
    expect(await changes(older)).toEqual([expect.stringMatching(/reads them otherwise than backcompat 0\.0\.1\.$/)]);
  });

  it('passes cancellation on', async () => {
    const cancelled = { ...hooks, signal: AbortSignal.abort() };
    await expect(stalenessOf(report, request(), cancelled)).rejects.toMatchObject({ code: 'cancelled' });
  });
});
