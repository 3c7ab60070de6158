/** The paragon: what compatibility costs, and the scores made of both. */
import { metricLabel, number, signed } from '../../src/core/contract/format.ts';
import { paragonMetrics, paragonTitle } from '../../src/core/contract/paragonFindings.ts';
import type { MetricName } from '../../src/core/contract/report.ts';
import { dataTable } from '../components/dataTable.ts';
import { h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import type { PageContext } from './pageContext.ts';

export function paragonSection({ report, tools }: PageContext): HTMLElement {
  const { tax, advbct, paragonCells, retrieval, updateGain } = report;
  const column = (
    title: string,
    of: (metric: MetricName) => number | null | undefined,
    quiet = false,
    show = number,
  ) => ({
    title,
    kind: 'number' as const,
    value: (metric: MetricName) => of(metric) ?? null,
    cell: (metric: MetricName) => h('span', { class: quiet ? 'quiet' : '' }, show(of(metric))),
  });
  const table = dataTable<MetricName>({
    name: 'paragon',
    rows: paragonMetrics(report),
    tools,
    empty: 'No metric was measured.',
    columns: [
      { title: 'Metric', width: '19%', value: metricLabel, cell: metricLabel },
      { ...column('Paragon', (metric) => paragonCells?.newNew[metric]?.value, true), width: '5.6em' },
      column('New', (metric) => retrieval.newNew?.[metric]?.value),
      column('Tax', (metric) => tax?.[metric], false, signed),
      column('Gain', (metric) => updateGain[metric]?.value),
      column('Comp', (metric) => advbct?.[metric]?.comp, true),
      column('Up', (metric) => advbct?.[metric]?.up, true),
      column('One', (metric) => advbct?.[metric]?.one),
    ],
  });
  return figure(tools, {
    title: paragonTitle(report),
    caption:
      'Paragon: a model trained without any regard for the old one, on a gallery of its own. Tax: what it ranks better by than the new model on a new gallery. Gain: share of the paragon\u2019s gain that new queries have on the old gallery. Comp, up, one: AdvBCT scores of compatibility, of the new model itself, and both; .5 is no gain.',
    fileName: 'paragon',
    items: table.items,
    body: [table.element],
  });
}
