import type { Value } from '../graph.ts';
import { padAlong } from './putBack.ts';
import type { NodeView, Size } from './rule.ts';
import { reshape, reshapeLike, sizeMath, sizeOf, sizes, sizesFrom } from './shapes.ts';

/** How a convolution goes over its input: one number for each spatial axis. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Before the first value, behind the last. */
  readonly begins: readonly number[];
  readonly ends: readonly number[];
  readonly group: number;
}

/** @param x the input whose sizes decide automatic padding */
export function windowOf(n: NodeView, x: Value, w: Value): Window {
  const kernel = n.shapeOf(w)?.slice(2) ?? n.ints('kernel_shape');
  if (!kernel?.every((size) => size !== null)) throw n.refuse('the size of its kernel is not known');
  const ones = kernel.map(() => 1);
  const strides = n.ints('strides') ?? ones;
  const dilations = n.ints('dilations') ?? ones;
  const sides = padsOf(n, x, kernel as number[], strides, dilations);
  return { kernel: kernel as number[], strides, dilations, ...sides, group: n.int('group', 1) };
}

function padsOf(
  n: NodeView,
  x: Value,
  kernel: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): Pick<Window, 'begins' | 'ends'> {
  const mode = n.text('auto_pad', 'NOTSET');
  const none = kernel.map(() => 0);
  if (mode === 'VALID') return { begins: none, ends: none };
  if (mode === 'NOTSET') {
    const pads = n.ints('pads') ?? [...none, ...none];
    return { begins: pads.slice(0, kernel.length), ends: pads.slice(kernel.length) };
  }
  const totals = kernel.map((size, i) => {
    const [stride, reach] = [strides[i] as number, (size - 1) * (dilations[i] as number) + 1];
    if (stride === 1) return reach - 1;
    const length = sizeOf(n, x, i + 2);
    if (typeof length !== 'number') throw n.refuse('it pads by the size of its input, which is not known');
    return Math.max(0, (Math.ceil(length / stride) - 1) * stride + reach - length);
  });
  const less = totals.map((total) => Math.floor(total / 2));
  const more = totals.map((total) => Math.ceil(total / 2));
  return mode === 'SAME_LOWER' ? { begins: more, ends: less } : { begins: less, ends: more };
}

const reachOf = ({ kernel, dilations }: Window) => kernel.map((size, i) => (size - 1) * (dilations[i] as number));

/** The gradient of a convolution's input, in the shape of `x`. */
export function inputGradient(n: NodeView, dy: Value, x: Value, w: Value, window: Window): Value {
  const { strides, begins, ends, group } = window;
  const reach = reachOf(window);
  const isDense = strides.every((stride) => stride === 1);
  const fits = reach.every((r, i) => (begins[i] as number) <= r && (ends[i] as number) <= r);
  const shape = n.sizesOf(w);
  if (isDense && fits && (group === 1 || shape !== null)) {
    const pads = [...reach.map((r, i) => r - (begins[i] as number)), ...reach.map((r, i) => r - (ends[i] as number))];
    return n.node('Conv', [dy, flipped(n, w, window)], { pads, dilations: window.dilations, group });
  }
  if (!isDense && shape?.[0] === group && shape[1] === 1) return depthwiseInputGradient(n, dy, x, w, window);
  return transposedConvolution(n, dy, x, w, window);
}

/** Kernels turned round, input and output channels swapped within each group. */
function flipped(n: NodeView, w: Value, { kernel, group }: Window): Value {
  const taps = kernel.reduce((a, b) => a * b, 1);
  const rank = kernel.length;
  const [outputs, inputs] = sizesFrom(n, w, 0, 2) as [Size, Size];
  let turned: Value;
  if (group === 1) {
    turned = n.transpose(reshape(n, w, [0, 0, taps]), [1, 0, 2]);
  } else {
    const perGroup = (outputs as number) / group;
    const grouped = reshape(n, w, [group, perGroup, inputs, taps]);
    turned = reshape(n, n.transpose(grouped, [0, 2, 1, 3]), [group * (inputs as number), perGroup, taps]);
  }
  if (taps > 1) {
    // Turned by a product with a permutation: several times as fast as picking.
    const permutation = new Float32Array(taps * taps);
    for (let tap = 0; tap < taps; tap++) permutation[tap * taps + taps - 1 - tap] = 1;
    turned = n.node('MatMul', [turned, n.graph.constant(permutation, [taps, taps])]);
  }
  return rank === 1 ? turned : reshape(n, turned, [0, 0, ...kernel]);
}

/** Strided, a kernel for each channel: a product for each tap, and all of them put where they came from. */
function depthwiseInputGradient(n: NodeView, dy: Value, x: Value, w: Value, window: Window): Value {
  const { kernel, strides, dilations, begins, ends } = window;
  const taps = kernel.reduce((a, b) => a * b, 1);
  const rows = n.node('Unsqueeze', [reshape(n, dy, [0, 0, -1]), n.int64s([2])]);
  const products = n.multiply(rows, reshape(n, w, [0, taps, 1]));
  const channels = n.sizesOf(w)?.[0] as number;
  const columns = n.node('Reshape', [
    products,
    n.node('Concat', [n.node('Shape', [dy], { start: 0, end: 1 }), n.int64s([channels * taps, -1])], { axis: 0 }),
  ]);
  const image = sizes(n, sizesFrom(n, x, 2, kernel.length));
  const put = n.node('Col2Im', [columns, image, n.int64s(kernel)], {
    strides,
    dilations,
    pads: [...begins, ...ends],
  });
  return reshapeLike(n, put, x);
}

function transposedConvolution(n: NodeView, dy: Value, x: Value, w: Value, window: Window): Value {
  const { kernel, strides, dilations, begins, ends, group } = window;
  const reach = reachOf(window);
  const lengths = sizesFrom(n, x, 2, kernel.length);
  const common = { strides, dilations, group, kernel_shape: kernel };
  if (lengths.every((length) => typeof length === 'number')) {
    const rest = lengths.map((length, i) => {
      const room = (length as number) + (begins[i] as number) + (ends[i] as number) - (reach[i] as number) - 1;
      return room % (strides[i] as number);
    });
    return n.node('ConvTranspose', [dy, w], { ...common, pads: [...begins, ...ends], output_padding: rest });
  }
  // Its size follows from the input's only at run time: as it comes, then cut and filled.
  const whole = n.node('ConvTranspose', [dy, w], common);
  const axes = kernel.map((_, i) => i + 2);
  const missing = axes.map((axis, i) => {
    const own = n.node('Shape', [whole], { start: axis, end: axis + 1 });
    return sizeMath(n, 'Sub', sizeMath(n, 'Add', lengths[i] as Size, begins[i] as number), own);
  });
  return padAlong(n, whole, kernel.length + 2, axes, [...begins.map((begin) => -begin), ...missing]);
}
