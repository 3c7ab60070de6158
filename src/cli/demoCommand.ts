import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { makeSample } from '../core/pipeline/sample.ts';
import { auditAll } from './auditCommand.ts';
import { planAudits } from './auditPlan.ts';
import { addCommonOptions, type CommonOptions } from './options.ts';
import { createOutput, shownPath } from './output.ts';
import type { CliServices } from './services.ts';

const DEFAULT_FOLDER = 'backcompat-demo';

interface DemoOptions extends CommonOptions {
  /** False with --no-audit. */
  audit: boolean;
}

export function addDemoCommand(program: Command, services: CliServices, end: (status: number) => void): void {
  const command = program
    .command('demo')
    .description('make a sample workspace with real images, and audit its two pairs')
    .argument('[folder]', `where (default: ${DEFAULT_FOLDER}); an existing sample is used again`)
    .option('--no-audit', 'make the workspace only');
  addCommonOptions(command)
    .addHelpText('after', '\nExample:\n  backcompat demo ~/backcompat-demo\n')
    .action(async (folder: string | undefined, options: DemoOptions) => {
      end(await demo(folder ?? DEFAULT_FOLDER, options, services));
    });
}

async function demo(folder: string, options: DemoOptions, services: CliServices): Promise<number> {
  const output = createOutput(options);
  const sample = await makeSample(folder, fileURLToPath(new URL('sample/', services.assets)));
  const shown = shownPath(path.dirname(sample.configFile));
  output.text(`${sample.reused ? 'The sample workspace is' : 'Made a sample workspace:'} ${shown}\n`);
  if (!options.audit) return 0;
  output.text('One old model, two candidates to replace it; its gallery stays as it is.\n\n');
  const jobs = await planAudits(sample.configFile, { threads: options.threads });
  const status = await auditAll(jobs, options, null, output, 'verdict');
  if (status !== 130)
    output.text(
      `\nWhole reports: open the HTML files, or run: cd ${shown} && npx backcompat report ${sample.pairs[1]}\n`,
    );
  return status;
}
