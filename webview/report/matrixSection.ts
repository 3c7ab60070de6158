/** Versions: every model's queries on every older gallery. */
import { metricLabel, number, signed, visibleText } from '../../src/core/contract/format.ts';
import { matrixFigures, matrixTitle } from '../../src/core/contract/migrationFindings.ts';
import type { MetricName, VersionMatrix } from '../../src/core/contract/report.ts';
import { dataNode, h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import { icon } from '../components/icons.ts';
import type { PageContext } from './pageContext.ts';

/** Of the accent in the fullest cell: text on it keeps a contrast of more than 4.5. */
const MOST_FILL = 26;

export function matrixSection({ report, tools }: PageContext): HTMLElement {
  const { matrix, verdict } = report;
  const values = matrix?.[verdict.metric] ?? matrix?.map ?? [];
  if (!matrix || values.length === 0)
    return figure(tools, {
      title: 'Versions',
      body: [h('p', { class: 'nothing-here' }, 'No matrix of versions was measured.')],
    });
  const metric: MetricName = matrix[verdict.metric] ? verdict.metric : 'map';
  const label = metricLabel(metric);
  return figure(tools, {
    title: matrixTitle(report),
    caption: `${label} of the row\u2019s queries on the column\u2019s gallery. Below each figure: the difference to the gallery\u2019s own model, which stands on the diagonal. The fuller, the better.`,
    fileName: 'versions',
    body: [
      h(
        'div',
        { class: 'matrix-frame', tabindex: '0', role: 'region', 'aria-label': 'Versions' },
        drawMatrix(matrix, values, label),
      ),
      h(
        'dl',
        { class: 'facts' },
        ...matrixFigures.flatMap(({ key, name, what }) => [
          h('dt', {}, name),
          h('dd', { class: 'fact-value' }, matrix[key] === null ? '\u2013' : number(matrix[key])),
          h('dd', {}, what),
        ]),
      ),
    ],
    twin: () => ({
      head: ['Queries', 'Gallery', label],
      rows: values.flatMap((row, t) =>
        row.map((value, k) => [matrix.versions[t] ?? '', matrix.versions[k] ?? '', value]),
      ),
    }),
  });
}

function drawMatrix(matrix: VersionMatrix, values: number[][], label: string): HTMLElement {
  const all = values.flat();
  const low = Math.min(...all);
  const high = Math.max(...all);
  const cell = (t: number, k: number): HTMLElement => {
    const value = values[t]?.[k];
    const own = values[k]?.[k];
    if (value === undefined || own === undefined) return h('td', { class: 'matrix-empty' });
    const better = value > own;
    const element = h(
      'td',
      {
        class: t === k ? 'matrix-cell own' : 'matrix-cell',
        title: `${visibleText(matrix.versions[t] ?? '')} on the gallery of ${visibleText(matrix.versions[k] ?? '')}: ${label} ${number(value)}`,
      },
      h('div', { class: 'matrix-value' }, number(value)),
      h(
        'div',
        { class: 'second-line matrix-note' },
        ...(t === k ? ['own'] : [icon(better ? 'good' : 'bad'), signed(value - own)]),
      ),
    );
    const share = high > low ? (value - low) / (high - low) : 0;
    element.style.setProperty('--fill', `${(share * MOST_FILL).toFixed(1)}%`);
    return element;
  };
  return h(
    'table',
    { class: 'matrix', 'aria-label': `${label} by version of queries and gallery` },
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, 'Queries \\ gallery'),
        ...matrix.versions.map((name) => h('th', { scope: 'col' }, dataNode(name))),
      ),
    ),
    h(
      'tbody',
      {},
      ...matrix.versions.map((name, t) =>
        h('tr', {}, h('th', { scope: 'row' }, dataNode(name)), ...matrix.versions.map((_, k) => cell(t, k))),
      ),
    ),
  );
}
