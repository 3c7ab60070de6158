import type { AttributeValue, Value } from '../../../engine/graph.ts';
import { floatAttribute, integerAttribute, integersAttribute, stringAttribute } from '../nodes.ts';
import type { NodeRewriter, RewriteRule } from './nodeRewriter.ts';

/** The first opset whose operators are brought to today's meaning. */
export const OLDEST_OPSET = 9;

/** A rule for nodes of files with an opset before that one. */
export interface Upgrade {
  readonly before: number;
  readonly rule: RewriteRule;
}

/** Attributes that became inputs, in the order of the inputs behind the first. */
function attributesAsInputs(before: number, names: readonly string[]): Upgrade {
  const rule: RewriteRule = ({ node, inputs, graph, keep }) => {
    const given = names.map((name) => {
      const values = integersAttribute(node, name);
      return values === null ? null : graph.int64s(values);
    });
    keep({ without: names, inputs: [...inputs.slice(0, 1), ...given] });
  };
  return { before, rule };
}

/**
 * Softmax before opset 13 works on a matrix: axes from `axis` (1 by default) on are one. Where that is the last one only, both
 * mean the same.
 */
function softmax({ node, graph, inputs, replace, shapeOf }: NodeRewriter): void {
  const axis = integerAttribute(node, 'axis', 1);
  const rank = shapeOf(0)?.length;
  const [x] = inputs as [Value];
  const along: Record<string, AttributeValue> = { axis: -1 };
  if (axis === -1 || axis + 1 === rank) {
    replace(0, graph.node(node.opType, [x], along));
  } else {
    const matrix = graph.node('Flatten', [x], { axis });
    replace(0, graph.node('Reshape', [graph.node(node.opType, [matrix], along), graph.node('Shape', [x])]));
  }
}

/** Split says its parts in an input from 13 on, and from 18 on how many they are where it does not. */
function split({ node, graph, inputs, keep }: NodeRewriter): void {
  const sizes = integersAttribute(node, 'split');
  const given = sizes === null ? (inputs[1] ?? null) : graph.int64s(sizes);
  if (given === null) keep({ and: { num_outputs: node.output.length } });
  else keep({ without: ['split'], inputs: [inputs[0] ?? null, given] });
}

/** Clip's bounds were attributes before 11. */
function clip({ node, graph, inputs, keep }: NodeRewriter): void {
  const bound = (name: string) => {
    const value = floatAttribute(node, name);
    return value === null ? null : graph.scalar(value);
  };
  keep({ without: ['min', 'max'], inputs: [inputs[0] ?? null, bound('min'), bound('max')] });
}

/** Pad's widths and value were attributes before 11. */
function pad({ node, graph, inputs, keep }: NodeRewriter): void {
  const widths = graph.int64s(integersAttribute(node, 'pads') ?? []);
  const value = floatAttribute(node, 'value');
  keep({
    without: ['pads', 'value'],
    inputs: [inputs[0] ?? null, widths, value === null ? null : graph.scalar(value)],
  });
}

/** GroupNormalization scaled groups before 21, and scales channels since. */
function groupNormalization({ node, graph, inputs, keep, shapeOf, refuse }: NodeRewriter): void {
  const groups = integerAttribute(node, 'num_groups', 1);
  const channels = shapeOf(0)?.[1];
  if (typeof channels !== 'number') {
    throw refuse('scales groups of an unknown number of channels', 'Export the model with opset 21 or later.');
  }
  const [x, scale, shift] = inputs as [Value, Value, Value];
  const perChannel = (value: Value) => {
    const column = graph.node('Reshape', [value, graph.int64s([groups, 1])]);
    const spread = graph.node('Expand', [column, graph.int64s([groups, channels / groups])]);
    return graph.node('Reshape', [spread, graph.int64s([channels])]);
  };
  keep({ inputs: [x, perChannel(scale), perChannel(shift)] });
}

/** Upsample was replaced by Resize in 11, and Resize meant something else before. */
function resize({ node, opset, keep, refuse }: NodeRewriter): void {
  if (opset < 11) throw refuse(`has the meaning of opset ${opset}`, 'Export the model with opset 11 or later.');
  if (stringAttribute(node, 'coordinate_transformation_mode') === 'tf_half_pixel_for_nn') {
    throw refuse('uses tf_half_pixel_for_nn', 'Export the model with opset 13 or later.');
  }
  keep();
}

const reductions = ['Max', 'Min', 'Mean', 'Prod', 'L1', 'L2', 'LogSum', 'LogSumExp', 'SumSquare'];

/** What of the operators of opset 9 and later means something else in opset 21 (ONNX, docs/Changelog.md). */
export const olderOpsets: Readonly<Record<string, Upgrade>> = {
  Squeeze: attributesAsInputs(13, ['axes']),
  Unsqueeze: attributesAsInputs(13, ['axes']),
  ReduceSum: attributesAsInputs(13, ['axes']),
  ...Object.fromEntries(reductions.map((name) => [`Reduce${name}`, attributesAsInputs(18, ['axes'])])),
  Slice: attributesAsInputs(10, ['starts', 'ends', 'axes']),
  Softmax: { before: 13, rule: softmax },
  LogSoftmax: { before: 13, rule: softmax },
  Hardmax: { before: 13, rule: softmax },
  Split: { before: 18, rule: split },
  Clip: { before: 11, rule: clip },
  Pad: { before: 11, rule: pad },
  GroupNormalization: { before: 21, rule: groupNormalization },
  Resize: { before: 13, rule: resize },
  Upsample: { before: 13, rule: resize },
};
