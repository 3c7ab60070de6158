import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ValueFacts } from '../../src/core/engine/differentiation/differentiate.ts';
import { type AttributeValue, type ElementType, GraphBuilder, type Value } from '../../src/core/engine/graph.ts';
import {
  ModelProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from '../../src/core/engine/proto/onnx_pb.js';
import { createSession, type Tensor } from '../../src/core/engine/session.ts';

/** A case of test/fixtures/gradients/operators.json.gz, as bench/reference/makeGradientFixtures.py writes it. */
export interface GradientCase {
  readonly name: string;
  readonly opset: number;
  readonly nodes: readonly {
    operator: string;
    inputs: string[];
    outputs: string[];
    attributes: Record<string, AttributeValue>;
  }[];
  readonly output: string;
  /** Values in 256ths: int16 in base64. */
  readonly inputs: Readonly<Record<string, { shape: number[]; values: string }>>;
  readonly constants: Readonly<Record<string, { type: string; shape: number[]; values: number[] }>>;
  /** Of the sum over the output that is the loss, as inputs. */
  readonly weights: string;
  /** Inputs whose first axis is the batch; the output's is too where there are any. */
  readonly free: readonly string[];
  /** Whether there are values at which the operator has no slope. */
  readonly ties: boolean;
  /** PyTorch's, of all inputs: float32 in base64. */
  readonly gradients: Readonly<Record<string, string>>;
}

export function readCases(): GradientCase[] {
  const file = new URL('../fixtures/gradients/operators.json.gz', import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(file)).toString());
}

export function decodeFloats(base64: string): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer);
}

function decodeSteps(base64: string): Float64Array {
  const steps = new Int16Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer);
  return Float64Array.from(steps, (step) => step / 256);
}

/** Inputs and weights as they are, or without the last item of the batch. */
export function valuesOf({ inputs, weights, free }: GradientCase, isShort: boolean) {
  const short = (shape: readonly number[]) => shape.map((size, axis) => (axis === 0 ? size - 1 : size));
  const values: Record<string, { shape: number[]; data: Float64Array }> = {};
  let share = 1;
  for (const [name, { shape, values: encoded }] of Object.entries(inputs)) {
    const all = decodeSteps(encoded);
    const isCut = isShort && free.includes(name);
    const own = isCut ? short(shape) : shape;
    const count = own.reduce((a, b) => a * b, 1);
    if (isCut) share = count / all.length;
    values[name] = { shape: own, data: all.slice(0, count) };
  }
  const own = decodeSteps(weights);
  return { values, weights: own.slice(0, Math.round(own.length * share)) };
}

/** The case's nodes in a builder; inputs have their sizes, but for the batch. */
export function buildCase(given: GradientCase, floats: 'float32' | 'float64'): { graph: GraphBuilder; output: Value } {
  const graph = new GraphBuilder('case', given.opset);
  for (const [name, { shape }] of Object.entries(given.inputs)) {
    const isFree = given.free.includes(name);
    graph.input(
      name,
      floats,
      shape.map((size, axis) => (isFree && axis === 0 ? 'batch' : size)),
    );
  }
  const named = new Map<string, Value>([['', '' as Value]]);
  for (const [name, { type, shape, values }] of Object.entries(given.constants)) {
    graph.adoptConstant(tensorProto(name, type === 'float32' ? floats : type, shape, values));
  }
  const namedValue = (name: string) => named.get(name) ?? (name as Value);
  for (const { operator, inputs, outputs, attributes } of given.nodes) {
    const isCast = operator === 'Cast' && floats === 'float64';
    const made = graph.nodes(
      operator,
      inputs.map((name) => (name === '' ? null : namedValue(name))),
      isCast ? { to: TensorProto_DataType.DOUBLE } : attributes,
      outputs.length,
    );
    for (const [index, name] of outputs.entries()) named.set(name, made[index] as Value);
  }
  return { graph, output: namedValue(given.output) };
}

function tensorProto(name: string, type: string, shape: readonly number[], values: readonly number[]) {
  const [dataType, array] = {
    float32: () => [TensorProto_DataType.FLOAT, Float32Array.from(values)] as const,
    float64: () => [TensorProto_DataType.DOUBLE, Float64Array.from(values)] as const,
    int32: () => [TensorProto_DataType.INT32, Int32Array.from(values)] as const,
    // Largest int64s do not survive as JSON numbers.
    int64: () =>
      [
        TensorProto_DataType.INT64,
        BigInt64Array.from(values, (value) =>
          Math.abs(value) > 2 ** 53 ? BigInt(Math.sign(value)) * 2n ** 62n : BigInt(value),
        ),
      ] as const,
    bool: () => [TensorProto_DataType.BOOL, Uint8Array.from(values)] as const,
  }[type as ElementType & 'bool']?.() ?? [TensorProto_DataType.UNDEFINED, new Uint8Array()];
  const dims = shape.map(BigInt);
  const rawData = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return create(TensorProtoSchema, { name, dims, dataType, rawData });
}

/** Shapes of all values, from runs with the given feeds each: an axis that differs is null. */
export async function measureShapes(
  graph: GraphBuilder,
  runs: readonly Readonly<Record<string, Tensor>>[],
): Promise<Map<string, ValueFacts>> {
  const model = fromBinary(ModelProtoSchema, graph.build());
  const names = graph.program.flatMap(({ output }) => output).filter((name) => name !== '');
  if (model.graph === undefined) throw new Error('no graph');
  model.graph.output = names.map((name) => create(ValueInfoProtoSchema, { name }));
  const session = await createSession(toBinary(ModelProtoSchema, model), { threads: 1 });
  const facts = new Map<string, ValueFacts>();
  for (const feeds of runs) {
    const results = { ...feeds, ...(await session.run(feeds)) };
    for (const [name, { shape }] of Object.entries(results)) {
      const known = facts.get(name)?.shape;
      const merged = known === undefined ? shape : known.map((size, axis) => (size === shape[axis] ? size : null));
      facts.set(name, { shape: merged, type: 'unknown' });
    }
  }
  await session.release();
  return facts;
}
