import { BackcompatError } from '../../contract/errors.ts';
import { openFile, readFully } from '../../data/files.ts';
import { readOnnxModel } from '../../engine/onnxModel.ts';
import { type ModelProto, type TensorProto, TensorProto_DataLocation } from '../../engine/proto/onnx_pb.js';
import { checkOnnxModel, type ExternalFile } from '../onnxFile.ts';
import { bytesInside, bytesOfTensor, externalPlace } from '../onnxTensors.ts';

/** A parsed model and the way to its weights, wherever they lie. */
export interface StartModel {
  /** Absolute path, or `builtin:NAME`. */
  readonly file: string;
  readonly model: ModelProto;
  readonly externalData: readonly ExternalFile[];
  /** Little-endian values of a tensor, in memory of their own where it lies outside the file. */
  bytesOf(tensor: TensorProto): Promise<Uint8Array>;
}

/**
 * Parses and checks an ONNX file; weights outside it are read one by one.
 * @throws BackcompatError `not-found`, `bad-file` (see `readOnnxFile`)
 */
export async function openStart(file: string): Promise<StartModel> {
  const model = await readOnnxModel(file);
  const externalData = await checkOnnxModel(file, model);
  return { file, model, externalData, bytesOf: (tensor) => bytesFrom(file, tensor, externalData) };
}

/** A model in memory, all of whose weights lie inside it. */
export function startInMemory(file: string, model: ModelProto): StartModel {
  return { file, model, externalData: [], bytesOf: async (tensor) => bytesInside(tensor) };
}

async function bytesFrom(
  file: string,
  tensor: TensorProto,
  externalData: readonly ExternalFile[],
): Promise<Uint8Array> {
  if (tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL) return bytesInside(tensor);
  const { location, offset } = externalPlace(tensor);
  const source = externalData.find((entry) => entry.location === location);
  if (source === undefined) throw new BackcompatError('internal', `${file}: ${location} was not checked.`);
  const bytes = new Uint8Array(bytesOfTensor(tensor) ?? 0);
  const { handle } = await openFile(source.path, 'The file');
  try {
    if (await readFully(handle, bytes, offset)) return bytes;
  } finally {
    await handle.close();
  }
  throw new BackcompatError('bad-file', `${source.path} ends inside the weight ${JSON.stringify(tensor.name)}.`, {
    place: { file: source.path },
    remedy: `Copy ${location} again, from the same export as the model.`,
  });
}
