import { createHash } from 'node:crypto';
import { clone } from '@bufbuild/protobuf';
import { GraphBuilder, type Value } from '../../engine/graph.ts';
import { type NodeProto, NodeProtoSchema } from '../../engine/proto/onnx_pb.js';
import { createSession, type Session, type Tensor } from '../../engine/session.ts';
import { allInputs } from './fillGraph.ts';
import { floatTensor } from './loadedTensors.ts';
import { integerAttribute } from './nodes.ts';
import type { TrainableGraph } from './trainableGraph.ts';

/** The part of a model that no trained weight takes part in. */
export interface FrozenPart {
  /** What it hands to the trained part, and the shape that one item has in it. */
  readonly outputs: readonly { name: string; shape: readonly number[] }[];
  /** sha256 (hex) of its operators and weights. */
  readonly identity: string;
  /** @returns by name, [count, ...shape] row-major */
  run(batch: { readonly inputs: Readonly<Record<string, Tensor>> }): Promise<Record<string, Float32Array>>;
  close(): Promise<void>;
}

export interface SplitModel {
  readonly trunk: FrozenPart;
  /**
   * What is behind the trunk, ready for training on its outputs. `write` writes the whole model; `inferenceModel` takes the trunk's
   * outputs. Closing it closes the model that was split.
   */
  readonly rest: TrainableGraph;
}

/**
 * Splits a model below its first trained weights, so that what is frozen is computed once an item instead of once an epoch.
 * @returns null where nothing but inputs lies below them, or where what is handed over has no fixed size an item (texts of
 *   any length) or is not of floats
 */
export async function splitAtFrozen(
  model: TrainableGraph,
  options: { threads?: number | null } = {},
): Promise<SplitModel | null> {
  const cut = findCut(model);
  if (cut === null) return null;
  const trunkBytes = buildTrunk(model, cut);
  let session: Session | null = null;
  const trunk: FrozenPart = {
    outputs: cut.boundary,
    identity: createHash('sha256').update(trunkBytes).digest('hex'),
    async run({ inputs }) {
      session ??= await createSession(trunkBytes, options);
      const feeds = Object.fromEntries(session.inputs.map(({ name }) => [name, inputs[name] as Tensor]));
      const results: Record<string, Tensor> = { ...inputs, ...(await session.run(feeds)) };
      return Object.fromEntries(cut.boundary.map(({ name }) => [name, results[name]?.data as Float32Array]));
    },
    async close() {
      await session?.release();
      session = null;
    },
  };
  return { trunk, rest: restOf(model, cut) };
}

interface Cut {
  /** Values handed over. */
  readonly boundary: readonly { name: string; shape: readonly number[] }[];
  /** Nodes behind them, in running order. */
  readonly nodes: readonly NodeProto[];
  /** Of those, Shape nodes of values that are not handed over. */
  readonly shapesOf: ReadonlyMap<NodeProto, readonly (number | null)[]>;
}

function findCut({ graph, facts, inputs, parameters, embedding }: TrainableGraph): Cut | null {
  const makers = new Map(graph.program.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const trained = new Set<string>(parameters.map(({ value }) => value));
  const inputNames = new Set(inputs.map(({ name }) => name));
  const dependent = new Set<string>(trained);
  const fromInput = new Set<string>(inputNames);
  for (const node of graph.program) {
    const given = allInputs(node);
    for (const name of node.output) {
      if (given.some((input) => dependent.has(input))) dependent.add(name);
      if (given.some((input) => fromInput.has(input))) fromInput.add(name);
    }
  }
  if (!dependent.has(embedding)) return null;

  const behind = new Set<NodeProto>();
  const boundary = new Map<string, readonly number[]>();
  const shapesOf = new Map<NodeProto, readonly (number | null)[]>();
  const waiting: string[] = [embedding];
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    const maker = makers.get(value);
    if (value === '' || trained.has(value) || boundary.has(value) || graph.constantOf(value) !== null) continue;
    const { shape = [], type } = facts.get(value) ?? {};
    const [items, ...item] = shape;
    if (!dependent.has(value) && fromInput.has(value) && items === null && item.every((size) => size !== null)) {
      if (type !== 'float32') return null;
      boundary.set(value, item);
      continue;
    }
    // An input that is no row of numbers an item.
    if (maker === undefined) return null;
    if (behind.has(maker)) continue;
    behind.add(maker);
    const measured = maker.opType === 'Shape' ? facts.get(maker.input[0] ?? '')?.shape : undefined;
    const isOfItems = measured?.[0] === null && measured.slice(1).every((size) => size !== null);
    if (measured !== undefined && isOfItems && !dependent.has(maker.input[0] ?? '')) shapesOf.set(maker, measured);
    else waiting.push(...allInputs(maker));
  }
  if (boundary.size === 0 || [...boundary.keys()].every((name) => inputNames.has(name))) return null;
  return {
    boundary: [...boundary].map(([name, shape]) => ({ name, shape })),
    nodes: graph.program.filter((node) => behind.has(node)),
    shapesOf,
  };
}

function buildTrunk({ graph, inputs }: TrainableGraph, { boundary }: Cut): Uint8Array {
  const needed = new Set(boundary.map(({ name }) => name));
  const nodes = graph.program
    .toReversed()
    .filter((node) => {
      const isNeeded = node.output.some((name) => needed.has(name));
      if (isNeeded) for (const name of allInputs(node)) needed.add(name);
      return isNeeded;
    })
    .reverse();
  const built = new GraphBuilder('frozen', graph.opset);
  for (const { name, type, shape } of inputs) {
    if (needed.has(name))
      built.input(
        name,
        type,
        shape.map((size, axis) => size ?? `${name}_${axis}`),
      );
  }
  adoptAll(built, graph, nodes);
  const inputNames = new Set(inputs.map(({ name }) => name));
  for (const { name, shape } of boundary) {
    if (!inputNames.has(name)) built.output(name, name as Value, 'float32', ['items', ...shape]);
  }
  return built.build();
}

/** Takes nodes and the constants that they read; what they read beside is there already. */
function adoptAll(built: GraphBuilder, source: GraphBuilder, nodes: readonly NodeProto[]): void {
  const adopted = new Set<string>();
  for (const node of nodes) {
    for (const name of allInputs(node)) {
      const tensor = adopted.has(name) ? null : source.constantOf(name);
      if (tensor === null) continue;
      adopted.add(name);
      built.adoptConstant(tensor);
    }
    built.adoptNode(clone(NodeProtoSchema, node));
  }
}

function restOf(model: TrainableGraph, cut: Cut): TrainableGraph {
  const { parameters, embedding, dimension } = model;
  const fill = (weights: Readonly<Record<string, Float32Array>> | null): GraphBuilder => {
    const built = new GraphBuilder('behind the frozen part', model.graph.opset);
    for (const { name, shape } of cut.boundary) built.input(name, 'float32', ['items', ...shape]);
    for (const { name, shape } of parameters) {
      const data = weights?.[name];
      if (data === undefined) built.input(name, 'float32', shape);
      else built.adoptConstant(floatTensor(name, shape, data));
    }
    fillRest(built, model, cut);
    return built;
  };
  return {
    ...model,
    graph: fill(null),
    inputs: cut.boundary.map(({ name, shape }) => ({ name, type: 'float32', shape: [null, ...shape] })),
    output: embedding,
    async inferenceModel(weights) {
      const built = fill(weights);
      built.output(embedding, embedding, 'float32', ['items', dimension]);
      return built.build();
    },
  };
}

function fillRest(built: GraphBuilder, { graph }: TrainableGraph, { boundary, nodes, shapesOf }: Cut): void {
  const first = boundary[0]?.name as Value;
  // A Shape of what stays below says the number of items and sizes that are known.
  const replaced = new Map<string, Value>();
  for (const [node, shape] of shapesOf) {
    const from = integerAttribute(node, 'start', 0);
    const to = integerAttribute(node, 'end', shape.length);
    const parts = shape
      .slice(from, to)
      .map((size) => (size === null ? built.node('Shape', [first], { start: 0, end: 1 }) : built.int64s([size])));
    replaced.set(node.output[0] as string, built.node('Concat', parts, { axis: 0 }));
  }
  const kept = nodes.filter((node) => !shapesOf.has(node)).map((node) => clone(NodeProtoSchema, node));
  for (const node of kept) node.input = node.input.map((name) => replaced.get(name) ?? name);
  adoptAll(built, graph, kept);
}
