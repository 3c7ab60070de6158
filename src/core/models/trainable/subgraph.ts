import { clone } from '@bufbuild/protobuf';
import { BackcompatError } from '../../contract/errors.ts';
import {
  type ModelProto,
  type NodeProto,
  type TensorProto,
  TensorProto_DataType,
  TensorProtoSchema,
  type ValueInfoProto,
} from '../../engine/proto/onnx_pb.js';
import { tensorAttribute } from './nodes.ts';

/** The part of a model that one output is computed by. Nodes and tensors are the model's own: read, never changed. */
export interface Subgraph {
  /** In an order in which they can run; without Constant nodes. */
  readonly nodes: readonly NodeProto[];
  /** With them. */
  readonly allNodes: readonly NodeProto[];
  /** Initialisers, and the values of Constant nodes, by name. */
  readonly tensors: ReadonlyMap<string, TensorProto>;
  /** Names of tensors that come from Constant nodes. */
  readonly constantNodes: ReadonlySet<string>;
  /** Without those that are weights. */
  readonly inputs: readonly ValueInfoProto[];
  /** Where an Identity only passes a value on: the value behind it. */
  sourceOf(value: string): string;
}

/** Operators that hold a graph of their own. */
export function bodiesOf(node: NodeProto): NodeProto[] {
  return node.attribute.flatMap(({ g, graphs }) =>
    [...(g ? [g] : []), ...graphs].flatMap((body) => body.node.flatMap((inner) => [inner, ...bodiesOf(inner)])),
  );
}

/**
 * Takes what leads to `output`. Whatever else the model computes stays out.
 * @throws BackcompatError `bad-model`: no such output; a function of the file's own or a sparse tensor on the way
 */
export function subgraphOf(file: string, model: ModelProto, output: string): Subgraph {
  const { graph } = model;
  if (graph === undefined || !graph.output.some(({ name }) => name === output)) {
    const names = graph?.output.map(({ name }) => JSON.stringify(name)).join(', ');
    throw refused(file, `the model has no output ${JSON.stringify(output)}; it has ${names}`, 'Name one of them.');
  }
  const needed = new Set([output]);
  const nodes: NodeProto[] = [];
  for (const node of graph.node.toReversed()) {
    if (!node.output.some((name) => needed.has(name))) continue;
    nodes.push(node);
    for (const { input } of [node, ...bodiesOf(node)]) for (const name of input) needed.add(name);
  }
  nodes.reverse();
  const functions = new Set(model.functions.map(({ domain, name }) => `${domain}:${name}`));
  const call = nodes.find(({ domain, opType }) => functions.has(`${domain}:${opType}`));
  if (call !== undefined) {
    throw refused(
      file,
      `the node ${nodeText(call)} calls a function of the file's own`,
      'Inline functions: onnx.inliner.inline_local_functions(model).',
    );
  }
  if (graph.sparseInitializer.some(({ values }) => needed.has(values?.name ?? ''))) {
    throw refused(file, 'the model has sparse weights', 'Export it with dense ones.');
  }
  const tensors = new Map(
    graph.initializer.filter(({ name }) => needed.has(name)).map((tensor) => [tensor.name, tensor]),
  );
  const inputs = graph.input.filter(({ name }) => needed.has(name) && !tensors.has(name));
  const constantNodes = new Set<string>();
  const computing: NodeProto[] = [];
  const sources = new Map<string, string>();
  const captured = new Set(nodes.flatMap((node) => bodiesOf(node).flatMap(({ input }) => input)));
  const known = new Set(['', ...tensors.keys(), ...inputs.map((input) => input.name)]);
  for (const node of nodes) {
    const [name] = node.output as [string];
    // Also keeps whoever follows inputs from running in circles.
    const unknown = node.input.find((input) => !known.has(input));
    if (unknown !== undefined) {
      const what = `the node ${nodeText(node)} reads ${JSON.stringify(unknown)}, which nothing before it gives`;
      throw refused(file, what, 'Check the file with onnx.checker, or export it again.');
    }
    for (const output of node.output) known.add(output);
    const constant = node.opType === 'Constant' ? tensorAttribute(node) : null;
    if (constant !== null) {
      const named = clone(TensorProtoSchema, constant);
      named.name = name;
      tensors.set(name, named);
      constantNodes.add(name);
    } else {
      computing.push(node);
      const [input] = node.input;
      // What a body reads keeps its name.
      if (node.opType === 'Identity' && input !== undefined && !captured.has(name)) sources.set(name, input);
    }
  }
  function sourceOf(value: string): string {
    const source = sources.get(value);
    return source === undefined ? value : sourceOf(source);
  }
  return { nodes: computing, allNodes: nodes, tensors, constantNodes, inputs, sourceOf };
}

/** `"/conv1/Conv" (Conv)`. */
export function nodeText({ name, opType, output }: NodeProto): string {
  return `${JSON.stringify(name || output[0])} (${opType})`;
}

/** A model that cannot be trained, in the house's form. */
export function refused(file: string, reason: string, remedy: string): BackcompatError {
  return new BackcompatError('bad-model', `${file} cannot be trained: ${reason}.`, { place: { file }, remedy });
}

/** Of float32 numbers. */
export function isFloat32({ dataType }: TensorProto): boolean {
  return dataType === TensorProto_DataType.FLOAT;
}
