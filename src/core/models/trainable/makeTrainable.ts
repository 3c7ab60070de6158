import path from 'node:path';
import { clone, create, toBinary } from '@bufbuild/protobuf';
import type { ElementType, Value } from '../../engine/graph.ts';
import { GraphBuilder } from '../../engine/graph.ts';
import {
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from '../../engine/proto/onnx_pb.js';
import { writeFileAtomic } from '../../runs/atomicFile.ts';
import { signatureOf } from '../onnxFile.ts';
import { measureFacts } from './measureFacts.ts';
import type { GraphParameter, TrainableGraph } from './trainableGraph.ts';

/** A parsed model and the way to its weights, wherever they lie. */
export interface StartModel {
  /** For messages. */
  readonly file: string;
  readonly model: ModelProto;
  /** Little-endian values of a tensor. */
  bytesOf(tensor: TensorProto): Promise<Uint8Array>;
}

/** See `openTrainable`. */
export async function makeTrainable(
  start: StartModel,
  output: string,
  _trainable: 'all' | 'embedding' | readonly string[],
): Promise<TrainableGraph> {
  const source = start.model.graph;
  if (source === undefined) throw new Error('no graph');
  const facts = await measureFacts(start.model);
  const graph = new GraphBuilder('training');
  const inputs = source.input.map(signatureOf).map(({ name, type, shape }) => {
    graph.input(
      name,
      type as ElementType,
      shape.map((size, axis) => size ?? `${name}_${axis}`),
    );
    return { name, type: type as 'float32', shape: shape.map((size) => (typeof size === 'number' ? size : null)) };
  });
  const parameters: GraphParameter[] = [];
  for (const tensor of source.initializer) {
    const shape = tensor.dims.map(Number);
    const bytes = await start.bytesOf(tensor);
    const data = new Float32Array(bytes.slice().buffer);
    parameters.push({ name: tensor.name, value: graph.input(tensor.name, 'float32', shape), shape, data });
  }
  for (const node of source.node) graph.adoptNode(clone(NodeProtoSchema, node));
  const withWeights = (weights: Readonly<Record<string, Float32Array>>): Uint8Array => {
    const model = clone(ModelProtoSchema, start.model);
    for (const tensor of model.graph?.initializer ?? []) {
      const data = weights[tensor.name];
      if (data !== undefined) tensor.rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    }
    return toBinary(ModelProtoSchema, model);
  };
  void create(TensorProtoSchema);
  return {
    graph,
    facts,
    inputs,
    embedding: output as Value,
    dimension: facts.get(output)?.shape[1] as number,
    parameters,
    frozen: [],
    notes: [],
    inferenceModel: async (weights) => withWeights(weights),
    async write(folder, weights) {
      const file = path.resolve(folder, 'model.onnx');
      await writeFileAtomic(file, withWeights(weights));
      return file;
    },
    async close() {},
  };
}
