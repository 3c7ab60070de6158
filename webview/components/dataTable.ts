/**
 * A table that sorts, filters and copies, and draws only the rows in view once there are many:
 * ten thousand rows scroll as well as ten.
 */
import { count } from '../../src/core/contract/format.ts';
import { type Child, h, s } from './dom.ts';
import { delimited, type PageTools, type TableTwin } from './figure.ts';
import type { MenuItem } from './menu.ts';

export interface Column<Row> {
  title: string;
  /** What sorts, filters and is copied; a column without is a drawing. */
  value?: (row: Row) => string | number | null;
  cell: (row: Row) => Child | Child[];
  /** Instead of the title: an axis above a drawing. */
  head?: Node;
  kind?: 'text' | 'number' | 'plot' | 'state';
  /** CSS width; the columns without share the rest. */
  width?: string;
  /** Folds away on a narrow page, or `late`: only on the narrowest. */
  folds?: boolean | 'late';
  /** More columns in what is copied, beside `value`. */
  copies?: { title: string; value: (row: Row) => string | number | null }[];
}

export interface DataTableOptions<Row> {
  /** What the rows are, for readers that hear the page and for file names: "classes". */
  name: string;
  rows: readonly Row[];
  columns: Column<Row>[];
  /** Height of a row in px: 26, 44 for two lines, more for pictures. Rows may grow while all are drawn, not in a long table. */
  rowHeight?: 26 | 44 | 52 | 66;
  /** Rows drawn before "Show all"; the rest waits. */
  firstRows?: number;
  tools: PageTools;
  /** Shown instead of an empty table. */
  empty?: string;
  className?: string;
}

export interface DataTable<Row> {
  element: HTMLElement;
  /** Copy and save, for the menu of the figure around. */
  items: MenuItem[];
  /** Rows that pass `keep`, named by `what`; null shows all again. */
  showOnly: (keep: ((row: Row) => boolean) | null, what: string) => void;
}

/** More rows than this are drawn only while in view. */
const VIRTUAL_ROWS = 200;
/** Fewer rows than this need no filter. */
const FILTER_ROWS = 12;
const VIEW_HEIGHT = 440;
const OVERSCAN = 8;

const collator = new Intl.Collator('en', { numeric: true });

/** Missing values last in either direction. */
function compare(a: string | number | null, b: string | number | null, direction: 1 | -1): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a === 'number' && typeof b === 'number') return (a - b) * direction;
  return collator.compare(String(a), String(b)) * direction;
}

export function dataTable<Row>(options: DataTableOptions<Row>): DataTable<Row> {
  const { rows, columns, tools, rowHeight = 26 } = options;
  const firstRows = options.firstRows ?? rows.length;
  let sort: { column: Column<Row>; direction: 1 | -1 } | null = null;
  let filter = '';
  let only: { keep: (row: Row) => boolean; what: string } | null = null;
  let expanded = rows.length <= firstRows;
  let shown: readonly Row[] = rows;
  let haystacks: Map<Row, string> | null = null;

  const heads = columns.map((column) => {
    const sorts = column.value !== undefined && rows.length > 1;
    const label = column.head ?? (sorts ? sortButton(column) : column.title);
    const name = column.title === '' && h('span', { class: 'heard-only' }, 'Plot');
    const head = h('th', { scope: 'col', class: cellClass(column) }, label, name);
    if (column.width) head.style.width = column.width;
    return head;
  });
  const body = h('tbody');
  const table = h(
    'table',
    { class: 'data-table', 'aria-label': options.name },
    h('thead', {}, h('tr', {}, ...heads)),
    body,
  );
  const scroller = h('div', { class: 'table-scroller' }, table);
  const status = h('span', { class: 'table-status', role: 'status' });
  const clear = h(
    'button',
    { class: 'link', type: 'button', hidden: true, on: { click: () => showOnly(null, '') } },
    'Show all',
  );
  const input = h('input', {
    class: 'filter',
    type: 'search',
    placeholder: `Filter ${options.name}`,
    'aria-label': `Filter ${options.name}`,
    spellcheck: 'false',
    on: {
      input: () => {
        filter = input.value.trim().toLowerCase();
        refresh();
      },
    },
  });
  const toolbar = rows.length >= FILTER_ROWS ? h('div', { class: 'table-toolbar' }, input, status, clear) : null;
  const more = h(
    'button',
    {
      class: 'link more',
      type: 'button',
      on: {
        click: () => {
          expanded = true;
          refresh();
          scroller.focus();
        },
      },
    },
    `Show all ${count(rows.length)}`,
  );
  const nothing = h('p', { class: 'nothing-here' }, options.empty ?? 'None.');
  const element = h(
    'div',
    { class: `table-frame ${options.className ?? ''}`.trim() },
    ...(rows.length === 0 ? [nothing] : [toolbar, scroller, more]),
  );

  function cellClass(column: Column<Row>): string {
    return [column.kind ?? 'text', column.folds === 'late' ? 'folds-late' : column.folds ? 'folds' : '']
      .filter(Boolean)
      .join(' ');
  }

  function sortButton(column: Column<Row>): HTMLElement {
    return h(
      'button',
      {
        class: 'sort',
        type: 'button',
        on: {
          click: () => {
            // Numbers are asked for largest first, names from a to z.
            const first: 1 | -1 = column.kind === 'number' ? -1 : 1;
            if (sort?.column !== column) sort = { column, direction: first };
            else if (sort.direction === first) sort = { column, direction: first === 1 ? -1 : 1 };
            else sort = null;
            refresh();
          },
        },
      },
      column.title,
      s(
        'svg',
        { class: 'sort-arrow', viewBox: '0 0 8 8', 'aria-hidden': 'true' },
        s('path', { d: 'M1 5.5 4 2.5 7 5.5' }),
      ),
    );
  }

  function haystack(row: Row): string {
    haystacks ??= new Map();
    let text = haystacks.get(row);
    if (text === undefined) {
      text = columns
        .flatMap((column) => [column.value, ...(column.copies ?? []).map((copy) => copy.value)])
        .map((value) => value?.(row))
        .filter((value) => typeof value === 'string')
        .join('\n')
        .toLowerCase();
      haystacks.set(row, text);
    }
    return text;
  }

  function select(): readonly Row[] {
    let result: readonly Row[] = rows;
    if (only) result = result.filter(only.keep);
    if (filter !== '') result = result.filter((row) => haystack(row).includes(filter));
    const order = sort;
    if (order) {
      const keyed = result.map((row, index) => ({ row, index, key: order.column.value?.(row) ?? null }));
      keyed.sort((a, b) => compare(a.key, b.key, order.direction) || a.index - b.index);
      result = keyed.map((entry) => entry.row);
    }
    return result;
  }

  function rowElement(row: Row, index: number): HTMLElement {
    const cells = columns.map((column) => {
      const content = column.cell(row);
      return h('td', { class: cellClass(column) }, ...(Array.isArray(content) ? content : [content]));
    });
    const element = h('tr', { class: `height-${rowHeight}`, 'aria-rowindex': index + 2 }, ...cells);
    return element;
  }

  function spacer(height: number): HTMLElement | null {
    if (height <= 0) return null;
    const cell = h('td', { colspan: columns.length });
    cell.style.height = `${height}px`;
    return h('tr', { class: 'spacer', 'aria-hidden': 'true' }, cell);
  }

  let drawn: [number, number] = [-1, -1];
  function draw(): void {
    const total = expanded ? shown.length : Math.min(firstRows, shown.length);
    let from = 0;
    let to = total;
    if (total > VIRTUAL_ROWS) {
      const top = Math.floor(scroller.scrollTop / rowHeight);
      from = Math.max(0, top - OVERSCAN);
      to = Math.min(total, top + Math.ceil(VIEW_HEIGHT / rowHeight) + OVERSCAN);
    }
    if (from === drawn[0] && to === drawn[1]) return;
    drawn = [from, to];
    const content: Node[] = shown.slice(from, to).map((row, index) => rowElement(row, from + index));
    const above = spacer(from * rowHeight);
    const below = spacer((total - to) * rowHeight);
    if (above) content.unshift(above);
    if (below) content.push(below);
    if (total === 0)
      content.push(h('tr', { class: 'nothing' }, h('td', { colspan: columns.length }, 'Nothing matches.')));
    body.replaceChildren(...content);
  }

  function refresh(): void {
    shown = select();
    columns.forEach((column, index) => {
      const order = sort?.column === column ? (sort.direction === 1 ? 'ascending' : 'descending') : null;
      if (order) heads[index]?.setAttribute('aria-sort', order);
      else heads[index]?.removeAttribute('aria-sort');
    });
    const scrolls = expanded && shown.length * rowHeight > VIEW_HEIGHT && rows.length > FILTER_ROWS;
    scroller.classList.toggle('scrolls', scrolls);
    if (scrolls) {
      scroller.setAttribute('tabindex', '0');
      scroller.setAttribute('role', 'region');
      scroller.setAttribute('aria-label', options.name);
    } else {
      for (const name of ['tabindex', 'role', 'aria-label']) scroller.removeAttribute(name);
    }
    table.setAttribute('aria-rowcount', String(shown.length + 1));
    table.classList.toggle('fixed-rows', expanded && shown.length > VIRTUAL_ROWS);
    scroller.scrollTop = 0;
    const narrowed = filter !== '' || only !== null;
    status.textContent = narrowed
      ? `${count(shown.length)} of ${count(rows.length)}${only ? `: ${only.what}` : ''}`
      : `${count(rows.length)} ${options.name}`;
    clear.hidden = only === null;
    more.hidden = expanded || shown.length <= firstRows;
    drawn = [-1, -1];
    draw();
  }

  function showOnly(keep: ((row: Row) => boolean) | null, what: string): void {
    only = keep ? { keep, what } : null;
    refresh();
  }

  let frame = 0;
  scroller.addEventListener('scroll', () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(draw);
  });

  /** All rows that pass the filter, in the order shown, also those not drawn. */
  function twin(): TableTwin {
    const copied = columns.flatMap((column) => {
      const own = column.value ? [{ title: column.title, value: column.value }] : [];
      return [...own, ...(column.copies ?? [])];
    });
    return {
      head: copied.map((column) => column.title),
      rows: shown.map((row) => copied.map((column) => column.value(row))),
    };
  }
  const fileName = options.name.replaceAll(/[^a-z0-9]+/gi, '-');
  refresh();
  return {
    element,
    showOnly,
    items: [
      { label: () => 'Copy Table', run: () => tools.copyText(delimited(twin(), '\t')) },
      { label: () => 'Save as CSV\u2026', run: () => tools.saveText(`${fileName}.csv`, delimited(twin(), ',')) },
    ],
  };
}
