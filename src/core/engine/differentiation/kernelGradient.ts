import type { Value } from '../graph.ts';
import type { Window } from './convolution.ts';
import { padAlong } from './putBack.ts';
import type { NodeView, Size } from './rule.ts';
import { product, reshape, reshapeLike, sizeMath, sizeOf, sizes, sizesFrom } from './shapes.ts';
import { columnSums } from './sums.ts';

/**
 * The gradients of a convolution's kernels, in the shape of `w`, and of its bias: [channels].
 * Each tap of the kernel is one product of two matrices over all places of all items. Channels lie first, so that both have their
 * places along the rows: of the four ways to hand a product its matrices the fastest, up to twice as fast as channels last.
 */
export function weightGradients(
  n: NodeView,
  { dy, x, w, window, bias }: { dy: Value; x: Value; w: Value; window: Window; bias: boolean },
): { weights: Value; bias: Value | null } {
  const gradientOfBias = bias ? biasGradient(n, dy, window.kernel.length) : null;
  return { weights: weightGradient(n, dy, x, w, window), bias: gradientOfBias };
}

function weightGradient(n: NodeView, dy: Value, x: Value, w: Value, window: Window): Value {
  const { kernel, group } = window;
  const shape = n.sizesOf(w);
  if (group > 1) {
    const isDepthwise = shape?.[0] === group && shape[1] === 1;
    return (isDepthwise ? depthwiseWeightGradient : groupedWeightGradient)(n, dy, x, w, window);
  }
  const outputs = sizeOf(n, w, 0);
  if (isPatches(window)) {
    const dyRows = reshape(n, n.transpose(dy, channelsLast(kernel.length)), [-1, outputs]);
    return reshapeLike(n, n.node('Gemm', [dyRows, patchRows(n, dy, x, window)], { transA: 1 }), w);
  }
  const first = [1, 0, ...kernel.map((_, i) => i + 2)];
  const [dyFirst, xFirst] = [n.transpose(dy, first), n.transpose(x, first)];
  const inputs = sizeOf(n, w, 1);
  const overPlaces = (a: Value, b: Value) => n.node('Gemm', [a, b], { transB: 1 });
  const taps = kernel.reduce((a, b) => a * b, 1);
  const isNarrow = taps > 1 && typeof inputs === 'number' && inputs <= FEW_CHANNELS;
  if (window.strides.every((stride) => stride === 1) && !isNarrow) {
    const dys = shifted(n, dyFirst, window, 'dy').map((a) => reshape(n, a, [outputs, -1]));
    const xs = shifted(n, xFirst, window, 'x').map((a) => reshape(n, a, [inputs, -1]));
    return byKernel(
      n,
      dys.flatMap((a) => xs.map((b) => overPlaces(a, b))),
      w,
      taps,
    );
  }
  const places = reshape(n, dyFirst, [outputs, -1]);
  const slices = tapSlices(n, dy, padded(n, xFirst, window), window, 2);
  if (isNarrow) {
    const channels = reshape(n, n.node('Concat', slices, { axis: 0 }), [taps * inputs, -1]);
    const byTap = reshape(n, overPlaces(places, channels), [-1, taps, inputs]);
    return reshapeLike(n, n.transpose(byTap, [0, 2, 1]), w);
  }
  return byKernel(
    n,
    slices.map((tap) => overPlaces(places, reshape(n, tap, [inputs, -1]))),
    w,
    taps,
  );
}

/**
 * What a tap looks at is shifted along every axis: along the last one `x` is, along the others `dy` the other way. Zeros come in at the
 * ends. So k x k taps take k + k copies instead of k k.
 * @returns of `dy` one for each position of the kernel's other axes, of `x` one for each position of its last
 */
function shifted(n: NodeView, a: Value, { kernel, dilations, begins, ends }: Window, which: 'x' | 'dy'): Value[] {
  const last = kernel.length - 1;
  const axes = kernel.map((_, i) => i).filter((i) => (i === last) === (which === 'x'));
  return positionsOf(axes.map((i) => kernel[i] as number)).map((tap) => {
    const before = axes.map((i, at) => (begins[i] as number) - (tap[at] as number) * (dilations[i] as number));
    const behind = axes.map((i, at) => {
      const left = (kernel[i] as number) - 1 - (tap[at] as number);
      return (ends[i] as number) - left * (dilations[i] as number);
    });
    const amounts = [...before, ...behind].map((amount) => (which === 'x' ? amount : 0 - amount));
    return padAlong(
      n,
      a,
      kernel.length + 2,
      axes.map((i) => i + 2),
      amounts,
    );
  });
}

/** [n, c, ...] as [n, ..., c]. */
function channelsLast(rank: number): number[] {
  return [0, ...Array.from({ length: rank }, (_, i) => i + 2), 1];
}

function depthwiseWeightGradient(n: NodeView, dy: Value, x: Value, w: Value, window: Window): Value {
  const last = channelsLast(window.kernel.length);
  const dyLast = n.transpose(dy, last);
  const slices = tapSlices(n, dy, n.transpose(padded(n, x, window), last), window, 1);
  const sums = slices.map((tap) => columnSums(n, reshape(n, n.multiply(tap, dyLast), [-1, sizeOf(n, w, 0)])));
  const table = sums.length === 1 ? (sums[0] as Value) : n.node('Concat', sums, { axis: 0 });
  return reshapeLike(n, n.transpose(table, [1, 0]), w);
}

/** So few that the taps side by side make one product of a useful width. */
const FEW_CHANNELS = 4;

/** Products for the taps one after another, each [..., outputs, inputs], as kernels. */
function byKernel(n: NodeView, products: readonly Value[], w: Value, taps: number): Value {
  if (products.length === 1) return reshapeLike(n, products[0] as Value, w);
  const byTap = reshape(n, n.node('Concat', products, { axis: 0 }), [taps, -1]);
  // Turned by a product: a Transpose would be moved behind the reshaping that follows, where it is several times slower.
  const identity = new Float32Array(taps * taps);
  for (let tap = 0; tap < taps; tap++) identity[tap * taps + tap] = 1;
  return reshapeLike(n, n.node('Gemm', [byTap, n.graph.constant(identity, [taps, taps])], { transA: 1 }), w);
}

export function biasGradient(n: NodeView, dy: Value, rank: number): Value {
  const axes = Array.from({ length: rank }, (_, i) => i + 2);
  return reshape(n, columnSums(n, n.sum(dy, axes, 0)), [-1]);
}

function padded(n: NodeView, x: Value, { kernel, begins, ends }: Window): Value {
  return padAlong(
    n,
    x,
    kernel.length + 2,
    kernel.map((_, i) => i + 2),
    [...begins, ...ends],
  );
}

/** For each tap of the kernel, in order, what it meets; spatial axes of `x` begin at `firstAxis`. */
function tapSlices(
  n: NodeView,
  dy: Value,
  x: Value,
  { kernel, strides, dilations }: Window,
  firstAxis: number,
): Value[] {
  const places = sizesFrom(n, dy, 2, kernel.length);
  const spans = places.map((length, i) =>
    sizeMath(n, 'Add', sizeMath(n, 'Mul', sizeMath(n, 'Sub', length, 1), strides[i] as number), 1),
  );
  const axes = n.int64s(kernel.map((_, i) => i + firstAxis));
  const steps = n.int64s(strides);
  return positionsOf(kernel).map((tap) => {
    const starts = tap.map((position, i) => position * (dilations[i] as number));
    const ends = spans.map((span, i) => sizeMath(n, 'Add', span, starts[i] as number));
    return n.node('Slice', [x, n.int64s(starts), sizes(n, ends), axes, steps]);
  });
}

/** All positions of a kernel in row-major order. */
function positionsOf(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (all, size) => all.flatMap((tap) => Array.from({ length: size }, (_, position) => [...tap, position])),
    [[]],
  );
}

/** Groups first, so that each tap is one stack of products. */
function groupedWeightGradient(n: NodeView, dy: Value, x: Value, w: Value, window: Window): Value {
  const { kernel, group } = window;
  const rank = kernel.length;
  const spatial = kernel.map((_, i) => i + 3);
  const byGroup = (a: Value) => reshape(n, a, [0, group, -1, ...sizesFrom(n, a, 2, rank)]);
  const x5 = byGroup(x);
  const xGroups = n.transpose(padAlong(n, x5, rank + 3, spatial, [...window.begins, ...window.ends]), [
    1,
    0,
    ...spatial,
    2,
  ]);
  const dyGroups = n.transpose(byGroup(dy), [1, 2, 0, ...spatial]);
  const outputs = sizeOf(n, w, 0);
  const perGroup: Size = typeof outputs === 'number' ? outputs / group : n.node('Div', [outputs, n.int64s([group])]);
  const left = reshape(n, dyGroups, [group, perGroup, -1]);
  const inputs = sizeOf(n, w, 1);
  const products = tapSlices(n, dy, xGroups, window, 2).map((tap) =>
    n.node('MatMul', [left, reshape(n, tap, [group, -1, inputs])]),
  );
  return byKernel(n, products, w, product(n, kernel) as number);
}

/** Windows that lie side by side: rows of one matrix without being copied out one tap at a time. */
function isPatches({ kernel, strides, dilations, begins, ends }: Window): boolean {
  return kernel.every(
    (size, i) => size > 1 && size === strides[i] && dilations[i] === 1 && begins[i] === 0 && ends[i] === 0,
  );
}

function patchRows(n: NodeView, dy: Value, x: Value, { kernel }: Window): Value {
  const rank = kernel.length;
  const places = sizesFrom(n, dy, 2, rank);
  const lengths = sizesFrom(n, x, 2, rank);
  const covered = places.map((count, i) => sizeMath(n, 'Mul', count, kernel[i] as number));
  const isWhole = covered.every((length, i) => typeof length === 'number' && length === lengths[i]);
  const axes = kernel.map((_, i) => i + 2);
  const whole = isWhole ? x : n.node('Slice', [x, n.int64s(axes.map(() => 0)), sizes(n, covered), n.int64s(axes)]);
  const split = reshape(n, whole, [0, 0, ...places.flatMap((count, i) => [count, kernel[i] as number])]);
  const turned = n.transpose(split, [0, ...axes.map((_, i) => 2 + 2 * i), 1, ...axes.map((_, i) => 3 + 2 * i)]);
  const inputs = sizeOf(n, x, 1);
  return reshape(n, turned, [-1, product(n, [inputs, ...kernel])]);
}
