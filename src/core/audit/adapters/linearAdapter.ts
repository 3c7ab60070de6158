import type { InequalityHooks } from '../inequalities.ts';
import { pause } from '../pause.ts';
import { applyRotation, createRotation, type MapShape } from '../procrustes.ts';
import type { Adapter, AdapterOptions, FittingBlocks } from './adapter.ts';
import { fittingData, type Moments, type Pairs } from './fittingData.ts';
import { meanLoss } from './loss.ts';
import { createProducts, type Products, positiveInverse } from './positiveInverse.ts';
import { comparable } from './unitRows.ts';

/**
 * Strengths tried, in units of the mean eigenvalue of X'X; strongest first, so that the safer of two equals wins.
 * The weakest still keeps the condition of what is inverted below dim x 1e6.
 */
const STRENGTHS = [100, 10, 1, 0.1, 0.01, 1e-3, 1e-4, 1e-6] as const;

/** The ridge regression of some items. */
export interface RidgeFit {
  /** Fitted on four fifths of the items; of the strength that does best on the fifth held out. */
  map: Float64Array;
  strength: number;
  /** Of `map`, on the items held out. */
  loss: number;
  /** X'Y of the four fifths. */
  cross: Float64Array;
  held: Pairs;
}

/** The ridge adapter (Hoerl and Kennard 1970). See `fitAdapter`. */
export async function fitLinear(
  blocks: () => FittingBlocks,
  shape: MapShape,
  options: AdapterOptions,
  hooks: InequalityHooks,
): Promise<Adapter> {
  const { distance } = options;
  const products = await createProducts(options);
  try {
    const { fit, all, held } = await fittingData(blocks(), shape, options, hooks);
    const ridge = await chooseRidge(fit, held, shape, options, products, hooks);
    if (options.ridge) options.ridge.fitted = { ...ridge, cross: fit.cross, held };
    const { strength } = ridge;
    const map = await ridgeMap(all, shape, strength, products);
    const { newColumns, oldColumns } = shape;
    const rotation = await createRotation(map, newColumns, options);
    return {
      kind: 'linear',
      apply: async (matrix) => comparable(await rotation.apply(comparable(matrix, distance)), distance),
      description: `ridge linear map of ${newColumns} to ${oldColumns} components, strength ${strength}`,
      map: { ...shape, normalises: distance === 'cosine', linear: map, network: null },
    };
  } finally {
    await products.release();
  }
}

/** The map fitted on `fit` whose strength does best on the items held out. */
export async function chooseRidge(
  fit: Moments,
  held: Pairs,
  shape: MapShape,
  options: AdapterOptions,
  products: Products,
  hooks: InequalityHooks,
): Promise<{ map: Float64Array; strength: number; loss: number }> {
  let best: { map: Float64Array; strength: number; loss: number } | null = null;
  for (const strength of STRENGTHS) {
    await pause(hooks);
    const map = await ridgeMap(fit, shape, strength, products);
    const loss = meanLoss(options.distance, await applyRotation(held.from, map, options), held.to);
    if (best === null || loss < best.loss) best = { map, strength, loss };
  }
  return best as { map: Float64Array; strength: number; loss: number };
}

/** (X'X + strength mean-eigenvalue I)^-1 X'Y, row-major newColumns x oldColumns. */
async function ridgeMap(
  { gram, cross }: Moments,
  { newColumns, oldColumns }: MapShape,
  strength: number,
  products: Products,
): Promise<Float64Array> {
  const step = newColumns + 1;
  let trace = 0;
  for (let k = 0; k < gram.length; k += step) trace += gram[k] as number;
  const ridge = (strength * trace) / newColumns;
  const raised = gram.slice();
  for (let k = 0; k < gram.length; k += step) raised[k] = (raised[k] as number) + ridge;
  const inverse = await positiveInverse(raised, newColumns, products);
  return products.multiply(inverse, cross, newColumns, newColumns, oldColumns);
}
