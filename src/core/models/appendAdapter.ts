import { copyFile, mkdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { clone, toBinary } from '@bufbuild/protobuf';
import { BackcompatError } from '../contract/errors.ts';
import { readOnnxModel } from '../engine/onnxModel.ts';
import {
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
} from '../engine/proto/onnx_pb.js';
import { writeFileAtomic } from '../runs/atomicFile.ts';
import { readOnnxFile, signatureText } from './onnxFile.ts';

/** Operators whose meaning has not changed since opset 8, as far as `saveAdapter` uses them. */
const lastingOperators = new Set(['MatMul', 'Mul', 'Max', 'Sqrt', 'Div', 'Relu', 'Add', 'Identity']);
const OLDEST_OPSET = 8;

export interface AppendRequest {
  /** Absolute path of an ONNX model. */
  model: string;
  /** Its output that is the embedding. */
  output: string;
  /** Absolute path of an adapter (`saveAdapter`, or another model from one float32 table to another). */
  adapter: string;
  /** Absolute path of the result; weights in files of their own are copied beside it. */
  out: string;
}

/**
 * Writes a model whose embedding is that of `model`, adapted: the adapter's graph behind it, under the same names of inputs and outputs,
 * everything else (metadata, operators, other outputs) as it was. Atomic, but for weights outside the file, which are copied before.
 * @throws BackcompatError `not-found`, `bad-file`; `bad-model` (no ONNX, no such output, an embedding that is not one float32 table, an adapter of
 *   other operators than the model's opset has); `dimension-mismatch`; `in-use` where another file has the name of copied weights
 */
export async function appendAdapter({ model: file, output, adapter: adapterFile, out }: AppendRequest): Promise<void> {
  if (!/\.onnx$/i.test(file)) {
    throw refused(
      file,
      `${file} is no ONNX model, and adapters are appended to those only.`,
      'Map its vectors by the adapter instead: "adapterFile" of the pair.',
    );
  }
  const declared = await readOnnxFile(file);
  const embedding = declared.outputs.find(({ name }) => name === output);
  if (embedding === undefined) {
    const known = declared.outputs.map(({ name }) => JSON.stringify(name)).join(', ');
    throw refused(
      file,
      `${file} has no output ${JSON.stringify(output)}; it has ${known}.`,
      'Name the output that is the embedding.',
    );
  }
  if (embedding.type !== 'float32' || embedding.shape.length !== 2) {
    throw refused(
      file,
      `The output ${signatureText(embedding)} of ${file} is no float32 table [n, length]: the vector is made from it outside the file.`,
      'Export the model with the finished vector (pooling included) as an output.',
    );
  }
  const adapter = await readOnnxFile(adapterFile);
  const [takes, gives] = [adapter.inputs[0], adapter.outputs[0]];
  if (!takes || !gives || adapter.inputs.length > 1 || adapter.outputs.length > 1) {
    throw refused(
      adapterFile,
      `${adapterFile} is no adapter: it has ${adapter.inputs.length} inputs and ${adapter.outputs.length} outputs.`,
      'Give a file of backcompat adapt.',
    );
  }
  const [has, wants] = [embedding.shape[1], takes.shape[1]];
  if (typeof has === 'number' && typeof wants === 'number' && has !== wants) {
    throw new BackcompatError(
      'dimension-mismatch',
      `The embedding of ${file} has ${has} components, the adapter ${adapterFile} takes ${wants}.`,
      { place: { file: adapterFile }, remedy: 'Fit the adapter on vectors of this model.' },
    );
  }
  const joined = await readOnnxModel(file);
  const behind = await readOnnxModel(adapterFile);
  checkOperators(file, joined, adapterFile, behind);
  join(joined, output, behind, takes.name, gives.name);
  await copyWeights(file, declared.externalData, out);
  await writeFileAtomic(out, toBinary(ModelProtoSchema, joined));
}

function refused(file: string, message: string, remedy: string): BackcompatError {
  return new BackcompatError('bad-model', message, { place: { file }, remedy });
}

const opsetOf = (model: ModelProto) =>
  Number(model.opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version ?? 0);

function checkOperators(file: string, model: ModelProto, adapterFile: string, adapter: ModelProto): void {
  const [has, wants] = [opsetOf(model), opsetOf(adapter)];
  const other = adapter.graph?.node.find(
    ({ opType, domain }) => domain !== '' || !lastingOperators.has(opType) || has < OLDEST_OPSET,
  );
  const isOwn = adapter.opsetImport.every(({ domain }) => domain === '' || domain === 'ai.onnx');
  if (has === wants && isOwn && adapter.functions.length === 0) return;
  if (other === undefined) return;
  throw refused(
    adapterFile,
    `The adapter ${adapterFile} uses ${other.opType} of opset ${wants}, the model ${file} has opset ${has}: it may mean something else there.`,
    'Fit the adapter with backcompat adapt, or export both with one opset.',
  );
}

/** Puts the adapter behind the output and gives its result the output's name. */
function join(model: ModelProto, output: string, adapter: ModelProto, input: string, result: string): void {
  const { graph } = model;
  const behind = adapter.graph;
  if (graph === undefined || behind === undefined) throw new BackcompatError('internal', 'A model without a graph.');
  const taken = namesOf(graph);
  const fresh = (hint: string): string => {
    let name = hint;
    for (let index = 2; taken.has(name); index++) name = `${hint}_${index}`;
    taken.add(name);
    return name;
  };
  const before = fresh(`${output}_before_adapter`);
  // Weights that are no inputs came with version 4.
  if (model.irVersion < 4n) model.irVersion = 4n;
  renameValue(graph, output, before);
  for (const info of graph.valueInfo) if (info.name === output) info.name = before;
  const names = new Map([
    ['', ''],
    [input, before],
    [result, output],
  ]);
  const nameOf = (name: string): string => {
    const known = names.get(name) ?? fresh(`adapter/${name}`);
    names.set(name, known);
    return known;
  };
  for (const tensor of behind.initializer) {
    const copy = clone(TensorProtoSchema, tensor);
    copy.name = nameOf(tensor.name);
    graph.initializer.push(copy);
  }
  for (const node of behind.node) {
    const copy = clone(NodeProtoSchema, node);
    copy.name = fresh(`adapter/${node.name || node.opType}`);
    copy.input = node.input.map(nameOf);
    copy.output = node.output.map(nameOf);
    graph.node.push(copy);
  }
  // The length may differ; the batch stays what it was.
  const shape = graph.output.find(({ name }) => name === output)?.type?.value;
  const given = behind.output[0]?.type?.value;
  const length = given?.case === 'tensorType' ? given.value.shape?.dim[1] : undefined;
  if (shape?.case === 'tensorType' && shape.value.shape && length) {
    shape.value.shape.dim[1] = clone(TensorShapeProto_DimensionSchema, length);
  }
}

function namesOf(graph: GraphProto): Set<string> {
  const names = new Set<string>();
  const visit = ({ node, initializer, input, output }: GraphProto): void => {
    for (const { name } of [...initializer, ...input, ...output, ...node]) names.add(name);
    for (const each of node) {
      for (const name of [...each.input, ...each.output]) names.add(name);
      for (const inner of subgraphsOf(each)) visit(inner);
    }
  };
  visit(graph);
  return names;
}

function subgraphsOf({ attribute }: NodeProto): GraphProto[] {
  return attribute.flatMap(({ g, graphs }) => [...(g ? [g] : []), ...graphs]);
}

/** In all nodes, also where subgraphs read it from outside. */
function renameValue(graph: GraphProto, from: string, to: string): void {
  const nameOf = (name: string) => (name === from ? to : name);
  for (const node of graph.node) {
    node.input = node.input.map(nameOf);
    node.output = node.output.map(nameOf);
    for (const inner of subgraphsOf(node)) renameValue(inner, from, to);
  }
}

async function copyWeights(
  file: string,
  weights: readonly { location: string; path: string; bytes: number }[],
  out: string,
) {
  const folder = path.dirname(out);
  if (weights.length === 0) return;
  await mkdir(folder, { recursive: true });
  if ((await realpath(folder)) === (await realpath(path.dirname(path.resolve(file))))) return;
  for (const { location, path: from, bytes } of weights) {
    const to = path.join(folder, location);
    const there = await stat(to).catch(() => null);
    if (there !== null) {
      throw new BackcompatError(
        'in-use',
        `${to} exists, and ${file} keeps ${bytes} bytes of weights under that name.`,
        {
          place: { file: to },
          remedy: 'Choose an empty folder for the result, or the folder of the model.',
        },
      );
    }
    await mkdir(path.dirname(to), { recursive: true });
    await copyFile(from, to);
  }
}
