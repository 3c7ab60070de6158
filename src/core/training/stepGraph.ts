import { differentiate, type ValueFacts } from '../engine/differentiation/differentiate.ts';
import { useWinograd } from '../engine/differentiation/winograd.ts';
import type { Dimension, ElementType, Value } from '../engine/graph.ts';
import { graphOperations } from '../engine/graphOperations.ts';
import type { TrainableGraph } from '../models/trainable/trainableGraph.ts';
import type { BatchField, Objective } from './objectives/objective.ts';

/** A weight that steps change: of the model, or of the objective. */
export interface StepWeight {
  /** In the state. */
  readonly name: string;
  /** Its name in the objective; null for one of the model. */
  readonly ofObjective: string | null;
  readonly shape: readonly number[];
  /** Where it starts. */
  readonly data: Float32Array;
  /** Names of the graph's input and of the output that is its gradient. */
  readonly input: string;
  readonly gradient: string;
}

/** Forward pass, loss and reverse pass as one graph; the batch axis is free. */
export interface StepGraph {
  readonly bytes: Uint8Array;
  /** Names of the terms, in the objective's order, and of the outputs that are them. */
  readonly terms: readonly { name: string; output: string }[];
  readonly weights: readonly StepWeight[];
  /** Weights of the model that the loss does not depend on: inputs of the graph all the same. */
  readonly unused: readonly Omit<StepWeight, 'gradient'>[];
}

/** Name of the graph's input that a field of the batch is fed to: prefixed, as a model may have an input of that name. */
export const inputOfField = (field: BatchField) => `batch/${field}`;

const FIELDS: Record<BatchField, { type: ElementType; width: string | null }> = {
  labels: { type: 'int32', width: null },
  oldLabels: { type: 'int32', width: null },
  oldVectors: { type: 'float32', width: 'oldDimension' },
  oldLengths: { type: 'float32', width: null },
  replayed: { type: 'int32', width: null },
  chance: { type: 'float32', width: null },
};

/**
 * Appends the objective and the reverse pass to the model's graph, which is used up by it.
 * @throws BackcompatError `bad-model` for an operator on the path that has no rule
 */
export function buildStepGraph(model: TrainableGraph, objective: Objective): StepGraph {
  const { graph } = model;
  const facts = new Map<string, ValueFacts>(model.facts);

  const fields: Partial<Record<BatchField, Value>> = {};
  for (const field of objective.fields) {
    const { type, width } = FIELDS[field];
    const shape: Dimension[] = width === null ? ['items'] : ['items', width];
    fields[field] = graph.input(inputOfField(field), type, shape);
    facts.set(inputOfField(field), { type, shape: shape.map(() => null) });
  }
  const parameters: Record<string, Value> = {};
  for (const { name, shape, data, isTrained } of objective.parameters) {
    parameters[name] = isTrained ? graph.input(`objective/${name}`, 'float32', shape) : graph.constant(data, shape);
    facts.set(parameters[name], { type: 'float32', shape });
  }

  const ops = graphOperations(graph);
  const terms = objective.terms(ops, {
    embedding: model.embedding,
    fields: fields as Record<BatchField, Value>,
    parameters,
    modelParameters: Object.fromEntries(model.parameters.map(({ name, value }) => [name, value])),
  });
  const loss = Object.values(terms).reduce((sum, term) => ops.add(sum, term));

  const ofModel = new Set(model.parameters.map(({ name }) => name));
  const candidates = [
    ...model.parameters.map((parameter) => ({ ...parameter, ofObjective: null as string | null })),
    ...objective.parameters
      .filter(({ isTrained }) => isTrained)
      .map(({ name, shape, data }) => ({
        // A model may have a weight of that name.
        name: ofModel.has(name) ? `objective/${name}` : name,
        shape,
        data,
        value: parameters[name] as Value,
        ofObjective: name,
      })),
  ];
  const gradients = differentiate(
    graph,
    loss,
    candidates.map(({ value }) => value),
    facts,
  );

  useWinograd(graph, facts);

  const weights: StepWeight[] = [];
  const unused: Omit<StepWeight, 'gradient'>[] = [];
  candidates.forEach(({ value, ...candidate }, i) => {
    const gradient = gradients[i] ?? null;
    if (gradient === null) {
      unused.push({ ...candidate, input: value });
      return;
    }
    const output = `gradient/${candidate.name}`;
    graph.output(output, gradient, 'float32', candidate.shape);
    weights.push({ ...candidate, input: value, gradient: output });
  });
  const named = Object.entries(terms).map(([name, term]) => {
    graph.output(`term/${name}`, term, 'float32', []);
    return { name, output: `term/${name}` };
  });
  return { bytes: graph.build(), terms: named, weights, unused };
}
