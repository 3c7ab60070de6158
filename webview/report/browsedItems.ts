/** Pictures and texts of items while queries are browsed: those of the report, and what the host gives on demand. */

import { MAX_PREVIEW_ITEMS } from '../../src/core/contract/browsing.ts';
import type { ItemPreviews } from '../../src/core/contract/report.ts';
import { previewOf } from '../components/preview.ts';
import type { BrowseChannel } from './browseChannel.ts';

/** Items whose previews are kept: some 3 kB each. */
const KEPT = 2000;

export class BrowsedItems {
  readonly #channel: BrowseChannel;
  readonly #ofReport: ItemPreviews;
  /** By id, the latest at the end; null: it has none. */
  readonly #known = new Map<string, ItemPreviews[string] | null>();

  constructor(channel: BrowseChannel, ofReport: ItemPreviews) {
    this.#channel = channel;
    this.#ofReport = ofReport;
  }

  /** What is known of these items, in the form of the report's own. */
  of(ids: Iterable<string>): ItemPreviews {
    const found: [string, ItemPreviews[string]][] = [];
    for (const id of ids) {
      const preview = previewOf(this.#ofReport, id) ?? this.#known.get(id);
      if (preview) found.push([id, preview]);
    }
    // Not by assignment: an id may be "__proto__".
    return Object.fromEntries(found);
  }

  /** Asks for those that are not known yet. @returns whether there is something new to show */
  async fetch(ids: Iterable<string>): Promise<boolean> {
    const missing = [...new Set(ids)].filter((id) => !previewOf(this.#ofReport, id) && !this.#known.has(id));
    let isNew = false;
    for (let start = 0; start < missing.length; start += MAX_PREVIEW_ITEMS) {
      const part = missing.slice(start, start + MAX_PREVIEW_ITEMS);
      const { previews } = await this.#channel.ask('thumbnails', { type: 'browseThumbnails', ids: part }).answer;
      for (const id of part) {
        const preview = previewOf(previews, id);
        this.#known.set(id, preview);
        isNew ||= preview !== null;
      }
    }
    for (const id of this.#known.keys()) {
      if (this.#known.size <= KEPT) break;
      this.#known.delete(id);
    }
    return isNew;
  }
}
