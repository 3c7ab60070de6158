import type { Value } from '../../graph.ts';
import { padAlong } from '../putBack.ts';
import type { NodeView, Rule, Size } from '../rule.ts';
import { linearMaps, transposeMaps } from '../separable.ts';
import { reshape, reshapeLike, shapeValue, sizeMath, sizeOf, sizes, sizesFrom, zerosLike } from '../shapes.ts';
import { unbroadcast } from '../sums.ts';

const back: Rule = (n) => [reshapeLike(n, n.upstream, n.input(0))];

function concat(n: NodeView): (Value | null)[] {
  const axis = n.int('axis', 0);
  const inputs = n.proto.input as Value[];
  if (inputs.length === 1) return [n.upstream];
  const lengths = sizes(
    n,
    inputs.map((input) => sizeOf(n, input, axis)),
  );
  const parts = n.graph.nodes('Split', [n.upstream, lengths], { axis }, inputs.length);
  return parts.map((part, index) => (n.needs(index) ? part : null));
}

function split(n: NodeView): (Value | null)[] {
  // Zeros for parts that nothing flows back from.
  const parts = n.proto.output.map((_, index) => n.gradient(index) ?? zerosLike(n, n.output(index)));
  return [n.node('Concat', parts, { axis: n.int('axis', 0) })];
}

/** Largest and smallest int64 mean "to the end" in either direction. */
const FAR = 2 ** 40;

/** What was cut off gets zeros, and what was stepped over. */
function slice(n: NodeView): (Value | null)[] {
  const x = n.input(0);
  const starts = n.numbers(n.input(1));
  const count = starts?.length ?? n.sizesOf(n.input(1))?.[0];
  if (count === undefined) throw n.refuse('how many axes it cuts is not known');
  const given = n.optional(3);
  const axes = given === null ? Array.from({ length: count }, (_, i) => i) : n.numbers(given);
  const steps = n.optional(4) === null ? axes?.map(() => 1) : n.numbers(n.optional(4));
  if (!axes || !steps) throw n.refuse('its axes or steps are not known');
  let gradient = n.upstream;
  const before: Size[] = [];
  const behind: Size[] = [];
  for (const [i, axis] of axes.entries()) {
    const step = steps[i] ?? 1;
    const along = sizeOf(n, x, axis);
    const start = startOf(n, starts?.[i] ?? null, i, along, step);
    const left = sizeOf(n, n.output(), axis);
    if (step === 1) {
      before.push(start);
      behind.push(sizeMath(n, 'Sub', sizeMath(n, 'Sub', along, start), left));
      continue;
    }
    const stride = Math.abs(step);
    const first = step > 0 ? start : sizeMath(n, 'Sub', start, sizeMath(n, 'Mul', sizeMath(n, 'Sub', left, 1), stride));
    if (step < 0) gradient = reversed(n, gradient, axis);
    gradient = stretched(n, gradient, axis, stride);
    before.push(first);
    behind.push(sizeMath(n, 'Sub', sizeMath(n, 'Sub', along, first), sizeMath(n, 'Mul', left, stride)));
  }
  return [padAlong(n, gradient, n.rankOf(x), axes, [...before, ...behind])];
}

/** First position of a slice, counted from the beginning and inside the axis. */
function startOf(n: NodeView, start: number | null, index: number, along: Size, step: number): Size {
  const last = step > 0 ? along : sizeMath(n, 'Sub', along, 1);
  if (start !== null && typeof last === 'number' && typeof along === 'number') {
    return Math.min(Math.max(start < 0 ? start + along : start, 0), last);
  }
  // Beyond the end there would be nothing to take.
  if (start !== null && start >= 0 && step > 0) return start;
  const int64 = 7;
  const given =
    start === null
      ? n.node('Cast', [n.node('Slice', [n.input(1), n.int64s([index]), n.int64s([index + 1])])], { to: int64 })
      : n.int64s([Math.max(start, -FAR)]);
  const zero = n.int64s([0]);
  const inGraph = (size: Size) => (typeof size === 'number' ? n.int64s([size]) : size);
  const counted = n.node('Where', [n.node('Less', [given, zero]), n.add(given, inGraph(along)), given]);
  return n.node('Min', [n.node('Max', [counted, zero]), inGraph(last)]);
}

function reversed(n: NodeView, a: Value, axis: number): Value {
  return n.node('Slice', [a, n.int64s([-1]), n.int64s([-FAR]), n.int64s([axis]), n.int64s([-1])]);
}

/** `stride` - 1 zeros behind each value along an axis. */
function stretched(n: NodeView, a: Value, axis: number, stride: number): Value {
  const rank = n.rankOf(n.input(0));
  if (rank === null) throw n.refuse('the rank of what it cuts is not known');
  const at = axis < 0 ? axis + rank : axis;
  const wide = padAlong(n, n.node('Unsqueeze', [a, n.int64s([at + 1])]), rank + 1, [at + 1], [0, stride - 1]);
  const list: Size[] = Array.from({ length: rank }, (_, i) =>
    i < at ? 0 : n.node('Shape', [a], { start: i, end: i + 1 }),
  );
  list[at] = -1;
  return reshape(n, wide, list);
}

function pad(n: NodeView): (Value | null)[] {
  const [x, amounts, named] = [n.input(0), n.input(1), n.optional(3)];
  const [known, rank] = [n.numbers(amounts), n.rankOf(x)];
  const isConstant = n.text('mode', 'constant') === 'constant';
  if (isConstant && named === null) return [n.node('Pad', [n.upstream, n.node('Neg', [amounts])])];
  const axes = named === null ? Array.from({ length: rank ?? 0 }, (_, i) => i) : n.numbers(named);
  if (known === null || axes === null) throw n.refuse('the amounts or axes it pads are not known');
  const cut = known.map((amount) => -amount);
  if (isConstant) return [padAlong(n, n.upstream, rank, axes, cut)];
  if (rank === null) throw n.refuse('the rank of its input is not known');
  const maps = axes.flatMap((axis, i) => {
    const own = [known[i] ?? 0, known[i + axes.length] ?? 0];
    if (own[0] === 0 && own[1] === 0) return [];
    const matrix = (identity: Value) =>
      n.node('Pad', [identity, n.int64s([0, own[0] ?? 0, 0, own[1] ?? 0])], n.attributes(['mode']));
    return [{ axis: axis < 0 ? axis + rank : axis, matrix }];
  });
  return [transposeMaps(n, n.upstream, x, linearMaps(n, x, maps))];
}

/** Copies of each axis become an axis of their own, which is summed over. */
function tile(n: NodeView): (Value | null)[] {
  const [x, repeats] = [n.input(0), n.input(1)];
  const [own, known] = [n.shapeOf(x), n.numbers(repeats)];
  if (own && known) {
    const axes: number[] = [];
    const list: Size[] = [];
    for (const [axis, size] of sizesFrom(n, x, 0, own.length).entries()) {
      const times = known[axis] ?? 1;
      if (times !== 1) {
        axes.push(list.length);
        list.push(times);
      }
      list.push(size);
    }
    if (axes.length === 0) return [n.upstream];
    return [n.sum(reshape(n, n.upstream, list), axes, 0)];
  }
  const column = n.int64s([1]);
  const shape = shapeValue(n, x);
  const pairs = n.node('Concat', [n.node('Unsqueeze', [repeats, column]), n.node('Unsqueeze', [shape, column])], {
    axis: 1,
  });
  const list = n.node('Reshape', [pairs, n.int64s([-1])]);
  const number = (value: number) => n.graph.constant(BigInt64Array.of(BigInt(value)), []);
  const axes = n.node('Range', [number(0), n.node('Size', [list]), number(2)]);
  return [n.node('ReduceSum', [n.node('Reshape', [n.upstream, list]), axes], { keepdims: 0 })];
}

function depthToSpace(n: NodeView): (Value | null)[] {
  const block = n.int('blocksize', 1);
  if (n.text('mode', 'DCR') === 'DCR') return [n.node('SpaceToDepth', [n.upstream], { blocksize: block })];
  const x = n.input(0);
  const [height, width] = sizesFrom(n, x, 2, 2) as [Size, Size];
  const blocks = reshape(n, n.upstream, [0, 0, height, block, width, block]);
  return [reshapeLike(n, n.transpose(blocks, [0, 1, 3, 5, 2, 4]), x)];
}

/** Rules of operators that move values around. */
export const moves: Record<string, Rule> = {
  Reshape: back,
  Flatten: back,
  Squeeze: back,
  Unsqueeze: back,
  Transpose: (n) => {
    const perm = n.ints('perm');
    if (perm === null) return [n.node('Transpose', [n.upstream])];
    return [
      n.transpose(
        n.upstream,
        perm.map((_, axis) => perm.indexOf(axis)),
      ),
    ];
  },
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  Expand: (n) => [unbroadcast(n, n.upstream, n.input(0))],
  Tile: tile,
  DepthToSpace: depthToSpace,
  SpaceToDepth: (n) => [n.node('DepthToSpace', [n.upstream], { blocksize: n.int('blocksize', 1) })],
  Trilu: (n) => [n.node('Trilu', [n.upstream, n.optional(1)], n.attributes(['upper']))],
};
