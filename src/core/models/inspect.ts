import { stat } from 'node:fs/promises';
import path from 'node:path';
import { quotedList } from '../config/closest.ts';
import { BackcompatError, isCancellation } from '../contract/errors.ts';
import { notFound, openFile } from '../data/files.ts';
import { readIdxHeader } from '../data/idx.ts';
import { isImageName, readImageFolder } from '../data/imageFolder.ts';
import type { ItemSet } from '../data/itemSet.ts';
import { readLabelTable } from '../data/labelTable.ts';
import { NPY_MAGIC, openNpy } from '../data/npy.ts';
import { bytesText, type InspectedKind, type Inspection } from './inspection.ts';
import { inspectOnnx, inspectTfjs } from './inspectModel.ts';

export type { InspectedKind, Inspection } from './inspection.ts';

/**
 * Finds out from its content what a file or folder is. Files that are damaged are described, not thrown:
 * `audit.reason` says what is wrong.
 * @throws BackcompatError `not-found`
 */
export async function inspect(file: string): Promise<Inspection> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(file)).isDirectory();
  } catch (cause) {
    throw notFound(file, 'The file', cause);
  }
  if (isFolder) return guarded(blank(file, 'image-folder', 'Folder', null), inspectFolder);
  const { handle, size } = await openFile(file, 'The file');
  const head = Buffer.alloc(Math.min(size, 4096));
  try {
    await handle.read(head, 0, head.length, 0);
  } finally {
    await handle.close();
  }
  const { kind, format, look } = recognise(file, head, size);
  return guarded(blank(file, kind, format, size), look);
}

type Look = (inspection: Inspection) => Promise<void> | void;

function blank(file: string, kind: InspectedKind, format: string, bytes: number | null): Inspection {
  const audit = { possible: false, as: null, reason: null, remedy: null };
  return {
    path: file,
    kind,
    format,
    bytes,
    facts: [],
    dimension: null,
    count: null,
    classNames: null,
    audit,
    notes: [],
  };
}

async function guarded(inspection: Inspection, look: Look): Promise<Inspection> {
  try {
    await look(inspection);
  } catch (error) {
    if (!(error instanceof BackcompatError) || isCancellation(error) || error.code === 'internal') throw error;
    inspection.audit = { possible: false, as: inspection.audit.as, reason: error.message, remedy: error.remedy };
  }
  return inspection;
}

/** A file that is known but not read. */
function unread(reason: string, remedy: string): Look {
  return (inspection) => {
    inspection.audit = { possible: false, as: null, reason, remedy };
  };
}

interface Recognised {
  kind: InspectedKind;
  format: string;
  look: Look;
}

function recognise(file: string, head: Buffer, size: number): Recognised {
  const extension = path.extname(file).toLowerCase();
  const startsWith = (...bytes: number[]): boolean => bytes.every((byte, index) => head[index] === byte);
  const text = head.toString('latin1');
  const toNpy = 'Save the vectors as npy: np.save("file.npy", vectors.astype(np.float32)).';

  if (size === 0) return { kind: 'other', format: 'Empty file', look: unread('The file is empty.', 'Copy it again.') };
  if (head.subarray(0, 6).equals(NPY_MAGIC)) return { kind: 'npy', format: 'NumPy array (npy)', look: inspectNpy };
  if (startsWith(0, 0, 8, 3)) return { kind: 'idx-images', format: 'IDX images', look: inspectIdxImages };
  if (startsWith(0, 0, 8, 1)) return { kind: 'idx-labels', format: 'IDX labels', look: inspectIdxLabels };
  if (startsWith(0x1f, 0x8b)) {
    return {
      kind: 'other',
      format: 'gzip archive',
      look: unread('Packed files are not read.', 'Unpack it: gunzip FILE.'),
    };
  }
  if (text.startsWith('PK\x03\x04')) {
    return text.includes('.npy')
      ? { kind: 'npz', format: 'NumPy archive (npz)', look: unread('npz is not readable yet.', toNpy) }
      : {
          kind: 'pytorch',
          format: 'zip archive, perhaps a PyTorch checkpoint',
          look: unread('It cannot be run here.', 'Export the model: torch.onnx.export(model, example, "model.onnx").'),
        };
  }
  if (startsWith(0x80) && extension !== '.onnx' && /\.(pt|pth|pkl|bin|ckpt)$/.test(extension)) {
    return {
      kind: 'pytorch',
      format: 'Python pickle',
      look: unread('Pickles run code when they are loaded, so they are not.', 'Export the model to ONNX.'),
    };
  }
  if (text.startsWith('PAR1')) {
    return { kind: 'parquet', format: 'Parquet table', look: unread('Parquet is not readable yet.', toNpy) };
  }
  if (isSafetensors(head, size)) {
    return { kind: 'safetensors', format: 'safetensors', look: unread('safetensors is not readable yet.', toNpy) };
  }
  if (/^\uFEFF?\s*[{/]/.test(head.toString('utf8')) && extension === '.json') {
    if (/"modelTopology"|"weightsManifest"|"(graph|layers)-model"/.test(text)) {
      return { kind: 'tfjs', format: 'TensorFlow.js model', look: inspectTfjs };
    }
    const look: Look = (inspection) => {
      inspection.audit = { possible: true, as: 'config', reason: 'Its pairs are audited.', remedy: null };
    };
    if (/"(pairs|checkpoints|datasets)"/.test(text)) return { kind: 'config', format: 'Backcompat config', look };
  }
  if (extension === '.csv') return { kind: 'labels', format: 'CSV', look: inspectLabels };
  if (isImageName(file)) {
    const look = unread('One image is no dataset.', 'Give the folder that holds a folder of images for each class.');
    return { kind: 'image', format: 'Image', look };
  }
  // Field 1 (IR version, varint) opens nearly every ONNX file; there is no magic.
  if (extension === '.onnx' || startsWith(0x08)) return { kind: 'onnx', format: 'ONNX model', look: inspectOnnx };
  return {
    kind: 'other',
    format: 'Unknown',
    look: unread(
      'The format is not recognised.',
      'Readable are models of ONNX and TensorFlow.js, npy vectors, CSV labels, IDX files and folders of images.',
    ),
  };
}

/** Eight bytes of header length, then JSON. */
function isSafetensors(head: Buffer, size: number): boolean {
  if (head.length < 10) return false;
  const length = head.readBigUInt64LE(0);
  return length > 1n && length < BigInt(size) && head[8] === 0x7b && (head[9] === 0x22 || head[9] === 0x7d);
}

async function inspectNpy(inspection: Inspection): Promise<void> {
  inspection.audit.as = 'vectors';
  const source = await openNpy(inspection.path);
  try {
    inspection.count = source.count;
    inspection.dimension = source.dimension;
    inspection.facts.push(
      { name: 'vectors', value: source.count.toLocaleString('en') },
      { name: 'dimension', value: String(source.dimension) },
    );
    // The whole file is not read; its beginning says most.
    const rows = Math.min(source.count, Math.max(1, Math.floor(2 ** 18 / source.dimension)));
    const block = new Float32Array(rows * source.dimension);
    await source.read(0, rows, block);
    const unit = areUnit(block, source.dimension);
    inspection.facts.push({ name: 'length', value: unit ? 'all 1 (normalised)' : 'not normalised' });
    if (rows < source.count)
      inspection.notes.push(`Values of the first ${rows.toLocaleString('en')} rows were looked at.`);
  } finally {
    await source.close();
  }
  const reason = 'It needs a label file: a CSV whose row i belongs to vector i.';
  inspection.audit = { possible: true, as: 'vectors', reason, remedy: null };
}

function areUnit(values: Float32Array, dimension: number): boolean {
  for (let start = 0; start < values.length; start += dimension) {
    let sum = 0;
    for (let i = start; i < start + dimension; i++) sum += (values[i] as number) ** 2;
    if (Math.abs(Math.sqrt(sum) - 1) > 1e-3) return false;
  }
  return true;
}

function describeItems(inspection: Inspection, items: ItemSet): void {
  inspection.count = items.count;
  inspection.classNames = [...items.classNames];
  inspection.facts.push(
    { name: 'items', value: items.count.toLocaleString('en') },
    { name: 'classes', value: `${items.classNames.length}: ${quotedList(items.classNames, 10)}` },
  );
  if (items.slices.size > 0) inspection.facts.push({ name: 'slices', value: [...items.slices.keys()].join(', ') });
  if (items.classNames.length < 2) {
    inspection.audit.reason = 'All items have the same label: nothing can be told apart.';
    inspection.audit.remedy = 'Give items of at least two classes.';
    inspection.audit.possible = false;
  }
}

async function inspectLabels(inspection: Inspection): Promise<void> {
  inspection.audit.as = 'labels';
  const items = await readLabelTable(inspection.path, { name: inspection.path, idPrefix: 'row' });
  const reason = 'It needs vectors: an npy file with one row for each of its rows.';
  inspection.audit = { possible: true, as: 'labels', reason, remedy: null };
  inspection.facts.push({
    name: 'ids',
    value: items.rowFile === undefined ? 'column "id"' : 'none; rows are numbered',
  });
  describeItems(inspection, items);
}

async function inspectFolder(inspection: Inspection): Promise<void> {
  inspection.audit.as = 'dataset';
  const items = await readImageFolder(inspection.path, path.basename(path.resolve(inspection.path)));
  inspection.format = 'Class folders of images';
  inspection.audit = { possible: true, as: 'dataset', reason: null, remedy: null };
  describeItems(inspection, items);
}

async function inspectIdxImages(inspection: Inspection): Promise<void> {
  inspection.audit.as = 'dataset';
  const { shape } = await readIdxHeader(inspection.path, 3);
  const [count, height, width] = shape as [number, number, number];
  inspection.count = count;
  inspection.facts.push(
    { name: 'images', value: count.toLocaleString('en') },
    { name: 'size', value: `${height} x ${width}, grey` },
  );
  inspection.audit = { possible: true, as: 'dataset', reason: 'It needs the IDX file of its labels.', remedy: null };
}

async function inspectIdxLabels(inspection: Inspection): Promise<void> {
  inspection.audit.as = 'dataset';
  const { shape } = await readIdxHeader(inspection.path, 1);
  inspection.count = shape[0] as number;
  inspection.facts.push({ name: 'labels', value: (shape[0] as number).toLocaleString('en') });
  inspection.audit = { possible: true, as: 'dataset', reason: 'It needs the IDX file of its images.', remedy: null };
}

/** The inspection as lines of text. */
export function inspectionLines(inspection: Inspection): string[] {
  const { audit } = inspection;
  const size = inspection.bytes === null ? '' : `, ${bytesText(inspection.bytes)}`;
  const widest = Math.max(0, ...inspection.facts.map(({ name }) => name.length));
  const part = {
    checkpoint: 'a checkpoint',
    vectors: 'vectors',
    labels: 'labels',
    dataset: 'a dataset',
    config: 'a config',
  };
  const lines = [`${inspection.path}: ${inspection.format}${size}`];
  for (const { name, value } of inspection.facts) lines.push(`  ${name.padEnd(widest)}  ${value}`);
  for (const note of inspection.notes) lines.push(`  ${note}`);
  if (audit.possible && audit.as !== null) {
    lines.push(`  Can be audited as ${part[audit.as]}.${audit.reason === null ? '' : ` ${audit.reason}`}`);
  } else {
    lines.push(`  Cannot be audited${audit.reason === null ? '.' : `: ${audit.reason}`}`);
    if (audit.remedy !== null) lines.push(`  ${audit.remedy}`);
  }
  return lines;
}
