/** Against the committed report: what changed since. */
import {
  type BaselineRow,
  baselineRows,
  baselineTitle,
  changeWords,
} from '../../src/core/contract/baselineFindings.ts';
import { momentText, number, signed } from '../../src/core/contract/format.ts';
import { dataTable } from '../components/dataTable.ts';
import { dataNode, h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import type { PageContext } from './pageContext.ts';
import { stateMark } from './parts.ts';

export function baselineSection({ report, tools }: PageContext): HTMLElement {
  const { baseline } = report;
  const rows = baselineRows(report);
  const table = dataTable<BaselineRow>({
    name: 'key figures',
    className: 'short-rows',
    rows,
    tools,
    empty: 'There is no figure to compare.',
    columns: [
      {
        title: 'Figure',
        value: (row) => row.title,
        copies: [{ title: 'Rule', value: (row) => row.rule }],
        cell: (row) => dataNode(row.title),
      },
      {
        title: 'Then',
        kind: 'number',
        width: '4.4em',
        value: (row) => row.before,
        cell: (row) => h('span', { class: 'quiet' }, number(row.before)),
      },
      { title: 'Now', kind: 'number', width: '4.4em', value: (row) => row.now, cell: (row) => number(row.now) },
      {
        title: 'Change',
        kind: 'number',
        width: '5.2em',
        value: (row) => row.change,
        cell: (row) => signed(row.change),
      },
      {
        title: 'Judgement',
        kind: 'state',
        width: '9em',
        value: (row) => changeWords[row.judgement].word,
        cell: (row) => (row.judgement === 'open' ? '' : stateMark(changeWords[row.judgement])),
      },
    ],
  });
  const caption = baseline
    ? h(
        'span',
        {},
        dataNode(baseline.path, 'wraps'),
        `, made ${momentText(baseline.created)} by `,
        dataNode(baseline.tool, 'wraps'),
        '. In interval: then lies inside the interval of now.',
      )
    : null;
  return figure(tools, {
    title: baselineTitle(report),
    caption,
    fileName: 'baseline',
    items: rows.length > 0 ? table.items : [],
    body: [
      baseline && !baseline.comparable
        ? h(
            'ul',
            { class: 'differences' },
            ...(baseline.differences ?? []).map((text) => h('li', {}, dataNode(text, 'wraps'))),
          )
        : table.element,
    ],
  });
}
