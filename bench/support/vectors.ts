import { createRandom } from '../../src/core/numeric/random.ts';

/** One centre a class, N(0, I); shape classes x columns. */
export function makeCentres(classes: number, columns: number): Float64Array {
  const random = createRandom(0, 'centres');
  return Float64Array.from({ length: classes * columns }, () => random.normal());
}

/** Unit rows around class centres: unit(centre + spread N(0, I)), one a label. */
export function makeVectors(
  labels: Int32Array,
  centres: Float64Array,
  columns: number,
  spread: number,
  stream: string,
) {
  const random = createRandom(0, stream);
  const values = new Float32Array(labels.length * columns);
  labels.forEach((label, row) => {
    let squared = 0;
    for (let k = 0; k < columns; k++) {
      const value = (centres[label * columns + k] as number) + spread * random.normal();
      values[row * columns + k] = value;
      squared += value * value;
    }
    for (let k = 0; k < columns; k++) {
      values[row * columns + k] = (values[row * columns + k] as number) / Math.sqrt(squared);
    }
  });
  return values;
}
