import { create } from '@bufbuild/protobuf';
import { throwIfCancelled } from '../../contract/errors.ts';
import { type TensorProto, TensorProto_DataType, TensorProtoSchema } from '../../engine/proto/onnx_pb.js';
import type { StartModel } from './startModel.ts';
import { isFloat32, refused, type Subgraph } from './subgraph.ts';

/** The tensors of a subgraph in memory. */
export interface LoadedTensors {
  /** Of float32 numbers. */
  floatsOf(tensor: TensorProto): Float32Array;
  /** The tensor with its values inside. */
  inside(tensor: TensorProto): TensorProto;
}

/** Reads every tensor that the subgraph needs, once. @throws BackcompatError `bad-file`; `bad-model` for text constants */
export async function loadTensors(
  start: StartModel,
  { tensors }: Subgraph,
  signal?: AbortSignal,
): Promise<LoadedTensors> {
  const floats = new Map<string, Float32Array>();
  const others = new Map<string, TensorProto>();
  for (const [name, tensor] of tensors) {
    throwIfCancelled(signal);
    if (tensor.stringData.length > 0)
      throw refused(
        start.file,
        `the constant ${JSON.stringify(name)} holds texts`,
        'Export the encoder without its tokenizer.',
      );
    const bytes = await start.bytesOf(tensor);
    // A copy: the file's own bytes lie at any offset, and numbers at multiples of four.
    if (isFloat32(tensor)) floats.set(name, new Float32Array(new Uint8Array(bytes).buffer));
    else others.set(name, withBytes(tensor, bytes));
  }
  const floatsOf = ({ name }: TensorProto) => floats.get(name) ?? new Float32Array(0);
  return {
    floatsOf,
    inside: (tensor) => others.get(tensor.name) ?? withBytes(tensor, bytesOfFloats(floatsOf(tensor))),
  };
}

export function bytesOfFloats({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** A tensor of the same name, type and shape with these little-endian values inside. */
export function withBytes({ name, dims, dataType }: TensorProto, rawData: Uint8Array): TensorProto {
  return create(TensorProtoSchema, { name, dims: [...dims], dataType, rawData });
}

/** A float32 tensor of these numbers. */
export function floatTensor(name: string, shape: readonly number[], data: Float32Array): TensorProto {
  const empty = create(TensorProtoSchema, { name, dims: shape.map(BigInt), dataType: TensorProto_DataType.FLOAT });
  return withBytes(empty, bytesOfFloats(data));
}
