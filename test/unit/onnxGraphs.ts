import { create } from '@bufbuild/protobuf';
import { type AttributeValue, attribute, valueInfo } from '../../src/core/engine/graph.ts';
import {
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type TensorProto,
  TensorProto_DataType,
  TensorProtoSchema,
} from '../../src/core/engine/proto/onnx_pb.js';
import { createRandom } from '../../src/core/numeric/random.ts';

/** Operator, inputs, outputs, attributes. */
export type NodeSpec = readonly [string, readonly string[], readonly string[], Record<string, AttributeValue>?];

/** A float tensor of seeded normal numbers, or of those given. */
export function floats(name: string, dims: readonly number[], values?: readonly number[]): TensorProto {
  const random = createRandom(1, name);
  const count = dims.reduce((product, size) => product * size, 1);
  const data = Float32Array.from({ length: count }, (_, index) =>
    values === undefined ? random.normal() : (values[index % values.length] as number),
  );
  return create(TensorProtoSchema, {
    name,
    dims: dims.map(BigInt),
    dataType: TensorProto_DataType.FLOAT,
    rawData: new Uint8Array(data.buffer),
  });
}

export function integers(name: string, values: readonly number[]): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dims: [BigInt(values.length)],
    dataType: TensorProto_DataType.INT64,
    int64Data: values.map(BigInt),
  });
}

/** A model with input `x` [batch, ...shape] of floats and output `vectors`. */
export function modelOf(
  opset: number,
  shape: readonly number[],
  nodes: readonly NodeSpec[],
  initializer: readonly TensorProto[],
): ModelProto {
  return create(ModelProtoSchema, {
    irVersion: 7n,
    producerName: 'test',
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(opset) })],
    graph: create(GraphProtoSchema, {
      name: 'test',
      node: nodes.map(([opType, input, output, attributes = {}], index) =>
        create(NodeProtoSchema, {
          name: `node${index}`,
          opType,
          input: [...input],
          output: [...output],
          attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
        }),
      ),
      initializer: [...initializer],
      input: [valueInfo('x', 'float32', ['batch', ...shape])],
      output: [valueInfo('vectors', 'float32', ['batch', 'd'])],
    }),
  });
}
