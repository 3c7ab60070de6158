/** An item as people know it: its picture or its text, where there is one, beside the id. */
import type { ItemPreview, ItemPreviews } from '../../src/core/contract/report.ts';
import { type Child, dataNode, dataText, h } from './dom.ts';

/** CSS pixels of a picture's box: 28 pixels of a digit fill it twofold, and one and a half times. */
const BOX = { large: 56, small: 42 } as const;

export function previewOf(previews: ItemPreviews, id: string): ItemPreview | null {
  // An id may be "constructor".
  return Object.hasOwn(previews, id) ? (previews[id] ?? null) : null;
}

/** Whether any of these items has a picture: rows then are higher. */
export function havePictures(previews: ItemPreviews, ids: Iterable<string>): boolean {
  for (const id of ids) if (previewOf(previews, id)?.image !== undefined) return true;
  return false;
}

/** The picture in a box, or null. `label` is the item's class. */
export function picture(
  previews: ItemPreviews,
  id: string,
  label: string | null,
  size: keyof typeof BOX = 'small',
): HTMLElement | null {
  const image = previewOf(previews, id)?.image;
  if (image === undefined) return null;
  const named = label === null ? `Picture of ${dataText(id)}` : `${dataText(id)}, class ${dataText(label)}`;
  const element = h('img', {
    class: `picture ${size}`,
    alt: named,
    title: named,
    width: BOX[size],
    height: BOX[size],
    on: {
      load: () => {
        // Few pixels are shown as they are, not blurred; what is shrunk is smoothed.
        const most = Math.max(element.naturalWidth, element.naturalHeight);
        element.classList.toggle('pixels', most > 0 && most <= BOX[size]);
      },
      error: () => element.remove(),
    },
  });
  element.src = image;
  return element;
}

/** The text of an item, or its id. */
export function itemText(previews: ItemPreviews, id: string): HTMLElement {
  const text = previewOf(previews, id)?.text;
  return text === undefined ? dataNode(id) : dataNode(text, 'own-text');
}

/** Picture, then id (or text) above a second line. */
export function item(
  previews: ItemPreviews,
  id: string,
  label: string | null,
  secondLine: Child[],
  size: keyof typeof BOX = 'small',
): HTMLElement {
  const text = previewOf(previews, id)?.text;
  const rest = secondLine.filter((child) => child !== null && child !== false);
  const lines =
    text === undefined
      ? [itemText(previews, id), rest.length > 0 && h('div', { class: 'second-line two-names' }, ...rest)]
      : [
          itemText(previews, id),
          h('div', { class: 'second-line two-names' }, dataNode(id), rest.length > 0 ? ' · ' : '', ...rest),
        ];
  return h('div', { class: 'item' }, picture(previews, id, label, size), h('div', { class: 'item-words' }, ...lines));
}
