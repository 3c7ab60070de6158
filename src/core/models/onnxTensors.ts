import { BackcompatError } from '../contract/errors.ts';
import {
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProto_DataType,
} from '../engine/proto/onnx_pb.js';

/** Every tensor of the file: weights, values of constants, in subgraphs too. */
function* tensorsOf(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initializer;
  for (const sparse of graph.sparseInitializer) {
    if (sparse.values) yield sparse.values;
    if (sparse.indices) yield sparse.indices;
  }
  for (const { attribute } of graph.node) yield* tensorsOfAttributes(attribute);
}

function* tensorsOfAttributes(attributes: GraphProto['node'][number]['attribute']): Generator<TensorProto> {
  for (const { t, tensors, g, graphs } of attributes) {
    if (t) yield t;
    yield* tensors;
    if (g) yield* tensorsOf(g);
    for (const inner of graphs) yield* tensorsOf(inner);
  }
}

export function* tensorsOfModel(model: ModelProto): Generator<TensorProto> {
  if (model.graph) yield* tensorsOf(model.graph);
  for (const { node } of model.functions) for (const { attribute } of node) yield* tensorsOfAttributes(attribute);
}

/** Bits of a number, by the numbers of TensorProto.DataType (onnx.proto, IR 11); texts have none. */
const bitsOfType: Record<number, number> = {
  [TensorProto_DataType.FLOAT]: 32,
  [TensorProto_DataType.UINT8]: 8,
  [TensorProto_DataType.INT8]: 8,
  [TensorProto_DataType.UINT16]: 16,
  [TensorProto_DataType.INT16]: 16,
  [TensorProto_DataType.INT32]: 32,
  [TensorProto_DataType.INT64]: 64,
  [TensorProto_DataType.BOOL]: 8,
  [TensorProto_DataType.FLOAT16]: 16,
  [TensorProto_DataType.DOUBLE]: 64,
  [TensorProto_DataType.UINT32]: 32,
  [TensorProto_DataType.UINT64]: 64,
  [TensorProto_DataType.COMPLEX64]: 64,
  [TensorProto_DataType.COMPLEX128]: 128,
  [TensorProto_DataType.BFLOAT16]: 16,
};

/** Numbers that one operator may be asked for by a constant of the file: 8 GiB of float32. */
const MAX_FILL_VALUES = 2 ** 31;

const windowAttributes = ['kernel_shape', 'pads', 'strides', 'dilations', 'output_padding'];
const MAX_WINDOW = 2n ** 15n;
/** Where the largest number says "to the end", or a constant is any number. */
const unboundAttributes = ['starts', 'ends', 'value_int', 'value_ints'];
const MAX_NUMBER = 2n ** 31n;

function valuesOfTensor({ dims }: TensorProto): number {
  return dims.reduce((product, size) => product * Number(size), 1);
}

/** What a tensor's shape and type ask for; null for types of another layout. */
export function bytesOfTensor(tensor: TensorProto): number | null {
  const bits = bitsOfType[tensor.dataType];
  return bits === undefined ? null : (valuesOfTensor(tensor) * bits) / 8;
}

/** Where a weight outside the file lies. Without a length it has what its shape says. */
export function externalPlace(tensor: TensorProto): { location: string; offset: number; length: number } {
  const entry = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  return {
    location: entry.get('location') ?? '',
    offset: Number(entry.get('offset') ?? 0),
    length: Number(entry.get('length') ?? bytesOfTensor(tensor) ?? 0),
  };
}

/** Little-endian values of a weight inside the file; those of smaller types than its field's are packed. */
export function bytesInside(tensor: TensorProto): Uint8Array {
  if (tensor.rawData.length > 0) return tensor.rawData;
  const { floatData, doubleData, int32Data, int64Data, uint64Data, dataType } = tensor;
  const bytesOf = (array: { buffer: ArrayBufferLike }) => new Uint8Array(array.buffer as ArrayBuffer);
  if (floatData.length > 0) return bytesOf(Float32Array.from(floatData));
  if (doubleData.length > 0) return bytesOf(Float64Array.from(doubleData));
  if (int64Data.length > 0) return bytesOf(BigInt64Array.from(int64Data));
  if (uint64Data.length > 0) return bytesOf(BigUint64Array.from(uint64Data));
  const bits = bitsOfType[dataType];
  if (bits === 8) return Uint8Array.from(int32Data);
  return bits === 16 ? bytesOf(Uint16Array.from(int32Data)) : bytesOf(Int32Array.from(int32Data));
}

export function wrongSize(file: string, tensor: TensorProto, bytes: number): BackcompatError {
  const type = TensorProto_DataType[tensor.dataType] ?? 'undefined';
  return new BackcompatError(
    'bad-file',
    `${file}: the weight ${JSON.stringify(tensor.name)} declares [${tensor.dims.join(', ')}] of ${type}, ${bytesOfTensor(tensor)} bytes, and has ${bytes}.`,
    { place: { file }, remedy: 'Export the model again, or copy the whole file.' },
  );
}

/**
 * Holds every weight inside the file against its declared size, and constants that ask an operator for more numbers than
 * any memory has: before anything makes room for them.
 * @throws BackcompatError `bad-file` naming the weight
 */
export function checkTensors(file: string, model: ModelProto): void {
  for (const tensor of tensorsOfModel(model)) {
    if (tensor.dims.some((size) => size < 0n)) throw wrongSize(file, tensor, 0);
    const expected = bytesOfTensor(tensor);
    if (expected === null || tensor.dataLocation === TensorProto_DataLocation.EXTERNAL) continue;
    const bytes = tensor.rawData.length > 0 ? tensor.rawData.length : bytesOfFields(tensor, expected);
    if (bytes !== expected) throw wrongSize(file, tensor, bytes);
  }
  if (model.graph) checkFills(file, model.graph);
}

/** Bytes of values that lie in a field of their type, small ones in wider numbers. */
function bytesOfFields(tensor: TensorProto, expected: number): number {
  const { floatData, doubleData, int32Data, int64Data, uint64Data } = tensor;
  const held = floatData.length + doubleData.length + int32Data.length + int64Data.length + uint64Data.length;
  const values = valuesOfTensor(tensor);
  const isComplex = /^COMPLEX/.test(TensorProto_DataType[tensor.dataType] ?? '');
  return values === 0 ? 0 : (held / (isComplex ? 2 : 1)) * (expected / values);
}

/** The operators that make a tensor of the shape that another one holds. */
function checkFills(file: string, graph: GraphProto): void {
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  for (const node of graph.node) {
    const constant = node.opType === 'Constant' ? node.attribute.find(({ name }) => name === 'value')?.t : undefined;
    if (constant && node.output[0] !== undefined) constants.set(node.output[0], constant);
  }
  for (const node of graph.node) {
    checkNumbers(file, node);
    const shape = constants.get(shapeInput(node) ?? '');
    if (shape?.dataType !== TensorProto_DataType.INT64) continue;
    const values = sizesIn(shape).reduce((product, size) => product * Math.max(1, Number(size)), 1);
    if (values <= MAX_FILL_VALUES) continue;
    throw new BackcompatError(
      'bad-file',
      `${file}: the node ${JSON.stringify(node.name || node.opType)} makes a tensor of ${values} numbers.`,
      { place: { file }, remedy: 'Export the model again, or copy the whole file.' },
    );
  }
}

/**
 * Numbers that no exporter writes: sides of windows that no image fills, where a run would not end, and numbers at the
 * end of their range, which some operators of ONNX Runtime answer by ending the process.
 */
function checkNumbers(file: string, { name, opType, attribute }: NodeProto): void {
  const strange = attribute.find((entry) => {
    if (unboundAttributes.includes(entry.name)) return false;
    const most = windowAttributes.includes(entry.name) ? MAX_WINDOW : MAX_NUMBER;
    return [entry.i, ...entry.ints].some((value) => value > most || value < -most);
  });
  if (strange === undefined) return;
  const value = strange.ints.length > 0 ? `[${strange.ints.join(', ')}]` : String(strange.i);
  throw new BackcompatError(
    'bad-file',
    `${file}: the node ${JSON.stringify(name || opType)} has ${JSON.stringify(strange.name)} of ${value}.`,
    { place: { file }, remedy: 'Export the model again, or copy the whole file.' },
  );
}

function shapeInput({ opType, input }: NodeProto): string | undefined {
  return opType === 'ConstantOfShape' ? input[0] : opType === 'Expand' ? input[1] : undefined;
}

function sizesIn({ rawData, int64Data }: TensorProto): readonly bigint[] {
  if (rawData.length === 0) return int64Data;
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  return Array.from({ length: rawData.length >> 3 }, (_, index) => view.getBigInt64(8 * index, true));
}
