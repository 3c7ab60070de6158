import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { hashContent } from '../../src/core/data/contentHash.ts';
import { createImageDecoder, type Preprocessing } from '../../src/core/data/decodeImage.ts';
import { preprocessPixels } from '../../src/core/data/imageInput.ts';
import type { ImageSource, ItemSet } from '../../src/core/data/itemSet.ts';
import { errorOf, idxBytes, temporaryFolder } from '../fixtures/data/make.ts';

const plain: Preprocessing = {
  height: 2,
  width: 2,
  channels: 3,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  resize: 'crop',
  layout: 'nchw',
};
const grey: Preprocessing = { ...plain, channels: 1, mean: [0], std: [1] };

async function decode(sources: ImageSource[], preprocessing: Preprocessing): Promise<number[]> {
  const { height, width, channels } = preprocessing;
  const into = new Float32Array(sources.length * height * width * channels);
  const decoder = createImageDecoder({ source: (item) => sources[item] as ImageSource }, preprocessing);
  try {
    await decoder.decode([...sources.keys()], into);
  } finally {
    await decoder.close();
  }
  return [...into];
}

const bytes = (values: number[]): number[] => values.map((value) => Math.round(value * 255));

/** A file made by the image library from raw pixels. */
async function imageFile(
  name: string,
  pixels: number[],
  raw: { width: number; height: number; channels: 1 | 3 | 4 },
  change: (image: Sharp) => Sharp = (image) => image,
): Promise<ImageSource> {
  const file = path.join(temporaryFolder(), name);
  await change(sharp(Uint8Array.from(pixels), { raw })).toFile(file);
  return { kind: 'file', path: file };
}

describe('createImageDecoder', () => {
  const rgb = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120];

  it('gives channels, rows, columns in this order, or channels last', async () => {
    const source = await imageFile('a.png', rgb, { width: 2, height: 2, channels: 3 });
    expect(bytes(await decode([source], plain))).toEqual([10, 40, 70, 100, 20, 50, 80, 110, 30, 60, 90, 120]);
    expect(bytes(await decode([source], { ...plain, layout: 'nhwc' }))).toEqual(rgb);
  });

  it('computes (pixel / 255 - mean) / std a channel in float32', async () => {
    const source = await imageFile('a.png', rgb, { width: 2, height: 2, channels: 3 });
    const mean = [0.485, 0.456, 0.406];
    const std = [0.229, 0.224, 0.225];
    const values = await decode([source], { ...plain, mean, std });
    const expected = [0, 1, 2].flatMap((channel) =>
      [0, 1, 2, 3].map(
        (at) => ((rgb[at * 3 + channel] as number) / 255 - (mean[channel] as number)) / (std[channel] as number),
      ),
    );
    values.forEach((value, index) => {
      expect(value).toBeCloseTo(expected[index] as number, 5);
    });
    // Exactly what float32 arithmetic gives, the way models are trained.
    const f = Math.fround;
    expect(values[0]).toBe(f(f(f(10 / 255) - f(0.485)) / f(0.229)));
  });

  it('makes grey by the luma of ITU-R 601, leaves grey files as they are, and spreads them over RGB', async () => {
    const colour = await imageFile('a.png', [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255], {
      width: 2,
      height: 2,
      channels: 3,
    });
    expect(bytes(await decode([colour], grey))).toEqual([76, 150, 29, 255]);
    const single = await imageFile('g.png', [0, 1, 128, 255], { width: 2, height: 2, channels: 1 }, (image) =>
      image.toColourspace('b-w'),
    );
    expect(bytes(await decode([single], grey))).toEqual([0, 1, 128, 255]);
    expect(bytes(await decode([single], plain))).toEqual([0, 1, 128, 255, 0, 1, 128, 255, 0, 1, 128, 255]);
  });

  it('lays transparency on white', async () => {
    const pixels = [0, 0, 0, 0, 0, 0, 0, 255, 10, 20, 30, 255, 100, 100, 100, 0];
    const source = await imageFile('t.png', pixels, { width: 2, height: 2, channels: 4 });
    expect(bytes(await decode([source], { ...plain, layout: 'nhwc' }))).toEqual([
      255, 255, 255, 0, 0, 0, 10, 20, 30, 255, 255, 255,
    ]);
  });

  it('turns images upright by their EXIF orientation', async () => {
    // Orientation 6: the stored image must be turned by 90 degrees clockwise.
    const stored = [10, 10, 10, 20, 20, 20, 30, 30, 30, 40, 40, 40];
    const source = await imageFile('o.png', stored, { width: 2, height: 2, channels: 3 }, (image) =>
      image.withMetadata({ orientation: 6 }),
    );
    expect(bytes(await decode([source], grey))).toEqual([30, 10, 40, 20]);
    const tall = await imageFile('w.png', Array(12).fill(50), { width: 4, height: 1, channels: 3 }, (image) =>
      image.withMetadata({ orientation: 6 }),
    );
    expect(bytes(await decode([tall], { ...grey, width: 1, height: 4 }))).toEqual([50, 50, 50, 50]);
  });

  it('brings 16 bits and CMYK to 8-bit sRGB', async () => {
    const folder = temporaryFolder();
    const deep = path.join(folder, 'deep.png');
    const values = Uint16Array.from([0, 0, 0, 0x8080, 0x8080, 0x8080, 0xffff, 0xffff, 0xffff, 0x0101, 0x0101, 0x0101]);
    await sharp(values, { raw: { width: 2, height: 2, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toFile(deep);
    expect((await sharp(deep).metadata()).depth).toBe('ushort');
    expect(bytes(await decode([{ kind: 'file', path: deep }], grey))).toEqual([0, 128, 255, 1]);
    const print = path.join(folder, 'print.tif');
    await sharp(Uint8Array.from(Array(12).fill(255)), { raw: { width: 2, height: 2, channels: 3 } })
      .toColourspace('cmyk')
      .tiff()
      .toFile(print);
    expect((await sharp(print).metadata()).space).toBe('cmyk');
    for (const value of bytes(await decode([{ kind: 'file', path: print }], plain))) expect(value).toBeGreaterThan(245);
  });

  it('crops the centre or stretches', async () => {
    // Four columns of 0, 100, 100, 0: the centre is 100.
    const row = [0, 100, 100, 0];
    const source = await imageFile(
      'w.png',
      [...row, ...row].flatMap((value) => [value, value, value]),
      { width: 4, height: 2, channels: 3 },
    );
    expect(bytes(await decode([source], grey))).toEqual([100, 100, 100, 100]);
    expect(bytes(await decode([source], { ...grey, resize: 'fill' }))).toEqual([50, 50, 50, 50]);
  });

  it('shrinks by a triangle of twice the step, as Pillow does', async () => {
    // Only column 4 is bright. Distances of its centre from those of the new columns: 3.5, 1.5, 0.5, 2.5 of a
    // triangle of half width 2 and area 2; a box would give 0, 0, 100, 0.
    const row = [0, 0, 0, 0, 200, 0, 0, 0];
    const pixels = [...row, ...row].flatMap((value) => [value, value, value]);
    const source = await imageFile('w.png', pixels, { width: 8, height: 2, channels: 3 });
    const values = bytes(await decode([source], { ...grey, resize: 'fill', width: 4, height: 1 }));
    expect(values[0]).toBe(0);
    expect(Math.abs((values[1] as number) - 25)).toBeLessThanOrEqual(1);
    expect(Math.abs((values[2] as number) - 75)).toBeLessThanOrEqual(1);
    expect(values[3]).toBe(0);
  });

  it('reads raw pixels of an IDX file, and resizes them when needed', async () => {
    const file = path.join(temporaryFolder(), 'i.idx');
    await writeFile(file, idxBytes([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]));
    const source = (item: number): ImageSource => ({
      kind: 'raw',
      path: file,
      offset: 16 + item * 4,
      width: 2,
      height: 2,
    });
    expect(bytes(await decode([source(1), source(0)], grey))).toEqual([5, 6, 7, 8, 1, 2, 3, 4]);
    expect(bytes(await decode([source(0)], plain))).toEqual([1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]);
    const small = await decode([source(0)], { ...grey, width: 1, height: 1 });
    expect(bytes(small)[0]).toBeGreaterThanOrEqual(2);
    expect(bytes(small)[0]).toBeLessThanOrEqual(3);
  });

  it('names unreadable, truncated and missing images', async () => {
    const folder = temporaryFolder();
    const text = path.join(folder, 'text.png');
    await writeFile(text, 'no image');
    const first = await errorOf(decode([{ kind: 'file', path: text }], plain));
    expect(first).toMatchObject({ code: 'bad-file', place: { file: text } });
    expect(first.message).toContain(text);

    const whole = await imageFile(
      'n.png',
      Array.from({ length: 30_000 }, (_, index) => (index * 7919) % 256),
      { width: 100, height: 100, channels: 3 },
    );
    const cut = path.join(folder, 'cut.png');
    const all = await readFile((whole as { path: string }).path);
    await writeFile(cut, all.subarray(0, Math.floor(all.length / 2)));
    expect((await errorOf(decode([{ kind: 'file', path: cut }], plain))).message).toContain(cut);

    const missing = await errorOf(decode([{ kind: 'file', path: path.join(folder, 'gone.png') }], plain));
    expect(missing).toMatchObject({ code: 'not-found' });
    expect(missing.message).toContain('gone.png does not exist');
  });

  it('refuses an image that claims more pixels than the limit', async () => {
    // A PNG header (13 bytes: 20,000 x 20,000, 8 bits, grey) with a right checksum and no pixels worth the name.
    const file = path.join(temporaryFolder(), 'bomb.png');
    const small = await sharp(Uint8Array.of(0), { raw: { width: 1, height: 1, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    small.writeUInt32BE(20_000, 16);
    small.writeUInt32BE(20_000, 20);
    const { crc32 } = await import('node:zlib');
    small.writeUInt32BE(crc32(small.subarray(12, 29)), 29);
    await writeFile(file, small);
    const error = await errorOf(decode([{ kind: 'file', path: file }], plain));
    expect(error).toMatchObject({ code: 'bad-file' });
    expect(error.message).toContain('more than 100 million pixels');
  });
});

describe('preprocessPixels', () => {
  it('does what decoding does', () => {
    expect(bytes([...preprocessPixels(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), 2, grey)])).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8,
    ]);
    expect(bytes([...preprocessPixels(Uint8Array.of(1, 2, 3), 1, { ...plain, width: 1, height: 1 })])).toEqual([
      1, 2, 3,
    ]);
  });
});

describe('hashContent', () => {
  async function hashOf(sources: ImageSource[]): Promise<string> {
    const hash = createHash('sha256');
    const items: ItemSet = {
      name: 'x',
      count: sources.length,
      ids: sources.map((_, item) => `x/${item}`),
      labelOf: new Int32Array(sources.length),
      classNames: ['a'],
      slices: new Map(),
      images: { source: (item) => sources[item] as ImageSource },
    };
    await hashContent(hash, items);
    return hash.digest('hex');
  }

  it('depends on the pixels and their order, not on where they lie or how they are read together', async () => {
    const folder = temporaryFolder();
    const [one, two] = [path.join(folder, 'one.idx'), path.join(folder, 'two.idx')];
    await writeFile(one, idxBytes([3, 1, 2], [1, 2, 3, 4, 5, 6]));
    await writeFile(two, idxBytes([3, 1, 2], [3, 4, 1, 2, 9, 9]));
    const at = (file: string, item: number): ImageSource => ({
      kind: 'raw',
      path: file,
      offset: 16 + item * 2,
      width: 2,
      height: 1,
    });
    const reference = await hashOf([at(one, 0), at(one, 1)]);
    expect(await hashOf([at(two, 1), at(two, 0)])).toBe(reference);
    expect(await hashOf([at(one, 1), at(one, 0)])).not.toBe(reference);
    expect(await hashOf([at(one, 0), at(one, 1), at(one, 2)])).not.toBe(reference);
    const turned = { ...at(one, 0), width: 1, height: 2 } as ImageSource;
    expect(await hashOf([turned, at(one, 1)])).not.toBe(reference);
  });

  it('reads the bytes of image files', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'a.png');
    await writeFile(file, 'one');
    const before = await hashOf([{ kind: 'file', path: file }]);
    await writeFile(file, 'two');
    expect(await hashOf([{ kind: 'file', path: file }])).not.toBe(before);
    expect((await errorOf(hashOf([{ kind: 'file', path: path.join(folder, 'gone.png') }]))).code).toBe('not-found');
  });
});
