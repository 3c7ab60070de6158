import type { GraphBuilder } from '../graph.ts';
import { type TensorProto, TensorProto_DataType } from '../proto/onnx_pb.js';

/** More values than a list of axes, sizes or positions has. */
const MAX_VALUES = 4096;

/** The numbers of a constant, in row-major order; null for other values and for large tensors. */
export function numbersOf(graph: GraphBuilder, value: string): number[] | null {
  const tensor = graph.constantOf(value);
  return tensor === null ? null : numbersOfTensor(tensor);
}

function numbersOfTensor(tensor: TensorProto): number[] | null {
  const count = tensor.dims.reduce((product, size) => product * Number(size), 1);
  if (count > MAX_VALUES) return null;
  const { rawData, dataType } = tensor;
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  const isRaw = rawData.length > 0;
  const read = (bytes: number, at: (offset: number) => number) =>
    Array.from({ length: count }, (_, index) => at(index * bytes));
  switch (dataType) {
    case TensorProto_DataType.INT64:
      return isRaw ? read(8, (offset) => Number(view.getBigInt64(offset, true))) : tensor.int64Data.map(Number);
    case TensorProto_DataType.INT32:
      return isRaw ? read(4, (offset) => view.getInt32(offset, true)) : tensor.int32Data.map(Number);
    case TensorProto_DataType.FLOAT:
      return isRaw ? read(4, (offset) => view.getFloat32(offset, true)) : tensor.floatData.map(Number);
    case TensorProto_DataType.DOUBLE:
      return isRaw ? read(8, (offset) => view.getFloat64(offset, true)) : tensor.doubleData.map(Number);
    case TensorProto_DataType.BOOL:
      return isRaw ? read(1, (offset) => view.getUint8(offset)) : tensor.int32Data.map(Number);
    default:
      return null;
  }
}
