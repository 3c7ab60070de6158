import { clone } from '@bufbuild/protobuf';
import type { ValueFacts } from '../../../engine/differentiation/differentiate.ts';
import { type AttributeValue, attribute, type GraphBuilder, type Value } from '../../../engine/graph.ts';
import { type NodeProto, NodeProtoSchema } from '../../../engine/proto/onnx_pb.js';
import { nodeText, refused } from '../subgraph.ts';

export interface NodeChanges {
  /** Attributes to leave out, and to add. */
  without?: readonly string[];
  and?: Readonly<Record<string, AttributeValue>>;
  inputs?: readonly (Value | null)[];
  /** How many of the outputs stay. */
  outputs?: number;
}

/** What a rule sees of one node of the file, and what it can do with it. */
export interface NodeRewriter {
  readonly node: NodeProto;
  readonly graph: GraphBuilder;
  /** Version of the file's operators. */
  readonly opset: number;
  /** Inputs in the training graph; null: left out. */
  readonly inputs: readonly (Value | null)[];
  /** Shape of an input; null: unknown. */
  shapeOf(slot: number): ValueFacts['shape'] | null;
  typeOf(slot: number): string | null;
  /** Adds the node itself, under its outputs' names, without some attributes and with other inputs. */
  keep(changes?: NodeChanges): void;
  /** Lets a value stand for an output of the node. */
  replace(output: number, value: Value): void;
  isUsed(output: number): boolean;
  /** The error that names the node. */
  refuse(reason: string, remedy: string): Error;
}

/** Brings one operator to the form that is trained; rules write `keep` or `replace` for every output that is read. */
export type RewriteRule = (node: NodeRewriter) => void;

export interface RewriterContext {
  readonly file: string;
  readonly graph: GraphBuilder;
  readonly opset: number;
  /** Values of the file in the training graph. */
  readonly values: Map<string, Value>;
  factsOf(name: string): ValueFacts | undefined;
  isUsed(name: string): boolean;
}

export function nodeRewriter(context: RewriterContext, node: NodeProto, names: readonly string[]): NodeRewriter {
  const { file, graph, opset, values } = context;
  const inputs = names.map((name) => (name === '' ? null : (values.get(name) ?? (name as Value))));
  const nameOf = (slot: number) => names[slot] ?? '';
  return {
    node,
    graph,
    opset,
    inputs,
    shapeOf: (slot) => context.factsOf(nameOf(slot))?.shape ?? null,
    typeOf: (slot) => context.factsOf(nameOf(slot))?.type ?? null,
    keep({ without = [], and = {}, inputs: given = inputs, outputs } = {}) {
      const kept = clone(NodeProtoSchema, node);
      kept.input = given.map((value) => value ?? '');
      while (kept.input.at(-1) === '') kept.input.pop();
      if (outputs !== undefined) kept.output = kept.output.slice(0, outputs);
      kept.attribute = kept.attribute.filter(({ name }) => !without.includes(name));
      kept.attribute.push(...Object.entries(and).map(([name, value]) => attribute(name, value)));
      kept.docString = '';
      kept.metadataProps = [];
      graph.adoptNode(kept);
      for (const name of kept.output) if (name !== '') values.set(name, name as Value);
    },
    replace(output, value) {
      const name = node.output[output];
      if (name) values.set(name, value);
    },
    isUsed: (output) => context.isUsed(node.output[output] ?? ''),
    refuse: (reason, remedy) => refused(file, `the node ${nodeText(node)} ${reason}`, remedy),
  };
}
