import type { WeightMemory } from '../../training/objectives/weightPenalty.ts';
import type { Trainer } from '../../training/trainer.ts';
import type { Tensors } from './sessionFiles.ts';

/** Names in the trainer's state of the objective's own weights (heads). */
function objectiveNames(trainer: Trainer, parameters: readonly string[]): Set<string> {
  const names = new Set(trainer.parameters.map(({ name }) => name));
  // A model may have a weight of that name.
  return new Set(parameters.map((name) => (names.has(`objective/${name}`) ? `objective/${name}` : name)));
}

/**
 * The model's own trained weights as they are now: without heads, and without what the optimiser remembers.
 * @param ofObjective names of the objective's trained parameters
 */
export async function modelWeights(trainer: Trainer, ofObjective: readonly string[]): Promise<Tensors> {
  const others = objectiveNames(trainer, ofObjective);
  const { tensors } = await trainer.state();
  const own = trainer.parameters.filter(({ name, isTrained }) => isTrained && !others.has(name));
  return Object.fromEntries(own.flatMap(({ name }) => (tensors[name] ? [[name, tensors[name]]] : [])));
}

/**
 * Lets a model go on from the weights of the session before; heads stay as the objective brings them, and the optimiser begins
 * anew. A weight that has grown along its first axis (an embedding that gained components) keeps its new rows.
 */
export async function startFrom(trainer: Trainer, weights: Tensors, ofObjective: readonly string[]): Promise<void> {
  const { step, tensors } = await trainer.state();
  const own = await modelWeights(trainer, ofObjective);
  const carried = Object.fromEntries(
    Object.entries(tensors).map(([name, fresh]) => {
      const before = Object.hasOwn(own, name) ? weights[name] : undefined;
      if (before === undefined) return [name, fresh];
      const data = fresh.data.slice();
      data.set(before.data);
      return [name, { shape: fresh.shape, data }];
    }),
  );
  await trainer.restore({ step, tensors: carried });
}

/**
 * What consolidation keeps, for weights that may have grown along their first axis: new rows are free.
 * @param dimension of the embedding now and in `before`
 */
export function grownMemory(memory: WeightMemory, dimension: number, before: number): WeightMemory {
  if (dimension === before) return memory;
  return Object.fromEntries(
    Object.entries(memory).map(([name, { shape, weights, fisher }]) => {
      // Of a built-in network only the embedding layer has as many rows as the embedding components, and that name.
      if (!name.startsWith('embedding.')) return [name, { shape, weights, fisher }];
      const grown = (values: Float32Array) => {
        const data = new Float32Array((values.length / before) * dimension);
        data.set(values);
        return data;
      };
      return [name, { shape: [dimension, ...shape.slice(1)], weights: grown(weights), fisher: grown(fisher) }];
    }),
  );
}
