import { BackcompatError } from '../../contract/errors.ts';
import type { GraphBuilder, Value } from '../graph.ts';
import { AttributeProto_AttributeType, type NodeProto, TensorProto_DataType } from '../proto/onnx_pb.js';
import { numbersOf } from './constants.ts';
import { findPath, isStandard, type Path, slopedInputs } from './path.ts';
import { rules } from './rules/rules.ts';

/** A node between weights and a loss through which no gradient flows here. */
export interface UnsupportedNode {
  readonly operator: string;
  /** Of the node; that of its first output where it has none. */
  readonly name: string;
  /** Behind "because", no full stop. */
  readonly reason: string;
  /** Those of `wrt` that reach the loss through it. */
  readonly blocked: readonly Value[];
}

/**
 * What keeps a loss from being differentiated: each node on the path from `wrt` to `loss` without a rule, in running order. Nodes off
 * the path may be anything. A weight that is blocked by none of them can be trained: leave the others out.
 * Forms of an operator that only the sizes of a model decide are not seen here; `differentiate` refuses them.
 * @param loss any value, such as an embedding
 */
export function findUnsupported(graph: GraphBuilder, loss: Value, wrt: readonly Value[]): UnsupportedNode[] {
  return unsupportedOn(graph, findPath(graph, loss, wrt), wrt);
}

export function unsupportedOn(graph: GraphBuilder, path: Path, wrt: readonly Value[]): UnsupportedNode[] {
  return path.nodes.flatMap((node) => {
    const reason = reasonAgainst(graph, node);
    if (reason === null) return [];
    const { opType, name, output } = node;
    const blocked = leadingTo(path, node);
    return [{ operator: opType, name: name || (output[0] ?? ''), reason, blocked: wrt.filter((w) => blocked.has(w)) }];
  });
}

/** Values that reach the node. */
function leadingTo(path: Path, target: NodeProto): Set<string> {
  const leading = new Set(slopedInputs(target));
  for (const node of path.nodes.toReversed()) {
    if (node.output.some((output) => leading.has(output))) for (const input of slopedInputs(node)) leading.add(input);
  }
  return leading;
}

/** @throws BackcompatError `bad-model` where there is such a node */
export function refuseUnsupported(graph: GraphBuilder, path: Path, wrt: readonly Value[]): void {
  const found = unsupportedOn(graph, path, wrt);
  const [first] = found;
  if (first === undefined) return;
  const blocked = new Set(found.flatMap((node) => node.blocked));
  const free = wrt.filter((weight) => path.values.has(weight) && !blocked.has(weight));
  const others = found.length > 1 ? ` (${found.length - 1} more like it on the path)` : '';
  throw new BackcompatError(
    'bad-model',
    `No gradient flows through the node ${JSON.stringify(first.name)} (${first.operator}), which lies between the weight ${JSON.stringify(
      first.blocked.at(-1),
    )} and the loss: ${first.reason}${others}.`,
    {
      remedy:
        free.length > 0
          ? `Freeze the ${blocked.size} weights before it and train the ${free.length} others: name them in "trainable", such as ${quoted(free)}, or use "trainable": "embedding".`
          : 'None of the weights that are to be trained lies behind it: add a layer there, or export the model without it.',
    },
  );
}

const MAX_NAMED = 3;

function quoted(weights: readonly string[]): string {
  const named = weights.slice(-MAX_NAMED).map((weight) => JSON.stringify(weight));
  return named.join(', ');
}

const recurrent = 'gradients do not flow through recurrent layers here: freeze what is below, train what is above';

/** Operators, or forms of them, that have no rule, and why. */
function reasonAgainst(graph: GraphBuilder, node: NodeProto): string | null {
  const { opType, domain, input } = node;
  if (!isStandard(domain)) return `the operator is of the domain ${domain}`;
  if (opType === 'GRU' || opType === 'LSTM' || opType === 'RNN') return recurrent;
  if (opType === 'If' || opType === 'Loop' || opType === 'Scan') return 'it holds a program of its own';
  if (rules[opType] === undefined) return 'the operator has no rule';
  const attribute = (name: string) => node.attribute.find((given) => given.name === name);
  const text = (name: string) => {
    const given = attribute(name);
    return given?.type === AttributeProto_AttributeType.STRING ? new TextDecoder().decode(given.s) : null;
  };
  switch (opType) {
    case 'BatchNormalization':
      return attribute('training_mode')?.i === 1n ? 'it normalises by the batch instead of stored statistics' : null;
    case 'Cast': {
      const to = Number(attribute('to')?.i);
      const isKept = graph.program.every(({ opType: reader, input: read }) => {
        return reader === 'Cast' || !read.includes(node.output[0] ?? '');
      });
      if (to === TensorProto_DataType.FLOAT || isKept) return null;
      return `what follows is computed in ${TensorProto_DataType[to]}, and gradients are in float32 here`;
    }
    case 'Dropout': {
      const training = input[2] ?? '';
      if (training === '' || numbersOf(graph, training)?.[0] === 0) return null;
      return 'it may drop values at random';
    }
    case 'LpNormalization':
      return [undefined, 1n, 2n].includes(attribute('p')?.i) ? null : 'only p of 1 and 2 have a rule';
    case 'Resize':
      if (text('coordinate_transformation_mode') === 'tf_crop_and_resize') return 'it cuts out a region';
      return text('keep_aspect_ratio_policy') === 'not_larger' || text('keep_aspect_ratio_policy') === 'not_smaller'
        ? 'it keeps the aspect ratio'
        : null;
    default:
      return null;
  }
}
