import { PREVIEW_SIDE } from '../contract/previews.ts';
import { MAX_IMAGE_PIXELS, sharp } from './decodeImage.ts';
import { openFile, readFully } from './files.ts';
import type { ImageSource } from './itemSet.ts';

const WEBP_QUALITY = 82;

/**
 * An image as a `data:` URI of at most 96 x 96 pixels, upright, on white. What is no larger than that keeps its
 * pixels (PNG); photographs are shrunk (WebP, some 3 kB).
 * @throws whatever reading or decoding throws
 */
export async function thumbnail(source: ImageSource): Promise<string> {
  const image = source.kind === 'file' ? decodedFile(source.path) : await rawPixels(source);
  const { width, height } = source.kind === 'file' ? await image.metadata() : source;
  if (Math.max(width, height) <= PREVIEW_SIDE) {
    const png = await image.png({ compressionLevel: 9 }).toBuffer();
    return `data:image/png;base64,${png.toString('base64')}`;
  }
  const webp = await image
    .resize({ width: PREVIEW_SIDE, height: PREVIEW_SIDE, fit: 'inside' })
    .webp({ quality: WEBP_QUALITY })
    .toBuffer();
  return `data:image/webp;base64,${webp.toString('base64')}`;
}

function decodedFile(path: string) {
  return sharp()(path, { limitInputPixels: MAX_IMAGE_PIXELS, failOn: 'error', pages: 1 })
    .autoOrient()
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb');
}

async function rawPixels(source: Extract<ImageSource, { kind: 'raw' }>) {
  const { path, offset, width, height } = source;
  const pixels = new Uint8Array(width * height);
  const { handle } = await openFile(path, 'The image file');
  try {
    if (!(await readFully(handle, pixels, offset))) throw new Error(`${path} ends inside an image`);
  } finally {
    await handle.close();
  }
  return sharp()(pixels, { raw: { width, height, channels: 1 } });
}
