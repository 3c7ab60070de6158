/** Data and protocol: everything that makes the figures reproducible. */
import { modelNote } from '../../src/core/contract/findings.ts';
import {
  count,
  durationText,
  metricLabel,
  momentText,
  number,
  percent,
  toleranceText,
} from '../../src/core/contract/format.ts';
import type { ModelDescription, Report } from '../../src/core/contract/report.ts';
import { farText } from '../../src/core/contract/thresholdFindings.ts';
import { type Child, dataNode, h } from '../components/dom.ts';
import { figure } from '../components/figure.ts';
import type { PageContext } from './pageContext.ts';
import { columns, finding, guarded } from './parts.ts';
import { notesList } from './verdictParts.ts';

interface Fact {
  name: string;
  value: string;
  /** What it means, for who does not know it. */
  what: string;
  /** Long and without spaces: hashes, paths. */
  code?: boolean;
}

export function dataTab(context: PageContext): HTMLElement {
  const { report } = context;
  return h(
    'div',
    {},
    finding(dataSentence(report)),
    guarded('Models', () => modelsSection(context)),
    columns(
      'even',
      guarded('Data', () => factsSection(context, 'Data', 'data', dataFacts(report))),
      guarded('Protocol', () => factsSection(context, 'Protocol', 'protocol', protocolFacts(report))),
    ),
    guarded('This audit', () => provenanceSection(context)),
  );
}

function dataSentence({ data, protocol }: Report) {
  const how = data.leaveOneOut ? ', each without itself' : '';
  const exact =
    protocol.exact || protocol.sampledQueries === null
      ? 'every query'
      : `${count(protocol.sampledQueries)} sampled queries`;
  return [
    { text: `${count(data.queries)} queries against ${count(data.gallery)} gallery items${how}`, strong: true },
    { text: `: figures of ${exact}, reproduced by the same files, protocol and seed.` },
  ];
}

function modelsSection({ report, tools }: PageContext): HTMLElement {
  const models: [string, ModelDescription | null][] = [
    ['Old', report.old],
    ['New', report.new],
    ['Paragon', report.paragon],
  ];
  const given = models.filter((entry): entry is [string, ModelDescription] => entry[1] !== null);
  return figure(tools, {
    title: 'Models',
    caption: report.paragon
      ? 'The paragon is the new model without any regard for the old one: the upper bound.'
      : null,
    fileName: 'models',
    body: [
      h(
        'dl',
        { class: 'facts models' },
        ...given.flatMap(([role, model]) => [
          h('dt', {}, role),
          h(
            'dd',
            {},
            dataNode(model.name, 'strong'),
            ` ${modelNote(model)}${model.normalised ? ', unit vectors' : ''}`,
            h('div', { class: 'second-line' }, dataNode(model.path, 'wraps')),
            h('div', { class: 'second-line' }, 'Fingerprint ', h('code', {}, dataNode(model.fingerprint, 'wraps'))),
          ),
        ]),
      ),
    ],
    twin: () => ({
      head: ['Role', 'Name', 'Kind', 'Path', 'Dimension', 'Unit vectors', 'Fingerprint'],
      rows: given.map(([role, model]) => [
        role,
        model.name,
        model.kind,
        model.path,
        model.dimension,
        String(model.normalised),
        model.fingerprint,
      ]),
    }),
  });
}

function dataFacts({ data }: Report): Fact[] {
  const facts: Fact[] = [
    {
      name: 'Queries',
      value: count(data.queries),
      what: data.leaveOneOut ? 'the gallery items themselves' : 'items that search',
    },
    { name: 'Gallery items', value: count(data.gallery), what: 'items that are searched' },
    {
      name: 'Classes',
      value: count(data.classes),
      what: 'labels; a match is a gallery item of the query\u2019s class',
    },
    { name: 'Shared items', value: count(data.sharedItems), what: 'in both sets; no item is compared with itself' },
    {
      name: 'Queries without a match',
      value: count(data.queriesWithoutMatch),
      what: 'left out of ranking, criterion and flips',
    },
    { name: 'Same-class pairs', value: count(data.positivePairs), what: 'query and gallery item of one class' },
    { name: 'Different-class pairs', value: count(data.negativePairs), what: 'query and gallery item of two classes' },
  ];
  return data.labelled === false
    ? [...facts.slice(0, 2), { name: 'Labels', value: 'none', what: 'nothing that needs classes was measured' }]
    : facts;
}

const distances = {
  cosine: '1 minus the cosine of two vectors',
  euclidean: 'length of the difference of two vectors',
  dot: 'minus the inner product of two vectors',
};

const rules = {
  equal: 'both models give vectors of one length',
  slice: 'the first components of the longer new vectors meet the old ones',
  pad: 'shorter new vectors get zeros where they meet old ones',
  project: 'a fitted adapter takes new vectors to the old space',
};

function protocolFacts({ protocol }: Report): Fact[] {
  const { bootstrap } = protocol;
  return [
    { name: 'Distance', value: protocol.distance, what: distances[protocol.distance] },
    {
      name: 'Dimension rule',
      value: protocol.adapter ? `${protocol.dimensionRule}, ${protocol.adapter}` : protocol.dimensionRule,
      what: rules[protocol.dimensionRule],
    },
    { name: 'Deciding metric', value: metricLabel(protocol.criterionMetric), what: 'of the verdict on ranking' },
    {
      name: 'Margin',
      value: protocol.margin === 0 ? '0' : number(protocol.margin),
      what: 'a loss that still counts as none',
    },
    { name: 'Hits', value: protocol.ks.join(', '), what: 'k of CMC@k: a match among the k nearest' },
    {
      name: 'Tolerances',
      value: protocol.epsilons.map(toleranceText).join(', '),
      what: 'distance changes that are forgiven; the first is the strict rate',
    },
    {
      name: 'Operating FAR',
      value: farText(protocol.operatingFar),
      what: 'at which the verdict on thresholds is given',
    },
    {
      name: 'Queries measured',
      value: protocol.sampledQueries === null ? 'all' : count(protocol.sampledQueries),
      what: protocol.sampledQueries === null ? 'every pair counts' : 'a seeded sample by class, the gallery whole',
    },
    {
      name: 'Reference queries',
      value: count(protocol.referenceQueries),
      what: 'at most so many for floor, chance and Procrustes',
    },
    { name: 'Triplets', value: count(protocol.triplets), what: 'sampled (query, match, other)' },
    {
      name: 'Bootstrap',
      value: `${count(bootstrap.resamples)} by ${bootstrap.unit}`,
      what: `resamples behind the ${percent(bootstrap.confidence)} intervals`,
    },
    { name: 'Seed', value: String(protocol.seed), what: 'of everything that is drawn at random' },
  ];
}

function factsSection({ tools }: PageContext, title: string, fileName: string, facts: Fact[]): HTMLElement {
  return figure(tools, {
    title,
    fileName,
    body: [factList(facts)],
    twin: () => ({ head: ['Name', 'Value', 'Meaning'], rows: facts.map((fact) => [fact.name, fact.value, fact.what]) }),
  });
}

function factList(facts: readonly Fact[]): HTMLElement {
  const value = (fact: Fact): Child =>
    fact.code ? h('code', {}, dataNode(fact.value, 'wraps')) : dataNode(fact.value, 'wraps');
  return h(
    'dl',
    { class: 'facts' },
    ...facts.flatMap((fact) => [
      h('dt', {}, fact.name),
      h('dd', { class: 'fact-value' }, value(fact)),
      h('dd', {}, fact.what),
    ]),
  );
}

function provenanceSection({ report, tools, actions }: PageContext): HTMLElement {
  const { provenance, baseline } = report;
  const facts: Fact[] = [
    { name: 'Pair', value: report.pair, what: 'its name in the config' },
    {
      name: 'Made by',
      value: provenance.tool,
      what: `${momentText(provenance.created)}, in ${durationText(provenance.seconds)}`,
    },
    { name: 'Data', value: provenance.dataset, what: 'sha256 of ids and labels in their order', code: true },
    provenance.config === null
      ? { name: 'Config', value: 'none', what: 'tables on the command line' }
      : {
          name: 'Config',
          value: provenance.config,
          what: 'sha256 of the pair\u2019s part of the config, defaults filled in',
          code: true,
        },
  ];
  if (baseline)
    facts.push({
      name: 'Baseline',
      value: baseline.path,
      what: `${baseline.tool}, ${momentText(baseline.created)}${baseline.comparable ? '' : '; not comparable: its data or protocol differ'}`,
    });
  const command = actions?.cliCommand ?? null;
  return figure(tools, {
    title: 'This audit',
    fileName: 'audit',
    body: [
      factList(facts),
      command !== null && h('p', { class: 'caption list-caption' }, 'The command line that repeats it:'),
      command !== null && h('pre', { class: 'code-block' }, h('code', {}, command)),
      command !== null &&
        h(
          'button',
          { class: 'link', type: 'button', on: { click: () => tools.copyText(command) } },
          'Copy the command',
        ),
      notesList(report),
    ],
    twin: () => ({ head: ['Name', 'Value', 'Meaning'], rows: facts.map((fact) => [fact.name, fact.value, fact.what]) }),
  });
}
