import type { GraphFacts } from '../../engine/differentiation/differentiate.ts';
import type { ElementType, GraphBuilder, Value } from '../../engine/graph.ts';
import type { NodeProto, TensorProto } from '../../engine/proto/onnx_pb.js';
import { signatureOf } from '../onnxFile.ts';
import { opsetOf } from './checkTrainable.ts';
import { floatTensor, type LoadedTensors } from './loadedTensors.ts';
import { attention } from './rewrite/attention.ts';
import { inferenceForm } from './rewrite/inferenceForm.ts';
import { nodeRewriter, type RewriteRule, type RewriterContext } from './rewrite/nodeRewriter.ts';
import { olderOpsets } from './rewrite/olderOpsets.ts';
import type { StartModel } from './startModel.ts';
import { bodiesOf, refused, type Subgraph } from './subgraph.ts';
import type { Weight } from './weights.ts';

/** Constants lie in the graph's bytes, which end at 2 GiB. */
const MAX_FROZEN_BYTES = 1.75 * 2 ** 30;

const rules: Readonly<Record<string, RewriteRule>> = { ...inferenceForm, Attention: attention };

/** What brings a node of a file of that opset into the form that is trained; null: it is in it. */
function ruleOf({ domain, opType }: NodeProto, opset: number): RewriteRule | null {
  if (domain !== '' && domain !== 'ai.onnx') return null;
  const upgrade = olderOpsets[opType];
  return upgrade !== undefined && opset < upgrade.before ? upgrade.rule : (rules[opType] ?? null);
}

export interface Filling {
  readonly start: StartModel;
  readonly subgraph: Subgraph;
  readonly loaded: LoadedTensors;
  readonly chosen: ReadonlySet<Weight>;
  readonly leftOut: readonly Weight[];
  /** Of the file's values. */
  readonly facts: GraphFacts;
  readonly output: string;
  /** Whether operators stay as the file has them where their form follows from sizes, which nobody measured. */
  readonly isSurvey?: boolean;
}

/** What has a form that is trained, but one that follows from sizes, stands for it: the same values flow in and out. */
const standIn: RewriteRule = ({ graph, inputs, replace, node }) => {
  for (const index of node.output.keys())
    replace(
      index,
      graph.node(
        'Sum',
        inputs.filter((value) => value !== null),
      ),
    );
};

function surveyRule(rule: RewriteRule | null): RewriteRule | null {
  return rule === null || Object.values(inferenceForm).includes(rule) ? rule : standIn;
}

/**
 * Writes the subgraph into the builder, every operator in the form that is trained: weights that are trained as inputs, everything
 * else as constants.
 * @returns the value of the output
 * @throws BackcompatError `bad-model` naming a node that has no such form
 */
export function fillGraph(graph: GraphBuilder, filling: Filling): Value {
  const { start, subgraph, facts, chosen, output } = filling;
  const { nodes, inputs, sourceOf } = subgraph;
  for (const { name, type, shape } of inputs.map(signatureOf)) {
    const sizes = shape.map((size, axis) => size ?? `${name}_${axis}`);
    graph.input(name, type as ElementType, sizes);
  }
  for (const { domain, version } of start.model.opsetImport) {
    if (domain !== '' && domain !== 'ai.onnx') graph.importDomain(domain, Number(version));
  }
  for (const { name, shape } of chosen) graph.input(name, 'float32', shape);
  const inputsOf = inputNames(filling);
  const adoptConstant = constantAdopter(graph, filling);
  const read = new Set([sourceOf(output), ...nodes.flatMap(allInputs)]);
  const context: RewriterContext = {
    file: start.file,
    graph,
    opset: opsetOf(start.model),
    values: new Map(),
    factsOf: (name) => facts.get(name),
    isUsed: (name) => read.has(name),
  };
  for (const node of nodes) {
    const given = inputsOf(node);
    for (const name of [...given, ...bodiesOf(node).flatMap(({ input }) => input)]) adoptConstant(name);
    const rewriter = nodeRewriter(context, node, given);
    const formed = ruleOf(node, context.opset);
    const rule = filling.isSurvey ? surveyRule(formed) : formed;
    if (rule === null) rewriter.keep();
    else rule(rewriter);
  }
  const source = sourceOf(output);
  return context.values.get(source) ?? (source as Value);
}

/** What a node reads, with what the bodies inside it read. */
export function allInputs(node: NodeProto): string[] {
  return [node, ...bodiesOf(node)].flatMap(({ input }) => input);
}

/** Names of a node's inputs: behind Identities, and of the weight that its use got. */
function inputNames({ subgraph, chosen, leftOut }: Filling): (node: NodeProto) => string[] {
  const names = new Map(subgraph.nodes.map((node) => [node, node.input.map(subgraph.sourceOf)]));
  for (const { name, uses } of [...chosen, ...leftOut]) {
    for (const { node, slot } of uses) (names.get(node) as string[])[slot] = name;
  }
  return (node) => names.get(node) as string[];
}

/** Takes a tensor into the graph when it is read for the first time. */
function constantAdopter(graph: GraphBuilder, { start, subgraph, loaded, chosen, leftOut }: Filling) {
  const waiting = new Map<string, () => TensorProto>();
  for (const [name, tensor] of subgraph.tensors) waiting.set(name, () => loaded.inside(tensor));
  for (const { name, shape, data } of leftOut) {
    waiting.set(name, () => floatTensor(name, shape, data));
  }
  for (const { name } of chosen) waiting.delete(name);
  let bytes = 0;
  return (name: string): void => {
    const make = waiting.get(name);
    if (make === undefined) return;
    waiting.delete(name);
    const tensor = make();
    bytes += tensor.rawData.length;
    if (bytes > MAX_FROZEN_BYTES) {
      throw refused(start.file, 'its frozen weights take more than 1.75 GiB', 'Train all of it, or a smaller model.');
    }
    graph.adoptConstant(tensor);
  };
}
