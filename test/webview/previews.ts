/** Pictures for the items of a report's lists: strokes of 28 x 28 pixels, photographs, or texts. */
import sharp from 'sharp';
import type { ItemPreviews, Report } from '../../src/core/contract/report.ts';
import { listedItems } from '../../src/core/pipeline/previews.ts';

/** A small grey drawing that depends on the id only. */
export async function strokes(id: string): Promise<string> {
  const turn = [...id].reduce((sum, character) => sum + character.charCodeAt(0), 0) / 7;
  const pixels = Uint8Array.from({ length: 28 * 28 }, (_, at) => {
    const [x, y] = [(at % 28) - 13.5, Math.floor(at / 28) - 13.5];
    const across = Math.abs(x * Math.cos(turn) + y * Math.sin(turn));
    const ring = Math.abs(Math.hypot(x, y) - 8);
    return Math.max(0, 255 - 90 * Math.min(across, ring));
  });
  const png = await sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
    .png()
    .toBuffer();
  return `data:image/png;base64,${png.toString('base64')}`;
}

export async function picturesOf(report: Report): Promise<ItemPreviews> {
  const ids = listedItems(report);
  return Object.fromEntries(await Promise.all(ids.map(async (id) => [id, { image: await strokes(id) }] as const)));
}

export function textsOf(report: Report, text: (id: string) => string): ItemPreviews {
  return Object.fromEntries(listedItems(report).map((id) => [id, { text: text(id) }]));
}
