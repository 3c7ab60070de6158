import type { InequalityHooks } from '../inequalities.ts';
import { applyRotation, fitSemiOrthogonal, type MapShape } from '../procrustes.ts';
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
  return {
    kind: 'procrustes',
    apply: async (matrix) => comparable(await applyRotation(comparable(matrix, distance), map, options), distance),
    description:
      newColumns === oldColumns
        ? `orthogonal map of ${oldColumns} components`
        : `semi-orthogonal map of ${newColumns} to ${oldColumns} components`,
  };
}
