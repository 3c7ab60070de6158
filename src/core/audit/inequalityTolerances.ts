import { BackcompatError } from '../contract/errors.ts';

/** Tolerances 0, step, ... (count - 1) step. */
export interface ToleranceGrid {
  step: number;
  count: number;
}

/** Pairs of codes must index a table of at most 65,536 entries. */
const MAX_COUNT = 255;

/** @throws BackcompatError `internal` unless `tolerances` are 0, step, 2 step, ...: 2 to 255 of them */
export function toleranceGrid(tolerances: readonly number[]): ToleranceGrid {
  const count = tolerances.length;
  const step = (tolerances.at(-1) ?? 0) / (count - 1);
  const even = tolerances.every((tolerance, k) => Math.abs(tolerance - k * step) <= 1e-9 * step);
  if (count < 2 || count > MAX_COUNT || !(step > 0) || !even) {
    throw new BackcompatError('internal', `The tolerances are not 2 to ${MAX_COUNT} evenly spaced ones from 0.`);
  }
  return { step, count };
}

/**
 * How many severities lie above each tolerance, from codes: the number of tolerances that a severity
 * exceeds. Codes are counted two at a time, which halves the work and keeps neighbouring counts of a
 * frequent code from waiting for each other.
 */
export class ToleranceCounts {
  readonly #count: number;
  readonly #bits: number;
  readonly #pairs: Float64Array;

  constructor({ count }: ToleranceGrid) {
    this.#count = count;
    this.#bits = Math.ceil(Math.log2(count + 1));
    this.#pairs = new Float64Array(1 << (2 * this.#bits));
  }

  add(codes: Uint16Array): void {
    const bits = this.#bits;
    const table = this.#pairs;
    const shift = 16 - bits;
    const mask = (1 << bits) - 1;
    const words = new Uint32Array(codes.buffer, codes.byteOffset, codes.length >> 1);
    for (let i = 0; i < words.length; i++) {
      const word = words[i] as number;
      const entry = (word & mask) | ((word >>> shift) & ~mask);
      table[entry] = (table[entry] as number) + 1;
    }
    if (codes.length % 2 === 1) {
      // With a code of 0, which exceeds nothing.
      const entry = codes[codes.length - 1] as number;
      table[entry] = (table[entry] as number) + 1;
    }
  }

  /** Share of `pairs` above each tolerance; 0 where there are no pairs. */
  rates(pairs: number): number[] {
    const histogram = new Float64Array(this.#count + 1);
    const mask = (1 << this.#bits) - 1;
    this.#pairs.forEach((found, entry) => {
      for (const code of [entry & mask, entry >> this.#bits]) {
        if (code <= this.#count) histogram[code] = (histogram[code] as number) + found;
      }
    });
    const rates = new Array<number>(this.#count).fill(0);
    let above = 0;
    for (let k = this.#count - 1; k >= 0; k--) {
      above += histogram[k + 1] as number;
      rates[k] = pairs === 0 ? 0 : above / pairs;
    }
    return rates;
  }
}
