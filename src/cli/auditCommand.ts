import path from 'node:path';
import type { Command } from 'commander';
import { positionOf } from '../core/config/checkConfig.ts';
import { BackcompatError, cancelledError, exitStatusOf } from '../core/contract/errors.ts';
import { gateWords } from '../core/contract/findings.ts';
import type { GateResult, Report } from '../core/contract/report.ts';
import { RUN_FILES } from '../core/contract/runs.ts';
import { renderText, renderTextSummary } from '../core/report/renderText.ts';
import { checkReportTarget, readReport, serialiseReport } from '../core/report/reportFile.ts';
import { type AuditJob, type AuditOptions, planAudits } from './auditPlan.ts';
import { computeAudit } from './computeAudit.ts';
import { awaitStart, diedError, discardFailed, followAudit, logTail, startAudit } from './followAudit.ts';
import { addCommonOptions, addOverrideOptions } from './options.ts';
import { createOutput, errorLines, type Output, problemLines, usageError } from './output.ts';
import type { CliServices } from './services.ts';

const help = `
Examples:
  backcompat audit                                   every pair of ./backcompat.json
  backcompat audit my.compat.json --pair v1-v2       one pair
  backcompat audit --old v1.npy --new v2.npy --labels items.csv
                                                     two tables of the same items, leave-one-out
  backcompat audit --old g1.npy --labels gallery.csv \\
    --query-old q1.npy --query-new q2.npy --query-labels queries.csv
                                                     queries against a gallery that only v1 has seen
  backcompat audit --old v1.parquet --new v2.parquet ids and labels are columns beside the vectors
  backcompat audit --old 'both.npz#old' --new 'both.npz#new'
                                                     FILE#NAME picks an array, or a column of vectors

Exit status:
  0  done, gates passed      1  the run failed           2  bad input or usage
  3  a gate failed           4  a gate is undecided      130  cancelled
`;

export function addAuditCommand(program: Command, services: CliServices, end: (status: number) => void): void {
  const command = program
    .command('audit')
    .description('measure whether new vectors can be used against an old gallery')
    .argument('[config]', 'a config (default: backcompat.json in this folder)')
    .option('--pair <name>', 'one pair of the config (default: all)')
    .option(
      '--old <file>',
      'vectors of the gallery, old model (without a config): npy, npz, safetensors, parquet, csv, tsv, jsonl',
    )
    .option('--new <file>', 'vectors of the gallery, new model')
    .option(
      '--labels <file>',
      'labels of the gallery: csv, tsv, jsonl, parquet (default: what the vector files hold themselves)',
    )
    .option('--query-old <file>', 'vectors of the queries, old model')
    .option('--query-new <file>', 'vectors of the queries, new model')
    .option('--query-labels <file>', 'labels of the queries (default: as --labels)');
  addOverrideOptions(command);
  command
    .option('--out <dir>', "the run's directory; of several pairs one folder each (default: below .backcompat/runs)")
    .option('--json <file>', 'write the report there; - is stdout')
    .option('--baseline <file>', "a report to compare with (default: the config's)")
    .option('--detach', 'print the directory of the run and leave it running');
  addCommonOptions(command)
    .addOption(command.createOption('--run-directory <dir>').hideHelp())
    .addHelpText('after', help)
    .action(async (config: string | undefined, options: AuditOptions) => {
      end(await audit(config, options, services));
    });
}

async function audit(config: string | undefined, options: AuditOptions, services: CliServices): Promise<number> {
  const json = options.json === undefined || options.json === '-' ? null : path.resolve(options.json);
  const output = createOutput({ ...options, dataOnStdout: options.json === '-' });
  if (options.detach && options.json === '-') {
    throw usageError('--detach prints the directory of the run, so --json cannot print the report.');
  }
  const jobs = await planAudits(config, options);
  if (json !== null) await checkReportTarget(json);
  const [first] = jobs;
  if (options.runDirectory !== undefined && first) {
    const directory = path.resolve(options.runDirectory);
    // Its end is written; nothing that a native library still holds may keep the process.
    process.exit(await computeAudit(first, services, { directory, json, debug: options.debug ?? false }));
  }
  if (options.detach && first) return detach(first, options, json, output);
  return auditAll(jobs, options, json, output, 'full');
}

async function detach(job: AuditJob, options: AuditOptions, json: string | null, output: Output): Promise<number> {
  const started = await startAudit(job, { threads: options.threads ?? null, debug: options.debug ?? false, json });
  const summary = await awaitStart(started);
  if (summary === null) {
    const error = diedError(started.place, started.child);
    await discardFailed(started.place);
    throw error;
  }
  started.child.unref();
  output.data(`${started.place.directory}\n`);
  return 0;
}

/** Which status several audits end with: the gravest. */
const gravestFirst = [130, 1, 2, 3, 4];

/**
 * Runs audits one after the other, printing each report.
 * @param detail whole reports, or their verdicts only
 * @returns the gravest exit status; a cancelled audit ends the rest
 */
export async function auditAll(
  jobs: readonly AuditJob[],
  options: Pick<AuditOptions, 'threads' | 'debug' | 'json'>,
  json: string | null,
  output: Output,
  detail: 'full' | 'verdict',
): Promise<number> {
  const statuses: number[] = [];
  for (const [index, job] of jobs.entries()) {
    if (jobs.length > 1 && index > 0) output.text('\n');
    const status = await auditOne(job, options, json, output, detail);
    statuses.push(status);
    if (status === 130) break;
  }
  return gravestFirst.find((status) => statuses.includes(status)) ?? 0;
}

async function auditOne(
  job: AuditJob,
  options: Pick<AuditOptions, 'threads' | 'debug' | 'json'>,
  json: string | null,
  output: Output,
  detail: 'full' | 'verdict',
): Promise<number> {
  try {
    const started = await startAudit(job, { threads: options.threads ?? null, debug: options.debug ?? false, json });
    const { place, summary, cancelled } = await followAudit(started, output);
    if (cancelled) {
      if (summary === null) await discardFailed(place);
      throw cancelledError();
    }
    if (summary.state !== 'done' || summary.report === null) {
      const exitStatus = summary.exitStatus ?? 1;
      if (summary.state === 'cancelled') throw cancelledError();
      const { message, remedy } = summary;
      const lines = problemLines({
        code: 'audit',
        message: message ?? 'The run failed without saying why.',
        place: summary.place ?? {},
        remedy,
      });
      output.note(lines.join('\n'));
      // Bad input leaves nothing behind; other failures leave a directory to look into.
      if (exitStatus === 2 && !options.debug) await discardFailed(place);
      else output.note(`  log: ${path.join(place.directory, RUN_FILES.log)}`);
      if (options.debug) output.note(logTail(place.directory));
      return exitStatus;
    }
    const report = await readReport(summary.report);
    print(report, summary.report, output, detail);
    if (options.json === '-') output.data(serialiseReport(report));
    printGates(report, job, output);
    return summary.exitStatus ?? 0;
  } catch (error) {
    if (!(error instanceof BackcompatError)) throw error;
    output.note(errorLines(error, output.debug).join('\n'));
    return exitStatusOf[error.code];
  }
}

function print(report: Report, file: string, output: Output, detail: 'full' | 'verdict'): void {
  const { width, colour } = output;
  const text = detail === 'full' ? renderText(report, { width, colour }) : renderTextSummary(report, { width, colour });
  output.text(`${text}\n`);
  output.text(`Report: ${file}\nHTML:   ${path.join(path.dirname(file), RUN_FILES.html)}\n`);
}

/** Gates that did not pass, a line each, at their place in the config: the editor lists them as problems. */
function printGates(report: Report, job: AuditJob, output: Output): void {
  const { configFile, configText } = job;
  if (configFile === null || configText === null) return;
  for (const gate of report.gates) {
    if (gate.state === 'passed') continue;
    const place = { file: configFile, ...positionOf(configText, ['gates', ruleInConfig(gate, job)]) };
    const severity = gate.severity === 'warn' || gate.state === 'undecided' ? 'warning' : 'error';
    const message = `${job.name}: ${gate.message}`;
    output.note(
      problemLines({ code: `gate ${gateWords[gate.state].word}`, message, place, remedy: null }, severity).join('\n'),
    );
  }
}

/** The key a result comes from: itself, or one whose stars fit it. */
function ruleInConfig({ rule }: GateResult, { configText }: AuditJob): string {
  const text = configText ?? '';
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
