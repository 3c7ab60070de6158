/** Slices: the criterion by the values of a metadata column. */
import { rankingWords } from '../../src/core/contract/findings.ts';
import { count, metricLabel, number, percent, signed, signedInterval } from '../../src/core/contract/format.ts';
import { slicesTitle } from '../../src/core/contract/migrationFindings.ts';
import type { SliceEntry } from '../../src/core/contract/report.ts';
import { axisHead } from '../components/axis.ts';
import { dataTable } from '../components/dataTable.ts';
import { dataNode, h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import { estimate, rowPlot, vertical } from '../components/rowMarks.ts';
import { niceScale, signedTickLabel } from '../components/scale.ts';
import type { PageContext } from './pageContext.ts';
import { stateMark, titled } from './parts.ts';

export function sliceSection({ report, tools }: PageContext, column: string): HTMLElement {
  const rows = report.slices[column] ?? [];
  const { metric } = report.verdict;
  const label = metricLabel(metric);
  const criterion = (row: SliceEntry) => row.criterion[metric];
  const scale = niceScale(
    rows.flatMap((row) => [criterion(row)?.difference, ...(criterion(row)?.interval ?? [])]),
    3,
    [0],
  );
  const table = dataTable<SliceEntry>({
    name: 'slice values',
    rows,
    firstRows: rows.length > 200 ? rows.length : 12,
    tools,
    empty: 'No value was measured.',
    columns: [
      { title: 'Value', width: '22%', value: (row) => row.value, cell: (row) => dataNode(row.value) },
      {
        title: 'Queries',
        kind: 'number',
        width: '5em',
        value: (row) => row.queries,
        cell: (row) => count(row.queries),
      },
      {
        title: 'Old',
        kind: 'number',
        width: '3.6em',
        value: (row) => criterion(row)?.old ?? null,
        cell: (row) => h('span', { class: 'quiet' }, number(criterion(row)?.old)),
      },
      {
        title: 'New',
        kind: 'number',
        width: '3.6em',
        value: (row) => criterion(row)?.new ?? null,
        cell: (row) => number(criterion(row)?.new),
      },
      {
        title: 'Full',
        kind: 'number',
        width: '3.6em',
        folds: true,
        value: (row) => row.newNew?.[metric] ?? null,
        cell: (row) => h('span', { class: 'quiet' }, number(row.newNew?.[metric])),
      },
      {
        title: '',
        kind: 'plot',
        head: axisHead(scale, signedTickLabel),
        copies: [
          { title: 'Difference', value: (row) => criterion(row)?.difference ?? null },
          { title: 'Low', value: (row) => criterion(row)?.interval?.[0] ?? null },
          { title: 'High', value: (row) => criterion(row)?.interval?.[1] ?? null },
        ],
        cell: (row) => {
          const found = criterion(row);
          return titled(
            `${label} ${signed(found?.difference)} ${signedInterval(found?.interval)}`,
            rowPlot(
              null,
              ...scale.ticks.map((tick) => vertical(tick, scale, tick === 0 ? 'zero' : 'grid')),
              ...estimate(found?.difference, found?.interval, scale),
            ),
          );
        },
      },
      {
        title: 'Grew',
        kind: 'number',
        width: '4.6em',
        folds: true,
        value: (row) => row.positiveRate,
        copies: [{ title: 'Shrank', value: (row) => row.negativeRate }],
        cell: (row) => number(row.positiveRate),
      },
      {
        title: 'Became wrong',
        kind: 'number',
        width: '8.8em',
        folds: true,
        value: (row) => row.negativeFlipRate,
        cell: (row) => number(row.negativeFlipRate),
      },
      {
        title: 'State',
        kind: 'state',
        width: '10em',
        value: (row) => criterion(row)?.state ?? null,
        cell: (row) => {
          const found = criterion(row);
          return stateMark(found ? rankingWords[found.state] : { word: 'not measured', tone: 'absent' });
        },
      },
    ],
  });
  return figure(tools, {
    title: slicesTitle(report, column),
    caption: `${label} of the queries with each value against the whole gallery, old and new; bar: ${percent(report.protocol.bootstrap.confidence)} interval of the difference. Grew: share of same-class distances that grew. Fewer than 30 queries never decide.`,
    fileName: 'slices',
    items: rows.length > 0 ? table.items : [],
    body: [table.element],
  });
}
