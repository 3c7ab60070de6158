import path from 'node:path';
import { type Command, Option } from 'commander';
import { findPairs, loadConfig } from '../core/config/loadConfig.ts';
import { counted } from '../core/contract/format.ts';
import { type AdapterKind, adapterKinds } from '../core/contract/report.ts';
import { adaptPair } from '../core/pipeline/adaptPair.ts';
import { renderText } from '../core/report/renderText.ts';
import { writeReport } from '../core/report/reportFile.ts';
import { cacheFolder } from '../core/runs/runDirectory.ts';
import { onlyConfig } from './auditPlan.ts';
import { addCommonOptions, type CommonOptions, wholeNumber } from './options.ts';
import { createOutput, shownPath, usageError } from './output.ts';
import { underSignals } from './underSignals.ts';

const help = `
The adapter maps vectors of the new model into the old one's space. It is fitted on items that both models have seen; nothing is
retrained. With --data it is fitted on those items and judged on the pair's; without, on all items of the pair, and judged by two
others of its kind, each on the half that it was not fitted on.

Kinds:
  procrustes   a rotation (semi-orthogonal where the lengths differ): keeps what the new model has learnt
  linear       ridge regression, its strength chosen on items held out
  mlp          a small residual network on top of the better of both

Examples:
  backcompat adapt --pair v1-v2 --kind linear -o adapter.onnx
  backcompat adapt --pair v1-v2 --data digits/train -o adapter.onnx --append v2-adapted.onnx

Then audit with it ("adapterFile": "adapter.onnx" in the pair), or name v2-adapted.onnx as the new checkpoint.
`;

interface AdaptCommandOptions extends CommonOptions {
  pair?: string;
  kind: AdapterKind;
  data?: string;
  out: string;
  append?: string;
  json?: string;
  seed?: number;
  full?: boolean;
  force?: boolean;
}

export function addAdaptCommand(program: Command): void {
  const command = program
    .command('adapt')
    .description('fit an adapter from the new space to the old one, save it, and audit what it gives')
    .argument('[config]', 'config with the pair (default: the one in this folder)')
    .option('--pair <name>', 'pair to adapt (default: the only one)')
    .addOption(new Option('--kind <kind>', 'what is fitted').choices(adapterKinds).default('linear'))
    .option('--data <dataset>', 'items to fit on, of the config: "dataset" or "dataset/part"')
    .requiredOption('-o, --out <file>', 'ONNX file of the adapter')
    .option('--append <file>', 'also write the new checkpoint with the adapter behind it')
    .option('--json <file>', 'write the report of the audit')
    .option('--seed <n>', 'seed of every random choice', wholeNumber)
    .option('--full', 'print long tables, too')
    .option('--force', 'overwrite files that are there');
  addCommonOptions(command)
    .addHelpText('after', help)
    .action(async (config: string | undefined, options: AdaptCommandOptions) => {
      await runAdapt(config, options);
    });
}

async function runAdapt(config: string | undefined, options: AdaptCommandOptions): Promise<void> {
  const { out, append } = options;
  for (const file of [out, append]) {
    if (file === undefined || /\.onnx$/i.test(file)) continue;
    throw usageError(`${file} does not end in .onnx.`, 'Adapters and checkpoints with one are written as ONNX.');
  }
  const file = path.resolve(config ?? (await onlyConfig()));
  const loaded = await loadConfig(file);
  const pairs = findPairs(loaded, options.pair ?? null).map(({ name }) => name);
  if (pairs.length > 1) throw usageError('adapt takes one pair.', `Add --pair; the pairs are ${pairs.join(', ')}.`);
  const output = createOutput(options);
  const request = {
    config: file,
    pair: pairs[0] as string,
    kind: options.kind,
    data: options.data ?? null,
    out: path.resolve(out),
    append: append === undefined ? null : path.resolve(append),
    force: options.force ?? false,
    overrides: options.seed === undefined ? {} : { seed: options.seed },
    threads: options.threads ?? null,
    cacheFolder: cacheFolder(loaded.folder),
  };
  const result = await underSignals(output, (given) => adaptPair(request, given));
  const { report, description, items, shared } = result;
  if (options.json !== undefined) await writeReport(path.resolve(options.json), report);
  output.text(renderText(report, { width: output.width, colour: output.colour, full: options.full ?? false }));
  output.text(`\n${shownPath(path.resolve(out))}: ${description}, fitted on ${counted(items, 'item')}\n`);
  if (options.data === undefined) {
    output.text('  judged above by two others of its kind, each on the half of the items that it was not fitted on\n');
  }
  if (shared > 0) {
    output.note(
      `warning: ${counted(shared, 'item')} of the pair ${shared === 1 ? 'is' : 'are'} in ${options.data}, too: the audit flatters the adapter.`,
    );
  }
  if (append !== undefined) output.text(`${shownPath(path.resolve(append))}: the new checkpoint with it behind\n`);
}
