import { createHash } from 'node:crypto';
import { createRandom } from '../numeric/random.ts';

/** Items that a model embeds when it is opened. */
export const PROBE_ITEMS = 8;

/**
 * sha256 of the vectors of 8 fixed probe items (noise pixels through the preprocessing, or fixed texts), made to
 * be the same on machines whose rounding differs: each vector is folded into 8 sums of its components with seeded
 * signs, the 64 sums are rounded to a hundredth of their root mean square, and that to two digits. With
 * relative differences of 1e-6 about one model in a hundred gets another fingerprint elsewhere; hashing
 * every component to three digits would change for most.
 * @param vectors 8 x dimension
 */
export function fingerprintOf(vectors: Float32Array, dimension: number): string {
  const random = createRandom(0, 'fingerprint signs');
  const signs = Int8Array.from({ length: dimension }, () => (random.integer(2) === 0 ? -1 : 1));
  const sums = new Float64Array(PROBE_ITEMS * 8);
  for (let item = 0; item < PROBE_ITEMS; item++) {
    for (let i = 0; i < dimension; i++) {
      const at = item * 8 + (i % 8);
      sums[at] = (sums[at] as number) + (vectors[item * dimension + i] as number) * (signs[i] as number);
    }
  }
  const scale = Math.sqrt(sums.reduce((sum, value) => sum + value * value, 0) / sums.length);
  const rounded = Array.from(sums, (value) => Math.round((100 * value) / (scale || 1)));
  return createHash('sha256')
    .update(`${dimension} ${scale.toPrecision(2)} ${rounded.join(' ')}`)
    .digest('hex');
}
