import { BackcompatError } from '../contract/errors.ts';
import { writeFileAtomic } from '../runs/atomicFile.ts';
import { openFile, readFully } from './files.ts';
import { decodeFloats, type FloatType, floatBytes, type RawTable } from './rawTable.ts';
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
  return (await readSafetensors(file)).tensors;
}

/**
 * The same, and what the file says about itself (`__metadata__`; texts by name).
 * @param what for messages: "The head"
 */
export async function readSafetensors(
  file: string,
  what = 'The vector file',
): Promise<{ tensors: Tensor[]; metadata: Record<string, string> }> {
  const { handle, size } = await openFile(file, what);
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
    const said = Object.entries((header as { __metadata__?: object }).__metadata__ ?? {});
    const metadata = Object.fromEntries(said.filter(([, value]) => typeof value === 'string'));
    const tensors = Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(([name, entry]) => {
        const tensor = tensorOf(name, entry, start, size);
        if (typeof tensor === 'string') throw refuse(`its array ${JSON.stringify(name)} ${tensor}`);
        return tensor;
      });
    return { tensors, metadata };
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

/** The values of a tensor of floating-point numbers, whatever its shape, as float32. */
export async function readTensorValues(file: string, tensor: Tensor): Promise<Float32Array> {
  const type = floatTypes[tensor.dtype];
  if (type === undefined) {
    throw new BackcompatError(
      'bad-data',
      `${file}: the array ${JSON.stringify(tensor.name)} holds ${tensor.dtype}, not floating-point numbers.`,
      { place: { file, field: tensor.name }, remedy: 'Save it as float32.' },
    );
  }
  const values = new Float32Array(tensor.shape.reduce((product, length) => product * length, 1));
  const bytes = new Uint8Array(values.length * floatBytes[type]);
  const { handle } = await openFile(file, 'The file');
  try {
    if (!(await readFully(handle, bytes, tensor.offset))) {
      throw new BackcompatError('bad-file', `${file} became shorter while it was read.`, {
        place: { file },
        remedy: EXPORT_REMEDY,
      });
    }
  } finally {
    await handle.close();
  }
  decodeFloats(bytes, type, values);
  return values;
}

/** Writes float32 arrays, in that order, and texts about them. The file appears complete or not at all. */
export async function writeSafetensors(
  file: string,
  tensors: Readonly<Record<string, { shape: readonly number[]; data: Float32Array }>>,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  // Padded with blanks, so that values begin at a multiple of 8 bytes, as the format's own writer does.
  const padded = Buffer.concat([text, Buffer.alloc(-text.length & 7, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const values = Object.values(tensors).map(
    ({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  );
  await writeFileAtomic(file, Buffer.concat([length, padded, ...values]));
}
