import type { GraphBuilder, Value } from './graph.ts';
import type { Operations } from './operations.ts';

/**
 * The vocabulary of losses written into an ONNX graph: each operation the cheapest nodes that `differentiate` has rules
 * for. Masks are bool, positions int32.
 */
export function graphOperations(graph: GraphBuilder): Operations<Value> {
  const binary = (operator: string) => (a: Value, b: Value) => graph.node(operator, [a, b]);
  const unary = (operator: string) => (a: Value) => graph.node(operator, [a]);
  const reduce = (operator: string) => (a: Value, axis: number | null, keep?: boolean) =>
    graph.node(operator, axis === null ? [a] : [a, graph.int64s([axis])], { keepdims: keep ? 1 : 0 });
  const where = (mask: Value, a: Value, b: Value) => graph.node('Where', [mask, a, b]);
  const toFloat = (mask: Value) => graph.node('Cast', [mask], { to: FLOAT });
  const position = (operator: string) => (a: Value, axis: number) =>
    graph.node('Cast', [graph.node(operator, [a], { axis, keepdims: 0 })], { to: INT32 });

  return {
    constant: ({ data, shape }) => graph.constant(data, shape),
    scalar: (value) => graph.scalar(value),

    add: binary('Add'),
    subtract: binary('Sub'),
    multiply: binary('Mul'),
    divide: binary('Div'),
    negate: unary('Neg'),
    // Not Max and Min, which share the gradient of equals. A NaN of `a` comes through.
    maximum: (a, b) => where(graph.node('Less', [a, b]), b, a),
    minimum: (a, b) => where(graph.node('Greater', [a, b]), b, a),
    relu: unary('Relu'),
    exp: unary('Exp'),
    log: unary('Log'),
    sqrt: unary('Sqrt'),
    square: (a) => graph.node('Mul', [a, a]),
    abs: unary('Abs'),

    matmul: (a, b, { transposeA = false, transposeB = false } = {}) =>
      transposeA || transposeB
        ? graph.node('Gemm', [a, b], { ...(transposeA ? { transA: 1 } : {}), ...(transposeB ? { transB: 1 } : {}) })
        : graph.node('MatMul', [a, b]),
    sum: reduce('ReduceSum'),
    mean: reduce('ReduceMean'),
    // Not ReduceMax, which shares the gradient of equals.
    max(a, axis, keep = false) {
      const largest = graph.node('ArgMax', [a], { axis, keepdims: 1 });
      const kept = graph.node('GatherElements', [a, largest], { axis });
      return keep ? kept : graph.node('Squeeze', [kept, graph.int64s([axis])]);
    },
    logSoftmax: (a, axis) => graph.node('LogSoftmax', [a], { axis }),

    greater: binary('Greater'),
    greaterEqual: binary('GreaterOrEqual'),
    equal: binary('Equal'),
    and: binary('And'),
    or: binary('Or'),
    not: unary('Not'),
    toFloat,
    where,

    gatherRows: (a, indices) => graph.node('Gather', [a, indices], { axis: 0 }),
    // Not OneHot, to which -1 is the last class.
    oneHot(indices, depth) {
      const classes = graph.constant(
        Int32Array.from({ length: depth }, (_, k) => k),
        [depth],
      );
      return toFloat(graph.node('Equal', [graph.node('Unsqueeze', [indices, graph.int64s([1])]), classes]));
    },
    argMax: position('ArgMax'),
    argMin: position('ArgMin'),
    topK: (a, k) => graph.nodes('TopK', [a, graph.int64s([k])], { axis: -1 }, 2)[0] as Value,
    concat: (parts, axis) => graph.node('Concat', parts, { axis }),
    reshape: (a, shape) => graph.node('Reshape', [a, graph.int64s(shape)]),
    slice: (a, axis, from, to) =>
      graph.node('Slice', [a, graph.int64s([from]), graph.int64s([to]), graph.int64s([axis])]),
    stopGradient: (a) => graph.stopGradient(a),
  };
}

/** Element types as `Cast` numbers them (onnx.proto, TensorProto.DataType). */
const FLOAT = 1;
const INT32 = 6;
