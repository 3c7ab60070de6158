/** Flips: what users lose and gain at the first hit, the queries themselves, and their classes. */
import { flipsTitle, matchedQueries } from '../../src/core/contract/findings.ts';
import { type ClassFlips, classFlipsTitle, flipsByClass, flipsSentence } from '../../src/core/contract/flipFindings.ts';
import { count, counted, interval, number, percent } from '../../src/core/contract/format.ts';
import type { FlippedQuery, Interval, Report } from '../../src/core/contract/report.ts';
import { axisHead } from '../components/axis.ts';
import { dataTable } from '../components/dataTable.ts';
import { dataNode, h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import { icon } from '../components/icons.ts';
import { havePictures, item } from '../components/preview.ts';
import { estimate, rowPlot, track, vertical } from '../components/rowMarks.ts';
import { niceScale, tickLabel } from '../components/scale.ts';
import type { PageContext } from './pageContext.ts';
import { columns, emptyState, finding, guarded } from './parts.ts';
import { browseLink } from './retrievalBrowser.ts';

export function flipsTab(context: PageContext): HTMLElement {
  const { report } = context;
  if (report.flips.negativeFlipRate === null)
    return h(
      'div',
      {},
      finding(flipsSentence(report)),
      emptyState(
        report.data.labelled === false
          ? 'Without labels no hit is known to be right or wrong.'
          : 'No query has a match in the gallery, so none can be right.',
      ),
    );
  return h(
    'div',
    {},
    finding(flipsSentence(report)),
    columns(
      'even',
      guarded('Flips', () => flipRatesSection(context, null)),
      guarded('Flips by class', () => classFlipsSection(context)),
    ),
    guarded('Flipped queries', () => flippedQueriesSection(context)),
  );
}

interface FlipRow {
  name: string;
  rate: number | null;
  interval: Interval | null;
  queries: number | null;
}

function flipRows(report: Report): FlipRow[] {
  const { flips } = report;
  const queries = matchedQueries(report);
  return [
    {
      name: 'Wrong to right',
      rate: flips.positiveFlipRate,
      interval: flips.positiveFlipRateInterval,
      queries:
        queries === null || flips.positiveFlipRate === null ? null : Math.round(flips.positiveFlipRate * queries),
    },
    {
      name: 'Right to wrong',
      rate: flips.negativeFlipRate,
      interval: flips.negativeFlipRateInterval,
      queries: flips.negativeFlipRate === null ? null : flips.flippedQueries,
    },
  ];
}

/** Both rates on one axis; `choose` leads to the tab of flips from elsewhere. */
export function flipRatesSection({ report, tools }: PageContext, choose: ((tab: string) => void) | null): HTMLElement {
  const { flips } = report;
  const rows = flipRows(report);
  const scale = niceScale(
    rows.flatMap((row) => [row.rate, ...(row.interval ?? [])]),
    3,
    [0],
  );
  scale.low = 0;
  const ticks = scale.ticks.filter((tick) => tick >= 0);
  const rates = dataTable<FlipRow>({
    name: 'flips',
    rows,
    rowHeight: 44,
    tools,
    columns: [
      {
        title: 'First hit',
        width: '8.5em',
        cell: (row) => row.name,
        copies: [
          { title: 'Change', value: (row) => row.name },
          { title: 'Rate', value: (row) => row.rate },
          { title: 'Low', value: (row) => row.interval?.[0] ?? null },
          { title: 'High', value: (row) => row.interval?.[1] ?? null },
          { title: 'Queries', value: (row) => row.queries },
        ],
      },
      {
        title: '',
        kind: 'plot',
        head: axisHead({ ...scale, ticks }, tickLabel),
        cell: (row) =>
          rowPlot(
            null,
            ...ticks.map((tick) => vertical(tick, scale, tick === 0 ? 'zero' : 'grid')),
            ...estimate(row.rate, row.interval, scale),
          ),
      },
      {
        title: 'Rate',
        kind: 'number',
        width: '8.6em',
        cell: (row) => [
          number(row.rate),
          row.interval ? h('div', { class: 'second-line interval-text' }, interval(row.interval)) : null,
        ],
      },
      { title: 'Queries', kind: 'number', width: '5em', cell: (row) => count(row.queries) },
    ],
  });
  const relative =
    flips.relativeNegativeFlipRate === null
      ? ''
      : ` Relative negative flip rate ${number(flips.relativeNegativeFlipRate)}: 1 is what two unrelated models of these error rates would give.`;
  const queries = matchedQueries(report);
  const measured = rows.some((row) => row.rate !== null);
  return figure(tools, {
    title: flipsTitle(report),
    caption: `By the first ${flips.k === 1 ? 'hit' : `${count(flips.k)} hits`}${queries === null ? '' : `, of ${counted(queries, 'query', 'queries')}`}.${relative}`,
    fileName: 'flip-rates',
    items: rates.items,
    body: [
      measured ? rates.element : h('p', { class: 'nothing-here' }, 'No query has a match in the gallery.'),
      choose !== null &&
        report.worst.flippedQueries.length > 0 &&
        h(
          'button',
          { class: 'link more', type: 'button', on: { click: () => choose('flips') } },
          'Flipped queries \u203A',
        ),
    ],
  });
}

function classFlipsSection({ report, tools }: PageContext): HTMLElement {
  const rows = flipsByClass(report);
  const scale = niceScale(
    rows.map((row) => row.flipped),
    3,
    [0],
  );
  scale.low = 0;
  const ticks = scale.ticks.filter((tick) => tick >= 0 && Number.isInteger(tick));
  const table = dataTable<ClassFlips>({
    name: 'classes with flips',
    rows,
    firstRows: 6,
    tools,
    empty: 'No query that was right became wrong.',
    columns: [
      { title: 'Class', width: '26%', value: (row) => row.label, cell: (row) => dataNode(row.label) },
      {
        title: '',
        kind: 'plot',
        head: axisHead({ ...scale, ticks }, tickLabel),
        cell: (row) =>
          rowPlot(
            null,
            ...ticks.map((tick) => vertical(tick, scale, tick === 0 ? 'zero' : 'grid')),
            track(0, row.flipped, scale, 'track-thick'),
          ),
      },
      {
        title: 'Flipped',
        kind: 'number',
        width: '5em',
        value: (row) => row.flipped,
        cell: (row) => count(row.flipped),
        copies: [{ title: 'Queries', value: (row) => row.queries }],
      },
      {
        title: 'Mostly into',
        width: '26%',
        value: (row) => row.after,
        copies: [{ title: 'Of these', value: (row) => row.afterCount }],
        cell: (row) =>
          h(
            'span',
            { class: 'two-names gap-left' },
            ...(2 * row.afterCount > row.flipped
              ? [dataNode(row.after), h('span', { class: 'note' }, `, ${counted(row.afterCount, 'time')}`)]
              : [h('span', { class: 'note' }, 'several')]),
          ),
      },
    ],
  });
  return figure(tools, {
    title: classFlipsTitle(report),
    caption: 'Queries that became wrong, by class, and the class that more than half of them find now.',
    fileName: 'flips-by-class',
    items: table.items,
    body: [table.element],
  });
}

function flippedQueriesSection(context: PageContext): HTMLElement {
  const { report, tools, previews } = context;
  const flips = report.worst.flippedQueries;
  const pictures = havePictures(
    previews,
    flips.flatMap(({ query, before, after }) => [query, before, after]),
  );
  const cut = flips.length < report.flips.flippedQueries;
  const table = dataTable<FlippedQuery>({
    name: 'flipped queries',
    rows: flips,
    rowHeight: pictures ? 66 : 44,
    firstRows: 12,
    tools,
    empty: 'No query that was right became wrong.',
    columns: [
      {
        title: 'Query',
        value: (flip) => flip.query,
        copies: [{ title: 'Class', value: (flip) => flip.label }],
        cell: (flip) => {
          const link = browseLink(context, flip.query);
          const words = ['class ', dataNode(flip.label), ...(link ? [' · ', link] : [])];
          return item(previews, flip.query, flip.label, words, 'large');
        },
      },
      {
        title: 'Old model found',
        width: '31%',
        value: (flip) => flip.before,
        cell: (flip) => item(previews, flip.before, flip.label, [icon('good'), ' right'], 'large'),
      },
      {
        title: 'New model finds',
        width: '31%',
        value: (flip) => flip.after,
        copies: [{ title: 'Class of what the new model finds', value: (flip) => flip.afterLabel }],
        cell: (flip) =>
          item(previews, flip.after, flip.afterLabel, [icon('bad'), ' is ', dataNode(flip.afterLabel)], 'large'),
      },
      {
        title: 'Right now at',
        kind: 'number',
        width: '7.6em',
        value: (flip) => flip.rankAfter,
        cell: (flip) => count(flip.rankAfter),
      },
    ],
  });
  const share = report.flips.negativeFlipRate;
  return figure(tools, {
    title:
      flips.length === 0
        ? 'No query that was right became wrong'
        : `${percent(share)} of queries: right with the old model, wrong with the new one`,
    caption: `Largest rank loss first. Right now at: the rank of the first right item for the new model, 1 for the old.${cut ? ` ${count(flips.length)} of ${count(report.flips.flippedQueries)} are listed.` : ''}`,
    fileName: 'flipped-queries',
    items: flips.length > 0 ? table.items : [],
    body: [table.element],
  });
}
