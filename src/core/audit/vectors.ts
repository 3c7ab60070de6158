import { BackcompatError } from '../contract/errors.ts';
import type { Distance } from '../contract/report.ts';
import { type VectorSource, vectorsInMemory } from '../data/vectorSource.ts';
import { sumOfSquares } from '../numeric/sumOfSquares.ts';

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
    const nameOf = (row: number) => (rows?.[start + row] ?? start + row) + 1;
    shapeRows(raw, source, size, form, values.subarray(start * form.columns), null, nameOf);
  }
  return { rows: count, columns: form.columns, values };
}

/** A gallery of at most so many values (128 MB) is one block while it is searched: it is read and normalised once. */
const WHOLE_VALUES = 33_554_432;
/** Values of a block of a larger one: 8 MB, beside blocks of scores of the same order. */
const BLOCK_VALUES = 2_097_152;

function fitsWhole({ count }: VectorSource, { columns }: VectorForm): boolean {
  return count * columns <= WHOLE_VALUES;
}

/** A source for several passes in the given form: brought into it in memory where it is no larger than one block of a search. */
export async function heldSource(
  source: VectorSource,
  form: VectorForm,
): Promise<{ source: VectorSource; form: VectorForm }> {
  if (!fitsWhole(source, form)) return { source, form };
  const { values } = await loadMatrix(source, form);
  const held = vectorsInMemory(source.name, values, form.columns);
  return { source: held, form: { columns: form.columns, normalise: false } };
}

/** The reader of a gallery that many queries search. */
export function searchReader(source: VectorSource, form: VectorForm): BlockReader {
  const whole = fitsWhole(source, form);
  return new BlockReader(source, form, whole ? source.count : Math.floor(BLOCK_VALUES / form.columns));
}

/**
 * Streams a source block by block in the given form; one buffer is reused, so use a block before the next. What is one
 * block is read once.
 */
export class BlockReader {
  readonly source: VectorSource;
  readonly form: VectorForm;
  readonly blockRows: number;
  readonly #raw: Float32Array | null;
  readonly #values: Float32Array;
  /** 1 / length of each row once it was read (0 before): galleries are read many times. */
  readonly #scales: Float64Array | null;
  /** The one block, once it was read. */
  #whole: Matrix | null = null;

  constructor(source: VectorSource, form: VectorForm, blockRows: number) {
    this.source = source;
    this.form = form;
    this.blockRows = Math.max(1, Math.min(blockRows, source.count));
    this.#values = new Float32Array(this.blockRows * form.columns);
    // Same length: rows are read where they stay, and normalised in place.
    this.#raw = source.dimension === form.columns ? null : new Float32Array(this.blockRows * source.dimension);
    this.#scales = form.normalise ? new Float64Array(source.count) : null;
  }

  /** Rows [start, start + blockRows), fewer at the end. */
  async read(start: number): Promise<Matrix> {
    if (this.#whole !== null) return this.#whole;
    const rows = Math.min(this.blockRows, this.source.count - start);
    const raw = this.#raw ?? this.#values;
    await this.source.read(start, rows, raw);
    const scales = this.#scales?.subarray(start, start + rows) ?? null;
    shapeRows(raw, this.source, rows, this.form, this.#values, scales, (row) => start + row + 1);
    const block = { rows, columns: this.form.columns, values: this.#values.subarray(0, rows * this.form.columns) };
    if (rows === this.source.count) this.#whole = block;
    return block;
  }
}

/**
 * Cuts, fills up and normalises `count` rows of `raw` into `into`, which may be the same array when the
 * lengths are equal.
 * @param scales 1 / length of each row, 0 where not known yet: those are filled in
 * @param rowNumber number of a row in the source, from 1, for messages
 */
function shapeRows(
  raw: Float32Array,
  source: VectorSource,
  count: number,
  form: VectorForm,
  into: Float32Array,
  scales: Float64Array | null,
  rowNumber: (row: number) => number,
): void {
  const { columns } = form;
  const rawColumns = source.dimension;
  const shared = Math.min(rawColumns, columns);
  if (!form.normalise && raw === into) return;
  for (let row = 0; row < count; row++) {
    const from = row * rawColumns;
    const to = row * columns;
    let scale = form.normalise ? (scales?.[row] ?? 0) : 1;
    if (scale === 0) {
      scale = inverseLength(raw, from, shared);
      if (scale === Number.POSITIVE_INFINITY) {
        // The source refuses all-zero rows; only a cut can leave one.
        throw new BackcompatError(
          'bad-data',
          `${source.name}, row ${rowNumber(row)}: the first ${shared} components are all zero, so it has no direction to compare.`,
          { place: { row: rowNumber(row) }, remedy: 'Remove the row, or choose another dimension rule or distance.' },
        );
      }
      if (scales !== null) scales[row] = scale;
    }
    for (let k = 0; k < shared; k++) into[to + k] = (raw[from + k] as number) * scale;
  }
}

/** 1 / length of values[from ... from + length), summed in double; infinite for zeros. */
function inverseLength(values: Float32Array, from: number, length: number): number {
  return 1 / Math.sqrt(sumOfSquares(values, from, length));
}
