import { create, toBinary } from '@bufbuild/protobuf';
import { BackcompatError } from '../contract/errors.ts';
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type TensorProto,
  TensorProto_DataType,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './proto/onnx_pb.js';

/** Element types that our graphs use. */
export type ElementType = 'float32' | 'float64' | 'int32' | 'int64' | 'uint16' | 'bool';

/** A fixed size, or the name of a dimension that is known only at run time. */
export type Dimension = number | string;

/** Name of a value inside a graph. The brand keeps other strings from being passed as values. */
export type Value = string & { readonly __value: unique symbol };

/** Integers are written as INT, other numbers as FLOAT: wrap a whole number meant as FLOAT in `float`. */
export type AttributeValue = number | string | readonly number[] | { float: number };

const elementTypeCodes: Record<ElementType, TensorProto_DataType> = {
  float32: TensorProto_DataType.FLOAT,
  float64: TensorProto_DataType.DOUBLE,
  int32: TensorProto_DataType.INT32,
  int64: TensorProto_DataType.INT64,
  uint16: TensorProto_DataType.UINT16,
  bool: TensorProto_DataType.BOOL,
};

/** Opset 21 and IR 10 are read by every ONNX Runtime since 1.18. */
const OPSET = 21;
const IR_VERSION = 10n;
/** Of a protobuf message, with room for the nodes. */
const LIMIT_BYTES = 2 ** 31 - 2 ** 24;

/**
 * Builds one plain ONNX graph, node by node; `node` returns the names of the outputs, so that a
 * graph reads like the formula it stands for.
 */
export class GraphBuilder {
  readonly #name: string;
  /** Version of the operators; ours are written for 21 and mean the same in later ones. */
  readonly opset: number;
  readonly #nodes: NodeProto[] = [];
  readonly #initialisers: TensorProto[] = [];
  readonly #constants = new Map<string, TensorProto>();
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  /** Names that values got as outputs. */
  readonly #renamed = new Map<string, string>();
  readonly #domains = new Map<string, number>();
  /** Every name that is taken: those of adopted nodes may look like ours. */
  readonly #names = new Set<string>();
  readonly #gradientStops = new Set<string>();
  #counter = 0;

  constructor(name: string, opset = OPSET) {
    this.#name = name;
    this.opset = opset;
  }

  /** Lets adopted nodes use operators of another domain. */
  importDomain(domain: string, version: number): void {
    this.#domains.set(domain, version);
  }

  /** All nodes so far, in an order in which they can run. */
  get program(): readonly NodeProto[] {
    return this.#nodes;
  }

  /** The constant of that name, null for any other value. */
  constantOf(value: string): TensorProto | null {
    return this.#constants.get(value) ?? null;
  }

  /** The declared shape of an input, null for axes with a name; null for any other value. */
  inputShape(value: string): (number | null)[] | null {
    const input = this.#inputs.find(({ name }) => name === value);
    const type = input?.type?.value;
    if (type?.case !== 'tensorType') return null;
    const dimensions = type.value.shape?.dim ?? [];
    return dimensions.map((size) => (size.value.case === 'dimValue' ? Number(size.value.value) : null));
  }

  /** The same values, through which no gradient flows. */
  stopGradient(value: Value): Value {
    const stopped = this.node('Identity', [value]);
    this.#gradientStops.add(stopped);
    return stopped;
  }

  /** Whether no gradient flows through the node that gives `value`. */
  stopsGradient(value: string): boolean {
    return this.#gradientStops.has(value);
  }

  /** A further output of a node that is there already: output `index`, which it has no name for yet. */
  furtherOutput(node: NodeProto, index: number): Value {
    while (node.output.length <= index) node.output.push('');
    if (node.output[index] === '') node.output[index] = this.#fresh(`${node.opType}_further`);
    return node.output[index] as Value;
  }

  /** Appends a node of another graph as it is; its outputs' names must be new here and its inputs known. */
  adoptNode(node: NodeProto): void {
    for (const name of node.output) if (name !== '') this.#take(name);
    this.#nodes.push(node);
  }

  /**
   * Puts other nodes in the place of some.
   * @param replace writes them and returns the value, made by the last of them, that is now what the node gave; null leaves the node
   */
  rewrite(replace: (node: NodeProto) => Value | null): void {
    for (const node of this.#nodes.splice(0)) {
      const value = replace(node);
      const last = this.#nodes.at(-1);
      if (value === null || last === undefined) this.#nodes.push(node);
      else last.output = [...node.output];
    }
  }

  /** Takes a tensor of another graph as a constant under its own name. */
  adoptConstant(tensor: TensorProto): Value {
    this.#take(tensor.name);
    this.#initialisers.push(tensor);
    this.#constants.set(tensor.name, tensor);
    return tensor.name as Value;
  }

  /** Takes out those nodes from position `first` of the program on that none of `needed` depends on. */
  prune(first: number, needed: readonly Value[]): void {
    const leading = new Set<string>(needed);
    const kept = this.#nodes
      .splice(first)
      .toReversed()
      .filter((node) => {
        const leads = node.output.some((output) => leading.has(output));
        if (leads) for (const input of node.input) leading.add(input);
        return leads;
      });
    this.#nodes.push(...kept.reverse());
  }

  #fresh(hint: string): Value {
    let name: string;
    do name = `${hint}_${this.#counter++}`;
    while (this.#names.has(name));
    return name as Value;
  }

  #take(name: string): void {
    if (this.#names.has(name)) throw new BackcompatError('internal', `The graph has a value ${name} already.`);
    this.#names.add(name);
  }

  /** A graph input; feeds are keyed by `name`. */
  input(name: string, type: ElementType, shape: readonly Dimension[]): Value {
    this.#take(name);
    this.#inputs.push(valueInfo(name, type, shape));
    return name as Value;
  }

  /** A constant tensor; `shape` [] is a scalar. */
  constant(values: Float32Array | BigInt64Array | Int32Array, shape: readonly number[]): Value {
    const name = this.#fresh('constant');
    const type =
      values instanceof Float32Array ? 'float32' : values instanceof BigInt64Array ? 'int64' : ('int32' as const);
    return this.adoptConstant(
      create(TensorProtoSchema, {
        name,
        dims: shape.map(BigInt),
        dataType: elementTypeCodes[type],
        rawData: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
      }),
    );
  }

  scalar(value: number): Value {
    return this.constant(Float32Array.of(value), []);
  }

  int64s(values: readonly number[]): Value {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length]);
  }

  /** Adds a node with one output. */
  node(operator: string, inputs: readonly (Value | null)[], attributes: Record<string, AttributeValue> = {}): Value {
    return this.nodes(operator, inputs, attributes, 1)[0] as Value;
  }

  /** Adds a node with several outputs. An absent optional input is `null`. */
  nodes(
    operator: string,
    inputs: readonly (Value | null)[],
    attributes: Record<string, AttributeValue>,
    outputs: number,
  ): Value[] {
    const names = Array.from({ length: outputs }, () => this.#fresh(operator));
    this.#nodes.push(
      create(NodeProtoSchema, {
        name: names[0] ?? operator,
        opType: operator,
        input: inputs.map((input) => input ?? ''),
        output: names,
        attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
      }),
    );
    return names;
  }

  /** Makes a value an output under a name of its own. */
  output(name: string, value: Value, type: ElementType, shape: readonly Dimension[]): void {
    const computed = this.#nodes.some((node) => node.output.includes(value));
    // Renamed rather than copied: an Identity behind a value that others read too is a pass over all of it.
    if (computed && !this.#renamed.has(value)) this.#renamed.set(value, name);
    else this.#nodes.push(create(NodeProtoSchema, { name, opType: 'Identity', input: [value], output: [name] }));
    this.#outputs.push(valueInfo(name, type, shape));
  }

  /**
   * The serialised model.
   * @throws BackcompatError `bad-model` when the constants are more than one file can hold
   */
  build(): Uint8Array {
    const bytes = this.#initialisers.reduce((sum, { rawData }) => sum + rawData.byteLength, 0);
    if (bytes > LIMIT_BYTES) {
      throw new BackcompatError(
        'bad-model',
        `What is not trained here has ${bytes} bytes; a graph holds at most 2 GiB.`,
        {
          remedy: 'Train more of the model: trained weights lie outside the graph.',
        },
      );
    }
    const nameOf = (value: string) => this.#renamed.get(value) ?? value;
    for (const node of this.#nodes) {
      node.input = node.input.map(nameOf);
      node.output = node.output.map(nameOf);
    }
    return toBinary(
      ModelProtoSchema,
      create(ModelProtoSchema, {
        irVersion: IR_VERSION,
        producerName: 'backcompat',
        opsetImport: [['', this.opset] as const, ...this.#domains].map(([domain, version]) =>
          create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }),
        ),
        graph: create(GraphProtoSchema, {
          name: this.#name,
          node: this.#nodes,
          initializer: this.#initialisers,
          input: this.#inputs,
          output: this.#outputs,
        }),
      }),
    );
  }
}

/** An attribute of a node. */
export function attribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, {
      name,
      type: AttributeProto_AttributeType.STRING,
      s: new TextEncoder().encode(value),
    });
  }
  if (typeof value === 'number') {
    return Number.isInteger(value)
      ? create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) })
      : create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value });
  }
  if ('float' in value) {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value.float });
  }
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: value.map(BigInt) });
}

/** Declares an input or output. */
export function valueInfo(name: string, type: ElementType, shape: readonly Dimension[]): ValueInfoProto {
  const dimensions = shape.map((size) =>
    create(TensorShapeProto_DimensionSchema, {
      value: typeof size === 'number' ? { case: 'dimValue', value: BigInt(size) } : { case: 'dimParam', value: size },
    }),
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, {
      value: {
        case: 'tensorType',
        value: create(TypeProto_TensorSchema, {
          elemType: elementTypeCodes[type],
          shape: create(TensorShapeProtoSchema, { dim: dimensions }),
        }),
      },
    }),
  });
}
