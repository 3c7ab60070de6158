import type { Command } from 'commander';
import { visibleText } from '../core/contract/format.ts';
import { inspect, inspectionLines } from '../core/models/inspect.ts';
import { createOutput } from './output.ts';

interface InspectOptions {
  json?: boolean;
  debug?: boolean;
}

export function addInspectCommand(program: Command): void {
  program
    .command('inspect')
    .description('say what a file or folder is, and whether an audit or a training can use it')
    .argument('<file>', 'a model, a table, labels, or a folder of images')
    .option('--json', 'print it as JSON')
    .option('--debug', 'print stack traces')
    .addHelpText('after', '\nExample:\n  backcompat inspect models/v2.onnx\n')
    .action(async (file: string, options: InspectOptions) => {
      const output = createOutput(options);
      const inspection = await inspect(file);
      if (options.json) output.data(`${JSON.stringify(inspection, null, 2)}\n`);
      else output.text(`${inspectionLines(inspection).map(visibleText).join('\n')}\n`);
    });
}
