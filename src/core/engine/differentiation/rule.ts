import type { AttributeValue, GraphBuilder, Value } from '../graph.ts';
import { type AttributeProto, AttributeProto_AttributeType, type NodeProto } from '../proto/onnx_pb.js';
import type { ValueFacts } from './differentiate.ts';

/**
 * The gradient of one node: for each of its inputs the gradient of the loss, in that input's shape; null where none flows.
 * Asked only when a gradient of an output is there and one of an input is needed.
 */
export type Rule = (node: NodeView) => readonly (Value | null)[];

/** A node as a rule sees it, and the words to write its reverse in. */
export class NodeView {
  readonly graph: GraphBuilder;
  readonly proto: NodeProto;
  readonly #facts: ReadonlyMap<string, ValueFacts>;
  readonly #gradients: readonly (Value | null)[];
  readonly #needed: readonly boolean[];

  constructor(
    graph: GraphBuilder,
    proto: NodeProto,
    gradients: readonly (Value | null)[],
    needed: readonly boolean[],
    facts: ReadonlyMap<string, ValueFacts>,
  ) {
    this.graph = graph;
    this.proto = proto;
    this.#gradients = gradients;
    this.#needed = needed;
    this.#facts = facts;
  }

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

  /** Gradient of the first output. */
  get upstream(): Value {
    const value = this.gradient(0);
    if (value === null) throw new TypeError(`${this.proto.opType}: the loss does not depend on its first output`);
    return value;
  }

  needs(index: number): boolean {
    return this.#needed[index] ?? false;
  }

  /** The gradients of those inputs that need one, computed only then. */
  each(...gradients: (() => Value | null)[]): (Value | null)[] {
    return gradients.map((make, index) => (this.needs(index) ? make() : null));
  }

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

  facts(value: string): ValueFacts | null {
    const known = this.#facts.get(value);
    if (known !== undefined) return known;
    const constant = this.graph.constantOf(value);
    return constant === null ? null : { shape: constant.dims.map(Number), type: 'constant' };
  }

  /** The shape where it is known, with null for axes that vary. */
  shapeOf(value: string): readonly (number | null)[] | null {
    return this.facts(value)?.shape ?? null;
  }

  rankOf(value: string): number | null {
    return this.shapeOf(value)?.length ?? null;
  }

  // Words ---------------------------------------------------------------------------------------

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
  /** `a` where the mask holds, else 0: never a product, in which 0 x NaN is NaN. */
  keepWhere(mask: Value, a: Value): Value {
    return this.node('Where', [mask, a, this.scalar(0)]);
  }
  shape(a: Value): Value {
    return this.node('Shape', [a]);
  }
  /** `a` in the shape of `like`, same number of elements. */
  reshapeLike(a: Value, like: Value): Value {
    return this.node('Reshape', [a, this.shape(like)], { allowzero: 1 });
  }
  /**
   * A gradient of a broadcast result, summed down to the shape of the input that was broadcast.
   * @param from the gradient's own shape where it is not that of the first output
   */
  unbroadcast(gradient: Value, like: Value, from = this.shapeOf(this.output())): Value {
    const to = this.shapeOf(like);
    if (from && to) {
      const offset = from.length - to.length;
      const axes = from.flatMap((size, axis) => {
        if (axis < offset) return [axis];
        const own = to[axis - offset];
        return own === 1 && size !== 1 ? [axis] : [];
      });
      if (axes.length === 0) return gradient;
      const sum = this.node('ReduceSum', [gradient, this.int64s(axes)], { keepdims: 1 });
      return offset === 0 ? sum : this.reshapeLike(sum, like);
    }
    // Axes of 1, of a shape filled up with ones in front, are those to sum over; summing over a true 1 does no harm.
    const shape = this.shape(like);
    const rank = this.node('Size', [shape]);
    const ahead = this.node('Sub', [this.node('Size', [this.shape(gradient)]), rank]);
    const one = this.graph.constant(BigInt64Array.of(1n), [1]);
    const ones = this.node('Expand', [one, this.node('Unsqueeze', [ahead, this.int64s([0])])]);
    const padded = this.node('Concat', [ones, shape], { axis: 0 });
    const axes = this.node('Reshape', [this.node('NonZero', [this.node('Equal', [padded, one])]), this.int64s([-1])]);
    const sum = this.node('ReduceSum', [gradient, axes], { keepdims: 1, noop_with_empty_axes: 1 });
    return this.node('Reshape', [sum, shape], { allowzero: 1 });
  }
}
