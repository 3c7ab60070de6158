import { createRandom } from '../numeric/random.ts';
import { sharedFloats } from '../numeric/sharedArrays.ts';
import type { PairSetup } from './pairSetup.ts';

/** Sampled triplets (query, match, non-match), summed per query (metrics.md section 2). */
export interface TripletSums {
  /** Draws; all 0 when no query has both kinds of gallery item. */
  sampled: Float64Array;
  /** Draws that turned from right to wrong, and from wrong to right. */
  inverted: Float64Array;
  repaired: Float64Array;
}

/**
 * Draws how many triplets each query has, `count` in all.
 * @returns sums over none so far, in memory that threads share
 */
export function drawTriplets(setup: PairSetup, count: number, seed: number): TripletSums {
  const eligible: number[] = [];
  for (let query = 0; query < setup.queries; query++) {
    const label = setup.queryLabel[query] as number;
    const others = setup.gallery - classSize(setup, label);
    if ((setup.matchCount[query] as number) > 0 && others > 0) eligible.push(query);
  }
  const sampled = sharedFloats(setup.queries);
  if (eligible.length > 0) {
    const random = createRandom(seed, 'triplets');
    for (let k = 0; k < count; k++) {
      const query = eligible[random.integer(eligible.length)] as number;
      sampled[query] = (sampled[query] as number) + 1;
    }
  }
  return { sampled, inverted: sharedFloats(setup.queries), repaired: sharedFloats(setup.queries) };
}

/**
 * Draws triplets and judges them query by query, in any order: a query's triplets depend on the seed
 * and its row only.
 */
export class TripletSampler {
  readonly sums: TripletSums;
  readonly #setup: PairSetup;
  readonly #seed: number;

  /** @param sums of `drawTriplets` with the same seed */
  constructor(setup: PairSetup, sums: TripletSums, seed: number) {
    this.#setup = setup;
    this.sums = sums;
    this.#seed = seed;
  }

  /**
   * Judges all triplets of one query from its complete rows; a lower key is nearer.
   * @param oldOffset the old row is oldKeys[oldOffset ... oldOffset + gallery), the new one likewise
   */
  judge(query: number, oldKeys: Float32Array, oldOffset: number, newKeys: Float32Array, newOffset: number): void {
    const draws = this.sums.sampled[query] as number;
    if (draws === 0) return;
    const setup = this.#setup;
    const label = setup.queryLabel[query] as number;
    const start = setup.classStart[label] as number;
    const size = classSize(setup, label);
    const self = setup.selfOf[query] as number;
    const matches = setup.matchCount[query] as number;
    const selfPlace = self < 0 ? size : classPlace(setup, start, size, self);
    const random = createRandom(this.#seed, `triplets/${query}`);
    let inverted = 0;
    let repaired = 0;
    for (let k = 0; k < draws; k++) {
      const place = random.integer(matches);
      const match = setup.classRows[start + place + (place >= selfPlace ? 1 : 0)] as number;
      const other = rowOutsideClass(setup, start, size, random.integer(setup.gallery - size));
      const rightBefore = (oldKeys[oldOffset + match] as number) < (oldKeys[oldOffset + other] as number);
      const rightAfter = (newKeys[newOffset + match] as number) < (newKeys[newOffset + other] as number);
      if (rightBefore && !rightAfter) inverted++;
      else if (!rightBefore && rightAfter) repaired++;
    }
    this.sums.inverted[query] = inverted;
    this.sums.repaired[query] = repaired;
  }
}

function classSize(setup: PairSetup, label: number): number {
  return (setup.classStart[label + 1] as number) - (setup.classStart[label] as number);
}

/** Place of a gallery row within its class. */
function classPlace(setup: PairSetup, start: number, size: number, row: number): number {
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((setup.classRows[start + middle] as number) < row) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The `index`-th gallery row, from 0, of those outside a class. */
function rowOutsideClass(setup: PairSetup, start: number, size: number, index: number): number {
  // Before the class's k-th row lie classRows[k] - k rows of other classes: find how many class rows precede.
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((setup.classRows[start + middle] as number) - middle <= index) low = middle + 1;
    else high = middle;
  }
  return index + low;
}
