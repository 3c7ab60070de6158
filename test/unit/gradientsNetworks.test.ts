import { readFileSync } from 'node:fs';
import { clone, fromBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { differentiate, type GraphFacts } from '../../src/core/engine/differentiation/differentiate.ts';
import { GraphBuilder, type Value } from '../../src/core/engine/graph.ts';
import { ModelProtoSchema, NodeProtoSchema, type TensorProto } from '../../src/core/engine/proto/onnx_pb.js';
import { createSession, type Tensor } from '../../src/core/engine/session.ts';
import { decodeFloats, measureShapes } from './gradientCases.ts';

interface NetworkRecord {
  readonly inputs: Readonly<Record<string, { shape: number[]; type: 'float32' | 'int64'; values: string }>>;
  /** Of the sum over the embedding that is the loss. */
  readonly weights: string;
  /** By name in the file. */
  readonly gradients: Readonly<Record<string, string>>;
}

const fixture = (name: string) => readFileSync(new URL(`../fixtures/gradients/${name}`, import.meta.url));

/** A network as torch.onnx wrote it, its weights inputs of the graph. */
function openNetwork(name: string) {
  const record: NetworkRecord = JSON.parse(fixture(`${name}.json`).toString());
  const model = fromBinary(ModelProtoSchema, fixture(`${name}.onnx`));
  const { node = [], initializer = [] } = model.graph ?? {};
  const opset = Number(model.opsetImport.find(({ domain }) => domain === '')?.version);
  const build = () => {
    const graph = new GraphBuilder(name, Math.max(21, opset));
    for (const [input, { type, shape }] of Object.entries(record.inputs)) {
      graph.input(
        input,
        type,
        shape.map((_, axis) => `${input}${axis}`),
      );
    }
    for (const tensor of initializer) {
      if (tensor.name in record.gradients) graph.input(tensor.name, 'float32', tensor.dims.map(Number));
      else graph.adoptConstant(tensor);
    }
    for (const one of node) {
      const constant = one.attribute.find((attribute) => attribute.name === 'value')?.t;
      if (one.opType !== 'Constant' || !constant) graph.adoptNode(clone(NodeProtoSchema, one));
      else graph.adoptConstant({ ...constant, name: one.output[0] as string });
    }
    return graph;
  };
  const weights = Object.fromEntries(
    initializer.filter((tensor) => tensor.name in record.gradients).map((tensor) => [tensor.name, tensorOf(tensor)]),
  );
  return { record, build, weights };
}

function tensorOf({ dims, rawData }: TensorProto): Tensor {
  return { shape: dims.map(Number), data: new Float32Array(Uint8Array.from(rawData).buffer) };
}

/** The batch as it is, or its first items. */
function feedsOf({ inputs }: NetworkRecord, items: number): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const [name, { shape, type, values }] of Object.entries(inputs)) {
    const own = [items, ...shape.slice(1)];
    const count = own.reduce((a, b) => a * b, 1);
    const { buffer } = Uint8Array.from(Buffer.from(values, 'base64'));
    const data = type === 'int64' ? new BigInt64Array(buffer) : new Float32Array(buffer);
    feeds[name] = { shape: own, data: data.slice(0, count) };
  }
  return feeds;
}

async function sessionOf({ record, build }: ReturnType<typeof openNetwork>, facts: GraphFacts) {
  const graph = build();
  const weights = graph.input('loss/weights', 'float32', ['items', 6]);
  const loss = graph.node('ReduceSum', [graph.node('Mul', ['vectors' as Value, weights])], { keepdims: 0 });
  const names = Object.keys(record.gradients);
  for (const [i, gradient] of differentiate(graph, loss, names as Value[], facts).entries()) {
    graph.output(`gradient/${names[i]}`, gradient as Value, 'float32', []);
  }
  graph.output('loss', loss, 'float32', []);
  return createSession(graph.build(), { threads: 2 });
}

describe('gradients of whole networks are those of PyTorch', () => {
  test.each(['resnet', 'mobilenet', 'transformer', 'transformerDynamo'])('%s', async (name) => {
    const network = openNetwork(name);
    const { record, weights } = network;
    const items = Object.values(record.inputs)[0]?.shape[0] as number;
    const lossWeights = decodeFloats(record.weights);
    const feeds = (count: number): Record<string, Tensor> => ({
      ...weights,
      ...feedsOf(record, count),
      'loss/weights': { shape: [count, 6], data: lossWeights.slice(0, count * 6) },
    });
    const runs = [items, items - 1].map((count) => ({ ...weights, ...feedsOf(record, count) }));
    const gradients: Record<string, Tensor>[] = [];
    for (const facts of [await measureShapes(network.build(), runs), new Map()] as GraphFacts[]) {
      const session = await sessionOf(network, facts);
      gradients.push(await session.run(feeds(items)));
      // The gradients of a batch are the sum of those of its parts.
      const first = await session.run(feeds(1));
      const rest = feeds(items);
      for (const [input, { shape, data }] of Object.entries(rest)) {
        if (!(input in record.inputs) && input !== 'loss/weights') continue;
        rest[input] = { shape: [items - 1, ...shape.slice(1)], data: data.slice(data.length / items) };
      }
      const others = await session.run(rest);
      gradients.push(
        Object.fromEntries(
          Object.entries(first).map(([key, { shape, data }]) => {
            const other = others[key]?.data as Float32Array;
            return [key, { shape, data: (data as Float32Array).map((value, i) => value + (other[i] as number)) }];
          }),
        ),
      );
      await session.release();
    }
    for (const [weight, encoded] of Object.entries(record.gradients)) {
      const expected = decodeFloats(encoded);
      for (const result of gradients) {
        const { data, shape } = result[`gradient/${weight}`] as Tensor;
        expect(shape).toEqual(weights[weight]?.shape);
        const largest = Math.max(...expected.map(Math.abs));
        const actual = data as Float32Array;
        const worst = Math.max(...expected.map((value, i) => Math.abs((actual[i] as number) - value)));
        // float32 against float64; the floor is for gradients that are 0, such as that of a bias of keys.
        expect(worst, `${weight}, whose largest is ${largest}`).toBeLessThan(1e-4 * largest + 2e-6);
      }
    }
  });
});
