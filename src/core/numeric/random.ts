/**
 * Seeded random numbers. Every random choice of the product goes through here, so that one seed
 * reproduces a whole run. A `stream` name keeps independent uses of one seed independent: adding a
 * draw in one place does not shift the draws of another.
 */
export interface Random {
  /** Uniform 32-bit unsigned integer. */
  uint32(): number;
  /** Uniform in [0, 1), 53 bits. */
  uniform(): number;
  /** Uniform integer in [0, bound), unbiased; `bound` in 1 ... 2^32. */
  integer(bound: number): number;
  /** Standard normal deviate (polar method of Marsaglia and Bray). */
  normal(): number;
  /** Fisher-Yates shuffle in place; returns its argument. */
  shuffle<T extends Int32Array | unknown[]>(values: T): T;
}

/** FNV-1a over UTF-16 code units: spreads stream names over 32 bits. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}

/**
 * Small Fast Counter generator, 32-bit words (sfc32 of PractRand, Chris Doty-Humphrey).
 * @param seed any finite number; its low and high 32-bit parts both count
 * @param stream name of the use, for example `split/cat`
 */
export function createRandom(seed: number, stream: string): Random {
  let a = seed >>> 0;
  let b = Math.floor(seed / 4294967296) >>> 0;
  let c = hashName(stream);
  let counter = 1;

  function uint32(): number {
    const result = (((a + b) >>> 0) + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = (b ^ (b >>> 9)) >>> 0;
    b = (c + ((c << 3) >>> 0)) >>> 0;
    c = (((c << 21) | (c >>> 11)) + result) >>> 0;
    return result;
  }
  // Seeds that differ in one bit need some rounds before their outputs differ everywhere.
  for (let i = 0; i < 15; i++) uint32();

  function uniform(): number {
    return ((uint32() >>> 5) * 67108864 + (uint32() >>> 6)) / 9007199254740992;
  }

  function integer(bound: number): number {
    // Rejection of the incomplete last interval keeps every value equally likely.
    const limit = 4294967296 - (4294967296 % bound);
    let value = uint32();
    while (value >= limit) value = uint32();
    return value % bound;
  }

  let spare: number | null = null;
  function normal(): number {
    if (spare !== null) {
      const value = spare;
      spare = null;
      return value;
    }
    for (;;) {
      const x = 2 * uniform() - 1;
      const y = 2 * uniform() - 1;
      const squared = x * x + y * y;
      if (squared >= 1 || squared === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(squared)) / squared);
      spare = y * factor;
      return x * factor;
    }
  }

  function shuffle<T extends Int32Array | unknown[]>(values: T): T {
    const list = values as unknown[];
    for (let i = list.length - 1; i > 0; i--) {
      const j = integer(i + 1);
      const held = list[i];
      list[i] = list[j];
      list[j] = held;
    }
    return values;
  }

  return { uint32, uniform, integer, normal, shuffle };
}
