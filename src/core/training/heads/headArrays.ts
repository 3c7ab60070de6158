import { openFile } from '../../data/files.ts';
import { memberBytes, memberInfo, readMembers } from '../../data/npz.ts';
import { decodeFloats, type FloatType, floatBytes } from '../../data/rawTable.ts';
import { readSafetensors, readTensorValues } from '../../data/safetensors.ts';
import { openVectors, vectorFormatOf } from '../../data/vectorTable.ts';

/** A classifier as other tools store it. */
export interface HeadArrays {
  /** First and second axis of the array of rows. */
  shape: readonly [number, number];
  rows: Float32Array;
  /** The 1-d array that goes with it, where there is one. */
  bias: Float32Array | null;
}

/**
 * Reads the rows (and bias) of a classifier from safetensors, npy, npz or any other table of vectors. Of safetensors and npz the
 * bias is the array called as the rows with `bias` in the place of `weight`, or `bias` alone.
 * @param array that holds the rows; null: the only table of vectors in the file
 * @throws BackcompatError as `openVectors`
 */
export async function readHeadArrays(
  file: string,
  array: string | null,
  options: { cacheFolder: string; signal?: AbortSignal },
): Promise<HeadArrays> {
  // For "The head ... does not exist", before anything calls it a file of vectors.
  await (await openFile(file, 'The head')).handle.close();
  const source = await openVectors(file, { ...options, array });
  try {
    const rows = new Float32Array(source.count * source.dimension);
    await source.read(0, source.count, rows);
    return { shape: [source.count, source.dimension], rows, bias: await readBias(file, array) };
  } finally {
    await source.close();
  }
}

async function readBias(file: string, array: string | null): Promise<Float32Array | null> {
  const format = await vectorFormatOf(file);
  if (format === 'safetensors') {
    const { tensors } = await readSafetensors(file);
    const rows = array ?? tensors.find(({ isVectors }) => isVectors)?.name ?? '';
    const found = tensors.find(({ name, shape }) => shape.length === 1 && isBiasOf(name, rows));
    return found ? readTensorValues(file, found) : null;
  }
  if (format !== 'npz') return null;
  const members = await readMembers(file);
  const rows = array ?? members.find((member) => memberInfo(member).isVectors)?.name ?? '';
  const found = members.find(({ name, header }) => header.shape.length === 1 && isBiasOf(name, rows));
  const type = found && memberInfo(found).type;
  if (found === undefined || !(type !== undefined && type in floatBytes)) return null;
  const width = floatBytes[type as FloatType];
  const values = new Float32Array(found.header.shape[0] as number);
  let at = 0;
  for await (const bytes of memberBytes(file, found, width)) {
    const part = values.subarray(at, at + Math.floor(bytes.length / width));
    decodeFloats(bytes, type as FloatType, part, found.header.type.startsWith('>'));
    at += part.length;
  }
  return values;
}

function isBiasOf(name: string, rows: string): boolean {
  return name === 'bias' || (/weight/.test(rows) && name === rows.replace(/weight(?!.*weight)/, 'bias'));
}
