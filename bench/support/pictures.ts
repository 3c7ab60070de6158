import { mkdirSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import type { Random } from '../../src/core/numeric/random.ts';

/** Writes images of one class into `folder`: smooth waves and a little noise, which compress as pictures do. */
export async function writePictures(
  folder: string,
  random: Random,
  { count, height, width, type }: { count: number; height: number; width: number; type: 'png' | 'jpeg' },
): Promise<void> {
  mkdirSync(path.join(folder, 'all'), { recursive: true });
  for (let image = 0; image < count; image++) {
    const phase = 6.28 * random.uniform();
    const pixels = new Uint8Array(height * width * 3);
    for (let i = 0; i < pixels.length; i++) {
      const x = Math.floor(i / 3) % width;
      const y = Math.floor(i / 3 / width);
      const wave = 128 + 90 * Math.sin(x / (9 + (i % 3)) + y / 14 + phase);
      pixels[i] = Math.max(0, Math.min(255, wave + random.integer(16) - 8));
    }
    const encoded = sharp(pixels, { raw: { width, height, channels: 3 } }).toFormat(type, { quality: 90 });
    await encoded.toFile(path.join(folder, 'all', `${image}.${type}`));
  }
}
