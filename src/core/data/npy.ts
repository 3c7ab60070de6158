import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { BackcompatError } from '../contract/errors.ts';
import { openFile, readFully, temporaryName } from './files.ts';
import { type FloatType, floatBytes, type RawTable, rawSource } from './rawTable.ts';
import type { VectorSource } from './vectorSource.ts';

/** Magic of NumPy's format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
export const NPY_MAGIC = Buffer.from('\x93NUMPY', 'latin1');

/** NumPy itself refuses headers above 10,000 bytes; a header of a table needs about 100. */
const MAX_HEADER_BYTES = 65_536;

/** Values written at a time. */
const BLOCK_VALUES = 2 ** 20;

const EXPORT_REMEDY = 'Save it with np.save("file.npy", vectors.astype(np.float32)), one row an item.';

export interface NpyHeader {
  /** As written: "<f4". */
  type: string;
  fortranOrder: boolean;
  shape: number[];
  /** Where the values begin. */
  dataOffset: number;
}

/**
 * Opens a table of vectors in NumPy's format (versions 1 to 3), 2-d, row by row, float32 (also
 * float64 and float16, converted) of either byte order. Only the header is read; its claims are checked against the
 * file's size before anything is allocated. Rows are checked when they are first read.
 * @param named for messages: what the file stands for, and the file that errors are about; default: the file itself
 * @throws BackcompatError `not-found`; `bad-file` (magic, header, truncated); `bad-data` (type or shape
 *   that is not a table of vectors)
 */
export async function openNpy(file: string, named: { label?: string; source?: string } = {}): Promise<VectorSource> {
  const { label = file, source = file } = named;
  const { handle, size } = await openFile(file, 'The vector file');
  try {
    const header = await readNpyHeader(file, size, (into, position) => readFully(handle, into, position));
    if (header.fortranOrder) {
      throw new BackcompatError('bad-data', `${label} is stored column by column (fortran_order).`, {
        place: { file },
        remedy: 'Save np.ascontiguousarray(vectors).',
      });
    }
    const table = tableOf(file, header, size, label);
    return rawSource({ ...table, file: source, label, handle, offset: header.dataOffset }, () => handle.close());
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
  label = file,
): Promise<NpyHeader> {
  const head = Buffer.alloc(12);
  if (size < 10 || !(await read(head.subarray(0, Math.min(12, size)), 0)) || !head.subarray(0, 6).equals(NPY_MAGIC)) {
    throw new BackcompatError('bad-file', `${label} is not an npy file: it does not begin with its magic.`, {
      place: { file },
      remedy: EXPORT_REMEDY,
    });
  }
  const version = head[6] as number;
  if (version < 1 || version > 3) {
    throw new BackcompatError('bad-file', `${label} is npy version ${version}; versions 1 to 3 are read.`, {
      place: { file },
      remedy: EXPORT_REMEDY,
    });
  }
  const start = version === 1 ? 10 : 12;
  const length = version === 1 ? head.readUInt16LE(8) : head.readUInt32LE(8);
  if (length > MAX_HEADER_BYTES) {
    throw new BackcompatError(
      'bad-file',
      `${label} claims a header of ${length} bytes; at most ${MAX_HEADER_BYTES} are read.`,
      {
        place: { file },
        remedy: EXPORT_REMEDY,
      },
    );
  }
  if (start + length > size)
    throw truncated(file, `its header of ${length} bytes goes beyond its ${size} bytes`, label);
  const bytes = Buffer.alloc(length);
  await read(bytes, start);
  const header = parseHeader(bytes.toString(version === 3 ? 'utf8' : 'latin1'));
  if (header === null) {
    throw new BackcompatError('bad-file', `${label} has an npy header that cannot be understood.`, {
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

/**
 * What a header says about a table of vectors, held against the bytes that are there.
 * @param size of the header and all values
 * @throws BackcompatError `bad-data` (type, shape), `bad-file` (truncated, too long)
 */
export function tableOf(
  file: string,
  header: NpyHeader,
  size: number,
  label = file,
): Pick<RawTable, 'type' | 'bigEndian' | 'count' | 'dimension'> {
  const { shape } = header;
  const refuse = (message: string, remedy = EXPORT_REMEDY): BackcompatError =>
    new BackcompatError('bad-data', message, { place: { file }, remedy });
  const type = npyFloatType(header.type);
  if (type === null) throw refuse(`${label} holds ${typeWords(header.type)}, not float32 vectors.`);
  if (shape.length !== 2) {
    throw refuse(
      `${label} has ${shape.length} dimension${shape.length === 1 ? '' : 's'} (${shape.join(' x ') || 'a single value'}); a table of vectors has two: items x dimension.`,
      'Reshape it to (items, dimension) before saving it.',
    );
  }
  const [count, dimension] = shape as [number, number];
  if (count === 0 || dimension === 0) throw refuse(`${label} holds no vectors: its shape is ${count} x ${dimension}.`);
  checkNpySize(file, header, floatBytes[type], size, label);
  return { type, bigEndian: header.type.startsWith('>'), count, dimension };
}

/** @throws BackcompatError `bad-file` when the values of the shape are not exactly those that are there */
export function checkNpySize(file: string, header: NpyHeader, itemBytes: number, size: number, label = file): void {
  const shape = header.shape.join(' x ') || '1';
  const claimed = header.shape.reduce((product, length) => product * length, itemBytes);
  const held = size - header.dataOffset;
  // Products beyond 2^53 are inexact, but far beyond any file.
  if (claimed > held) {
    throw truncated(
      file,
      `its header claims ${shape} values (${claimed} bytes), the file holds ${held} bytes of them`,
      label,
    );
  }
  if (claimed < held) {
    throw new BackcompatError(
      'bad-file',
      `${label} holds ${held - claimed} bytes more than the ${shape} values that its header claims.`,
      { place: { file }, remedy: 'Save one array a file.' },
    );
  }
}

function npyFloatType(type: string): FloatType | null {
  const bytes = /^[<>=]f([248])$/.exec(type)?.[1];
  return bytes === undefined ? null : ({ '2': 'float16', '4': 'float32', '8': 'float64' } as const)[bytes as '2'];
}

/** A dtype in words. */
export function typeWords(type: string): string {
  if (/^[|<>=]?O/.test(type)) return 'Python objects (dtype object)';
  if (/^[|<>=]?[iub]/.test(type)) return `integers or booleans (dtype ${type})`;
  if (/^[|<>=]?c/.test(type)) return `complex numbers (dtype ${type})`;
  if (/^[|<>=]?[SUa]/.test(type)) return `text (dtype ${type})`;
  return `values of dtype ${type}`;
}

function truncated(file: string, what: string, label = file): BackcompatError {
  return new BackcompatError('bad-file', `${label} is truncated: ${what}.`, {
    place: { file },
    remedy: 'Copy or export it again.',
  });
}

export interface NpyWriter {
  /** Appends rows (row-major, a whole number of them). */
  write(rows: Float32Array): Promise<void>;
  /** Makes the file appear under its name, complete. @throws when fewer or more rows came than announced */
  finish(): Promise<void>;
  /** Removes what was written. Idempotent; after `finish` it does nothing. */
  abort(): Promise<void>;
}

/**
 * Writes a float32 table row by row; the file appears under its name only when it is complete (and flushed).
 * @param count rows to come; null: as many as come
 */
export async function createNpyWriter(file: string, count: number | null, dimension: number): Promise<NpyWriter> {
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
  await guarded(() => handle.writeFile(npyHeader(count ?? 0, dimension)));
  return {
    write: (rows) =>
      guarded(async () => {
        values += rows.length;
        await handle.writeFile(new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength));
      }),
    finish: () =>
      guarded(async () => {
        if (count === null) {
          // Of the same length: a header is padded for counts of up to 30 digits.
          const header = npyHeader(values / dimension, dimension);
          await handle.write(header, 0, header.length, 0);
        } else if (values !== count * dimension) {
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
    const rowsPerBlock = Math.max(1, Math.floor(BLOCK_VALUES / source.dimension));
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
