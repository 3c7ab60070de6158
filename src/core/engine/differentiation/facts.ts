import type { GraphBuilder } from '../graph.ts';
import type { NodeProto } from '../proto/onnx_pb.js';
import { numbersOf } from './constants.ts';

/** What is known of a value before it is computed. */
export interface ValueFacts {
  /** null: an axis that differs from run to run; it is never the side of a broadcast that is repeated. */
  readonly shape: readonly (number | null)[];
  /** "float32", "int64", "bool", ... */
  readonly type: string;
}

/** Facts by value; a value that is not in it is known by nothing but its name. */
export type GraphFacts = ReadonlyMap<string, ValueFacts>;

type Shape = readonly (number | null)[];

/**
 * Adds what follows from the facts given: shapes of inputs, of constants, and of those nodes that losses are written in. A value whose
 * shape does not follow from what is known stays unknown.
 */
export function completeFacts(graph: GraphBuilder, given: GraphFacts): GraphFacts {
  const facts = new Map<string, ValueFacts>(given);
  const known = (value: string): Shape | null => {
    const shape = facts.get(value)?.shape;
    if (shape !== undefined) return shape;
    const constant = graph.constantOf(value);
    return constant === null ? graph.inputShape(value) : constant.dims.map(Number);
  };
  for (const { input } of graph.program) {
    for (const value of input) {
      const shape = facts.has(value) ? null : known(value);
      if (shape !== null) facts.set(value, { shape, type: 'unknown' });
    }
  }
  for (const node of graph.program) {
    const [output] = node.output;
    if (output === undefined || facts.has(output)) continue;
    const shape = shapeOfResult(graph, node, known);
    if (shape !== null) facts.set(output, { shape, type: 'unknown' });
  }
  return facts;
}

const broadcasting = new Set(
  'Add Sub Mul Div Pow Max Min Sum Mean Where Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor'.split(' '),
);
const elementwise = new Set(
  'Neg Abs Exp Log Sqrt Reciprocal Relu Sigmoid Tanh Softplus Sin Cos Sign Not Cast Identity Softmax LogSoftmax Clip Erf Gelu'.split(
    ' ',
  ),
);

function shapeOfResult(graph: GraphBuilder, node: NodeProto, known: (value: string) => Shape | null): Shape | null {
  const { opType } = node;
  const inputs = node.input.filter((value) => value !== '').map(known);
  const [first = null, second = null] = inputs;
  const integer = (name: string, fallback: number) =>
    Number(node.attribute.find((attribute) => attribute.name === name)?.i ?? fallback);
  if (broadcasting.has(opType)) return inputs.reduce(broadcast);
  if (elementwise.has(opType)) return first;
  if (first === null) return null;
  const at = (axis: number) => (axis < 0 ? axis + first.length : axis);
  switch (opType) {
    case 'MatMul':
      if (second === null || first.length < 2 || second.length < 2) return null;
      return joined(broadcast(first.slice(0, -2), second.slice(0, -2)), [first.at(-2), second.at(-1)]);
    case 'Gemm':
      return [first[integer('transA', 0)] ?? null, second?.[1 - integer('transB', 0)] ?? null];
    case 'Gather': {
      const axis = at(integer('axis', 0));
      return second && [...first.slice(0, axis), ...second, ...first.slice(axis + 1)];
    }
    case 'GatherElements':
      return second;
    case 'ArgMax':
    case 'ArgMin':
      return reduced(first, [at(integer('axis', 0))], integer('keepdims', 1) === 1);
    case 'TopK': {
      const axis = at(integer('axis', -1));
      const k = numbersOf(graph, node.input[1] ?? '')?.[0] ?? null;
      return first.map((size, index) => (index === axis ? k : size));
    }
    case 'Unsqueeze': {
      const axes = numbersOf(graph, node.input[1] ?? '');
      if (axes === null) return null;
      const rank = first.length + axes.length;
      const added = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
      const left = [...first];
      return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (left.shift() ?? null)));
    }
    case 'Squeeze': {
      const axes = numbersOf(graph, node.input[1] ?? '');
      return axes && reduced(first, axes.map(at), false);
    }
    case 'Reshape': {
      const sizes = numbersOf(graph, node.input[1] ?? '');
      if (sizes === null || sizes.includes(0)) return null;
      const count = first.includes(null) ? null : (first as number[]).reduce((a, b) => a * b, 1);
      const rest = sizes.reduce((product, size) => (size === -1 ? product : product * size), 1);
      return sizes.map((size) => (size === -1 ? (count === null ? null : count / rest) : size));
    }
    default:
      if (!opType.startsWith('Reduce')) return null;
      return reducedShape(graph, node, first, integer('keepdims', 1) === 1);
  }
}

function reducedShape(graph: GraphBuilder, node: NodeProto, shape: Shape, keep: boolean): Shape | null {
  const given = node.input[1] ?? '';
  if (given === '') {
    const isIdentity = node.attribute.some(({ name, i }) => name === 'noop_with_empty_axes' && i !== 0n);
    return isIdentity
      ? shape
      : reduced(
          shape,
          shape.map((_, axis) => axis),
          keep,
        );
  }
  const axes = numbersOf(graph, given);
  return (
    axes &&
    reduced(
      shape,
      axes.map((axis) => (axis < 0 ? axis + shape.length : axis)),
      keep,
    )
  );
}

function reduced(shape: Shape, axes: readonly number[], keep: boolean): Shape {
  return keep
    ? shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    : shape.filter((_, axis) => !axes.includes(axis));
}

function broadcast(a: Shape | null, b: Shape | null): Shape | null {
  if (a === null || b === null) return null;
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const own = a[axis - rank + a.length] ?? (axis < rank - a.length ? 1 : null);
    const other = b[axis - rank + b.length] ?? (axis < rank - b.length ? 1 : null);
    if (own === 1) return other;
    return other === 1 || other === null ? own : other;
  });
}

function joined(stack: Shape | null, matrix: readonly (number | null | undefined)[]): Shape | null {
  return stack && [...stack, ...matrix.map((size) => size ?? null)];
}
