import { readFile, stat } from 'node:fs/promises';
import { fromBinary } from '@bufbuild/protobuf';
import { BackcompatError } from '../contract/errors.ts';
import { type ModelProto, ModelProtoSchema } from './proto/onnx_pb.js';

/** A protobuf file cannot be larger than 2 GiB; weights beyond that lie in external data. */
const PROTOBUF_LIMIT_BYTES = 2 ** 31 - 1;

/**
 * Parses an ONNX file. External data is not read.
 * The result keeps the whole file's bytes alive: take what is needed and let go of it.
 * @throws BackcompatError `not-found`; `bad-file` when it is not an ONNX model, with the byte count
 */
export async function readOnnxModel(path: string): Promise<ModelProto> {
  let size: number;
  try {
    size = (await stat(path)).size;
  } catch (cause) {
    throw new BackcompatError('not-found', `${path} does not exist.`, {
      place: { file: path },
      remedy: 'Check the path of the model in the config.',
      cause,
    });
  }
  if (size > PROTOBUF_LIMIT_BYTES) {
    throw new BackcompatError('bad-file', `${path} has ${size} bytes; an ONNX file cannot exceed 2 GiB.`, {
      place: { file: path },
      remedy: 'Export it with external data.',
    });
  }
  const bytes = await readFile(path);
  let model: ModelProto | null = null;
  let cause: unknown;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (error) {
    cause = error;
  }
  // Any bytes that happen to parse give a message without these.
  if (!model?.graph || model.graph.node.length === 0 || model.opsetImport.length === 0) {
    throw new BackcompatError('bad-file', `${path} is not an ONNX model, or it is truncated (${size} bytes).`, {
      place: { file: path },
      remedy: 'Export it again, or copy the whole file.',
      cause,
    });
  }
  return model;
}
