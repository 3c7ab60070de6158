import { BackcompatError } from '../contract/errors.ts';
import { openFile, readFully } from './files.ts';
import type { ItemSet } from './itemSet.ts';

/** IDX, as on Yann LeCun's MNIST page: 0, 0, type (8: unsigned byte), number of dimensions, sizes (big-endian), values. */
const UNSIGNED_BYTE = 8;

export interface IdxHeader {
  shape: number[];
  dataOffset: number;
}

/**
 * Reads and checks an IDX header against the file's size.
 * @throws BackcompatError `bad-file` (magic, packed, truncated), `not-found`
 */
export async function readIdxHeader(file: string, dimensions: 1 | 3): Promise<IdxHeader> {
  const what = dimensions === 3 ? 'image' : 'label';
  const { handle, size } = await openFile(file, `The IDX ${what} file`);
  try {
    const dataOffset = 4 + 4 * dimensions;
    const head = Buffer.alloc(dataOffset);
    const complete = await readFully(handle, head, 0);
    const refuse = (message: string, remedy: string): BackcompatError =>
      new BackcompatError('bad-file', message, { place: { file }, remedy });
    if (head[0] === 0x1f && head[1] === 0x8b) {
      throw refuse(`${file} is packed with gzip.`, 'Unpack it: gunzip FILE.');
    }
    const magic = head.readUInt32BE(0);
    const expected = UNSIGNED_BYTE * 256 + dimensions;
    if (magic !== expected) {
      const other =
        magic === UNSIGNED_BYTE * 256 + 1
          ? ' It looks like an IDX label file.'
          : magic === UNSIGNED_BYTE * 256 + 3
            ? ' It looks like an IDX image file.'
            : '';
      throw refuse(
        `${file} is not an IDX ${what} file: it begins with ${hex(magic)}, expected ${hex(expected)}.${other}`,
        'Check that "images" and "labels" name the right files.',
      );
    }
    if (!complete) throw refuse(`${file} is truncated: it ends inside its header.`, 'Copy it again.');
    const shape = Array.from({ length: dimensions }, (_, index) => head.readUInt32BE(4 + 4 * index));
    const claimed = shape.reduce((product, length) => product * length, 1);
    const held = size - dataOffset;
    if (claimed !== held) {
      throw refuse(
        `${file} is ${claimed > held ? 'truncated' : 'too long'}: its header claims ${shape.join(' x ')} bytes (${claimed}), the file holds ${held}.`,
        'Copy it again.',
      );
    }
    if (claimed === 0) throw refuse(`${file} holds no ${what}s: its shape is ${shape.join(' x ')}.`, 'Copy it again.');
    return { shape, dataOffset };
  } finally {
    await handle.close();
  }
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

/**
 * Reads an IDX pair (MNIST and its kin). Class names are "0" to the largest label, ids `<name>/<row>`.
 * Pixels stay in the file.
 * @throws BackcompatError `bad-file`, `bad-data` (counts differ), `not-found`
 */
export async function readIdx(files: { images: string; labels: string }, name: string): Promise<ItemSet> {
  const images = await readIdxHeader(files.images, 3);
  const labels = await readIdxHeader(files.labels, 1);
  const [count, height, width] = images.shape as [number, number, number];
  const [labelCount] = labels.shape as [number];
  if (count !== labelCount) {
    throw new BackcompatError(
      'bad-data',
      `${files.images} has ${count} images, ${files.labels} has ${labelCount} labels.`,
      { place: { file: files.labels }, remedy: 'Name the image and label file of the same set.' },
    );
  }
  const bytes = new Uint8Array(count);
  const { handle } = await openFile(files.labels, 'The IDX label file');
  try {
    await readFully(handle, bytes, labels.dataOffset);
  } finally {
    await handle.close();
  }
  const classes = bytes.reduce((largest, label) => Math.max(largest, label), 0) + 1;
  return {
    name,
    count,
    ids: Array.from({ length: count }, (_, row) => `${name}/${row}`),
    labelOf: Int32Array.from(bytes),
    classNames: Array.from({ length: classes }, (_, label) => String(label)),
    slices: new Map(),
    images: {
      source: (item) => ({
        kind: 'raw',
        path: files.images,
        offset: images.dataOffset + item * height * width,
        width,
        height,
      }),
    },
  };
}
