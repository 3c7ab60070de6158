import { visibleText } from '../../contract/format.ts';
import type { Diagnosis } from '../../contract/report.ts';
import type { Exchange } from './classMeans.ts';
import type { CauseEvidence } from './evidence.ts';

const LISTED = 3;

/** Whether pairs of classes stand exchanged, each nearest to the other's mean. */
export function labelMapCause(all: CauseEvidence): Diagnosis {
  const { classes } = all;
  const evidence = {
    classes: classes?.classes ?? 0,
    exchangedOld: classes?.exchanged.old ?? [],
    exchangedNew: classes?.exchanged.new ?? [],
    ownMean: classes?.ownMean ?? null,
    limits: { cosine: -0.5, classesNearestToThemselves: 0.5 },
  };
  if (classes === null || classes.ownMean === null) {
    const message = 'Not looked for: it needs labels, and at least two classes with 3 items in both sets.';
    return { code: 'label-map', found: false, message, evidence };
  }
  const { old, new: next } = classes.exchanged;
  const parts: string[] = [];
  if (old.length > 0) {
    parts.push(
      `${namesOf(old)}: already by the old vectors, queries of each lie among the other's gallery items. Two labels are swapped between the label files of queries and gallery; correct them and audit again.`,
    );
  }
  if (next.length > 0) {
    parts.push(
      `${namesOf(next)}: by the old vectors both are in place, new queries of each lie among the other's old items. Rows or labels are swapped between the old and the new model's tables; export both from one list.`,
    );
  }
  const found = parts.length > 0;
  const message = found
    ? `Classes stand exchanged. ${parts.join(' ')}`
    : `No two of ${classes.classes} classes stand exchanged.`;
  return { code: 'label-map', found, message, evidence };
}

export function exchangesOf({ classes }: CauseEvidence): Exchange[] {
  return classes === null ? [] : [...classes.exchanged.old, ...classes.exchanged.new];
}

function namesOf(exchanges: readonly Exchange[]): string {
  const names = exchanges
    .slice(0, LISTED)
    .map(({ labels }) => labels.map((label) => `"${visibleText(label)}"`).join(' and '));
  const more = exchanges.length - LISTED;
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}
