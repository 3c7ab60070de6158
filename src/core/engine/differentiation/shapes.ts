import type { Value } from '../graph.ts';
import type { NodeView, Size } from './rule.ts';

/** Words about shapes: numbers where they are known, values of the graph where they are not. */

/** The shape of `a` as a value. */
export function shapeValue(n: NodeView, a: Value): Value {
  const sizes = n.sizesOf(a);
  return sizes === null ? n.node('Shape', [a]) : n.int64s(sizes);
}

/** The size of an axis, which may be negative. */
export function sizeOf(n: NodeView, a: Value, axis: number): Size {
  const known = n.shapeOf(a)?.at(axis) ?? null;
  if (known !== null) return known;
  return n.node('Shape', [a], axis === -1 ? { start: -1 } : { start: axis, end: axis + 1 });
}

/** Sizes of axes `start` to the last. */
export function sizesFrom(n: NodeView, a: Value, start: number, count: number): Size[] {
  return Array.from({ length: count }, (_, i) => sizeOf(n, a, start + i));
}

/** A list of sizes as one value. */
export function sizes(n: NodeView, list: readonly Size[]): Value {
  if (list.every((size) => typeof size === 'number')) return n.int64s(list as number[]);
  const parts = list.map((size) => (typeof size === 'number' ? n.int64s([size]) : size));
  return parts.length === 1 ? (parts[0] as Value) : n.node('Concat', parts, { axis: 0 });
}

/** One size as a value of shape [1]. */
export function sizeValue(n: NodeView, size: Size): Value {
  return typeof size === 'number' ? n.int64s([size]) : size;
}

/** `a` reshaped; one size may be -1, 0 stands for the size that the axis has. */
export function reshape(n: NodeView, a: Value, list: readonly Size[]): Value {
  return n.node('Reshape', [a, sizes(n, list)]);
}

/** `a` in the shape of `like`, same number of elements. */
export function reshapeLike(n: NodeView, a: Value, like: Value): Value {
  const shape = n.shapeOf(like);
  // One free axis follows from the others, and nothing has to wait for `like`.
  if (shape && !shape.includes(0) && shape.filter((size) => size === null).length <= 1) {
    return n.node('Reshape', [a, n.int64s(shape.map((size) => size ?? -1))]);
  }
  return n.node('Reshape', [a, shapeValue(n, like)], { allowzero: 1 });
}

/** `a` repeated to the shape of `like`. */
export function expandLike(n: NodeView, a: Value, like: Value): Value {
  return n.node('Expand', [a, shapeValue(n, like)]);
}

export function zerosLike(n: NodeView, like: Value): Value {
  return expandLike(n, n.scalar(0), like);
}

/** Product of sizes; 1 for none. */
export function product(n: NodeView, list: readonly Size[]): Size {
  if (list.every((size) => typeof size === 'number')) return (list as number[]).reduce((a, b) => a * b, 1);
  if (list.length === 1) return list[0] as Size;
  return n.node('ReduceProd', [sizes(n, list)], { keepdims: 1 });
}

/** What lies before, along and behind an axis: three sizes, to which any tensor can be reshaped. */
export function around(n: NodeView, a: Value, axis: number): [Size, Size, Size] {
  const shape = n.shapeOf(a);
  if (shape !== null) {
    const at = axis < 0 ? axis + shape.length : axis;
    const all = sizesFrom(n, a, 0, shape.length);
    return [product(n, all.slice(0, at)), all[at] as Size, product(n, all.slice(at + 1))];
  }
  const one = n.int64s([1]);
  // An empty part of the shape has a product too, with a one beside it.
  const productOf = (part: Value) =>
    n.node('ReduceProd', [n.node('Concat', [one, part], { axis: 0 })], { keepdims: 1 });
  const before = axis === 0 ? 1 : productOf(n.node('Shape', [a], { start: 0, end: axis }));
  const behind = axis === -1 ? 1 : productOf(n.node('Shape', [a], { start: axis + 1 }));
  return [before, sizeOf(n, a, axis), behind];
}

/** How many values there are in `of` for each one in `per`, as a float. */
export function ratio(n: NodeView, of: Value, per: Value): Value {
  const [large, small] = [n.shapeOf(of), n.shapeOf(per)];
  const count = (shape: readonly (number | null)[]) => shape.reduce<number>((p, size) => p * (size ?? 1), 1);
  const free = (shape: readonly (number | null)[]) => shape.filter((size) => size === null).length;
  if (large && small && free(large) === free(small)) return n.scalar(count(large) / count(small));
  const sizesRatio = n.node('Div', [n.node('Size', [of]), n.node('Size', [per])]);
  return n.node('CastLike', [sizesRatio, per]);
}

/** Arithmetic of sizes. */
export function sizeMath(n: NodeView, operator: 'Add' | 'Sub' | 'Mul', a: Size, b: Size): Size {
  if (typeof a === 'number' && typeof b === 'number') {
    return operator === 'Add' ? a + b : operator === 'Sub' ? a - b : a * b;
  }
  return n.node(operator, [sizeValue(n, a), sizeValue(n, b)]);
}
