import { expect, it } from 'vitest';
import { measureInequalities, type SignedSums } from '../../src/core/audit/inequalities.ts';
import { makePairSetup } from '../../src/core/audit/pairSetup.ts';
import { jitteredOld, permutedNew, procrustesNew } from '../../src/core/audit/references.ts';
import { BlockReader, formFor, loadMatrix, type Matrix } from '../../src/core/audit/vectors.ts';
import { defaultProtocol } from '../../src/core/contract/protocol.ts';
import type { Progress } from '../../src/core/contract/runs.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { makeSyntheticPair, type SyntheticPair } from './syntheticPair.ts';

const SEEDS = 12;
const silent: Progress = { phase() {}, update() {}, log() {}, async breathe() {} };

/** Mean of 12 seeds, and how far from it a mean may lie: 4 published deviations, .002 where none is given. */
type Expected = readonly [mean: number, allowed: number];
const columns = ['positive', 'negative', 'positive .05', 'negative .05', 'severity +', 'severity -'] as const;

const table: Record<string, readonly Expected[]> = {
  old: [
    [0, 0],
    [0, 0],
    [0, 0],
    [0, 0],
    [0, 0],
    [0, 0],
  ],
  jittered: [
    [0.504, 0.012],
    [0.5, 0.004],
    [0, 0.002],
    [0, 0.002],
    [0.0005, 0.002],
    [0.0005, 0.002],
  ],
  better: [
    [0.233, 0.012],
    [0.5, 0.004],
    [0.132, 0.008],
    [0.36, 0.004],
    [0.0175, 0.0012],
    [0.0557, 0.0012],
  ],
  worse: [
    [0.711, 0.02],
    [0.5, 0.004],
    [0.589, 0.024],
    [0.377, 0.004],
    [0.112, 0.004],
    [0.063, 0.004],
  ],
  'better, rotated': [
    [0.967, 0.016],
    [0.501, 0.016],
    [0.939, 0.028],
    [0.391, 0.016],
    [0.313, 0.04],
    [0.072, 0.004],
  ],
  'rotated, Procrustes reference': [
    [0.299, 0.02],
    [0.5, 0.004],
    [0.184, 0.016],
    [0.364, 0.004],
    [0.0254, 0.0024],
    [0.0572, 0.0012],
  ],
  'permuted better': [
    [0.938, 0.012],
    [0.51, 0.004],
    [0.899, 0.016],
    [0.4, 0.004],
    [0.279, 0.012],
    [0.076, 0.004],
  ],
};

const total = (values: Float64Array | undefined) => values?.reduce((sum, value) => sum + value, 0) ?? Number.NaN;

async function measureRow(pair: SyntheticPair, oldQuery: Matrix, newQuery: Matrix): Promise<number[]> {
  const form = formFor('cosine', pair.dimension);
  const { positive, negative } = await measureInequalities(
    {
      distance: 'cosine',
      oldQuery,
      newQuery,
      gallery: new BlockReader(vectorsInMemory('old', pair.old, pair.dimension), form, 1500),
      setup: makePairSetup(pair.items, pair.items),
      epsilons: [1e-6, 0.05],
      worstPairs: 0,
      classPairs: false,
      threads: null,
    },
    { progress: silent },
  );
  const rate = (sums: SignedSums, epsilon: number) => total(sums.violations[epsilon]) / total(sums.pairs);
  const severity = (sums: SignedSums) => total(sums.severity) / total(sums.pairs);
  return [
    rate(positive, 0),
    rate(negative, 0),
    rate(positive, 1),
    rate(negative, 1),
    severity(positive),
    severity(negative),
  ];
}

it('reproduces the synthetic calibration table, leave-one-out, mean of 12 seeds', { timeout: 120_000 }, async () => {
  const means = new Map(Object.keys(table).map((name) => [name, columns.map(() => 0)]));
  for (let seed = 0; seed < SEEDS; seed++) {
    const pair = makeSyntheticPair(seed);
    const source = (values: Float32Array) => vectorsInMemory('model', values, pair.dimension);
    const load = (values: Float32Array) => loadMatrix(source(values), formFor('cosine', pair.dimension));
    const oldQuery = await load(pair.old);
    const better = await load(pair.better);
    const vectors = {
      oldQuery: source(pair.old),
      newQuery: source(pair.betterRotated),
      oldGallery: source(pair.old),
      newGallery: source(pair.betterRotated),
      paragonQuery: null,
      paragonGallery: null,
    };
    const turned = await procrustesNew(
      { queries: pair.items, gallery: pair.items, vectors, protocol: { ...defaultProtocol, seed } },
      Int32Array.from(pair.items.ids.keys()),
      null,
      { progress: silent },
    );
    const rows: Record<string, Matrix> = {
      old: oldQuery,
      jittered: jitteredOld(oldQuery, 'cosine', seed),
      better,
      worse: await load(pair.worse),
      'better, rotated': await load(pair.betterRotated),
      'rotated, Procrustes reference': turned as Matrix,
      'permuted better': permutedNew(better, seed),
    };
    for (const [name, newQuery] of Object.entries(rows)) {
      const mean = means.get(name) as number[];
      const measured = await measureRow(pair, oldQuery, newQuery);
      measured.forEach((value, column) => {
        mean[column] = (mean[column] as number) + value / SEEDS;
      });
    }
  }
  const found: string[] = [];
  for (const [name, row] of Object.entries(table)) {
    row.forEach(([expected, allowed], column) => {
      const mean = means.get(name)?.[column] as number;
      if (Math.abs(mean - expected) <= allowed) return;
      found.push(`${name}, ${columns[column]}: ${mean.toFixed(4)}, expected ${expected} within ${allowed}`);
    });
  }
  expect(found).toEqual([]);
});
