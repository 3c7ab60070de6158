/**
 * Sum of squares of values[from ... from + length), in double: not finite exactly when one of the values is not.
 */
export function sumOfSquares(values: Float32Array, from = 0, length = values.length): number {
  // Four sums side by side, which need not wait for each other.
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let k = from;
  for (const end = from + length - 3; k < end; k += 4) {
    const p = values[k] as number;
    const q = values[k + 1] as number;
    const r = values[k + 2] as number;
    const s = values[k + 3] as number;
    a += p * p;
    b += q * q;
    c += r * r;
    d += s * s;
  }
  for (; k < from + length; k++) a += (values[k] as number) ** 2;
  return a + b + (c + d);
}
