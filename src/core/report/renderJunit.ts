import { baselineRows, baselineTitle } from '../contract/baselineFindings.ts';
import { limitText, plain, verdictSentence } from '../contract/findings.ts';
import { number, signed, visibleText } from '../contract/format.ts';
import type { GateResult, Report, UndecidedPolicy } from '../contract/report.ts';
import { worstFirst } from './gateOrder.ts';

/** An audit that came to a report, or to none. */
export type JunitAudit = { report: Report } | { name: string; error: string };

/**
 * Gates as JUnit XML: a suite a pair, a test case a rule. A broken limit is a `failure`, a figure that was
 * not measured an `error`, an undecided gate a `failure` of type `undecided` (or `skipped`, when the config
 * lets those pass), a warning a test case that passes and says so.
 */
export function renderJunit(audits: readonly JunitAudit[]): string {
  const suites = audits.map((audit) => ('report' in audit ? suiteOf(audit.report) : failedSuite(audit)));
  const sum = (field: 'tests' | 'failures' | 'errors' | 'skipped') =>
    suites.reduce((total, suite) => total + suite.counts[field], 0);
  const totals = attributes({
    name: 'backcompat',
    tests: sum('tests'),
    failures: sum('failures'),
    errors: sum('errors'),
    skipped: sum('skipped'),
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites${totals}>\n${suites.map(({ xml }) => xml).join('')}</testsuites>\n`;
}

interface Suite {
  xml: string;
  counts: { tests: number; failures: number; errors: number; skipped: number };
}

function suiteOf(report: Report): Suite {
  const undecided = report.undecided ?? 'report';
  const cases = worstFirst(report.gates).map((gate) => caseOf(gate, report.pair, undecided));
  const having = (outcome: Outcome) => cases.filter((one) => one.outcome === outcome).length;
  const counts = {
    tests: cases.length,
    failures: having('failure'),
    errors: having('error'),
    skipped: having('skipped'),
  };
  const head = attributes({
    name: report.pair,
    ...counts,
    time: report.provenance.seconds.toFixed(3),
    // The format has no place for a time zone; it is UTC.
    timestamp: report.provenance.created.replace(/\.\d+Z$|Z$/, ''),
  });
  const { old, new: next, verdict } = report;
  const properties = Object.entries({
    old: old.name,
    new: next.name,
    ranking: verdict.state,
    thresholds: verdict.thresholds ?? 'not measured',
    inequalities: verdict.inequalities ?? 'not measured',
    tool: report.provenance.tool,
  }).map(([name, value]) => `      <property${attributes({ name, value })}/>\n`);
  const xml = [
    `  <testsuite${head}>\n`,
    `    <properties>\n${properties.join('')}    </properties>\n`,
    ...cases.map(({ xml: one }) => one),
    `    <system-out>${escapeXml(summaryOf(report))}</system-out>\n`,
    '  </testsuite>\n',
  ];
  return { xml: xml.join(''), counts };
}

/** What a reader of the test report should know of the pair. */
function summaryOf(report: Report): string {
  const { verdict, data } = report;
  const lines = [data.labelled === false ? verdict.summary : plain(verdictSentence(report)), verdict.explanation ?? ''];
  if (report.baseline) lines.push(`${baselineTitle(report)}.`, ...(report.baseline.differences ?? []));
  for (const { title, before, now, change, judgement } of baselineRows(report)) {
    if (judgement === 'better' || judgement === 'worse')
      lines.push(`${title}: ${number(now)}, ${signed(change)} against ${number(before)} (${judgement}).`);
  }
  return lines
    .filter((line) => line !== '')
    .map(visibleText)
    .join('\n');
}

/** An audit that ended without figures: no gate of it was judged. */
function failedSuite({ name, error }: { name: string; error: string }): Suite {
  const counts = { tests: 1, failures: 0, errors: 1, skipped: 0 };
  const line = element('error', { type: 'audit', message: visibleText(error) }, error);
  const xml = `  <testsuite${attributes({ name, ...counts })}>\n    <testcase${attributes({ classname: name, name: 'audit' })}>\n${line}    </testcase>\n  </testsuite>\n`;
  return { xml, counts };
}

type Outcome = 'passed' | 'failure' | 'error' | 'skipped';

function outcomeOf({ severity, state }: GateResult, undecided: UndecidedPolicy): Outcome {
  if (severity === 'warn' || state === 'passed') return 'passed';
  if (state === 'unmeasured') return 'error';
  return state === 'undecided' && undecided === 'pass' ? 'skipped' : 'failure';
}

function caseOf(gate: GateResult, pair: string, undecided: UndecidedPolicy): { xml: string; outcome: Outcome } {
  const outcome = outcomeOf(gate, undecided);
  const message = visibleText(gate.message);
  const details = `${gate.message}\nlimit: ${limitText(gate.limit)}`;
  const inside =
    outcome === 'failure' || outcome === 'error'
      ? element(outcome, { type: gate.state, message }, details)
      : outcome === 'skipped'
        ? `      <skipped${attributes({ message })}/>\n`
        : gate.state === 'passed'
          ? ''
          : `      <system-out>${escapeXml(`warning: ${message}`)}</system-out>\n`;
  const head = attributes({ classname: pair, name: gate.rule });
  const xml = inside === '' ? `    <testcase${head}/>\n` : `    <testcase${head}>\n${inside}    </testcase>\n`;
  return { xml, outcome };
}

function element(name: string, given: Record<string, string | number>, text: string): string {
  const lines = text.split('\n').map((line) => escapeXml(visibleText(line)));
  return `      <${name}${attributes(given)}>${lines.join('\n')}</${name}>\n`;
}

function attributes(given: Record<string, string | number>): string {
  return Object.entries(given)
    .map(([name, value]) => ` ${name}="${escapeXml(visibleText(String(value)))}"`)
    .join('');
}

/** For text and attributes; what XML 1.0 cannot hold becomes U+FFFD. */
function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
