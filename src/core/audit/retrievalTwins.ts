import type { VectorSource } from '../data/vectorSource.ts';
import { loadMatrix, type Matrix, type VectorForm } from './vectors.ts';

/** Values read at once to compare rows: 16 MB. */
const COMPARED_VALUES = 4_194_304;

/**
 * Finds bitwise equal rows of a gallery while it streams by. They must tie exactly, but a product's
 * last bit depends on the place of a row in its block.
 */
export class TwinFinder {
  readonly #hashes: Float64Array;

  constructor(gallery: number) {
    this.#hashes = new Float64Array(gallery);
  }

  /** Takes notice of prepared rows [start, start + block.rows). */
  add(start: number, block: Matrix): void {
    const { rows, columns, values } = block;
    const bits = new Int32Array(values.buffer, values.byteOffset, rows * columns);
    for (let row = 0; row < rows; row++) {
      let a = 0x9747b28c | 0;
      let b = 0x2545f491 | 0;
      const end = (row + 1) * columns;
      for (let k = row * columns; k < end; k++) {
        const word = bits[k] as number;
        a = Math.imul(((a << 13) | (a >>> 19)) ^ word, 0x5bd1e995);
        b = Math.imul(((b << 7) | (b >>> 25)) + word, 0x27d4eb2f);
      }
      this.#hashes[start + row] = (a >>> 0) * 2097152 + (b >>> 11);
    }
  }

  /**
   * Pairs (first row, equal later row), flattened; rows whose hashes agree are read again and compared.
   * @param form the form that the rows were seen in
   */
  async pairs(source: VectorSource, form: VectorForm): Promise<Int32Array> {
    const sorted = this.#hashes.slice().sort();
    const repeated = new Set<number>();
    for (let i = 1; i < sorted.length; i++) {
      if (sorted[i] === sorted[i - 1]) repeated.add(sorted[i] as number);
    }
    if (repeated.size === 0) return new Int32Array(0);
    const firstOf = new Map<number, number>();
    const candidates: number[] = [];
    this.#hashes.forEach((hash, row) => {
      if (!repeated.has(hash)) return;
      const first = firstOf.get(hash);
      if (first === undefined) firstOf.set(hash, row);
      else candidates.push(first, row);
    });
    const confirmed: number[] = [];
    const step = 2 * Math.max(1, Math.floor(COMPARED_VALUES / form.columns / 2));
    for (let start = 0; start < candidates.length; start += step) {
      const rows = Int32Array.from(candidates.slice(start, start + step));
      const { values } = await loadMatrix(source, form, rows);
      const bits = new Int32Array(values.buffer);
      for (let pair = 0; pair < rows.length; pair += 2) {
        const first = pair * form.columns;
        let k = 0;
        while (k < form.columns && bits[first + k] === bits[first + form.columns + k]) k++;
        if (k === form.columns) confirmed.push(rows[pair] as number, rows[pair + 1] as number);
      }
    }
    return Int32Array.from(confirmed);
  }
}
