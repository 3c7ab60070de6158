import { clone, create, toBinary } from '@bufbuild/protobuf';
import type { GraphFacts, ValueFacts } from '../../engine/differentiation/differentiate.ts';
import { type ModelProto, ModelProtoSchema, ValueInfoProtoSchema } from '../../engine/proto/onnx_pb.js';
import { createSession, type Session, type Signature, type Tensor } from '../../engine/session.ts';
import { createRandom } from '../../numeric/random.ts';

/** Sizes of free axes in the two runs: the first axis of an input, and any other by its position. */
const RUNS = [
  { batch: 2, tokens: 6, side: 64 },
  { batch: 3, tokens: 9, side: 96 },
];

/**
 * Shapes and types of all values of a model, found by running it twice with different sizes of its free axes and every value
 * as an output: an axis that differs is null.
 */
export async function measureFacts(model: ModelProto): Promise<GraphFacts> {
  const watched = clone(ModelProtoSchema, model);
  const { graph } = watched;
  if (graph === undefined) return new Map();
  const values = graph.node.flatMap((node) => node.output).filter((name) => name !== '');
  graph.output = values.map((name) => create(ValueInfoProtoSchema, { name }));
  const session = await createSession(toBinary(ModelProtoSchema, watched));
  try {
    const shapes: Record<string, readonly number[]>[] = [];
    for (const sizes of RUNS) {
      const feeds = feedsOf(session, sizes);
      const results = { ...feeds, ...(await session.run(feeds)) };
      shapes.push(Object.fromEntries(Object.entries(results).map(([name, { shape }]) => [name, shape])));
    }
    const types = new Map([...session.inputs, ...session.outputs].map(({ name, type }) => [name, type]));
    const facts = new Map<string, ValueFacts>();
    const [first, second] = shapes as [Record<string, readonly number[]>, Record<string, readonly number[]>];
    for (const [name, shape] of Object.entries(first)) {
      const other = second[name] ?? [];
      if (other.length !== shape.length) continue;
      facts.set(name, {
        shape: shape.map((size, axis) => (other[axis] === size ? size : null)),
        type: types.get(name) ?? 'float32',
      });
    }
    for (const { name, dims } of graph.initializer) facts.set(name, { shape: dims.map(Number), type: 'float32' });
    return facts;
  } finally {
    await session.release();
  }
}

function feedsOf(session: Session, sizes: (typeof RUNS)[number]): Record<string, Tensor> {
  return Object.fromEntries(session.inputs.map((input) => [input.name, feedOf(input, sizes)]));
}

function feedOf({ name, type, shape }: Signature, { batch, tokens, side }: (typeof RUNS)[number]): Tensor {
  const sizes = shape.map((size, axis) =>
    typeof size === 'number' ? size : axis === 0 ? batch : shape.length === 4 ? side : tokens,
  );
  const count = sizes.reduce((product, size) => product * size, 1);
  if (type === 'int64') return { shape: sizes, data: new BigInt64Array(count).fill(1n) };
  if (type === 'int32') return { shape: sizes, data: new Int32Array(count).fill(1) };
  const random = createRandom(0, name);
  return { shape: sizes, data: Float32Array.from({ length: count }, () => random.normal()) };
}
