import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { loadConfig } from '../core/config/loadConfig.ts';
import { makeSample, type Sample } from '../core/pipeline/sample.ts';
import { reusableRun } from '../core/pipeline/training/reusableRun.ts';
import { readRecord } from '../core/pipeline/training/trainingRecord.ts';
import { readReport } from '../core/report/reportFile.ts';
import { addCommonOptions, type CommonOptions } from './options.ts';
import { createOutput, type Output, shownPath } from './output.ts';
import type { CliServices } from './services.ts';
import { trainOne } from './trainCommand.ts';
import { planTrain } from './trainPlan.ts';
import { trainSummary } from './trainSummary.ts';

const DEFAULT_FOLDER = 'backcompat-demo';

interface DemoOptions extends CommonOptions {
  /** False with --no-train. */
  train: boolean;
}

export function addDemoCommand(program: Command, services: CliServices, end: (status: number) => void): void {
  const command = program
    .command('demo')
    .description('make a sample workspace with real images, train its three models, and audit them')
    .argument('[folder]', `where (default: ${DEFAULT_FOLDER}); an existing sample is used again`)
    .option('--no-train', 'make the workspace only');
  addCommonOptions(command)
    .addHelpText('after', '\nExample:\n  backcompat demo ~/backcompat-demo\n')
    .action(async (folder: string | undefined, options: DemoOptions) => {
      end(await demo(folder ?? DEFAULT_FOLDER, options, services));
    });
}

const roles: Readonly<Record<string, string>> = {
  v1: 'The old model: it fills the gallery, and was trained on the digits 0 to 4 only.',
  'v2-independent': 'A better one, trained on all digits without a thought for the old one.',
  'v2-compatible': 'The same, trained to be compatible with the old one (BCT).',
};

async function demo(folder: string, options: DemoOptions, services: CliServices): Promise<number> {
  const output = createOutput(options);
  const sample = await makeSample(folder, fileURLToPath(new URL('sample/', services.assets)));
  const shown = shownPath(path.dirname(sample.configFile));
  output.text(`${sample.reused ? 'The sample workspace is' : 'Made a sample workspace:'} ${shown}\n`);
  if (!options.train) return 0;
  const status = await trainAll(sample, options, output);
  if (status !== 130) {
    output.text(`\nWhole reports: open the HTML files, or run: cd ${shown} && npx backcompat report v2-compatible\n`);
  }
  return status;
}

/** Each block, from its last run where training it again would give the same. @returns the first status that is not 0 */
async function trainAll({ configFile, blocks }: Sample, options: DemoOptions, output: Output): Promise<number> {
  for (const name of blocks) {
    output.text(`\n${name}. ${roles[name] ?? ''}\n\n`);
    const before = await reusableRun(await loadConfig(configFile), name);
    const record = before && (await readRecord(before.directory));
    if (before !== null && record !== null) {
      const report = before.report === null ? null : await readReport(before.report);
      output.text(await trainSummary(before.directory, record, report, output, false));
      output.text('(Trained before.)\n');
      continue;
    }
    const job = await planTrain(configFile, { name, threads: options.threads });
    const start = { threads: options.threads ?? null, debug: options.debug ?? false, json: null, resume: null };
    const status = await trainOne(job, start, {}, output);
    if (status !== 0) return status;
  }
  return 0;
}
