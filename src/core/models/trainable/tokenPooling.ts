import { GraphBuilder, type Value } from '../../engine/graph.ts';
import type { NodeProto, TensorProto } from '../../engine/proto/onnx_pb.js';

/** How vectors of tokens become one vector: the mean of those that the mask keeps (null: of all), or the first. */
export interface TokenPooling {
  readonly kind: 'mean' | 'cls';
  /** Name of the input that is 1 for a text's own tokens. */
  readonly mask: string | null;
}

/** The oldest opset whose operators pooling is written in. */
export const POOLING_OPSET = 13;

/** Appends the pooling of [n, tokens, d] to a graph. @returns [n, d] */
export function poolTokens(graph: GraphBuilder, tokens: Value, { kind, mask }: TokenPooling): Value {
  if (kind === 'cls') {
    const first = graph.node('Slice', [tokens, graph.int64s([0]), graph.int64s([1]), graph.int64s([1])]);
    return graph.node('Squeeze', [first, graph.int64s([1])]);
  }
  const axes = graph.int64s([1]);
  if (mask === null) {
    const sum = graph.node('ReduceSum', [tokens, axes], { keepdims: 0 });
    const count = graph.node('Shape', [tokens]);
    const own = graph.node('Slice', [count, axes, graph.int64s([2])]);
    return graph.node('Div', [sum, graph.node('Cast', [own], { to: 1 })]);
  }
  const kept = graph.node('Unsqueeze', [graph.node('Cast', [mask as Value], { to: 1 }), graph.int64s([2])]);
  const sum = graph.node('ReduceSum', [graph.node('Mul', [tokens, kept]), axes], { keepdims: 0 });
  return graph.node('Div', [sum, graph.node('ReduceSum', [kept, axes], { keepdims: 0 })]);
}

/** The same as nodes and constants to put behind a model; the last node gives the vectors. */
export function poolingNodes(output: string, pooling: TokenPooling): { nodes: NodeProto[]; constants: TensorProto[] } {
  const graph = new GraphBuilder('pooling');
  poolTokens(graph, output as Value, pooling);
  const names = new Set(graph.program.flatMap((node) => node.input));
  const constants = [...names].map((name) => graph.constantOf(name)).filter((tensor) => tensor !== null);
  const prefixed = (name: string) => (name === output || name === pooling.mask ? name : `pooling/${name}`);
  for (const tensor of constants) tensor.name = prefixed(tensor.name);
  for (const node of graph.program) {
    node.input = node.input.map(prefixed);
    node.output = node.output.map(prefixed);
    node.name = node.output[0] as string;
  }
  return { nodes: [...graph.program], constants };
}
