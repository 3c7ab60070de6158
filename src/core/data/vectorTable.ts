import { stat } from 'node:fs/promises';
import path from 'node:path';
import { BackcompatError } from '../contract/errors.ts';
import { badRowsError, badRowsOf } from './badRows.ts';
import { type ConvertOptions, convertVectors } from './convertVectors.ts';
import { openFile, readFully } from './files.ts';
import { NPY_MAGIC, readNpyHeader, tableOf } from './npy.ts';
import { type Member, memberBytes, memberInfo, readMembers } from './npz.ts';
import { openComponentColumns, openListColumn } from './parquetVectors.ts';
import { columnMajorSource, decodeFloats, floatBytes, type RawTable, rawSource } from './rawTable.ts';
import { type RowFormat, rowFormatOf, rowFormatOfName } from './rowTable.ts';
import { readTensors, type Tensor, tensorTable } from './safetensors.ts';
import { openTextVectors } from './textVectors.ts';
import { type ArrayInfo, pickArray, type VectorStream } from './vectorArray.ts';
import { findVectorColumns, pickVectorColumns, type VectorColumns } from './vectorColumns.ts';
import type { VectorSource } from './vectorSource.ts';

export type VectorFormat = 'npy' | 'npz' | 'safetensors' | RowFormat;

export interface OpenVectorsOptions extends ConvertOptions {
  /** The array of an npz or safetensors file, or the column(s) of a table; needed when there are several candidates. */
  array?: string | null;
  /** Columns of labels and ids under names of their own: no components. */
  except?: readonly string[];
}

/**
 * Opens the vectors of a file, whatever its format: npy, npz, safetensors, Parquet, CSV, TSV, JSON Lines; float16, bfloat16, float32
 * and float64, as float32. npy, safetensors and stored members of npz are read in place; the others (and what is stored
 * column by column) are converted once, streaming, into the cache. Rows are checked when they are first read.
 * @throws BackcompatError `not-found`; `bad-file` (damaged, truncated, an archive that unpacks beyond its limit);
 *   `bad-data` (no vectors, several arrays and none chosen, ragged or missing rows), with file and row
 */
export async function openVectors(file: string, options: OpenVectorsOptions): Promise<VectorSource> {
  const found = await locate(file, options);
  if (found.kind === 'direct') return found.source;
  try {
    return await convertVectors(file, found.key, found.label, found.stream, options);
  } finally {
    await found.stream.close();
  }
}

export interface VectorSample {
  /** Null where only a reading of the whole file tells. */
  count: number | null;
  dimension: number;
  /** The first rows. */
  values: Float32Array;
}

/**
 * The first rows of a file of vectors, without converting it.
 * @param rows how many to look at, at most
 * @throws BackcompatError as `openVectors`; `bad-data` for NaN, infinite or zero rows among the first
 */
export async function sampleVectors(
  file: string,
  rows: number,
  options: Pick<OpenVectorsOptions, 'array' | 'except'> = {},
): Promise<VectorSample> {
  const found = await locate(file, options);
  if (found.kind === 'direct') {
    const { source } = found;
    const { dimension } = source;
    const count = Math.min(rows, source.count);
    const values = new Float32Array(count * dimension);
    try {
      await source.read(0, count, values);
    } finally {
      await source.close();
    }
    return { count: source.count, dimension, values };
  }
  const { stream, label } = found;
  try {
    for await (const { values, dimension } of stream.blocks()) {
      const first = values.subarray(0, rows * dimension);
      const bad = badRowsOf(first, dimension, 0, first.length / dimension);
      if (bad.total > 0) throw badRowsError(file, bad, bad.total, label);
      return { count: stream.count, dimension, values: first };
    }
  } finally {
    await stream.close();
  }
  throw new BackcompatError('bad-data', `${label} holds no vectors.`, { place: { file } });
}

type Located =
  | { kind: 'direct'; source: VectorSource }
  /** `key`: what is read from the file, for the cache. */
  | { kind: 'stream'; key: string; label: string; stream: VectorStream };

async function locate(file: string, options: Pick<OpenVectorsOptions, 'array' | 'except'>): Promise<Located> {
  const format = await vectorFormatOf(file);
  const wanted = options.array ?? null;
  if (format === 'npy') return locateNpy(file, wanted);
  if (format === 'npz') return locateMember(file, wanted);
  if (format === 'safetensors') return locateTensor(file, wanted);
  const columns = pickVectorColumns(file, await findVectorColumns(file, format, options.except), wanted);
  return {
    kind: 'stream',
    key: JSON.stringify(columns),
    label: file,
    stream: await openColumns(file, format, columns),
  };
}

/**
 * `file` or `file#array`, as the command line writes it. A file whose own name has a `#` is taken as it is; when
 * there is no such file either way, the error of opening it should show the whole name.
 */
export async function splitArrayName(reference: string): Promise<{ file: string; array: string | null }> {
  const hash = reference.lastIndexOf('#');
  const whole = { file: reference, array: null };
  if (hash <= 0 || (await isFile(reference))) return whole;
  const file = reference.slice(0, hash);
  return (await isFile(file)) ? { file, array: reference.slice(hash + 1) } : whole;
}

async function isFile(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

/**
 * The format by the first bytes and the name.
 * @throws BackcompatError `not-found`; `bad-file` for what is no table of vectors
 */
export async function vectorFormatOf(file: string): Promise<VectorFormat> {
  const { handle, size } = await openFile(file, 'The vector file');
  const head = Buffer.alloc(Math.min(size, 4096));
  try {
    await readFully(handle, head, 0);
  } finally {
    await handle.close();
  }
  const extension = path.extname(file).toLowerCase();
  if (head.subarray(0, 6).equals(NPY_MAGIC) || extension === '.npy') return 'npy';
  if (head.subarray(0, 4).toString('latin1') === 'PK\x03\x04' || extension === '.npz') return 'npz';
  if (isSafetensors(head, size) || extension === '.safetensors') return 'safetensors';
  if (rowFormatOfName(file) === null && head.includes(0) && !head.subarray(0, 4).equals(Buffer.from('PAR1'))) {
    throw new BackcompatError('bad-file', `${file} is not a table of vectors that can be read.`, {
      place: { file },
      remedy: 'Readable are npy, npz, safetensors, Parquet, CSV, TSV and JSON Lines.',
    });
  }
  return rowFormatOf(file, 'The vector file');
}

/** Eight bytes of header length, then JSON. */
export function isSafetensors(head: Buffer, size: number): boolean {
  if (head.length < 10) return false;
  const length = head.readBigUInt64LE(0);
  return length > 1n && length < BigInt(size) && head[8] === 0x7b && (head[9] === 0x22 || head[9] === 0x7d);
}

async function locateNpy(file: string, wanted: string | null): Promise<Located> {
  if (wanted !== null) {
    throw new BackcompatError('bad-data', `${file} is one npy array, which has no name: ${JSON.stringify(wanted)}.`, {
      place: { file, field: wanted },
      remedy: 'Leave the name of the array out.',
    });
  }
  const { handle, size } = await openFile(file, 'The vector file');
  try {
    const header = await readNpyHeader(file, size, (into, position) => readFully(handle, into, position));
    const table = { ...tableOf(file, header, size), file, label: file, handle, offset: header.dataOffset };
    return locateRaw(table, header.fortranOrder, '');
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Values in a file, in either order. */
function locateRaw(table: RawTable, isColumnMajor: boolean, key: string): Located {
  const close = (): Promise<void> => table.handle.close();
  if (!isColumnMajor) return { kind: 'direct', source: rawSource(table, close) };
  const source = columnMajorSource(table, close);
  const { count, dimension } = source;
  const rowsPerBlock = Math.max(1, Math.floor(2 ** 22 / dimension));
  const stream: VectorStream = {
    count,
    dimension,
    async *blocks() {
      for (let start = 0; start < count; start += rowsPerBlock) {
        const rows = Math.min(rowsPerBlock, count - start);
        const values = new Float32Array(rows * dimension);
        await source.read(start, rows, values);
        yield { values, dimension };
      }
    },
    close: () => source.close(),
  };
  return { kind: 'stream', key, label: table.label, stream };
}

async function locateTensor(file: string, wanted: string | null): Promise<Located> {
  const tensors = await readTensors(file);
  const picked = pickArray(file, tensors, wanted);
  const tensor = tensors.find((candidate) => candidate === picked) as Tensor;
  const { handle } = await openFile(file, 'The vector file');
  return locateRaw({ ...tensorTable(tensor), file, label: labelOf(file, tensors, picked), handle }, false, tensor.name);
}

/** The file alone says enough where it holds one array. */
function labelOf(file: string, arrays: readonly ArrayInfo[], picked: ArrayInfo): string {
  return arrays.length === 1 ? file : `${file}#${picked.name}`;
}

async function locateMember(file: string, wanted: string | null): Promise<Located> {
  const members = await readMembers(file);
  const arrays = members.map(memberInfo);
  const [alone] = members;
  // The reason why the one array is no table of vectors says more than that there is none.
  if (alone && members.length === 1) tableOf(file, alone.header, alone.bytes, `${file}#${alone.name}`);
  const picked = pickArray(file, arrays, wanted);
  const member = members[arrays.indexOf(picked)] as Member;
  const label = labelOf(file, arrays, picked);
  const table = tableOf(file, member.header, member.bytes, label);
  if (member.storedAt !== null) {
    const { handle } = await openFile(file, 'The vector file');
    const raw = { ...table, file, label, handle, offset: member.storedAt + member.header.dataOffset };
    return locateRaw(raw, member.header.fortranOrder, member.name);
  }
  if (member.header.fortranOrder) {
    throw new BackcompatError('bad-data', `${label} is packed and stored column by column (fortran_order).`, {
      place: { file },
      remedy: 'Save np.ascontiguousarray(vectors), or save it without compression (np.savez).',
    });
  }
  const { type, bigEndian, count, dimension } = table;
  const rowBytes = dimension * floatBytes[type];
  const stream: VectorStream = {
    count,
    dimension,
    async *blocks() {
      for await (const bytes of memberBytes(file, member, rowBytes)) {
        const values = new Float32Array(Math.floor(bytes.length / rowBytes) * dimension);
        decodeFloats(bytes, type, values, bigEndian);
        yield { values, dimension };
      }
    },
    async close() {},
  };
  return { kind: 'stream', key: member.name, label, stream };
}

function openColumns(file: string, format: RowFormat, columns: VectorColumns): Promise<VectorStream> | VectorStream {
  if (format !== 'parquet') return openTextVectors(file, columns);
  return columns.kind === 'list'
    ? openListColumn(file, columns.columns[0] as string)
    : openComponentColumns(file, columns.columns);
}
