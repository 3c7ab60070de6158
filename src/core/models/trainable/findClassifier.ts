import type { NodeProto, TensorProto } from '../../engine/proto/onnx_pb.js';
import type { FoundClassifier } from './foundClassifier.ts';
import { floatAttribute, integerAttribute, tensorAttribute } from './nodes.ts';
import { openStart, type StartModel } from './startModel.ts';
import { isFloat32 } from './subgraph.ts';

/** They pass a vector on as it is. */
const passing = new Set(['Identity', 'Dropout', 'Flatten', 'Reshape', 'Squeeze', 'Unsqueeze', 'Cast']);
/** What follows logits without changing their order by rows. */
const afterLogits = new Set([...passing, 'Softmax', 'LogSoftmax', 'ArgMax', 'TopK', 'Sigmoid']);

/**
 * Finds the linear classifier that a model applies to its embedding: the last MatMul or Gemm behind it (or behind the vector that
 * the embedding is the normalised form of) whose result is not put through another layer.
 * @param file absolute path of an ONNX model
 * @param output its output that is the embedding
 * @returns null where no classifier follows the embedding
 * @throws BackcompatError `not-found`, `bad-file`
 */
export async function findClassifier(file: string, output: string): Promise<FoundClassifier | null> {
  return classifierOf(await openStart(file), output);
}

/** The same for a parsed model. */
export async function classifierOf(start: StartModel, output: string): Promise<FoundClassifier | null> {
  const graph = new Links(start);
  const source = graph.behindPassing(output);
  const normalised = graph.normalisedBy(source);
  const found =
    (await graph.classifierBehind(source, normalised !== null)) ??
    (normalised === null ? null : await graph.classifierBehind(normalised, false));
  return found;
}

/** Who makes and who reads the values of a graph. */
class Links {
  readonly #start: StartModel;
  readonly #makers = new Map<string, NodeProto>();
  readonly #readers = new Map<string, NodeProto[]>();
  readonly #tensors = new Map<string, TensorProto>();

  constructor(start: StartModel) {
    this.#start = start;
    const { node, initializer } = start.model.graph ?? { node: [], initializer: [] };
    for (const tensor of initializer) this.#tensors.set(tensor.name, tensor);
    for (const each of node) {
      const constant = each.opType === 'Constant' ? tensorAttribute(each) : null;
      for (const name of each.output) {
        if (constant !== null) this.#tensors.set(name, constant);
        else this.#makers.set(name, each);
      }
      for (const name of new Set(each.input)) this.#readers.set(name, [...(this.#readers.get(name) ?? []), each]);
    }
  }

  behindPassing(value: string): string {
    const maker = this.#makers.get(value);
    const [source] = maker?.input ?? [];
    return maker !== undefined && source !== undefined && passing.has(maker.opType)
      ? this.behindPassing(source)
      : value;
  }

  /** The vector whose unit form a value is; null where it is none. */
  normalisedBy(value: string): string | null {
    const maker = this.#makers.get(value);
    const [source, divisor] = maker?.input ?? [];
    if (maker === undefined || source === undefined) return null;
    if (maker.opType === 'LpNormalization') return this.behindPassing(source);
    if (maker.opType !== 'Div' || divisor === undefined) return null;
    return this.#isNormOf(divisor, this.behindPassing(source)) ? this.behindPassing(source) : null;
  }

  #isNormOf(value: string, source: string): boolean {
    const maker = this.#makers.get(value);
    const [first] = maker?.input ?? [];
    if (maker === undefined || first === undefined) return false;
    if (maker.opType === 'ReduceL2') return this.behindPassing(first) === source;
    const isBound = ['Clip', 'Max', 'Add', 'Expand', 'Sqrt', 'ReduceSum', 'Identity'].includes(maker.opType);
    const isSquare = maker.opType === 'Mul' || maker.opType === 'Pow';
    if (isSquare) return this.behindPassing(first) === source;
    return isBound && this.#isNormOf(first, source);
  }

  /** @param isUnit whether `value` has unit length */
  async classifierBehind(value: string, isUnit: boolean): Promise<FoundClassifier | null> {
    let last: FoundClassifier | null = null;
    for (const node of this.#readers.get(value) ?? []) {
      const [output] = node.output as [string];
      let found: FoundClassifier | null = null;
      if (node.opType === 'MatMul' || node.opType === 'Gemm') found = await this.#linear(node, value, isUnit);
      else if (passing.has(node.opType)) found = await this.classifierBehind(output, isUnit);
      else if (this.normalisedBy(output) === this.behindPassing(value))
        found = await this.classifierBehind(output, true);
      last = found ?? last;
    }
    return last;
  }

  async #linear(node: NodeProto, value: string, isUnit: boolean): Promise<FoundClassifier | null> {
    const [first, second, third] = node.input as [string, string, string?];
    if (first !== value || integerAttribute(node, 'transA', 0) === 1) return null;
    let weight = second;
    let isTurned = integerAttribute(node, 'transB', 0) === 1;
    const maker = this.#makers.get(second);
    if (maker?.opType === 'Transpose') {
      weight = maker.input[0] as string;
      isTurned = !isTurned;
    }
    const tensor = this.#tensors.get(this.behindPassing(weight));
    if (tensor === undefined || !isFloat32(tensor) || tensor.dims.length !== 2) return null;
    const [rowCount, columnCount] = tensor.dims.map(Number) as [number, number];
    const [classes, dimension] = isTurned ? [rowCount, columnCount] : [columnCount, rowCount];
    const values = await this.#floats(tensor);
    const bias = third ? this.#tensors.get(this.behindPassing(third)) : undefined;
    const beta = floatAttribute(node, 'beta') ?? 1;
    const own = bias === undefined ? null : (await this.#floats(bias)).map((value) => beta * value);
    const logits = await this.#logits(node.output[0] as string, own);
    if (logits === null) return null;
    const alpha = floatAttribute(node, 'alpha') ?? 1;
    return {
      name: node.name || (node.output[0] as string),
      classes,
      dimension,
      rows: isTurned ? values : transposed(values, rowCount, columnCount),
      bias: logits.bias,
      unitVectors: isUnit,
      scale: alpha * logits.scale,
    };
  }

  /** What is done to the result of a product: a bias, a factor; null where more than logits come of it. */
  async #logits(
    value: string,
    ownBias: Float32Array | null,
  ): Promise<{ bias: Float32Array | null; scale: number } | null> {
    const result = { bias: ownBias, scale: 1 };
    const scaleBy = (factor: number): void => {
      result.scale *= factor;
      result.bias = result.bias?.map((shift) => shift * factor) ?? null;
    };
    let current = value;
    for (;;) {
      const readers = this.#readers.get(current) ?? [];
      const next = readers.find(({ opType }) => !afterLogits.has(opType));
      if (next === undefined) return result;
      const other = next.input.find((name) => name !== current);
      const tensor = other === undefined ? undefined : this.#tensors.get(this.behindPassing(other));
      const constant = tensor !== undefined && isFloat32(tensor) ? await this.#floats(tensor) : null;
      if (constant === null) return null;
      if (next.opType === 'Add' && result.bias === null && constant.length > 1) result.bias = constant;
      else if (next.opType === 'Mul' && constant.length === 1) scaleBy(constant[0] as number);
      else if (next.opType === 'Div' && constant.length === 1 && next.input[0] === current) {
        scaleBy(1 / (constant[0] as number));
      } else return null;
      current = next.output[0] as string;
    }
  }

  async #floats(tensor: TensorProto): Promise<Float32Array> {
    return new Float32Array(new Uint8Array(await this.#start.bytesOf(tensor)).buffer);
  }
}

function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  return values.map((_, index) => values[(index % rows) * columns + Math.floor(index / rows)] as number);
}
