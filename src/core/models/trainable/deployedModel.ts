import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { clone, create, toBinary } from '@bufbuild/protobuf';
import { valueInfo } from '../../engine/graph.ts';
import {
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from '../../engine/proto/onnx_pb.js';
import { writeFileAtomic } from '../../runs/atomicFile.ts';
import { bytesOfTensor } from '../onnxTensors.ts';
import { DATA_FILE, DataFile } from './dataFile.ts';
import { bytesOfFloats, withBytes } from './loadedTensors.ts';
import type { StartModel } from './startModel.ts';
import { refused, type Subgraph } from './subgraph.ts';
import { poolingNodes, type TokenPooling } from './tokenPooling.ts';
import type { Weight } from './weights.ts';
import type { TensorUse } from './weightUses.ts';

export type Weights = Readonly<Record<string, Float32Array>>;

const MODEL = 'model.onnx';
/** More is left to a file beside the model: protobuf ends at 2 GiB, and a session keeps a copy of its bytes for a while. */
const MAX_BYTES_IN_MEMORY = 2 ** 30;

/** Writes the model that a training started from with other weights. */
export class DeployedModel {
  readonly #start: StartModel;
  readonly #subgraph: Subgraph;
  readonly #output: string;
  /** By name of the weight. */
  readonly #weights: ReadonlyMap<string, Weight>;
  readonly #pooling: ReturnType<typeof poolingNodes> | null;
  #temporary: string | null = null;

  constructor(
    start: StartModel,
    subgraph: Subgraph,
    output: string,
    weights: readonly Weight[],
    pooling: TokenPooling | null,
  ) {
    this.#pooling = pooling === null ? null : poolingNodes(output, pooling);
    this.#start = start;
    this.#subgraph = subgraph;
    this.#output = output;
    this.#weights = new Map(weights.map((weight) => [weight.name, weight]));
  }

  /** Name of the output of `forInference` that is the embedding. */
  get inferenceOutput(): string {
    return this.#pooling?.nodes.at(-1)?.output[0] ?? this.#output;
  }

  /** The part that computes the embedding: its bytes, or the path of a temporary file where they are too many. */
  async forInference(given: Weights): Promise<Uint8Array | string> {
    const weights = this.#valuesOf(given);
    const { graph, added } = this.#edited();
    const needed = new Set(this.#subgraph.allNodes);
    const source = this.#start.model.graph as GraphProto;
    const initializer = source.initializer.filter(({ name }) => this.#subgraph.tensors.has(name));
    const bytes = initializer.reduce((sum, tensor) => sum + (bytesOfTensor(tensor) ?? 0), 0);
    if (bytes > MAX_BYTES_IN_MEMORY) {
      if (this.#pooling !== null) {
        const what = 'it is too large to put the pooling of its token vectors behind it';
        throw refused(this.#start.file, what, 'Export it with its pooling.');
      }
      this.#temporary ??= await mkdtemp(path.join(os.tmpdir(), 'backcompat-model-'));
      return this.write(this.#temporary, weights);
    }
    const tensors = await Promise.all(
      initializer.map(async (tensor) => {
        const data = weights[tensor.name];
        return withBytes(tensor, data === undefined ? await this.#start.bytesOf(tensor) : bytesOfFloats(data));
      }),
    );
    const part = shallowCopy(graph);
    part.node = graph.node.filter((_, index) => needed.has(source.node[index] as NodeProto));
    part.initializer = [...tensors, ...added.map(({ tensor, name }) => withData(tensor, weights[name]))];
    part.output = graph.output.filter(({ name }) => name === this.#output);
    if (this.#pooling !== null) {
      part.node.push(...this.#pooling.nodes);
      part.initializer.push(...this.#pooling.constants);
      part.output = [valueInfo(this.inferenceOutput, 'float32', ['items', 'dimension'])];
    }
    return toBinary(ModelProtoSchema, this.#modelWith(part));
  }

  /**
   * Writes the whole file with these weights: `model.onnx`, and `model.onnx.data` where the start kept weights outside. A
   * `model.onnx` in the folder is always whole and fits its data.
   * @returns absolute path
   */
  async write(folder: string, given: Weights): Promise<string> {
    const weights = this.#valuesOf(given);
    const target = path.resolve(folder, MODEL);
    const { graph, added } = this.#edited();
    const written = shallowCopy(graph);
    const data = await DataFile.create(this.#start, path.resolve(folder, DATA_FILE));
    try {
      written.initializer = [];
      for (const tensor of graph.initializer) {
        const values = weights[tensor.name];
        const isOutside = tensor.dataLocation === TensorProto_DataLocation.EXTERNAL;
        if (isOutside) written.initializer.push(await data.place(tensor, values));
        else written.initializer.push(values === undefined ? tensor : withData(tensor, values));
      }
      for (const { tensor, name } of added) written.initializer.push(withData(tensor, weights[name]));
      const bytes = toBinary(ModelProtoSchema, this.#modelWith(written));
      // The old model goes first: it must never be read with new data.
      if (data.isUsed) await rm(target, { force: true });
      await data.finish();
      await writeFileAtomic(target, bytes);
      return target;
    } finally {
      await data.discard();
    }
  }

  async close(): Promise<void> {
    if (this.#temporary !== null) await rm(this.#temporary, { recursive: true, force: true });
    this.#temporary = null;
  }

  #modelWith(graph: GraphProto): ModelProto {
    const model = shallowCopy(this.#start.model);
    model.graph = graph;
    return model;
  }

  /** The graph with a tensor of its own for each weight that was untied, and the tensors to add. */
  #edited(): { graph: GraphProto; added: { tensor: TensorProto; name: string }[] } {
    const source = this.#start.model.graph as GraphProto;
    const tensors = new Map(source.initializer.map((tensor) => [tensor.name, tensor]));
    const added: { tensor: TensorProto; name: string }[] = [];
    const edits = new Map<NodeProto, NodeProto>();
    const use = (name: string, tensor: string, uses: readonly TensorUse[]): void => {
      const { dims, dataType } = tensors.get(tensor) as TensorProto;
      added.push({ tensor: create(TensorProtoSchema, { name, dims: [...dims], dataType }), name });
      for (const { node, slot } of uses) {
        const edited = edits.get(node) ?? clone(NodeProtoSchema, node);
        edits.set(node, edited);
        edited.input[slot] = name;
      }
    };
    for (const { name, tensor, uses, mayBeMerged } of this.#weights.values()) {
      if (name !== tensor) use(name, tensor, uses);
      else if (mayBeMerged) {
        const others = this.#usesOutside(tensor);
        if (others.length > 0) use(unchanged(tensor), tensor, others);
      }
    }
    const graph = shallowCopy(source);
    graph.node = source.node.map((node) => edits.get(node) ?? node);
    return { graph, added };
  }

  /** Where nodes that do not lead to the embedding read a tensor. */
  #usesOutside(tensor: string): TensorUse[] {
    const inside = new Set(this.#subgraph.allNodes);
    const { node: nodes } = this.#start.model.graph as GraphProto;
    return nodes
      .filter((node) => !inside.has(node))
      .flatMap((node) => node.input.map((input, slot) => ({ input, node, slot })))
      .filter(({ input }) => this.#subgraph.sourceOf(input) === tensor);
  }

  /** Values of every tensor that is written: the weights given, those of their twins, and the old ones for what keeps them. */
  #valuesOf(weights: Weights): Weights {
    const kept = [...this.#weights.values()]
      .filter(({ name, tensor, mayBeMerged }) => mayBeMerged && name === tensor)
      .map(({ tensor, data }) => [unchanged(tensor), data] as const);
    const twins = [...this.#weights.values()].flatMap(({ name, twins: names, data }) =>
      names.map((twin) => [twin, weights[name] ?? data] as const),
    );
    return { ...Object.fromEntries([...kept, ...twins]), ...weights };
  }
}

function unchanged(tensor: string): string {
  return `${tensor}#unchanged`;
}

/** Of one level: what is not replaced is shared. */
function shallowCopy<T extends object>(message: T): T {
  return Object.assign(Object.create(Object.getPrototypeOf(message)), message) as T;
}

function withData(tensor: TensorProto, values: Float32Array | undefined): TensorProto {
  const { name, docString, metadataProps } = tensor;
  const filled = withBytes(tensor, bytesOfFloats(values ?? new Float32Array(0)));
  filled.name = name;
  if (docString !== '') filled.docString = docString;
  filled.metadataProps = metadataProps;
  return filled;
}
