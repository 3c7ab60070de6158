import path from 'node:path';
import { Command } from 'commander';
import { BackcompatError, cancelledError, exitStatusOf } from '../core/contract/errors.ts';
import type { Report } from '../core/contract/report.ts';
import { RUN_FILES } from '../core/contract/runs.ts';
import { type JunitAudit, renderJunit } from '../core/report/renderJunit.ts';
import { renderMarkdown } from '../core/report/renderMarkdown.ts';
import { renderText, renderTextSummary } from '../core/report/renderText.ts';
import { checkReportTarget, readReport, serialiseReport } from '../core/report/reportFile.ts';
import { writeFileAtomic } from '../core/runs/atomicFile.ts';
import { type AuditJob, type AuditOptions, planAudits } from './auditPlan.ts';
import { computeAudit } from './computeAudit.ts';
import { printGates } from './gatePlaces.ts';
import { addCommonOptions, addOverrideOptions } from './options.ts';
import { createOutput, errorLines, type Output, usageError } from './output.ts';
import { checkTarget } from './renderings.ts';
import type { CliServices } from './services.ts';
import { detachRun, discardFailed, followStarted, reportFailure, type StartOptions, startRun } from './startedRun.ts';

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
  const command = addAuditOptions(program.command('audit'));
  addCommonOptions(command)
    .description('measure whether new vectors can be used against an old gallery')
    .addHelpText('after', help)
    .action(async (config: string | undefined, options: AuditOptions) => {
      end(await audit(config, options, services));
    });
}

/** The audit that a run was started with, from the arguments it wrote down. @throws BackcompatError as {@link planAudits} */
export async function auditOfRun(args: readonly string[]): Promise<AuditJob | null> {
  const command = addAuditOptions(new Command().exitOverride().allowExcessArguments().allowUnknownOption());
  command.parse(args.slice(1), { from: 'user' });
  const [job] = await planAudits(command.args[0], command.opts<AuditOptions>());
  return job ?? null;
}

function addAuditOptions(command: Command): Command {
  command
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
  return command
    .option('--out <dir>', "the run's directory; of several pairs one folder each (default: below .backcompat/runs)")
    .option('--json <file>', 'write the report there; - is stdout')
    .option('--baseline <file>', "a report to compare with (default: the config's)")
    .option('--junit <file>', 'write the gates there as JUnit XML, a suite a pair')
    .option('--markdown <file>', 'write the reports there as a comment for a pull request')
    .option('--full', 'print long tables too: slices, versions, partial backfill, ...')
    .option('--detach', 'print the directory of the run and leave it running')
    .addOption(command.createOption('--run-directory <dir>').hideHelp());
}

async function audit(config: string | undefined, options: AuditOptions, services: CliServices): Promise<number> {
  const json = options.json === undefined || options.json === '-' ? null : path.resolve(options.json);
  const output = createOutput({ ...options, dataOnStdout: options.json === '-' });
  if (options.detach && options.json === '-') {
    throw usageError('--detach prints the directory of the run, so --json cannot print the report.');
  }
  if (options.detach && (options.junit ?? options.markdown) !== undefined) {
    throw usageError('--detach leaves before there is a report, so --junit and --markdown have nothing to write.');
  }
  const jobs = await planAudits(config, options);
  if (json !== null) await checkReportTarget(json);
  if (options.junit !== undefined) await checkTarget(options.junit, 'junit');
  if (options.markdown !== undefined) await checkTarget(options.markdown, 'md');
  const [first] = jobs;
  if (options.runDirectory !== undefined && first) {
    const directory = path.resolve(options.runDirectory);
    // Its end is written; nothing that a native library still holds may keep the process.
    process.exit(await computeAudit(first, services, { directory, json, debug: options.debug ?? false }));
  }
  if (options.detach && first) return detachRun(first, startOptions(options, json), output);
  return auditAll(jobs, options, json, output, options.full ? 'full' : 'report');
}

/** Which status several audits end with: the gravest. */
const gravestFirst = [130, 1, 2, 3, 4];

/** How much is printed of each report. */
type Detail = 'full' | 'report' | 'verdict';

type RunOptions = Pick<AuditOptions, 'threads' | 'debug' | 'json' | 'junit' | 'markdown'>;

/**
 * Runs audits one after the other, printing each report; then writes the files for pipelines.
 * @returns the gravest exit status; a cancelled audit ends the rest
 */
export async function auditAll(
  jobs: readonly AuditJob[],
  options: RunOptions,
  json: string | null,
  output: Output,
  detail: Detail,
): Promise<number> {
  const ended: EndedAudit[] = [];
  for (const [index, job] of jobs.entries()) {
    if (jobs.length > 1 && index > 0) output.text('\n');
    const audited = await auditOne(job, options, json, output, detail);
    ended.push(audited);
    if (audited.status === 130) break;
  }
  const outcomes = ended.map(({ outcome }) => outcome);
  if (options.junit !== undefined) await writeFileAtomic(path.resolve(options.junit), renderJunit(outcomes));
  if (options.markdown !== undefined) {
    const reports = outcomes.flatMap((outcome) => ('report' in outcome ? outcome.report : []));
    await writeFileAtomic(path.resolve(options.markdown), renderMarkdown(reports));
  }
  return gravestFirst.find((status) => ended.some((audited) => audited.status === status)) ?? 0;
}

function startOptions({ threads, debug }: RunOptions, json: string | null): StartOptions {
  return { threads: threads ?? null, debug: debug ?? false, json, resume: null };
}

interface EndedAudit {
  status: number;
  outcome: JunitAudit;
}

async function auditOne(
  job: AuditJob,
  options: RunOptions,
  json: string | null,
  output: Output,
  detail: Detail,
): Promise<EndedAudit> {
  const failed = (status: number, error: string): EndedAudit => ({ status, outcome: { name: job.name, error } });
  try {
    const started = await startRun(job, startOptions(options, json));
    const { place, summary, cancelled } = await followStarted(started, output);
    if (cancelled) {
      if (summary === null) await discardFailed(place);
      throw cancelledError();
    }
    if (summary.state !== 'done' || summary.report === null) {
      if (summary.state === 'cancelled') throw cancelledError();
      return failed(await reportFailure(place, summary, output), summary.message ?? 'failed');
    }
    const report = await readReport(summary.report);
    print(report, summary.report, output, detail);
    if (options.json === '-') output.data(serialiseReport(report));
    const { configFile: file, configText: text } = job;
    printGates(report, job.name, file === null || text === null ? null : { file, text }, output);
    return { status: summary.exitStatus ?? 0, outcome: { report } };
  } catch (error) {
    if (!(error instanceof BackcompatError)) throw error;
    output.note(errorLines(error, output.debug).join('\n'));
    return failed(exitStatusOf[error.code], error.message);
  }
}

function print(report: Report, file: string, output: Output, detail: Detail): void {
  const { width, colour } = output;
  const shown = { width, colour, full: detail === 'full' };
  output.text(`${detail === 'verdict' ? renderTextSummary(report, shown) : renderText(report, shown)}\n`);
  output.text(`Report: ${file}\nHTML:   ${path.join(path.dirname(file), RUN_FILES.html)}\n`);
}
