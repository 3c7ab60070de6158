/**
 * The frame around a drawing: title that states the finding, one grey line that says how to read it, and a small menu:
 * show as table, save as PNG, save as CSV.
 */
import { count, number, visibleText } from '../../src/core/contract/format.ts';
import { freshId, h } from './dom.ts';
import { type MenuItem, menuButton } from './menu.ts';

/** What a drawing shows, as rows: its twin for readers who do not see it, and its CSV. */
export interface TableTwin {
  head: string[];
  rows: (string | number | null)[][];
}

export interface PageTools {
  copyText(text: string): void;
  saveText(name: string, text: string): void;
  savePng(name: string, dataUrl: string): void;
  /** Says something to people who hear the page. */
  announce(text: string): void;
}

export interface FigureOptions {
  title: string | Node;
  /** Beside the title, in the lighter weight. */
  aside?: Node | string | null;
  caption?: string | Node | null;
  className?: string;
  /** For the names of saved files: letters, digits and dashes. */
  fileName?: string;
  body: (Node | false | null)[];
  /** Made when asked for: large for a scatter of ten thousand classes. */
  twin?: () => TableTwin;
  /** Data URL of a picture. */
  png?: () => string;
  /** More items in the menu. */
  items?: MenuItem[];
}

/** Rows of the twin that are drawn at once; all of them are in the CSV. */
const TWIN_ROWS = 1000;

function csvField(value: string | number | null, separator: string): string {
  let text = value === null ? '' : String(value);
  // A spreadsheet would run a label that begins like a formula; numbers keep their minus sign.
  if (typeof value === 'string' && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  if (separator === '\t') return text.replace(/[\t\r\n]+/g, ' ');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Comma-separated with quotes (RFC 4180), or tab-separated, with plain numbers. */
export function delimited(table: TableTwin, separator: ',' | '\t'): string {
  return [table.head, ...table.rows]
    .map((row) => row.map((field) => csvField(field, separator)).join(separator))
    .join('\n');
}

function twinTable(twin: TableTwin): HTMLElement {
  const counts = twin.head.map((_, column) =>
    twin.rows.every((row) => typeof row[column] !== 'number' || Number.isInteger(row[column])),
  );
  const cell = (value: string | number | null, column: number) => {
    if (typeof value !== 'number') return value === null ? '' : visibleText(value);
    return counts[column] ? count(value) : number(value);
  };
  const table = h(
    'table',
    { class: 'twin' },
    h('thead', {}, h('tr', {}, ...twin.head.map((name) => h('th', { scope: 'col' }, name)))),
    h(
      'tbody',
      {},
      ...twin.rows
        .slice(0, TWIN_ROWS)
        .map((row) =>
          h(
            'tr',
            {},
            ...row.map((value, column) =>
              h('td', { class: typeof value === 'number' ? 'number' : '' }, cell(value, column)),
            ),
          ),
        ),
    ),
  );
  const rest = twin.rows.length - TWIN_ROWS;
  return h(
    'div',
    { class: 'twin-frame', tabindex: '0', role: 'region', 'aria-label': 'The same figures as a table' },
    table,
    rest > 0 && h('p', { class: 'caption' }, `${rest} more rows are in the CSV.`),
  );
}

/** A section of the page with its heading. */
export function figure(tools: PageTools, options: FigureOptions): HTMLElement {
  const titleId = freshId('title');
  const body = h('div', { class: 'figure-body' }, ...options.body);
  const { twin, png } = options;
  const fileName = options.fileName ?? 'figure';
  const items: MenuItem[] = [...(options.items ?? [])];
  if (twin) {
    let shown: HTMLElement | null = null;
    items.unshift({
      label: () => (shown ? 'Show as Plot' : 'Show as Table'),
      run: () => {
        if (shown) {
          shown.replaceWith(body);
          shown = null;
        } else {
          shown = twinTable(twin());
          body.replaceWith(shown);
        }
        tools.announce(shown ? 'Shown as a table' : 'Shown as a plot');
      },
    });
    items.push({ label: () => 'Copy Table', run: () => tools.copyText(delimited(twin(), '\t')) });
    items.push({
      label: () => 'Save as CSV\u2026',
      run: () => tools.saveText(`${fileName}.csv`, delimited(twin(), ',')),
    });
  }
  if (png) items.push({ label: () => 'Save as PNG\u2026', run: () => tools.savePng(`${fileName}.png`, png()) });
  return h(
    'section',
    { class: `figure ${options.className ?? ''}`.trim(), 'aria-labelledby': titleId },
    h(
      'div',
      { class: 'figure-head' },
      h(
        'h2',
        { id: titleId },
        typeof options.title === 'string' ? visibleText(options.title) : options.title,
        options.aside ? h('span', { class: 'aside' }, ' · ', options.aside) : null,
      ),
      items.length > 0 && menuButton(`${fileName.replaceAll('-', ' ')}: table and export`, items),
    ),
    options.caption ? h('p', { class: 'caption' }, options.caption) : null,
    body,
  );
}
