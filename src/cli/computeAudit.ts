import { throwIfCancelled } from '../core/contract/errors.ts';
import { gatesExitStatus } from '../core/contract/findings.ts';
import type { ItemPreviews } from '../core/contract/report.ts';
import { writeReport } from '../core/report/reportFile.ts';
import type { AuditJob } from './auditPlan.ts';
import { type ComputeOptions, computeRun, writeReportFiles } from './computeRun.ts';
import type { CliServices } from './services.ts';

/** The process that computes an audit. @returns the exit status */
export async function computeAudit(job: AuditJob, services: CliServices, options: ComputeOptions): Promise<number> {
  return computeRun(job, options, async (writer) => {
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
    writer.progress.phase('Writing the report');
    if (options.json !== null) await writeReport(options.json, report);
    await writeReportFiles('', report, previews, writer, services);
    writer.event({ type: 'verdict', state: report.verdict.state, summary: report.verdict.summary });
    return { state: 'done', exitStatus: gatesExitStatus(report), message: report.verdict.summary };
  });
}
