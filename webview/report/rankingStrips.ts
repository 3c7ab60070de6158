/** The rankings of one query beside each other: an ARIA grid, a row for each cell, an item in each of its cells. */
import type { CellRanking, QueryNeighbours, RankedItem } from '../../src/core/contract/browsing.ts';
import { cellLabels, count, number } from '../../src/core/contract/format.ts';
import type { ItemPreviews } from '../../src/core/contract/report.ts';
import { cellKey, cellLooks } from '../components/cellLook.ts';
import { dataNode, dataText, h } from '../components/dom.ts';
import { icon } from '../components/icons.ts';
import { itemText, picture, previewOf } from '../components/preview.ts';

export interface StripOptions {
  neighbours: QueryNeighbours;
  previews: ItemPreviews;
  /** Ids and distances instead of pictures. */
  asIds: boolean;
}

/** How an item moved against oldOld: an arrow with places for the eye, words for the ear. */
export function movement(rank: number, before: number | null, depth: number): { sign: string; words: string } {
  const was = `rank ${before === null ? `beyond ${count(depth)}` : count(before)} under ${cellLabels.oldOld}`;
  if (before === null) {
    // Room for few characters below a picture.
    const far = depth % 1000 === 0 ? `${depth / 1000}k` : count(depth);
    return { sign: `\u2191>${far}`, words: `up from ${was}` };
  }
  if (before === rank) return { sign: '=', words: `same rank under ${cellLabels.oldOld}` };
  const up = before > rank;
  return {
    sign: `${up ? '\u2191' : '\u2193'}${count(Math.abs(before - rank))}`,
    words: `${up ? 'up' : 'down'} from ${was}`,
  };
}

function itemName(item: RankedItem, rank: number, moved: string | null): string {
  const parts = [`Rank ${rank}`, dataText(item.id)];
  if (item.label !== null) parts.push(`class ${dataText(item.label)}`);
  if (item.right !== null) parts.push(item.right ? 'right' : 'wrong');
  parts.push(`distance ${number(item.distance)}`);
  if (moved !== null) parts.push(moved);
  return parts.join(', ');
}

function itemCell(item: RankedItem, place: number, ranking: CellRanking, options: StripOptions): HTMLElement {
  const { neighbours, previews, asIds } = options;
  const rank = place + 1;
  const moved = ranking.cell === 'oldOld' ? null : movement(rank, item.rankBefore, neighbours.depth);
  const face = asIds ? null : picture(previews, item.id, item.label, 'large');
  const known = previewOf(previews, item.id);
  const side = item.right === null ? 'unjudged' : item.right ? 'right' : 'wrong';
  const name = itemName(item, rank, moved?.words ?? null);
  return h(
    'div',
    {
      class: `ranked ${side} ${face ? 'pictured' : 'worded'}`,
      role: 'gridcell',
      tabindex: '-1',
      title: name,
    },
    // As text, not as a label: a label would have to repeat the marks that are seen.
    h('span', { class: 'heard-only' }, name),
    h(
      'div',
      { class: 'ranked-face', 'aria-hidden': 'true' },
      face ?? (asIds || known?.text === undefined ? dataNode(item.id) : itemText(previews, item.id)),
    ),
    h(
      'div',
      { class: 'ranked-line', 'aria-hidden': 'true' },
      h('span', {}, String(rank)),
      item.right !== null && icon(item.right ? 'good' : 'bad'),
      face === null && h('span', { class: 'ranked-end' }, number(item.distance)),
    ),
    h(
      'div',
      { class: 'ranked-line', 'aria-hidden': 'true' },
      item.right === false && item.label !== null && h('span', { class: 'ranked-class' }, 'is ', dataNode(item.label)),
      item.right === true && h('span', { class: 'ranked-class' }, 'right'),
      moved && h('span', { class: 'ranked-end' }, moved.sign),
    ),
  );
}

/**
 * The grid. Arrows move along a row and between rows, Home and End to a row's ends; one item is in the tab order. An item
 * that is pointed at or focused stands out in every row that has it.
 */
export function rankingStrips(options: StripOptions): HTMLElement {
  const { neighbours } = options;
  const cellsOf: HTMLElement[][] = [];
  const idOf = new Map<HTMLElement, string>();
  const rows = neighbours.rankings.map((ranking) => {
    const cells = ranking.items.map((item, place) => {
      const cell = itemCell(item, place, ranking, options);
      idOf.set(cell, item.id);
      return cell;
    });
    cellsOf.push(cells);
    const look = cellLooks[ranking.cell];
    const shares = ranking.right === null ? '' : `${count(ranking.right)} of ${count(ranking.items.length)} right`;
    return h(
      'div',
      { class: 'ranking', role: 'row' },
      h(
        'div',
        { class: 'ranking-head', role: 'rowheader' },
        h('div', { class: 'keyed' }, cellKey(ranking.cell), h('strong', {}, look.label)),
        h('div', { class: 'second-line' }, look.meaning),
        shares !== '' && h('div', { class: 'second-line' }, shares),
      ),
      h('div', { class: 'ranking-items', role: 'presentation' }, ...cells),
    );
  });

  const mark = (id: string | null) => {
    for (const [cell, own] of idOf) cell.classList.toggle('same', own === id);
  };
  let current = cellsOf[0]?.[0] ?? null;
  current?.setAttribute('tabindex', '0');
  const focus = (cell: HTMLElement | undefined) => {
    if (!cell) return;
    current?.setAttribute('tabindex', '-1');
    cell.setAttribute('tabindex', '0');
    current = cell;
    cell.focus();
  };
  const cellOf = (target: EventTarget | null) =>
    target instanceof Element ? target.closest<HTMLElement>('.ranked') : null;
  const label = `Nearest gallery items of query ${dataText(neighbours.query.id)}`;
  const grid = h('div', { class: 'rankings', role: 'grid', 'aria-label': label }, ...rows);
  grid.addEventListener('keydown', (event) => {
    const cell = cellOf(event.target);
    const row = cellsOf.findIndex((cells) => cell !== null && cells.includes(cell));
    if (cell === null || row < 0) return;
    const cells = cellsOf[row] as HTMLElement[];
    const place = cells.indexOf(cell);
    const targets: Record<string, () => HTMLElement | undefined> = {
      ArrowRight: () => cells[place + 1],
      ArrowLeft: () => cells[place - 1],
      Home: () => cells[0],
      End: () => cells.at(-1),
      ArrowDown: () => cellsOf[row + 1]?.[Math.min(place, (cellsOf[row + 1]?.length ?? 1) - 1)],
      ArrowUp: () => cellsOf[row - 1]?.[Math.min(place, (cellsOf[row - 1]?.length ?? 1) - 1)],
    };
    const target = targets[event.key];
    if (target === undefined) return;
    event.preventDefault();
    focus(target());
  });
  grid.addEventListener('focusin', (event) => {
    const cell = cellOf(event.target);
    if (cell === null) return;
    if (cell !== current) focus(cell);
    mark(idOf.get(cell) ?? null);
  });
  grid.addEventListener('focusout', () => mark(null));
  grid.addEventListener('pointerover', (event) => mark(idOf.get(cellOf(event.target) as HTMLElement) ?? null));
  grid.addEventListener('pointerleave', () => mark(null));
  return grid;
}
