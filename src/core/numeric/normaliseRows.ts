/**
 * Brings rows of `dimension` values to length 1, in place, with sums in double; rows of zeros stay.
 * @returns what their lengths were, one a row
 */
export function normaliseRows(rows: Float32Array, dimension: number): Float32Array {
  return Float32Array.from({ length: rows.length / dimension }, (_, row) => {
    const values = rows.subarray(row * dimension, (row + 1) * dimension);
    let squared = 0;
    for (const value of values) squared += value * value;
    const length = Math.sqrt(squared);
    if (length > 0) for (let k = 0; k < dimension; k++) values[k] = (values[k] as number) / length;
    return length;
  });
}
