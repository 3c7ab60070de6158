import type { LoadedTensors } from './loadedTensors.ts';
import type { FrozenTensor } from './trainableGraph.ts';
import type { TensorUse, UsedTensor } from './weightUses.ts';

/** A weight as it is trained: one tensor of the file, or one use of it. */
export interface Weight {
  /** That of the tensor, `name#2` for its second use. */
  readonly name: string;
  /** Name of the tensor in the file. */
  readonly tensor: string;
  /** Other tensors of the file with the same numbers, which are the same weight. */
  readonly twins: readonly string[];
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
 * was one weight in the model, and stays one. A single number stays one, too. For the same reason equal tensors of different numbers,
 * which the newer exporter writes for a tied weight that it turned around, become one weight.
 */
export function untie(found: readonly UsedTensor[], loaded: LoadedTensors): FoundWeights {
  const weights: Weight[] = [];
  const frozen: FrozenTensor[] = [];
  const tied: string[] = [];
  const untied: string[] = [];
  const byShape = new Map<string, { names: string[]; data: Float32Array; uses: TensorUse[] }[]>();
  for (const { tensor, uses, reason } of found) {
    const shape = tensor.dims.map(Number);
    if (reason !== null) frozen.push({ name: tensor.name, shape, reason });
    else {
      const data = loaded.floatsOf(tensor);
      const alike = byShape.get(shape.join()) ?? [];
      byShape.set(shape.join(), alike);
      const twin = isOneNumber(data) ? undefined : alike.find((other) => isEqual(other.data, data));
      twin?.names.push(tensor.name);
      twin?.uses.push(...uses);
      if (twin === undefined) alike.push({ names: [tensor.name], data, uses: [...uses] });
    }
  }
  const single = [...byShape.values()].flat();
  for (const { tensor } of found) {
    const entry = single.find(({ names }) => names[0] === tensor.name);
    if (entry === undefined) continue;
    const { names, data, uses } = entry;
    const [name, ...twins] = names as [string, ...string[]];
    const shape = tensor.dims.map(Number);
    const mayBeMerged = data.length > 1 && isOneNumber(data);
    if (uses.length > 1) (mayBeMerged ? untied : tied).push(name);
    const groups = mayBeMerged ? uses.map((use) => [use]) : [uses];
    for (const [index, group] of groups.entries()) {
      const own = index === 0 ? name : `${name}#${index + 1}`;
      weights.push({ name: own, tensor: name, twins, shape, data, uses: group, mayBeMerged });
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

function isOneNumber(data: Float32Array): boolean {
  return data.every((value) => value === data[0]);
}

function isEqual(a: Float32Array, b: Float32Array): boolean {
  return a.every((value, index) => value === b[index]);
}

function noteOf(names: readonly string[], what: string): string[] {
  const [first] = names;
  if (first === undefined) return [];
  const others = names.length === 1 ? '' : ` (and ${names.length - 1} more)`;
  return [`${JSON.stringify(first)}${others} ${what}.`];
}
