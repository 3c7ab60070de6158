import type { NodeProto, TensorProto } from '../../engine/proto/onnx_pb.js';
import { isFloat32, type Subgraph } from './subgraph.ts';

/** One place where a node reads a tensor. */
export interface TensorUse {
  readonly node: NodeProto;
  readonly slot: number;
}

/** A float tensor of the model: where it is read, and why it is no weight (null: it is one). */
export interface UsedTensor {
  readonly tensor: TensorProto;
  readonly uses: readonly TensorUse[];
  readonly reason: string | null;
}

/** Inputs that hold weights whatever the others are. */
const weightSlots: Record<string, readonly number[]> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  MatMul: [0, 1],
  Gemm: [0, 1, 2],
  Einsum: [0, 1, 2],
  LayerNormalization: [1, 2],
  RMSNormalization: [1],
  GroupNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  BatchNormalization: [1, 2],
  PRelu: [1],
  Pow: [1],
  Gather: [0],
};
/** They change the shape of what they are given, not its numbers. */
const shapeOperators = new Set([
  'Reshape',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
  'Transpose',
  'Expand',
  'Tile',
  'Split',
  'Slice',
  'Identity',
  'Concat',
  'Cast',
  'Pad',
  'Resize',
]);
/** What a model does to its pixels before its first layer. */
const preparingOperators = new Set([...shapeOperators, 'Add', 'Sub', 'Mul', 'Div', 'Clip']);
/** Names that PyTorch's exporters make up for folded constants. */
const inventedName = /^(val_\d+|\w+_\d+|onnx::\w+|\d+)$/;
/** An additive mask is this or less where nothing may be seen. */
const LARGEST_MASK = -10;

/**
 * Finds for every float initialiser where it is read and whether it is a weight: the operators' slots of weights count, also behind
 * changes of shape and arithmetic of constants, and what is added to, multiplied with or an exponent of something that depends on
 * the input. Not every float tensor is one: buffers, masks, tables of angles, statistics and single numbers are not.
 * @param valuesOf the numbers of a tensor
 */
export function findWeights(
  subgraph: Subgraph,
  buffers: ReadonlySet<string>,
  valuesOf: (tensor: TensorProto) => Float32Array,
): UsedTensor[] {
  const { nodes, tensors, constantNodes, sourceOf } = subgraph;
  const consumers = new Map<string, TensorUse[]>();
  for (const node of nodes) {
    if (node.opType === 'Identity' && sourceOf(node.output[0] ?? '') !== node.output[0]) continue;
    for (const [slot, input] of node.input.entries()) {
      const name = sourceOf(input);
      const known = consumers.get(name);
      if (known === undefined) consumers.set(name, [{ node, slot }]);
      else known.push({ node, slot });
    }
  }
  const { active, raw, constant } = trace(subgraph);
  const reasons = new Map<TensorUse, string | null>();

  /** Why a use is not that of a weight; null when it is. */
  function reasonOf(use: TensorUse): string | null {
    const known = reasons.get(use);
    if (known !== undefined) return known;
    const reason = judge(use);
    reasons.set(use, reason);
    return reason;
  }

  function judge({ node, slot }: TensorUse): string | null {
    const { opType, input, output } = node;
    if (opType === 'BatchNormalization' && slot > 2) return 'statistics of a BatchNormalization';
    if (weightSlots[opType]?.includes(slot)) return null;
    const others = input.map(sourceOf).filter((name, index) => index !== slot && name !== '');
    const isFolded = others.every((name) => constant.has(name));
    if (isFolded || (shapeOperators.has(opType) && (slot === 0 || opType === 'Concat'))) {
      if (opType === 'Concat' && others.some((name) => active.has(name))) return null;
      const onwards = output.flatMap((name) => consumers.get(name) ?? []).map((next) => reasonOf(next));
      return onwards.includes(null) ? null : (onwards[0] ?? 'not on the way to the embedding');
    }
    if (opType === 'Add' || opType === 'Mul' || opType === 'Pow') {
      if (others.some((name) => active.has(name))) return opType === 'Pow' && slot === 0 ? 'a base of Pow' : null;
      return others.some((name) => raw.has(name)) ? 'prepares the input' : 'combined with positions or masks only';
    }
    return `read by ${opType}`;
  }

  const found: UsedTensor[] = [];
  for (const [name, tensor] of tensors) {
    const uses = consumers.get(name);
    if (!isFloat32(tensor) || constantNodes.has(name) || uses === undefined) continue;
    const count = tensor.dims.reduce((product, size) => product * Number(size), 1);
    const own = ownReason(tensor, count, buffers);
    const byUse = own === null ? uses.map((use) => reasonOf(use)) : [own];
    const reason = byUse.includes(null) ? contentReason(tensor, uses, valuesOf(tensor)) : (byUse[0] ?? null);
    found.push({ tensor, uses, reason });
  }
  return found;
}

function ownReason({ name, dims }: TensorProto, count: number, buffers: ReadonlySet<string>): string | null {
  if (buffers.has(name)) return 'a buffer of the PyTorch model';
  if (dims.length === 0 || (count === 1 && inventedName.test(name))) return 'a single number';
  return count === 0 ? 'empty' : null;
}

function contentReason({ name, dims }: TensorProto, uses: readonly TensorUse[], values: Float32Array): string | null {
  const operators = new Set(uses.map(({ node }) => node.opType));
  if (values.some((value) => !Number.isFinite(value))) return 'not all of its numbers are finite';
  if (values.includes(0) && values.some((value) => value <= LARGEST_MASK)) {
    if (values.every((value) => value === 0 || value <= LARGEST_MASK)) return 'a mask';
  }
  if (/inv_freq|rotary|rope|(sin|cos)_?cached|attn_mask|causal_mask/i.test(name))
    return 'a table of angles or a mask, by its name';
  // A scale of layers keeps its name through export; what lost it was computed: angles.
  if (operators.has('Mul') && /^(onnx::Mul_|val_)\d+$/.test(name)) return 'computed by the exporter: angles, a scale';
  const isZero = values.every((value) => value === 0);
  if (operators.has('LayerNormalization') && isZero && /^(onnx::\w+|val_\d+)$/.test(name)) {
    return 'the shift of a LayerNormalization that has none';
  }
  if (operators.has('Gather') && dims.length === 2 && isTableOfAngles(values, Number(dims[1])))
    return 'a table of angles';
  return null;
}

/** Sines or cosines of positions times frequencies, the first of which is 1, a row a position. */
function isTableOfAngles(values: Float32Array, columns: number): boolean {
  const rows = values.length / columns;
  if (rows < 2) return false;
  const tolerance = 1e-5;
  const start = values.subarray(0, columns);
  const next = values[columns] as number;
  const isSine = start.every((value) => value === 0) && Math.abs(next - Math.sin(1)) < tolerance;
  return isSine || (start.every((value) => value === 1) && Math.abs(next - Math.cos(1)) < tolerance);
}

/** What depends on the input: through weights (`active`), only prepared (`raw`), or not at all (`constant`). */
function trace({ nodes, tensors, inputs, sourceOf }: Subgraph): Record<'active' | 'raw' | 'constant', Set<string>> {
  const active = new Set<string>();
  const constant = new Set(tensors.keys());
  const raw = new Set(inputs.filter(({ type }) => isFloatInput(type)).map(({ name }) => name));
  for (const { opType, input, output } of nodes) {
    const given = input.map(sourceOf).filter((name) => name !== '');
    const tensor = tensors.get(given[0] ?? '');
    const isLookup = opType === 'Gather' && tensor !== undefined && isFloat32(tensor) && !constant.has(given[1] ?? '');
    if (isLookup || given.some((name) => active.has(name))) for (const name of output) active.add(name);
    else if (given.some((name) => raw.has(name))) {
      for (const name of output) (preparingOperators.has(opType) ? raw : active).add(name);
    } else if (given.length > 0 && given.every((name) => constant.has(name)))
      for (const name of output) constant.add(name);
  }
  return { active, raw, constant };
}

function isFloatInput(type: Subgraph['inputs'][number]['type']): boolean {
  return type?.value.case === 'tensorType' && type.value.value.elemType === 1;
}
