import { BackcompatError } from '../../contract/errors.ts';
import type { GraphBuilder, Value } from '../graph.ts';
import type { NodeProto } from '../proto/onnx_pb.js';
import { NodeView } from './rule.ts';
import { rules } from './rules/rules.ts';

/** What is known of a value before it is computed. */
export interface ValueFacts {
  /** null: an axis that differs from run to run. */
  readonly shape: readonly (number | null)[];
  /** "float32", "int64", "bool", ... */
  readonly type: string;
}

/** Facts by value; a value that is not in it is known by nothing but its name. */
export type GraphFacts = ReadonlyMap<string, ValueFacts>;

/**
 * Appends the reverse pass of `loss` to `graph`: reverse-mode differentiation, node by node, each by the rule of its
 * operator (`rules`). Shapes need not be known; where facts say them, cheaper formulations are chosen.
 * @param loss a scalar
 * @param wrt values whose gradients are asked for
 * @returns for each of `wrt` its gradient, in its shape; null where the loss does not depend on it
 * @throws BackcompatError `bad-model` for an operator on the path that has no rule, naming the node, the operator and what can
 *   still be trained
 */
export function differentiate(
  graph: GraphBuilder,
  loss: Value,
  wrt: readonly Value[],
  facts: GraphFacts,
): (Value | null)[] {
  const path = findPath(graph, loss, wrt);
  const contributions = new Map<string, Value[]>([[loss, [graph.scalar(1)]]]);
  const gradientOf = (value: string): Value | null => {
    const parts = contributions.get(value);
    if (parts === undefined || parts.length === 0) return null;
    // Summed once: whoever asks again gets the sum.
    const sum = parts.reduce((a, b) => graph.node('Add', [a, b]));
    contributions.set(value, [sum]);
    return sum;
  };
  for (const node of path.nodes.toReversed()) {
    const gradients = node.output.map((output) => (output === '' ? null : gradientOf(output)));
    if (gradients.every((gradient) => gradient === null)) continue;
    const rule = rules[node.opType];
    if (rule === undefined) throw noRule(node);
    const needed = node.input.map((input) => path.values.has(input));
    const given = rule(new NodeView(graph, node, gradients, needed, facts));
    for (const [index, input] of node.input.entries()) {
      const gradient = given[index];
      if (!needed[index] || !gradient) continue;
      contributions.set(input, [...(contributions.get(input) ?? []), gradient]);
    }
  }
  return wrt.map((value) => gradientOf(value));
}

interface Path {
  /** In running order. */
  nodes: NodeProto[];
  /** Values that depend on `wrt` and that the loss depends on. */
  values: ReadonlySet<string>;
}

/** What lies between `wrt` and the loss. */
function findPath(graph: GraphBuilder, loss: Value, wrt: readonly Value[]): Path {
  const dependent = new Set<string>(wrt);
  const forward = graph.program.filter((node) => {
    const reached = node.input.some((input) => dependent.has(input)) && !graph.stopsGradient(node.output[0] ?? '');
    if (reached && !indices.has(node.opType)) for (const output of node.output) dependent.add(output);
    return reached && !indices.has(node.opType);
  });
  const leading = new Set<string>([loss]);
  const nodes = forward
    .toReversed()
    .filter((node) => {
      const leads = node.output.some((output) => leading.has(output));
      if (leads) for (const input of node.input) if (dependent.has(input)) leading.add(input);
      return leads;
    })
    .reverse();
  return { nodes, values: leading };
}

/** Operators whose results are steps of their inputs, or no numbers at all: nothing flows back through them. */
const indices: ReadonlySet<string> = new Set([
  'Shape',
  'Size',
  'NonZero',
  'ArgMax',
  'ArgMin',
  'Equal',
  'Greater',
  'GreaterOrEqual',
  'Less',
  'LessOrEqual',
  'And',
  'Or',
  'Not',
  'IsNaN',
  'IsInf',
  'Sign',
  'Floor',
  'Ceil',
  'Round',
  'ConstantOfShape',
  'Range',
  'OneHot',
]);

function noRule(node: NodeProto): BackcompatError {
  return new BackcompatError(
    'bad-model',
    `The operator ${node.opType} (node ${JSON.stringify(node.name)}) lies between a trained weight and the loss, and has no gradient here.`,
    { remedy: 'Train only what comes after it: name those weights in "trainable", or use "trainable": "embedding".' },
  );
}
