import { closest, quotedList } from '../../config/closest.ts';
import { BackcompatError } from '../../contract/errors.ts';
import type { NodeProto } from '../../engine/proto/onnx_pb.js';
import { refused, type Subgraph } from './subgraph.ts';
import type { Weight } from './weights.ts';

/** See `openTrainable`. */
export type TrainableChoice = 'all' | 'embedding' | readonly string[];

const linearOperators = new Set(['Conv', 'ConvTranspose', 'MatMul', 'Gemm']);

/**
 * The weights that are to be trained.
 * @throws BackcompatError `bad-model` when there is none; `bad-config` for a pattern that matches none, with names near it
 */
export function chooseWeights(
  file: string,
  subgraph: Subgraph,
  weights: readonly Weight[],
  choice: TrainableChoice,
  output: string,
): ReadonlySet<Weight> {
  if (weights.length === 0) {
    throw refused(
      file,
      'none of its float tensors is a weight of a layer',
      'Export the model with its weights as initialisers.',
    );
  }
  if (choice === 'all') return new Set(weights);
  if (choice === 'embedding') return lastLayer(subgraph, weights, output);
  const chosen = new Set<Weight>();
  for (const pattern of choice) {
    const matching = weights.filter((weight) => namesOf(weight).some((name) => matches(pattern, name)));
    if (matching.length === 0) throw noMatch(file, pattern, weights);
    for (const weight of matching) chosen.add(weight);
  }
  return chosen;
}

/** The last linear layer before the output, with what is behind it: its bias, a norm. */
function lastLayer({ nodes, sourceOf }: Subgraph, weights: readonly Weight[], output: string): Set<Weight> {
  const chosen = new Set<Weight>();
  const needed = new Set([sourceOf(output)]);
  for (const node of nodes.toReversed()) {
    if (!node.output.some((name) => needed.has(name))) continue;
    for (const name of node.input) needed.add(sourceOf(name));
    const read = weights.filter(({ uses }) => uses.some((use) => use.node === node));
    for (const weight of read) chosen.add(weight);
    if (read.length > 0 && linearOperators.has(node.opType)) break;
  }
  return chosen;
}

/** What a pattern may name a weight by: its own name, its nodes' names, and the modules that a node's metadata says it came from. */
function namesOf({ name, tensor, uses }: Weight): string[] {
  return [name, tensor, ...uses.flatMap(({ node }) => [node.name, ...modulesOf(node)])];
}

/** PyTorch's exporter writes a Python list: `['', 'layer1', 'layer1.0', 'linear']`. */
function modulesOf({ metadataProps }: NodeProto): string[] {
  const scopes = metadataProps.find(({ key }) => key === 'pkg.torch.onnx.name_scopes')?.value ?? '';
  return [...scopes.matchAll(/'([^']+)'/g)].map((match) => match[1] as string);
}

/** `*` stands for any characters, `?` for one; a pattern may leave out what follows a "." or "/", and a leading "/". */
export function matches(pattern: string, name: string): boolean {
  const parts = pattern.replace(/[.*+?^${}()|[\]\\]/g, (sign) =>
    sign === '*' ? '.*' : sign === '?' ? '.' : `\\${sign}`,
  );
  return new RegExp(`^/?${parts}(?:[./#].*)?$`, 's').test(name);
}

const MAX_NAMED = 8;

function noMatch(file: string, pattern: string, weights: readonly Weight[]): BackcompatError {
  const names = [...new Set(weights.map(({ name }) => name))];
  const plain = pattern.replace(/[*?]/g, '');
  const near = names.filter((name) => plain !== '' && name.toLowerCase().includes(plain.toLowerCase()));
  const spelt = closest(pattern, new Set(weights.flatMap(namesOf)));
  const remedy =
    spelt !== null
      ? `Did you mean ${JSON.stringify(spelt)}?`
      : `Weights are ${near.length > 0 ? 'near it ' : ''}${quotedList(near.length > 0 ? near : names, MAX_NAMED)}.`;
  return new BackcompatError('bad-config', `"trainable": ${JSON.stringify(pattern)} matches no weight of ${file}.`, {
    place: { file, field: 'trainable' },
    remedy,
  });
}
