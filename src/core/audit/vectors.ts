import { BackcompatError } from '../contract/errors.ts';
import type { Distance } from '../contract/report.ts';
import type { VectorSource } from '../data/vectorSource.ts';

/** Row-major float32 vectors, rows x columns. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

/**
 * How stored vectors become comparable ones.
 * `columns`: target length; longer vectors are cut (rule `slice`), shorter ones get zeros (`pad`).
 * `normalise`: to unit length after that (cosine only).
 */
export interface VectorForm {
  columns: number;
  normalise: boolean;
}

export function formFor(distance: Distance, columns: number): VectorForm {
  return { columns, normalise: distance === 'cosine' };
}

/** Values read from a source at once: 16 MB, enough for sequential speed and small beside the rest. */
const READ_VALUES = 4_194_304;

/** Rows of `source` in the given form, read in one go or picked by `rows`. */
export async function loadMatrix(source: VectorSource, form: VectorForm, rows?: Int32Array): Promise<Matrix> {
  const count = rows?.length ?? source.count;
  const values = new Float32Array(count * form.columns);
  const block = Math.max(1, Math.floor(READ_VALUES / source.dimension));
  const raw = new Float32Array(Math.min(block, Math.max(count, 1)) * source.dimension);
  for (let start = 0; start < count; start += block) {
    const size = Math.min(block, count - start);
    if (rows === undefined) {
      await source.read(start, size, raw);
    } else {
      let position = 0;
      while (position < size) {
        const first = rows[start + position] as number;
        let length = 1;
        while (position + length < size && rows[start + position + length] === first + length) length++;
        await source.read(first, length, raw.subarray(position * source.dimension));
        position += length;
      }
    }
    shapeRows(raw, source.dimension, size, form, values, start, source.name, rows, start);
  }
  return { rows: count, columns: form.columns, values };
}

/** Streams a source block by block in the given form; one buffer is reused, so use a block before the next. */
export class BlockReader {
  readonly source: VectorSource;
  readonly form: VectorForm;
  readonly blockRows: number;
  readonly #raw: Float32Array | null;
  readonly #values: Float32Array;

  constructor(source: VectorSource, form: VectorForm, blockRows: number) {
    this.source = source;
    this.form = form;
    this.blockRows = Math.max(1, Math.min(blockRows, source.count));
    this.#values = new Float32Array(this.blockRows * form.columns);
    // Same length: rows are read where they stay, and normalised in place.
    this.#raw = source.dimension === form.columns ? null : new Float32Array(this.blockRows * source.dimension);
  }

  /** Rows [start, start + blockRows), fewer at the end. */
  async read(start: number): Promise<Matrix> {
    const rows = Math.min(this.blockRows, this.source.count - start);
    const raw = this.#raw ?? this.#values;
    await this.source.read(start, rows, raw);
    shapeRows(raw, this.source.dimension, rows, this.form, this.#values, 0, this.source.name, undefined, start);
    return { rows, columns: this.form.columns, values: this.#values.subarray(0, rows * this.form.columns) };
  }
}

function shapeRows(
  raw: Float32Array,
  rawColumns: number,
  count: number,
  form: VectorForm,
  into: Float32Array,
  intoRow: number,
  name: string,
  rows: Int32Array | undefined,
  firstRow: number,
): void {
  const { columns } = form;
  const shared = Math.min(rawColumns, columns);
  for (let row = 0; row < count; row++) {
    const from = row * rawColumns;
    const to = (intoRow + row) * columns;
    if (!form.normalise) {
      if (raw !== into || from !== to) {
        for (let k = 0; k < shared; k++) into[to + k] = raw[from + k] as number;
      }
      continue;
    }
    let squared = 0;
    for (let k = 0; k < shared; k++) {
      const value = raw[from + k] as number;
      squared += value * value;
    }
    if (squared === 0) {
      // The source refuses all-zero rows; only a cut can leave one.
      const shown = (rows?.[firstRow + row] ?? firstRow + row) + 1;
      throw new BackcompatError(
        'bad-data',
        `${name}, row ${shown}: the first ${shared} components are all zero, so it has no direction to compare.`,
        { place: { row: shown }, remedy: 'Remove the row, or choose another dimension rule or distance.' },
      );
    }
    const scale = 1 / Math.sqrt(squared);
    for (let k = 0; k < shared; k++) into[to + k] = (raw[from + k] as number) * scale;
  }
}
