import type { NodeProto } from '../../engine/proto/onnx_pb.js';
import { matchPatterns } from './matchPatterns.ts';
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
  return matchPatterns(file, choice, weights, namesOf);
}

/** The last linear layer before the output, with what is behind it: its bias, a norm. */
function lastLayer({ nodes, sourceOf }: Subgraph, weights: readonly Weight[], output: string): Set<Weight> {
  const chosen: Weight[] = [];
  const needed = new Set([sourceOf(output)]);
  for (const node of nodes.toReversed()) {
    if (!node.output.some((name) => needed.has(name))) continue;
    for (const name of node.input) needed.add(sourceOf(name));
    const read = weights.filter(({ uses }) => uses.some((use) => use.node === node));
    chosen.push(...read);
    if (read.length > 0 && linearOperators.has(node.opType)) break;
  }
  return new Set(weights.filter((weight) => chosen.includes(weight)));
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
