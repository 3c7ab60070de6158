import path from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../core/config/loadConfig.ts';
import { planText } from '../core/continual/planFile.ts';
import { previewText } from '../core/continual/planPreview.ts';
import { visibleText } from '../core/contract/format.ts';
import { planBlock } from '../core/pipeline/sessions/sessionsPlan.ts';
import { writeFileAtomic } from '../core/runs/atomicFile.ts';
import { onlyConfig } from './auditPlan.ts';
import { addCommonOptions } from './options.ts';
import { createOutput, shownPath } from './output.ts';
import { runSessionsCommand, type SessionsOptions } from './runSessionsCommand.ts';
import type { CliServices } from './services.ts';

interface PlanOptions {
  name?: string;
  json?: string;
  quiet?: boolean;
  debug?: boolean;
}

const help = `
Shows how many items of which classes each session of a block of the config's "sessions" brings. Nothing is trained.

Examples:
  backcompat sessions plan                                    the only block of ./backcompat.json
  backcompat sessions plan my.compat.json --name monthly --json plan.json
`;

const runHelp = `
Runs all methods of a block of the config's "sessions", session by session. A run that was cancelled or killed goes
on where it stood with --resume, and ends with the same files.

Examples:
  backcompat sessions                             the only block of ./backcompat.json
  backcompat sessions my.compat.json --name monthly --json sessions.json
  backcompat sessions --resume .backcompat/runs/20261124-031500-123-sessions-monthly
  backcompat sessions plan                        what each session brings; nothing is trained
`;

export function addSessionsCommand(program: Command, services: CliServices, end: (status: number) => void): void {
  const command = addCommonOptions(program.command('sessions'))
    .description('train session by session, and measure what old galleries lose')
    .argument('[config]', 'a config (default: backcompat.json in this folder)')
    .option('--name <block>', 'block of "sessions" (default: the only one)')
    .option('--resume <run>', 'go on with a run: its directory or id')
    .option('--json <file>', 'write the record of the run there; - is stdout')
    .addHelpText('after', runHelp);
  command
    .addOption(command.createOption('--run-directory <dir>').hideHelp())
    .addOption(command.createOption('--go-on').hideHelp())
    .addOption(command.createOption('--save-every <seconds>').argParser(Number).hideHelp())
    .action(async (config: string | undefined, options: SessionsOptions) => {
      end(await runSessionsCommand(config, options, services));
    });
  command
    .command('plan')
    .description('show what each session brings, and export it')
    .argument('[config]', 'config file (default: backcompat.json in this folder)')
    .option('--name <block>', 'block of "sessions" (default: the only one)')
    .option('--json <file>', 'write the plan with the ids of its items; - prints it')
    .option('-q, --quiet', 'no preview')
    .option('--debug', 'print stack traces')
    .addHelpText('after', help)
    .action(async (config: string | undefined, options: PlanOptions) => {
      const output = createOutput({ ...options, dataOnStdout: options.json === '-' });
      const loaded = await loadConfig(path.resolve(config ?? (await onlyConfig())));
      const { plan, previews } = await planBlock(loaded, options.name ?? null);
      output.text(previewText(plan, previews).split('\n').map(visibleText).join('\n'));
      if (options.json === '-') output.data(planText(plan));
      else if (options.json !== undefined) {
        await writeFileAtomic(path.resolve(options.json), planText(plan));
        output.text(`Plan: ${shownPath(path.resolve(options.json))}\n`);
      }
    });
}
