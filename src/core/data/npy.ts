import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { BackcompatError } from '../contract/errors.ts';
import { openFile, readFully, temporaryName } from './files.ts';
import { fromFloat16 } from './float16.ts';
import type { VectorSource } from './vectorSource.ts';

/** Magic of NumPy's format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
export const NPY_MAGIC = Buffer.from('\x93NUMPY', 'latin1');

/** NumPy itself refuses headers above 10,000 bytes; a header of a table needs about 100. */
const MAX_HEADER_BYTES = 65_536;

/** Bytes converted at a time when values are not float32. */
const CONVERSION_BYTES = 2 ** 22;

const EXPORT_REMEDY = 'Save it with np.save("file.npy", vectors.astype(np.float32)), one row an item.';

export interface NpyHeader {
  /** As written: "<f4". */
  type: string;
  fortranOrder: boolean;
  shape: number[];
  /** Where the values begin. */
  dataOffset: number;
}

/** Bytes of one value for the types that are read. */
const itemBytes: Record<string, number> = { '<f2': 2, '<f4': 4, '<f8': 8 };

/**
 * Opens a table of vectors in NumPy's format (versions 1 to 3), 2-d, little-endian float32 (also
 * float64 and float16, converted). Only the header is read; its claims are checked against the file's size
 * before anything is allocated. Rows are checked when they are first read.
 * @throws BackcompatError `not-found`; `bad-file` (magic, header, truncated); `bad-data` (type or shape
 *   that is not a table of vectors)
 */
export async function openNpy(file: string): Promise<VectorSource> {
  const { handle, size } = await openFile(file, 'The vector file');
  try {
    const header = await readNpyHeader(file, size, (into, position) => readFully(handle, into, position));
    const { count, dimension, bytes } = checkTable(file, header, size);
    const { dataOffset, type } = header;
    // One byte a row: rows are looked at once, however often they are read.
    const checked = new Uint8Array(count);
    let badRows = 0;
    let open = true;

    return {
      name: file,
      count,
      dimension,
      async read(start, rows, into) {
        if (!open) throw new BackcompatError('internal', `${file} was closed.`);
        if (start < 0 || start + rows > count || into.length < rows * dimension) {
          throw new BackcompatError('internal', `Rows ${start} to ${start + rows} of ${count} asked of ${file}.`);
        }
        const values = into.subarray(0, rows * dimension);
        const complete =
          type === '<f4'
            ? await readFully(
                handle,
                new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
                dataOffset + start * dimension * bytes,
              )
            : await readConverted(values, bytes, (block, first) =>
                readFully(handle, block, dataOffset + (start * dimension + first) * bytes),
              );
        if (!complete) throw truncated(file, `it became shorter while it was read`);
        const bad = badRowsOf(values, dimension, start, rows, checked);
        if (bad.total > 0) {
          badRows += bad.total;
          throw badRowsError(file, bad, badRows);
        }
        checked.fill(1, start, start + rows);
      },
      async close() {
        if (!open) return;
        open = false;
        await handle.close();
      },
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Parses the header. `read` fills the buffer from a position, or says that the file is too short.
 * @throws BackcompatError `bad-file`
 */
export async function readNpyHeader(
  file: string,
  size: number,
  read: (into: Uint8Array, position: number) => Promise<boolean>,
): Promise<NpyHeader> {
  const head = Buffer.alloc(12);
  if (size < 10 || !(await read(head.subarray(0, Math.min(12, size)), 0)) || !head.subarray(0, 6).equals(NPY_MAGIC)) {
    throw new BackcompatError('bad-file', `${file} is not an npy file: it does not begin with its magic.`, {
      place: { file },
      remedy: EXPORT_REMEDY,
    });
  }
  const version = head[6] as number;
  if (version < 1 || version > 3) {
    throw new BackcompatError('bad-file', `${file} is npy version ${version}; versions 1 to 3 are read.`, {
      place: { file },
      remedy: EXPORT_REMEDY,
    });
  }
  const start = version === 1 ? 10 : 12;
  const length = version === 1 ? head.readUInt16LE(8) : head.readUInt32LE(8);
  if (length > MAX_HEADER_BYTES) {
    throw new BackcompatError(
      'bad-file',
      `${file} claims a header of ${length} bytes; at most ${MAX_HEADER_BYTES} are read.`,
      {
        place: { file },
        remedy: EXPORT_REMEDY,
      },
    );
  }
  if (start + length > size) throw truncated(file, `its header of ${length} bytes goes beyond its ${size} bytes`);
  const bytes = Buffer.alloc(length);
  await read(bytes, start);
  const header = parseHeader(bytes.toString(version === 3 ? 'utf8' : 'latin1'));
  if (header === null) {
    throw new BackcompatError('bad-file', `${file} has an npy header that cannot be understood.`, {
      place: { file },
      remedy: EXPORT_REMEDY,
    });
  }
  return { ...header, dataOffset: start + length };
}

/** Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`; records and pickles keep their text as type. */
function parseHeader(text: string): Omit<NpyHeader, 'dataOffset'> | null {
  const fortran = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(text)?.[1];
  const shape = /['"]shape['"]\s*:\s*\(([\d\sL,]*)\)/.exec(text)?.[1];
  const simple = /['"]descr['"]\s*:\s*['"]([^'"]*)['"]/.exec(text)?.[1];
  const type = simple ?? (/['"]descr['"]\s*:\s*\[/.test(text) ? 'records' : undefined);
  if (fortran === undefined || shape === undefined || type === undefined) return null;
  const sizes = shape
    .split(',')
    .map((part) => part.trim().replace(/L$/, ''))
    .filter((part) => part !== '')
    .map(Number);
  if (!sizes.every((part) => Number.isInteger(part))) return null;
  return { type, fortranOrder: fortran === 'True', shape: sizes };
}

function checkTable(
  file: string,
  header: NpyHeader,
  size: number,
): { count: number; dimension: number; bytes: number } {
  const { type, shape } = header;
  const refuse = (message: string, remedy = EXPORT_REMEDY): BackcompatError =>
    new BackcompatError('bad-data', message, { place: { file }, remedy });
  const bytes = itemBytes[type];
  if (bytes === undefined) throw refuse(`${file} holds ${typeWords(type)}, not float32 vectors.`);
  if (shape.length !== 2) {
    throw refuse(
      `${file} has ${shape.length} dimension${shape.length === 1 ? '' : 's'} (${shape.join(' x ') || 'a single value'}); a table of vectors has two: items x dimension.`,
      'Reshape it to (items, dimension) before saving it.',
    );
  }
  if (header.fortranOrder) {
    throw refuse(`${file} is stored column by column (fortran_order).`, 'Save np.ascontiguousarray(vectors).');
  }
  const [count, dimension] = shape as [number, number];
  if (count === 0 || dimension === 0) throw refuse(`${file} holds no vectors: its shape is ${count} x ${dimension}.`);
  const claimed = count * dimension * bytes;
  const held = size - header.dataOffset;
  // Products beyond 2^53 are inexact, but far beyond any file.
  if (claimed > held) {
    throw truncated(
      file,
      `its header claims ${count} x ${dimension} values (${claimed} bytes), the file holds ${held} bytes of them`,
    );
  }
  if (claimed < held) {
    throw new BackcompatError(
      'bad-file',
      `${file} holds ${held - claimed} bytes more than the ${count} x ${dimension} values that its header claims.`,
      { place: { file }, remedy: 'Save one array a file.' },
    );
  }
  return { count, dimension, bytes };
}

function typeWords(type: string): string {
  if (/^[|<>=]?O/.test(type)) return 'Python objects (dtype object)';
  if (/^>f/.test(type)) return `big-endian numbers (dtype ${type})`;
  if (/^[|<>=]?[iub]/.test(type)) return `integers or booleans (dtype ${type})`;
  if (/^[|<>=]?c/.test(type)) return `complex numbers (dtype ${type})`;
  if (/^[|<>=]?[SUa]/.test(type)) return `text (dtype ${type})`;
  return `values of dtype ${type}`;
}

function truncated(file: string, what: string): BackcompatError {
  return new BackcompatError('bad-file', `${file} is truncated: ${what}.`, {
    place: { file },
    remedy: 'Copy or export it again.',
  });
}

/** Reads float16 or float64 in blocks and rounds to float32. */
async function readConverted(
  values: Float32Array,
  bytes: number,
  read: (block: Uint8Array, first: number) => Promise<boolean>,
): Promise<boolean> {
  const perBlock = Math.min(values.length, Math.floor(CONVERSION_BYTES / bytes));
  const buffer = new ArrayBuffer(perBlock * bytes);
  for (let first = 0; first < values.length; first += perBlock) {
    const length = Math.min(perBlock, values.length - first);
    if (!(await read(new Uint8Array(buffer, 0, length * bytes), first))) return false;
    if (bytes === 8) {
      values.set(new Float64Array(buffer, 0, length), first);
    } else {
      const halves = new Uint16Array(buffer, 0, length);
      for (let i = 0; i < length; i++) values[first + i] = fromFloat16(halves[i] as number);
    }
  }
  return true;
}

interface BadRows {
  /** Rows from 0, at most five of each. */
  notFinite: number[];
  zero: number[];
  total: number;
}

/** Rows with NaN or infinity, and rows of zeros: neither has a direction, so no cosine. */
export function badRowsOf(
  values: Float32Array,
  dimension: number,
  start: number,
  rows: number,
  checked?: Uint8Array,
): BadRows {
  const bad: BadRows = { notFinite: [], zero: [], total: 0 };
  for (let row = 0; row < rows; row++) {
    if (checked?.[start + row] === 1) continue;
    // Squares of float32 neither overflow nor vanish in double.
    let sum = 0;
    const end = (row + 1) * dimension;
    for (let i = row * dimension; i < end; i++) {
      const value = values[i] as number;
      sum += value * value;
    }
    if (sum > 0 && sum < Number.POSITIVE_INFINITY) continue;
    bad.total++;
    const list = sum === 0 ? bad.zero : bad.notFinite;
    if (list.length < 5) list.push(start + row);
  }
  return bad;
}

function badRowsError(file: string, bad: BadRows, known: number): BackcompatError {
  const parts: string[] = [];
  const list = (rows: number[]): string => `row${rows.length > 1 ? 's' : ''} ${rows.map((row) => row + 1).join(', ')}`;
  if (bad.notFinite.length > 0) parts.push(`${list(bad.notFinite)} with NaN or infinite values`);
  if (bad.zero.length > 0) parts.push(`${list(bad.zero)} with zeros only`);
  return new BackcompatError(
    'bad-data',
    `${file} has ${parts.join(' and ')} (counted from 1; ${known} bad row${known > 1 ? 's' : ''} known so far).`,
    {
      place: { file, row: Math.min(...bad.notFinite, ...bad.zero) + 1 },
      remedy: 'Export those vectors again, or remove the rows from the vectors and from the label file.',
    },
  );
}

export interface NpyWriter {
  /** Appends rows (row-major, a whole number of them). */
  write(rows: Float32Array): Promise<void>;
  /** Makes the file appear under its name, complete. @throws when fewer or more rows came than announced */
  finish(): Promise<void>;
  /** Removes what was written. Idempotent; after `finish` it does nothing. */
  abort(): Promise<void>;
}

/** Writes a float32 table row by row; the file appears under its name only when it is complete (and flushed). */
export async function createNpyWriter(file: string, count: number, dimension: number): Promise<NpyWriter> {
  await mkdir(path.dirname(file), { recursive: true });
  const temporary = temporaryName(file);
  const handle = await open(temporary, 'wx');
  let values = 0;
  let active = true;
  const abort = async (): Promise<void> => {
    if (!active) return;
    active = false;
    await handle.close();
    await rm(temporary, { force: true });
  };
  const guarded = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      await abort();
      throw error;
    }
  };
  await guarded(() => handle.writeFile(npyHeader(count, dimension)));
  return {
    write: (rows) =>
      guarded(async () => {
        values += rows.length;
        await handle.writeFile(new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength));
      }),
    finish: () =>
      guarded(async () => {
        if (values !== count * dimension) {
          throw new BackcompatError('internal', `${values} values written to ${file} instead of ${count * dimension}.`);
        }
        // Without it a crash after the rename may leave a complete-looking file of zeros.
        await handle.sync();
        active = false;
        await handle.close();
        await rename(temporary, file);
      }),
    abort,
  };
}

/** Writes vectors that are already in memory, or all of a source, block by block. */
export async function writeNpy(file: string, source: VectorSource): Promise<void> {
  const writer = await createNpyWriter(file, source.count, source.dimension);
  try {
    const rowsPerBlock = Math.max(1, Math.floor(CONVERSION_BYTES / 4 / source.dimension));
    for (let start = 0; start < source.count; start += rowsPerBlock) {
      const rows = Math.min(rowsPerBlock, source.count - start);
      const block = new Float32Array(rows * source.dimension);
      await source.read(start, rows, block);
      await writer.write(block);
    }
    await writer.finish();
  } finally {
    await writer.abort();
  }
}

/** Version 1, padded so that values begin at a multiple of 64 bytes. */
function npyHeader(count: number, dimension: number): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${count}, ${dimension}), }`;
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const head = Buffer.alloc(10);
  NPY_MAGIC.copy(head);
  head.writeUInt8(1, 6);
  head.writeUInt16LE(padded.length, 8);
  return Buffer.concat([head, Buffer.from(padded, 'latin1')]);
}
