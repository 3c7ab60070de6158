import type { LoadedTensors } from './loadedTensors.ts';
import type { FrozenTensor } from './trainableGraph.ts';
import type { TensorUse, UsedTensor } from './weightUses.ts';

/** A weight as it is trained: one tensor of the file, or one use of it. */
export interface Weight {
  /** That of the tensor, `name#2` for its second use. */
  readonly name: string;
  /** Name of the tensor in the file. */
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
  readonly uses: readonly TensorUse[];
}

export interface FoundWeights {
  readonly weights: readonly Weight[];
  readonly frozen: readonly FrozenTensor[];
  readonly notes: readonly string[];
}

/**
 * Gives tensors that an exporter merged because they were equal a copy for each use. Those are tensors of one repeated number, as
 * the scales and shifts of new norms are: chance makes no others equal, so that a tensor of different numbers that is read twice
 * was one weight in the model, and stays one. A single number stays one, too.
 */
export function untie(found: readonly UsedTensor[], loaded: LoadedTensors): FoundWeights {
  const weights: Weight[] = [];
  const frozen: FrozenTensor[] = [];
  const tied: string[] = [];
  const untied: string[] = [];
  for (const { tensor, uses, reason } of found) {
    const { name } = tensor;
    const shape = tensor.dims.map(Number);
    if (reason !== null) {
      frozen.push({ name, shape, reason });
      continue;
    }
    const data = loaded.floatsOf(tensor);
    if (uses.length === 1 || data.length === 1 || data.some((value) => value !== data[0])) {
      if (uses.length > 1) tied.push(name);
      weights.push({ name, tensor: name, shape, data, uses });
      continue;
    }
    untied.push(name);
    for (const [index, use] of uses.entries()) {
      weights.push({ name: index === 0 ? name : `${name}#${index + 1}`, tensor: name, shape, data, uses: [use] });
    }
  }
  return {
    weights,
    frozen,
    notes: [
      ...noteOf(untied, 'was merged by the exporter; each use gets a weight of its own'),
      ...noteOf(tied, 'is used several times and stays one weight'),
    ],
  };
}

function noteOf(names: readonly string[], what: string): string[] {
  const [first] = names;
  if (first === undefined) return [];
  const others = names.length === 1 ? '' : ` (and ${names.length - 1} more)`;
  return [`${JSON.stringify(first)}${others} ${what}.`];
}
