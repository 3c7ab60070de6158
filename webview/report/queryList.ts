/** The queries to choose from: search, filters, and a list box of which a page at a time is asked for. */
import {
  MAX_QUERY_ROWS,
  type QueryChange,
  type QueryEntry,
  type QueryFilter,
  type QueryPage,
} from '../../src/core/contract/browsing.ts';
import { count, counted } from '../../src/core/contract/format.ts';
import { dataNode, freshId, h } from '../components/dom.ts';
import { picture } from '../components/preview.ts';
import { segments } from '../components/segments.ts';
import type { BrowsedItems } from './browsedItems.ts';

const SEARCH_PAUSE_MS = 250;
const changeWords: Readonly<Record<QueryChange, string>> = {
  right: 'right',
  wrong: 'wrong',
  lost: 'lost',
  gained: 'gained',
};

const changeTitles: Readonly<Record<QueryChange, string>> = {
  right: 'The first hit is right with both models',
  wrong: 'The first hit is wrong with both models',
  lost: 'The first hit was right with the old model and is wrong with the new one',
  gained: 'The first hit was wrong with the old model and is right with the new one',
};

export interface QueryListOptions {
  items: BrowsedItems;
  /** Without labels nothing is right or wrong: no filters. */
  labelled: boolean;
  /** Of the report, where it says them. */
  counts: Partial<Record<QueryFilter, number>>;
  choose: (query: string) => void;
  /** Asks for a part of the list. */
  ask: (search: string, filter: QueryFilter, offset: number) => void;
}

export interface QueryList {
  element: HTMLElement;
  /** Shows what was asked for; a part with offset 0 starts the list anew. */
  show: (page: QueryPage) => void;
  /** Marks the query whose neighbours are shown. */
  select: (query: string) => void;
  readonly question: { search: string; filter: QueryFilter };
}

export const QUERY_ROWS = 100;

export function queryList(options: QueryListOptions): QueryList {
  const { items, choose } = options;
  const question: { search: string; filter: QueryFilter } = { search: '', filter: 'all' };
  let entries: QueryEntry[] = [];
  let selected: string | null = null;
  let active = 0;

  const search = h('input', {
    class: 'filter',
    type: 'search',
    placeholder: 'Search id or class',
    'aria-label': 'Search the queries by id or class',
  });
  let pause: ReturnType<typeof setTimeout> | undefined;
  search.addEventListener('input', () => {
    clearTimeout(pause);
    pause = setTimeout(() => {
      question.search = search.value;
      options.ask(question.search, question.filter, 0);
    }, SEARCH_PAUSE_MS);
  });

  const filters = options.labelled
    ? segments<QueryFilter>({
        name: 'Which queries',
        entries: (['all', 'flipped', 'lost', 'gained', 'wrong'] as const).map((value) => ({
          value,
          label: value === 'all' ? 'All' : value[0]?.toUpperCase() + value.slice(1),
          ...(options.counts[value] === undefined ? {} : { count: count(options.counts[value]) }),
          title: filterTitles[value],
        })),
        chosen: 'all',
        choose: (value) => {
          question.filter = value;
          options.ask(question.search, value, 0);
        },
      })
    : null;

  const box = h('div', { class: 'query-options', role: 'listbox', 'aria-label': 'Queries', tabindex: '0' });
  const status = h('p', { class: 'caption', role: 'status' });
  const more = h('button', { class: 'link more', type: 'button', hidden: true }, 'Show more');
  more.addEventListener('click', () => options.ask(question.search, question.filter, entries.length));

  const optionAt = (index: number) => box.children[index] as HTMLElement | undefined;
  const activate = (index: number) => {
    active = Math.max(0, Math.min(entries.length - 1, index));
    for (const [place, option] of [...box.children].entries()) option.classList.toggle('active', place === active);
    const option = optionAt(active);
    if (option) box.setAttribute('aria-activedescendant', option.id);
    option?.scrollIntoView({ block: 'nearest' });
  };
  box.addEventListener('keydown', (event) => {
    const steps: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + 8,
      PageUp: active - 8,
      Home: 0,
      End: entries.length - 1,
    };
    const step = steps[event.key];
    const entry = entries[active];
    if (step !== undefined) {
      event.preventDefault();
      activate(step);
      const next = entries[active];
      if (next) choose(next.id);
    } else if ((event.key === 'Enter' || event.key === ' ') && entry) {
      event.preventDefault();
      choose(entry.id);
    }
  });

  const optionFor = (entry: QueryEntry) => {
    const words = [
      entry.label === null ? null : h('span', { class: 'two-names' }, 'class ', dataNode(entry.label)),
      entry.change === null
        ? null
        : h(
            'span',
            { class: `change change-${entry.change}`, title: changeTitles[entry.change] },
            changeWords[entry.change],
          ),
    ];
    const option = h(
      'div',
      {
        class: 'query-option',
        role: 'option',
        id: freshId('query'),
        'aria-selected': String(entry.id === selected),
        on: {
          click: () => {
            activate(entries.indexOf(entry));
            choose(entry.id);
          },
        },
      },
      picture(items.of([entry.id]), entry.id, entry.label, 'small'),
      h('span', { class: 'query-words' }, dataNode(entry.id), ...words),
    );
    return option;
  };
  const draw = () => {
    box.replaceChildren(...entries.map(optionFor));
    const at = entries.findIndex(({ id }) => id === selected);
    active = Math.max(0, at);
    optionAt(active)?.classList.add('active');
    const first = optionAt(active);
    if (first) box.setAttribute('aria-activedescendant', first.id);
    else box.removeAttribute('aria-activedescendant');
  };

  return {
    element: h('div', { class: 'query-list' }, search, filters, status, box, more),
    question,
    show: (page) => {
      entries = page.offset === 0 ? page.entries : [...entries, ...page.entries];
      const scroll = page.offset === 0 ? 0 : box.scrollTop;
      draw();
      box.scrollTop = scroll;
      const sample = page.sampledFrom === null ? '' : ` among the ${count(page.sampledFrom)} that the audit sampled`;
      status.textContent =
        page.total === 0 ? `No query passes${sample}.` : `${counted(page.total, 'query', 'queries')}${sample}`;
      more.hidden = entries.length >= page.total;
      const shown = page.entries.map(({ id }) => id);
      items.fetch(shown.slice(0, MAX_QUERY_ROWS)).then(
        (isNew) => {
          if (!isNew || !page.entries.every((entry) => entries.includes(entry))) return;
          const top = box.scrollTop;
          draw();
          box.scrollTop = top;
        },
        // The list stands without pictures.
        () => undefined,
      );
    },
    select: (query) => {
      selected = query;
      for (const [place, option] of [...box.children].entries()) {
        const isSelected = entries[place]?.id === query;
        option.setAttribute('aria-selected', String(isSelected));
        if (isSelected && place !== active) activate(place);
      }
    },
  };
}

const filterTitles: Readonly<Record<QueryFilter, string>> = {
  all: 'All queries',
  flipped: 'Their first hit was right and became wrong, or the other way round',
  lost: 'Their first hit was right with the old model and is wrong with the new one',
  gained: 'Their first hit was wrong with the old model and is right with the new one',
  wrong: 'Their first hit is wrong with the new model',
};
