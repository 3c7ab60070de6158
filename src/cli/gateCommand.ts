import path from 'node:path';
import { type Command, Option } from 'commander';
import { type LoadedConfig, loadConfig } from '../core/config/loadConfig.ts';
import type { Report } from '../core/contract/report.ts';
import type { RunRequest } from '../core/contract/runs.ts';
import type { AuditRequest } from '../core/pipeline/auditRequest.ts';
import { loadBaseline } from '../core/pipeline/loadBaseline.ts';
import { checkGates } from '../core/pipeline/pairDefinition.ts';
import { sourceOfPart } from '../core/pipeline/training/trainedSource.ts';
import { describeBaseline } from '../core/report/baseline.ts';
import { evaluateGates } from '../core/report/gates.ts';
import { renderGithub } from '../core/report/renderGithub.ts';
import { renderJunit } from '../core/report/renderJunit.ts';
import { renderMarkdown } from '../core/report/renderMarkdown.ts';
import { renderTextGates } from '../core/report/renderText.ts';
import { readReport } from '../core/report/reportFile.ts';
import { writeFileAtomic } from '../core/runs/atomicFile.ts';
import { findReport } from '../core/runs/listRuns.ts';
import { cacheFolder } from '../core/runs/runDirectory.ts';
import { RunReader } from '../core/runs/runReader.ts';
import { auditOfRun } from './auditCommand.ts';
import { onlyConfig } from './auditPlan.ts';
import { placeOfGate, printGates } from './gatePlaces.ts';
import { createOutput, type Output, usageError } from './output.ts';
import { checkTarget, type Format } from './renderings.ts';
import { selfTest } from './selfTest.ts';
import type { CliServices } from './services.ts';
import { silentHooks } from './silentHooks.ts';

const formats = ['text', 'json', 'md', 'junit', 'github'] as const satisfies readonly Format[];

interface GateOptions {
  selftest?: boolean;
  config?: string;
  baseline?: string;
  format: (typeof formats)[number];
  json?: boolean;
  output?: string;
  quiet?: boolean;
  debug?: boolean;
}

const help = `
Judges the report of a finished run by the gates that its config has now, without computing. A report is
stale when a checkpoint gives other vectors than then, or items, labels, pair or audit block have
changed: then every gate counts as not measured, and fails. RUN is what "backcompat report" takes.

Examples:
  backcompat gate v1-v2
  backcompat gate v1-v2 --format junit -o gates.xml
  backcompat gate v1-v2 --baseline baselines/v1-v2.compat-report.json
  backcompat gate --selftest           audit a planted good and a planted bad pair, and tell them apart

Exit status:
  0  gates passed            2  bad input or usage       3  a gate failed or was not measured
  4  a gate is undecided     1  --selftest cannot tell the pairs apart, or anything unexpected
`;

export function addGateCommand(program: Command, services: CliServices, end: (status: number) => void): void {
  program
    .command('gate')
    .description('judge a finished run again, by the gates that its config has now')
    .argument('[run]', 'a run, a report, or the name of a pair')
    .option('--selftest', 'whether gates can tell a good pair from a bad one')
    .option('--config <file>', "the config whose gates count (default: the run's)")
    .option('--baseline <file>', "a report to compare with (default: the config's)")
    .addOption(new Option('--format <name>', 'text, json, md, junit or github').choices(formats).default('text'))
    .option('--json', 'the same as --format json')
    .option('-o, --output <file>', 'write it there instead of stdout')
    .option('--quiet', 'print errors only')
    .option('--debug', 'print stack traces')
    .addHelpText('after', help)
    .action(async (run: string | undefined, options: GateOptions) => {
      end(await gate(run, options, services));
    });
}

async function gate(run: string | undefined, options: GateOptions, services: CliServices): Promise<number> {
  const output = createOutput(options);
  if (options.selftest) {
    if (run !== undefined) throw usageError('--selftest plants its own pairs and takes no run.');
    return selfTest(services, output);
  }
  if (run === undefined)
    throw usageError('Which run? Name one, or a pair, or use --selftest.', 'Example: backcompat gate v1-v2');
  const format = options.json ? 'json' : options.format;
  const target = options.output === undefined ? null : await checkGateTarget(options.output, format);
  const judged = await judge(run, options, services);
  const text = render(judged, format, target === null ? output : { ...output, width: 100, colour: false });
  if (target !== null) await writeFileAtomic(target, text);
  else if (!options.quiet) output.data(text);
  // Annotations on stdout say the same.
  if (format !== 'github') printGates(judged.report, judged.report.pair, judged.loaded, output);
  return judged.exitStatus;
}

/** JSON of gates is no report, and must not replace one. */
async function checkGateTarget(output: string, format: GateOptions['format']): Promise<string> {
  if (format === 'json') throw usageError('--json prints the gates; send it to a file with > instead of -o.');
  return checkTarget(output, format);
}

interface Judged {
  file: string;
  /** With the gates of now. */
  report: Report;
  loaded: LoadedConfig;
  stale: string[];
  exitStatus: number;
}

async function judge(run: string, options: GateOptions, services: CliServices): Promise<Judged> {
  const file = await findReport(run, process.cwd());
  const report = await readReport(file);
  const asked = await requestOfReport(file);
  const request = asked?.request ?? null;
  const loaded = await loadConfig(await configOf(request, options.config));
  checkGates(loaded, report.protocol);
  const audited = await requestOf(report, asked, loaded);
  const { baseline } = options;
  const named = await loadBaseline({
    source: { kind: 'config', file: loaded.file, pair: report.pair },
    ...(baseline === undefined ? {} : { baseline: path.resolve(baseline) }),
  });
  const stale = await services.stalenessOf(report, audited, silentHooks());
  const { gates = {}, undecided = 'report' } = loaded.config;
  const { results, exitStatus } = evaluateGates(report, gates, undecided, { baseline: named?.report ?? null, stale });
  return {
    file,
    report: { ...report, gates: results, undecided, baseline: named && describeBaseline(report, named) },
    loaded,
    stale,
    exitStatus,
  };
}

async function configOf(request: RunRequest | null, given: string | undefined): Promise<string> {
  if (given !== undefined) return path.resolve(given);
  if (request === null) return onlyConfig();
  if (request.configFile !== null) return request.configFile;
  throw usageError(
    `The run of ${request.name} compared tables without a config, so it has no gates.`,
    'Name a config with gates: --config FILE',
  );
}

interface AskedOfRun {
  request: RunRequest;
  /** Absolute. */
  directory: string;
}

/** What the run was asked whose report it is; parts of a training lie in folders of it. Null for a report alone. */
async function requestOfReport(file: string): Promise<AskedOfRun | null> {
  const own = path.dirname(path.resolve(file));
  for (const directory of [own, path.dirname(own)]) {
    const request = await new RunReader(directory).request();
    if (request !== null && (directory === own || request.kind === 'train')) return { request, directory };
  }
  return null;
}

/** What the run was asked, with the config of now; without a run, the pair as the config has it. */
async function requestOf(report: Report, asked: AskedOfRun | null, loaded: LoadedConfig): Promise<AuditRequest> {
  const source = { kind: 'config' as const, file: loaded.file, pair: report.pair };
  const plain = { source, overrides: {}, threads: null, cacheFolder: cacheFolder(loaded.folder) };
  if (asked === null) return plain;
  const { request, directory } = asked;
  if (request.kind === 'train') {
    const trained = await sourceOfPart(loaded, request.name, report.pair, directory);
    return trained === null ? plain : { ...plain, source: trained };
  }
  if (request.configFile !== null && !Object.hasOwn(loaded.config.pairs ?? {}, report.pair)) return plain;
  const job = await auditOfRun(request.arguments);
  if (job === null) return plain;
  return request.configFile === null ? job.request : { ...job.request, source };
}

function render(
  { file, report, loaded, stale, exitStatus }: Judged,
  format: GateOptions['format'],
  output: Output,
): string {
  switch (format) {
    case 'json': {
      const { pair, undecided, baseline, gates } = report;
      const judged = { report: file, config: loaded.file, pair, exitStatus, stale, undecided, baseline, gates };
      return `${JSON.stringify(judged, null, 2)}\n`;
    }
    case 'md':
      return renderMarkdown([report]);
    case 'junit':
      return renderJunit([{ report }]);
    case 'github':
      return renderGithub(report, (result) => placeOfGate(result, loaded));
    case 'text':
      return renderTextGates(report, stale, output);
  }
}
