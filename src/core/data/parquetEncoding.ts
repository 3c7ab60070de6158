import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { CompressionCodec } from 'hyparquet';
import { compressors, decompressZstd } from 'hyparquet-compressors';

/**
 * Decodes the RLE / bit-packing hybrid of levels and dictionary indices
 * (https://parquet.apache.org/docs/file-format/data-pages/encodings/, RLE = 3) from bytes [start, end): as many values as `into` holds.
 * @throws Error when the bytes end before
 */
export function decodeHybrid(
  bytes: Uint8Array,
  start: number,
  end: number,
  bitWidth: number,
  into: Uint8Array | Uint32Array,
): void {
  if (bitWidth > 32) throw new Error(`values of ${bitWidth} bits`);
  let at = start;
  let done = 0;
  while (done < into.length) {
    let header = 0;
    for (let shift = 0; ; shift += 7) {
      if (at >= end || shift > 28) throw new Error('a run has no header');
      const byte = bytes[at++] as number;
      header += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    const isPacked = header % 2 === 1;
    const run = Math.floor(header / 2);
    const count = Math.min(isPacked ? 8 * run : run, into.length - done);
    const size = isPacked ? Math.ceil((count * bitWidth) / 8) : Math.ceil(bitWidth / 8);
    if (at + size > end) throw new Error('a run goes beyond its page');
    if (isPacked) {
      unpack(bytes, at, bitWidth, into, done, count);
      at += run * bitWidth;
    } else {
      let value = 0;
      for (let i = 0; i < size; i++) value += (bytes[at + i] as number) * 2 ** (8 * i);
      into.fill(value, done, done + count);
      at += size;
    }
    done += count;
  }
}

/** Values of a fixed number of bits, lowest bits first. */
function unpack(
  bytes: Uint8Array,
  start: number,
  bitWidth: number,
  into: Uint8Array | Uint32Array,
  first: number,
  count: number,
): void {
  let at = start;
  let held = 0;
  let bits = 0;
  if (bitWidth <= 24) {
    // At most 31 bits are held.
    const mask = 2 ** bitWidth - 1;
    for (let i = 0; i < count; i++) {
      for (; bits < bitWidth; bits += 8) held |= (bytes[at++] as number) << bits;
      into[first + i] = held & mask;
      held >>>= bitWidth;
      bits -= bitWidth;
    }
    return;
  }
  // Below 2^40: sums and products stay exact in double where 32-bit operators would overflow.
  const limit = 2 ** bitWidth;
  for (let i = 0; i < count; i++) {
    for (; bits < bitWidth; bits += 8) held += (bytes[at++] as number) * 2 ** bits;
    const value = held % limit;
    into[first + i] = value;
    held = (held - value) / limit;
    bits -= bitWidth;
  }
}

/**
 * Unpacks a page. The result never grows beyond `size`, whatever the packed bytes say.
 * @throws Error for another size, damaged bytes or an unknown codec
 */
export function decompressPage(codec: CompressionCodec, packed: Uint8Array, size: number): Uint8Array {
  const page = unpackPage(codec, packed, size);
  if (page.length !== size) throw new Error(`a page claims ${size} bytes and holds ${page.length}`);
  return page;
}

function unpackPage(codec: CompressionCodec, packed: Uint8Array, size: number): Uint8Array {
  if (codec === 'UNCOMPRESSED') return packed;
  if (size === 0) return new Uint8Array(0);
  // Both would allocate what the packed bytes ask for; these stop at a limit.
  if (codec === 'GZIP') return gunzipSync(packed, { maxOutputLength: size });
  if (codec === 'BROTLI') return brotliDecompressSync(packed, { maxOutputLength: size });
  if (codec === 'ZSTD') {
    refuseLargerZstd(packed, size);
    return decompressZstd(packed);
  }
  const unpackOther = compressors[codec];
  if (unpackOther === undefined) throw new Error(`its codec ${codec} is not known`);
  return unpackOther(packed, size);
}

/** A zstd block holds at most so much (RFC 8878, 3.1.1.2.4). */
const ZSTD_BLOCK_BYTES = 2 ** 17;

/** What the reference decoder allows a frame without asking. */
const MAX_ZSTD_WINDOW_LOG = 27;

/**
 * The decoder allocates and works through whatever a frame asks for: a page whose frame says that it is larger than the
 * page, wants a huge window, or has many times the blocks that its size needs, is refused before.
 */
function refuseLargerZstd(packed: Uint8Array, size: number): void {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  if (packed.length < 6 || view.getUint32(0, true) !== 0xfd2fb528) throw new Error('a page is not zstd');
  const descriptor = packed[4] as number;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] as number;
  if (!isSingleSegment && 10 + ((packed[5] as number) >> 3) > MAX_ZSTD_WINDOW_LOG) {
    throw new Error('a zstd frame wants a window of more than 128 MiB');
  }
  let at = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  let claimed = 0;
  for (let i = 0; i < sizeBytes; i++) claimed += (packed[at + i] ?? 0) * 2 ** (8 * i);
  if (sizeBytes === 2) claimed += 256;
  if (sizeBytes > 0 && claimed !== size) throw new Error(`a page claims ${size} bytes, its zstd frame ${claimed}`);
  at += sizeBytes;
  const most = 16 + 8 * Math.ceil(size / ZSTD_BLOCK_BYTES);
  for (let blocks = 1; ; blocks++) {
    if (at + 3 > packed.length) throw new Error('a zstd frame has no end');
    const header = (packed[at] as number) + (packed[at + 1] as number) * 2 ** 8 + (packed[at + 2] as number) * 2 ** 16;
    if (blocks > most) throw new Error(`a page of ${size} bytes has more than ${most} zstd blocks`);
    if ((header & 1) === 1) return;
    const isRepeated = ((header >> 1) & 3) === 1;
    at += 3 + (isRepeated ? 1 : header >> 3);
  }
}
