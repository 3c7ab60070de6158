import type { Distance } from '../../src/core/contract/report.ts';
import { naiveDistance, row, type Side } from './retrievalReference.ts';

/** One pair of a query and a gallery item under two models, in double. */
interface NaivePair {
  query: number;
  same: boolean;
  old: number;
  current: number;
}

export interface NaiveSide extends Side {
  /** Vectors of the new model. */
  current: Float32Array;
}

/** Distances of all pairs but self pairs; `gallery` decides which model's gallery the new queries search. */
export function naivePairs(
  distance: Distance,
  queries: NaiveSide,
  gallery: NaiveSide,
  columns: number,
  against: 'old' | 'new',
): NaivePair[] {
  const searched = against === 'old' ? gallery.vectors : gallery.current;
  return queries.ids.flatMap((id, q) =>
    gallery.ids.flatMap((other, j) => {
      if (other === id) return [];
      const of = (vectors: Float32Array, items: Float32Array) =>
        naiveDistance(distance, row(vectors, columns, q), row(items, columns, j));
      return [
        {
          query: q,
          same: queries.labels[q] === gallery.labels[j],
          old: of(queries.vectors, gallery.vectors),
          current: of(queries.current, searched),
        },
      ];
    }),
  );
}

const share = (values: boolean[]) =>
  values.length === 0 ? null : values.filter((value) => value).length / values.length;

/** Straight from the definition: the largest distance at or below which at most a share `far` lies. */
export function naiveThreshold(negatives: readonly number[], far: number): number | null {
  const sorted = [...negatives].sort((a, b) => a - b);
  const allowed = far * sorted.length + 1e-9;
  const fits = sorted.filter((d, i) => sorted[i + 1] !== d && i + 1 <= allowed);
  return fits.at(-1) ?? null;
}

/** What is accepted at a threshold: shares of different-class and of same-class pairs. */
export function naiveRates(pairs: readonly NaivePair[], which: 'old' | 'current', threshold: number) {
  return {
    far: share(pairs.filter(({ same }) => !same).map((pair) => pair[which] <= threshold)),
    tar: share(pairs.filter(({ same }) => same).map((pair) => pair[which] <= threshold)),
  };
}

export function naiveConsequences(pairs: readonly NaivePair[], threshold: number) {
  const of = (same: boolean, judge: (old: boolean, current: boolean) => boolean) =>
    share(
      pairs
        .filter((pair) => pair.same === same)
        .map(({ old, current }) => judge(old <= threshold, current <= threshold)),
    );
  return {
    newFalseAccepts: of(false, (old, current) => !old && current),
    mendedFalseAccepts: of(false, (old, current) => old && !current),
    newFalseRejects: of(true, (old, current) => old && !current),
    mendedFalseRejects: of(true, (old, current) => !old && current),
  };
}
