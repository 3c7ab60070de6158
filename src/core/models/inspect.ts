import { stat } from 'node:fs/promises';
import path from 'node:path';
import { BackcompatError, isCancellation } from '../contract/errors.ts';
import { bytesText } from '../contract/format.ts';
import { notFound, openFile } from '../data/files.ts';
import { readIdxHeader } from '../data/idx.ts';
import { isImageName, readImageFolder } from '../data/imageFolder.ts';
import { NPY_MAGIC } from '../data/npy.ts';
import { rowFormatOfName, rowFormatWords } from '../data/rowTable.ts';
import { isSafetensors } from '../data/vectorTable.ts';
import type { InspectedKind, Inspection } from './inspection.ts';
import { inspectOnnx, inspectTfjs } from './inspectModel.ts';
import { describeItems, inspectArchive, inspectNpy, inspectRows } from './inspectTables.ts';

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
    training: null,
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
      ? { kind: 'npz', format: 'NumPy archive (npz)', look: inspectArchive }
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
  if (text.startsWith('PAR1')) return { kind: 'parquet', format: 'Parquet', look: inspectRows };
  if (isSafetensors(head, size)) return { kind: 'safetensors', format: 'safetensors', look: inspectArchive };
  if (/^\uFEFF?\s*[{/]/.test(head.toString('utf8')) && extension === '.json') {
    if (/"modelTopology"|"weightsManifest"|"(graph|layers)-model"/.test(text)) {
      return { kind: 'tfjs', format: 'TensorFlow.js model', look: inspectTfjs };
    }
    const look: Look = (inspection) => {
      inspection.audit = { possible: true, as: 'config', reason: 'Its pairs are audited.', remedy: null };
    };
    if (/"(pairs|checkpoints|datasets)"/.test(text)) return { kind: 'config', format: 'Backcompat config', look };
  }
  const rows = rowFormatOfName(file);
  if (rows !== null) return { kind: 'labels', format: rowFormatWords[rows], look: inspectRows };
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
      'Readable are models of ONNX and TensorFlow.js, vectors and labels (npy, npz, safetensors, Parquet, CSV, TSV, JSON Lines), IDX files and folders of images.',
    ),
  };
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
  const { audit, training } = inspection;
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
  if (training !== null) {
    const reason = training.reason === null ? '' : `: ${training.reason}`;
    lines.push(`  ${training.possible ? 'Can' : 'Cannot'} be trained${reason === '' ? '.' : reason}`);
    if (training.remedy !== null) lines.push(`  ${training.remedy}`);
  }
  return lines;
}
