import type { ItemPreview, ItemPreviews } from './report.ts';

/** Pixels of a preview's longer side. */
export const PREVIEW_SIDE = 96;
/** Characters of a text that are shown. */
export const PREVIEW_TEXT_LENGTH = 200;
/**
 * Characters of all previews of a report: the pictures of the listed items are some 3 kB each, and a page of more
 * than a few MB opens slowly and cannot be sent by mail.
 */
export const MAX_PREVIEWS_LENGTH = 4 * 2 ** 20;

const imagePattern = /^data:image\/(?:png|webp);base64,[A-Za-z0-9+/]+={0,2}$/;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a preview costs of {@link MAX_PREVIEWS_LENGTH}. */
export function previewLength(id: string, preview: ItemPreview): number {
  return id.length + (preview.image?.length ?? 0) + (preview.text?.length ?? 0);
}

/** Whatever of a value from a file or a message is a preview, up to the limit of all; the rest is left out. */
export function parsePreviews(value: unknown): ItemPreviews {
  if (!isRecord(value)) return {};
  const kept: [string, ItemPreview][] = [];
  let length = 0;
  for (const [id, entry] of Object.entries(value)) {
    if (!isRecord(entry)) continue;
    const preview: ItemPreview = {};
    if (typeof entry.image === 'string' && imagePattern.test(entry.image)) preview.image = entry.image;
    if (typeof entry.text === 'string') preview.text = entry.text.slice(0, 2 * PREVIEW_TEXT_LENGTH);
    length += previewLength(id, preview);
    if (length > MAX_PREVIEWS_LENGTH) break;
    if (preview.image !== undefined || preview.text !== undefined) kept.push([id, preview]);
  }
  // Not by assignment: an id may be "__proto__".
  return Object.fromEntries(kept);
}
