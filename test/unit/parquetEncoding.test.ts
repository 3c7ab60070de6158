import { brotliCompressSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeHybrid, decompressPage } from '../../src/core/data/parquetEncoding.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

const decode = (bytes: readonly number[], bitWidth: number, count: number): number[] => {
  const into = new Uint32Array(count);
  decodeHybrid(Uint8Array.from(bytes), 0, bytes.length, bitWidth, into);
  return [...into];
};

describe('runs and packed values', () => {
  it('decodes the example of the format: 0 to 7 in 3 bits each', () => {
    expect(decode([3, 0b10001000, 0b11000110, 0b11111010], 3, 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('decodes runs, also of values of two bytes, and stops at the count', () => {
    expect(decode([5 << 1, 7, (3 << 1) | 0, 1], 3, 7)).toEqual([7, 7, 7, 7, 7, 1, 1]);
    expect(decode([2 << 1, 0x34, 0x12], 13, 2)).toEqual([0x1234, 0x1234]);
    expect(decode([200, 1, 1], 1, 100)).toEqual(new Array(100).fill(1));
    expect(decode([10 << 1], 0, 10)).toEqual(new Array(10).fill(0));
  });

  it('equals packing by BigInt, of every width', () => {
    const random = createRandom(1, 'hybrid');
    for (let width = 1; width <= 32; width++) {
      const values = Array.from({ length: 24 }, () => Math.floor(random.uniform() * 2 ** width));
      let packed = values.reduceRight((bits, value) => (bits << BigInt(width)) | BigInt(value), 0n);
      const bytes = [(3 << 1) | 1];
      for (let at = 0; at < 3 * width; at++, packed >>= 8n) bytes.push(Number(packed & 255n));
      expect(decode(bytes, width, 24)).toEqual(values);
      // The last group may be cut behind the values that are wanted.
      expect(decode(bytes.slice(0, 1 + Math.ceil((17 * width) / 8)), width, 17)).toEqual(values.slice(0, 17));
    }
  });

  it.each([
    ['nothing', [], 1, 1, 'a run has no header'],
    ['a header without end', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80], 1, 1, 'a run has no header'],
    ['a run without value', [4], 8, 2, 'goes beyond'],
    ['packed values that are cut', [3, 0], 3, 8, 'goes beyond'],
    ['values of 33 bits', [2, 0, 0, 0, 0, 0], 33, 1, 'values of 33 bits'],
    ['empty runs only', [0, 0, 0, 0], 8, 1, 'a run has no header'],
  ])('refuses %s', (_, bytes, width, count, words) => {
    expect(() => decode(bytes, width, count)).toThrow(words);
  });

  it('does not follow a run of a billion values', () => {
    expect(decode([0xfe, 0xff, 0xff, 0xff, 0x0f, 1], 1, 3)).toEqual([1, 1, 1]);
  });
});

/** A zstd frame of blocks that repeat one byte 2^17 times each (RFC 8878). */
function zstdBomb(blocks: number, windowLog = 17): Uint8Array {
  const head = [0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3];
  const body = Array.from({ length: blocks }, (_, index) => {
    const header = ((2 ** 17) << 3) | (1 << 1) | (index === blocks - 1 ? 1 : 0);
    return [header & 255, (header >> 8) & 255, (header >> 16) & 255, 65];
  });
  return Uint8Array.from([...head, ...body.flat()]);
}

describe('packed pages', () => {
  const zeros = new Uint8Array(10_000_000);

  it('unpacks what is as large as it claims', () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 7);
    expect(decompressPage('GZIP', gzipSync(bytes), 1000)).toEqual(Buffer.from(bytes));
    expect(decompressPage('BROTLI', brotliCompressSync(bytes), 1000)).toEqual(Buffer.from(bytes));
    expect(decompressPage('UNCOMPRESSED', bytes, 1000)).toBe(bytes);
    expect([...new Set(decompressPage('ZSTD', zstdBomb(2), 2 ** 18))]).toEqual([65]);
  });

  it.each([
    ['gzip', 'GZIP', gzipSync(zeros), 1000],
    ['brotli', 'BROTLI', brotliCompressSync(zeros), 1000],
    ['zstd of a thousand blocks', 'ZSTD', zstdBomb(1000), 1000],
    ['zstd with a window of a gigabyte', 'ZSTD', zstdBomb(1, 30), 2 ** 17],
    ['zstd without end', 'ZSTD', zstdBomb(3).subarray(0, 15), 3 * 2 ** 17],
    ['plain bytes of another length', 'UNCOMPRESSED', new Uint8Array(5), 4],
    ['an unknown codec', 'LZO', new Uint8Array(5), 4],
  ] as const)('refuses %s', (_, codec, packed, size) => {
    const before = process.memoryUsage().arrayBuffers;
    expect(() => decompressPage(codec, packed, size)).toThrow();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(5_000_000);
  });
});
