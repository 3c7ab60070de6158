import { BackcompatError } from '../contract/errors.ts';
import { count } from '../contract/format.ts';
import type { AdapterKind } from '../contract/report.ts';
import type { AuditInput } from './auditInput.ts';
import { type CrossFit, crossFit, mappedSource } from './crossFit.ts';
import type { InequalityHooks } from './inequalities.ts';

/**
 * The dimension rule `project` (metrics.md section 7): where old and new vectors meet, new ones are mapped by the
 * input's adapter, or by the protocol's kind of one, cross-fitted, so that no item is judged by a map that was fitted on it.
 * @returns the input with the mapped vectors, and a sentence about the maps for the report
 * @throws BackcompatError `dimension-mismatch` when there are too few items to fit a map; `cancelled`
 */
export async function projectNewVectors(
  input: AuditInput,
  threads: number | null,
  hooks: InequalityHooks,
): Promise<{ input: AuditInput; note: string }> {
  const { vectors, protocol, adapter } = input;
  if (adapter) {
    const { dimension } = vectors.oldQuery;
    const crossQuery = mappedSource(vectors.newQuery, adapter, dimension);
    const crossGallery = vectors.newGallery && mappedSource(vectors.newGallery, adapter, dimension);
    return {
      input: { ...input, vectors: { ...vectors, crossQuery, crossGallery } },
      note: `Where old and new vectors meet, new ones are mapped into the old space by ${adapter.description}; whether it was fitted on some of these very items, the audit cannot know.`,
    };
  }
  const fitted = await crossFit(input, protocol.adapter, threads, hooks);
  if (fitted === null) throw tooFewItems(input, protocol.adapter);
  return {
    input: { ...input, vectors: { ...vectors, crossQuery: fitted.query, crossGallery: fitted.gallery } },
    note: projectionNote(fitted),
  };
}

/** What is said where `crossFit` or `fitOnAll` gave null. */
export function tooFewItems({ vectors }: AuditInput, kind: AdapterKind): BackcompatError {
  return new BackcompatError(
    'dimension-mismatch',
    `There are too few items with both vectors to fit the adapter "${kind}" from ${vectors.newQuery.dimension} to ${vectors.oldQuery.dimension} components on a half of them.`,
    {
      place: { field: 'dimensionRule' },
      remedy:
        kind === 'procrustes'
          ? 'Give more items than twice the shorter length, or choose the adapter "linear", or another rule.'
          : 'Give at least 20 items, or choose another rule.',
    },
  );
}

function projectionNote({ fits }: CrossFit): string {
  const [first, second] = fits;
  const each = (half: CrossFit['fits'][0]) => `${half.description}, on ${count(half.items)} items`;
  return `Where old and new vectors meet, new ones are mapped into the old space by two adapters, each fitted on one half of the items that have both vectors and used on the other: ${each(first)}; ${each(second)}.`;
}
