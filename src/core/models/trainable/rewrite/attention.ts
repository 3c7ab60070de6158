import type { GraphBuilder, Value } from '../../../engine/graph.ts';
import { floatAttribute, integerAttribute } from '../nodes.ts';
import type { NodeRewriter } from './nodeRewriter.ts';

const REMEDY = 'Export the model with opset 20 and without a cache of keys and values.';

/**
 * Attention (opset 23 and later) taken apart: softmax(scale Q K^T + mask) V, each head for itself (ONNX, docs/Operators.md; both Q
 * and K are scaled by the root, as there). A row of the mask that allows nothing gives zeros' NaN as the operator does.
 */
export function attention(rewriter: NodeRewriter): void {
  const { node, graph, inputs, isUsed, refuse, replace, shapeOf, typeOf } = rewriter;
  const [query, key, value, mask, pastKey, pastValue, lengths] = inputs;
  if (pastKey || pastValue || lengths || [1, 2, 3].some(isUsed)) throw refuse('has a cache of keys and values', REMEDY);
  const rank = shapeOf(0)?.length;
  const keyRank = shapeOf(1)?.length;
  const heads = integerAttribute(node, 'q_num_heads', 0) || shapeOf(0)?.[1];
  const keyHeads = integerAttribute(node, 'kv_num_heads', 0) || shapeOf(1)?.[1];
  if (!rank || rank !== keyRank || !heads || !keyHeads) throw refuse('has inputs of unknown shape', REMEDY);
  const width = shapeOf(0)?.at(-1);
  const size = rank === 3 && typeof width === 'number' ? width / heads : width;
  const scale = floatAttribute(node, 'scale') ?? (typeof size === 'number' ? 1 / Math.sqrt(size) : null);
  if (scale === null) throw refuse('has heads of unknown size', REMEDY);

  const apart = (given: Value, count: number) => (rank === 3 ? splitHeads(graph, given, count) : given);
  const rootScale = graph.scalar(Math.sqrt(scale));
  const q = graph.node('Mul', [apart(query as Value, heads), rootScale]);
  const shared = (given: Value) => repeatHeads(graph, apart(given, keyHeads), heads / keyHeads, keyHeads);
  const k = graph.node('Mul', [shared(key as Value), rootScale]);
  let scores = graph.node('MatMul', [q, graph.node('Transpose', [k], { perm: [0, 1, 3, 2] })]);
  const softcap = floatAttribute(node, 'softcap') ?? 0;
  if (softcap > 0) {
    const cap = graph.scalar(softcap);
    scores = graph.node('Mul', [graph.node('Tanh', [graph.node('Div', [scores, cap])]), cap]);
  }
  const nothing = graph.scalar(Number.NEGATIVE_INFINITY);
  if (mask) {
    const isBoolean = typeOf(3) === 'bool';
    scores = isBoolean ? graph.node('Where', [mask, scores, nothing]) : graph.node('Add', [scores, mask]);
  }
  if (integerAttribute(node, 'is_causal', 0) === 1) {
    scores = graph.node('Where', [causal(graph, scores), scores, nothing]);
  }
  const weights = graph.node('Softmax', [scores], { axis: -1 });
  const mixed = graph.node('MatMul', [weights, shared(value as Value)]);
  replace(0, rank === 3 ? joinHeads(graph, mixed) : mixed);
}

/** [n, s, heads * d] as [n, heads, s, d]. */
function splitHeads(graph: GraphBuilder, value: Value, heads: number): Value {
  const apart = graph.node('Reshape', [value, graph.int64s([0, 0, heads, -1])]);
  return graph.node('Transpose', [apart], { perm: [0, 2, 1, 3] });
}

function joinHeads(graph: GraphBuilder, value: Value): Value {
  const turned = graph.node('Transpose', [value], { perm: [0, 2, 1, 3] });
  return graph.node('Reshape', [turned, graph.int64s([0, 0, -1])]);
}

/** [n, heads, s, d] with each head `times` times, one behind the other. */
function repeatHeads(graph: GraphBuilder, value: Value, times: number, heads: number): Value {
  if (times === 1) return value;
  const unit = graph.node('Unsqueeze', [value, graph.int64s([2])]);
  const many = graph.node(
    'Concat',
    Array.from({ length: times }, () => unit),
    { axis: 2 },
  );
  const shape = graph.node('Shape', [value]);
  const part = (start: number, end: number) => graph.node('Slice', [shape, graph.int64s([start]), graph.int64s([end])]);
  const target = graph.node('Concat', [part(0, 1), graph.int64s([times * heads]), part(2, 4)], { axis: 0 });
  return graph.node('Reshape', [many, target]);
}

/** Whether a query [.., q, 1] may see a key [1, k]: not a later one. */
function causal(graph: GraphBuilder, scores: Value): Value {
  const count = (axis: number) => {
    const size = graph.node('Shape', [scores], { start: axis, end: axis + 1 });
    return graph.node('Squeeze', [size, graph.int64s([0])]);
  };
  const range = (axis: number) => graph.node('Range', [int64(graph, 0), count(axis), int64(graph, 1)]);
  const rows = graph.node('Unsqueeze', [range(2), graph.int64s([1])]);
  return graph.node('GreaterOrEqual', [rows, range(3)]);
}

function int64(graph: GraphBuilder, value: number): Value {
  return graph.constant(BigInt64Array.of(BigInt(value)), []);
}
