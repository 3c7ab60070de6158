import type { Command } from 'commander';
import { configJsonSchema } from '../core/config/schema.ts';
import { createOutput } from './output.ts';

export function addSchemaCommand(program: Command): void {
  program
    .command('schema')
    .description('print the JSON Schema of the config')
    .addHelpText('after', '\nExample:\n  backcompat schema > backcompat.schema.json\n')
    .action(() => createOutput({}).data(`${JSON.stringify(configJsonSchema(), null, 2)}\n`));
}
