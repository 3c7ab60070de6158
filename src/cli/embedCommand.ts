import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Command, Option } from 'commander';
import { type LoadedConfig, loadConfig } from '../core/config/loadConfig.ts';
import type { ModelCheckpointDefinition } from '../core/config/schema.ts';
import { BackcompatError } from '../core/contract/errors.ts';
import { type EmbedRequest, embedDataset, modelOfFile, namedDataset } from '../core/pipeline/embedDataset.ts';
import { namedCheckpoint } from '../core/pipeline/namedCheckpoint.ts';
import { cacheFolder } from '../core/runs/runDirectory.ts';
import { addCommonOptions, type CommonOptions, positiveInteger } from './options.ts';
import { createOutput, shownPath, usageError } from './output.ts';
import { underSignals } from './underSignals.ts';

const help = `
Examples:
  backcompat embed models/v2.onnx photos/ -o v2.npy      class folders of images
  backcompat embed models/bert/onnx/model.onnx titles.jsonl --field title --label sku -o titles.npy
  backcompat embed v2 digits/query -o queries.npy        names of ./backcompat.json

Beside v2.npy lies v2.csv with id, label and slices of the rows, so that both can be audited:
  backcompat audit --old v1.npy --new v2.npy --labels v2.csv
`;

interface EmbedCommandOptions extends CommonOptions {
  out: string;
  config?: string;
  output?: string;
  preprocess?: string;
  tokenizer?: string;
  pooling?: 'mean' | 'cls';
  maxTokens?: number;
  field?: string;
  label?: string;
  batchSize?: number;
  force?: boolean;
}

export function addEmbedCommand(program: Command): void {
  const command = program
    .command('embed')
    .description('write the vectors that a model gives the items of a dataset')
    .argument('<checkpoint>', 'a model file (ONNX, model.json of TensorFlow.js), or a name of the config')
    .argument('<dataset>', 'a folder of images, a table of texts or of paths, or a name of the config')
    .requiredOption('-o, --out <file>', 'npy file of the vectors; labels go beside it as CSV')
    .option('--config <file>', 'config with the names (default: backcompat.json in this folder)')
    .option('--output <name>', 'output of the model that holds the embedding')
    .option('--preprocess <file>', 'preprocessor_config.json for the images (default: the one beside the model)')
    .option('--tokenizer <file>', 'tokenizer.json for the texts (default: the one beside the model or above)')
    .addOption(new Option('--pooling <way>', 'how vectors of tokens become one').choices(['mean', 'cls']))
    .option('--max-tokens <n>', 'cut texts after so many tokens', positiveInteger)
    .option('--field <column>', 'column of the texts, or of the paths of images (default: text or path)')
    .option('--label <column>', 'column of the labels (default: label)')
    .option('--batch-size <n>', 'items a run of the model', positiveInteger)
    .option('--force', 'overwrite files of another kind');
  addCommonOptions(command)
    .addHelpText('after', help)
    .action(async (checkpoint: string, dataset: string, options: EmbedCommandOptions) => {
      await runEmbed(checkpoint, dataset, options);
    });
}

async function runEmbed(checkpoint: string, dataset: string, options: EmbedCommandOptions): Promise<void> {
  if (!/\.npy$/i.test(options.out))
    throw usageError(`-o ${options.out} does not end in .npy.`, 'Vectors are written as npy.');
  const output = createOutput(options);
  const request = await planEmbed(checkpoint, dataset, options);
  const { count, dimension, vectors, labels } = await underSignals(output, (given) => embedDataset(request, given));
  output.text(`${shownPath(vectors)}: ${count.toLocaleString('en')} vectors of ${dimension}\n`);
  output.text(`${shownPath(labels)}: their ids and labels\n`);
}

async function planEmbed(checkpoint: string, dataset: string, options: EmbedCommandOptions): Promise<EmbedRequest> {
  const { config, field, label, output, preprocess, tokenizer, pooling, maxTokens } = options;
  const isFile = { checkpoint: config === undefined && existsSync(checkpoint), dataset: existsSync(dataset) };
  let loaded: LoadedConfig | null = null;
  const configOf = async (name: string): Promise<LoadedConfig> => {
    loaded ??= await loadConfig(path.resolve(config ?? 'backcompat.json')).catch((error: unknown) => {
      if (config !== undefined || !(error instanceof BackcompatError) || error.code !== 'not-found') throw error;
      throw new BackcompatError('not-found', `${name} does not exist, and there is no backcompat.json here.`, {
        place: { file: path.resolve(name) },
        remedy: 'Check the path, or name the config with --config.',
      });
    });
    return loaded;
  };
  const absolute = (file: string | undefined) => (file === undefined ? undefined : path.resolve(file));
  const settings: Omit<ModelCheckpointDefinition, 'model'> = {
    output,
    preprocess: absolute(preprocess),
    tokenizer: absolute(tokenizer),
    pooling,
    maxTokens,
  };
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  if (!isFile.checkpoint && given.length > 0) {
    const names = given.map(([name]) => `--${name === 'maxTokens' ? 'max-tokens' : name}`).join(', ');
    throw usageError(`${names}: of a checkpoint that a config names, the config says it.`);
  }
  const named = isFile.checkpoint ? null : await namedCheckpoint(await configOf(checkpoint), checkpoint);
  // With --config a name goes before a folder that happens to be called so.
  const datasets = config === undefined ? {} : ((await configOf(dataset)).config.datasets ?? {});
  const isName = !isFile.dataset || Object.hasOwn(datasets, dataset.split('/')[0] as string);
  if (isName && (field !== undefined || label !== undefined)) {
    throw usageError('--field and --label: of a dataset that a config names, the config says them.');
  }
  return {
    checkpoint: named ?? modelOfFile(path.resolve(checkpoint), settings),
    dataset: isName
      ? namedDataset(await configOf(dataset), dataset)
      : { kind: 'path', file: path.resolve(dataset), field, label },
    out: path.resolve(options.out),
    force: options.force ?? false,
    batchSize: options.batchSize ?? null,
    threads: options.threads ?? null,
    cacheFolder: cacheFolder(loaded === null ? process.cwd() : (loaded as LoadedConfig).folder),
  };
}
