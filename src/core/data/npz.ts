import type { Readable } from 'node:stream';
import yauzl from 'yauzl';
import { BackcompatError } from '../contract/errors.ts';
import { type NpyHeader, readNpyHeader, typeWords } from './npy.ts';
import type { ArrayInfo } from './vectorArray.ts';

/** An archive of arrays has a handful; each costs a look. */
const MAX_MEMBERS = 1000;

/** The longest header of an npy with what stands before it. */
const HEAD_BYTES = 65_536 + 12;

/** An array of the archive. */
export interface Member {
  /** Without `.npy`. */
  name: string;
  /** With the header. */
  bytes: number;
  packedBytes: number;
  header: NpyHeader;
  /** Place of the npy in the archive when it is stored as it is; null when it is packed. */
  storedAt: number | null;
}

/**
 * The arrays of an npz archive (a zip of npy files). Of packed ones only the beginning is unpacked.
 * @throws BackcompatError `bad-file` (no zip, damaged, encrypted, too many members, a member that is no npy)
 */
export async function readMembers(file: string): Promise<Member[]> {
  return withZip(file, async (zip, entries) => {
    if (entries.length > MAX_MEMBERS) {
      throw new BackcompatError('bad-file', `${file} has ${entries.length} members; at most ${MAX_MEMBERS} are read.`, {
        place: { file },
        remedy: 'Save the vectors in an archive of their own.',
      });
    }
    const members: Member[] = [];
    for (const entry of entries) {
      if (!entry.fileName.endsWith('.npy')) continue;
      if (!entry.canDecodeFileData()) {
        throw new BackcompatError(
          'bad-file',
          `${file}: its member ${JSON.stringify(entry.fileName)} is encrypted, or packed in a way that is not read.`,
          {
            place: { file },
            remedy: 'Save it with np.savez or np.savez_compressed.',
          },
        );
      }
      members.push(await memberOf(file, zip, entry));
    }
    if (members.length > 0) return members;
    throw new BackcompatError('bad-file', `${file} is a zip archive without npy arrays.`, {
      place: { file },
      remedy:
        'Save arrays with np.savez; a PyTorch checkpoint holds a model, which is exported with torch.onnx.export.',
    });
  });
}

/** What the header of a member says. */
export function memberInfo({ name, header }: Member): ArrayInfo {
  const { type, shape } = header;
  const float = /^[<>=]f([248])$/.exec(type)?.[1];
  const isVectors = float !== undefined && shape.length === 2 && shape.every((length) => length > 0);
  return { name, type: float === undefined ? typeWords(type) : `float${8 * Number(float)}`, shape, isVectors };
}

async function memberOf(file: string, zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Member> {
  const name = entry.fileName.replace(/\.npy$/, '');
  const head = await headOf(zip, entry);
  const read = async (into: Uint8Array, position: number): Promise<boolean> => {
    if (position + into.length > head.length) return false;
    into.set(head.subarray(position, position + into.length));
    return true;
  };
  const header = await readNpyHeader(file, Math.min(entry.uncompressedSize, head.length), read, `${file}#${name}`);
  const isStored = entry.compressionMethod === 0;
  const storedAt = isStored ? (await zip.readLocalFileHeaderPromise(entry, { minimal: true })).fileDataStart : null;
  return { name, bytes: entry.uncompressedSize, packedBytes: entry.compressedSize, header, storedAt };
}

async function headOf(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Buffer> {
  const stream = await zip.openReadStreamPromise(entry);
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream) {
      chunks.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (length >= HEAD_BYTES) break;
    }
  } finally {
    stream.destroy();
  }
  return Buffer.concat(chunks);
}

/**
 * The values of a member, from the first to the last, in pieces of whole items (the last may be cut).
 * @param itemBytes bytes of what must not be cut: a row
 * @throws BackcompatError `bad-file` when the member unpacks to more or less than it claims
 */
export async function* memberBytes(file: string, member: Member, itemBytes: number): AsyncGenerator<Uint8Array> {
  const pieceBytes = itemBytes * Math.max(1, Math.floor(2 ** 22 / itemBytes));
  let stream: Readable | null = null;
  const zip = await openZip(file);
  try {
    const entry = (await entriesOf(zip)).find(({ fileName }) => fileName.replace(/\.npy$/, '') === member.name);
    if (entry === undefined) throw new Error(`its member ${JSON.stringify(member.name)} is gone`);
    stream = await zip.openReadStreamPromise(entry);
    let skip = member.header.dataOffset;
    let piece = Buffer.alloc(pieceBytes);
    let filled = 0;
    for await (const given of stream) {
      let chunk = given as Buffer;
      const skipped = Math.min(skip, chunk.length);
      skip -= skipped;
      chunk = chunk.subarray(skipped);
      while (chunk.length > 0) {
        const taken = chunk.copy(piece, filled);
        filled += taken;
        chunk = chunk.subarray(taken);
        if (filled < pieceBytes) continue;
        yield piece;
        piece = Buffer.alloc(pieceBytes);
        filled = 0;
      }
    }
    if (filled > 0) yield piece.subarray(0, filled);
  } catch (cause) {
    throw zipError(file, cause);
  } finally {
    stream?.destroy();
    zip.close();
  }
}

async function withZip<T>(file: string, work: (zip: yauzl.ZipFile, entries: yauzl.Entry[]) => Promise<T>): Promise<T> {
  const zip = await openZip(file);
  try {
    return await work(zip, await entriesOf(zip));
  } catch (cause) {
    throw zipError(file, cause);
  } finally {
    zip.close();
  }
}

async function openZip(file: string): Promise<yauzl.ZipFile> {
  try {
    return await yauzl.openPromise(file, { lazyEntries: true, autoClose: false });
  } catch (cause) {
    throw zipError(file, cause);
  }
}

async function entriesOf(zip: yauzl.ZipFile): Promise<yauzl.Entry[]> {
  const entries: yauzl.Entry[] = [];
  for await (const entry of zip.eachEntry()) {
    entries.push(entry);
    // One more than are read: the caller says so.
    if (entries.length > MAX_MEMBERS) break;
  }
  return entries;
}

function zipError(file: string, cause: unknown): BackcompatError {
  if (cause instanceof BackcompatError) return cause;
  const reason = (cause instanceof Error ? cause.message : String(cause)).replace(/\.$/, '');
  return new BackcompatError('bad-file', `${file} is a damaged archive: ${reason}.`, {
    place: { file },
    remedy: 'Copy or export it again.',
    cause,
  });
}
