import type { GraphBuilder, Value } from '../graph.ts';
import { type NodeProto, TensorProto_DataType } from '../proto/onnx_pb.js';

/** What lies between weights and a loss. */
export interface Path {
  /** In running order. */
  readonly nodes: readonly NodeProto[];
  /** Values on the way. */
  readonly values: ReadonlySet<string>;
}

/** Everything through which `loss` depends on one of `wrt` with a slope. */
export function findPath(graph: GraphBuilder, loss: string, wrt: readonly Value[]): Path {
  const dependent = new Set<string>(wrt);
  const forward = graph.program.filter((node) => {
    const reached = slopedInputs(node).some((input) => dependent.has(input));
    if (!reached || isFlat(node) || graph.stopsGradient(node.output[0] ?? '')) return false;
    for (const output of node.output) if (output !== '') dependent.add(output);
    return true;
  });
  const leading = new Set<string>([loss]);
  const nodes = forward.toReversed().filter((node) => {
    if (!node.output.some((output) => leading.has(output))) return false;
    for (const input of slopedInputs(node)) if (dependent.has(input)) leading.add(input);
    return true;
  });
  return { nodes: nodes.reverse(), values: leading };
}

/** Inputs of a node that its result may follow with a slope: not positions, shapes, masks. */
export function slopedInputs({ opType, domain, input }: NodeProto): string[] {
  const slots = isStandard(domain) ? slopedSlots[opType] : undefined;
  return (slots === undefined ? input : slots.map((slot) => input[slot] ?? '')).filter((name) => name !== '');
}

export function isStandard(domain: string): boolean {
  return domain === '' || domain === 'ai.onnx';
}

const floats: ReadonlySet<number> = new Set([
  TensorProto_DataType.FLOAT,
  TensorProto_DataType.DOUBLE,
  TensorProto_DataType.FLOAT16,
  TensorProto_DataType.BFLOAT16,
]);

/** Whether the results are steps of the inputs, or no numbers at all: nothing flows back. */
function isFlat({ opType, domain, attribute }: NodeProto): boolean {
  if (!isStandard(domain)) return false;
  if (opType === 'Cast') return !floats.has(Number(attribute.find(({ name }) => name === 'to')?.i ?? 0));
  return flat.has(opType);
}

const flat: ReadonlySet<string> = new Set([
  'And',
  'ArgMax',
  'ArgMin',
  'Bernoulli',
  'Ceil',
  'ConstantOfShape',
  'Equal',
  'EyeLike',
  'Floor',
  'Greater',
  'GreaterOrEqual',
  'Hardmax',
  'IsInf',
  'IsNaN',
  'Less',
  'LessOrEqual',
  'NonZero',
  'Not',
  'OneHot',
  'Or',
  'RandomNormalLike',
  'RandomUniformLike',
  'Range',
  'Round',
  'Shape',
  'Sign',
  'Size',
  'Xor',
]);

const slopedSlots: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [0, 1, 2],
  CastLike: [0],
  CumSum: [0],
  Dropout: [0],
  Expand: [0],
  Gather: [0],
  GatherElements: [0],
  GatherND: [0],
  Pad: [0],
  ReduceL1: [0],
  ReduceL2: [0],
  ReduceLogSum: [0],
  ReduceLogSumExp: [0],
  ReduceMax: [0],
  ReduceMean: [0],
  ReduceMin: [0],
  ReduceSum: [0],
  ReduceSumSquare: [0],
  Reshape: [0],
  Resize: [0],
  RotaryEmbedding: [0],
  ScatterElements: [0, 2],
  ScatterND: [0, 2],
  Slice: [0],
  Split: [0],
  Squeeze: [0],
  Tile: [0],
  TopK: [0],
  Trilu: [0],
  Unsqueeze: [0],
  Where: [1, 2],
};
