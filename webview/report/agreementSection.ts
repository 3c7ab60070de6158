/** Agreement: how far neighbours and vectors stay what they were; all that is known without labels. */
import { count, interval, number } from '../../src/core/contract/format.ts';
import { agreementTitle } from '../../src/core/contract/migrationFindings.ts';
import type { Agreement, Estimate } from '../../src/core/contract/report.ts';
import { axisHead } from '../components/axis.ts';
import { dataTable } from '../components/dataTable.ts';
import { h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import { estimate, rowPlot, vertical } from '../components/rowMarks.ts';
import { type Scale, tickLabel } from '../components/scale.ts';
import type { PageContext } from './pageContext.ts';

const unit: Scale = { low: 0, high: 1, ticks: [0, 0.5, 1] };

type Overlap = Agreement['neighbourOverlap'][number];

export function agreementSection({ report, tools }: PageContext): HTMLElement {
  const { agreement } = report;
  if (!agreement)
    return figure(tools, {
      title: agreementTitle(report),
      body: [h('p', { class: 'nothing-here' }, 'This report does not say.')],
    });
  const figureCell = (found: Estimate | null) => [
    number(found?.value),
    found?.interval ? h('div', { class: 'second-line interval-text' }, interval(found.interval)) : null,
  ];
  const table = dataTable<Overlap>({
    name: 'neighbour overlap',
    className: 'short-rows',
    rows: agreement.neighbourOverlap,
    rowHeight: 44,
    tools,
    empty: 'No neighbours were compared.',
    columns: [
      {
        title: 'Nearest',
        width: '5.4em',
        value: (row) => row.k,
        cell: (row) => count(row.k),
      },
      {
        title: '',
        kind: 'plot',
        head: axisHead(unit, tickLabel),
        cell: (row) =>
          rowPlot(
            null,
            ...[0, 0.5, 1].map((at) => vertical(at, unit, 'grid')),
            ...estimate(row.newNew?.value, row.newNew?.interval, unit, 'ink-plain'),
            ...estimate(row.newOld?.value, row.newOld?.interval, unit),
          ),
      },
      {
        title: 'new/old',
        kind: 'number',
        width: '8.4em',
        value: (row) => row.newOld?.value ?? null,
        copies: [
          { title: 'Low', value: (row) => row.newOld?.interval?.[0] ?? null },
          { title: 'High', value: (row) => row.newOld?.interval?.[1] ?? null },
        ],
        cell: (row) => figureCell(row.newOld),
      },
      {
        title: 'new/new',
        kind: 'number',
        width: '8.4em',
        folds: true,
        value: (row) => row.newNew?.value ?? null,
        cell: (row) => figureCell(row.newNew),
      },
    ],
  });
  const { displacement, procrustesResidual } = agreement;
  const facts: [string, string, string][] = [];
  if (displacement !== null)
    facts.push([
      'Displacement',
      number(displacement.median),
      `median distance from an item\u2019s old vector to its new one; mean ${number(displacement.mean)}, 95 % below ${number(displacement.p95)}`,
    ]);
  if (procrustesResidual !== null)
    facts.push([
      'Procrustes residual',
      number(procrustesResidual),
      'what the best rotation leaves over, on held-out items: 0 is a mere rotation, 1 nothing in common',
    ]);
  return figure(tools, {
    title: agreementTitle(report),
    caption: `Share of the nearest gallery items in common with old queries on the old gallery, over ${count(agreement.queries)} queries; needs no labels. Accent: new/old, plain: new/new.`,
    fileName: 'agreement',
    items: table.items,
    body: [
      table.element,
      facts.length > 0 &&
        h(
          'dl',
          { class: 'facts' },
          ...facts.flatMap(([name, value, what]) => [
            h('dt', {}, name),
            h('dd', { class: 'fact-value' }, value),
            h('dd', {}, what),
          ]),
        ),
    ],
  });
}
