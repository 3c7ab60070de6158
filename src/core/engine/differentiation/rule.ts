import { BackcompatError } from '../../contract/errors.ts';
import type { AttributeValue, GraphBuilder, Value } from '../graph.ts';
import { type AttributeProto, AttributeProto_AttributeType, type NodeProto } from '../proto/onnx_pb.js';
import { numbersOf } from './constants.ts';
import type { GraphFacts } from './facts.ts';

/**
 * The gradient of one node: for each of its inputs the gradient of the loss, in that input's shape; null where none flows.
 * Asked only when a gradient of an output is there and one of an input is needed.
 */
export type Rule = (node: NodeView) => readonly (Value | null)[];

/** One size of a shape: a number where it is known, else an int64 value of shape [1]. */
export type Size = number | Value;

/** A node as a rule sees it, and the words to write its reverse in. */
export class NodeView {
  readonly graph: GraphBuilder;
  readonly proto: NodeProto;
  readonly #facts: GraphFacts;
  readonly #gradients: readonly (Value | null)[];
  readonly #needed: readonly boolean[];

  constructor(
    graph: GraphBuilder,
    proto: NodeProto,
    gradients: readonly (Value | null)[],
    needed: readonly boolean[],
    facts: GraphFacts,
  ) {
    this.graph = graph;
    this.proto = proto;
    this.#gradients = gradients;
    this.#needed = needed;
    this.#facts = facts;
  }

  // The node -------------------------------------------------------------------------------------

  /** Input `index`; @throws TypeError where the node has none */
  input(index: number): Value {
    const value = this.optional(index);
    if (value === null) throw new TypeError(`${this.proto.opType} has no input ${index}`);
    return value;
  }

  optional(index: number): Value | null {
    const name = this.proto.input[index];
    return name === undefined || name === '' ? null : (name as Value);
  }

  output(index = 0): Value {
    return this.proto.output[index] as Value;
  }

  /** Gradient of an output, null where the loss does not depend on it. */
  gradient(index: number): Value | null {
    return this.#gradients[index] ?? null;
  }

  /** Gradient of the first output; @throws BackcompatError where the loss depends on another one only */
  get upstream(): Value {
    const value = this.gradient(0);
    if (value === null) throw this.refuse('the loss depends on a second output of it');
    return value;
  }

  needs(index: number): boolean {
    return this.#needed[index] ?? false;
  }

  /** The gradients of those inputs that need one, computed only then. */
  each(...gradients: (() => Value | null)[]): (Value | null)[] {
    return gradients.map((make, index) => (this.needs(index) ? make() : null));
  }

  /** The error of a form of the operator that has no rule. */
  refuse(reason: string): BackcompatError {
    const { opType, name } = this.proto;
    return new BackcompatError(
      'bad-model',
      `No gradient flows through the node ${JSON.stringify(name)} (${opType}): ${reason}.`,
      { remedy: 'Train only what comes after it: name those weights in "trainable", or use "trainable": "embedding".' },
    );
  }

  // Attributes -----------------------------------------------------------------------------------

  #attribute(name: string): AttributeProto | undefined {
    return this.proto.attribute.find((attribute) => attribute.name === name);
  }

  has(name: string): boolean {
    return this.#attribute(name) !== undefined;
  }

  int(name: string, fallback: number): number {
    const attribute = this.#attribute(name);
    return attribute === undefined ? fallback : Number(attribute.i);
  }

  float(name: string, fallback: number): number {
    const attribute = this.#attribute(name);
    if (attribute === undefined) return fallback;
    return attribute.type === AttributeProto_AttributeType.INT ? Number(attribute.i) : attribute.f;
  }

  text(name: string, fallback: string): string {
    const attribute = this.#attribute(name);
    return attribute === undefined ? fallback : new TextDecoder().decode(attribute.s);
  }

  ints(name: string): number[] | null {
    return this.#attribute(name)?.ints.map(Number) ?? null;
  }

  /** The node's own attributes, some left out, for a node of the same kind. */
  attributes(names: readonly string[]): Record<string, AttributeValue> {
    const kept: Record<string, AttributeValue> = {};
    for (const name of names) {
      const attribute = this.#attribute(name);
      if (attribute === undefined) continue;
      const { type } = attribute;
      if (type === AttributeProto_AttributeType.STRING) kept[name] = this.text(name, '');
      else if (type === AttributeProto_AttributeType.INTS) kept[name] = attribute.ints.map(Number);
      else if (type === AttributeProto_AttributeType.FLOAT) kept[name] = { float: attribute.f };
      else kept[name] = Number(attribute.i);
    }
    return kept;
  }

  // What is known --------------------------------------------------------------------------------

  /** The shape where it is known, with null for axes that vary. */
  shapeOf(value: string): readonly (number | null)[] | null {
    return this.#facts.get(value)?.shape ?? null;
  }

  rankOf(value: string): number | null {
    return this.shapeOf(value)?.length ?? null;
  }

  /** The shape where all of it is known. */
  sizesOf(value: string): number[] | null {
    const shape = this.shapeOf(value);
    return shape?.every((size) => size !== null) ? (shape as number[]).slice() : null;
  }

  /** The numbers of a small constant; null for other values. */
  numbers(value: string | null): number[] | null {
    return value === null ? null : numbersOf(this.graph, value);
  }

  // Words ----------------------------------------------------------------------------------------

  node(operator: string, inputs: readonly (Value | null)[], attributes: Record<string, AttributeValue> = {}): Value {
    return this.graph.node(operator, inputs, attributes);
  }
  scalar(value: number): Value {
    return this.graph.scalar(value);
  }
  int64s(values: readonly number[]): Value {
    return this.graph.int64s(values);
  }
  add(a: Value, b: Value): Value {
    return this.node('Add', [a, b]);
  }
  subtract(a: Value, b: Value): Value {
    return this.node('Sub', [a, b]);
  }
  multiply(a: Value, b: Value): Value {
    return this.node('Mul', [a, b]);
  }
  divide(a: Value, b: Value): Value {
    return this.node('Div', [a, b]);
  }
  negate(a: Value): Value {
    return this.node('Neg', [a]);
  }
  /** `factor` times `a`. */
  scale(a: Value, factor: number): Value {
    return factor === 1 ? a : this.multiply(a, this.scalar(factor));
  }
  sum(a: Value, axes: readonly number[], keepdims: 0 | 1 = 1): Value {
    return this.node('ReduceSum', [a, this.int64s(axes)], { keepdims });
  }
  transpose(a: Value, perm: readonly number[]): Value {
    return perm.every((from, to) => from === to) ? a : this.node('Transpose', [a], { perm });
  }
  greater(a: Value, b: Value): Value {
    return this.node('Greater', [a, b]);
  }
  /** `a` where the mask holds, else `b`; else 0, never a product, in which 0 x NaN is NaN. */
  where(mask: Value, a: Value, b: Value = this.scalar(0)): Value {
    return this.node('Where', [mask, a, b]);
  }
}
