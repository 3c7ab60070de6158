import { throwIfCancelled } from '../contract/errors.ts';
import { MAX_PREVIEWS_LENGTH, PREVIEW_TEXT_LENGTH, previewLength } from '../contract/previews.ts';
import type { ItemPreview, ItemPreviews, Report } from '../contract/report.ts';
import type { ItemSet } from '../data/itemSet.ts';
import { thumbnail } from '../data/thumbnail.ts';
import type { AuditHooks } from './auditRequest.ts';

/** How many of each list have pictures: what the page shows before anybody scrolls far. */
const PAIRS = 24;
const FLIPS = 48;
const HUBS = 12;
/** Decoded side by side. */
const AT_ONCE = 8;

/** Ids of the items that the page lists first, the most telling first. */
export function listedItems({ worst }: Pick<Report, 'worst'>): string[] {
  const ids = [
    ...worst.flippedQueries.slice(0, FLIPS).flatMap(({ query, before, after }) => [query, before, after]),
    ...[worst.positivePairs, worst.negativePairs].flatMap((pairs) =>
      pairs.slice(0, PAIRS).flatMap(({ query, gallery }) => [query, gallery]),
    ),
    ...worst.hubs.slice(0, HUBS).map(({ gallery }) => gallery),
  ];
  return [...new Set(ids)];
}

/**
 * Pictures and texts of the items that a report lists first: `previewsOf` them.
 * @throws BackcompatError `cancelled`
 */
export function makePreviews(
  report: Pick<Report, 'worst'>,
  sets: readonly ItemSet[],
  hooks: AuditHooks,
): Promise<ItemPreviews> {
  return previewsOf(listedItems(report), sets, hooks);
}

/**
 * Pictures and texts of items by id, the first sets first, in at most `MAX_PREVIEWS_LENGTH` characters. An item that
 * has none, cannot be read or finds no more room is absent: a picture is never worth an audit.
 * @throws BackcompatError `cancelled`
 */
export async function previewsOf(
  wanted: readonly string[],
  sets: readonly ItemSet[],
  { signal, progress }: AuditHooks,
): Promise<ItemPreviews> {
  const withContent = sets.filter((items) => items.images !== null || items.texts !== undefined);
  if (withContent.length === 0) return {};
  const places = placesOf(new Set(wanted), withContent);
  const made: [string, ItemPreview][] = [];
  let length = 0;
  for (let start = 0; start < wanted.length && length < MAX_PREVIEWS_LENGTH; start += AT_ONCE) {
    await progress.breathe();
    throwIfCancelled(signal);
    const ids = wanted.slice(start, start + AT_ONCE);
    const previews = await Promise.all(ids.map((id) => previewOf(places.get(id))));
    for (const [index, preview] of previews.entries()) {
      const id = ids[index] as string;
      if (preview === null) continue;
      length += previewLength(id, preview);
      if (length <= MAX_PREVIEWS_LENGTH) made.push([id, preview]);
    }
  }
  // Not by assignment: an id may be "__proto__".
  return Object.fromEntries(made);
}

interface ItemPlace {
  items: ItemSet;
  item: number;
}

function placesOf(wanted: ReadonlySet<string>, sets: readonly ItemSet[]): Map<string, ItemPlace> {
  const places = new Map<string, ItemPlace>();
  for (const items of new Set(sets)) {
    items.ids.forEach((id, item) => {
      if (wanted.has(id) && !places.has(id)) places.set(id, { items, item });
    });
  }
  return places;
}

async function previewOf(place: ItemPlace | undefined): Promise<ItemPreview | null> {
  try {
    if (place === undefined) return null;
    const { items, item } = place;
    if (items.texts !== undefined) return { text: firstCharacters(items.texts.text(item)) };
    const source = items.images?.source(item);
    return source === undefined ? null : { image: await thumbnail(source) };
  } catch {
    return null;
  }
}

/** By whole characters, with an ellipsis where something is left out. */
function firstCharacters(text: string): string {
  // Twice as many units hold them all; a text may be a book.
  const characters = [...text.slice(0, 2 * PREVIEW_TEXT_LENGTH + 2)];
  if (characters.length <= PREVIEW_TEXT_LENGTH) return text;
  return `${characters.slice(0, PREVIEW_TEXT_LENGTH - 1).join('')}\u2026`;
}
