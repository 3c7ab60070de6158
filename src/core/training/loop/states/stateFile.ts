import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { BackcompatError } from '../../../contract/errors.ts';
import { writeAtomic } from '../../../runs/atomicFile.ts';
import type { TrainerState } from '../../trainer.ts';

/**
 * One state of a training as a file: magic, length of the header (8 bytes, little-endian), header (JSON), tensors
 * (float32, little-endian, in the header's order), SHA-256 of everything before.
 */
const MAGIC = Buffer.from('BCSTATE1');
const CHECKSUM_BYTES = 32;
/** A header holds names, shapes and figures of epochs; anything larger is no file of ours. */
const MAX_HEADER_BYTES = 256 * 2 ** 20;

/** What is kept of a training: the trainer's tensors and whatever else the loop must know again. */
export interface SavedState<Extra> {
  trainer: TrainerState;
  /** Plain JSON. */
  extra: Extra;
}

interface Header {
  /** What the training depends on, as a hash: a state of another training is never taken for one of this. */
  identity: string;
  step: number;
  tensors: { name: string; shape: readonly number[] }[];
  extra: unknown;
}

/** Writes a whole state or nothing. @throws what the file system says */
export async function writeState<Extra>(file: string, identity: string, state: SavedState<Extra>): Promise<void> {
  const entries = Object.entries(state.trainer.tensors);
  const header: Header = {
    identity,
    step: state.trainer.step,
    tensors: entries.map(([name, { shape }]) => ({ name, shape })),
    extra: state.extra,
  };
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await writeAtomic(file, async (handle) => {
    const hash = createHash('sha256');
    const pieces = [MAGIC, length, text, ...entries.map(([, { data }]) => bytesOf(data))];
    for (const piece of pieces) {
      hash.update(piece);
      await writeFully(handle, piece);
    }
    await writeFully(handle, hash.digest());
  });
}

/**
 * Reads a state back.
 * @returns also the identity that it was written with
 * @throws BackcompatError `bad-file` for one that is damaged or cut short
 */
export async function readState<Extra>(file: string): Promise<{ identity: string; state: SavedState<Extra> }> {
  const damaged = (problem: string): BackcompatError =>
    new BackcompatError('bad-file', `The state ${file} is damaged: ${problem}.`, {
      place: { file },
      remedy: 'Start the training again.',
    });
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const hash = createHash('sha256');
    let position = 0;
    const read = async (bytes: Uint8Array): Promise<void> => {
      if (position + bytes.length > size) throw damaged('it ends early');
      await readFully(handle, bytes, position);
      position += bytes.length;
    };
    const start = Buffer.alloc(MAGIC.length + 8);
    await read(start);
    if (!start.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged('it does not begin as one');
    hash.update(start);
    const length = Number(start.readBigUInt64LE(MAGIC.length));
    if (length > Math.min(MAX_HEADER_BYTES, size)) throw damaged(`its header claims ${length} bytes`);
    const text = Buffer.alloc(length);
    await read(text);
    hash.update(text);
    const header = parseHeader(text.toString('utf8'));
    if (header === null) throw damaged('its header cannot be read');
    const counts = header.tensors.map(({ shape }) => shape.reduce((product, axis) => product * axis, 1));
    const total = counts.reduce((sum, count) => sum + 4 * count, 0);
    if (position + total + CHECKSUM_BYTES !== size) {
      throw damaged(`it has ${size} bytes where its header asks for ${position + total + CHECKSUM_BYTES}`);
    }
    const tensors: [string, { shape: readonly number[]; data: Float32Array }][] = [];
    for (const [index, { name, shape }] of header.tensors.entries()) {
      const data = new Float32Array(counts[index] as number);
      await read(bytesOf(data));
      hash.update(bytesOf(data));
      tensors.push([name, { shape, data }]);
    }
    const checksum = Buffer.alloc(CHECKSUM_BYTES);
    await read(checksum);
    if (!hash.digest().equals(checksum)) throw damaged('its checksum is wrong');
    const trainer = { step: header.step, tensors: Object.fromEntries(tensors) };
    return { identity: header.identity, state: { trainer, extra: header.extra as Extra } };
  } finally {
    await handle.close();
  }
}

function parseHeader(text: string): Header | null {
  try {
    const header = JSON.parse(text) as Partial<Header> | null;
    const { identity, step, tensors } = header ?? {};
    if (typeof identity !== 'string' || !Number.isSafeInteger(step) || !Array.isArray(tensors)) return null;
    const areWhole = tensors.every(
      ({ name, shape }) =>
        typeof name === 'string' &&
        Array.isArray(shape) &&
        shape.every((axis) => Number.isSafeInteger(axis) && (axis as number) >= 0),
    );
    return areWhole ? (header as Header) : null;
  } catch {
    return null;
  }
}

function bytesOf(data: Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, offset, Math.min(2 ** 28, bytes.length - offset));
    offset += bytesWritten;
  }
}

async function readFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    const wanted = Math.min(2 ** 28, bytes.length - offset);
    const { bytesRead } = await handle.read(bytes, offset, wanted, position + offset);
    if (bytesRead === 0) throw new BackcompatError('bad-file', 'A state became shorter while it was read.');
    offset += bytesRead;
  }
}
