// The matrices of F(4, 3) with the points 0, 1, -1, 2, -2 and infinity (Lavin and Gray, CVPR 2016, section 4.3), along one axis and both.

/** Rows of numbers. */
export type Matrix = readonly (readonly number[])[];

/** Six values of a tile of the input from its six places. */
export const INPUT: Matrix = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
];
/** What each of them gives to the four places of the result. */
export const OUTPUT: Matrix = [
  [1, 0, 0, 0],
  [1, 1, 1, 1],
  [1, -1, 1, -1],
  [1, 2, 4, 8],
  [1, -2, 4, -8],
  [0, 0, 0, 1],
];
/** Six values of a kernel from its three places. */
export const KERNEL: Matrix = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
];

/** For each tile of a block along an axis, its matrix over all `columns` places; a tile begins `ahead` places before its four. */
export function band(matrix: Matrix, length: number, columns: number, ahead: number): Matrix[] {
  return range(Math.ceil(length / 4)).map((tile) =>
    matrix.map((row) => range(columns).map((place) => row[place - (4 * tile - ahead)] ?? 0)),
  );
}

/** Both axes at once: rows are (i, j, tile down, tile across), columns (down, across). */
export function combined(down: readonly Matrix[], across: readonly Matrix[]): Float32Array {
  const values: number[] = [];
  for (let i = 0; i < 6; i++) {
    for (let j = 0; j < 6; j++) {
      for (const a of down)
        for (const b of across) {
          for (const p of a[i] as readonly number[]) for (const q of b[j] as readonly number[]) values.push(p * q);
        }
    }
  }
  return Float32Array.from(values);
}

export const range = (count: number) => Array.from({ length: count }, (_, i) => i);
