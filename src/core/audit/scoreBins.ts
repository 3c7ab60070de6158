import type { Distance } from '../contract/report.ts';

/** Bins of a row of scores: all that 16 bits can tell. */
export const BINS = 65_536;

/** Bin k holds the distances from low + k / perUnit on; the end bins also what lies beyond. */
export interface BinAxis {
  low: number;
  perUnit: number;
}

/** How keys are read. */
export interface KeyReading {
  /** Key + this = distance (`squared`: its square). */
  keyOffset: number;
  squared: boolean;
  /** No key is larger in size: infinite where nothing is known. */
  largestKey: number;
}

/** Of cosine keys, which are products of unit vectors, with room for rounding; of others nothing is known. */
export function largestKeyOf(distance: Distance): number {
  return distance === 'cosine' ? 1.01 : Number.POSITIVE_INFINITY;
}

/**
 * The bins of a row of distances: monotone in the keys.
 * @param keys from `offset` on
 * @param into one entry a gallery item
 */
export function fillBins(
  keys: Float32Array,
  offset: number,
  { low, perUnit }: BinAxis,
  { keyOffset, squared, largestKey }: KeyReading,
  into: Uint16Array,
): void {
  const last = BINS - 1;
  const { length } = into;
  if (squared) {
    for (let i = 0; i < length; i++) {
      const square = (keys[offset + i] as number) + keyOffset;
      const position = square > 0 ? (Math.sqrt(square) - low) * perUnit : -low * perUnit;
      into[i] = position < last ? (position > 0 ? position : 0) : last;
    }
    return;
  }
  const base = (keyOffset - low) * perUnit;
  let i = 0;
  if (largestKey * perUnit + Math.abs(base) < 2 ** 31) {
    // As 32-bit integers, four at a time, which as a rule all lie between the ends: a third faster.
    for (const end = length - 3; i < end; i += 4) {
      const at = offset + i;
      const a = ((keys[at] as number) * perUnit + base) | 0;
      const b = ((keys[at + 1] as number) * perUnit + base) | 0;
      const c = ((keys[at + 2] as number) * perUnit + base) | 0;
      const d = ((keys[at + 3] as number) * perUnit + base) | 0;
      const inside = ((a | b | c | d) & ~last) === 0;
      into[i] = inside ? a : Math.max(0, Math.min(last, a));
      into[i + 1] = inside ? b : Math.max(0, Math.min(last, b));
      into[i + 2] = inside ? c : Math.max(0, Math.min(last, c));
      into[i + 3] = inside ? d : Math.max(0, Math.min(last, d));
    }
  }
  for (; i < length; i++) {
    const position = (keys[offset + i] as number) * perUnit + base;
    into[i] = position < last ? (position > 0 ? position : 0) : last;
  }
}
