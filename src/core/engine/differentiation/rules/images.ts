import { BackcompatError } from '../../../contract/errors.ts';
import type { Value } from '../../graph.ts';
import type { NodeView, Rule } from '../rule.ts';

function symmetric(n: NodeView, rank: number): number[] {
  return n.ints('pads') ?? Array<number>(2 * rank).fill(0);
}

/** Rules of convolutions and pools over images ([n, c, h, w]). */
export const images: Record<string, Rule> = {
  Conv: (n) => {
    const [x, w] = [n.input(0), n.input(1)];
    const kernel = n.shapeOf(w)?.slice(2) ?? n.ints('kernel_shape');
    const strides = n.ints('strides') ?? [1, 1];
    const dilations = n.ints('dilations') ?? [1, 1];
    const pads = symmetric(n, 2);
    const group = n.int('group', 1);
    const [height, width] = n.shapeOf(x)?.slice(2) ?? [];
    const plain = dilations.every((d) => d === 1) && n.text('auto_pad', 'NOTSET') === 'NOTSET' && group === 1;
    if (!plain || kernel?.length !== 2 || !height || !width) {
      throw new BackcompatError('bad-model', `The gradient of this Conv (${n.proto.name}) is not supported.`);
    }
    const size = [height, width];
    const out = size.map(
      (length, axis) =>
        Math.floor((length + (pads[axis] ?? 0) + (pads[axis + 2] ?? 0) - (kernel[axis] ?? 1)) / (strides[axis] ?? 1)) +
        1,
    );
    const outputPadding = size.map(
      (length, axis) =>
        length -
        (((out[axis] ?? 1) - 1) * (strides[axis] ?? 1) +
          (kernel[axis] ?? 1) -
          (pads[axis] ?? 0) -
          (pads[axis + 2] ?? 0)),
    );
    return n.each(
      () =>
        n.node('ConvTranspose', [n.upstream, w], {
          strides,
          pads,
          output_padding: outputPadding,
          kernel_shape: kernel as number[],
        }),
      () => {
        // Roles swapped: channels are the batch, the gradient is the kernel, strides become dilations.
        const swap = (value: Value) => n.node('Transpose', [value], { perm: [1, 0, 2, 3] });
        const wide = n.node('Conv', [swap(x), swap(n.upstream)], { pads, dilations: strides, strides: dilations });
        const turned = swap(wide);
        const exact = n.node('Slice', [turned, n.int64s([0, 0]), n.int64s(kernel as number[]), n.int64s([2, 3])]);
        return exact;
      },
      () => n.node('ReduceSum', [n.upstream, n.int64s([0, 2, 3])], { keepdims: 0 }),
    );
  },
  MaxPool: (n) => {
    // Positions in the whole tensor; each window's gradient goes to its first largest, overlaps add up.
    const positions = n.graph.furtherOutput(n.proto, 1);
    const flat = (value: Value) => n.node('Reshape', [value, n.int64s([-1])]);
    const zeros = n.node('Expand', [n.scalar(0), n.node('Unsqueeze', [n.node('Size', [n.input(0)]), n.int64s([0])])]);
    const scattered = n.node('ScatterElements', [zeros, flat(positions), flat(n.upstream)], { reduction: 'add' });
    return [n.reshapeLike(scattered, n.input(0))];
  },
  GlobalAveragePool: (n) => {
    const area = n.node('Div', [n.node('Size', [n.input(0)]), n.node('Size', [n.output()])]);
    return [n.node('Expand', [n.divide(n.upstream, n.node('CastLike', [area, n.upstream])), n.shape(n.input(0))])];
  },
};
