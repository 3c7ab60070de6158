import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { positionOf } from '../core/config/checkConfig.ts';
import { gateWords } from '../core/contract/findings.ts';
import type { GateResult, Report } from '../core/contract/report.ts';
import type { GatePlace } from '../core/report/renderGithub.ts';
import { type Output, problemLines } from './output.ts';

/** A config as it is now. */
export interface ConfigText {
  /** Absolute. */
  file: string;
  text: string;
}

/** The config's text; null when it is gone or there is none. */
export async function readConfigText(file: string | null): Promise<ConfigText | null> {
  if (file === null) return null;
  const text = await readFile(file, 'utf8').catch(() => null);
  return text === null ? null : { file, text };
}

/** Where the rule of a result stands, for annotations: the path as the repository has it. */
export function placeOfGate(gate: GateResult, { file, text }: ConfigText): GatePlace {
  const key = ruleInConfig(gate, text);
  const root = process.env.GITHUB_WORKSPACE || process.cwd();
  const relative = path.relative(root, file);
  const below = relative !== '' && !relative.startsWith('..') && !path.isAbsolute(relative);
  const shown = below ? relative : file;
  return { key, file: shown.split(path.sep).join('/'), ...positionOf(text, ['gates', key]) };
}

/** Gates that did not pass, a line each, at their place in the config: the editor lists them as problems. */
export function printGates(report: Report, name: string, config: ConfigText | null, output: Output): void {
  if (config === null) return;
  for (const gate of report.gates) {
    if (gate.state === 'passed') continue;
    const place = { file: config.file, ...positionOf(config.text, ['gates', ruleInConfig(gate, config.text)]) };
    const severity = gate.severity === 'warn' || gate.state === 'undecided' ? 'warning' : 'error';
    const message = `${name}: ${gate.message}`;
    output.note(
      problemLines({ code: `gate ${gateWords[gate.state].word}`, message, place, remedy: null }, severity).join('\n'),
    );
  }
}

/** The key a result comes from: itself, or one whose stars fit it. */
function ruleInConfig({ rule }: GateResult, text: string): string {
  if (text.includes(JSON.stringify(rule))) return rule;
  const keys = [...text.matchAll(/"((?:[^"\\\n]|\\.)*\*(?:[^"\\\n]|\\.)*)"\s*:/g)].map((match) => match[1] ?? '');
  const fits = (key: string) => {
    const pattern = key
      .split('*')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.+');
    return new RegExp(`^${pattern}$`).test(rule);
  };
  return keys.find(fits) ?? rule;
}
