import { GraphBuilder, type Value } from '../../src/core/engine/graph.ts';
import type { Operations } from '../../src/core/engine/operations.ts';
import type { TrainableGraph } from '../../src/core/models/trainable/trainableGraph.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import type { Objective, ObjectiveStep } from '../../src/core/training/objectives/objective.ts';
import type { TrainingBatch } from '../../src/core/training/trainer.ts';

/** A network of two layers, 4 -> 6 -> 3, made ready for training by hand. */
export function tinyTrainable(): TrainableGraph & { isClosed(): boolean } {
  const random = createRandom(1, 'tiny trainable');
  const shapes: Record<string, readonly number[]> = { w1: [4, 6], b1: [6], w2: [6, 3], spare: [2, 2] };
  const start = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => {
      const length = shape.reduce((product, size) => product * size, 1);
      return [name, Float32Array.from({ length }, () => random.normal() / 2)];
    }),
  );
  const layers = (graph: GraphBuilder, x: Value, weight: (name: string) => Value) => {
    const hidden = graph.node('Relu', [graph.node('Add', [graph.node('MatMul', [x, weight('w1')]), weight('b1')])]);
    return graph.node('MatMul', [hidden, weight('w2')]);
  };
  const graph = new GraphBuilder('tiny');
  const x = graph.input('x', 'float32', ['n', 4]);
  const inputs = new Map(Object.entries(shapes).map(([name, shape]) => [name, graph.input(name, 'float32', shape)]));
  const embedding = layers(graph, x, (name) => inputs.get(name) as Value);
  let closed = false;
  return {
    graph,
    facts: new Map(Object.entries(shapes).map(([name, shape]) => [name, { shape, type: 'float32' }])),
    inputs: [{ name: 'x', type: 'float32', shape: [null, 4] }],
    embedding,
    dimension: 3,
    output: embedding,
    parameters: [...inputs].map(([name, value]) => ({
      name,
      value,
      shape: shapes[name] as readonly number[],
      data: start[name] as Float32Array,
    })),
    frozen: [{ name: 'mask', shape: [4], reason: 'a mask' }],
    notes: [],
    async inferenceModel(weights) {
      const built = new GraphBuilder('tiny inference');
      const result = layers(built, built.input('x', 'float32', ['n', 4]), (name) =>
        built.constant(weights[name] as Float32Array, shapes[name] as readonly number[]),
      );
      built.output(embedding, result, 'float32', ['n', 3]);
      return built.build();
    },
    write: (folder) => Promise.resolve(folder),
    async close() {
      closed = true;
    },
    isClosed: () => closed,
  };
}

/** Cross-entropy of a linear head, and a second term: the mean square of the embedding. */
export const tinyObjective: Objective = {
  name: 'tiny',
  fields: ['labels'],
  parameters: [
    { name: 'w1', shape: [5, 3], data: Float32Array.from({ length: 15 }, (_, i) => Math.sin(i)), isTrained: true },
    { name: 'frozen', shape: [3], data: Float32Array.of(1, 2, 3), isTrained: false },
  ],
  terms<T>(ops: Operations<T>, { embedding, fields, parameters }: ObjectiveStep<T>) {
    const { w1: rows, frozen } = parameters as { w1: T; frozen: T };
    const logits = ops.matmul(embedding, rows, { transposeB: true });
    const own = ops.sum(ops.multiply(ops.oneHot(fields.labels, 5), ops.logSoftmax(logits, -1)), -1);
    return {
      classification: ops.negate(ops.mean(own, null)),
      square: ops.multiply(ops.scalar(0.1), ops.mean(ops.square(ops.multiply(embedding, frozen)), null)),
    };
  },
};

export function tinyBatch(step: number, count = 8): TrainingBatch {
  const random = createRandom(step, 'tiny batch');
  return {
    count,
    inputs: { x: { shape: [count, 4], data: Float32Array.from({ length: count * 4 }, () => random.normal()) } },
    fields: { labels: { shape: [count], data: Int32Array.from({ length: count }, () => random.integer(5)) } },
  };
}
