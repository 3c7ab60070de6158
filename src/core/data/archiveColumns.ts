import { BackcompatError } from '../contract/errors.ts';
import { openFile, readFully } from './files.ts';
import { checkNpySize } from './npy.ts';
import { type Member, memberBytes, memberInfo, readMembers } from './npz.ts';
import { readTensors, type Tensor } from './safetensors.ts';
import type { ArrayInfo } from './vectorArray.ts';

/** Ids of 100 characters of a million items; they are held in memory. */
const MAX_COLUMN_BYTES = 2 ** 29;

/** Packed texts may repeat much, but not as zeros do. */
const MAX_EXPANSION = 1000;

export interface ArchiveColumns {
  arrays: readonly ArrayInfo[];
  /** The values of an array of one dimension, as text. @throws BackcompatError `bad-data` for a type that is no text and no integer */
  read(name: string): Promise<string[]>;
}

/** Arrays of an npz or safetensors file that hold one value an item. */
export async function archiveColumns(file: string, format: 'npz' | 'safetensors'): Promise<ArchiveColumns> {
  if (format === 'npz') {
    const members = await readMembers(file);
    return {
      arrays: members.map(memberInfo),
      read: (name) => readMember(file, members.find((member) => member.name === name) as Member),
    };
  }
  const tensors = await readTensors(file);
  return {
    arrays: tensors,
    read: (name) => readTensor(file, tensors.find((tensor) => tensor.name === name) as Tensor),
  };
}

async function readMember(file: string, member: Member): Promise<string[]> {
  const { name, header, bytes, packedBytes } = member;
  const count = header.shape[0] as number;
  const type = valueType(header.type);
  if (type === null) throw noText(file, name, header.type);
  checkNpySize(file, header, type.bytes, bytes, `${file}#${name}`);
  refuseLarge(file, name, bytes);
  if (bytes > 2 ** 20 && bytes > MAX_EXPANSION * packedBytes) {
    throw new BackcompatError('bad-file', `${file}#${name} unpacks to more than ${MAX_EXPANSION} times its size.`, {
      place: { file },
      remedy: 'Save it without compression.',
    });
  }
  const values: string[] = [];
  for await (const piece of memberBytes(file, member, type.bytes)) {
    for (let at = 0; at + type.bytes <= piece.length; at += type.bytes) {
      values.push(type.text(Buffer.from(piece.buffer, piece.byteOffset + at, type.bytes)));
    }
  }
  if (values.length !== count) throw noText(file, name, `${header.type}, ${values.length} of ${count} values`);
  return values;
}

async function readTensor(file: string, tensor: Tensor): Promise<string[]> {
  const { name, dtype, offset } = tensor;
  const numpy = /^([IU])(8|16|32|64)$/.exec(dtype);
  const type =
    dtype === 'BOOL' ? valueType('|b1') : numpy && valueType(`<${numpy[1]?.toLowerCase()}${Number(numpy[2]) / 8}`);
  if (!type) throw noText(file, name, dtype);
  const count = tensor.shape[0] as number;
  refuseLarge(file, name, count * type.bytes);
  const bytes = Buffer.alloc(count * type.bytes);
  const { handle } = await openFile(file, 'The vector file');
  try {
    if (!(await readFully(handle, bytes, offset))) throw noText(file, name, 'truncated');
  } finally {
    await handle.close();
  }
  return Array.from({ length: count }, (_, item) =>
    type.text(bytes.subarray(item * type.bytes, (item + 1) * type.bytes)),
  );
}

function refuseLarge(file: string, name: string, bytes: number): void {
  if (bytes <= MAX_COLUMN_BYTES) return;
  throw new BackcompatError('bad-file', `${file}#${name} takes ${bytes} bytes; at most ${MAX_COLUMN_BYTES} are read.`, {
    place: { file },
    remedy: 'Give ids and labels in a label file.',
  });
}

function noText(file: string, name: string, type: string): BackcompatError {
  return new BackcompatError('bad-data', `${file}#${name} holds no texts or whole numbers (${type}).`, {
    place: { file, field: name },
    remedy: 'Save ids and labels as arrays of strings or integers.',
  });
}

interface ValueType {
  bytes: number;
  text(value: Buffer): string;
}

/** How a value of a NumPy dtype reads as text; null for objects, floats and the like. */
function valueType(dtype: string): ValueType | null {
  const [, order, kind, size] = /^([<>|=])([USaiub])(\d{1,6})$/.exec(dtype) ?? [];
  if (kind === undefined) return null;
  const length = Number(size);
  const isBig = order === '>';
  if (length === 0) return null;
  if (kind === 'U') return { bytes: 4 * length, text: (value) => fromUtf32(value, isBig) };
  if (kind === 'S' || kind === 'a') return { bytes: length, text: (value) => withoutPadding(value.toString('utf8')) };
  if (![1, 2, 4, 8].includes(length)) return null;
  if (kind === 'b') return { bytes: length, text: (value) => String(value.some((byte) => byte !== 0)) };
  return {
    bytes: length,
    text: (value) => {
      const bytes = isBig ? Buffer.from(value).reverse() : value;
      if (length === 8) return String(kind === 'i' ? bytes.readBigInt64LE() : bytes.readBigUInt64LE());
      return String(kind === 'i' ? bytes.readIntLE(0, length) : bytes.readUIntLE(0, length));
    },
  };
}

function fromUtf32(value: Buffer, isBig: boolean): string {
  let text = '';
  for (let at = 0; at < value.length; at += 4) {
    const point = isBig ? value.readUInt32BE(at) : value.readUInt32LE(at);
    text += point > 0x10ffff ? '\uFFFD' : String.fromCodePoint(point);
  }
  return withoutPadding(text);
}

/** NumPy fills strings up with zeros. */
function withoutPadding(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 0) end--;
  return text.slice(0, end);
}
