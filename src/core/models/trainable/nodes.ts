import { create } from '@bufbuild/protobuf';
import {
  type NodeProto,
  type TensorProto,
  TensorProto_DataType,
  TensorProtoSchema,
} from '../../engine/proto/onnx_pb.js';

export function integerAttribute({ attribute }: NodeProto, name: string, fallback: number): number {
  const found = attribute.find((entry) => entry.name === name);
  return found === undefined ? fallback : Number(found.i);
}

export function integersAttribute({ attribute }: NodeProto, name: string): number[] | null {
  return attribute.find((entry) => entry.name === name)?.ints.map(Number) ?? null;
}

export function floatAttribute({ attribute }: NodeProto, name: string): number | null {
  return attribute.find((entry) => entry.name === name)?.f ?? null;
}

export function stringAttribute({ attribute }: NodeProto, name: string): string | null {
  const found = attribute.find((entry) => entry.name === name);
  return found === undefined ? null : new TextDecoder().decode(found.s);
}

/** The value of a Constant node, in whichever attribute it lies; null for texts and sparse values. */
export function tensorAttribute({ attribute }: NodeProto): TensorProto | null {
  const [entry] = attribute;
  if (entry === undefined) return null;
  const { name, t, f, i, floats, ints } = entry;
  if (name === 'value') return t ?? null;
  const tensor = (dataType: TensorProto_DataType, dims: number[], fields: object) =>
    create(TensorProtoSchema, { dataType, dims: dims.map(BigInt), ...fields });
  if (name === 'value_float') return tensor(TensorProto_DataType.FLOAT, [], { floatData: [f] });
  if (name === 'value_floats') return tensor(TensorProto_DataType.FLOAT, [floats.length], { floatData: floats });
  if (name === 'value_int') return tensor(TensorProto_DataType.INT64, [], { int64Data: [i] });
  if (name === 'value_ints') return tensor(TensorProto_DataType.INT64, [ints.length], { int64Data: ints });
  return null;
}
