/** The worst of all: pairs whose distance changed most the wrong way, and gallery items in most violations. */
import { worstPairsTitle } from '../../src/core/contract/findings.ts';
import { count, number } from '../../src/core/contract/format.ts';
import type { Report, SignedHistogram, WorstPair } from '../../src/core/contract/report.ts';
import { operatingTransfer } from '../../src/core/contract/thresholdFindings.ts';
import { axisHead } from '../components/axis.ts';
import { dataTable } from '../components/dataTable.ts';
import { dataNode, dataText, h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import { havePictures, item, itemText, picture, previewOf } from '../components/preview.ts';
import { dot, rowPlot, track, vertical } from '../components/rowMarks.ts';
import { niceScale, type Scale, tickLabel } from '../components/scale.ts';
import type { PageContext } from './pageContext.ts';
import { browseLink } from './retrievalBrowser.ts';
import { hubsTitle } from './titles.ts';

/** One scale for both lists of worst pairs, so that they can be compared. */
function pairScale(report: Report): Scale {
  const all = [...report.worst.positivePairs, ...report.worst.negativePairs];
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const { oldDistance, newDistance } of all) {
    low = Math.min(low, oldDistance, newDistance);
    high = Math.max(high, oldDistance, newDistance);
  }
  return niceScale(all.length === 0 ? [] : [low, high], 4, low >= 0 ? [0] : []);
}

export function worstPairsSection(context: PageContext, sign: keyof SignedHistogram): HTMLElement {
  const { report, tools, previews } = context;
  const pairs = sign === 'positive' ? report.worst.positivePairs : report.worst.negativePairs;
  const scale = pairScale(report);
  const stacked = pairs.some(({ query, gallery }) => previewOf(previews, query) || previewOf(previews, gallery));
  const transfer = operatingTransfer(report);
  const limits = [transfer?.oldThreshold, transfer?.restoringThreshold].filter((limit) => typeof limit === 'number');
  const table = dataTable<WorstPair>({
    name: sign === 'positive' ? 'same-class pairs' : 'different-class pairs',
    rows: pairs,
    rowHeight: stacked ? 66 : 44,
    firstRows: 6,
    tools,
    empty: sign === 'positive' ? 'No same-class distance grew.' : 'No different-class distance shrank.',
    columns: [
      {
        title: 'Query · gallery item',
        width: stacked ? '46%' : '40%',
        value: (pair) => pair.query,
        copies: [
          { title: 'Gallery item', value: (pair) => pair.gallery },
          { title: 'Query class', value: (pair) => pair.queryLabel },
          { title: 'Gallery class', value: (pair) => pair.galleryLabel },
        ],
        cell: (pair) => pairFace(previews, pair, stacked, browseLink(context, pair.query)),
      },
      {
        title: '',
        kind: 'plot',
        head: axisHead(scale, tickLabel),
        cell: (pair) =>
          rowPlot(
            null,
            ...scale.ticks.map((tick) => vertical(tick, scale, 'grid')),
            ...limits.map((limit) => vertical(limit, scale, 'floor')),
            track(pair.oldDistance, pair.newDistance, scale),
            dot(pair.oldDistance, scale, false, 'ink-plain'),
            dot(pair.newDistance, scale, true, 'ink-accent'),
          ),
      },
      {
        title: 'Old',
        kind: 'number',
        width: '4em',
        value: (pair) => pair.oldDistance,
        cell: (pair) => h('span', { class: 'quiet' }, number(pair.oldDistance)),
      },
      {
        title: 'New',
        kind: 'number',
        width: '4em',
        value: (pair) => pair.newDistance,
        cell: (pair) => number(pair.newDistance),
      },
    ],
  });
  return figure(tools, {
    title: worstPairsTitle(sign, pairs),
    caption: `Hollow: old distance, filled: new${limits.length > 0 ? ', dashed: the old threshold and where it would have to move' : ''}. Largest change the wrong way first.`,
    fileName: sign === 'positive' ? 'worst-same-class-pairs' : 'worst-different-class-pairs',
    items: pairs.length > 0 ? table.items : [],
    body: [table.element],
  });
}

/** Both pictures (or texts) of a pair, then its ids and classes; below each other where ids alone would not fill a line. */
function pairFace(
  previews: PageContext['previews'],
  pair: WorstPair,
  stacked: boolean,
  link: HTMLElement | null,
): HTMLElement {
  const ids = [pair.query, pair.gallery];
  const classes = h(
    'div',
    { class: 'second-line two-names' },
    dataNode(pair.queryLabel),
    ' against ',
    dataNode(pair.galleryLabel),
    ...(link ? [' · ', link] : []),
  );
  const lines = stacked
    ? ids.map((id) => h('div', { title: dataText(id) }, itemText(previews, id)))
    : [h('div', { class: 'two-names' }, dataNode(pair.query), ' · ', dataNode(pair.gallery))];
  return h(
    'div',
    { class: 'item' },
    picture(previews, pair.query, pair.queryLabel),
    picture(previews, pair.gallery, pair.galleryLabel),
    h('div', { class: 'item-words' }, ...lines, classes),
  );
}

export function hubsSection({ report, tools, previews }: PageContext): HTMLElement {
  const { hubs } = report.worst;
  const pictures = havePictures(
    previews,
    hubs.map((hub) => hub.gallery),
  );
  const table = dataTable<Report['worst']['hubs'][number]>({
    name: 'gallery items',
    rows: hubs,
    rowHeight: pictures ? 52 : 26,
    firstRows: 6,
    tools,
    columns: [
      { title: 'Gallery item', value: (hub) => hub.gallery, cell: (hub) => item(previews, hub.gallery, null, []) },
      {
        title: 'Violations',
        kind: 'number',
        width: '7em',
        value: (hub) => hub.violations,
        cell: (hub) => count(hub.violations),
      },
    ],
  });
  return figure(tools, {
    title: hubsTitle(hubs, report.data.queries),
    caption: 'Gallery items that are in most violations, of either class relation.',
    fileName: 'hubs',
    items: table.items,
    body: [table.element],
  });
}
