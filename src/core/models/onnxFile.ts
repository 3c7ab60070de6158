import path from 'node:path';
import { BackcompatError } from '../contract/errors.ts';
import { fileSize } from '../data/files.ts';
import { insideFolder } from '../data/insideFolder.ts';
import { readOnnxModel } from '../engine/onnxModel.ts';
import {
  type ModelProto,
  TensorProto_DataLocation,
  TensorProto_DataType,
  type ValueInfoProto,
} from '../engine/proto/onnx_pb.js';
import type { Signature } from '../engine/session.ts';
import { bytesOfTensor, checkTensors, externalPlace, tensorsOfModel, wrongSize } from './onnxTensors.ts';

/** What an ONNX file says about itself; nothing was run. */
export interface OnnxFile {
  bytes: number;
  /** "ai.onnx 20", one a domain. */
  opsets: string[];
  /** "pytorch 2.15.0"; empty when the exporter does not say. */
  producer: string;
  /** Without those that are weights. */
  inputs: Signature[];
  outputs: Signature[];
  nodes: number;
  /** Numbers held as floating-point initialisers: nearly, but not exactly, the trained weights. */
  parameters: number;
  externalData: ExternalFile[];
}

export interface ExternalFile {
  /** As the model names it. */
  location: string;
  /** Absolute. */
  path: string;
  bytes: number;
}

const floatTypes = new Set<number>([
  TensorProto_DataType.FLOAT,
  TensorProto_DataType.FLOAT16,
  TensorProto_DataType.DOUBLE,
  TensorProto_DataType.BFLOAT16,
]);

/**
 * Reads what an ONNX file declares, and checks its external data before anything loads it.
 * @throws BackcompatError `not-found`, `bad-file` (not ONNX, truncated; a weight of another size than it declares; external
 *   data outside the model's folder, missing or too short)
 */
export async function readOnnxFile(file: string): Promise<OnnxFile> {
  const model = await readOnnxModel(file);
  const externalData = await checkOnnxModel(file, model);
  const { graph } = model;
  if (graph === undefined) throw new BackcompatError('internal', `${file} has no graph.`);
  const weights = new Set(graph.initializer.map((tensor) => tensor.name));
  return {
    bytes: await fileSize(file, 'The model'),
    opsets: model.opsetImport.map(({ domain, version }) => `${domain === '' ? 'ai.onnx' : domain} ${version}`),
    producer: [model.producerName, model.producerVersion].filter((part) => part !== '').join(' '),
    inputs: graph.input.filter((value) => !weights.has(value.name)).map(signatureOf),
    outputs: graph.output.map(signatureOf),
    nodes: graph.node.length,
    parameters: graph.initializer
      .filter((tensor) => floatTypes.has(tensor.dataType))
      .reduce((sum, tensor) => sum + tensor.dims.reduce((product, size) => product * Number(size), 1), 0),
    externalData,
  };
}

/**
 * Holds the weights of a parsed file, and those it keeps elsewhere, against what it declares.
 * @returns the files of weights
 * @throws BackcompatError `not-found`, `bad-file` (see `readOnnxFile`)
 */
export async function checkOnnxModel(file: string, model: ModelProto): Promise<ExternalFile[]> {
  checkTensors(file, model);
  return checkExternalData(file, model);
}

/** What a file declares of an input or output. */
export function signatureOf(value: ValueInfoProto): Signature {
  const type = value.type?.value;
  if (type?.case !== 'tensorType') return { name: value.name, type: type?.case ?? 'other', shape: [] };
  return {
    name: value.name,
    type: typeName(type.value.elemType),
    shape: (type.value.shape?.dim ?? []).map(({ value: size }) =>
      size.case === 'dimValue' ? Number(size.value) : size.case === 'dimParam' ? size.value : null,
    ),
  };
}

/** "float32", "int64", "bool", ... by the numbers of TensorProto.DataType. */
export function typeName(dataType: number): string {
  return (TensorProto_DataType[dataType] ?? 'undefined').toLowerCase().replace(/^float$/, 'float32');
}

/** "image: float32 [batch, 1, 28, 28]". */
export function signatureText({ name, type, shape }: Signature): string {
  return `${name}: ${type} [${shape.map((size) => size ?? '?').join(', ')}]`;
}

async function checkExternalData(file: string, model: ModelProto): Promise<ExternalFile[]> {
  const folder = path.dirname(path.resolve(file));
  const files = new Map<string, ExternalFile>();
  for (const tensor of tensorsOfModel(model)) {
    if (tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL) continue;
    const { location, offset, length } = externalPlace(tensor);
    let known = files.get(location);
    if (known === undefined) {
      known = await externalFile(file, folder, location);
      files.set(location, known);
    }
    const isSound = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
    if (!isSound || offset + length > known.bytes) {
      throw new BackcompatError(
        'bad-file',
        `${file}: the weight ${JSON.stringify(tensor.name)} lies at byte ${offset} to ${offset + length} of ${location}, which has ${known.bytes} bytes.`,
        { place: { file: known.path }, remedy: `Copy ${location} again, from the same export as the model.` },
      );
    }
    if (length < (bytesOfTensor(tensor) ?? 0)) throw wrongSize(file, tensor, length);
  }
  return [...files.values()];
}

async function externalFile(file: string, folder: string, location: string): Promise<ExternalFile> {
  const absolute = await insideFolder(folder, location);
  if (absolute === null) {
    throw new BackcompatError(
      'bad-file',
      `${file} keeps weights in ${JSON.stringify(location)}, which leaves the model's folder.`,
      {
        place: { file },
        remedy: 'Export it with weights inside the file or beside it.',
      },
    );
  }
  let bytes: number;
  try {
    bytes = await fileSize(absolute, 'The file');
  } catch (cause) {
    throw new BackcompatError('not-found', `${file} keeps weights in ${location}, which does not exist.`, {
      place: { file: absolute },
      remedy: `Copy ${location} beside the model; it was written by the same export.`,
      cause,
    });
  }
  return { location, path: absolute, bytes };
}
