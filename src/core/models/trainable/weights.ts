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
  /** Whether equal tensors of several layers may have been merged into it: what else reads it keeps the old numbers. */
  readonly mayBeMerged: boolean;
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
    const mayBeMerged = data.length > 1 && data.every((value) => value === data[0]);
    if (uses.length > 1) (mayBeMerged ? untied : tied).push(name);
    const groups = mayBeMerged ? uses.map((use) => [use]) : [uses];
    for (const [index, group] of groups.entries()) {
      const own = index === 0 ? name : `${name}#${index + 1}`;
      weights.push({ name: own, tensor: name, shape, data, uses: group, mayBeMerged });
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
