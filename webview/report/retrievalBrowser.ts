/** Retrieval browser: one query, and what the old and the new model find for it side by side. */
import type { BrowsedPair, QueryFilter, QueryNeighbours } from '../../src/core/contract/browsing.ts';
import { matchedQueries } from '../../src/core/contract/findings.ts';
import { count, counted } from '../../src/core/contract/format.ts';
import type { Report } from '../../src/core/contract/report.ts';
import { dataNode, dataText, h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import { icon } from '../components/icons.ts';
import { havePictures, item } from '../components/preview.ts';
import { segments } from '../components/segments.ts';
import { type Asked, BrowseError, type BrowseProgress } from './browseChannel.ts';
import { BrowsedItems } from './browsedItems.ts';
import type { PageContext } from './pageContext.ts';
import { QUERY_ROWS, type QueryList, queryList } from './queryList.ts';
import { rankingStrips } from './rankingStrips.ts';

const FEW = 12;
const LENGTHS = [FEW, 24, 48] as const;
/** What is over sooner needs no progress. */
const PROGRESS_AFTER_MS = 400;

/** The section of the browser; where it cannot be, what it would need. */
export function browserSection(context: PageContext): HTMLElement {
  const { tools, actions, browse } = context;
  if (actions === null) {
    return explained(
      context,
      'To see what the models find for a single query, open this report in VS Code: a page of its own has no vectors.',
    );
  }
  if (browse === null || !actions.browse?.possible) {
    return explained(context, actions.browse?.why ?? 'The editor cannot look at single queries of this report.');
  }
  const browser = new Browser(context);
  const section = figure(tools, {
    title: browser.title,
    caption: browser.caption,
    className: 'browser',
    body: [browser.body],
  });
  browse.open = (query) => {
    section.scrollIntoView({ block: 'start' });
    browser.start(query);
  };
  // Models are loaded and vectors read once somebody gets here, not with the page.
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    seen.disconnect();
    browser.start(null);
  });
  seen.observe(section);
  return section;
}

function explained({ tools }: PageContext, why: string): HTMLElement {
  return figure(tools, {
    title: 'Single queries',
    body: [h('p', { class: 'browser-state' }, icon('info'), h('span', {}, why))],
  });
}

/** A link to a query's neighbours; null where there is no browser. */
export function browseLink({ browse, actions }: PageContext, query: string): HTMLElement | null {
  if (browse === null || !actions?.browse?.possible) return null;
  const name = `Neighbours of ${dataText(query)}`;
  return h(
    'button',
    { class: 'link', type: 'button', 'aria-label': name, title: name, on: { click: () => browse.show(query) } },
    'Neighbours',
  );
}

class Browser {
  readonly title = h('span', {}, 'Single queries');
  readonly caption = h('span', {}, 'What the old and the new model find for one query, nearest first.');
  readonly body: HTMLElement;
  readonly #context: PageContext;
  readonly #items: BrowsedItems;
  readonly #lists = h('div', { class: 'browser-lists' });
  readonly #strips = h('div', { class: 'browser-strips' });
  readonly #changes = h('div', { class: 'browser-changes' });
  #list: QueryList | null = null;
  #pair: BrowsedPair | null = null;
  /** The query that is shown or on its way. */
  #query: string | null;
  #length: number = FEW;
  #asIds = false;
  #started = false;
  #asked: Asked<'neighbours'> | null = null;
  #askedList: Asked<'queries'> | null = null;
  #shown: QueryNeighbours | null = null;

  constructor(context: PageContext) {
    this.#context = context;
    if (context.browse === null) throw new Error('There is no host to ask.');
    this.#items = new BrowsedItems(context.browse.channel, context.previews);
    this.#query = context.browse.recall() ?? context.report.worst.flippedQueries[0]?.query ?? null;
    this.body = h('div', { class: 'browser-body' }, this.#changes, this.#lists, this.#strips);
  }

  /** @param query to show; null: the one of last time, or the worst */
  start(query: string | null): void {
    if (query !== null) this.#query = query;
    if (this.#started) {
      if (query !== null && this.#pair !== null) this.#choose(query);
      return;
    }
    this.#started = true;
    this.#askList('', 'all', 0);
  }

  #askList(search: string, filter: QueryFilter, offset: number): void {
    const channel = this.#channel();
    this.#askedList?.stop();
    const place = this.#list === null ? this.#strips : this.#listState();
    const wait = this.#waiting(
      place,
      () => asked.stop(),
      () => this.#askList(search, filter, offset),
    );
    const question = { search, filter, offset, limit: QUERY_ROWS };
    const asked = channel.ask('queries', { type: 'browseQueries', question }, wait.onProgress);
    this.#askedList = asked;
    asked.answer.then(
      ({ pair, page }) => {
        if (this.#askedList !== asked) return;
        wait.done();
        const isFirst = this.#pair === null;
        this.#pair = pair;
        this.#showChanges(pair);
        const list = this.#list ?? this.#makeList(pair);
        list.show(page);
        const first = this.#query ?? page.entries[0]?.id;
        if (isFirst && first !== undefined) this.#choose(first);
      },
      (error) => wait.failed(error),
    );
  }

  #makeList(pair: BrowsedPair): QueryList {
    const list = queryList({
      items: this.#items,
      labelled: pair.labelled,
      counts: countsOf(this.#context.report),
      choose: (query) => this.#choose(query),
      ask: (search, filter, offset) => this.#askList(search, filter, offset),
    });
    this.#list = list;
    this.#lists.replaceChildren(list.element);
    return list;
  }

  /** Where the list's progress stands: below it. */
  #listState(): HTMLElement {
    const known = this.#lists.querySelector<HTMLElement>('.list-state');
    if (known !== null) return known;
    const made = h('div', { class: 'list-state' });
    this.#lists.append(made);
    return made;
  }

  #choose(query: string): void {
    this.#query = query;
    this.#context.browse?.remember(query);
    this.#list?.select(query);
    this.#asked?.stop();
    const wait = this.#waiting(
      this.#strips,
      () => asked.stop(),
      () => this.#choose(query),
    );
    const asked = this.#channel().ask(
      'neighbours',
      { type: 'browseNeighbours', query, k: this.#length },
      wait.onProgress,
    );
    this.#asked = asked;
    asked.answer.then(
      ({ neighbours }) => {
        if (this.#asked !== asked) return;
        wait.done();
        this.#shown = neighbours;
        this.#draw();
        this.#context.tools.announce(titleWords(neighbours));
        const ids = neighbours.rankings.flatMap(({ items }) => items.map(({ id }) => id));
        this.#items.fetch([query, ...ids]).then(
          (isNew) => {
            if (isNew && this.#shown === neighbours) this.#draw();
          },
          // Ids stand where a picture would be.
          () => undefined,
        );
      },
      (error) => {
        if (this.#asked === asked) wait.failed(error);
      },
    );
  }

  #draw(): void {
    const shown = this.#shown;
    if (shown === null) return;
    const { query, rankings } = shown;
    const ids = rankings.flatMap(({ items }) => items.map(({ id }) => id));
    const previews = this.#items.of([query.id, ...ids]);
    const pictures = havePictures(previews, ids);
    const hasContent = Object.keys(previews).length > 0;
    this.title.replaceChildren(...titleOf(shown));
    this.caption.textContent = captionOf(shown);
    const focused = this.#focusedItem();
    const grid = rankingStrips({ neighbours: shown, previews, asIds: this.#asIds || !hasContent });
    grid.classList.toggle('with-pictures', pictures && !this.#asIds);
    const face = item(
      previews,
      query.id,
      query.label,
      query.label === null ? [] : ['class ', dataNode(query.label)],
      'large',
    );
    this.#strips.replaceChildren(
      h('div', { class: 'browser-query' }, h('strong', {}, 'Query'), face, this.#tools(hasContent, pictures)),
      grid,
      ...missingCell(shown),
    );
    // Pictures came while somebody moved about: the item is where it was.
    if (focused !== null) grid.querySelectorAll<HTMLElement>('.ranked')[focused]?.focus();
  }

  #focusedItem(): number | null {
    const at = [...this.#strips.querySelectorAll('.ranked')].indexOf(document.activeElement as Element);
    return at < 0 ? null : at;
  }

  #tools(hasContent: boolean, pictures: boolean): HTMLElement {
    return h(
      'div',
      { class: 'browser-tools' },
      hasContent &&
        segments<'content' | 'ids'>({
          name: 'What is shown of an item',
          entries: [
            { value: 'content', label: pictures ? 'Thumbnails' : 'Texts' },
            { value: 'ids', label: 'Ids' },
          ],
          chosen: this.#asIds ? 'ids' : 'content',
          choose: (value) => {
            this.#asIds = value === 'ids';
            this.#draw();
            this.#strips.querySelector<HTMLElement>('.browser-tools [aria-checked=true]')?.focus();
          },
        }),
      segments<string>({
        name: 'How many of the nearest',
        entries: LENGTHS.map((length) => ({ value: String(length), label: count(length) })),
        chosen: String(this.#length),
        choose: (value) => {
          this.#length = Number(value);
          if (this.#query !== null) this.#choose(this.#query);
        },
      }),
    );
  }

  #showChanges({ changes }: BrowsedPair): void {
    if (changes.length === 0) this.#changes.replaceChildren();
    else
      this.#changes.replaceChildren(
        h(
          'p',
          { class: 'browser-state' },
          icon('warning'),
          h('span', {}, `Rankings may differ from the report's figures. ${changes.join(' ')}`),
        ),
      );
  }

  /** Progress after a moment, with a way out; a failure with a way back. */
  #waiting(place: HTMLElement, stop: () => void, again: () => void) {
    const words = h('p', { role: 'status' }, 'Loading\u2026');
    const fill = h('div', { class: 'progress-fill' });
    const bar = h('div', { class: 'progress endless', role: 'progressbar', 'aria-label': 'Progress' }, fill);
    const button = (label: string, run: () => void) =>
      h('button', { class: 'button', type: 'button', on: { click: run } }, label);
    const state = h('div', { class: 'browser-waiting' }, words, bar);
    const timer = setTimeout(() => {
      place.replaceChildren(state);
      place.setAttribute('aria-busy', 'true');
    }, PROGRESS_AFTER_MS);
    const end = () => {
      clearTimeout(timer);
      place.removeAttribute('aria-busy');
      state.remove();
    };
    const offer = (mark: 'bad' | 'absent', message: string, remedy: string | null) => {
      end();
      place.replaceChildren(
        h(
          'div',
          { class: 'browser-failed', role: 'alert' },
          h('p', { class: 'browser-state' }, icon(mark), h('span', {}, message)),
          remedy !== null && h('p', { class: 'caption' }, remedy),
          button('Try Again', () => {
            place.replaceChildren();
            again();
          }),
        ),
      );
    };
    state.append(
      button('Stop', () => {
        stop();
        offer('absent', 'Stopped.', null);
      }),
    );
    return {
      onProgress: ({ phase, done, total }: BrowseProgress) => {
        const known = done !== null && total !== null && total > 0;
        const share = known ? Math.min(1, done / total) : 0;
        words.textContent = `${dataText(phase)}\u2026${known ? ` ${Math.floor(100 * share)} %` : ''}`;
        bar.classList.toggle('endless', !known);
        if (known) {
          fill.style.width = `${100 * share}%`;
          bar.setAttribute('aria-valuenow', String(Math.round(100 * share)));
        } else {
          fill.style.removeProperty('width');
          bar.removeAttribute('aria-valuenow');
        }
      },
      done: end,
      failed: (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        offer('bad', dataText(message), error instanceof BrowseError ? error.remedy : null);
      },
    };
  }

  #channel() {
    const { browse } = this.#context;
    if (browse === null) throw new Error('There is no host to ask.');
    return browse.channel;
  }
}

/** How many queries pass each filter, where the report says it of all of them. */
function countsOf({ flips, data, protocol, ...report }: Report): Partial<Record<QueryFilter, number>> {
  const counts: Partial<Record<QueryFilter, number>> = { all: data.queries };
  const matched = matchedQueries({ flips, data, protocol, ...report });
  if (flips.positiveFlipRate === null || matched === null) return counts;
  const gained = Math.round(flips.positiveFlipRate * matched);
  return { ...counts, lost: flips.flippedQueries, gained, flipped: flips.flippedQueries + gained };
}

function shares({ rankings }: QueryNeighbours): { before: string; after: string } | null {
  const of = (cell: string) => rankings.find((ranking) => ranking.cell === cell);
  const [before, after] = [of('oldOld'), of('newOld')];
  if (before?.right == null || after?.right == null) return null;
  return { before: count(before.right), after: `${count(after.right)} of ${count(after.items.length)}` };
}

function titleOf(neighbours: QueryNeighbours): (Node | string)[] {
  const { query } = neighbours;
  const found = shares(neighbours);
  const head = ['Query ', dataNode(query.id)];
  if (query.label !== null) head.push(', class ', dataNode(query.label));
  if (found === null) return head;
  return [...head, `: ${found.after} found by the new model are right, ${found.before} by the old`];
}

function titleWords(neighbours: QueryNeighbours): string {
  return titleOf(neighbours)
    .map((part) => (typeof part === 'string' ? part : (part.textContent ?? '')))
    .join('');
}

function captionOf({ rankings, depth, query }: QueryNeighbours): string {
  const length = Math.max(...rankings.map(({ items }) => items.length));
  const judged =
    query.label === null ? '' : ' Solid edge and tick: of the query’s class. Dashed edge and cross: of another, named.';
  return `The ${counted(length, 'nearest gallery item', 'nearest gallery items')} of the query in each cell.${judged} Arrow: change of rank against old/old, known up to rank ${count(depth)}.`;
}

function missingCell({ rankings }: QueryNeighbours): HTMLElement[] {
  if (rankings.some(({ cell }) => cell === 'newNew')) return [];
  return [h('p', { class: 'caption' }, 'new/new is missing: it needs new vectors of the gallery.')];
}
