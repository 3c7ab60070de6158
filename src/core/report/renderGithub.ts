import { gateWords, plain, verdictSentence } from '../contract/findings.ts';
import { counted, visibleText } from '../contract/format.ts';
import type { GateResult, Report } from '../contract/report.ts';
import { stopsPipeline, worstFirst } from './gateOrder.ts';

/** Where a gate stands. */
export interface GatePlace {
  /** The key of the config that a result comes from; several results of a `*` have one. */
  key: string;
  /** As the annotation shall name it: relative to the repository. */
  file: string;
  line: number;
  column: number;
}

/** GitHub shows no more of a kind for one step of a job. */
const MAX_ANNOTATIONS = 10;

/**
 * Gates that did not pass as workflow commands of GitHub Actions, one a rule, worst first, at most ten; a
 * notice with the verdict when all passed.
 * @param placeOf null where the config is not known: the annotation then has no file
 */
export function renderGithub(report: Report, placeOf: (gate: GateResult) => GatePlace | null): string {
  const undecided = report.undecided ?? 'report';
  const rules = new Map<string, { gate: GateResult; place: GatePlace | null; more: number }>();
  for (const gate of worstFirst(report.gates)) {
    if (gate.state === 'passed') continue;
    const place = placeOf(gate);
    const key = place?.key ?? gate.rule;
    const known = rules.get(key);
    if (known) known.more++;
    else rules.set(key, { gate, place, more: 0 });
  }
  const lines = [...rules.values()].slice(0, MAX_ANNOTATIONS).map(({ gate, place, more }) => {
    const others = more > 0 ? ` (and ${counted(more, 'more figure')} of this rule)` : '';
    const level = stopsPipeline(gate, undecided) ? 'error' : 'warning';
    return command(level, place, `Gate ${gateWords[gate.state].word}`, `${report.pair}: ${gate.message}${others}`);
  });
  if (lines.length > 0) return `${lines.join('\n')}\n`;
  const said = report.data.labelled === false ? report.verdict.summary : plain(verdictSentence(report));
  return `${command('notice', null, 'Backcompat', `${report.pair}: ${said}`)}\n`;
}

function command(level: 'error' | 'warning' | 'notice', place: GatePlace | null, title: string, message: string) {
  const where = place === null ? {} : { file: place.file, line: place.line, col: place.column };
  const properties = Object.entries({ ...where, title }).map(([name, value]) => `${name}=${property(String(value))}`);
  return `::${level} ${properties.join(',')}::${data(visibleText(message))}`;
}

/** A message ends at the line's end, and % begins an escape. */
function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

/** Inside a property also what separates properties. */
function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
