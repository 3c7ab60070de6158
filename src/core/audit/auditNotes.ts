import { count } from '../contract/format.ts';
import type { AuditInput } from './auditInput.ts';

/** What every report says of how its audit differs from one of separate, labelled queries and both galleries. */
export function inputNotes({ queries, gallery, vectors }: AuditInput, leaveOneOut: boolean): string[] {
  const notes: string[] = [];
  if (isUnlabelled({ queries, gallery })) {
    notes.push(
      'No labels were given: which neighbours are right is unknown, so ranking, inequalities, thresholds and classes were not judged, only how far the two models agree.',
    );
  }
  if (leaveOneOut) {
    notes.push(
      `The queries are the gallery's own ${count(gallery.count)} items, each compared with all others (leave-one-out).`,
    );
  }
  if (vectors.newGallery === null) {
    notes.push('The gallery was not embedded with the new model: what a full backfill would give is not known.');
  }
  return notes;
}

export function isUnlabelled({ queries, gallery }: Pick<AuditInput, 'queries' | 'gallery'>): boolean {
  return queries.labelled === false || gallery.labelled === false;
}

/** Whether the audited queries are the gallery's own items. */
export function isLeaveOneOut(
  { queries, gallery }: Pick<AuditInput, 'queries' | 'gallery'>,
  selfOf: Int32Array,
): boolean {
  return queries.count === gallery.count && selfOf.every((self) => self >= 0);
}
