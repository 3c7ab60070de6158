import type { AdapterKind, Distance } from '../../contract/report.ts';
import type { InequalityHooks } from '../inequalities.ts';
import type { MapShape } from '../procrustes.ts';
import type { Matrix } from '../vectors.ts';
import { fitLinear, type RidgeFit } from './linearAdapter.ts';
import { fitNetwork } from './networkAdapter.ts';
import { fitProcrustes } from './procrustesAdapter.ts';

/**
 * A map from the new space to the old one, fitted on vectors of the same items (Drift-Adapter, EMNLP 2025).
 * It holds native sessions, which go with it when it is garbage.
 */
export interface Adapter {
  kind: AdapterKind;
  /**
   * Rows of new vectors (any number, `newColumns` long) as rows of the old space (`oldColumns` long), float32.
   * For cosine, rows are brought to unit length before and after; a row that maps to zero stays zero.
   */
  apply(matrix: Matrix): Promise<Matrix>;
  /** What was fitted, for people: "ridge linear map of 768 to 512 components, strength 0.01". */
  description: string;
  /** What was fitted, in numbers: what `saveAdapter` writes. */
  map: AdapterMap;
}

/** V(relu(U(x) first) second + U(x) linear), U and V to unit length or the identity. */
export interface AdapterMap extends MapShape {
  /** Whether rows are brought to unit length before and after (cosine). */
  normalises: boolean;
  /** newColumns x oldColumns, row-major. */
  linear: Float64Array;
  /** first: newColumns x hidden, second: hidden x oldColumns; null: nothing but the linear map. */
  network: { hidden: number; first: Float32Array; second: Float32Array } | null;
}

/** Blocks of pairs: row i of `from` (new) and of `to` (old) are one item. */
export type FittingBlocks = AsyncIterable<{ from: Matrix; to: Matrix }>;

export interface AdapterOptions {
  seed: number;
  /** null: one a core. */
  threads: number | null;
  /** Decides whether rows are normalised, and the loss: 1 - cosine, or squared error (euclidean and dot). */
  distance: Distance;
  /** Takes the ridge regression from a linear map to the network that is fitted next, on the same items. */
  ridge?: { fitted: RidgeFit | null };
}

/** Items that one adapter is fitted on, at most; who makes the blocks samples down to it. */
export const MAX_FIT_ITEMS = 20_000;

/**
 * Fits an adapter; nothing is retrained.
 * - `procrustes`: orthogonal, or with orthonormal rows or columns where the lengths differ.
 * - `linear`: ridge regression, its strength chosen on a held-out fifth of the items.
 * - `mlp`: the better linear map plus W2 relu(W1 x), at most 256 hidden units, trained for at most 300 steps of 256 items and
 *   stopped early on the same held-out fifth.
 * Cost at 10,000 items of 512: well below a second each, the network a few.
 * @param blocks gives the same blocks each time it is called (the network reads them twice)
 * @throws BackcompatError `cancelled`, and what the blocks throw
 */
export function fitAdapter(
  kind: AdapterKind,
  blocks: () => FittingBlocks,
  shape: MapShape,
  options: AdapterOptions,
  hooks: InequalityHooks,
): Promise<Adapter> {
  return fits[kind](blocks, shape, options, hooks);
}

const fits = { procrustes: fitProcrustes, linear: fitLinear, mlp: fitNetwork } satisfies Record<
  AdapterKind,
  (blocks: () => FittingBlocks, shape: MapShape, options: AdapterOptions, hooks: InequalityHooks) => Promise<Adapter>
>;
