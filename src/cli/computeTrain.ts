import path from 'node:path';
import { gatesExitStatus } from '../core/contract/findings.ts';
import { number } from '../core/contract/format.ts';
import type { TrainingRecord } from '../core/contract/training.ts';
import { writeReport } from '../core/report/reportFile.ts';
import { type ComputeOptions, computeRun, paused, writeReportFiles } from './computeRun.ts';
import type { CliServices } from './services.ts';
import type { TrainJob } from './trainPlan.ts';

/** The process that computes a training. @returns the exit status */
export async function computeTrain(
  job: TrainJob,
  services: CliServices,
  options: ComputeOptions & { saveEverySeconds: number | undefined },
): Promise<number> {
  return computeRun(job, options, async (writer) => {
    const outcome = await services.trainBlock(
      { ...job.request, directory: path.resolve(options.directory), resume: options.resume ?? false },
      {
        progress: writer.progress,
        signal: writer.signal,
        pause: writer.pause,
        event: writer.event,
        ...(options.saveEverySeconds === undefined ? {} : { saveEverySeconds: options.saveEverySeconds }),
        writeReport: (folder, report, previews) => writeReportFiles(folder, report, previews, writer, services),
      },
    );
    if (outcome.state === 'paused') return paused;
    const { report, record } = outcome;
    if (report === null) return { state: 'done', exitStatus: 0, message: trainedSentence(record) };
    if (options.json !== null) await writeReport(options.json, report);
    writer.event({ type: 'verdict', state: report.verdict.state, summary: report.verdict.summary });
    return { state: 'done', exitStatus: gatesExitStatus(report), message: report.verdict.summary };
  });
}

/** What is said of a model that nothing was compared with. */
export function trainedSentence({ name, parts, chosen, criterionMetric }: TrainingRecord): string {
  const part = parts.find(({ folder }) => folder === chosen);
  const figures = part?.epochs.find(({ epoch }) => epoch === part.resultEpoch);
  const own = figures?.newNew?.[criterionMetric];
  return own === undefined
    ? `Trained ${name}.`
    : `Trained ${name}: ${criterionMetric} ${number(own)} on held-out items, with itself.`;
}
