import type { Value } from '../../graph.ts';
import type { NodeView, Rule } from '../rule.ts';
import { reshape, reshapeLike, sizeOf } from '../shapes.ts';
import { columnSums, unbroadcast } from '../sums.ts';

/** Means over the last axes, kept as 1: axes given as a value. */
function mean(n: NodeView, a: Value, axes: Value): Value {
  return n.node('ReduceMean', [a, axes], { keepdims: 1 });
}

/** r (g - mean(g) - xh mean(g xh)): what standardised values pass back; xh standardised, r one over the deviation. */
function standardized(n: NodeView, g: Value, xh: Value, r: Value, axes: Value): Value {
  const straight = n.subtract(g, mean(n, g, axes));
  return n.multiply(r, n.subtract(straight, n.multiply(xh, mean(n, n.multiply(g, xh), axes))));
}

/** Axes from `axis` to the last. */
function axesFrom(n: NodeView, like: Value, axis: number): Value {
  const rank = n.rankOf(like);
  if (axis >= 0 && rank === null) {
    const last = n.node('Squeeze', [n.node('Shape', [n.node('Shape', [like])])]);
    return n.node('Range', [n.node('Squeeze', [n.int64s([axis])]), last, n.node('Squeeze', [n.int64s([1])])]);
  }
  const first = axis >= 0 ? axis - (rank as number) : axis;
  return n.int64s(Array.from({ length: -first }, (_, i) => first + i));
}

function layerNormalization(n: NodeView): (Value | null)[] {
  const x = n.input(0);
  const [means, r] = [n.graph.furtherOutput(n.proto, 1), n.graph.furtherOutput(n.proto, 2)];
  const axes = axesFrom(n, x, n.int('axis', -1));
  const xh = n.multiply(n.subtract(x, means), r);
  return n.each(
    () => standardized(n, n.multiply(n.upstream, n.input(1)), xh, r, axes),
    () => unbroadcast(n, n.multiply(n.upstream, xh), n.input(1)),
    () => unbroadcast(n, n.upstream, n.input(2)),
  );
}

function rmsNormalization(n: NodeView): (Value | null)[] {
  const x = n.input(0);
  const axes = axesFrom(n, x, n.int('axis', -1));
  const square = n.add(mean(n, n.multiply(x, x), axes), n.scalar(n.float('epsilon', 1e-5)));
  const r = n.node('Reciprocal', [n.node('Sqrt', [square])]);
  const xh = n.multiply(x, r);
  return n.each(
    () => {
      const g = n.multiply(n.upstream, n.input(1));
      return n.multiply(r, n.subtract(g, n.multiply(xh, mean(n, n.multiply(g, xh), axes))));
    },
    () => unbroadcast(n, n.multiply(n.upstream, xh), n.input(1)),
  );
}

/** [n, channels, everything else], whatever the rank. */
function byChannel(n: NodeView, a: Value): Value {
  return n.rankOf(a) === 3 ? a : reshape(n, a, [0, 0, -1]);
}

/** Sums over items and places of [n, channels, places]: [channels]. Places first, which lie together. */
function channelSums(n: NodeView, a: Value): Value {
  const byItem = n.sum(a, [2], 0);
  return reshape(n, columnSums(n, byItem), [-1]);
}

function perChannel(n: NodeView, values: Value): Value {
  return n.node('Unsqueeze', [values, n.int64s([1])]);
}

/** Statistics stay as they are: inference form. */
function batchNormalization(n: NodeView): (Value | null)[] {
  const epsilon = n.scalar(n.float('epsilon', 1e-5));
  const r = n.node('Reciprocal', [n.node('Sqrt', [n.add(n.input(4), epsilon)])]);
  const dy = byChannel(n, n.upstream);
  return n.each(
    () => reshapeLike(n, n.multiply(dy, perChannel(n, n.multiply(n.input(1), r))), n.input(0)),
    () => {
      const centred = n.subtract(byChannel(n, n.input(0)), perChannel(n, n.input(3)));
      return n.multiply(channelSums(n, n.multiply(dy, centred)), r);
    },
    () => channelSums(n, dy),
  );
}

/** Each group of channels of an item standardised by its own mean and deviation. `groups` null: each channel for itself. */
function groupNormalization(n: NodeView, groups: number | null): (Value | null)[] {
  const [x, scale] = [n.input(0), n.input(1)];
  const grouped = (a: Value) => (groups === null ? byChannel(n, a) : reshape(n, a, [0, groups, -1]));
  const axes = n.int64s([2]);
  const inGroups = grouped(x);
  const centred = n.subtract(inGroups, mean(n, inGroups, axes));
  const variance = mean(n, n.multiply(centred, centred), axes);
  const r = n.node('Reciprocal', [n.node('Sqrt', [n.add(variance, n.scalar(n.float('epsilon', 1e-5)))])]);
  const xh = n.multiply(centred, r);
  const dy = byChannel(n, n.upstream);
  return n.each(
    () => {
      const g = grouped(n.multiply(dy, perChannel(n, scale)));
      return reshapeLike(n, standardized(n, g, xh, r, axes), x);
    },
    () => channelSums(n, n.multiply(dy, reshape(n, xh, [0, sizeOf(n, scale, 0), -1]))),
    () => channelSums(n, dy),
  );
}

function lpNormalization(n: NodeView): (Value | null)[] {
  const [x, y] = [n.input(0), n.output()];
  const axes = n.int64s([n.int('axis', -1)]);
  const isSquare = n.int('p', 2) === 2;
  const length = n.node(isSquare ? 'ReduceL2' : 'ReduceL1', [x, axes], { keepdims: 1 });
  const along = n.node('ReduceSum', [n.multiply(n.upstream, y), axes], { keepdims: 1 });
  const direction = isSquare ? y : n.node('Sign', [x]);
  const gradient = n.divide(n.subtract(n.upstream, n.multiply(direction, along)), length);
  // Zeros stay zeros.
  return [n.where(n.greater(length, n.scalar(0)), gradient)];
}

/** Rules of normalisations. */
export const normalizations: Record<string, Rule> = {
  LayerNormalization: layerNormalization,
  RMSNormalization: rmsNormalization,
  BatchNormalization: batchNormalization,
  GroupNormalization: (n) => groupNormalization(n, n.int('num_groups', 1)),
  InstanceNormalization: (n) => groupNormalization(n, null),
  LpNormalization: lpNormalization,
  Softmax: (n) => {
    const y = n.output();
    const axes = n.int64s([n.int('axis', -1)]);
    const sum = n.node('ReduceSum', [n.multiply(n.upstream, y), axes], { keepdims: 1 });
    return [n.multiply(y, n.subtract(n.upstream, sum))];
  },
  LogSoftmax: (n) => {
    const axes = n.int64s([n.int('axis', -1)]);
    const sum = n.node('ReduceSum', [n.upstream, axes], { keepdims: 1 });
    return [n.subtract(n.upstream, n.multiply(n.node('Exp', [n.output()]), sum))];
  },
};
