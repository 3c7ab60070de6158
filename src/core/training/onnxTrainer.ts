import { BackcompatError } from '../contract/errors.ts';
import { createSession, type NativeSession, type Tensor } from '../engine/session.ts';
import { builtinNetwork } from '../models/trainable/builtinNetwork.ts';
import { openTrainable } from '../models/trainable/openTrainable.ts';
import type { TrainableGraph } from '../models/trainable/trainableGraph.ts';
import { type OptimizedWeight, optimizedWeight } from './optimizer.ts';
import { buildStepGraph, inputOfField, type StepGraph } from './stepGraph.ts';
import { restoreState, stateOf, stepWeights } from './trainedWeights.ts';
import type { CreateTrainer, StepResult, Trainer, TrainerSpec, TrainerState, TrainingBatch } from './trainer.ts';

/**
 * Trains an ONNX model, or a built-in network, in ONNX Runtime: the graph is differentiated into another plain graph (forward,
 * loss, reverse pass), whose inputs are the weights; the optimiser changes them in place. Models may be of any size, but what
 * is frozen must fit into one graph (2 GB).
 */
export const createOnnxTrainer: CreateTrainer = async (spec) => trainGraph(await openStart(spec), spec);

/** The graph of a start, for {@link trainGraph}. @throws BackcompatError `bad-model` */
export async function openStart({
  start,
  trainable,
}: Pick<TrainerSpec, 'start' | 'trainable'>): Promise<TrainableGraph> {
  if (start.kind === 'builtin') return builtinNetwork(start, trainable);
  return openTrainable(start.file, start.output, trainable, start.pooling ?? null);
}

/** Trains a graph that is ready for it; takes it over, and closes it with the trainer or when this fails. */
export async function trainGraph(
  model: TrainableGraph,
  spec: Omit<TrainerSpec, 'start' | 'trainable'>,
): Promise<Trainer> {
  try {
    const step = buildStepGraph(model, spec.objective);
    const session = await createSession(step.bytes, { threads: spec.threads, lowMemory: spec.lowMemory });
    return new OnnxTrainer(model, spec, step, session);
  } catch (error) {
    await model.close();
    throw error;
  }
}

class OnnxTrainer implements Trainer {
  readonly engine = 'onnx';
  readonly dimension: number;
  readonly inputs: Trainer['inputs'];
  readonly parameters: Trainer['parameters'];
  readonly notes: readonly string[];
  readonly #model: TrainableGraph;
  readonly #spec: Omit<TrainerSpec, 'start' | 'trainable'>;
  readonly #graph: StepGraph;
  readonly #session: NativeSession;
  /** In the order of the graph's weights. */
  readonly #weights: readonly OptimizedWeight[];
  readonly #weightFeeds: Readonly<Record<string, Tensor>>;
  /** What a run fills: gradients and terms, in the same memory step after step. */
  readonly #outputs: Readonly<Record<string, Tensor & { data: Float32Array }>>;
  #step = 0;
  #embedding: { session: NativeSession; step: number } | null = null;

  constructor(
    model: TrainableGraph,
    spec: Omit<TrainerSpec, 'start' | 'trainable'>,
    graph: StepGraph,
    session: NativeSession,
  ) {
    this.#model = model;
    this.#spec = spec;
    this.#graph = graph;
    this.#session = session;
    this.#weights = graph.weights.map(({ name, shape, data }) =>
      optimizedWeight(spec.optimizer, { name, shape, data: data.slice() }),
    );
    const feeds: Record<string, Tensor> = {};
    graph.weights.forEach(({ input, shape }, i) => {
      feeds[input] = { shape, data: (this.#weights[i] as OptimizedWeight).data };
    });
    for (const { input, shape, data } of graph.unused) feeds[input] = { shape, data };
    this.#weightFeeds = feeds;
    this.#outputs = Object.fromEntries([
      ...graph.weights.map(({ gradient, shape, data }) => [gradient, { shape, data: new Float32Array(data.length) }]),
      ...graph.terms.map(({ output }) => [output, { shape: [], data: new Float32Array(1) }]),
    ]);
    this.dimension = model.dimension;
    this.inputs = model.inputs;
    this.notes = model.notes;
    this.parameters = [
      ...graph.weights.map(({ name, shape }) => ({ name, shape, isTrained: true, reason: null })),
      ...graph.unused.map(({ name, shape }) => ({
        name,
        shape,
        isTrained: false,
        reason: 'the loss does not depend on it',
      })),
      ...[...model.frozen].map(({ name, shape, reason }) => ({ name, shape, isTrained: false, reason })),
    ];
  }

  async step(batch: TrainingBatch, learningRate: number): Promise<StepResult> {
    const pass = await this.#run(batch);
    const gradients = this.#graph.weights.map(({ gradient }) => this.#gradient(gradient));
    const { isMade, ...result } = stepWeights(this.#weights, gradients, pass, this.#spec, learningRate, this.#step + 1);
    if (isMade) this.#step++;
    return result;
  }

  async gradients(batch: TrainingBatch): Promise<{ loss: number; gradients: Record<string, Float32Array> }> {
    const { loss } = await this.#run(batch);
    const gradients = this.#graph.weights.map(({ name, gradient }) => [name, this.#gradient(gradient).slice()]);
    return { loss, gradients: Object.fromEntries(gradients) };
  }

  async embed(batch: TrainingBatch): Promise<Float32Array> {
    if (this.#embedding?.step !== this.#step) {
      await this.#endEmbedding();
      const model = await this.#model.inferenceModel(this.#modelWeights());
      const { threads, lowMemory } = this.#spec;
      this.#embedding = { session: await createSession(model, { threads, lowMemory }), step: this.#step };
    }
    const { output } = this.#model;
    const results = await this.#embedding.session.run(batch.inputs, [output]);
    return (results[output] as Tensor).data as Float32Array;
  }

  async state(): Promise<TrainerState> {
    return stateOf(this.#weights, this.#step);
  }

  async restore(state: TrainerState): Promise<void> {
    restoreState(this.#weights, state);
    this.#step = state.step;
    await this.#endEmbedding();
  }

  async objectiveParameters(): Promise<Record<string, Float32Array>> {
    const present = new Map(
      this.#graph.weights.map(({ ofObjective }, i) => [ofObjective, (this.#weights[i] as OptimizedWeight).data]),
    );
    return Object.fromEntries(
      this.#spec.objective.parameters.map(({ name, data }) => [name, (present.get(name) ?? data).slice()]),
    );
  }

  save(folder: string): Promise<string> {
    return this.#model.write(folder, this.#modelWeights());
  }

  async close(): Promise<void> {
    await this.#endEmbedding();
    await this.#session.release();
    await this.#model.close();
  }

  async #run(batch: TrainingBatch): Promise<{ loss: number; terms: Record<string, number> }> {
    const feeds: Record<string, Tensor> = { ...this.#weightFeeds, ...batch.inputs };
    for (const field of this.#spec.objective.fields) {
      const values = batch.fields[field];
      if (values === undefined) throw new BackcompatError('internal', `The batch has no ${field}.`);
      feeds[inputOfField(field)] = values;
    }
    await this.#session.runInto(feeds, this.#outputs);
    const terms = Object.fromEntries(
      this.#graph.terms.map(({ name, output }) => [name, this.#gradient(output)[0] as number]),
    );
    return { loss: Object.values(terms).reduce((sum, term) => sum + term, 0), terms };
  }

  #gradient(output: string): Float32Array {
    return (this.#outputs[output] as { data: Float32Array }).data;
  }

  #modelWeights(): Record<string, Float32Array> {
    const weights = this.#weights.filter((_, i) => this.#graph.weights[i]?.ofObjective === null);
    return Object.fromEntries(weights.map(({ name, data }) => [name, data]));
  }

  async #endEmbedding(): Promise<void> {
    await this.#embedding?.session.release();
    this.#embedding = null;
  }
}
