/** A host that answers questions about single queries with made-up rankings. */
import type { Page } from 'playwright-core';
import type { QueryChange, QueryEntry, QueryFilter, RankedItem } from '../../src/core/contract/browsing.ts';
import type { BrowseHostMessage, BrowseMessage } from '../../src/protocol/browse.ts';
import type { PageMessage } from '../../src/protocol/messages.ts';
import { strokes } from './previews.ts';

export interface FakeHost {
  /** What the page asked, oldest first. */
  asked: BrowseMessage[];
  /** Instead of the answers below; null: keeps silent. */
  answer: (message: BrowseMessage) => Promise<BrowseHostMessage | null> | BrowseHostMessage | null;
  say: (message: BrowseHostMessage) => Promise<void>;
}

const changes = ['right', 'lost', 'gained', 'wrong'] as const satisfies readonly QueryChange[];
const passing: Readonly<Record<QueryFilter, readonly QueryChange[]>> = {
  all: changes,
  flipped: ['lost', 'gained'],
  lost: ['lost'],
  gained: ['gained'],
  wrong: ['wrong', 'lost'],
};

export interface MadeUp {
  content: 'pictures' | 'texts' | 'none';
  labelled?: boolean;
  withNew?: boolean;
  changes?: string[];
  queries?: number;
  idOf?: (index: number) => string;
}

/** Answers as a worker would give, of a pair that is made up. */
export function madeUpAnswers(options: MadeUp): FakeHost['answer'] {
  const { content, labelled = true, withNew = true, queries = 250 } = options;
  const idOf = options.idOf ?? ((index: number) => `digits-${index}`);
  const label = (index: number) => (labelled ? String(index % 10) : null);
  const entry = (index: number): QueryEntry => ({
    id: idOf(index),
    label: label(index),
    change: labelled ? (changes[index % 4] as QueryChange) : null,
  });
  const indexOf = (id: string) => Math.max(0, Number(/\d+$/.exec(id)?.[0] ?? 0));
  const item = (query: number, place: number, cell: number): RankedItem => {
    const wrong = labelled && (place * 7 + query + cell) % (3 + 2 * cell) === 0;
    const index = 1000 + 10 * (place * (cell + 1)) + ((query + (wrong ? 5 : 0)) % 10);
    const rankBefore = cell === 0 ? place + 1 : place === 9 ? null : place === 2 ? 3 : 1 + ((place * 5 + cell) % 60);
    const right = labelled ? !wrong : null;
    return { id: idOf(index), label: label(index), right, distance: 0.1 + place / 50, rankBefore };
  };
  return async (message) => {
    const { request } = message;
    switch (message.type) {
      case 'browseStop':
        return null;
      case 'browseQueries': {
        const { search, filter, offset, limit } = message.question;
        const fits = Array.from({ length: queries }, (_, index) => entry(index)).filter(
          ({ id, change }) => id.includes(search) && (filter === 'all' || (change && passing[filter].includes(change))),
        );
        const page = {
          total: fits.length,
          offset,
          entries: fits.slice(offset, offset + limit),
          sampledFrom: null,
        };
        const pair = { name: 'pair', queries, gallery: 3000, labelled, changes: options.changes ?? [] };
        return { type: 'browseAnswer', request, answer: { kind: 'queries', pair, page } };
      }
      case 'browseNeighbours': {
        const index = indexOf(message.query);
        const cells = (withNew ? ['oldOld', 'newOld', 'newNew'] : ['oldOld', 'newOld']) as ('oldOld' | 'newOld')[];
        const rankings = cells.map((cell, at) => {
          const items = Array.from({ length: message.k }, (_, place) => item(index, place, at));
          return { cell, items, right: labelled ? items.filter(({ right }) => right).length : null };
        });
        const query = { ...entry(index), id: message.query };
        return {
          type: 'browseAnswer',
          request,
          answer: { kind: 'neighbours', neighbours: { query, rankings, depth: 1000 } },
        };
      }
      case 'browseThumbnails': {
        const made = await Promise.all(
          message.ids.map(async (id) => {
            if (content === 'none') return null;
            const preview =
              content === 'texts'
                ? { text: `The text of ${id}, which goes on for a while` }
                : { image: await strokes(id) };
            return [id, preview] as const;
          }),
        );
        const previews = Object.fromEntries(made.filter((given) => given !== null));
        return { type: 'browseAnswer', request, answer: { kind: 'thumbnails', previews } };
      }
    }
  };
}

/** Lets a page's questions reach `answer`, and its answers the page. */
export async function answerQuestions(page: Page, answer: FakeHost['answer']): Promise<FakeHost> {
  const say = (message: BrowseHostMessage) => page.evaluate((sent) => window.postMessage(sent, '*'), message);
  const host: FakeHost = { asked: [], answer, say };
  await page.exposeFunction('askHost', async (message: PageMessage) => {
    if (!message.type.startsWith('browse')) return null;
    host.asked.push(message as BrowseMessage);
    return host.answer(message as BrowseMessage);
  });
  await page.evaluate(() => {
    const keep = window.sent.push.bind(window.sent);
    const { askHost } = window as unknown as { askHost: (message: PageMessage) => Promise<BrowseHostMessage | null> };
    window.sent.push = (...messages) => {
      for (const message of messages) {
        void askHost(message).then((answer) => {
          if (answer !== null) window.postMessage(answer, '*');
        });
      }
      return keep(...messages);
    };
  });
  return host;
}
