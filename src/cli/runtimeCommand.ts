import { Argument, type Command } from 'commander';
import { BackcompatError, isCancellation } from '../core/contract/errors.ts';
import { INSTALL_COMMAND } from '../core/engine/tfjsRuntime.ts';
import type { TfjsStatus } from '../core/engine/tfjsStatus.ts';
import { installTfjs, removeTfjs } from '../core/runtime/installTfjs.ts';
import { ProgramError, runProgram } from '../core/runtime/runProgram.ts';
import { createOutput, shownPath } from './output.ts';
import { underSignals } from './underSignals.ts';

interface RuntimeOptions {
  force?: boolean;
  json?: boolean;
  quiet?: boolean;
  debug?: boolean;
}

const help = `
The runtime is @tensorflow/tfjs-node. Models of TensorFlow.js are audited without it, in WebAssembly; it
is faster, and only it trains them. npm installs it where TensorFlow can be downloaded; elsewhere, on Linux
on x64, it is made from the package registries of npm and Python alone, with the compiler g++ (half a minute,
190 MB to download, 700 MB on the disk).

Examples:
  ${INSTALL_COMMAND}
  backcompat runtime status --json
`;

export function addRuntimeCommand(program: Command): void {
  const runtime = program
    .command('runtime')
    .description('install, show or remove the native runtime of TensorFlow.js models')
    .addHelpText('after', help);
  const what = () => new Argument('<name>', 'the runtime').choices(['tfjs']);
  runtime
    .command('install')
    .description('install it into the cache folder of this user')
    .addArgument(what())
    .option('--force', 'install it anew although it is there')
    .option('--quiet', 'print errors only')
    .option('--debug', 'print stack traces')
    .action(async (_name: string, options: RuntimeOptions) => {
      const output = createOutput(options);
      const { folder, isNew } = await underSignals(output, (given) =>
        installTfjs({ ...given, isForced: options.force ?? false, check }),
      );
      output.text(`The TensorFlow.js runtime ${isNew ? 'is installed' : 'was installed already'}: ${folder}\n`);
    });
  runtime
    .command('status')
    .description('load it and train one step')
    .option('--json', 'print it as JSON')
    .action(async (options: RuntimeOptions) => {
      const output = createOutput(options);
      // Native libraries are loaded by the process that computes.
      const { tfjsStatus } = await import('../core/engine/tfjsStatus.ts');
      const status = await tfjsStatus();
      if (options.json) output.data(`${JSON.stringify(status, null, 2)}\n`);
      else output.text(`${statusLines(status).join('\n')}\n`);
    });
  runtime
    .command('remove')
    .description('remove what install has installed')
    .addArgument(what())
    .option('--quiet', 'print errors only')
    .action(async (_name: string, options: RuntimeOptions) => {
      const output = createOutput(options);
      const folder = await underSignals(output, removeTfjs);
      output.text(folder === null ? 'Nothing is installed.\n' : `Removed ${folder}\n`);
    });
}

function statusLines({ native, backend, complaint }: TfjsStatus): string[] {
  if (native !== null) {
    return [
      `@tensorflow/tfjs-node ${native.version} runs and trains models of TensorFlow.js.`,
      `  ${shownPath(native.file)}`,
    ];
  }
  return [
    ...(complaint === null ? [] : [complaint]),
    `Models of TensorFlow.js are audited (backend ${backend}), but cannot be trained.`,
    `  ${INSTALL_COMMAND} installs the runtime that trains them.`,
  ];
}

/** A process of its own tries it: a library that does not fit the machine ends whoever loads it. */
async function check(cacheHome: string | null, signal: AbortSignal | undefined): Promise<string | null> {
  const args = [process.argv[1] as string, 'runtime', 'status', '--json'];
  const env = cacheHome === null ? process.env : { ...process.env, XDG_CACHE_HOME: cacheHome };
  let text: string;
  try {
    text = await runProgram(process.execPath, args, { folder: process.cwd(), env, signal });
  } catch (error) {
    if (isCancellation(error)) throw error;
    if (error instanceof ProgramError) return `fails on this machine: ${error.message} (${error.reason})`;
    throw error;
  }
  try {
    const { native, complaint } = JSON.parse(text.slice(text.indexOf('{'))) as TfjsStatus;
    return native === null ? `does not load: ${complaint ?? 'it is not found'}` : null;
  } catch (cause) {
    throw new BackcompatError('internal', `The runtime's status is not JSON: ${text.slice(0, 200)}`, { cause });
  }
}
