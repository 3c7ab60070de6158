import { create, toBinary } from '@bufbuild/protobuf';
import type { GraphFacts, ValueFacts } from '../../engine/differentiation/differentiate.ts';
import { valueInfo } from '../../engine/graph.ts';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  OperatorSetIdProtoSchema,
  type TensorProto,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from '../../engine/proto/onnx_pb.js';
import { createSession, type Session, type Signature, type Tensor } from '../../engine/session.ts';
import { createRandom } from '../../numeric/random.ts';
import { typeName } from '../onnxFile.ts';

/** A graph that can be run as it is. */
export interface RunnableGraph {
  readonly nodes: readonly NodeProto[];
  readonly inputs: readonly ValueInfoProto[];
  /** Constants, their values inside. */
  readonly constants: readonly TensorProto[];
  /** Large constants, which are fed: nothing needs to copy them. */
  readonly weights: readonly { name: string; shape: readonly number[]; data: Float32Array }[];
  /** Version by domain. */
  readonly opsets: ReadonlyMap<string, number>;
}

export interface MeasuredGraph {
  readonly facts: GraphFacts;
  /** Of `output` in the first run. */
  readonly vectors: Tensor;
}

/**
 * Sizes of free axes in two runs: the first of an input, those of an image behind it, any other. Sizes are tried in turn, for some
 * models take no small image. Odd against even, so that an axis that follows from them differs, too.
 */
const ATTEMPTS = [
  [
    { batch: 2, side: 64, other: 6 },
    { batch: 3, side: 96, other: 9 },
  ],
  [
    { batch: 2, side: 224, other: 16 },
    { batch: 3, side: 256, other: 32 },
  ],
] as const;
type Sizes = (typeof ATTEMPTS)[number][number];

/**
 * Shapes and types of all values of a graph, found by running it twice with different sizes of its free axes and every value
 * as an output: an axis that differs is null. A few items a run bound the memory.
 * @throws what ONNX Runtime throws when it can run none of the sizes tried
 */
export async function measureFacts(graph: RunnableGraph, output: string): Promise<MeasuredGraph> {
  const values = graph.nodes.flatMap((node) => node.output).filter((name) => name !== '');
  const session = await createSession(
    toBinary(
      ModelProtoSchema,
      create(ModelProtoSchema, {
        irVersion: 10n,
        opsetImport: [...graph.opsets].map(([domain, version]) =>
          create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }),
        ),
        graph: create(GraphProtoSchema, {
          name: 'facts',
          node: [...graph.nodes],
          initializer: [...graph.constants],
          input: [...graph.inputs, ...graph.weights.map(({ name, shape }) => valueInfo(name, 'float32', shape))],
          output: values.map((name) => create(ValueInfoProtoSchema, { name })),
        }),
      }),
    ),
  );
  try {
    const [first, second] = await runTwice(session, graph);
    const types = new Map([...session.inputs, ...session.outputs].map(({ name, type }) => [name, type]));
    const facts = new Map<string, ValueFacts>(
      graph.constants.map(({ name, dims, dataType }) => [name, { shape: dims.map(Number), type: typeName(dataType) }]),
    );
    for (const [name, { shape }] of Object.entries(first)) {
      const other = second[name]?.shape;
      if (other?.length !== shape.length) continue;
      const sizes = shape.map((size, axis) => (other[axis] === size ? size : null));
      facts.set(name, { shape: sizes, type: types.get(name) ?? 'undefined' });
    }
    return { facts, vectors: first[output] as Tensor };
  } finally {
    await session.release();
  }
}

type Results = Record<string, Tensor>;

async function runTwice(session: Session, { inputs, weights }: RunnableGraph): Promise<[Results, Results]> {
  const names = new Set(inputs.map(({ name }) => name));
  const free = session.inputs.filter(({ name }) => names.has(name));
  const constants = Object.fromEntries(weights.map(({ name, shape, data }) => [name, { shape, data }]));
  const run = async (sizes: Sizes): Promise<Results> => {
    const feeds = Object.fromEntries(free.map((input) => [input.name, feedOf(input, sizes)]));
    return { ...constants, ...feeds, ...(await session.run({ ...constants, ...feeds })) };
  };
  let failure: unknown;
  for (const [first, second] of ATTEMPTS) {
    try {
      return [await run(first), await run(second)];
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

/** Pixels are noise; ids are small, masks full, positions count. */
function feedOf({ name, type, shape }: Signature, sizes: Sizes): Tensor {
  const dims = shape.map((size, axis) =>
    typeof size === 'number' ? size : axis === 0 ? sizes.batch : shape.length === 4 ? sizes.side : sizes.other,
  );
  const count = dims.reduce((product, size) => product * size, 1);
  if (type === 'float32') {
    const random = createRandom(0, name);
    return { shape: dims, data: Float32Array.from({ length: count }, () => random.normal()) };
  }
  const columns = dims.at(-1) ?? 1;
  const integer = (index: number): number => {
    if (/mask/i.test(name)) return 1;
    if (/type|segment/i.test(name)) return 0;
    return /position/i.test(name) ? index % columns : 2 + (index % 5);
  };
  if (type === 'int64') {
    return { shape: dims, data: BigInt64Array.from({ length: count }, (_, index) => BigInt(integer(index))) };
  }
  return { shape: dims, data: Int32Array.from({ length: count }, (_, index) => integer(index)) };
}
