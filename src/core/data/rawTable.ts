import type { FileHandle } from 'node:fs/promises';
import { BackcompatError } from '../contract/errors.ts';
import { badRowsError, badRowsOf } from './badRows.ts';
import { readFully } from './files.ts';
import { fromFloat16 } from './float16.ts';
import type { VectorSource } from './vectorSource.ts';

export type FloatType = 'float16' | 'bfloat16' | 'float32' | 'float64';

export const floatBytes: Record<FloatType, number> = { float16: 2, bfloat16: 2, float32: 4, float64: 8 };

/** Bytes converted at a time when values are not float32. */
const CONVERSION_BYTES = 2 ** 22;

/** Values that lie one behind another in a file. */
export interface RawTable {
  file: string;
  /** For messages: the file, or an array of it. */
  label: string;
  handle: FileHandle;
  /** Place of the first value. */
  offset: number;
  type: FloatType;
  bigEndian: boolean;
  count: number;
  dimension: number;
}

/**
 * Vectors that are read in place, converted to float32. Its bounds must have been held against the file's size.
 * @param close lets go of the handle
 */
export function rawSource(table: RawTable, close: () => Promise<void>): VectorSource {
  const { count, dimension } = table;
  const rowBytes = dimension * floatBytes[table.type];
  return checkedSource(
    table,
    (start, rows, into) => readValues(table, table.offset + start * rowBytes, into.subarray(0, rows * dimension)),
    count,
    dimension,
    close,
  );
}

/** As `rawSource`, of values that lie column by column: a block of rows takes one read a component. */
export function columnMajorSource(table: RawTable, close: () => Promise<void>): VectorSource {
  const { count, dimension } = table;
  const itemBytes = floatBytes[table.type];
  return checkedSource(
    table,
    async (start, rows, into) => {
      const column = new Float32Array(rows);
      for (let component = 0; component < dimension; component++) {
        await readValues(table, table.offset + (component * count + start) * itemBytes, column);
        for (let row = 0; row < rows; row++) into[row * dimension + component] = column[row] as number;
      }
    },
    count,
    dimension,
    close,
  );
}

function checkedSource(
  { file, label }: { file: string; label: string },
  fill: (start: number, rows: number, into: Float32Array) => Promise<void>,
  count: number,
  dimension: number,
  close: () => Promise<void>,
): VectorSource {
  // One byte a row: rows are looked at once, however often they are read.
  const checked = new Uint8Array(count);
  let badRows = 0;
  let open = true;
  return {
    name: label,
    count,
    dimension,
    async read(start, rows, into) {
      if (!open) throw new BackcompatError('internal', `${label} was closed.`);
      if (start < 0 || start + rows > count || into.length < rows * dimension) {
        throw new BackcompatError('internal', `Rows ${start} to ${start + rows} of ${count} asked of ${label}.`);
      }
      await fill(start, rows, into);
      const bad = badRowsOf(into, dimension, start, rows, checked);
      if (bad.total > 0) {
        badRows += bad.total;
        throw badRowsError(file, bad, badRows, label);
      }
      checked.fill(1, start, start + rows);
    },
    async close() {
      if (!open) return;
      open = false;
      await close();
    },
  };
}

async function readValues(table: RawTable, position: number, into: Float32Array): Promise<void> {
  const { file, label, handle, type, bigEndian } = table;
  const bytesPerValue = floatBytes[type];
  const perBlock = Math.min(into.length, Math.floor(CONVERSION_BYTES / bytesPerValue));
  const isDirect = type === 'float32' && !bigEndian;
  const buffer = isDirect ? null : new Uint8Array(perBlock * bytesPerValue);
  for (let first = 0; first < into.length; ) {
    const length = buffer === null ? into.length : Math.min(perBlock, into.length - first);
    const values = into.subarray(first, first + length);
    const bytes =
      buffer === null
        ? new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
        : buffer.subarray(0, length * bytesPerValue);
    if (!(await readFully(handle, bytes, position + first * bytesPerValue))) {
      throw new BackcompatError('bad-file', `${label} is truncated: it became shorter while it was read.`, {
        place: { file },
        remedy: 'Copy or export it again.',
      });
    }
    if (buffer !== null) decodeFloats(bytes, type, values, bigEndian);
    first += length;
  }
}

/** Numbers of any of the types to float32: rounded to nearest, beyond its range infinite. Fills `into`. */
export function decodeFloats(bytes: Uint8Array, type: FloatType, into: Float32Array, bigEndian = false): void {
  const width = floatBytes[type];
  const needed = into.length * width;
  // Typed arrays want their place to be a multiple of the width.
  const isAligned = bytes.byteOffset % width === 0;
  const own = isAligned && !bigEndian ? bytes : bytes.slice(0, needed);
  if (bigEndian) swapBytes(own, width);
  const { buffer, byteOffset } = own;
  if (type === 'float32') into.set(new Float32Array(buffer, byteOffset, into.length));
  else if (type === 'float64') into.set(new Float64Array(buffer, byteOffset, into.length));
  else {
    const halves = new Uint16Array(buffer, byteOffset, into.length);
    if (type === 'float16') {
      for (let i = 0; i < into.length; i++) into[i] = fromFloat16(halves[i] as number);
    } else {
      // The upper half of a float32.
      const bits = new Uint32Array(into.buffer, into.byteOffset, into.length);
      for (let i = 0; i < into.length; i++) bits[i] = (halves[i] as number) << 16;
    }
  }
}

function swapBytes(bytes: Uint8Array, width: number): void {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 2) view.swap16();
  else if (width === 4) view.swap32();
  else view.swap64();
}
