import { describe, expect, it } from 'vitest';
import { measureAgreement, overlap } from '../../src/core/audit/agreement.ts';
import type { AuditInput, AuditItems } from '../../src/core/audit/auditInput.ts';
import { loadPairSample } from '../../src/core/audit/pairSample.ts';
import { fitRotations } from '../../src/core/audit/references.ts';
import { defaultProtocol } from '../../src/core/contract/protocol.ts';
import type { Distance } from '../../src/core/contract/report.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { silentProgress } from './silentProgress.ts';
import { randomRotation, rotate } from './syntheticPair.ts';

const hooks = { progress: silentProgress };
const plan = { unit: 'query' as const, resamples: 200, confidence: 0.95, seed: 0, threads: 1 };

function items(count: number): AuditItems {
  return {
    name: 'items',
    count,
    ids: Array.from({ length: count }, (_, i) => `i${i}`),
    labelOf: new Int32Array(count),
    classNames: [''],
  };
}

function leaveOneOut(old: Float32Array, next: Float32Array, columns: number, distance: Distance): AuditInput {
  const set = items(old.length / columns);
  const [oldVectors, newVectors] = [vectorsInMemory('old', old, columns), vectorsInMemory('new', next, columns)];
  return {
    queries: set,
    gallery: set,
    vectors: {
      oldQuery: oldVectors,
      newQuery: newVectors,
      oldGallery: oldVectors,
      newGallery: newVectors,
      paragonQuery: null,
      paragonGallery: null,
    },
    protocol: { ...defaultProtocol, distance },
  };
}

async function agreementOf(input: AuditInput) {
  const rows = Int32Array.from({ length: input.queries.count }, (_, row) => row);
  const rotation = await fitRotations(input, 1, hooks);
  return (await measureAgreement(input, await loadPairSample(input, rows, rotation), plan, hooks)).agreement;
}

function gaussian(count: number, columns: number, seed: number): Float32Array {
  const random = createRandom(seed, 'agreement test');
  return Float32Array.from({ length: count * columns }, () => random.normal());
}

describe('agreement of two models', () => {
  it('counts common neighbours by hand', () => {
    const list = (rows: number[]) => ({ k: 3, rows: Int32Array.from(rows), distances: new Float32Array(rows.length) });
    const [a, b] = [list([4, 5, 6, 1, 2, 3]), list([5, 6, 9, 7, 8, 9])];
    expect([...overlap(a, b, 1)]).toEqual([0, 0]);
    expect([...overlap(a, b, 2)]).toEqual([0.5, 0]);
    expect([...overlap(a, b, 3)]).toEqual([2 / 3, 0]);
  });

  it('measures four points on a line', async () => {
    // Old 0, 1, 3, 7; new 0, 6, 3, 7. Nearest of each but itself: old 1, 0, 1, 3 -> new on old and on new.
    const old = Float32Array.of(0, 1, 3, 7);
    const next = Float32Array.of(0, 6, 3, 7);
    const agreement = await agreementOf(leaveOneOut(old, next, 1, 'euclidean'));
    // k = 1 only: of four items each has three neighbours.
    expect(agreement.neighbourOverlap.map(({ k }) => k)).toEqual([1]);
    // newOld: 0 -> 1, 6 -> 7 (old: 0), 3 -> 1 (old: 1), 7 -> 3 (old: 3): three of four in common.
    expect(agreement.neighbourOverlap[0]?.newOld?.value).toBe(0.75);
    // newNew: 0 -> 3 (old: 1), 6 -> 7 (old: 0), 3 -> 0 or 6 equally far, the earlier (old: 1), 7 -> 6 (old: 3): none.
    expect(agreement.neighbourOverlap[0]?.newNew?.value).toBe(0);
    expect(agreement.displacement).toMatchObject({ mean: 1.25, median: 0 });
    expect(agreement.displacement?.p95).toBeCloseTo(4.25, 12);
    expect(agreement.queries).toBe(4);
  });

  it('is whole for the same vectors, and sees through a rotation in newNew only', async () => {
    const old = gaussian(400, 16, 1);
    const same = await agreementOf(leaveOneOut(old, old, 16, 'cosine'));
    for (const { newOld, newNew } of same.neighbourOverlap) {
      expect(newOld).toEqual({ value: 1, interval: [1, 1] });
      expect(newNew?.value).toBe(1);
    }
    expect(same.displacement?.p95).toBeLessThan(1e-6);
    const turned = rotate(old, randomRotation(16, createRandom(2, 'rotation')), 16);
    const rotated = await agreementOf(leaveOneOut(old, turned, 16, 'cosine'));
    expect(rotated.procrustesResidual).toBeLessThan(1e-10);
    const [, ten] = rotated.neighbourOverlap;
    expect(ten?.newNew?.value).toBeGreaterThan(0.99);
    expect(ten?.newOld?.value).toBeLessThan(0.2);
    expect(rotated.displacement?.mean).toBeGreaterThan(0.5);
  });

  it('agrees with an independent count on noisy vectors', async () => {
    const old = gaussian(150, 8, 3);
    const noise = gaussian(150, 8, 4);
    const next = old.map((value, i) => value + 0.7 * (noise[i] as number));
    const agreement = await agreementOf(leaveOneOut(old, next, 8, 'euclidean'));
    const nearest = (queries: Float32Array, gallery: Float32Array, i: number) =>
      Array.from({ length: 150 }, (_, j) => j)
        .filter((j) => j !== i)
        .map((j) => {
          let squared = 0;
          for (let k = 0; k < 8; k++) squared += ((queries[8 * i + k] as number) - (gallery[8 * j + k] as number)) ** 2;
          return { j, squared };
        })
        .sort((a, b) => a.squared - b.squared)
        .map(({ j }) => j);
    for (const { k, newOld, newNew } of agreement.neighbourOverlap) {
      let [shared, own] = [0, 0];
      for (let i = 0; i < 150; i++) {
        const before = nearest(old, old, i).slice(0, k);
        shared +=
          nearest(next, old, i)
            .slice(0, k)
            .filter((j) => before.includes(j)).length /
          k /
          150;
        own +=
          nearest(next, next, i)
            .slice(0, k)
            .filter((j) => before.includes(j)).length /
          k /
          150;
      }
      expect(newOld?.value).toBeCloseTo(shared, 9);
      expect(newNew?.value).toBeCloseTo(own, 9);
      expect(newOld?.interval?.[0]).toBeLessThan(shared);
      expect(newOld?.interval?.[1]).toBeGreaterThan(shared);
    }
    // Residual: noise of .7 a component against old vectors of length 1 a component; the fit costs a little.
    expect(agreement.procrustesResidual).toBeGreaterThan(0.4);
    expect(agreement.procrustesResidual).toBeLessThan(0.65);
  });
});
