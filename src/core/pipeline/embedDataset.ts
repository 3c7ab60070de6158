import path from 'node:path';
import { closest, quotedList } from '../config/closest.ts';
import { splitReference } from '../config/crossCheck.ts';
import { configError, type LoadedConfig } from '../config/loadConfig.ts';
import type { DatasetDefinition, ModelCheckpointDefinition } from '../config/schema.ts';
import { BackcompatError } from '../contract/errors.ts';
import { fileSize, isFolder, openFile } from '../data/files.ts';
import type { ItemSet } from '../data/itemSet.ts';
import { loadDataset, selectPart } from '../data/loadDataset.ts';
import { NPY_MAGIC, writeNpy } from '../data/npy.ts';
import { embed, openCheckpoint } from '../models/checkpoint.ts';
import { writeFileAtomic } from '../runs/atomicFile.ts';
import type { AuditHooks } from './auditRequest.ts';
import type { NamedCheckpoint } from './namedCheckpoint.ts';

/** What is embedded with what, and where the vectors go. */
export interface EmbedRequest {
  checkpoint: NamedCheckpoint;
  dataset:
    | { kind: 'named'; name: string; part: string | null; definition: DatasetDefinition; folder: string }
    /** A folder of images, or a table of texts or images: the model decides. Absolute. */
    | { kind: 'path'; file: string; field?: string; label?: string };
  /** Absolute path of the npy file. */
  out: string;
  /** Overwrite what is no npy, or no table of labels. */
  force: boolean;
  batchSize: number | null;
  threads: number | null;
  cacheFolder: string;
}

export interface EmbedResult {
  count: number;
  dimension: number;
  /** Absolute paths. */
  vectors: string;
  labels: string;
}

/** The dataset or part of a config by its name. @throws BackcompatError `bad-config` with a suggestion */
export function namedDataset(loaded: LoadedConfig, reference: string): EmbedRequest['dataset'] {
  const [name, part] = splitReference(reference);
  const datasets = loaded.config.datasets ?? {};
  if (!Object.hasOwn(datasets, name)) {
    const suggestion = closest(name, Object.keys(datasets));
    const message = `There is no dataset ${JSON.stringify(name)} in ${loaded.file}.`;
    const known = quotedList(Object.keys(datasets));
    const remedy = suggestion ? `Did you mean ${JSON.stringify(suggestion)}?` : `There is ${known}.`;
    throw configError(loaded, ['datasets'], message, remedy);
  }
  return { kind: 'named', name, part, definition: datasets[name] as DatasetDefinition, folder: loaded.folder };
}

/**
 * Embeds a dataset into an npy file, with the ids, labels and slices of its items beside it (`<out>.csv`), so that both
 * can be audited as tables. Each file appears complete or not at all, the vectors last.
 * @throws BackcompatError `in-use` when a file would be overwritten that is no result of an embedding; see `embed`
 */
export async function embedDataset(request: EmbedRequest, { progress, signal }: AuditHooks): Promise<EmbedResult> {
  const { checkpoint: chosen, out, threads, cacheFolder } = request;
  const labels = path.join(path.dirname(out), `${path.basename(out, '.npy')}.csv`);
  if (!request.force) {
    await refuseOther(out, (head) => head.subarray(0, NPY_MAGIC.length).equals(NPY_MAGIC));
    await refuseOther(labels, (head) => /^id(,|\r?\n)/.test(head.toString('latin1')));
  }
  const { name, definition, folder } = chosen;
  progress.phase(`Loading ${name}`);
  const checkpoint = await openCheckpoint(name, definition, folder, { threads, signal });
  try {
    for (const note of checkpoint.notes) progress.log('info', `${name}: ${note}`);
    const items = await itemsOf(request.dataset, checkpoint.kind === 'table' ? null : checkpoint.encoder.takes);
    progress.phase(`Embedding ${items.name} with ${name}`);
    const batchSize = request.batchSize ?? undefined;
    const source = await embed(checkpoint, items, { cacheFolder, batchSize, progress, signal });
    try {
      progress.phase('Writing');
      await writeFileAtomic(labels, labelTable(items));
      await writeNpy(out, source);
    } finally {
      await source.close();
    }
    return { count: items.count, dimension: source.dimension, vectors: out, labels };
  } finally {
    await checkpoint.close();
  }
}

async function itemsOf(dataset: EmbedRequest['dataset'], takes: 'images' | 'texts' | null): Promise<ItemSet> {
  if (dataset.kind === 'named') {
    const items = await loadDataset(dataset.definition, dataset.name, dataset.folder);
    return selectPart(items, dataset.definition, dataset.part);
  }
  const { file, field, label } = dataset;
  const name = path.basename(file).replace(/\.[^.]*$/, '') || 'items';
  return loadDataset(definitionOf(await isFolder(file), file, takes, field, label), name, path.dirname(file));
}

function definitionOf(
  isFolder: boolean,
  file: string,
  takes: 'images' | 'texts' | null,
  field: string | undefined,
  label: string | undefined,
): DatasetDefinition {
  if (isFolder) return { images: file };
  if (takes === 'texts') return { text: file, field, label };
  return takes === 'images' ? { manifest: file, path: field, label } : { items: file, label };
}

/** Refuses to replace a file that is there and of another kind. */
async function refuseOther(file: string, isOurs: (head: Buffer) => boolean): Promise<void> {
  let bytes: number;
  try {
    bytes = await fileSize(file, 'The file');
  } catch (error) {
    if (error instanceof BackcompatError && (error.cause as { code?: string } | undefined)?.code === 'ENOENT') return;
    throw error;
  }
  const { handle } = await openFile(file, 'The file');
  try {
    const head = Buffer.alloc(Math.min(bytes, 64));
    await handle.read(head, 0, head.length, 0);
    if (isOurs(head)) return;
  } finally {
    await handle.close();
  }
  throw new BackcompatError('in-use', `${file} exists and was not written by an embedding.`, {
    place: { file },
    remedy: 'Choose another name with -o, or overwrite it with --force.',
  });
}

/** CSV (RFC 4180): id, label, slices; row i belongs to vector i. */
export function labelTable(items: ItemSet): string {
  const slices = [...items.slices].filter(([name]) => name !== 'id' && name !== 'label');
  const isLabelled = items.labelled !== false;
  const lines = [['id', ...(isLabelled ? ['label'] : []), ...slices.map(([name]) => name)].map(csvField).join(',')];
  for (let item = 0; item < items.count; item++) {
    const label = isLabelled ? [items.classNames[items.labelOf[item] as number] as string] : [];
    const row = [items.ids[item] as string, ...label, ...slices.map(([, values]) => values[item] as string)];
    lines.push(row.map(csvField).join(','));
  }
  return `${lines.join('\n')}\n`;
}

function csvField(value: string): string {
  return /[",\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** The definition of a model file that no config names. */
export function modelOfFile(
  file: string,
  settings: Omit<ModelCheckpointDefinition, 'model'>,
): EmbedRequest['checkpoint'] {
  const own = path.basename(file, path.extname(file));
  // Of `bert/onnx/model.onnx` the folder says more.
  const folders = path
    .dirname(file)
    .split(path.sep)
    .filter((folder) => folder !== 'onnx');
  const name = own === 'model' ? (folders.at(-1) ?? own) : own;
  return { name, definition: { model: file, ...settings }, folder: process.cwd() };
}
