import { BackcompatError } from '../../contract/errors.ts';
import type { GraphBuilder, Value } from '../graph.ts';

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
  throw new BackcompatError('internal', `no rule yet (${graph.program.length}, ${loss}, ${wrt.length}, ${facts.size})`);
}
