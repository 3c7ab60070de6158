import { Command, CommanderError } from 'commander';
import { asBackcompatError, exitStatusOf } from '../core/contract/errors.ts';
import { VERSION } from '../core/contract/version.ts';
import { addAdaptCommand } from './adaptCommand.ts';
import { addAuditCommand } from './auditCommand.ts';
import { addCompareCommand } from './compareCommand.ts';
import { addDemoCommand } from './demoCommand.ts';
import { addEmbedCommand } from './embedCommand.ts';
import { addGateCommand } from './gateCommand.ts';
import { addInspectCommand } from './inspectCommand.ts';
import { errorLines } from './output.ts';
import { addReportCommand } from './reportCommand.ts';
import { addRuntimeCommand } from './runtimeCommand.ts';
import { addSchemaCommand } from './schemaCommand.ts';
import type { CliServices } from './services.ts';
import { addSessionsCommand } from './sessionsCommand.ts';
import { addTrainCommand } from './trainCommand.ts';

const introduction = `Can I ship the new embedding model without re-embedding the gallery?`;

/**
 * The command line. Prints errors itself.
 * @param args without node and script
 * @returns the exit status
 */
export async function runCli(args: readonly string[], services: CliServices): Promise<number> {
  let status = 0;
  const end = (value: number) => {
    status = value;
  };
  const program = new Command('backcompat')
    .description(introduction)
    .version(VERSION)
    .configureHelp({ helpWidth: 100 })
    .addHelpText('after', '\nExample:\n  backcompat demo          a sample with real images and two verdicts\n')
    .showHelpAfterError('Add --help for what it takes.')
    // Settings are inherited by commands made after them.
    .exitOverride()
    // `sessions` and `sessions plan` have options of one name: each takes those that follow it.
    .enablePositionalOptions();
  addAuditCommand(program, services, end);
  addTrainCommand(program, services, end);
  addSessionsCommand(program, services, end);
  addEmbedCommand(program);
  addAdaptCommand(program);
  addInspectCommand(program);
  addReportCommand(program, services);
  addCompareCommand(program);
  addGateCommand(program, services, end);
  addSchemaCommand(program);
  addDemoCommand(program, services, end);
  addRuntimeCommand(program);
  if (args.length === 0) {
    program.outputHelp({ error: true });
    return exitStatusOf.usage;
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    // Commander has printed what was wrong; --help and --version come here with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitStatusOf.usage;
    const known = asBackcompatError(error);
    process.stderr.write(`${errorLines(known, args.includes('--debug')).join('\n')}\n`);
    return exitStatusOf[known.code];
  }
}
