import path from 'node:path';
import type { Command } from 'commander';
import { readRecord } from '../core/pipeline/training/trainingRecord.ts';
import { checkReportTarget, readReport, serialiseReport } from '../core/report/reportFile.ts';
import { requestPause } from '../core/runs/runDirectory.ts';
import { computeTrain } from './computeTrain.ts';
import { printGates } from './gatePlaces.ts';
import { createOutput, type Output, shownPath, usageError } from './output.ts';
import type { CliServices } from './services.ts';
import { detachRun, followResumable, type StartOptions } from './startedRun.ts';
import { addTrainOptions, findTrainingRun, planTrain, type TrainJob, type TrainOptions } from './trainPlan.ts';
import { trainSummary } from './trainSummary.ts';

const help = `
Trains a block of the config's "training", audits the result, and writes both into the run's directory. A run
that was paused, cancelled or killed goes on where it stood with --resume, and ends with the same weights.

Examples:
  backcompat train                                the only block of ./backcompat.json
  backcompat train my.compat.json --name v2-bct   one of several
  backcompat train --pause v2-bct                 from another terminal: write the state and end
  backcompat train --resume v2-bct                go on

Exit status:
  0  done, gates passed; or paused     1  the run failed       2  bad input or usage
  3  a gate failed                     4  a gate is undecided  130  cancelled
`;

export function addTrainCommand(program: Command, services: CliServices, end: (status: number) => void): void {
  addTrainOptions(program.command('train'))
    .description('train a model that stays compatible with an old one, and audit it')
    .addHelpText('after', help)
    .action(async (config: string | undefined, options: TrainOptions) => {
      end(await train(config, options, services));
    });
}

async function train(config: string | undefined, options: TrainOptions, services: CliServices): Promise<number> {
  const output = createOutput({ ...options, dataOnStdout: options.json === '-' });
  if (options.pause !== undefined) return pause(options.pause, output);
  if (options.detach && options.json === '-') {
    throw usageError('--detach prints the directory of the run, so --json cannot print the report.');
  }
  const json = options.json === undefined || options.json === '-' ? null : path.resolve(options.json);
  const job = await planTrain(config, options);
  if (json !== null) await checkReportTarget(json);
  if (options.runDirectory !== undefined) {
    const { runDirectory, debug = false, goOn: resume = false, saveEvery: saveEverySeconds } = options;
    const directory = path.resolve(runDirectory);
    // Its end is written; nothing that a native library still holds may keep the process.
    process.exit(await computeTrain(job, services, { directory, json, debug, resume, saveEverySeconds }));
  }
  const start = { threads: options.threads ?? null, debug: options.debug ?? false, json, resume: job.resume };
  if (options.detach) return detachRun(job, start, output);
  return trainOne(job, start, options, output);
}

async function pause(run: string, output: Output): Promise<number> {
  const { directory, id, state } = await findTrainingRun(run, process.cwd());
  if (state !== 'running') throw usageError(`The run ${id} is not running, it is ${state}.`);
  await requestPause(directory);
  output.text(`Asked ${id} to pause. Go on with: backcompat train --resume ${shownPath(directory)}\n`);
  return 0;
}

/** Starts a training and follows it to its end, printing what came out. @returns the exit status */
export async function trainOne(
  job: TrainJob,
  start: StartOptions,
  { json, full = false }: Pick<TrainOptions, 'json' | 'full'>,
  output: Output,
): Promise<number> {
  const { directory, record, report: file, exitStatus } = await followResumable(job, start, readRecord, output);
  if (record === null) return exitStatus;
  const report = file === null ? null : await readReport(file);
  output.text(await trainSummary(directory, record, report, output, full));
  if (report !== null) {
    if (json === '-') output.data(serialiseReport(report));
    const { configFile: file, configText: text } = job;
    printGates(report, job.name, file === null || text === null ? null : { file, text }, output);
  }
  return exitStatus;
}
