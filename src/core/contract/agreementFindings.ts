/** Sentences about an audit without labels: all it knows is how far the two models agree. */
import { number, percent } from './format.ts';
import type { Agreement } from './report.ts';

/** Neighbours that a sentence is about: as many as a page of results shows. */
const SAID = 10;

/** "of the 10 nearest gallery items of an old query, 27.4 % are also near the new one on the old gallery, ..." */
export function neighbourWords(agreement: Agreement): string | null {
  const rows = agreement.neighbourOverlap;
  const row = rows.find(({ k }) => k === SAID) ?? rows[0];
  if (!row?.newOld) return null;
  const all = row.k === 1 ? 'the nearest gallery item of a query' : `the ${row.k} nearest gallery items of a query`;
  const full = row.newNew ? `, ${percent(row.newNew.value)} on a re-embedded one` : '';
  return `of ${all} under the old model, the new one finds ${percent(row.newOld.value)} again on the old gallery${full}`;
}

/** The verdict's sentence of an audit without labels. */
export function unlabelledSummary(agreement: Agreement): string {
  const words = neighbourWords(agreement);
  const moved =
    agreement.displacement === null ? null : `vectors of an item lie ${number(agreement.displacement.median)} apart`;
  const known = [words, moved].filter((part) => part !== null).join('; ');
  return `Without labels ranking cannot be judged${known === '' ? '' : `; ${known}`}.`;
}
