import type { Operations } from '../../src/core/engine/operations.ts';

/** Values in double; masks are 0 and 1. */
export interface Plain {
  readonly shape: readonly number[];
  readonly values: Float64Array;
}

export function plain(values: ArrayLike<number>, shape: readonly number[]): Plain {
  return { shape, values: Float64Array.from(values) };
}

const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);
const axisOf = (a: Plain, axis: number) => (axis < 0 ? axis + a.shape.length : axis);

/** Position in `shape` of the entry at `place` (indices of the broadcast result). */
function offset(shape: readonly number[], place: readonly number[]): number {
  let at = 0;
  shape.forEach((length, axis) => {
    at = at * length + (length === 1 ? 0 : (place[place.length - shape.length + axis] as number));
  });
  return at;
}

function placeOf(shape: readonly number[], index: number): number[] {
  const place: number[] = [];
  let rest = index;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    place[axis] = rest % (shape[axis] as number);
    rest = Math.floor(rest / (shape[axis] as number));
  }
  return place;
}

function broadcast(compute: (...values: number[]) => number, ...parts: Plain[]): Plain {
  const rank = Math.max(...parts.map(({ shape }) => shape.length));
  const shape = Array.from({ length: rank }, (_, axis) =>
    Math.max(...parts.map((part) => part.shape[part.shape.length - rank + axis] ?? 1)),
  );
  const values = Float64Array.from({ length: size(shape) }, (_, index) => {
    const place = placeOf(shape, index);
    return compute(...parts.map((part) => part.values[offset(part.shape, place)] as number));
  });
  return { shape, values };
}

/** One number of each line along an axis. */
function along(a: Plain, axis: number, keep: boolean, compute: (line: number[]) => number): Plain {
  const at = axisOf(a, axis);
  const kept = a.shape.map((length, index) => (index === at ? 1 : length));
  const values = Float64Array.from({ length: size(kept) }, (_, index) => {
    const place = placeOf(kept, index);
    const line = Array.from({ length: a.shape[at] as number }, (_, k) => {
      place[at] = k;
      return a.values[offset(a.shape, place)] as number;
    });
    return compute(line);
  });
  return { shape: keep ? kept : kept.filter((_, index) => index !== at), values };
}

const map = (a: Plain, compute: (value: number) => number): Plain => ({
  shape: a.shape,
  values: a.values.map(compute),
});
const total = (line: ArrayLike<number>) => Array.from(line).reduce((sum, value) => sum + value, 0);

function reduce(a: Plain, axis: number | null, keep: boolean, compute: (line: number[]) => number): Plain {
  if (axis !== null) return along(a, axis, keep, compute);
  return { shape: keep ? a.shape.map(() => 1) : [], values: Float64Array.of(compute([...a.values])) };
}

function indexOfBest(line: number[], better: (a: number, b: number) => boolean): number {
  let best = 0;
  line.forEach((value, index) => {
    if (better(value, line[best] as number)) best = index;
  });
  return best;
}

/** The vocabulary of losses in plain loops and double precision: slow, for tests. */
export const plainOperations: Operations<Plain> = {
  constant: ({ data, shape }) => plain(data, shape),
  scalar: (value) => plain([value], []),
  add: (a, b) => broadcast((x, y) => (x as number) + (y as number), a, b),
  subtract: (a, b) => broadcast((x, y) => (x as number) - (y as number), a, b),
  multiply: (a, b) => broadcast((x, y) => (x as number) * (y as number), a, b),
  divide: (a, b) => broadcast((x, y) => (x as number) / (y as number), a, b),
  negate: (a) => map(a, (value) => -value),
  maximum: (a, b) => broadcast(Math.max, a, b),
  minimum: (a, b) => broadcast(Math.min, a, b),
  relu: (a) => map(a, (value) => Math.max(0, value)),
  exp: (a) => map(a, Math.exp),
  log: (a) => map(a, Math.log),
  sqrt: (a) => map(a, Math.sqrt),
  square: (a) => map(a, (value) => value * value),
  abs: (a) => map(a, Math.abs),
  matmul(a, b, { transposeA = false, transposeB = false } = {}) {
    const at = (m: Plain, turned: boolean, row: number, column: number) =>
      m.values[turned ? column * (m.shape[1] as number) + row : row * (m.shape[1] as number) + column] as number;
    const rows = a.shape[transposeA ? 1 : 0] as number;
    const inner = a.shape[transposeA ? 0 : 1] as number;
    const columns = b.shape[transposeB ? 0 : 1] as number;
    const values = Float64Array.from({ length: rows * columns }, (_, index) => {
      const [row, column] = [Math.floor(index / columns), index % columns];
      return total(Array.from({ length: inner }, (_, k) => at(a, transposeA, row, k) * at(b, transposeB, k, column)));
    });
    return { shape: [rows, columns], values };
  },
  sum: (a, axis, keep = false) => reduce(a, axis, keep, total),
  mean: (a, axis, keep = false) => reduce(a, axis, keep, (line) => total(line) / line.length),
  max: (a, axis, keep = false) => along(a, axis, keep, (line) => Math.max(...line)),
  logSoftmax(a, axis) {
    const largest = along(a, axis, true, (line) => Math.max(...line));
    const shifted = plainOperations.subtract(a, largest);
    const sums = along(shifted, axis, true, (line) => Math.log(total(line.map(Math.exp))));
    return plainOperations.subtract(shifted, sums);
  },
  greater: (a, b) => broadcast((x, y) => Number((x as number) > (y as number)), a, b),
  greaterEqual: (a, b) => broadcast((x, y) => Number((x as number) >= (y as number)), a, b),
  equal: (a, b) => broadcast((x, y) => Number(x === y), a, b),
  and: (a, b) => broadcast((x, y) => Number(x === 1 && y === 1), a, b),
  or: (a, b) => broadcast((x, y) => Number(x === 1 || y === 1), a, b),
  not: (a) => map(a, (value) => 1 - value),
  toFloat: (mask) => mask,
  where: (mask, a, b) => broadcast((m, x, y) => (m === 1 ? x : y) as number, mask, a, b),
  gatherRows(a, indices) {
    const row = size(a.shape.slice(1));
    const values = Float64Array.from({ length: indices.values.length * row }, (_, index) => {
      const from = indices.values[Math.floor(index / row)] as number;
      return a.values[from * row + (index % row)] as number;
    });
    return { shape: [indices.values.length, ...a.shape.slice(1)], values };
  },
  oneHot(indices, depth) {
    const count = indices.values.length;
    const values = Float64Array.from({ length: count * depth }, (_, index) =>
      Number(indices.values[Math.floor(index / depth)] === index % depth),
    );
    return { shape: [count, depth], values };
  },
  argMax: (a, axis) => along(a, axis, false, (line) => indexOfBest(line, (x, y) => x > y)),
  argMin: (a, axis) => along(a, axis, false, (line) => indexOfBest(line, (x, y) => x < y)),
  topK(a, k) {
    const columns = a.shape[a.shape.length - 1] as number;
    const rows = a.values.length / columns;
    const values: number[] = [];
    for (let row = 0; row < rows; row++) {
      values.push(
        ...Array.from(a.values.subarray(row * columns, (row + 1) * columns))
          .sort((x, y) => y - x)
          .slice(0, k),
      );
    }
    return plain(values, [...a.shape.slice(0, -1), k]);
  },
  concat(parts, axis) {
    const [first] = parts as [Plain, ...Plain[]];
    const at = axisOf(first, axis);
    const shape = first.shape.map((length, index) =>
      index === at ? total(parts.map((part) => part.shape[at] as number)) : length,
    );
    const values = Float64Array.from({ length: size(shape) }, (_, index) => {
      const place = placeOf(shape, index);
      for (const part of parts) {
        const length = part.shape[at] as number;
        if ((place[at] as number) < length) return part.values[offset(part.shape, place)] as number;
        place[at] = (place[at] as number) - length;
      }
      return Number.NaN;
    });
    return { shape, values };
  },
  reshape(a, shape) {
    const known = size(shape.filter((length) => length !== -1));
    return { shape: shape.map((length) => (length === -1 ? a.values.length / known : length)), values: a.values };
  },
  slice(a, axis, from, to) {
    const at = axisOf(a, axis);
    const shape = a.shape.map((length, index) => (index === at ? to - from : length));
    const values = Float64Array.from({ length: size(shape) }, (_, index) => {
      const place = placeOf(shape, index);
      place[at] = (place[at] as number) + from;
      return a.values[offset(a.shape, place)] as number;
    });
    return { shape, values };
  },
  stopGradient: (a) => a,
};
