import path from 'node:path';
import { asBackcompatError, exitStatusOf, isCancellation } from '../core/contract/errors.ts';
import { type ItemPreviews, REPORT_FILE_NAME, type Report } from '../core/contract/report.ts';
import { RUN_FILES } from '../core/contract/runs.ts';
import { TOOL } from '../core/contract/version.ts';
import { renderHtml } from '../core/report/renderHtml.ts';
import { serialiseReport } from '../core/report/reportFile.ts';
import { createRun, type RunWriter } from '../core/runs/createRun.ts';
import { readPageAssets } from './assets.ts';
import { errorLines } from './output.ts';
import type { CliServices } from './services.ts';
import type { RunJob } from './startedRun.ts';

export interface ComputeOptions {
  directory: string;
  /** Where else the report goes; null: nowhere. */
  json: string | null;
  debug: boolean;
  /** Goes on with the run that the directory holds. */
  resume?: boolean;
}

/** How a run ended that did not fail. */
export interface RunEnd {
  state: 'done' | 'paused';
  exitStatus: number;
  message: string;
}

/** How a run ends that was asked to pause. */
export const paused: RunEnd = { state: 'paused', exitStatus: 0, message: 'Paused; it can be resumed where it stands.' };

/**
 * The process that computes: does the work and writes everything into the run's directory. What it
 * prints is the run's log; whoever started it reads the directory.
 * @returns the exit status
 */
export async function computeRun(
  job: RunJob,
  options: ComputeOptions,
  work: (writer: RunWriter) => Promise<RunEnd>,
): Promise<number> {
  const writer = await createRun({
    place: { directory: options.directory },
    kind: job.kind,
    name: job.name,
    configFile: job.configFile,
    configText: job.configText,
    arguments: job.arguments,
    tool: TOOL,
    resume: options.resume ?? false,
  });
  const cancel = () => writer.cancel();
  process.on('SIGINT', cancel);
  process.on('SIGTERM', cancel);
  // A closed window ends whoever follows the run, not the run.
  process.on('SIGHUP', () => undefined);
  // What escapes every promise still gets a last word; a defect, so with its stack.
  process.once('uncaughtException', (error) => process.exit(fail(writer, error, true)));
  try {
    const { state, exitStatus, message } = await work(writer);
    writer.finish(state, { exitStatus, message });
    return exitStatus;
  } catch (error) {
    return fail(writer, error, options.debug);
  }
}

/**
 * Writes a report into a folder of the run: as a page, and last as data. Where a report is, everything is.
 * @param folder below the run's directory, '' for the directory itself
 */
export async function writeReportFiles(
  folder: string,
  report: Report,
  previews: ItemPreviews,
  writer: RunWriter,
  services: CliServices,
): Promise<void> {
  const file = (name: string) => path.join(folder, name);
  if (Object.keys(previews).length > 0) await writer.writeFile(file(RUN_FILES.previews), JSON.stringify(previews));
  await writer.writeFile(file(RUN_FILES.html), renderHtml(report, await readPageAssets(services.assets), previews));
  await writer.writeFile(file(REPORT_FILE_NAME), serialiseReport(report));
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
