import type { InequalityHooks } from '../inequalities.ts';
import { createRotation, fitSemiOrthogonal, type MapShape } from '../procrustes.ts';
import type { Adapter, AdapterOptions, FittingBlocks } from './adapter.ts';
import { comparable, comparableBlocks } from './unitRows.ts';

/** The (semi-)orthogonal adapter. See `fitAdapter`. */
export async function fitProcrustes(
  blocks: () => FittingBlocks,
  shape: MapShape,
  options: AdapterOptions,
  hooks: InequalityHooks,
): Promise<Adapter> {
  const { distance } = options;
  const map = await fitSemiOrthogonal(comparableBlocks(blocks(), distance), shape, options, hooks);
  const { newColumns, oldColumns } = shape;
  const rotation = await createRotation(map, newColumns, options);
  return {
    kind: 'procrustes',
    apply: async (matrix) => comparable(await rotation.apply(comparable(matrix, distance)), distance),
    description:
      newColumns === oldColumns
        ? `orthogonal map of ${oldColumns} components`
        : `semi-orthogonal map of ${newColumns} to ${oldColumns} components`,
    map: { ...shape, normalises: distance === 'cosine', linear: map, network: null },
  };
}
