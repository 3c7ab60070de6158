import type { GraphBuilder, Value } from '../graph.ts';
import { completeFacts, type GraphFacts, type ValueFacts } from './facts.ts';
import { findPath } from './path.ts';
import { NodeView, type Rule } from './rule.ts';
import { rules } from './rules/rules.ts';
import { refuseUnsupported } from './unsupported.ts';

export type { GraphFacts, ValueFacts } from './facts.ts';

/**
 * Appends the reverse pass of `loss` to `graph`: reverse-mode differentiation, node by node, each by the rule of its
 * operator (`rules`). Shapes need not be known; where facts say them, cheaper formulations are chosen. Values are float32. Where an
 * operator has no slope (equal largest values, the ends of a range), the gradient is PyTorch's.
 * @param loss a scalar
 * @param wrt values whose gradients are asked for
 * @param facts true for every run; see `ValueFacts`
 * @returns for each of `wrt` its gradient, in its shape; null where the loss does not depend on it
 * @throws BackcompatError `bad-model` for a node on the path through which no gradient flows, naming it, the operator and what can
 *   still be trained (see `findUnsupported`)
 */
export function differentiate(
  graph: GraphBuilder,
  loss: Value,
  wrt: readonly Value[],
  facts: GraphFacts,
): (Value | null)[] {
  const path = findPath(graph, loss, wrt);
  refuseUnsupported(graph, path, wrt);
  const first = graph.program.length;
  const known = new Map<string, ValueFacts>(completeFacts(graph, facts));
  const contributions = new Map<string, Value[]>([[loss, [graph.scalar(1)]]]);
  const gradientOf = (value: string): Value | null => {
    const parts = contributions.get(value);
    if (parts === undefined) return null;
    // Summed once: whoever asks again gets the sum.
    const sum = parts.reduce((a, b) => graph.node('Add', [a, b]));
    contributions.set(value, [sum]);
    const fact = known.get(value);
    if (fact !== undefined) known.set(sum, fact);
    return sum;
  };
  for (const node of path.nodes.toReversed()) {
    const gradients = node.output.map((output) => (output === '' ? null : gradientOf(output)));
    if (gradients.every((gradient) => gradient === null)) continue;
    const needed = node.input.map((input) => path.values.has(input));
    const given = (rules[node.opType] as Rule)(new NodeView(graph, node, gradients, needed, known));
    for (const [index, input] of node.input.entries()) {
      const gradient = given[index];
      if (!needed[index] || !gradient) continue;
      contributions.set(input, [...(contributions.get(input) ?? []), gradient]);
    }
  }
  const results = wrt.map((value) => gradientOf(value));
  // Rules may write more than was asked for.
  graph.prune(
    first,
    results.filter((gradient) => gradient !== null),
  );
  return results;
}
