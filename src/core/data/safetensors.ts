import { BackcompatError } from '../contract/errors.ts';
import { openFile, readFully } from './files.ts';
import type { FloatType, RawTable } from './rawTable.ts';
import type { ArrayInfo } from './vectorArray.ts';

/** The format's own limit: https://github.com/huggingface/safetensors. */
const MAX_HEADER_BYTES = 100_000_000;

const EXPORT_REMEDY = 'Copy or export it again.';

const floatTypes: Record<string, FloatType> = { F16: 'float16', BF16: 'bfloat16', F32: 'float32', F64: 'float64' };

const itemBytes: Record<string, number> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
};

/** An array of the file. */
export interface Tensor extends ArrayInfo {
  /** As written: "F32". */
  dtype: string;
  /** Place of its values in the file. */
  offset: number;
}

/**
 * The arrays of a safetensors file, their claims held against its size.
 * @throws BackcompatError `not-found`, `bad-file`
 */
export async function readTensors(file: string): Promise<Tensor[]> {
  const { handle, size } = await openFile(file, 'The vector file');
  try {
    const refuse = (problem: string, cause?: unknown): BackcompatError =>
      new BackcompatError('bad-file', `${file} is not a whole safetensors file: ${problem}.`, {
        place: { file },
        remedy: EXPORT_REMEDY,
        cause,
      });
    const head = Buffer.alloc(8);
    if (size < 10 || !(await readFully(handle, head, 0))) throw refuse('it is too short');
    const length = Number(head.readBigUInt64LE(0));
    if (length > MAX_HEADER_BYTES) throw refuse(`it claims a header of ${length} bytes`);
    if (8 + length > size) throw refuse(`its header of ${length} bytes goes beyond its ${size} bytes`);
    const text = Buffer.alloc(length);
    await readFully(handle, text, 8);
    let header: unknown;
    try {
      header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
    } catch (cause) {
      throw refuse('its header is not JSON', cause);
    }
    if (typeof header !== 'object' || header === null || Array.isArray(header)) throw refuse('its header is no object');
    const start = 8 + length;
    return Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(([name, entry]) => {
        const tensor = tensorOf(name, entry, start, size);
        if (typeof tensor === 'string') throw refuse(`its array ${JSON.stringify(name)} ${tensor}`);
        return tensor;
      });
  } finally {
    await handle.close();
  }
}

/** The array, or what is wrong with it. */
function tensorOf(name: string, entry: unknown, start: number, size: number): Tensor | string {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  if (typeof dtype !== 'string') return 'has no dtype';
  if (!isCounts(shape)) return 'has no shape';
  if (!isCounts(offsets) || offsets.length !== 2) return 'has no place';
  const [from, to] = offsets as [number, number];
  if (from > to || start + to > size) return `lies at ${from} to ${to} of ${size - start} bytes`;
  const bytes = itemBytes[dtype];
  const claimed = shape.reduce((product, length) => product * length, bytes ?? 0);
  if (bytes !== undefined && claimed !== to - from) {
    return `claims ${shape.join(' x ')} values (${claimed} bytes) in ${to - from} bytes`;
  }
  const type = floatTypes[dtype];
  const isVectors = type !== undefined && shape.length === 2 && shape.every((length) => length > 0);
  return { name, type: type ?? dtype.toLowerCase(), shape, isVectors, dtype, offset: start + from };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && entry >= 0);
}

/** How the values of a table of vectors lie. */
export function tensorTable(tensor: Tensor): Pick<RawTable, 'type' | 'bigEndian' | 'count' | 'dimension' | 'offset'> {
  const [count, dimension] = tensor.shape as [number, number];
  return { type: floatTypes[tensor.dtype] as FloatType, bigEndian: false, count, dimension, offset: tensor.offset };
}
