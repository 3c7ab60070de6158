import { describe, expect, it } from 'vitest';
import { type GallerySession, storedCentres } from '../../src/core/continual/classCentres.ts';
import { chooseExemplars, herd, placesPerClass } from '../../src/core/continual/replay.ts';
import { gaussians, rowsOf, unit } from './objectiveData.ts';

/** Herding from its definition: every mean is taken anew. */
function bruteForce(vectors: readonly number[][], wanted: number): number[] {
  const meanOf = (rows: readonly number[][]) =>
    (rows[0] as number[]).map((_, k) => rows.reduce((sum, row) => sum + (row[k] as number), 0) / rows.length);
  const target = meanOf(vectors);
  const chosen: number[] = [];
  while (chosen.length < Math.min(wanted, vectors.length)) {
    const distances = vectors.map((_, candidate) => {
      if (chosen.includes(candidate)) return Number.POSITIVE_INFINITY;
      const mean = meanOf([...chosen, candidate].map((index) => vectors[index] as number[]));
      return Math.hypot(...mean.map((value, k) => value - (target[k] as number)));
    });
    chosen.push(distances.indexOf(Math.min(...distances)));
  }
  return chosen;
}

describe('herding', () => {
  it('by hand: first the one nearest to the mean, then what balances it', () => {
    // The mean is (.4, .2): (.8, .6) is .57 away, the others more. With (0, -1) the mean of two is (.4, -.2), .40 away; of three
    // with (.8, .6) again .19, of four with (-.6, .8) .16.
    const vectors = Float32Array.of(1, 0, 0.8, 0.6, -0.6, 0.8, 0, -1, 0.8, 0.6);
    expect([...herd(vectors, 2, 5)]).toEqual([1, 3, 4, 2, 0]);
    // Items 1 and 4 are the same vector: the earlier one is first.
    expect(herd(vectors, 2, 1)[0]).toBe(1);
  });

  it.each([1, 2, 3, 4, 5])('is what brute force finds (seed %i)', (seed) => {
    const vectors = unit(gaussians(30, 4, seed));
    const found = herd(Float32Array.from(vectors.values), 4, 12);
    expect([...found]).toEqual(bruteForce(rowsOf(vectors), 12));
    expect([...herd(Float32Array.from(vectors.values), 4, 5)]).toEqual([...found.slice(0, 5)]);
  });

  it('takes everything where there is too little, each once, and nothing of nothing', () => {
    const vectors = Float32Array.from(unit(gaussians(6, 3, 1)).values);
    expect([...herd(vectors, 3, 10)].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(herd(new Float32Array(0), 3, 4)).toHaveLength(0);
    expect(herd(vectors, 3, 0)).toHaveLength(0);
  });

  it('shares the buffer evenly, rounded down', () => {
    expect(placesPerClass(200, 6)).toBe(33);
    expect(placesPerClass(3, 4)).toBe(0);
    expect(placesPerClass(3, 0)).toBe(0);
    const candidates = [0, 1, 2].map((label) => ({
      label,
      items: Int32Array.from([10, 20, 30, 40], (item) => item + label),
      vectors: Float32Array.from(unit(gaussians(4, 3, label)).values),
    }));
    const chosen = chooseExemplars(candidates, 3, 8);
    expect(chosen.map(({ label, items }) => [label, items.length])).toEqual([
      [0, 2],
      [1, 2],
      [2, 2],
    ]);
    for (const { label, items } of chosen) for (const item of items) expect(item % 10).toBe(label);
  });
});

describe('centres of stored classes', () => {
  const session = (labels: number[], rows: number[][]): GallerySession => ({
    items: new Int32Array(labels.length),
    labelOf: Int32Array.from(labels),
    vectors: Float32Array.from(rows.flat()),
    dimension: (rows[0] as number[]).length,
  });
  // Class 0: once (1, 0) in the first session, three times (0, 1) in the second; class 1 in the second only; class 2 nowhere.
  const sessions = [
    session([0], [[1, 0]]),
    session(
      [0, 1, 0, 0],
      [
        [0, 1],
        [-1, 0],
        [0, 1],
        [0, 1],
      ],
    ),
  ];

  it('weighs sessions alike (paper), or items (published code)', () => {
    const bySessions = storedCentres(sessions, 3, 2, 'sessions');
    expect([...bySessions.means]).toEqual([0.5, 0.5, -1, 0, 0, 0]);
    expect([...bySessions.isKnown]).toEqual([1, 1, 0]);
    const byItems = storedCentres(sessions, 3, 2, 'items');
    expect([...byItems.means]).toEqual([0.25, 0.75, -1, 0, 0, 0]);
  });

  it('fills shorter vectors up with zeros', () => {
    const mixed = [session([0], [[1, 0]]), session([0], [[0, 0, 1]])];
    expect([...storedCentres(mixed, 1, 3, 'items').means]).toEqual([0.5, 0, 0.5]);
  });
});
