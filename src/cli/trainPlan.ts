import path from 'node:path';
import { Command } from 'commander';
import { loadConfig } from '../core/config/loadConfig.ts';
import { BackcompatError } from '../core/contract/errors.ts';
import type { RunSummary } from '../core/contract/runs.ts';
import { findTraining } from '../core/pipeline/training/trainingPlan.ts';
import type { TrainRequest } from '../core/pipeline/training/trainRequest.ts';
import { listRuns, resolveRun } from '../core/runs/listRuns.ts';
import { cacheFolder } from '../core/runs/runDirectory.ts';
import { RunReader } from '../core/runs/runReader.ts';
import { onlyConfig } from './auditPlan.ts';
import { addCommonOptions, type CommonOptions, wholeNumber } from './options.ts';
import { usageError } from './output.ts';
import type { RunJob } from './startedRun.ts';

export interface TrainOptions extends CommonOptions {
  name?: string;
  resume?: string;
  pause?: string;
  seed?: number;
  out?: string;
  json?: string;
  full?: boolean;
  detach?: boolean;
  /** Of the process that computes: the directory that was made for it, and whether it holds a run to go on with. */
  runDirectory?: string;
  goOn?: boolean;
  /** Seconds between states. */
  saveEvery?: number;
}

/** One training to be run. */
export interface TrainJob extends RunJob {
  kind: 'train';
  request: Omit<TrainRequest, 'directory' | 'resume'>;
  /** Absolute directory of the run to go on with; null: a new run. */
  resume: string | null;
}

export function addTrainOptions(command: Command): Command {
  command
    .argument('[config]', 'a config (default: backcompat.json in this folder)')
    .option('--name <name>', 'the training block (default: the only one)')
    .option(
      '--resume <run>',
      'go on with a run: its directory, its id, or the name of the block, whose latest run it is',
    )
    .option('--pause <run>', 'ask a running training to write its state and end; --resume goes on with it')
    .option('--seed <n>', 'seed of every random choice', wholeNumber)
    .option('--out <dir>', "the run's directory (default: below .backcompat/runs)")
    .option('--json <file>', 'write the report of the result there; - is stdout')
    .option('--full', 'print long tables of the report too')
    .option('--detach', 'print the directory of the run and leave it running')
    .addOption(command.createOption('--run-directory <dir>').hideHelp())
    .addOption(command.createOption('--go-on').hideHelp())
    .addOption(command.createOption('--save-every <seconds>').argParser(Number).hideHelp());
  return addCommonOptions(command);
}

/**
 * What a command line asks for: a new run of a block, or going on with one.
 * @throws BackcompatError `usage`, `not-found`, or what is wrong with the config
 */
export async function planTrain(config: string | undefined, options: TrainOptions): Promise<TrainJob> {
  if (options.resume !== undefined) return planResume(config, options, options.resume);
  const file = path.resolve(config ?? (await onlyConfig()));
  const loaded = await loadConfig(file);
  const { name } = findTraining(loaded, options.name ?? null);
  const { seed, threads } = options;
  return {
    kind: 'train',
    name,
    request: {
      configFile: file,
      name,
      overrides: seed === undefined ? {} : { seed },
      threads: threads ?? null,
      cacheFolder: cacheFolder(loaded.folder),
    },
    baseFolder: loaded.folder,
    out: options.out === undefined ? null : path.resolve(options.out),
    configFile: file,
    configText: loaded.text,
    arguments: ['train', file, '--name', name, ...(seed === undefined ? [] : ['--seed', String(seed)])],
    resume: null,
  };
}

async function planResume(config: string | undefined, options: TrainOptions, run: string): Promise<TrainJob> {
  const given = [
    ['--name', options.name],
    ['--seed', options.seed],
    ['--out', options.out],
    ['a config', config],
  ].filter(([, value]) => value !== undefined);
  if (given.length > 0) {
    throw usageError(`A run goes on as it began: --resume takes no ${given.map(([what]) => what).join(', ')}.`);
  }
  const summary = await findTrainingRun(run, process.cwd());
  if (summary.state === 'done') {
    throw usageError(`The run ${summary.id} is finished.`, 'Start a new one without --resume.');
  }
  const request = await new RunReader(summary.directory).request();
  const job = await trainingOfRun(request?.arguments ?? []);
  const { threads } = options;
  return { ...job, request: { ...job.request, threads: threads ?? null }, resume: summary.directory };
}

/** The training that a run was started with, from the arguments it wrote down. */
export async function trainingOfRun(args: readonly string[]): Promise<TrainJob> {
  const command = addTrainOptions(new Command().exitOverride().allowExcessArguments().allowUnknownOption());
  command.parse(args.slice(1), { from: 'user' });
  return planTrain(command.args[0], command.opts<TrainOptions>());
}

/**
 * A run of training by its directory, its id, or the name of its block, whose latest run it is, finished or not.
 * @throws BackcompatError `not-found`; `usage` for a run of another kind
 */
export async function findTrainingRun(nameOrPath: string, baseFolder: string): Promise<RunSummary> {
  const trainings = (await listRuns(baseFolder)).filter(({ kind }) => kind === 'train');
  const named = trainings.find(({ name }) => name === nameOrPath);
  if (named !== undefined) return named;
  const found = await resolveRun(nameOrPath, baseFolder);
  if (found.kind === 'train') return found;
  throw new BackcompatError('usage', `The run ${found.id} is no training but ${found.kind}.`, {
    place: { file: found.directory },
    remedy: 'Name a run that "backcompat train" started.',
  });
}
