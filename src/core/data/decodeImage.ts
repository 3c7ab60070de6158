import type { FileHandle } from 'node:fs/promises';
import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type sharpDefault from 'sharp';
import type { Sharp } from 'sharp';
import { BackcompatError } from '../contract/errors.ts';
import { shortFile } from './contentHash.ts';
import { notFound, openFile, readFully } from './files.ts';
import { inputFiller } from './imageInput.ts';
import type { ImageContent, ImageSource } from './itemSet.ts';
import { cutCentre, type Pixels, resample } from './resample.ts';

/** How an image becomes the input of a model, nothing left open. */
export interface Preprocessing {
  /** Pixels. */
  height: number;
  width: number;
  /** 1: grey, 3: RGB. */
  channels: 1 | 3;
  /** One a channel; the input is (pixel x scale - mean) / std. */
  mean: readonly number[];
  std: readonly number[];
  /** Default: 1 / 255. */
  scale?: number;
  /**
   * `crop`: shortest side to the size, then the centre; `fill`: stretched. With sizes: to these first (of `shortest`, the
   * other side is rounded down), then the centre is cut out; `none`: the centre of the image as it is. What is smaller
   * than the cut gets black edges.
   */
  resize: 'crop' | 'fill' | 'none' | { shortest: number } | { height: number; width: number };
  /** Default: `linear`. */
  kernel?: 'nearest' | 'linear' | 'cubic' | 'lanczos3';
  /** Order of the axes behind the batch. */
  layout: 'nchw' | 'nhwc';
}

/** An encoded image of a few kilobytes can claim to be any size; cameras end at about this. */
export const MAX_IMAGE_PIXELS = 100e6;

let loaded: typeof sharpDefault | null = null;
/** The native library is loaded at first use. Decoding runs in libuv's threads, one image a thread. */
export function sharp(): typeof sharpDefault {
  if (loaded === null) {
    loaded = createRequire(import.meta.url)('sharp') as typeof sharpDefault;
    loaded.cache(false);
    loaded.concurrency(1);
  }
  return loaded;
}

export interface ImageDecoder {
  /**
   * Decodes images `items` into the head of `into`: [items.length, C, H, W] or [.., H, W, C] row-major.
   * Images decode side by side off the main thread.
   * @throws BackcompatError `not-found` or `bad-file` with the path
   */
  decode(items: readonly number[], into: Float32Array): Promise<void>;
  close(): Promise<void>;
}

/**
 * Decodes images for a model: EXIF orientation is applied, transparency is laid on white, 16-bit, CMYK and
 * embedded colour profiles become 8-bit sRGB, the first frame of several counts. Resizing is bilinear by default,
 * smoothed when shrinking (as Pillow and torchvision do, up to the outermost pixels; what is enlarged equals theirs). Grey is ITU-R 601 luma (Pillow's "L"). An image
 * that has the size already is not resampled.
 */
export function createImageDecoder(images: ImageContent, preprocessing: Preprocessing): ImageDecoder {
  const reader = createPixelReader(preprocessing);
  const fill = inputFiller(preprocessing);
  return {
    async decode(items, into) {
      const imageValues = preprocessing.height * preprocessing.width * preprocessing.channels;
      const results = await Promise.allSettled(
        items.map(async (item, position) => {
          const { data, channels } = await reader.read(images.source(item));
          fill(data, channels, into.subarray(position * imageValues, (position + 1) * imageValues));
        }),
      );
      // All are awaited first: no decoding goes on behind the caller's back after an error.
      const failed = results.find((result) => result.status === 'rejected');
      if (failed) throw failed.reason;
    },
    close: () => reader.close(),
  };
}

export interface PixelReader {
  /**
   * Decodes one image to the size of the preprocessing: interleaved 8-bit pixels, grey or RGB as the file has them.
   * @throws BackcompatError `not-found` or `bad-file` with the path
   */
  read(source: ImageSource): Promise<Pick<Pixels, 'data' | 'channels'>>;
  /** Closes files that raw pixels were read from; nothing may be being read. */
  close(): Promise<void>;
}

/** The first half of `createImageDecoder`: everything but the numbers that a model takes. */
export function createPixelReader(preprocessing: Preprocessing): PixelReader {
  const { height, width } = preprocessing;
  const handles = new Map<string, Promise<{ handle: FileHandle; size: number }>>();
  const rawHandle = async (path: string): Promise<FileHandle> => {
    let opened = handles.get(path);
    if (opened === undefined) {
      opened = openFile(path, 'The image file');
      handles.set(path, opened);
    }
    return (await opened).handle;
  };
  return {
    async read(source) {
      if (source.kind === 'file') return decodeFile(source.path, preprocessing);
      const raw = new Uint8Array(source.width * source.height);
      if (!(await readFully(await rawHandle(source.path), raw, source.offset))) throw shortFile(source.path);
      // Every way leaves an image of the right size as it is, save a resize to another one before the cut.
      if (source.width === width && source.height === height && typeof preprocessing.resize === 'string') {
        return { data: raw, channels: 1 };
      }
      const image = sharp()(raw, { raw: { width: source.width, height: source.height, channels: 1 } });
      return fitted(image, source, preprocessing);
    },
    async close() {
      const opened = await Promise.allSettled(handles.values());
      handles.clear();
      for (const result of opened) if (result.status === 'fulfilled') await result.value.handle.close();
    },
  };
}

async function decodeFile(path: string, preprocessing: Preprocessing): Promise<Pick<Pixels, 'data' | 'channels'>> {
  try {
    const image = sharp()(path, { limitInputPixels: MAX_IMAGE_PIXELS, failOn: 'error', pages: 1 });
    const { width, height, orientation } = await image.metadata();
    const turned = (orientation ?? 1) >= 5;
    const upright = image.autoOrient().flatten({ background: '#ffffff' }).toColourspace('srgb');
    const size = turned ? { width: height, height: width } : { width, height };
    return await fitted(upright, size, preprocessing);
  } catch (cause) {
    await stat(path).catch((missing) => {
      throw notFound(path, 'The image', missing);
    });
    const message = cause instanceof Error ? cause.message : String(cause);
    const tooLarge = /pixel limit/i.test(message);
    throw new BackcompatError(
      'bad-file',
      tooLarge
        ? `The image ${path} has more than ${MAX_IMAGE_PIXELS / 1e6} million pixels.`
        : `The image ${path} cannot be read: ${message.split('\n')[0]}.`,
      {
        place: { file: path },
        remedy: tooLarge ? 'Make it smaller, or remove it.' : 'Replace it or remove it from the folder.',
        cause,
      },
    );
  }
}

interface Size {
  width: number;
  height: number;
}

/** The decoded image at the model's size: shrunk in libvips' threads, enlarged and cut here. */
async function fitted(image: Sharp, from: Size, to: Preprocessing): Promise<Pixels> {
  const { kernel = 'linear' } = to;
  const size = sizeBeforeCut(from, to);
  const isLarger = size.width > from.width || size.height > from.height;
  const isSame = size.width === from.width && size.height === from.height;
  const shrunk = isSame || isLarger ? image : image.resize({ ...size, kernel, fit: 'fill', fastShrinkOnLoad: false });
  const { data, info } = await shrunk.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  const pixels: Pixels = { data, width: info.width, height: info.height, channels: info.channels };
  return cutCentre(isLarger ? resample(pixels, size.width, size.height, kernel) : pixels, to.width, to.height);
}

function sizeBeforeCut(from: Size, { resize, width, height }: Preprocessing): Size {
  if (resize === 'none') return from;
  if (resize === 'fill') return { width, height };
  if (resize === 'crop') {
    const scale = Math.max(width / from.width, height / from.height);
    const side = (length: number, least: number): number => Math.max(least, Math.round(length * scale));
    return { width: side(from.width, width), height: side(from.height, height) };
  }
  if ('height' in resize) return { width: resize.width, height: resize.height };
  const { shortest } = resize;
  const other = (long: number, short: number): number => Math.floor((shortest * long) / short);
  return from.width <= from.height
    ? { width: shortest, height: other(from.height, from.width) }
    : { width: other(from.width, from.height), height: shortest };
}
