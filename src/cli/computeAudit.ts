import { asBackcompatError, exitStatusOf, isCancellation, throwIfCancelled } from '../core/contract/errors.ts';
import { gatesExitStatus } from '../core/contract/findings.ts';
import { type ItemPreviews, REPORT_FILE_NAME, type Report } from '../core/contract/report.ts';
import { RUN_FILES } from '../core/contract/runs.ts';
import { TOOL } from '../core/contract/version.ts';
import { renderHtml } from '../core/report/renderHtml.ts';
import { serialiseReport, writeReport } from '../core/report/reportFile.ts';
import { createRun, type RunWriter } from '../core/runs/createRun.ts';
import { readPageAssets } from './assets.ts';
import type { AuditJob } from './auditPlan.ts';
import { errorLines } from './output.ts';
import type { CliServices } from './services.ts';

export interface ComputeOptions {
  directory: string;
  /** Where else the report goes; null: nowhere. */
  json: string | null;
  debug: boolean;
}

/**
 * The process that computes: does the work and writes everything into the run's directory. What it
 * prints is the run's log; whoever started it reads the directory.
 * @returns the exit status
 */
export async function computeAudit(job: AuditJob, services: CliServices, options: ComputeOptions): Promise<number> {
  const writer = await createRun({
    place: { directory: options.directory },
    kind: 'audit',
    name: job.name,
    configFile: job.configFile,
    configText: job.configText,
    arguments: job.arguments,
    tool: TOOL,
  });
  const cancel = () => writer.cancel();
  process.on('SIGINT', cancel);
  process.on('SIGTERM', cancel);
  // A closed window ends whoever follows the run, not the run.
  process.on('SIGHUP', () => undefined);
  // What escapes every promise still gets a last word; a defect, so with its stack.
  process.once('uncaughtException', (error) => process.exit(fail(writer, error, true)));
  try {
    let previews: ItemPreviews = {};
    const report = await services.auditPair(job.request, {
      progress: writer.progress,
      signal: writer.signal,
      previews: (made) => {
        previews = made;
      },
    });
    await writer.progress.breathe();
    throwIfCancelled(writer.signal);
    await writeResults(report, previews, writer, services, options);
    const exitStatus = gatesExitStatus(report);
    writer.event({ type: 'verdict', state: report.verdict.state, summary: report.verdict.summary });
    writer.finish('done', { exitStatus, message: report.verdict.summary });
    return exitStatus;
  } catch (error) {
    return fail(writer, error, options.debug);
  }
}

async function writeResults(
  report: Report,
  previews: ItemPreviews,
  writer: RunWriter,
  services: CliServices,
  { json }: ComputeOptions,
): Promise<void> {
  writer.progress.phase('Writing the report');
  if (json !== null) await writeReport(json, report);
  if (Object.keys(previews).length > 0) await writer.writeFile(RUN_FILES.previews, JSON.stringify(previews));
  await writer.writeFile(RUN_FILES.html, renderHtml(report, await readPageAssets(services.assets), previews));
  // Last: where a report is, everything is.
  await writer.writeFile(REPORT_FILE_NAME, serialiseReport(report));
}

function fail(writer: RunWriter, thrown: unknown, debug: boolean): number {
  const error = asBackcompatError(thrown);
  const exitStatus = exitStatusOf[error.code];
  const { message, remedy, place } = error;
  process.stderr.write(`${errorLines(error, debug || error.code === 'internal').join('\n')}\n`);
  try {
    writer.finish(isCancellation(error) ? 'cancelled' : 'failed', { exitStatus, message, remedy, place });
  } catch (cause) {
    // A full disk: the run then reads as stopped.
    process.stderr.write(`the run's end could not be written: ${cause}\n`);
  }
  return exitStatus;
}
