import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_PREVIEWS_LENGTH, PREVIEW_SIDE, parsePreviews } from '../../src/core/contract/previews.ts';
import type { Report } from '../../src/core/contract/report.ts';
import { RUN_FILES } from '../../src/core/contract/runs.ts';
import type { ImageSource, ItemSet } from '../../src/core/data/itemSet.ts';
import { listedItems, makePreviews } from '../../src/core/pipeline/previews.ts';
import { readPreviews } from '../../src/core/report/previewsFile.ts';
import { sampleReport } from '../fixtures/report/sampleReport.ts';
import { silentProgress } from './silentProgress.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'previews-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const hooks = () => ({ progress: silentProgress, signal: new AbortController().signal });

function imageSet(ids: string[], source: (item: number) => ImageSource): ItemSet {
  return {
    name: 'images',
    count: ids.length,
    ids,
    labelOf: new Int32Array(ids.length),
    classNames: ['one'],
    slices: new Map(),
    images: { source },
  };
}

function listing(hubs: string[]): Pick<Report, 'worst'> {
  const none = { positivePairs: [], negativePairs: [], flippedQueries: [], classPairs: [] };
  return { worst: { ...none, hubs: hubs.map((gallery) => ({ gallery, violations: 1 })) } };
}

async function decoded(uri: string | undefined) {
  const { data, info } = await sharp(Buffer.from(uri?.split(',')[1] ?? '', 'base64'))
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, info };
}

describe('what is shown of an item', () => {
  it('keeps the pixels of raw digits', async () => {
    const pixels = Uint8Array.from({ length: 2 * 28 * 28 }, (_, index) => (index * 37) % 256);
    const file = path.join(folder, 'digits');
    writeFileSync(file, Buffer.concat([Buffer.alloc(16), pixels]));
    const items = imageSet(['a', 'b'], (item) => ({
      kind: 'raw',
      path: file,
      offset: 16 + item * 784,
      width: 28,
      height: 28,
    }));
    const previews = await makePreviews(listing(['b']), [items, items], hooks());
    expect(Object.keys(previews)).toEqual(['b']);
    expect(previews.b?.image).toMatch(/^data:image\/png;base64,/);
    const { data, info } = await decoded(previews.b?.image);
    expect([info.width, info.height]).toEqual([28, 28]);
    const grey = Array.from({ length: 784 }, (_, at) => data[at * info.channels]);
    expect(grey).toEqual([...pixels.subarray(784)]);
  });

  it('shrinks photographs to the side of a preview, upright', async () => {
    const file = path.join(folder, 'photo.jpg');
    const background = { r: 200, g: 30, b: 30 };
    await sharp({ create: { width: 400, height: 200, channels: 3, background } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toFile(file);
    const items = imageSet(['photo'], () => ({ kind: 'file', path: file }));
    const { photo } = await makePreviews(listing(['photo']), [items], hooks());
    expect(photo?.image).toMatch(/^data:image\/webp;base64,/);
    const { data, info } = await decoded(photo?.image);
    expect([info.width, info.height]).toEqual([PREVIEW_SIDE / 2, PREVIEW_SIDE]);
    expect(Math.abs((data[0] ?? 0) - 200)).toBeLessThan(12);
  });

  it('leaves out what cannot be read, and names like those of objects do no harm', async () => {
    const good = path.join(folder, 'good.png');
    await sharp({ create: { width: 8, height: 8, channels: 3, background: '#00ff00' } })
      .png()
      .toFile(good);
    const bad = path.join(folder, 'bad.png');
    writeFileSync(bad, 'no picture');
    const files = [bad, path.join(folder, 'missing.png'), good];
    const items = imageSet(['bad', 'missing', '__proto__'], (item) => ({
      kind: 'file',
      path: files[item] as string,
    }));
    const previews = await makePreviews(listing(['bad', 'missing', '__proto__', 'unknown']), [items], hooks());
    expect(Object.keys(previews)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(previews)).toBe(Object.prototype);
    expect(Object.keys(parsePreviews(JSON.parse(JSON.stringify(previews))))).toEqual(['__proto__']);
  });

  it('is the beginning of a text, by whole characters', async () => {
    const texts = ['short', 'é'.repeat(200), 'w'.repeat(201), '\u{1f600}'.repeat(300)];
    const items: ItemSet = {
      ...imageSet(['a', 'b', 'c', 'd'], () => ({ kind: 'file', path: 'a' })),
      images: null,
      texts: { text: (item) => texts[item] as string },
    };
    const previews = await makePreviews(listing(['a', 'b', 'c', 'd']), [items], hooks());
    expect(previews.a).toEqual({ text: 'short' });
    expect(previews.b).toEqual({ text: texts[1] });
    expect(previews.c).toEqual({ text: `${'w'.repeat(199)}\u2026` });
    expect(previews.d).toEqual({ text: `${'\u{1f600}'.repeat(199)}\u2026` });
    expect(parsePreviews(previews)).toEqual(previews);
  });

  it('is nothing for tables, and stops when it is cancelled', async () => {
    const table: ItemSet = { ...imageSet(['a'], () => ({ kind: 'file', path: 'a' })), images: null };
    expect(await makePreviews(listing(['a']), [table, table], hooks())).toEqual({});
    const items = imageSet(['a'], () => ({ kind: 'file', path: 'a' }));
    const signal = AbortSignal.abort();
    await expect(makePreviews(listing(['a']), [items], { progress: silentProgress, signal })).rejects.toMatchObject({
      code: 'cancelled',
    });
  });

  it('stays below the limit of all', async () => {
    // Noise does not shrink: 96 x 96 x 3 bytes each, and more of them than there is room for.
    const side = 96;
    const pixels = Buffer.from(Uint8Array.from({ length: side * side * 3 }, (_, index) => (index * index * 7919) >> 5));
    const file = path.join(folder, 'noise.png');
    await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
      .png()
      .toFile(file);
    const ids = Array.from({ length: 300 }, (_, index) => `item ${index}`);
    const items = imageSet(ids, () => ({ kind: 'file', path: file }));
    const { worst } = sampleReport();
    worst.flippedQueries = ids.slice(0, 48).map((query, index) => ({
      query,
      label: '1',
      before: ids[48 + index] as string,
      after: ids[96 + index] as string,
      afterLabel: '2',
      rankAfter: 2,
    }));
    worst.positivePairs = [];
    worst.negativePairs = [];
    worst.hubs = [];
    const previews = await makePreviews({ worst }, [items], hooks());
    const length = JSON.stringify(previews).length;
    const kept = Object.keys(previews).length;
    expect(kept).toBeGreaterThan(10);
    const each = length / kept;
    expect(kept).toBe(Math.min(144, Math.floor(MAX_PREVIEWS_LENGTH / each)));
    expect(Object.keys(parsePreviews(previews))).toHaveLength(kept);
  });
});

describe('items that the page lists first', () => {
  it('are named once, flips before pairs before hubs', () => {
    const report = sampleReport();
    const ids = listedItems(report);
    const [flip] = report.worst.flippedQueries;
    expect(ids.slice(0, 3)).toEqual([flip?.query, flip?.before, flip?.after]);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toContain(report.worst.positivePairs[23]?.gallery);
    expect(ids).toContain(report.worst.hubs[11]?.gallery);
    expect(ids.length).toBeLessThanOrEqual(13 * 3 + 24 * 4 + 12);
  });
});

describe('previews from a file', () => {
  it('are taken only where they are previews', () => {
    const image = 'data:image/png;base64,iVBORw0KGgo=';
    const parsed = parsePreviews({
      good: { image, text: 'words', other: 1 },
      script: { image: 'data:image/svg+xml;base64,PHN2Zz4=' },
      address: { image: 'https://example.org/a.png' },
      broken: { image: `${image}" onload="x` },
      number: 7,
      none: null,
    });
    expect(parsed).toEqual({ good: { image, text: 'words' } });
    expect(parsePreviews([image])).toEqual({});
    expect(parsePreviews(null)).toEqual({});
  });

  it('are none where the file is missing, damaged or too large', async () => {
    const report = path.join(folder, 'report.compat-report.json');
    const file = path.join(folder, RUN_FILES.previews);
    expect(await readPreviews(report)).toEqual({});
    writeFileSync(file, '{"a": {"text": "hel');
    expect(await readPreviews(report)).toEqual({});
    writeFileSync(file, '{"a": {"text": "hello"}}');
    expect(await readPreviews(report)).toEqual({ a: { text: 'hello' } });
    writeFileSync(file, Buffer.alloc(5 * MAX_PREVIEWS_LENGTH + 1, 32));
    expect(await readPreviews(report)).toEqual({});
  });
});
