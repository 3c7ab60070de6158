/** Causes: what was found, with the figures that decided it; what was looked for and not found. */
import { visibleText } from '../../src/core/contract/format.ts';
import { causeName, causesTitle, evidenceRows } from '../../src/core/contract/remedyFindings.ts';
import type { Diagnosis, Report } from '../../src/core/contract/report.ts';
import { type Child, dataNode, h } from '../components/dom.ts';
import { icon } from '../components/icons.ts';

export function causesSection(report: Report): HTMLElement {
  const found = report.diagnosis.filter((cause) => cause.found);
  const absent = report.diagnosis.filter((cause) => !cause.found);
  return h(
    'section',
    { class: 'figure', 'aria-label': 'Causes' },
    h('h2', {}, causesTitle(report)),
    h(
      'p',
      { class: 'caption' },
      found.length === 0
        ? 'What often makes two models incompatible was looked for. Open the row for what was seen.'
        : 'Each with what to do about it. Open a row for the figures that decided it.',
    ),
    h('div', { class: 'causes' }, ...found.map(foundCause), absent.length > 0 && notFound(absent)),
  );
}

/** A row that opens; one without anything inside stays shut. */
function causeRow(mark: SVGElement, name: Child, text: Child, body: HTMLElement | null, quiet: boolean): HTMLElement {
  const head = [mark, h('span', { class: 'cause-name' }, name), h('span', { class: 'cause-text' }, text)];
  const className = quiet ? 'cause quiet' : 'cause';
  if (body === null) return h('div', { class: className }, h('span'), ...head);
  return h(
    'details',
    { class: 'cause-details' },
    h('summary', { class: className }, h('span', { class: 'opener' }), ...head),
    body,
  );
}

function foundCause(cause: Diagnosis): HTMLElement {
  const rows = evidenceRows(cause);
  return causeRow(
    icon('warning'),
    visibleText(causeName(cause.code)),
    dataNode(cause.message, 'wraps'),
    rows.length > 0 ? evidence(rows) : null,
    false,
  );
}

function evidence(rows: readonly { name: string; value: string }[]): HTMLElement {
  return h(
    'dl',
    { class: 'evidence' },
    ...rows.flatMap(({ name, value }) => [h('dt', {}, dataNode(name, 'wraps')), h('dd', {}, dataNode(value, 'wraps'))]),
  );
}

function notFound(absent: readonly Diagnosis[]): HTMLElement {
  const names = absent.map((cause) => causeName(cause.code).toLowerCase()).join(', ');
  const list = h(
    'dl',
    { class: 'evidence' },
    ...absent.flatMap((cause) => [
      h('dt', {}, visibleText(causeName(cause.code))),
      h(
        'dd',
        {},
        dataNode(cause.message, 'wraps'),
        ...evidenceRows(cause).map(({ name, value }) =>
          h('div', { class: 'second-line' }, dataNode(name, 'wraps'), ': ', dataNode(value, 'wraps')),
        ),
      ),
    ]),
  );
  return causeRow(icon('info'), 'Looked for, not found', visibleText(names), list, true);
}
