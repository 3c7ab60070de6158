import { BackcompatError } from '../contract/errors.ts';
import type { AuditItems } from './auditInput.ts';

/** @throws BackcompatError `bad-data` when there are no different-class pairs to speak of */
export function refuseOneClass({ queries, gallery }: { queries: AuditItems; gallery: AuditItems }): void {
  const first = gallery.labelOf[0];
  const other = (label: number) => label !== first;
  if (gallery.labelOf.some(other) || queries.labelOf.some(other)) return;
  throw new BackcompatError(
    'bad-data',
    `All items of ${gallery.name} and ${queries.name} are of the class "${gallery.classNames[first ?? 0]}".`,
    { place: { file: gallery.name }, remedy: 'Compatibility is a matter of classes: give items of at least two.' },
  );
}

/** The error for queries of which none has a match. */
export function nothingToRetrieve(queries: AuditItems, gallery: AuditItems): BackcompatError {
  return new BackcompatError(
    'bad-data',
    `No query of ${queries.name} has an item of its class in ${gallery.name}, so nothing can be retrieved.`,
    {
      place: { file: queries.name },
      remedy:
        'Check that both label files spell the classes alike, and that a gallery item is not only the query itself.',
    },
  );
}
