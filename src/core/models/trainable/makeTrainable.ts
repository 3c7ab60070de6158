import { GraphBuilder, type Value } from '../../engine/graph.ts';
import type { ModelProto, TensorProto } from '../../engine/proto/onnx_pb.js';
import { firstLine } from '../loadedModel.ts';
import { signatureOf } from '../onnxFile.ts';
import { opsetOf } from './checkTrainable.ts';
import { chooseWeights, type TrainableChoice } from './chooseWeights.ts';
import { DeployedModel } from './deployedModel.ts';
import { allInputs, fillGraph } from './fillGraph.ts';
import type { LoadedTensors } from './loadedTensors.ts';
import { type MeasuredGraph, measureFacts } from './measureFacts.ts';
import type { StartModel } from './startModel.ts';
import { refused, type Subgraph } from './subgraph.ts';
import { surveyWeights } from './surveyWeights.ts';
import { POOLING_OPSET, poolTokens, type TokenPooling } from './tokenPooling.ts';
import type { TrainableGraph } from './trainableGraph.ts';

/** The vocabulary of a training graph: what every ONNX Runtime since 1.18 reads; a file's later one stays. */
const TRAINING_OPSET = 21;
/** Between the file and its training graph: both are computed in float32, in another order. */
const REWRITE_TOLERANCE = 1e-3;

/** See `openTrainable`. */
export async function makeTrainable(
  start: StartModel,
  output: string,
  trainable: TrainableChoice,
  given: TokenPooling | null = null,
): Promise<TrainableGraph> {
  const { file, model } = start;
  const { subgraph, loaded, weights, frozen, notes } = await surveyWeights(start, output);
  const chosen = chooseWeights(file, subgraph, weights, trainable, output);
  const leftOut = weights.filter((weight) => !chosen.has(weight));
  const before = await measured(file, runnableOf(model, subgraph, loaded), output);
  const graph = new GraphBuilder('training', Math.max(TRAINING_OPSET, opsetOf(model)));
  const filled = fillGraph(graph, { start, subgraph, loaded, chosen, leftOut, facts: before.facts, output });
  const outputShape = before.facts.get(output)?.shape ?? [];
  if (given !== null) checkPooling(start, outputShape);
  // A model that does not look at its mask has none that could be fed.
  const hasMask = subgraph.inputs.some(({ name }) => name === given?.mask);
  const pooling = given === null || hasMask ? given : { ...given, mask: null };
  const embedding = pooling === null ? asVectors(graph, filled, outputShape) : poolTokens(graph, filled, pooling);
  const parameters = [...chosen].map(({ name, shape, data }) => ({ name, value: name as Value, shape, data }));
  const inputs = subgraph.inputs.map(signatureOf).map(({ name, type, shape }) => ({
    name,
    type: type as 'float32' | 'int32' | 'int64',
    shape: shape.map((size) => (typeof size === 'number' ? size : null)),
  }));
  const after = await measured(
    file,
    {
      nodes: graph.program,
      inputs: subgraph.inputs,
      constants: constantsOf(graph),
      weights: parameters,
      opsets: opsetsOf(model, graph.opset),
    },
    embedding,
  );
  if (pooling === null) checkSame(file, before, after);
  const shape = after.facts.get(embedding)?.shape ?? [];
  const [, dimension] = shape;
  if (shape.length !== 2 || typeof dimension !== 'number') {
    throw refused(
      file,
      `the output ${JSON.stringify(output)} has shape [${shape.map((size) => size ?? '?').join(', ')}], not one vector an item`,
      'Name the output that is the embedding, or export the model with its pooling.',
    );
  }
  const deployed = new DeployedModel(start, subgraph, output, weights, pooling);
  const kept = Object.fromEntries(leftOut.map(({ name, data }) => [name, data]));
  return {
    graph,
    facts: after.facts,
    inputs,
    embedding,
    dimension,
    output: deployed.inferenceOutput,
    parameters,
    frozen: [...frozen, ...leftOut.map(({ name, shape }) => ({ name, shape, reason: 'left out by `trainable`' }))],
    notes,
    inferenceModel: (given) => deployed.forInference({ ...kept, ...given }),
    write: (folder, given) => deployed.write(folder, { ...kept, ...given }),
    close: () => deployed.close(),
  };
}

function checkPooling({ file, model }: StartModel, shape: readonly unknown[]): void {
  const remedy = 'Export the model with its pooling, or name another "output".';
  if (shape.length !== 3)
    throw refused(file, `its output has ${shape.length} axes, and vectors of tokens have three`, remedy);
  const opset = opsetOf(model);
  if (opset < POOLING_OPSET) throw refused(file, `pooling cannot be put behind opset ${opset}`, remedy);
}

/** Drops axes of 1 behind a vector, as audits do. */
function asVectors(graph: GraphBuilder, value: Value, shape: readonly (number | null)[]): Value {
  return shape.length > 2 && shape.slice(2).every((size) => size === 1) ? graph.node('Flatten', [value]) : value;
}

/** The graph as the file has it. Float tensors are fed, the rest are constants. */
function runnableOf(model: ModelProto, { nodes, tensors, inputs }: Subgraph, loaded: LoadedTensors) {
  const constants: TensorProto[] = [];
  const weights: { name: string; shape: readonly number[]; data: Float32Array }[] = [];
  for (const tensor of tensors.values()) {
    const data = loaded.floatsOf(tensor);
    // Small ones may be bounds and scales that operators want to be constant.
    if (data.length > 64) weights.push({ name: tensor.name, shape: tensor.dims.map(Number), data });
    else constants.push(loaded.inside(tensor));
  }
  return { nodes, inputs, constants, weights, opsets: opsetsOf(model, opsetOf(model)) };
}

function opsetsOf({ opsetImport }: ModelProto, opset: number): Map<string, number> {
  const opsets = new Map(opsetImport.map(({ domain, version }) => [domain, Number(version)]));
  opsets.delete('ai.onnx');
  return opsets.set('', opset);
}

async function measured(
  file: string,
  graph: Parameters<typeof measureFacts>[0],
  output: string,
): Promise<MeasuredGraph> {
  try {
    return await measureFacts(graph, output);
  } catch (cause) {
    throw refused(
      file,
      `it does not run on made-up inputs (${firstLine(cause)})`,
      'Check that it can be audited; export it with a dynamic batch and a current opset.',
    );
  }
}

/** A training graph that computes something else would train something else. */
function checkSame(file: string, { vectors: before }: MeasuredGraph, { vectors: after }: MeasuredGraph): void {
  const from = before.data as Float32Array;
  const to = after.data as Float32Array;
  const largest = from.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const isSame =
    from.length === to.length &&
    from.every(
      (value, index) =>
        Math.abs(value - (to[index] as number)) <= REWRITE_TOLERANCE * largest ||
        (Number.isNaN(value) && Number.isNaN(to[index])),
    );
  if (!isSame)
    throw refused(
      file,
      'its operators could not be brought to opset 21 with the same vectors',
      'Export it with opset 21.',
    );
}

/** What the nodes of a builder read that is constant. */
function constantsOf(graph: GraphBuilder): TensorProto[] {
  const names = new Set(graph.program.flatMap(allInputs));
  return [...names].map((name) => graph.constantOf(name)).filter((tensor) => tensor !== null);
}
