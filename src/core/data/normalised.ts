import type { VectorSource } from './vectorSource.ts';

/** Rows that show whether a model normalises its vectors. */
const NORM_ROWS = 1000;

/** Whether the vectors have unit length, to 1e-3, as far as the first ones tell. */
export async function isNormalised(vectors: VectorSource): Promise<boolean> {
  const count = Math.min(NORM_ROWS, vectors.count);
  const { dimension } = vectors;
  const values = new Float32Array(count * dimension);
  await vectors.read(0, count, values);
  for (let row = 0; row < count; row++) {
    let squared = 0;
    for (let k = row * dimension; k < (row + 1) * dimension; k++) squared += (values[k] as number) ** 2;
    if (Math.abs(Math.sqrt(squared) - 1) > 1e-3) return false;
  }
  return true;
}
